//! What the loop promises: one commit for a batch, nothing before it, readers on what is committed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod batch;
mod picture;
mod trouble;
mod world;
