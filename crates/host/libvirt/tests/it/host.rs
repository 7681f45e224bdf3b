//! A host of the test's own: its namespaces, and the driver outside them.

use std::fs;
use std::ops::Deref;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use hostler_hypervisor::{Machines, Trouble};
use hostler_libvirt::{Changed, Driver, Settings};
use hostler_model::command::Definition;
use hostler_model::hardware::{Bus, Disk, DiskFormat, Firmware, Hardware};
use hostler_model::seen::{Identity, Power, Seen};
use hostler_model::{Code, InstallationId, VmId};
use uuid::Uuid;

use crate::namespaces::{AS_ROOT, Namespaces};
pub use crate::namespaces::{rand, within};

/// A fivefold guard over what is awaited: the machine may be busy with other tests.
pub const SOON: Duration = Duration::from_secs(10);

pub struct Host {
    // Before the driver: it has to bear that libvirt goes away.
    namespaces: Namespaces,
    pub driver: Driver,
}

impl Deref for Host {
    type Target = Namespaces;

    fn deref(&self) -> &Namespaces {
        &self.namespaces
    }
}

impl Host {
    /// A host with libvirt running.
    pub fn new() -> Self {
        let host = Self::without_libvirt();
        host.start_libvirt();
        host
    }

    /// A host whose libvirt is not started yet.
    pub fn without_libvirt() -> Self {
        let small = "mount -t tmpfs -o size=4m tmpfs \"$0/small\"";
        let namespaces = Namespaces::new("libvirt-cache", AS_ROOT, small);
        let folder = &namespaces.folder;
        let settings = Settings {
            uri: namespaces.uri(),
            definition_folder: folder.join("etc/qemu"),
            run_folder: folder.join("run/libvirt/qemu"),
            state_folder: folder.join("lib/qemu"),
            machine_folders: vec![folder.join("vms")],
            cached: Some(folder.join("vms")),
            ..Settings::default()
        };
        let driver = Driver::new(settings).unwrap();
        Self { driver, namespaces }
    }

    /// Starts libvirtd and waits until it answers.
    pub fn start_libvirt(&self) {
        self.namespaces.start_libvirt();
        eventually("libvirt answers", || self.driver.host_facts().is_ok());
    }

    /// Defines what another tool would define.
    pub fn virsh_define(&self, xml: &str) {
        let file = self.folder.join("foreign.xml");
        fs::write(&file, xml).unwrap();
        self.virsh(&["define", file.to_str().unwrap()]);
    }

    /// An empty disk file.
    pub fn disk(&self, no: u32, bus: Bus, size_mib: u64) -> Disk {
        let file = self.path(&format!("disk-{no}-{}.qcow2", rand() % 1_000_000));
        self.run(&["qemu-img", "create", "-q", "-f", "qcow2", &file, &format!("{size_mib}M")]);
        Disk { no, file, format: DiskFormat::Qcow2, size_bytes: size_mib << 20, bus, base: None, seed: false }
    }

    /// Defines a machine with one empty disk: it sits in its firmware when it runs.
    pub fn define(&self, no: u128) -> Uuid {
        let definition = definition(no, hardware(vec![self.disk(0, Bus::Virtio, 8)]));
        self.driver.define(&definition).unwrap();
        definition.identity.domain
    }

    pub fn seen(&self, domain: Uuid) -> Seen {
        self.driver.read(domain).unwrap().expect("the host has it")
    }

    pub fn power(&self, domain: Uuid) -> Power {
        self.seen(domain).power
    }
}

pub fn definition(no: u128, hardware: Hardware) -> Definition {
    let domain = Uuid::from_u128((0x0196 << 112) | (7 << 76) | (8 << 60) | no);
    Definition {
        identity: Identity { vm: VmId(domain), domain, installation: InstallationId(Uuid::from_u128(0xabc)) },
        name: format!("vm-{no:06}"),
        title: format!("Machine {no} <&> \"ä\""),
        hardware,
    }
}

pub fn hardware(disks: Vec<Disk>) -> Hardware {
    Hardware { cpus: 1, memory_mib: 64, firmware: Firmware::Bios, disks, dvd: None, adapters: vec![] }
}

/// The code of a refusal.
pub fn code<T: std::fmt::Debug>(result: Result<T, Trouble>) -> Code {
    match result {
        Err(Trouble::Failed(refusal) | Trouble::Refused(refusal)) => refusal.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    within(SOON, what, holds);
}

/// Waits for a notice, passing over others.
pub fn await_notice(changes: &Receiver<Changed>, wanted: Changed) {
    let until = Instant::now() + SOON;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match changes.recv_timeout(left) {
            Ok(changed) if changed == wanted => return,
            Ok(_) => {}
            Err(_) => panic!("no {wanted:?} within {SOON:?}"),
        }
    }
}

/// Makes a boot sector of some code.
pub fn boot_sector(code: &[u8]) -> Vec<u8> {
    let mut sector = code.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}
