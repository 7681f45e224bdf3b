use std::path::Path;

use hostler_model::command::Definition;
use hostler_model::hardware::{Adapter, Bus, Disk, DiskFormat, Firmware, Hardware, Mac, Media};
use hostler_model::seen::{Identity, SeenAdapter, SeenDisk};
use hostler_model::{InstallationId, VmId};
use uuid::Uuid;

use super::definition::{self, Surroundings};
use super::read::DomainView;
use super::{identity, patch};
use crate::tree::Element;

const VIRT_MANAGER: &str = include_str!("foreign/virt-manager.xml");
const BY_HAND: &str = include_str!("foreign/by-hand.xml");

fn tree(xml: &str) -> Element {
    Element::parse(xml).unwrap()
}

fn identity() -> Identity {
    Identity {
        vm: VmId(Uuid::from_u128(1)),
        domain: Uuid::from_u128(2),
        installation: InstallationId(Uuid::from_u128(3)),
    }
}

fn disk(no: u32, bus: Bus, format: DiskFormat) -> Disk {
    let file = format!("/vms/1/disk-{no}");
    Disk { no, file, format, size_bytes: 1 << 30, bus, base: None, seed: false }
}

fn wanted(firmware: Firmware) -> Definition {
    Definition {
        identity: identity(),
        name: "web-1-000001".into(),
        title: "web <1> & \"co\"".into(),
        hardware: Hardware {
            cpus: 2,
            memory_mib: 2048,
            firmware,
            disks: vec![
                disk(0, Bus::Virtio, DiskFormat::Qcow2),
                disk(1, Bus::Scsi, DiskFormat::Vhdx),
                disk(2, Bus::Sata, DiskFormat::Raw),
                disk(5, Bus::Sata, DiskFormat::Raw),
            ],
            dvd: Some(Media { file: "/iso/a & b.iso".into(), item: None }),
            adapters: vec![
                Adapter {
                    no: 0,
                    mac: Mac([0x52, 0x54, 0, 0, 0, 1]),
                    network: "default".into(),
                    vlan: None,
                    spoofing_filter: false,
                },
                Adapter {
                    no: 1,
                    mac: Mac([0x52, 0x54, 0, 0, 0, 2]),
                    network: "br0".into(),
                    vlan: Some(7),
                    spoofing_filter: true,
                },
            ],
        },
    }
}

fn written(firmware: Firmware, kvm: bool) -> Element {
    let around = Surroundings {
        kvm,
        machine_type: "pc-q35-7.2",
        folder: Path::new("/vms/1"),
        is_bridge: &|name| name == "br0",
    };
    definition::domain(&wanted(firmware), &around)
}

/// One element a line: what a person compares.
fn lines(element: &Element) -> String {
    element.to_xml().replace("><", ">\n<") + "\n"
}

#[test]
fn a_definition_is_written_as_it_was_agreed() {
    insta::assert_snapshot!("bios-kvm", lines(&written(Firmware::Bios, true)));
    insta::assert_snapshot!("uefi-emulated", lines(&written(Firmware::Uefi, false)));
}

#[test]
fn what_is_written_is_read_again() {
    let view = DomainView::of(&written(Firmware::Uefi, true).to_xml()).unwrap();
    let wanted = wanted(Firmware::Uefi);
    assert_eq!((view.name, view.title), (wanted.name, Some(wanted.title)));
    assert_eq!((view.identity, view.cpus, view.memory_mib), (Some(identity()), 2, 2048));
    let targets: Vec<&str> = view.disks.iter().map(|disk| disk.target.as_str()).collect();
    assert_eq!(targets, ["sdb", "sdc", "sdf", "sdz", "vda"]);
    let sdb = SeenDisk {
        target: "sdb".into(),
        file: Some("/vms/1/disk-1".into()),
        format: DiskFormat::Vhdx,
        bus: Bus::Scsi,
        size_bytes: None,
        dvd: false,
    };
    assert_eq!(view.disks[0], sdb);
    assert_eq!((view.disks[3].dvd, view.disks[3].file.as_deref()), (true, Some("/iso/a & b.iso")));
    let networks: Vec<&str> = view.adapters.iter().map(|adapter| adapter.network.as_str()).collect();
    assert_eq!(networks, ["default", "br0"]);
    let filtered: Vec<bool> = view.adapters.iter().map(|adapter| adapter.spoofing_filter).collect();
    assert_eq!(filtered, [false, true]);
}

#[test]
fn a_definition_of_another_tool_is_read() {
    let view = DomainView::of(BY_HAND).unwrap();
    assert_eq!((view.name.as_str(), view.title.as_deref()), ("by-hand", Some("By hand & others")));
    assert_eq!((view.cpus, view.memory_mib, view.guest_agent), (1, 1025, true));
    let files: Vec<(&str, Option<&str>)> =
        view.disks.iter().map(|disk| (disk.target.as_str(), disk.file.as_deref())).collect();
    let expected = [
        ("hdc", None),
        ("sda", Some("/dev/disk/by-id/one")),
        ("vda", Some("/images/a.raw")),
        ("vdb", Some("pool fast:volume")),
        ("vdc", Some("rbd:pool/image")),
    ];
    assert_eq!(files, expected, "in the order of targets, floppies left out");
    let mac = |last| Mac([0x52, 0x54, 0, 0, 0, last]);
    let adapters = [(1, "br0"), (2, ""), (3, "eth0")].map(|(last, network)| SeenAdapter {
        mac: mac(last),
        network: network.into(),
        vlan: None,
        spoofing_filter: false,
    });
    assert_eq!(view.adapters, adapters, "an adapter without an address is none yet");
    assert_eq!(view.identity, None, "another tool's element with our element's name is not ours");
}

#[test]
fn a_definition_that_makes_no_sense_is_read_as_far_as_it_does() {
    let view = DomainView::of(
        "<domain><vcpu>many</vcpu><memory unit='X'>-1</memory><devices><disk/></devices></domain>",
    );
    let view = view.unwrap();
    assert_eq!((view.cpus, view.memory_mib, view.disks.len()), (1, 0, 0));
    assert!(DomainView::of("<domain><memory unit='T'>99999999999999999999999999</memory></domain>").is_ok());
    assert!(DomainView::of("<!DOCTYPE domain [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>").is_err());
}

#[test]
fn identity_is_found_by_its_namespace_and_not_by_its_prefix() {
    let ids = "vm='00000000-0000-0000-0000-000000000001' domain='00000000-0000-0000-0000-000000000002' \
               installation='00000000-0000-0000-0000-000000000003'";
    let of = |metadata: &str| identity::of(&tree(&format!("<domain>{metadata}</domain>")));
    let ours = "urn:hostler:machine:1";
    assert_eq!(of(&format!("<metadata><h:machine xmlns:h='{ours}' {ids}/></metadata>")), Some(identity()));
    assert_eq!(of(&format!("<metadata xmlns='{ours}'><machine {ids}/></metadata>")), Some(identity()));
    assert_eq!(of(&format!("<metadata xmlns:h='{ours}'><h:machine {ids}/></metadata>")), Some(identity()));
    assert_eq!(of(&format!("<metadata><h:machine xmlns:h='urn:other' {ids}/></metadata>")), None);
    assert_eq!(of(&format!("<metadata><machine {ids}/></metadata>")), None);
    assert_eq!(of(&format!("<metadata><h:machine xmlns:h='{ours}' vm='1'/></metadata>")), None);
    assert_eq!(of(""), None);
}

/// The lines of one text that the other does not have.
fn only_in<'t>(one: &'t str, other: &str) -> Vec<&'t str> {
    one.lines().filter(|line| !other.contains(line.trim())).map(str::trim).collect()
}

#[test]
fn a_change_touches_only_what_it_changes() {
    let mut domain = tree(VIRT_MANAGER);
    patch::set_hardware(&mut domain, 8, 1024).unwrap();
    let changed = domain.to_xml();
    assert_eq!(
        only_in(&changed, VIRT_MANAGER),
        [
            "<memory unit=\"MiB\">1024</memory>",
            "<currentMemory unit=\"MiB\">1024</currentMemory>",
            "<vcpu placement=\"static\">8</vcpu>",
        ]
    );
    assert_eq!(only_in(VIRT_MANAGER, &changed).len(), 3);
}

#[test]
fn processors_fit_the_topology_after_a_change() {
    let cpu = |cpus: u32, inner: &str| {
        let mut domain = tree(&format!(
            "<domain><vcpu current='1'>2</vcpu><vcpus><vcpu id='0'/></vcpus><cpu>{inner}</cpu></domain>"
        ));
        let done = patch::set_hardware(&mut domain, cpus, 512);
        done.map(|()| domain.to_xml())
    };
    let topology = "<topology sockets='1' cores='2' threads='2'/>";
    let even = cpu(8, topology).unwrap();
    assert!(even.contains("sockets=\"2\" cores=\"2\" threads=\"2\""), "{even}");
    assert!(even.contains("<vcpu>8</vcpu>") && !even.contains("vcpus"), "{even}");
    let odd = cpu(3, topology).unwrap();
    assert!(odd.contains("sockets=\"3\" cores=\"1\" threads=\"1\""), "{odd}");
    let cell = cpu(3, "<numa><cell id='0' cpus='0' memory='1'/></numa>").unwrap();
    assert!(cell.contains("cpus=\"0-2\" memory=\"512\" unit=\"MiB\""), "{cell}");
    assert!(cpu(3, "<numa><cell id='0'/><cell id='1'/></numa>").is_err());
}

#[test]
fn a_machine_without_hardware_virtualization_is_emulated_and_back() {
    let mut domain = tree(VIRT_MANAGER);
    assert!(!patch::set_kvm(&mut domain, true));
    assert!(patch::set_kvm(&mut domain, false));
    let emulated = domain.to_xml();
    assert!(emulated.starts_with("<domain type=\"qemu\">"));
    assert!(emulated.contains(">Nehalem</model>") && !emulated.contains("host-passthrough"));
    assert!(patch::set_kvm(&mut domain, true));
    let back = domain.to_xml();
    assert!(
        back.contains("type=\"kvm\"") && back.contains("host-model") && !back.contains("Nehalem"),
        "{back}"
    );

    // What somebody chose stays, and so does another hypervisor's domain.
    let mut chosen = tree("<domain type='kvm'><cpu mode='custom'><model>qemu64</model></cpu></domain>");
    assert!(patch::set_kvm(&mut chosen, false));
    assert!(chosen.to_xml().contains("qemu64"));
    assert!(!patch::set_kvm(&mut tree("<domain type='xen'/>"), false));
}

#[test]
fn what_libvirt_noted_of_lower_layers_is_never_defined() {
    let mut domain = tree(BY_HAND);
    assert!(domain.to_xml().contains("backingStore"));
    patch::drop_backing(&mut domain);
    assert!(!domain.to_xml().contains("backingStore"));
}

#[test]
fn a_medium_is_changed_and_everything_else_of_the_drive_stays() {
    let domain = tree(BY_HAND);
    let drive = patch::dvd_drive(&domain).unwrap();
    let full = patch::with_medium(drive, Some("/iso/x.iso"));
    assert_eq!(patch::file_of(&full), Some("/iso/x.iso"));
    let empty = patch::with_medium(&full, None);
    assert_eq!(patch::file_of(&empty), None);
    assert!(empty.to_xml().contains("<shareable/>") && empty.to_xml().contains("<!-- kept -->"));
}

#[test]
fn the_versioned_machine_type_is_found_in_the_capabilities() {
    let of = |inner: &str| patch::canonical_q35(&tree(&format!("<capabilities>{inner}</capabilities>")));
    let arch = |name: &str, machines: &str| {
        format!("<guest><os_type>hvm</os_type><arch name='{name}'>{machines}</arch></guest>")
    };
    let q35 = "<machine maxCpus='255'>pc</machine><machine canonical='pc-q35-9.2'>q35</machine>";
    assert_eq!(of(&(arch("i686", q35) + &arch("x86_64", q35))).as_deref(), Some("pc-q35-9.2"));
    assert_eq!(of(&arch("aarch64", q35)), None);
    assert_eq!(of(""), None);
}
