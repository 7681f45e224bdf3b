//! The whole manager in one process, from a seed: engine, loop and agent core as the product runs them, simulated
//! hosts, a network that delays, reorders, doubles and cuts, a virtual clock, and faults at the dangerous moments.
//!
//! [`story::run`] tells one seed's story and checks the invariants; [`mutant::Mutant`] are planted faults by which the
//! stories themselves are tested; [`kinds`] puts each kind of job through every single trouble. Nothing here proves a
//! feature: real hosts do that. It must use what the product uses and never a copy of it. Called by `cargo xtask sim`
//! and by the tests.

mod agent;
mod asks;
mod check;
mod dice;
mod faults;
mod groups;
pub mod kinds;
pub mod mutant;
mod networks;
mod queue;
mod server;
pub mod story;
mod works;
mod world;
