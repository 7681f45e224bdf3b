//! Disks, media, processors, memory and titles changed, on machines that run and that do not.

use hostler_hypervisor::Machines;
use hostler_model::Code;
use hostler_model::hardware::Bus;
use hostler_model::seen::Power;

use crate::host::{Host, code, definition, hardware};

#[test]
fn a_disk_is_attached_and_detached_while_the_machine_is_off() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    for (no, bus) in [(1, Bus::Virtio), (2, Bus::Scsi), (3, Bus::Sata)] {
        let disk = host.disk(no, bus, 8);
        let target = disk.target();
        assert_eq!(driver.holds_disk(vm, &target).unwrap(), None);
        driver.attach_disk(vm, &disk).unwrap();
        assert_eq!(driver.holds_disk(vm, &target).unwrap(), Some(disk.file.clone()));
        assert_eq!(driver.users_of(&disk.file).unwrap(), [vm]);
        driver.ask_to_detach_disk(vm, &target).unwrap();
        assert_eq!(driver.holds_disk(vm, &target).unwrap(), None);
        assert!(driver.users_of(&disk.file).unwrap().is_empty());
    }
    assert!(driver.ask_to_detach_disk(vm, "vdx").is_err());
}

#[test]
fn a_guest_that_does_not_let_go_holds_its_disk_although_asked() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    driver.start(vm).unwrap();
    let disk = host.disk(1, Bus::Virtio, 8);
    driver.attach_disk(vm, &disk).unwrap();
    assert_eq!(driver.holds_disk(vm, "vdb").unwrap(), Some(disk.file.clone()));
    assert!(host.seen(vm).disks.iter().any(|seen| seen.target == "vdb"), "it is in the definition, too");

    // The firmware knows nothing of hot-plug. Asking again is no error.
    driver.ask_to_detach_disk(vm, "vdb").unwrap();
    driver.ask_to_detach_disk(vm, "vdb").unwrap();
    assert_eq!(driver.holds_disk(vm, "vdb").unwrap(), Some(disk.file.clone()));
    assert!(host.seen(vm).disks.iter().all(|seen| seen.target != "vdb"), "it is out of the definition");
    assert_eq!(driver.users_of(&disk.file).unwrap(), [vm], "what runs still uses it");
    driver.turn_off(vm).unwrap();
    assert_eq!(driver.holds_disk(vm, "vdb").unwrap(), None);
    assert!(driver.users_of(&disk.file).unwrap().is_empty());
}

#[test]
fn a_running_machine_takes_a_disk_on_scsi_and_refuses_one_on_sata() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    driver.start(vm).unwrap();
    driver.attach_disk(vm, &host.disk(1, Bus::Scsi, 8)).unwrap();
    assert!(driver.holds_disk(vm, "sdb").unwrap().is_some());
    let refused = driver.attach_disk(vm, &host.disk(2, Bus::Sata, 8));
    assert_eq!(code(refused), Code::HypervisorFailed);
    assert_eq!(driver.holds_disk(vm, "sdc").unwrap(), None);
    assert_eq!(host.power(vm), Power::Running);
}

#[test]
fn a_disk_whose_file_is_missing_or_in_use_says_so() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    driver.start(vm).unwrap();
    let mut missing = host.disk(1, Bus::Virtio, 8);
    missing.file.push_str(".gone");
    assert_eq!(code(driver.attach_disk(vm, &missing)), Code::DiskFailed);

    let mine = host.seen(vm).disks.iter().find_map(|disk| disk.file.clone()).unwrap();
    let mut shared = host.disk(0, Bus::Virtio, 8);
    shared.file = mine.clone();
    let other = definition(2, hardware(vec![shared]));
    driver.define(&other).unwrap();
    assert_eq!(code(driver.start(other.identity.domain)), Code::DiskInUse);
    let mut users = driver.users_of(&mine).unwrap();
    users.sort();
    assert_eq!(users, [vm, other.identity.domain]);
    // By another path it is the same file.
    std::os::unix::fs::symlink(&mine, host.path("link")).unwrap();
    assert_eq!(driver.users_of(&host.path("link")).unwrap().len(), 2);
}

#[test]
fn a_medium_is_changed_and_taken_out_live_and_in_the_definition() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    let (one, two) = (host.path("one.iso"), host.path("two.iso"));
    std::fs::write(&one, vec![0; 65536]).unwrap();
    std::fs::write(&two, vec![0; 65536]).unwrap();
    let defined = || host.seen(vm).disks.into_iter().find(|disk| disk.dvd).unwrap().file;
    let runs = || driver.holds_disk(vm, "sdz").unwrap();

    driver.set_media(vm, Some(&one)).unwrap();
    assert_eq!((defined(), runs()), (Some(one.clone()), Some(one.clone())));
    driver.start(vm).unwrap();
    driver.set_media(vm, Some(&two)).unwrap();
    assert_eq!((defined(), runs()), (Some(two.clone()), Some(two.clone())));
    assert_eq!(driver.users_of(&two).unwrap(), [vm]);
    driver.set_media(vm, None).unwrap();
    assert_eq!((defined(), runs()), (None, None));
    assert_eq!(code(driver.set_media(vm, Some(&host.path("no.iso")))), Code::DiskFailed);
    assert_eq!((defined(), runs()), (None, None));
    let xml = driver.definition_xml(vm).unwrap();
    assert!(xml.contains("<alias name='ua-dvd'/>"), "its alias stays: {xml}");
}

#[test]
fn hardware_and_title_are_changed_and_metadata_survives() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    let identity = host.seen(vm).identity.unwrap();
    driver.set_hardware(vm, 4, 256).unwrap();
    let seen = host.seen(vm);
    assert_eq!((seen.cpus, seen.memory_mib, seen.identity), (4, 256, Some(identity)));

    driver.start(vm).unwrap();
    driver.retitle(vm, "Another \u{540d}").unwrap();
    assert_eq!(host.seen(vm).title.as_deref(), Some("Another \u{540d}"));
    // Changed while it runs, it is seen as defined.
    driver.set_hardware(vm, 2, 128).unwrap();
    let seen = host.seen(vm);
    assert_eq!((seen.cpus, seen.memory_mib, seen.power), (2, 128, Power::Running));
    driver.turn_off(vm).unwrap();
    assert_eq!(host.seen(vm).title.as_deref(), Some("Another \u{540d}"));
}
