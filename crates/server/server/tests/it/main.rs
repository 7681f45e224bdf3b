//! The server as its handle and its agents see it: real sockets on loopback, a real TLS channel, agents that say what
//! the test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod agents;
mod asks;
mod pushes;
mod refreshers;
mod starts;
mod streams;
mod support;
mod troubles;
