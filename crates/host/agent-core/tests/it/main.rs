//! The agent's state machine, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bench;
mod chance;
mod session;
mod steps;
