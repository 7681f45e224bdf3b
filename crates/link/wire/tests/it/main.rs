//! The channel between server and agents, on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod enrolment;
mod figures;
mod line;
mod recorded;
mod renewal;
mod sessions;
mod streams;
mod world;
