//! What the driver tells on its own.

use hostler_hypervisor::{Machines, NoWatch};
use hostler_libvirt::Changed;
use hostler_model::hardware::Bus;
use std::time::Duration;

use crate::host::{Host, await_notice};

#[test]
fn every_change_behind_its_back_is_told() {
    let host = Host::new();
    let vm = host.define(1);
    let id = vm.to_string();
    let file = host.disk(1, Bus::Virtio, 8).file;
    let iso = host.path("some.iso");
    std::fs::write(&iso, vec![0; 65536]).unwrap();
    let changes = host.driver.subscribe();
    let told = |what: &str, act: &dyn Fn()| {
        std::thread::sleep(Duration::from_millis(100));
        while changes.try_recv().is_ok() {}
        act();
        println!("{what}");
        await_notice(&changes, Changed::Domain(vm));
    };
    told("processors with --config, no event", &|| {
        host.virsh(&["setvcpus", &id, "2", "--config", "--maximum"]);
    });
    assert_eq!(host.driver.read(vm).unwrap().unwrap().cpus, 1, "the maximum alone is not the number");
    told("memory with --config, no event", &|| {
        host.virsh(&["setmaxmem", &id, "128M", "--config"]);
    });
    assert_eq!(host.seen(vm).memory_mib, 128);
    told("a disk with --config, no event", &|| {
        host.virsh(&["attach-disk", &id, &file, "vdb", "--config", "--subdriver", "qcow2"]);
    });
    told("title", &|| {
        host.virsh(&["desc", &id, "--title", "--config", "by hand"]);
    });
    assert_eq!(host.seen(vm).disks.len(), 3);
    // The folder with these is made for the first of them.
    host.virsh(&["autostart", &id]);
    await_notice(&changes, Changed::Everything);
    assert!(host.seen(vm).autostart);
    told("no longer starting with the host, no event", &|| {
        host.virsh(&["autostart", "--disable", &id]);
    });
    assert!(!host.seen(vm).autostart);
    told("a snapshot", &|| {
        host.virsh(&["snapshot-create-as", &id, "first"]);
    });
    assert_eq!(host.seen(vm).snapshots, ["first"]);
    told("a snapshot removed", &|| {
        host.virsh(&["snapshot-delete", &id, "first"]);
    });
    assert!(host.seen(vm).snapshots.is_empty());
    told("start", &|| {
        host.virsh(&["start", &id]);
    });
    told("pause", &|| {
        host.virsh(&["suspend", &id]);
    });
    told("resume", &|| {
        host.virsh(&["resume", &id]);
    });
    told("insert", &|| {
        host.virsh(&["change-media", &id, "sdz", "--insert", &iso, "--live"]);
    });
    told("save", &|| {
        host.virsh(&["managedsave", &id]);
    });
    told("undefine", &|| {
        host.virsh(&["undefine", &id, "--managed-save"]);
    });
}

#[test]
fn with_notices_off_nothing_is_told_and_everything_is_read() {
    let host = Host::new();
    let vm = host.define(1);
    let changes = host.driver.subscribe();
    host.driver.set_events(false);
    while changes.try_recv().is_ok() {}
    host.virsh(&["start", &vm.to_string()]);
    host.virsh(&["setvcpus", &vm.to_string(), "2", "--config", "--maximum"]);
    host.virsh(&["setvcpus", &vm.to_string(), "2", "--config"]);
    assert!(changes.recv_timeout(Duration::from_millis(500)).is_err());
    let seen = host.seen(vm);
    assert_eq!((seen.cpus, seen.power), (2, hostler_model::seen::Power::Running));
    host.driver.set_events(true);
    host.driver.save(vm, &NoWatch).unwrap();
    await_notice(&changes, Changed::Domain(vm));
}
