//! Stories on real hosts. They need root and the packages; run them with
//! `hostler-testbed apart -- cargo nextest run -p hostler-testbed --run-ignored only`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod actions;
mod agents;
mod by_hand;
mod consoles;
mod crowd;
mod faults;
mod first;
mod folders;
mod freshness;
mod full;
mod host_power;
mod hosts;
mod kills;
mod migration;
mod migration_faults;
mod networks;
mod once;
mod picture;
mod properties;
mod sets;
mod survives;
mod twice;
mod world;
