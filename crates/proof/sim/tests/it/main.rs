//! The simulator's own tests: each kind of job under every single trouble, rehearsals, and kept seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod kinds;
mod rehearsal;
mod seeds;
