//! The loop: batch, decide, commit, publish, release.
