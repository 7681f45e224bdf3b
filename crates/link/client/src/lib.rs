//! Typed client of the REST interface.
