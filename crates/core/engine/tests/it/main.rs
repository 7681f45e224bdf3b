//! What the engine promises, told by small worlds: inputs in, record and messages out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// Benches measure with a real clock.
#![allow(clippy::disallowed_types)]

mod asks;
mod disks;
mod folders;
mod groups;
mod host_power;
mod import;
mod jobs;
mod leaving;
mod migrate;
mod networks;
mod owed;
mod reports;
mod sessions;
mod words;
mod world;
