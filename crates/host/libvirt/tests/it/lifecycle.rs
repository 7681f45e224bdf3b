//! Machines started, paused, saved and stopped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hostler_hypervisor::{Machines, NoWatch, Performing, Trouble, Turn, Watch, World};
use hostler_model::JobId;
use hostler_model::command::{Answer, Command, Mark, Outcome};
use hostler_model::hardware::{Bus, DiskFormat, Firmware};
use hostler_model::seen::Power;

use crate::conformance::NoDisks;
use crate::host::{Host, boot_sector, definition, eventually, hardware, rand};

#[test]
fn a_machine_goes_through_its_states() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    assert_eq!(host.power(vm), Power::Off);
    driver.start(vm).unwrap();
    assert_eq!(host.power(vm), Power::Running);
    assert!(driver.start(vm).is_err(), "it runs already");
    driver.pause(vm).unwrap();
    assert_eq!(host.power(vm), Power::Paused);
    driver.resume(vm).unwrap();
    assert_eq!(host.power(vm), Power::Running);
    driver.reset(vm).unwrap();
    assert_eq!(host.power(vm), Power::Running);
    driver.ask_to_shut_down(vm, None).unwrap();
    assert_eq!(host.power(vm), Power::Running, "the firmware does not listen to the power button");
    assert!(driver.undefine(vm).is_err(), "it is on");
    driver.turn_off(vm).unwrap();
    assert_eq!(host.power(vm), Power::Off);
    assert!(driver.pause(vm).is_err() && driver.turn_off(vm).is_err());

    // Its log was written and goes with it; its disk stays.
    let log = host.folder.join("vms").join(vm.to_string()).join("serial.log");
    assert!(log.exists());
    let disk = host.seen(vm).disks.iter().find_map(|disk| disk.file.clone()).unwrap();
    driver.undefine(vm).unwrap();
    assert!(!log.exists() && std::path::Path::new(&disk).exists());
}

#[test]
fn what_an_interrupted_removal_left_is_removed_by_the_look_or_the_next_attempt() {
    let host = Host::new();
    let world = World {
        machines: &host.driver,
        disks: &NoDisks,
        moves: &hostler_hypervisor::NoMoves,
        boots: &hostler_hypervisor::NoBoots,
        networks: &hostler_hypervisor::NoNetworks,
    };
    let removed = |begin: fn(Command, Mark, bool) -> Performing| {
        let vm = host.define(rand());
        host.driver.start(vm).unwrap();
        host.driver.turn_off(vm).unwrap();
        // libvirtd does what an agent asked that did not live to see it.
        host.virsh(&["undefine", "--nvram", &vm.to_string()]);
        let folder = host.folder.join("vms").join(vm.to_string());
        assert!(folder.join("serial.log").exists());
        let mark = Mark { epoch: 1, job: JobId(1), step: "undefine".into() };
        let turn = begin(Command::Undefine { domain: vm }, mark, false).turn(&world, 0, &NoWatch);
        assert_eq!(turn, Turn::Ended(Outcome::Done { answer: Answer::Nothing }));
        assert!(!folder.exists(), "the machine's folder is left");
    };
    removed(Performing::looking);
    removed(Performing::new);
}

#[test]
fn saved_memory_is_restored_or_discarded() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    driver.start(vm).unwrap();
    driver.save(vm, &NoWatch).unwrap();
    assert_eq!(host.power(vm), Power::Saved);
    driver.start(vm).unwrap();
    assert_eq!(host.power(vm), Power::Running);
    assert!(host.virsh(&["domstate", "--reason", &vm.to_string()]).contains("restored"));

    driver.pause(vm).unwrap();
    driver.save(vm, &NoWatch).unwrap();
    driver.start(vm).unwrap();
    assert_eq!(host.power(vm), Power::Running, "started means running, also when it was saved while paused");

    driver.save(vm, &NoWatch).unwrap();
    driver.discard_saved(vm).unwrap();
    assert_eq!(host.power(vm), Power::Off);

    driver.start(vm).unwrap();
    driver.save(vm, &NoWatch).unwrap();
    driver.undefine(vm).unwrap();
    assert_eq!(driver.read(vm).unwrap(), None, "saved memory goes with the definition");
}

/// A boot sector that fills the memory from 1 to 380 MiB with what is not zero.
const FILLER: [u8; 88] = [
    0xfa, 0x31, 0xc0, 0x8e, 0xd8, // cli; xor ax, ax; mov ds, ax
    0xe4, 0x92, 0x0c, 0x02, 0xe6, 0x92, // the address line A20 on
    0x0f, 0x01, 0x16, 0x3a, 0x7c, // lgdt [table]
    0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, // protected mode on
    0xea, 0x1d, 0x7c, 0x08, 0x00, // jmp 8:here
    0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, // here: mov ds, 16; mov es, 16
    0xbf, 0x00, 0x00, 0x10, 0x00, // mov edi, 1 MiB
    0xb9, 0x00, 0x00, 0xec, 0x05, // mov ecx, 379 MiB / 4
    0xb8, 0xa5, 0x5a, 0xa5, 0x5a, // mov eax, something
    0xfc, 0xf3, 0xab, 0xf4, 0xeb, 0xfd, // rep stosd; hlt for ever
    0x17, 0x00, 0x40, 0x7c, 0x00, 0x00, // table: its length and place
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // nothing
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xcf, 0x00, // code, all 4 GiB
    0xff, 0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00, // data, all 4 GiB
];

/// Stops as soon as it has heard of progress.
struct StopOnProgress(AtomicU64);

impl Watch for StopOnProgress {
    fn progress(&self, done: u64, of: u64) {
        assert!(done <= of);
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn aborted(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

#[test]
fn a_save_tells_its_progress_and_stops_on_request_with_the_machine_running_on() {
    let host = Host::new();
    let driver = &host.driver;
    let mut disk = host.disk(0, Bus::Virtio, 8);
    disk.format = DiskFormat::Raw;
    std::fs::write(&disk.file, boot_sector(&FILLER)).unwrap();
    std::fs::File::options().write(true).open(&disk.file).unwrap().set_len(1 << 20).unwrap();
    let mut wanted = definition(1, hardware(vec![disk]));
    wanted.hardware.memory_mib = 384;
    let vm = wanted.identity.domain;
    driver.define(&wanted).unwrap();
    driver.start(vm).unwrap();
    let met_in_the_middle = || {
        // Zeroes are not written: the save must have something to do to be met in the middle.
        eventually("its memory is full", || driver.statistics().unwrap()[0].resident_kib > 350 << 10);
        let watch = StopOnProgress(AtomicU64::new(0));
        match driver.save(vm, &watch) {
            Err(Trouble::Aborted) => true,
            // On a busy computer it may be over before anybody has looked.
            Ok(()) => driver.start(vm).map(|()| false).unwrap(),
            other => panic!("{other:?} after {:?} times progress", watch.0),
        }
    };
    assert!((0..10).any(|_| met_in_the_middle()));
    assert_eq!(host.power(vm), Power::Running);
    driver.turn_off(vm).unwrap();
    assert_eq!(host.power(vm), Power::Off, "nothing was saved");
}

#[test]
fn a_machine_whose_process_was_killed_has_crashed() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    driver.start(vm).unwrap();
    host.run(&["sh", "-c", "kill -9 $(cat /run/libvirt/qemu/vm-*.pid)"]);
    eventually("it has crashed", || host.power(vm) == Power::Crashed);
    driver.start(vm).unwrap();
    assert_eq!(host.power(vm), Power::Running);
}

#[test]
fn a_uefi_machine_starts_with_variables_of_its_own() {
    let host = Host::new();
    let mut wanted = definition(1, hardware(vec![host.disk(0, Bus::Virtio, 8)]));
    wanted.hardware.firmware = Firmware::Uefi;
    wanted.hardware.memory_mib = 128;
    let vm = wanted.identity.domain;
    host.driver.define(&wanted).unwrap();
    host.driver.start(vm).unwrap();
    assert_eq!(host.power(vm), Power::Running);
    let nvram = host.folder.join("vms").join(vm.to_string()).join("nvram.fd");
    assert!(nvram.exists());
    let xml = host.driver.definition_xml(vm).unwrap();
    assert!(xml.contains("name='secure-boot'") && !xml.contains(".ms.fd"), "{xml}");
    host.driver.turn_off(vm).unwrap();
    host.driver.undefine(vm).unwrap();
    assert!(!nvram.exists());
}

#[test]
fn a_screen_is_pictured_while_the_firmware_runs() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    assert!(driver.screenshot(vm).is_err(), "it is off");
    driver.start(vm).unwrap();
    let picture = driver.screenshot(vm).unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n") && picture.len() > 200);
    // A viewer's socket greets with the protocol's name.
    let mut screen = std::os::unix::net::UnixStream::from(driver.open_graphics(vm).unwrap());
    let mut greeting = [0; 12];
    std::io::Read::read_exact(&mut screen, &mut greeting).unwrap();
    assert_eq!(&greeting, b"RFB 003.008\n");
}

#[test]
fn the_host_and_its_machines_are_counted() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    let facts = driver.host_facts().unwrap();
    assert!(facts.libvirt.starts_with("9.") && facts.qemu.starts_with("7."), "{facts:?}");
    assert!(facts.networks.is_empty());
    assert_eq!(driver.statistics().unwrap(), []);
    driver.start(vm).unwrap();
    eventually("the firmware has used a processor", || {
        let figures = driver.statistics().unwrap();
        assert_eq!(figures.len(), 1);
        figures[0].domain == vm && figures[0].cpu_time_ns > 0
    });
    let figures = driver.statistics().unwrap();
    assert_eq!((figures[0].cpus, figures[0].memory_kib), (1, 64 * 1024));
    assert_eq!(figures[0].disks.iter().find(|disk| disk.target == "vda").unwrap().capacity_bytes, 8 << 20);
}

#[test]
fn an_agent_that_is_not_there_is_said_so_at_once() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, host.define(1));
    driver.start(vm).unwrap();
    let begun = Instant::now();
    let read = driver.guest_read_file(vm, "/etc/os-release", 1024);
    assert_eq!(crate::host::code(read), hostler_model::Code::GuestNotAnswering);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
