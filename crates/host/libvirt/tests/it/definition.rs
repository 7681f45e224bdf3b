//! What is defined is what is read.

use hostler_hypervisor::Machines;
use hostler_model::Code;
use hostler_model::hardware::{Adapter, Bus, DiskFormat, Firmware, Hardware, Mac, Media};
use hostler_model::seen::{Power, SeenAdapter, SeenDisk};
use uuid::Uuid;

use crate::host::{Host, code, definition};

#[test]
fn a_machine_is_read_as_it_was_defined_and_gone_after_its_removal() {
    let host = Host::new();
    let disks = vec![host.disk(0, Bus::Virtio, 8), host.disk(1, Bus::Scsi, 8), host.disk(7, Bus::Sata, 8)];
    let iso = host.path("some.iso");
    let mac = Mac([0x52, 0x54, 0, 1, 2, 3]);
    let hardware = Hardware {
        cpus: 3,
        memory_mib: 96,
        firmware: Firmware::Uefi,
        disks: disks.clone(),
        dvd: Some(Media { file: iso.clone(), item: None }),
        adapters: vec![Adapter { no: 0, mac, network: "default".into(), vlan: None, spoofing_filter: false }],
    };
    let wanted = definition(1, hardware);
    let domain = wanted.identity.domain;
    assert_eq!(host.driver.read(domain).unwrap(), None);
    host.driver.define(&wanted).unwrap();

    let seen = host.seen(domain);
    assert_eq!(seen.name, wanted.name);
    assert_eq!(seen.title.as_deref(), Some(wanted.title.as_str()));
    assert_eq!(seen.identity, Some(wanted.identity));
    assert_eq!((seen.cpus, seen.memory_mib, seen.power), (3, 96, Power::Off));
    assert!(seen.persistent && !seen.guest_agent);
    assert_eq!(
        seen.adapters,
        [SeenAdapter { mac, network: "default".into(), vlan: None, spoofing_filter: false }]
    );
    let disk = |no: usize| SeenDisk {
        target: disks[no].target(),
        file: Some(disks[no].file.clone()),
        format: DiskFormat::Qcow2,
        bus: disks[no].bus,
        size_bytes: None,
        dvd: false,
    };
    let dvd = SeenDisk {
        target: "sdz".into(),
        file: Some(iso),
        format: DiskFormat::Raw,
        bus: Bus::Sata,
        size_bytes: None,
        dvd: true,
    };
    assert_eq!(seen.disks, [disk(1), disk(2), dvd, disk(0)], "ordered by target");
    assert_eq!(host.driver.list().unwrap(), [seen]);

    assert_eq!(code(host.driver.define(&wanted)), Code::HypervisorFailed, "it is there already");
    host.driver.undefine(domain).unwrap();
    assert_eq!(host.driver.read(domain).unwrap(), None);
    assert!(!host.folder.join("vms").join(domain.to_string()).exists(), "its folder was empty");
}

#[test]
fn a_definition_holds_what_cannot_be_added_later() {
    let host = Host::new();
    let domain = host.define(1);
    let xml = host.driver.definition_xml(domain).unwrap();
    for part in [
        "<domain type='qemu'>",
        "machine='pc-q35-7.2'",
        "<alias name='ua-port-20'/>",
        "<alias name='ua-dvd'/>",
        "<alias name='ua-disk-0'/>",
        "<alias name='ua-balloon'/>",
        "<alias name='ua-rng'/>",
        "<alias name='ua-guest-agent'/>",
        "<alias name='ua-serial'/>",
        "<alias name='ua-video'/>",
        "<stats period='5'/>",
        "discard='unmap' detect_zeroes='unmap'",
        "<listen type='none'/>",
        "name='org.qemu.guest_agent.0'",
        "append='on'",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }
    assert!(!xml.contains("<backingStore"), "{xml}");
    assert!(!host.virsh(&["dominfo", &domain.to_string()]).contains("Autostart:      enable"));
}

#[test]
fn what_the_host_does_not_have_is_no_machine() {
    let host = Host::new();
    let nobody = Uuid::from_u128(1);
    let driver = &host.driver;
    assert_eq!(driver.read(nobody).unwrap(), None);
    assert_eq!(code(driver.start(nobody)), Code::HypervisorNoVm);
    assert_eq!(code(driver.undefine(nobody)), Code::HypervisorNoVm);
    assert_eq!(code(driver.turn_off(nobody)), Code::HypervisorNoVm);
    assert_eq!(code(driver.holds_disk(nobody, "vda")), Code::HypervisorNoVm);
    assert_eq!(code(driver.set_media(nobody, None)), Code::HypervisorNoVm);
    assert_eq!(code(driver.save(nobody, &hostler_hypervisor::NoWatch)), Code::HypervisorNoVm);
    assert_eq!(code(driver.screenshot(nobody)), Code::HypervisorNoVm);
}

#[test]
fn the_type_is_decided_anew_at_each_start() {
    let host = Host::new();
    let domain = host.define(1);
    let kvm = host.driver.definition_xml(domain).unwrap().replace("type='qemu'", "type='kvm'");
    host.virsh_define(&kvm);
    assert!(host.driver.definition_xml(domain).unwrap().contains("type='kvm'"));
    host.driver.start(domain).unwrap();
    assert!(host.driver.definition_xml(domain).unwrap().contains("type='qemu'"));
    assert_eq!(host.power(domain), Power::Running);
}
