//! The hands on this computer: libvirt's machines, our folders, and what the server may ask about them.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use hostler_hypervisor::{Disks, Machines, Trouble};
use hostler_libvirt::statistics::Figures;
use hostler_libvirt::{Driver, Serial, Settings, probe};
use hostler_model::channel::Query;
use hostler_model::host::{HostFacts, Kvm, Load};
use hostler_model::host_hardware::Processors;
use hostler_model::refresher::{MachineTrouble, Refreshed, RefresherKind};
use hostler_model::seen::Seen;
use hostler_model::{Code, Refusal};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::boots::OwnBoots;
use crate::computer::{Computer, kernel_boot_id};
use crate::config::{Config, State};
use crate::disks::AgentDisks;
use crate::file_systems::file_systems;
use crate::hands::{Hands, Host};
use crate::importing::importable;
use crate::moving::{Mover, Places};
use crate::networks::{self, HostNetworks};
use crate::performance::{Counters, Recorder};
use crate::qemu_account::QemuAccount;
use crate::screens::Screens;
use crate::uploads::Uploads;

/// The largest file read inside a guest: an answer is one message.
const MOST_GUEST_FILE_BYTES: u64 = 64 * 1024;
/// Changes that wait to be read: beyond it the thread that tells them waits.
const CHANGES: usize = 1_024;

/// This computer with its libvirt.
pub struct LibvirtHost {
    driver: Arc<Driver>,
    state: State,
    computer: Computer,
    kvm: Kvm,
    recorder: Recorder,
    disks: Arc<AgentDisks>,
    uploads: Arc<Uploads>,
    screens: Screens,
    /// What libvirt said last: its versions do not vanish because it does not answer.
    last: Mutex<HostFacts>,
    /// Held while file systems are asked how full they are.
    asked_disks: Mutex<()>,
    /// Held while machines are looked for on the storage.
    asked_imports: Mutex<()>,
}

impl LibvirtHost {
    /// Looks at the computer, tries hardware virtualization if that was not done since its start, and begins to
    /// listen to libvirt, which need not answer yet. Blocks for some seconds at the first time.
    ///
    /// # Errors
    /// The driver cannot be set up.
    pub fn new(config: &Config, state: &State) -> Result<Arc<Self>, Trouble> {
        let settings = Settings {
            uri: config.libvirt_uri.clone(),
            definition_folder: config.definition_folder.clone(),
            run_folder: config.run_folder.clone(),
            state_folder: config.libvirt_state_folder.clone(),
            machine_folders: config.folders(state).all().map(Into::into).collect(),
            // What is the agent's own no other host sees.
            cached: Some(config.vms(state)).filter(|_| config.vm_folder.is_none()),
            qemu: config.qemu.clone(),
            ..Settings::default()
        };
        let driver = Arc::new(Driver::new(settings)?);
        driver.set_events(config.events);
        let kvm = kvm(&state.kvm(), &config.qemu);
        driver.set_kvm(kvm == Kvm::Works);
        let computer = Computer::new(
            config.name.clone(),
            config.folders(state),
            config.bases(state),
            config.host_boot.clone(),
        )
        .reached_at(config.transfer_address.clone(), config.server.clone());
        let recorder = Recorder::new(Some(state.performance()));
        let uploads = Arc::new(Uploads::new(state.uploads()));
        Ok(Arc::new(Self {
            driver,
            state: state.clone(),
            computer,
            kvm,
            recorder,
            disks: Arc::new(
                AgentDisks::new(config.vms(state), config.bases(state)).within(config.folders(state)),
            ),
            uploads,
            screens: Screens::default(),
            last: Mutex::default(),
            asked_disks: Mutex::default(),
            asked_imports: Mutex::default(),
        }))
    }

    /// The boot id that the server is told.
    pub fn boot_id(&self) -> String {
        self.computer.boot_id()
    }

    /// The driver itself.
    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// The file systems of the computer. One question at a time: one of another computer that does not answer holds it.
    fn file_systems(&self) -> Result<Vec<u8>, Refusal> {
        let Ok(_one) = self.asked_disks.try_lock() else {
            let cause = "they are being read already: one of them may lie on a computer that does not answer";
            return Err(
                Refusal::new(Code::TooManyRequests, "file systems", cause).remedy("Try again in a while")
            );
        };
        told(&file_systems(self.computer.machines()))
    }

    /// What a refresher is told beside the reports.
    fn refreshed(&self, refresher: RefresherKind) -> Result<Refreshed, Refusal> {
        let mut refreshed = Refreshed::default();
        match refresher {
            RefresherKind::VmHeavy => {
                let listed = self.driver.list().map_err(|trouble| trouble.into_refusal("libvirt"))?;
                refreshed.troubles = listed
                    .iter()
                    .filter_map(|seen| Some((seen.domain, trouble_of(&*self.disks, seen)?)))
                    .map(|(domain, cause)| MachineTrouble { domain, cause })
                    .collect();
            }
            RefresherKind::Performance => refreshed.loads = self.recorder.loads(),
            RefresherKind::Host
                if !self.last.lock().unwrap_or_else(PoisonError::into_inner).libvirt_answers =>
            {
                return Err(Refusal::new(Code::HypervisorFailed, "libvirt", "it does not answer")
                    .remedy("Look whether libvirt runs on the host"));
            }
            RefresherKind::VmLight
            | RefresherKind::Host
            | RefresherKind::Library
            | RefresherKind::Unknown => {}
        }
        Ok(refreshed)
    }

    /// All that an agent acts with here, within its runtime. The folders must be there.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn hands(self: &Arc<Self>, config: &Config, state: &State) -> std::io::Result<Hands> {
        let told = self.driver.subscribe();
        let (tell, changes) = mpsc::channel(CHANGES);
        // Ends with the driver, or when nobody reads any more.
        std::thread::Builder::new().name("changes".into()).spawn(move || {
            while let Ok(changed) = told.recv() {
                if tell.blocking_send(changed).is_err() {
                    return;
                }
            }
        })?;
        Ok(Hands {
            machines: Arc::clone(&self.driver) as _,
            disks: Arc::clone(&self.disks) as _,
            moves: Arc::new(Mover::new(
                Arc::clone(&self.driver),
                Places {
                    identity: state.identity(),
                    folders: config.folders(state),
                    bases: config.bases(state),
                    moves: state.moves(),
                    sockets: config.move_folder.clone(),
                    libvirt: config.libvirt_socket(),
                    qemu: QemuAccount::read(&config.qemu_conf).ok().flatten().and_then(|a| a.owner()),
                },
            )),
            boots: Arc::new(OwnBoots::new(config)),
            networks: Arc::new(HostNetworks::new(Arc::clone(&self.driver), state.networks())),
            host: Arc::clone(self) as _,
            changes,
        })
    }
}

impl Host for LibvirtHost {
    fn facts(&self) -> HostFacts {
        let mut facts = HostFacts { kvm: self.kvm.clone(), ..self.computer.facts() };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match self.driver.host_facts() {
            Ok(said) => {
                facts.libvirt_answers = true;
                (facts.libvirt, facts.qemu) = (said.libvirt, said.qemu);
                facts.adapter_vlans = networks::adapter_vlans(&facts.libvirt);
                facts.spoofing_filter = networks::spoofing_filter(said.spoofing_filter);
                facts.host_networks = networks::as_wired(said.networks, &facts.hardware.adapters);
                let active = facts.host_networks.iter().filter(|network| network.active);
                facts.networks = active.map(|network| network.name.clone()).collect();
                let mhz = facts.hardware.processors.mhz;
                facts.hardware.processors = Processors { mhz, ..said.processors };
                (facts.hardware.numa, facts.hardware.security) = (said.numa, said.security);
            }
            Err(why) => {
                tracing::debug!(%why, "libvirt does not say what it is");
                facts.qemu.clone_from(&last.qemu);
                facts.adapter_vlans.clone_from(&last.adapter_vlans);
                facts.spoofing_filter.clone_from(&last.spoofing_filter);
                facts.networks.clone_from(&last.networks);
                facts.host_networks.clone_from(&last.host_networks);
                facts.hardware.processors = last.hardware.processors;
                facts.hardware.numa.clone_from(&last.hardware.numa);
                facts.hardware.security.clone_from(&last.hardware.security);
            }
        }
        last.clone_from(&facts);
        facts
    }

    fn load(&self) -> Load {
        self.computer.load()
    }

    fn answer(&self, query: &Query) -> Result<Vec<u8>, Refusal> {
        let answer = match query {
            Query::Screenshot { domain, width } => {
                return self.screens.newest(*domain, *width, || {
                    self.driver.screenshot(*domain).map_err(|trouble| trouble.into_refusal("libvirt"))
                });
            }
            Query::Performance { domain, now, from, to, points } => {
                return told(&self.recorder.between(*domain, *now, *from, *to, *points));
            }
            Query::FileSystems => return self.file_systems(),
            Query::Importable { file } => {
                // One look at a time: a storage that does not answer holds it.
                let Ok(_one) = self.asked_imports.try_lock() else {
                    let cause = "they are being looked for already";
                    return Err(Refusal::new(Code::TooManyRequests, "machines on the storage", cause)
                        .remedy("Try again in a while"));
                };
                let folders = self.computer.folders();
                return told(&importable(&*self.driver, &*self.disks, folders, file.as_deref())?);
            }
            Query::Folder { path } => return told(&self.computer.folders().list(path)?),
            Query::GuestFile { domain, path } => {
                self.driver.guest_read_file(*domain, path, MOST_GUEST_FILE_BYTES)
            }
            Query::GuestAddresses { domain } => self.driver.guest_addresses(*domain).map(|told| {
                // Addresses are always JSON.
                serde_json::to_vec(&told).unwrap_or_default()
            }),
            Query::DefinitionXml { domain } => self.driver.definition_xml(*domain).map(String::into_bytes),
            Query::Refresh { refresher } => return told(&self.refreshed(*refresher)?),
            Query::Leases { network } => {
                return told(
                    &self.driver.leases(network).map_err(|trouble| trouble.into_refusal("libvirt"))?,
                );
            }
            // Uploads and shares are asked for beside this.
            Query::Upload { .. } | Query::Share { .. } | Query::Unknown => {
                return Err(Refusal::new(Code::AgentUnsupported, "question", "this agent does not know it")
                    .remedy("Upgrade the agent"));
            }
        };
        answer.map_err(|trouble| trouble.into_refusal("libvirt"))
    }

    fn serial(&self, domain: Uuid) -> Result<Option<Serial>, Refusal> {
        self.driver.serial(domain).map_err(|trouble| trouble.into_refusal("libvirt"))
    }

    fn open_graphics(&self, domain: Uuid) -> Result<OwnedFd, Refusal> {
        self.driver.open_graphics(domain).map_err(|trouble| trouble.into_refusal("libvirt"))
    }

    fn uploads(&self) -> Option<Arc<Uploads>> {
        Some(Arc::clone(&self.uploads))
    }

    fn state(&self) -> Option<State> {
        Some(self.state.clone())
    }

    fn sample(&self) {
        let machines = match self.driver.statistics() {
            Ok(figures) => figures.iter().map(|figures| (figures.domain, counters(figures))).collect(),
            Err(why) => {
                tracing::debug!(%why, "the machines cannot be measured");
                Vec::new()
            }
        };
        self.recorder.sample(&self.computer.counters(), &machines);
    }

    fn keep(&self) {
        self.recorder.keep();
    }
}

/// What is wrong with a machine, where something is: its definition, or a file of it that is not there. Of files outside
/// our own folders only that is looked at: nobody is led to open files by what a definition says.
fn trouble_of(disks: &dyn Disks, seen: &Seen) -> Option<String> {
    let mut troubles = Vec::new();
    if seen.name.is_empty() {
        troubles.push("its definition cannot be read".to_owned());
    }
    for disk in &seen.disks {
        let Some(file) = &disk.file else { continue };
        match disks.look(file) {
            Ok(Some(_)) => {}
            Ok(None) => troubles.push(format!("{}: {file} is not there", disk.target)),
            Err(Trouble::Refused(_)) => {
                if let Ok(false) = fs::exists(file) {
                    troubles.push(format!("{}: {file} is not there", disk.target));
                }
            }
            Err(why) => troubles.push(format!("{}: {}", disk.target, why.into_refusal(file).cause)),
        }
    }
    (!troubles.is_empty()).then(|| troubles.join("; "))
}

/// An answer as JSON.
pub(crate) fn told<T: Serialize + ?Sized>(answer: &T) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(answer).map_err(|why| Refusal::new(Code::Internal, "answer", why.to_string()))
}

/// What libvirt counts of a machine. A machine that is busy tells a part of it only, and what is absent reads as
/// nothing: that is not taken for a zero.
fn counters(figures: &Figures) -> Counters {
    let sum = |values: &mut dyn Iterator<Item = u64>| values.fold(0_u64, u64::saturating_add);
    let inside = figures
        .guest_memory_kib
        .zip(figures.guest_usable_kib)
        .map(|(all, usable)| all.saturating_sub(usable));
    let memory_kib = inside.or((figures.resident_kib > 0).then_some(figures.resident_kib));
    Counters {
        processor_ns: (figures.cpu_time_ns > 0).then_some(figures.cpu_time_ns),
        processors: figures.cpus,
        memory_mib: memory_kib.map(|kib| kib as f32 / 1024.0),
        disk_bytes: (!figures.disks.is_empty()).then(|| {
            let read = sum(&mut figures.disks.iter().map(|disk| disk.read_bytes));
            (read, sum(&mut figures.disks.iter().map(|disk| disk.written_bytes)))
        }),
        net_bytes: (!figures.adapters.is_empty()).then(|| {
            let received = sum(&mut figures.adapters.iter().map(|adapter| adapter.received_bytes));
            (received, sum(&mut figures.adapters.iter().map(|adapter| adapter.sent_bytes)))
        }),
    }
}

/// What the probe said, and for which start of the computer and which QEMU.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Probed {
    boot: String,
    qemu: String,
    kvm: Kvm,
}

/// Whether hardware virtualization works: tried once per start of the computer and per QEMU, then remembered.
fn kvm(remembered: &Path, qemu: &Path) -> Kvm {
    let (boot, qemu_is) = (kernel_boot_id(), which(qemu));
    let read = fs::read(remembered).ok().and_then(|text| serde_json::from_slice::<Probed>(&text).ok());
    if let Some(known) = read
        && known.boot == boot
        && known.qemu == qemu_is
    {
        return known.kvm;
    }
    let probed = Probed { boot, qemu: qemu_is, kvm: probe::kvm_works(qemu) };
    if let Kvm::Fails { why } = &probed.kvm {
        tracing::warn!(why, "hardware virtualization does not work: machines run under emulation, slowly");
    }
    // Not remembered, it is tried again at the next start.
    if let Ok(text) = serde_json::to_vec(&probed) {
        let _ = fs::write(remembered, text);
    }
    probed.kvm
}

/// The program and when it was installed.
fn which(program: &Path) -> String {
    let changed = fs::metadata(program).and_then(|m| m.modified()).ok();
    let at = changed.and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |age| age.as_millis());
    format!("{} {at}", program.display())
}
