//! Commands over a simulated host, and the simulated host against the suite that holds for the real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bench;
mod conformance;
mod guests;
mod interrupted;
mod marks;
mod moves;
mod networks;
