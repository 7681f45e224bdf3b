//! The agent on hosts and library servers: it puts together the state machine (`agent-core`), the machines and disks
//! of this computer, the journal, and the connection to the server.
//!
//! It decides nothing: what may begin, what is said and in which order is `agent-core`'s; what a command does is
//! `hypervisor`'s. Here is what those leave to their caller: threads, time, files, the network. It must not act on a
//! machine except through a command that the core began, and keeps no record of its own beside the journal.
//!
//! [`run`] is the whole of it over any [`Hands`]: those of this computer's libvirt ([`LibvirtHost::hands`]), or
//! simulated ones ([`simulated::hands`]). The binary `hostler-agent` calls it, and so does the testbed.

mod boots;
pub mod cli;
mod computer;
mod config;
mod disks;
mod equipment;
mod file_systems;
mod folders;
mod hands;
mod importing;
mod journal;
mod kvm;
mod libvirt;
mod line;
mod moving;
mod networks;
mod own;
pub mod performance;
mod program;
mod qemu_account;
mod reading;
mod removal;
mod run;
mod screens;
pub mod simulated;
mod sizes;
mod stamp;
mod status;
mod storage;
mod streams;
pub mod uploads;
mod work;

pub use computer::Computer;
pub use config::{Config, ConfigError, State};
pub use disks::AgentDisks;
pub use folders::Folders;
pub use hands::{Hands, Host};
pub use journal::{Journal, JournalError, Keep, MemoryJournal};
pub use libvirt::LibvirtHost;
pub use line::Dial;
pub use own::Upgrade;
pub use qemu_account::{AccountError, QemuAccount};
pub use run::{Ending, Setup, run};
pub use status::{Connection, Status};
