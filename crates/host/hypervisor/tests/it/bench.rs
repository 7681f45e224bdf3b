//! A simulated host with a machine or two, and a way to carry commands out on it.

use std::cell::Cell;

use hostler_hypervisor::simulated::{Manners, SimulatedHost};
use hostler_hypervisor::{Disks, Machines, NewDisk, NoWatch, Performing, Turn, Watch, World};
use hostler_model::command::{Command, Definition, DiskContent, Mark, Outcome};
use hostler_model::hardware::{Adapter, Bus, Disk, DiskFormat, Firmware, GIB, Hardware, Mac};
use hostler_model::seen::Identity;
use hostler_model::{InstallationId, JobId, VmId};
use uuid::Uuid;

pub const FOLDER: &str = "/vms";

pub struct Bench {
    pub host: SimulatedHost,
    pub now: Cell<u64>,
}

pub fn mark(step: &str) -> Mark {
    Mark { epoch: 1, job: JobId(7), step: step.into() }
}

pub fn domain(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub fn disk(n: u128, no: u32) -> Disk {
    Disk {
        no,
        file: format!("{FOLDER}/{n}/disk-{no}.qcow2"),
        format: DiskFormat::Qcow2,
        size_bytes: GIB,
        bus: Bus::Virtio,
        base: None,
        seed: false,
    }
}

pub fn definition(n: u128) -> Definition {
    let domain = domain(n);
    Definition {
        identity: Identity { vm: VmId(domain), domain, installation: InstallationId(Uuid::from_u128(2)) },
        name: format!("vm-{n}"),
        title: format!("web-{n}"),
        hardware: Hardware {
            cpus: 1,
            memory_mib: 64,
            firmware: Firmware::Bios,
            disks: vec![disk(n, 0)],
            dvd: None,
            adapters: vec![Adapter {
                no: 0,
                mac: Mac::drawn(domain),
                network: "default".into(),
                vlan: None,
                spoofing_filter: false,
            }],
        },
    }
}

pub fn make_disk(n: u128, no: u32) -> Command {
    Command::MakeDisk {
        file: disk(n, no).file,
        owner: VmId(domain(n)),
        format: DiskFormat::Qcow2,
        size_bytes: GIB,
        content: DiskContent::Blank,
    }
}

pub fn delete_disk(n: u128, no: u32) -> Command {
    Command::DeleteDisk { file: disk(n, no).file, owner: VmId(domain(n)) }
}

impl Bench {
    /// A host whose guests hear nothing.
    pub fn new() -> Self {
        let host = SimulatedHost::new(1, FOLDER, 100 * GIB);
        host.set_default_manners(Manners::DEAF);
        Self { host, now: Cell::new(0) }
    }

    /// With a machine of this number, off.
    pub fn with_machine(n: u128) -> Self {
        let bench = Self::new();
        bench.add_disk(n, 0);
        bench.host.define(&definition(n)).unwrap();
        bench
    }

    pub fn with_running(n: u128) -> Self {
        let bench = Self::with_machine(n);
        bench.host.start(domain(n)).unwrap();
        bench
    }

    pub fn add_disk(&self, n: u128, no: u32) -> Disk {
        let disk = disk(n, no);
        let wanted = NewDisk {
            file: &disk.file,
            mark: "before",
            owner: VmId(domain(n)),
            format: disk.format,
            size_bytes: disk.size_bytes,
            content: &DiskContent::Blank,
        };
        self.host.make(&wanted, &NoWatch).unwrap();
        disk
    }

    pub fn pass(&self, ms: u64) {
        self.now.set(self.now.get() + ms);
        self.host.tick(self.now.get());
    }

    pub fn world(&self) -> World<'_> {
        World {
            machines: &self.host,
            disks: &self.host,
            moves: &self.host,
            networks: &self.host,
            boots: &self.host,
        }
    }

    pub fn run(&self, command: Command) -> Outcome {
        self.run_to_end(Performing::new(command, mark("step"), false), &NoWatch)
    }

    pub fn undo(&self, command: Command) -> Outcome {
        self.run_to_end(Performing::new(command, mark("step"), true), &NoWatch)
    }

    pub fn run_to_end(&self, mut performing: Performing, watch: &dyn Watch) -> Outcome {
        let mut waited = 0;
        loop {
            match performing.turn(&self.world(), waited, watch) {
                Turn::Ended(outcome) => return outcome,
                Turn::Wait { ms } => {
                    assert!(ms > 0);
                    self.pass(ms);
                    waited += ms;
                }
            }
        }
    }
}
