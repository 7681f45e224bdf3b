//! Machines that other tools defined.

use hostler_hypervisor::Machines;
use hostler_model::hardware::{Bus, DiskFormat};
use hostler_model::seen::{Identity, Power};
use hostler_model::{InstallationId, VmId};
use uuid::Uuid;

use crate::host::Host;

const VIRT_MANAGER: &str = include_str!("../../src/xml/foreign/virt-manager.xml");
const PLAIN: &str = include_str!("../../src/xml/foreign/plain.xml");

fn uuid(text: &str) -> Uuid {
    text.parse().unwrap()
}

#[test]
fn machines_of_other_tools_are_read_marked_and_changed_without_losing_anything() {
    let host = Host::new();
    host.virsh_define(VIRT_MANAGER);
    host.virsh_define(PLAIN);
    let vm = uuid("d2f0c8a4-3d2a-4c36-9a7d-5f8a8f1f2b10");
    let seen = host.seen(vm);
    assert_eq!((seen.name.as_str(), seen.cpus, seen.memory_mib), ("debian12", 2, 4096));
    assert_eq!((seen.identity, seen.power), (None, Power::Off));
    assert_eq!(seen.disks[1].file.as_deref(), Some("/var/lib/libvirt/images/debian12.qcow2"));
    assert_eq!((seen.disks[0].dvd, seen.disks[0].bus), (true, Bus::Sata));
    assert_eq!(seen.adapters[0].network, "default");

    let identity = Identity {
        vm: VmId(Uuid::from_u128(7)),
        domain: vm,
        installation: InstallationId(uuid("00000000-0000-0000-0000-000000000009")),
    };
    host.driver.adopt(&identity).unwrap();
    assert_eq!(host.seen(vm).identity, Some(identity));
    host.driver.set_hardware(vm, 4, 2048).unwrap();
    let xml = host.driver.definition_xml(vm).unwrap();
    for part in ["libosinfo", "http://debian.org/debian/12", "spicevmc", "type='spice'", "host-passthrough"] {
        assert!(xml.contains(part), "{part} is lost:\n{xml}");
    }
    let seen = host.seen(vm);
    assert_eq!((seen.cpus, seen.memory_mib, seen.identity), (4, 2048, Some(identity)));

    let plain = host.seen(uuid("6c7d5e2a-0d7e-4a5b-8a59-0a1b2c3d4e5f"));
    assert_eq!((plain.cpus, plain.memory_mib, plain.title), (1, 64, None));
    assert_eq!(plain.disks[0].format, DiskFormat::Raw);
    host.driver.start(plain.domain).unwrap();
    assert_eq!(host.power(plain.domain), Power::Running);
}

#[test]
fn a_transient_machine_is_seen_as_one_and_gone_when_it_is_off() {
    let host = Host::new();
    let file = host.folder.join("transient.xml");
    std::fs::write(&file, PLAIN).unwrap();
    host.virsh(&["create", file.to_str().unwrap()]);
    let vm = uuid("6c7d5e2a-0d7e-4a5b-8a59-0a1b2c3d4e5f");
    let seen = host.seen(vm);
    assert_eq!((seen.persistent, seen.power, seen.cpus), (false, Power::Running, 1));
    host.driver.turn_off(vm).unwrap();
    assert_eq!(host.driver.read(vm).unwrap(), None);
}

#[test]
fn metadata_that_is_not_three_ids_is_nobody_s() {
    let host = Host::new();
    let vm = host.define(1);
    let write = |xml: &str| {
        host.virsh(&["metadata", &vm.to_string(), "urn:hostler:machine:1", "--key", "x", "--set", xml]);
        host.seen(vm).identity
    };
    assert!(host.seen(vm).identity.is_some());
    assert_eq!(write("<machine/>"), None);
    assert_eq!(write("<machine vm='1' domain='../..' installation='&amp;'/>"), None);
    assert_eq!(write("<other vm='00000000-0000-0000-0000-000000000001'/>"), None);
    // Any prefix will do: it is the namespace that counts.
    let ids = "vm='00000000-0000-0000-0000-000000000001' domain='00000000-0000-0000-0000-000000000002' \
               installation='00000000-0000-0000-0000-000000000003'";
    assert!(write(&format!("<machine {ids}/>")).is_some());
}
