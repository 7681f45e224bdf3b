//! Objects, revisions, feed, history.
