//! Two agents on one computer, and those who should not be let in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod carried;
mod files;
mod plain;
mod tickets;
mod world;
