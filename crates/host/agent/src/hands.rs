//! What an agent acts with: this computer's libvirt and folders, or simulated ones.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use hostler_hypervisor::{Boots, Disks, Machines, Moves, Networks};
use hostler_libvirt::{Changed, Serial};
use hostler_model::Refusal;
use hostler_model::channel::Query;
use hostler_model::host::{HostFacts, Load};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::config::State;
use crate::uploads::Uploads;

/// The computer itself. Calls block.
pub trait Host: Send + Sync {
    /// What it is like.
    fn facts(&self) -> HostFacts;
    /// Looks again, for some seconds, at what is not looked at each time it is told: what failed may have been mended.
    fn look_again(&self) {}
    /// How loaded it is, since the call before.
    fn load(&self) -> Load;
    /// The answer to a question of the server, as bytes.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn answer(&self, query: &Query) -> Result<Vec<u8>, Refusal>;
    /// A connected socket that speaks RFB with the screen of a machine that is on.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn open_graphics(&self, domain: Uuid) -> Result<OwnedFd, Refusal>;
    /// Where a machine's first serial port leads; none where it has none that a console can be joined to.
    ///
    /// # Errors
    /// Why that cannot be told, in words.
    fn serial(&self, domain: Uuid) -> Result<Option<Serial>, Refusal> {
        let _ = domain;
        Ok(None)
    }
    /// The uploads to shares on this computer, where it takes any.
    fn uploads(&self) -> Option<Arc<Uploads>> {
        None
    }
    /// Where the agent keeps what it keeps on this computer; nothing where it keeps nothing there.
    fn state(&self) -> Option<State> {
        None
    }
    /// Measures itself and its machines for the performance history, where it keeps one. Called every ten seconds.
    fn sample(&self) {}
    /// Writes what should outlast the agent: it is about to end.
    fn keep(&self) {}
}

/// What an agent acts with.
pub struct Hands {
    /// The machines.
    pub machines: Arc<dyn Machines>,
    /// The disks.
    pub disks: Arc<dyn Disks>,
    /// What it can do for machines that come and go.
    pub moves: Arc<dyn Moves>,
    /// What it can do about the computer's own power.
    pub boots: Arc<dyn Boots>,
    /// Its networks.
    pub networks: Arc<dyn Networks>,
    /// The computer.
    pub host: Arc<dyn Host>,
    /// What changes behind the agent's back, from before its first listing on. One that is closed tells nothing more.
    pub changes: mpsc::Receiver<Changed>,
}
