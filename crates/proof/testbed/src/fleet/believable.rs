//! What a large installation looks like: computers that were bought over the years, machines of many teams, most of them
//! running. Everything follows from a seed.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::time::Instant;

use hostler_hypervisor::simulated::{LibraryFile, Outside, SharedFolder, SimulatedHost};
use hostler_model::command::Definition;
use hostler_model::hardware::{Adapter, Bus, Disk, DiskFormat, Firmware, GIB, Hardware, Mac};
use hostler_model::host::{HostFacts, Load};
use hostler_model::host_hardware::{
    AdapterKind, HostAdapter, HostHardware, NumaNode, PhysicalDisk, Processors,
};
use hostler_model::library::{ImageFacts, ItemKind, SeenItem};
use hostler_model::network::{HostNetwork, NetworkKind};
use hostler_model::seen::Identity;
use hostler_model::{InstallationId, Timestamp, VmId};
use uuid::Uuid;

use super::Plan;
use super::dice::Dice;
use super::plain::{VM_FOLDER, default_network, facts};
use crate::trouble::{Result, Trouble};

/// Where each host's library lies.
pub(super) const LIBRARY: &str = "/srv/library";
/// How large the file system of the machines' folder is, in bytes.
const CAPACITY_BYTES: u64 = 64 << 40;
/// What a machine that is on has on average, in MiB, with room for half as much again.
const ROOM_FOR_ONE_MIB: u64 = 4_096;

/// Processor, logical processors, memory in GiB, and how many of twenty computers are so.
const COMPUTERS: [(u32, (&str, u32, u64)); 5] = [
    (4, ("Intel Xeon Silver 4314", 64, 256)),
    (7, ("AMD EPYC 7313", 64, 384)),
    (5, ("AMD EPYC 7543", 128, 512)),
    (3, ("AMD EPYC 9454", 192, 768)),
    (1, ("Intel Xeon Platinum 8480", 224, 1_024)),
];
/// The images of libraries: file, virtual size in GiB, and how many of twenty machines begin with it.
pub(super) const IMAGES: [(u32, (&str, u64)); 6] = [
    (7, ("debian-12", 10)),
    (4, ("ubuntu-24.04", 20)),
    (3, ("rocky-9", 20)),
    (3, ("windows-server-2022", 60)),
    (2, ("windows-11", 64)),
    (1, ("freebsd-14", 12)),
];
const TEAMS: [&str; 24] = [
    "shop",
    "billing",
    "search",
    "mail",
    "intranet",
    "crm",
    "erp",
    "payroll",
    "wiki",
    "media",
    "maps",
    "archive",
    "lab",
    "campus",
    "ticketing",
    "monitoring",
    "identity",
    "backup",
    "build",
    "analytics",
    "warehouse",
    "partners",
    "mobile",
    "legacy",
];
const WORK: [(u32, &str); 10] = [
    (5, "web"),
    (4, "db"),
    (3, "app"),
    (2, "cache"),
    (2, "queue"),
    (2, "worker"),
    (1, "proxy"),
    (1, "files"),
    (1, "desk"),
    (1, "ci"),
];
const STAGES: [(u32, &str); 4] = [(10, "prod"), (4, "staging"), (3, "test"), (3, "dev")];
/// Processors and memory in MiB.
const SIZES: [(u32, (u32, u64)); 6] =
    [(2, (1, 512)), (4, (1, 1_024)), (6, (2, 2_048)), (5, (2, 4_096)), (2, (4, 8_192)), (1, (8, 16_384))];

/// How large a fleet is to be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Hosts.
    pub hosts: usize,
    /// Machines on all of them together.
    pub vms: usize,
    /// What everything else follows from.
    pub seed: u64,
}

/// How a machine ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Runs,
    Off,
    Paused,
    Saved,
    Crashed,
    Suspended,
    /// Somebody undefined it with virsh.
    Missing,
    /// Its disk is lost, which its next start finds out.
    Broken,
}

/// Of a thousand machines.
const FATES: [(u32, Fate); 8] = [
    (750, Fate::Runs),
    (185, Fate::Off),
    (18, Fate::Paused),
    (18, Fate::Saved),
    (9, Fate::Crashed),
    (6, Fate::Suspended),
    (4, Fate::Missing),
    (10, Fate::Broken),
];

/// A machine to be made.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) tags: Vec<&'static str>,
    pub(super) notes: String,
    pub(super) cpus: u32,
    pub(super) memory_mib: u64,
    /// The image it begins with; none for an empty disk.
    pub(super) image: Option<&'static str>,
    /// Which host.
    pub(super) host: usize,
    pub(super) fate: Fate,
}

/// A fleet that is to be: which machines on which hosts.
pub(super) struct World {
    dice: Dice,
    sizes: Vec<(&'static str, u32, u64)>,
    named: HashMap<(&'static str, &'static str), u32>,
}

impl World {
    pub(super) fn new(wanted: Wanted) -> Self {
        let mut dice = Dice::new(wanted.seed);
        let mut sizes: Vec<_> = (0..wanted.hosts.max(1)).filter_map(|_| dice.one(&COMPUTERS)).collect();
        let needed_mib = wanted.vms as u64 * ROOM_FOR_ONE_MIB;
        // Few hosts for many machines are large ones.
        while sizes.iter().map(|(_, _, gib)| gib * 1_024).sum::<u64>() < needed_mib {
            sizes.iter_mut().for_each(|(_, _, gib)| *gib *= 2);
        }
        Self { dice, sizes, named: HashMap::new() }
    }

    /// The next machine; a larger host has more of them.
    pub(super) fn machine(&mut self) -> Machine {
        let dice = &mut self.dice;
        let team = TEAMS.get(dice.below(TEAMS.len())).copied().unwrap_or("shop");
        let work = dice.one(&WORK).unwrap_or("web");
        let stage = dice.one(&STAGES).unwrap_or("prod");
        let (cpus, memory_mib) = dice.one(&SIZES).unwrap_or((1, 1_024));
        let whole: u64 = self.sizes.iter().map(|(_, _, gib)| gib).sum();
        let mut at = dice.draw() % whole.max(1);
        let host = self.sizes.iter().position(|(_, _, gib)| {
            let here = at < *gib;
            at = at.saturating_sub(*gib);
            here
        });
        let number = self.named.entry((team, work)).or_default();
        *number += 1;
        let mut tags = vec![stage, team, work];
        if dice.of_a_thousand(120) {
            tags.push("pci");
        }
        if dice.of_a_thousand(300) {
            tags.push("backed-up");
        }
        tags.sort_unstable();
        tags.dedup();
        let notes = if dice.of_a_thousand(250) {
            format!("{work} of {team}. Ask the {team} team before you turn it off.")
        } else {
            String::new()
        };
        Machine {
            name: format!("{team}-{work}-{number:02}"),
            tags,
            notes,
            cpus,
            memory_mib,
            image: if dice.of_a_thousand(700) { dice.one(&IMAGES).map(|(image, _)| image) } else { None },
            host: host.unwrap_or_default(),
            fate: dice.one(&FATES).unwrap_or(Fate::Runs),
        }
    }

    /// The `n`th host, with its library, and machines on it that others made.
    pub(super) fn host(&mut self, n: usize, found: &[Machine]) -> Result<Plan> {
        let (cpu_model, cpus, gib) = self.sizes.get(n).copied().unwrap_or(("AMD EPYC 7313", 64, 384));
        let facts = HostFacts {
            host_name: format!("kvm-{:02}-{:02}", n / 20 + 1, n % 20 + 1),
            cpu_model: cpu_model.into(),
            cpus,
            memory_mib: gib * 1_024,
            kernel: if n.is_multiple_of(3) { "6.1.0-41-amd64" } else { "6.1.0-39-amd64" }.into(),
            boot_id: Uuid::from_u128(u128::from(self.dice.draw())).to_string(),
            hardware: hardware(n, cpus, gib),
            networks: networks(n).into_iter().filter(|one| one.active).map(|one| one.name).collect(),
            host_networks: networks(n),
            ..facts(n)
        };
        let host = SimulatedHost::new(u64::try_from(n).unwrap_or_default(), VM_FOLDER, CAPACITY_BYTES);
        host.mount(LIBRARY, library());
        for machine in found {
            self.furnish(&host, machine).map_err(|why| Trouble::Answer(why.to_string()))?;
        }
        let load = load(facts.memory_mib, self.dice.draw());
        Ok(Plan { facts, host, load: Box::new(load) })
    }

    /// Defines a machine that Hostler did not make; some belong to another installation.
    fn furnish(
        &mut self,
        host: &SimulatedHost,
        machine: &Machine,
    ) -> std::result::Result<(), hostler_hypervisor::Trouble> {
        let domain = Uuid::from_u128(u128::from(self.dice.draw()) << 64 | u128::from(self.dice.draw()));
        let file = format!("{VM_FOLDER}/{}/disk-0.qcow2", machine.name);
        let size_bytes = (10 + 10 * self.dice.below(8) as u64) * GIB;
        if let Some(folder) = host.folder(&file) {
            folder.put_file(&file, None, size_bytes);
        }
        let (no, format, bus) = (0, DiskFormat::Qcow2, Bus::Virtio);
        let mac = Mac::drawn(Uuid::from_u128(u128::from(self.dice.draw())));
        let others = self.dice.of_a_thousand(20);
        let installation = InstallationId(Uuid::from_u128(0x0ff1_ce00));
        let definition = Definition {
            identity: Identity { vm: VmId(domain), domain, installation },
            title: machine.name.clone(),
            name: machine.name.clone(),
            hardware: Hardware {
                cpus: machine.cpus,
                memory_mib: machine.memory_mib,
                firmware: Firmware::Bios,
                disks: vec![Disk { no, file, format, size_bytes, bus, base: None, seed: false }],
                dvd: None,
                adapters: vec![Adapter {
                    no,
                    mac,
                    network: "default".into(),
                    vlan: None,
                    spoofing_filter: false,
                }],
            },
        };
        host.outside(&Outside::Define(Box::new(definition), others))?;
        if matches!(machine.fate, Fate::Off | Fate::Missing | Fate::Broken) {
            return Ok(());
        }
        host.outside(&Outside::Start(domain))
    }
}

/// A library with one image of each system.
fn library() -> SharedFolder {
    let folder = SharedFolder::new(CAPACITY_BYTES);
    for (_, (name, gib)) in IMAGES {
        let virtual_size_bytes = gib * GIB;
        let item = SeenItem {
            path: format!("{name}.qcow2"),
            kind: ItemKind::Disk,
            size_bytes: virtual_size_bytes / 8,
            modified: Timestamp(1_763_000_000_000),
            image: Some(ImageFacts { format: DiskFormat::Qcow2, virtual_size_bytes }),
            problem: None,
        };
        let sha256 = format!("{:0>64}", name.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
        folder.put_library_file(
            &format!("{LIBRARY}/{name}.qcow2"),
            LibraryFile { item, sha256, virtual_size_bytes },
        );
    }
    folder
}

/// Its networks: the one that libvirt comes with, and one that leads outside; now and then somebody forgot something.
fn networks(n: usize) -> Vec<HostNetwork> {
    let lan = HostNetwork {
        name: "lan".into(),
        kind: NetworkKind::External,
        bridge: "br0".into(),
        adapter: "eno1".into(),
        vlan: (n % 40 == 17).then_some(20),
        active: true,
        autostart: true,
        persistent: true,
        ..HostNetwork::default()
    };
    let left_off = n % 40 == 31;
    let mut all = vec![HostNetwork { active: !left_off, ..default_network() }, lan];
    if n % 10 == 3 {
        let (name, bridge) = ("test-lab".into(), "virbr1".into());
        let kind = if n % 20 == 3 { NetworkKind::Private } else { NetworkKind::Internal };
        let own =
            HostNetwork { name, kind, bridge, active: true, persistent: true, ..HostNetwork::default() };
        all.push(own);
    }
    all
}

/// What such a computer is made of: two sockets, two networks, a disk to boot from and many for machines.
fn hardware(n: usize, cpus: u32, gib: u64) -> HostHardware {
    let cores = cpus / 4;
    let node = |node: u32| NumaNode {
        node,
        memory_mib: gib * 512,
        cpus: format!(
            "{}-{},{}-{}",
            node * cores,
            (node + 1) * cores - 1,
            (node + 2) * cores,
            (node + 3) * cores - 1
        ),
    };
    let disk = |name: &str, model: &str, size_bytes, rotates| PhysicalDisk {
        name: name.into(),
        model: model.into(),
        size_bytes,
        rotates,
        ..PhysicalDisk::default()
    };
    let adapter = |name: &str, at: usize, part_of: &str| HostAdapter {
        name: name.into(),
        kind: AdapterKind::Physical,
        mac: format!("3c:ec:ef:{:02x}:{:02x}:{at:02x}", n / 256, n % 256),
        up: true,
        mbit_s: Some(25_000),
        mtu: 1_500,
        part_of: part_of.into(),
        addresses: Vec::new(),
    };
    let bridge = HostAdapter {
        kind: AdapterKind::Bridge,
        addresses: vec![format!("10.{}.{}.{}/16", n / 62_500, n / 250 % 250, n % 250 + 1)],
        ..adapter("br0", 0, "")
    };
    HostHardware {
        processors: Processors { sockets: 2, cores, threads: 2, mhz: 3_400 },
        numa: vec![node(0), node(1)],
        disks: vec![
            disk("nvme0n1", "Micron 7450 480 GB", 480 << 30, false),
            disk("sda", "RAID volume", CAPACITY_BYTES, false),
        ],
        adapters: vec![bridge, adapter("eno1", 0, "br0"), adapter("eno2", 1, "br0")],
        security: vec!["apparmor".into()],
    }
}

/// A load that goes up and down within minutes, around a height of its own.
fn load(memory_mib: u64, seed: u64) -> impl Fn() -> Load + Send + Sync {
    let begun = Instant::now();
    move || load_at(memory_mib, seed, begun.elapsed().as_secs_f64())
}

fn load_at(memory_mib: u64, seed: u64, s: f64) -> Load {
    let part = |at: u32| f64::from(u32::try_from(seed >> at & 0xff).unwrap_or_default()) / 255.0;
    let (height, phase, pace) = (part(0), part(8) * TAU, 40.0 + 200.0 * part(16));
    let wave = (s / pace * TAU + phase).sin() * 0.15 + (s / 7.0 + phase * 3.0).sin() * 0.04;
    let busy = (0.08 + 0.7 * height * height + wave).clamp(0.01, 0.99);
    let free = (1.0 - 0.35 - 0.45 * busy).clamp(0.05, 0.95);
    Load {
        cpu_percent: (busy * 1_000.0).round() as f32 / 10.0,
        memory_available_mib: (memory_mib as f64 * free) as u64,
        disk_total_mib: CAPACITY_BYTES >> 20,
        disk_free_mib: ((CAPACITY_BYTES >> 20) as f64 * (0.9 - 0.7 * part(24))) as u64,
        uptime_s: s as u64 + (seed >> 40),
        clock: None,
        folders: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_fleet_is_the_same_each_time_all_names_differ_and_most_machines_run() {
        let wanted = Wanted { hosts: 40, vms: 5_000, seed: 7 };
        let make = || {
            let mut world = World::new(wanted);
            (0..wanted.vms).map(|_| world.machine()).collect::<Vec<_>>()
        };
        let machines = make();
        let names: BTreeSet<&str> = machines.iter().map(|machine| machine.name.as_str()).collect();
        assert_eq!(names.len(), wanted.vms);
        assert_eq!(machines[4_999].name, make()[4_999].name);
        let running = machines.iter().filter(|machine| machine.fate == Fate::Runs).count();
        assert!((3_500..4_000).contains(&running), "{running}");
        let hosts: BTreeSet<usize> = machines.iter().map(|machine| machine.host).collect();
        assert_eq!(hosts.len(), wanted.hosts, "each host has some");
    }

    #[test]
    fn a_hosts_load_changes_and_stays_within_its_bounds() {
        let loads: Vec<Load> =
            (0..120).map(|n| load_at(262_144, 0x0123_4567_89ab_cdef, f64::from(n) * 5.0)).collect();
        let (least, most) = loads.iter().fold((100.0_f32, 0.0_f32), |(least, most), load| {
            (least.min(load.cpu_percent), most.max(load.cpu_percent))
        });
        assert!(most - least > 20.0 && least > 0.0 && most < 100.0, "{least} to {most}");
        assert!(loads.iter().all(|load| load.memory_available_mib < 262_144));
    }
}
