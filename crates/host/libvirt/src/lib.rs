//! The driver for QEMU and KVM through libvirt: [`Driver`] carries out, on real machines, what
//! `hostler_hypervisor::Machines` promises, tells what changed behind its back ([`Driver::subscribe`]), and gives
//! what else an agent shows of a host (pictures, counters, facts, a file inside a guest).
//!
//! It decides nothing: guards, times and repetitions are its caller's, the agent. It holds no record, runs no job,
//! and takes every answer from libvirt at the moment of asking. Each call uses a connection that no other thread uses
//! meanwhile; a broken one is never repeated but reported as `Interrupted`, because only looking tells whether it took
//! effect. Domain XML is believed in nothing: it is bounded, and what is unknown in it survives a change.
//!
//! Nothing outside this crate names libvirt's functions; inside it, `raw` alone calls them.

mod driver;
mod events;
mod pool;
mod power;
pub mod probe;
mod raw;
pub mod statistics;
mod tree;
mod xml;

pub use driver::{Driver, KeptNetwork, LibvirtFacts, Serial, Settings};
pub use events::Changed;
