//! The driver: what an agent is given to manage this computer's machines.

mod changes;
mod disks;
mod facts;
mod filter;
mod folders;
mod guest;
mod import;
mod looks;
mod machines;
mod moving;
mod networks;
mod save;
mod serial;
mod trouble;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use hostler_hypervisor::Trouble;
use uuid::Uuid;

use crate::events::{Changed, Folder, Holds, Hub};
use crate::pool::Pool;
use crate::raw::{self, Connection, Domain, Error};
use crate::statistics::Counts;
use trouble::Subject;

pub use facts::LibvirtFacts;
pub use networks::KeptNetwork;
pub use serial::Serial;

/// Where libvirt is, and where this computer keeps what belongs to machines.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How libvirt is reached. Only a local socket will do: graphics are handed over as descriptors.
    pub uri: String,
    /// Where libvirt keeps definitions: watched, because many changes raise no event.
    pub definition_folder: PathBuf,
    /// Where libvirt keeps what it knows of running machines: watched likewise.
    pub run_folder: PathBuf,
    /// Where libvirt keeps saved memory and snapshots: watched likewise.
    pub state_folder: PathBuf,
    /// The folders below which machines have folders of their own, named by their ids; the usual one first.
    pub machine_folders: Vec<PathBuf>,
    /// That of them in which disks are used with a cache of this computer: no other host sees it. In all others new
    /// machines use their disks without one, because other hosts may use them next.
    pub cached: Option<PathBuf>,
    /// The program that runs machines.
    pub qemu: PathBuf,
    /// How long opening a connection may take before libvirt counts as not answering.
    pub open_limit: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            uri: "qemu:///system".into(),
            definition_folder: "/etc/libvirt/qemu".into(),
            run_folder: "/run/libvirt/qemu".into(),
            state_folder: "/var/lib/libvirt/qemu".into(),
            machine_folders: vec!["/var/lib/hostler-agent/vms".into()],
            cached: Some("/var/lib/hostler-agent/vms".into()),
            qemu: "/usr/bin/qemu-system-x86_64".into(),
            open_limit: Duration::from_secs(5),
        }
    }
}

/// The machines of this computer, through libvirt. Cheap to share behind an `Arc`; calls block, each on a connection
/// of its own. Dropping it ends its threads.
pub struct Driver {
    settings: Settings,
    pool: Arc<Pool>,
    /// Statistics have a connection of their own, so that they never wait behind a long call.
    statistics: Mutex<Option<Connection>>,
    /// What was counted last of each machine that runs: some changes show nowhere else.
    counts: Mutex<HashMap<Uuid, Counts>>,
    agents: Arc<guest::Gate>,
    hub: Arc<Hub>,
    kvm: AtomicBool,
}

impl Driver {
    /// Makes the driver and begins to listen. libvirt need not be running: it is looked for from then on.
    ///
    /// # Errors
    /// The library or a thread cannot be started; not that libvirtd does not answer.
    pub fn new(settings: Settings) -> Result<Self, Trouble> {
        let host = Subject::Host;
        raw::ready().map_err(|why| host.trouble(why))?;
        let pool = Arc::new(Pool::new(settings.uri.clone(), settings.open_limit));
        let agents = Arc::new(guest::Gate::default());
        let hub = Arc::new(Hub::default());
        let silenced = Arc::clone(&agents);
        hub.listen(&pool, move |domain| silenced.forgive(domain))
            .and_then(|()| hub.watch(watched(&settings)))
            .map_err(|why| host.trouble(Error::own(format!("no thread to listen with: {why}"))))?;
        Ok(Self {
            settings,
            pool,
            statistics: Mutex::default(),
            counts: Mutex::default(),
            agents,
            hub,
            kvm: AtomicBool::new(false),
        })
    }

    /// Whether machines that are defined or started from now on use hardware virtualization. It is off until
    /// [`Driver::kvm_works`] was asked and said so.
    pub fn set_kvm(&self, works: bool) {
        self.kvm.store(works, Ordering::Relaxed);
    }

    /// What changes from now on. Every reader gets everything; a dropped one is forgotten.
    pub fn subscribe(&self) -> mpsc::Receiver<Changed> {
        self.hub.subscribe()
    }

    /// Turns all notices off or on again, those of files included: for tests of what is found without them.
    pub fn set_events(&self, on: bool) {
        self.hub.set_on(on);
    }

    /// Calls with a connection.
    fn on_host<T>(&self, call: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Trouble> {
        self.pool.with(call).map_err(|why| Subject::Host.trouble(why))
    }

    /// Calls with a connection and a domain of it.
    fn on_domain<T>(
        &self,
        domain: Uuid,
        call: impl FnOnce(&Connection, &Domain<'_>) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        self.pool
            .with(|connection| call(connection, &connection.domain(domain)?))
            .map_err(|why| Subject::Domain(domain).trouble(why))
    }
}

/// The folders in which libvirt keeps something of machines or of the host.
fn watched(settings: &Settings) -> Vec<Folder> {
    let folder = |path: PathBuf, holds| Folder { path, holds };
    let definitions = &settings.definition_folder;
    vec![
        folder(definitions.clone(), Holds::Machines),
        folder(settings.run_folder.clone(), Holds::Machines),
        folder(definitions.join("autostart"), Holds::Links { definitions: definitions.clone() }),
        folder(settings.state_folder.join("save"), Holds::Saved { definitions: definitions.clone() }),
        folder(settings.state_folder.join("snapshot"), Holds::Snapshots { definitions: definitions.clone() }),
        folder(settings.run_folder.with_file_name("network"), Holds::Networks),
        folder(definitions.join("networks"), Holds::Networks),
        folder(definitions.join("networks/autostart"), Holds::NetworkLinks),
    ]
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.hub.stop();
    }
}
