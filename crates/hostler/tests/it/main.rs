//! The command line as its users meet it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod contexts;
#[cfg(feature = "server")]
mod documents;
mod failures;
mod help;
mod lines;
mod served;

mod shown;
