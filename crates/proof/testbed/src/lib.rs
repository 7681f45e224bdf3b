//! Real hosts in namespaces, a real server beside them, simulated fleets; stories that show what Hostler promises.
//!
//! A [`Host`] is a libvirt and an agent of its own behind a power switch; a [`Site`] is a server with hosts. Both run
//! the programs that users run, as processes that can be killed, and talk to them as users do: by REST, by `virsh`.
//! It must not reach into server or agent, nor touch the computer's own libvirt. Called by its own stories, by the
//! binary `hostler-testbed`, and by `cargo xtask bench`.

mod alone;
mod apart;
mod bench;
mod cage;
mod carry;
mod clearing;
pub mod cli;
mod commands;
mod computer;
pub mod counting;
mod demo;
mod first;
mod fleet;
mod ground;
mod host;
mod library;
mod line;
mod link;
mod overhear;
mod process;
mod server;
mod site;
mod trouble;
mod versions;

pub use alone::{About, Alone};
pub use commands::{PROGRAMS, program};
pub use computer::Computer;
pub use fleet::{Dice, Fleet, Wanted, live, populate};
pub use ground::Ground;
pub use host::Host;
pub use line::Slow;
pub use link::Link;
pub use process::{Process, wait_for};
pub use server::Server;
pub use site::{Site, ask_empty, create, empty, success, taken};
pub use trouble::{Result, Trouble};
pub use versions::Version;
