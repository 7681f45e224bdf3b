//! The command line as its users meet it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod complete;
mod contexts;
#[cfg(feature = "server")]
mod documents;
mod failures;
mod formats;
mod help;
mod lines;
mod man;
#[cfg(feature = "server")]
mod reference;
mod served;

mod shown;
mod typed;
