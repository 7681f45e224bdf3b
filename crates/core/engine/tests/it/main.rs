//! What the engine promises, told by small worlds: inputs in, record and messages out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod asks;
mod bench;
mod jobs;
mod owed;
mod reports;
mod sessions;
mod world;
