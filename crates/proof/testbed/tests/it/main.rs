//! Stories on real hosts. They need root and the packages; run them with
//! `hostler-testbed apart -- cargo nextest run -p hostler-testbed --run-ignored only`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod actions;
mod by_hand;
mod consoles;
mod crowd;
mod faults;
mod first;
mod freshness;
mod full;
mod hosts;
mod kills;
mod migration;
mod once;
mod picture;
mod properties;
mod sets;
mod survives;
mod twice;
mod world;
