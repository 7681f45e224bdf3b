//! What a store promises, tried on both; and what only the file has to keep: when power is lost, when the disk is
//! full, when another program was there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod file;
mod past;
mod platter;
mod power;
mod promises;
mod things;
