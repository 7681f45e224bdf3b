//! Hosts for benches: all alike, with machines that somebody made with other tools.

use hostler_hypervisor::simulated::{Outside, SimulatedHost};
use hostler_model::command::Definition;
use hostler_model::hardware::{Bus, Disk, DiskFormat, Firmware, GIB, Hardware};
use hostler_model::host::{HostFacts, Kvm, Load};
use hostler_model::host_hardware::HostHardware;
use hostler_model::network::{AddressRange, HostNetwork, NetworkKind};
use hostler_model::seen::Identity as Mark;
use hostler_model::{InstallationId, VmId};
use uuid::Uuid;

use super::Plan;
use crate::trouble::{Result, Trouble};

/// Where simulated hosts keep machines.
pub(super) const VM_FOLDER: &str = "/var/lib/hostler-agent/vms";
/// How much room a simulated host has, in bytes.
const CAPACITY_BYTES: u64 = 8 << 40;
/// What machines are called by what they do.
const WORK: [&str; 8] = ["web", "db", "mail", "build", "cache", "proxy", "files", "desk"];

/// The `n`th host, with so many machines.
pub(super) fn host(n: usize, machines: usize) -> Result<Plan> {
    let facts = facts(n);
    let host = SimulatedHost::new(u64::try_from(n).unwrap_or_default(), VM_FOLDER, CAPACITY_BYTES);
    for machine in 0..machines {
        furnish(&host, n, machine).map_err(|why| Trouble::Answer(why.to_string()))?;
    }
    let load = Load {
        cpu_percent: 7.5 + (n % 40) as f32,
        memory_available_mib: facts.memory_mib / 2,
        ..Load::default()
    };
    Ok(Plan { facts, host, load: Box::new(move || load.clone()) })
}

/// A computer as there are many.
pub(super) fn facts(n: usize) -> HostFacts {
    HostFacts {
        adapter_vlans: hostler_model::host::Ability::Unknown,
        spoofing_filter: hostler_model::host::Ability::Unknown,
        host_name: format!("sim-{n:04}"),
        os: "Debian GNU/Linux 12 (bookworm)".into(),
        kernel: "6.1.0-41-amd64".into(),
        cpu_model: "AMD EPYC 7313 16-Core Processor".into(),
        cpus: 32,
        memory_mib: 262_144,
        kvm: Kvm::Works,
        libvirt: "9.0.0".into(),
        qemu: "7.2.22".into(),
        libvirt_answers: true,
        vm_folder: VM_FOLDER.into(),
        vm_folder_id: String::new(),
        machine_folders: Vec::new(),
        address: String::new(),
        base_folder: "/var/lib/hostler-agent/bases".into(),
        networks: vec!["default".into()],
        host_networks: vec![default_network()],
        boot_id: Uuid::from_u128(0xb007_0000 + n as u128).to_string(),
        hardware: HostHardware::default(),
    }
}

/// The network that libvirt comes with.
pub(super) fn default_network() -> HostNetwork {
    HostNetwork {
        name: "default".into(),
        kind: NetworkKind::Nat,
        bridge: "virbr0".into(),
        addresses: vec!["192.168.122.1/24".into()],
        dhcp: vec![AddressRange { first: "192.168.122.2".into(), last: "192.168.122.254".into() }],
        active: true,
        autostart: true,
        persistent: true,
        ..HostNetwork::default()
    }
}

/// Defines a machine with a disk; three of four run.
fn furnish(
    host: &SimulatedHost,
    n: usize,
    machine: usize,
) -> std::result::Result<(), hostler_hypervisor::Trouble> {
    let domain = Uuid::new_v4();
    let work = WORK.get(machine % WORK.len()).copied().unwrap_or("vm");
    let name = format!("{work}-{n:04}-{machine:03}");
    let file = format!("{VM_FOLDER}/{name}/disk-0.qcow2");
    let size_bytes = (10 + 10 * (machine as u64 % 8)) * GIB;
    if let Some(folder) = host.folder(&file) {
        folder.put_file(&file, None, size_bytes);
    }
    let disk = Disk {
        no: 0,
        file,
        format: DiskFormat::Qcow2,
        size_bytes,
        bus: Bus::Virtio,
        base: None,
        seed: false,
    };
    let definition = Definition {
        // Not written into it: nobody manages it yet.
        identity: Mark { vm: VmId(domain), domain, installation: InstallationId(Uuid::nil()) },
        title: name.clone(),
        name,
        hardware: Hardware {
            cpus: 1 + (machine as u32 % 4),
            memory_mib: 1_024 << (machine % 4),
            firmware: Firmware::Bios,
            disks: vec![disk],
            dvd: None,
            adapters: Vec::new(),
        },
    };
    host.outside(&Outside::Define(Box::new(definition), false))?;
    if machine % 4 != 3 { host.outside(&Outside::Start(domain)) } else { Ok(()) }
}
