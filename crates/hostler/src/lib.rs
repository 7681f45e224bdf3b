//! What the binary `hostler` is made of: the command line, and (with the feature `server`) what starts a server.
//!
//! The command line is a client of the REST interface like any other: it parses, asks, shows, and ends with a code that
//! scripts can rely on. It must not decide what may be done, nor read the server's files. Called by `main`, and by its
//! tests.

pub mod cli;
pub mod contexts;
#[cfg(feature = "server")]
pub mod serve;
