//! Machines of a simulated host, with libvirt's habits.

use std::collections::BTreeMap;

use hostler_model::Code;
use hostler_model::command::Definition;
use hostler_model::hardware::{Bus, Disk, DiskFormat};
use hostler_model::seen::{Identity, Power, Seen, SeenAdapter, SeenDisk};
use hostler_model::time::Ms;
use uuid::Uuid;

use super::{Inner, Live, Machine, SimulatedHost, What, failed};
use crate::{Examined, Machines, Run, Trouble, Watch, no_vm};

/// Where the one DVD drive is.
const DVD_TARGET: &str = "sdz";

impl Inner {
    pub(super) fn machine(&mut self, domain: Uuid) -> Result<&mut Machine, Trouble> {
        self.machines.get_mut(&domain).ok_or_else(|| no_vm(domain))
    }

    /// Puts a definition in place; a machine that runs runs on.
    pub(super) fn define(&mut self, seen: Seen) -> Result<(), Trouble> {
        let taken = |other: &Machine| other.seen.name == seen.name && other.seen.domain != seen.domain;
        if self.machines.values().any(taken) {
            let cause = format!("a domain named {} exists with another id", seen.name);
            return Err(failed(Code::HypervisorFailed, format!("domain {}", seen.domain), cause));
        }
        let domain = seen.domain;
        match self.machines.get_mut(&domain) {
            Some(machine) => machine.seen = Seen { power: machine.seen.power, ..seen },
            None => {
                let machine = Machine {
                    seen,
                    live: BTreeMap::new(),
                    shuts_down_at: None,
                    runs: 0,
                    saved_paused: false,
                };
                self.machines.insert(domain, machine);
            }
        }
        self.event(domain, 1);
        Ok(())
    }

    pub(super) fn undefine(&mut self, domain: Uuid) -> Result<(), Trouble> {
        let machine = self.machine(domain)?;
        if machine.seen.power.is_on() {
            // libvirt lets it run on without a definition.
            machine.seen.persistent = false;
        } else {
            self.machines.remove(&domain);
        }
        self.event(domain, 1);
        Ok(())
    }

    pub(super) fn start(&mut self, domain: Uuid) -> Result<(), Trouble> {
        let object = format!("domain {domain}");
        let machine = self.machine(domain)?;
        if machine.seen.power.is_on() {
            return Err(failed(Code::HypervisorFailed, object, "domain is already running"));
        }
        let disks = machine.seen.disks.clone();
        let opener = (self.number, domain);
        for disk in &disks {
            let Some(file) = &disk.file else { continue };
            let folder = self.folder(file)?;
            let content = folder.lock();
            match content.files.get(file) {
                None if disk.dvd && content.library.contains_key(file) => {}
                None => {
                    let cause = format!("Cannot access storage file '{file}'");
                    return Err(failed(Code::DiskFailed, object, cause));
                }
                Some(there) if self.locks_images && !disk.dvd && !there.open.is_empty() => {
                    let cause = "Failed to get \"write\" lock: is another process using the image";
                    return Err(failed(Code::DiskInUse, object, cause));
                }
                Some(_) => {}
            }
        }
        let mut live = BTreeMap::new();
        for disk in disks {
            if let Some(file) = disk.file.as_ref().filter(|_| !disk.dvd) {
                self.open(file, opener);
            }
            live.insert(disk.target, Live { file: disk.file, leaving: None });
        }
        let machine = self.machine(domain)?;
        machine.live = live;
        machine.shuts_down_at = None;
        machine.runs += 1;
        // What was saved while it stood still stands still again.
        machine.seen.power = if machine.saved_paused { Power::Paused } else { Power::Running };
        machine.saved_paused = false;
        // RESUMED arrives before STARTED, and the guest agent's channel speaks too.
        self.event(domain, 3);
        Ok(())
    }

    pub(super) fn open(&self, file: &str, opener: (u64, Uuid)) {
        if let Ok(folder) = self.folder(file)
            && let Some(there) = folder.lock().files.get_mut(file)
        {
            there.open.insert(opener);
        }
    }

    pub(super) fn release(&self, file: &str, opener: (u64, Uuid)) {
        if let Ok(folder) = self.folder(file)
            && let Some(there) = folder.lock().files.get_mut(file)
        {
            there.open.remove(&opener);
        }
    }

    /// The process ends.
    pub(super) fn stop(&mut self, domain: Uuid, power: Power) {
        let opener = (self.number, domain);
        let Some(machine) = self.machines.get_mut(&domain) else { return };
        let live = std::mem::take(&mut machine.live);
        machine.shuts_down_at = None;
        machine.seen.power = power;
        machine.seen.guest_agent = false;
        if !machine.seen.persistent {
            self.machines.remove(&domain);
        }
        for file in live.into_values().filter_map(|live| live.file) {
            self.release(&file, opener);
        }
        self.event(domain, 2);
    }

    /// A machine that is on.
    pub(super) fn running(&mut self, domain: Uuid) -> Result<&mut Machine, Trouble> {
        let machine = self.machine(domain)?;
        if machine.seen.power.is_on() {
            return Ok(machine);
        }
        Err(failed(Code::HypervisorFailed, format!("domain {domain}"), "domain is not running"))
    }

    pub(super) fn set_power(&mut self, domain: Uuid, power: Power) -> Result<(), Trouble> {
        self.running(domain)?.seen.power = power;
        self.event(domain, 1);
        Ok(())
    }

    pub(super) fn attach(&mut self, domain: Uuid, disk: SeenDisk) -> Result<(), Trouble> {
        let opener = (self.number, domain);
        let object = format!("domain {domain}");
        let machine = self.machine(domain)?;
        if machine.seen.disks.iter().any(|there| there.target == disk.target)
            || machine.live.contains_key(&disk.target)
        {
            let cause = format!("target {} already exists", disk.target);
            return Err(failed(Code::HypervisorFailed, object, cause));
        }
        let on = machine.seen.power.is_on();
        if let Some(file) = &disk.file {
            let folder = self.folder(file)?;
            let content = folder.lock();
            let there = content.files.get(file);
            if on && there.is_none() {
                let cause = format!("Cannot access storage file '{file}'");
                return Err(failed(Code::HypervisorFailed, object, cause));
            }
            if on && self.locks_images && there.is_some_and(|there| !there.open.is_empty()) {
                let cause = "Failed to get \"write\" lock: is another process using the image";
                return Err(failed(Code::HypervisorFailed, object, cause));
            }
        }
        if on && let Some(file) = &disk.file {
            self.open(file, opener);
        }
        let machine = self.machine(domain)?;
        if on {
            machine.live.insert(disk.target.clone(), Live { file: disk.file.clone(), leaving: None });
        }
        machine.seen.disks.push(disk);
        machine.seen.disks.sort_by(|a, b| a.target.cmp(&b.target));
        if on {
            self.event(domain, 1);
        }
        Ok(())
    }

    /// Takes a disk out of the definition; true when it was there.
    pub(super) fn detach_from_definition(&mut self, domain: Uuid, target: &str) -> Result<bool, Trouble> {
        let machine = self.machine(domain)?;
        let before = machine.seen.disks.len();
        machine.seen.disks.retain(|disk| disk.target != target);
        Ok(machine.seen.disks.len() < before)
    }

    fn let_go(&mut self, domain: Uuid, target: &str) {
        let opener = (self.number, domain);
        let Some(live) = self.machines.get_mut(&domain).and_then(|machine| machine.live.remove(target))
        else {
            return;
        };
        if let Some(file) = live.file {
            self.release(&file, opener);
        }
        self.event(domain, 1);
    }

    pub(super) fn tick(&mut self, now: Ms) {
        self.now = self.now.max(now);
        if !self.up {
            return;
        }
        let running: Vec<Uuid> = self
            .machines
            .values()
            .filter(|machine| matches!(machine.seen.power, Power::Running | Power::ShuttingDown))
            .map(|machine| machine.seen.domain)
            .collect();
        for domain in running {
            self.tick_machine(domain);
        }
    }

    fn tick_machine(&mut self, domain: Uuid) {
        let now = self.now;
        let Some(machine) = self.machines.get(&domain) else { return };
        if machine.shuts_down_at.is_some_and(|at| at <= now) {
            self.stop(domain, Power::Off);
            return;
        }
        let gone: Vec<String> = machine
            .live
            .iter()
            .filter(|(_, live)| live.leaving.flatten().is_some_and(|at| at <= now))
            .map(|(target, _)| target.clone())
            .collect();
        let full = machine
            .live
            .values()
            .filter_map(|live| live.file.as_deref())
            .any(|file| self.folder(file).is_ok_and(|folder| folder.is_full()));
        for target in gone {
            self.let_go(domain, &target);
        }
        if full && let Some(machine) = self.machines.get_mut(&domain) {
            machine.seen.power = Power::PausedStorageFull;
            self.event(domain, 1);
        }
    }
}

/// A definition as its host shows it, off.
pub(super) fn as_seen(definition: &Definition) -> Seen {
    let hardware = &definition.hardware;
    let mut disks: Vec<SeenDisk> = hardware.disks.iter().map(disk_as_seen).collect();
    disks.push(SeenDisk {
        target: DVD_TARGET.into(),
        file: hardware.dvd.as_ref().map(|media| media.file.clone()),
        format: DiskFormat::Raw,
        bus: Bus::Sata,
        size_bytes: None,
        dvd: true,
    });
    disks.sort_by(|a, b| a.target.cmp(&b.target));
    Seen {
        domain: definition.identity.domain,
        name: definition.name.clone(),
        title: Some(definition.title.clone()),
        identity: Some(definition.identity),
        power: Power::Off,
        cpus: hardware.cpus,
        memory_mib: hardware.memory_mib,
        disks,
        adapters: hardware
            .adapters
            .iter()
            .map(|adapter| SeenAdapter {
                mac: adapter.mac,
                network: adapter.network.clone(),
                vlan: adapter.vlan,
                spoofing_filter: adapter.spoofing_filter,
            })
            .collect(),
        guest_agent: false,
        persistent: true,
        autostart: false,
        snapshots: Vec::new(),
    }
}

/// A definition on a simulated storage.
fn definition_in(text: &str) -> Result<Definition, Trouble> {
    serde_json::from_str(text).map_err(|why| {
        Trouble::Refused(hostler_model::Refusal::new(Code::ImportRefused, "definition", why.to_string()))
    })
}

pub(super) fn disk_as_seen(disk: &Disk) -> SeenDisk {
    SeenDisk {
        target: disk.target(),
        file: Some(disk.file.clone()),
        format: disk.format,
        bus: disk.bus,
        size_bytes: None,
        dvd: false,
    }
}

impl Machines for SimulatedHost {
    fn list(&self) -> Result<Vec<Seen>, Trouble> {
        self.look(|inner| Ok(inner.machines.values().map(|machine| machine.seen.clone()).collect()))
    }

    fn read(&self, domain: Uuid) -> Result<Option<Seen>, Trouble> {
        self.look(|inner| Ok(inner.machines.get(&domain).map(|machine| machine.seen.clone())))
    }

    fn define(&self, definition: &Definition) -> Result<(), Trouble> {
        let domain = definition.identity.domain;
        self.change(What::Defined, domain, |inner, _| inner.define(as_seen(definition)))
    }

    fn examine(&self, text: &str) -> Result<Examined, Trouble> {
        let definition = definition_in(text)?;
        // What another tool left bears nobody's identity.
        let seen = Seen { identity: None, ..as_seen(&definition) };
        Ok(Examined { seen, files: Vec::new(), refused: Vec::new() })
    }

    fn import(&self, text: &str, identity: &Identity, title: &str) -> Result<(), Trouble> {
        let definition = definition_in(text)?;
        let title = Some(title.to_owned());
        let seen = Seen { identity: Some(*identity), title, ..as_seen(&definition) };
        self.change(What::Defined, identity.domain, |inner, _| {
            if inner.machines.contains_key(&identity.domain) {
                let cause = "the host has a machine with this UUID already";
                return Err(failed(Code::HypervisorFailed, format!("domain {}", identity.domain), cause));
            }
            inner.define(seen)
        })
    }

    fn undefine(&self, domain: Uuid) -> Result<(), Trouble> {
        self.change(What::Undefined, domain, |inner, _| inner.undefine(domain))
    }

    // A simulated machine leaves nothing.
    fn sweep(&self, _domain: Uuid) {}

    fn start(&self, domain: Uuid) -> Result<(), Trouble> {
        self.change(What::Started, domain, |inner, _| inner.start(domain))
    }

    fn ask_to_shut_down(&self, domain: Uuid, only: Option<Run>) -> Result<Option<Run>, Trouble> {
        if let Some(only) = only
            && self.lock().running(domain).is_ok_and(|machine| machine.runs != only.0)
        {
            return Ok(None);
        }
        self.change(What::AskedToShutDown, domain, |inner, _| {
            let after = inner.manners(domain).shuts_down_after_ms;
            let at = after.map(|after| inner.now + after);
            let machine = inner.running(domain)?;
            machine.shuts_down_at = machine.shuts_down_at.or(at);
            Ok(Some(Run(machine.runs)))
        })
    }

    fn turn_off(&self, domain: Uuid) -> Result<(), Trouble> {
        self.change(What::TurnedOff, domain, |inner, _| {
            inner.running(domain)?;
            inner.stop(domain, Power::Off);
            Ok(())
        })
    }

    fn pause(&self, domain: Uuid) -> Result<(), Trouble> {
        self.change(What::Paused, domain, |inner, _| inner.set_power(domain, Power::Paused))
    }

    fn resume(&self, domain: Uuid) -> Result<(), Trouble> {
        self.change(What::Resumed, domain, |inner, _| {
            if inner.running(domain)?.seen.power == Power::PausedBusy {
                inner.reopen(domain)?;
            }
            inner.set_power(domain, Power::Running)
        })
    }

    fn reset(&self, domain: Uuid) -> Result<(), Trouble> {
        self.change(What::Reset, domain, |inner, _| {
            inner.running(domain)?.shuts_down_at = None;
            // REBOOT comes up to three times.
            inner.event(domain, 3);
            Ok(())
        })
    }

    fn save(&self, domain: Uuid, watch: &dyn Watch) -> Result<(), Trouble> {
        self.change(What::Saved, domain, |inner, _| {
            let machine = inner.running(domain)?;
            if !machine.seen.persistent {
                let object = format!("domain {domain}");
                return Err(failed(Code::HypervisorFailed, object, "cannot save a transient domain"));
            }
            if watch.aborted() {
                return Err(Trouble::Aborted);
            }
            machine.saved_paused = machine.seen.power == Power::Paused;
            inner.stop(domain, Power::Saved);
            Ok(())
        })
    }

    fn discard_saved(&self, domain: Uuid) -> Result<(), Trouble> {
        self.change(What::Discarded, domain, |inner, _| {
            let machine = inner.machine(domain)?;
            if machine.seen.power != Power::Saved {
                let object = format!("domain {domain}");
                return Err(failed(Code::HypervisorFailed, object, "there is no saved state"));
            }
            machine.seen.power = Power::Off;
            machine.saved_paused = false;
            // No event.
            Ok(())
        })
    }

    fn set_hardware(&self, domain: Uuid, cpus: u32, memory_mib: u64) -> Result<(), Trouble> {
        self.change(What::HardwareSet, domain, |inner, _| {
            let machine = inner.machine(domain)?;
            (machine.seen.cpus, machine.seen.memory_mib) = (cpus, memory_mib);
            // A definition put anew raises one.
            inner.event(domain, 1);
            Ok(())
        })
    }

    fn retitle(&self, domain: Uuid, title: &str) -> Result<(), Trouble> {
        self.change(What::Retitled, domain, |inner, _| {
            inner.machine(domain)?.seen.title = Some(title.to_owned());
            inner.event(domain, 1);
            Ok(())
        })
    }

    fn attach_disk(&self, domain: Uuid, disk: &Disk) -> Result<(), Trouble> {
        self.change(What::Attached, domain, |inner, _| inner.attach(domain, disk_as_seen(disk)))
    }

    fn ask_to_detach_disk(&self, domain: Uuid, target: &str) -> Result<(), Trouble> {
        self.change(What::AskedToDetach, format!("{domain} {target}"), |inner, _| {
            let (now, manners) = (inner.now, inner.manners(domain));
            let defined = inner.detach_from_definition(domain, target)?;
            let machine = inner.machine(domain)?;
            let object = format!("domain {domain}");
            match machine.live.get_mut(target) {
                None if defined => Ok(()),
                None => Err(failed(Code::HypervisorFailed, object, format!("no disk {target}"))),
                Some(live) if live.leaving.is_some() => {
                    Err(failed(Code::HypervisorFailed, object, "the device is already leaving"))
                }
                Some(live) => {
                    live.leaving = Some(manners.lets_go_after_ms.map(|after| now + after));
                    if manners.lets_go_after_ms == Some(0) && machine.seen.power == Power::Running {
                        inner.let_go(domain, target);
                    }
                    Ok(())
                }
            }
        })
    }

    fn holds_disk(&self, domain: Uuid, target: &str) -> Result<Option<String>, Trouble> {
        self.look(|inner| {
            let machine = inner.machines.get(&domain).ok_or_else(|| no_vm(domain))?;
            if machine.seen.power.is_on() {
                return Ok(machine.live.get(target).and_then(|live| live.file.clone()));
            }
            let defined = machine.seen.disks.iter().find(|disk| disk.target == target);
            Ok(defined.and_then(|disk| disk.file.clone()))
        })
    }

    fn set_media(&self, domain: Uuid, file: Option<&str>) -> Result<(), Trouble> {
        self.change(What::MediaSet, domain, |inner, _| {
            let machine = inner.machine(domain)?;
            let Some(drive) = machine.seen.disks.iter_mut().find(|disk| disk.dvd) else {
                let object = format!("domain {domain}");
                return Err(failed(Code::HypervisorFailed, object, "it has no DVD drive"));
            };
            drive.file = file.map(str::to_owned);
            let target = drive.target.clone();
            if let Some(live) = machine.live.get_mut(&target) {
                live.file = file.map(str::to_owned);
                // TRAY_CHANGE comes twice.
                inner.event(domain, 2);
            }
            Ok(())
        })
    }

    fn adopt(&self, identity: &Identity) -> Result<(), Trouble> {
        self.change(What::Adopted, identity.domain, |inner, _| {
            inner.machine(identity.domain)?.seen.identity = Some(*identity);
            inner.event(identity.domain, 1);
            Ok(())
        })
    }

    fn users_of(&self, file: &str) -> Result<Vec<Uuid>, Trouble> {
        self.look(|inner| {
            let has = |machine: &&Machine| {
                let defined = machine.seen.disks.iter().filter_map(|disk| disk.file.as_deref());
                let live = machine.live.values().filter_map(|live| live.file.as_deref());
                defined.chain(live).any(|used| used == file)
            };
            Ok(inner.machines.values().filter(has).map(|machine| machine.seen.domain).collect())
        })
    }
}
