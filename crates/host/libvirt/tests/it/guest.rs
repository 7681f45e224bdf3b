//! What needs a guest that listens: its agent, and letting go of a disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hostler_hypervisor::Machines;
use hostler_model::Code;
use hostler_model::hardware::Bus;
use hostler_model::seen::Power;
use uuid::Uuid;

use crate::host::{Host, code, definition, hardware, within};

/// Fivefold what a boot under emulation takes while others are at work.
const BOOT: Duration = Duration::from_secs(300);

/// The tiny Linux disk, built unless it was built before.
fn tiny_linux() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tiny-linux");
    let built = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let newest = entry.metadata().ok()?.modified().ok()?;
        (name.starts_with("tiny-linux-") && name.ends_with(".qcow2")).then(|| (newest, entry.path()))
    };
    let newest = home.read_dir().into_iter().flatten().flatten().filter_map(built).max();
    newest.map(|(_, path)| path).unwrap_or_else(|| {
        let output = Command::new(env!("CARGO")).args(["xtask", "tiny-linux"]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo xtask tiny-linux: {error}");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim().lines().last().unwrap())
    })
}

/// Defines a machine that boots.
fn define(host: &Host) -> Uuid {
    let mut disk = host.disk(0, Bus::Virtio, 64);
    disk.file = host.path("tiny.qcow2");
    let base = tiny_linux();
    let base = base.to_str().unwrap();
    host.run(&["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", &disk.file]);
    let mut wanted = definition(1, hardware(vec![disk]));
    wanted.hardware.memory_mib = 160;
    host.driver.define(&wanted).unwrap();
    wanted.identity.domain
}

#[test]
fn a_guest_s_agent_reads_files_and_shuts_down_and_its_kernel_lets_go_of_disks() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, define(&host));
    driver.start(vm).unwrap();
    assert!(!host.seen(vm).guest_agent);
    within(BOOT, "the guest's agent is there", || host.seen(vm).guest_agent);

    let release = String::from_utf8(driver.guest_read_file(vm, "/etc/os-release", 4096).unwrap()).unwrap();
    assert!(release.contains("NAME="), "{release}");
    assert!(driver.guest_read_file(vm, "/etc/os-release", 4).is_err(), "it is larger than that");
    assert!(driver.guest_read_file(vm, "/no/such/file", 4096).is_err());
    assert!(driver.guest_read_file(vm, "/proc/self/stat", 4096).is_ok(), "errors of a guest are no silence");

    for (no, bus) in [(1, Bus::Virtio), (2, Bus::Scsi)] {
        let disk = host.disk(no, bus, 8);
        let target = disk.target();
        driver.attach_disk(vm, &disk).unwrap();
        assert_eq!(driver.holds_disk(vm, &target).unwrap(), Some(disk.file.clone()));
        driver.ask_to_detach_disk(vm, &target).unwrap();
        within(BOOT, "the guest has let go", || driver.holds_disk(vm, &target).unwrap().is_none());
        assert!(driver.users_of(&disk.file).unwrap().is_empty());
    }

    driver.ask_to_shut_down(vm, None).unwrap();
    within(BOOT, "it is off", || host.power(vm) == Power::Off);
    assert!(!host.seen(vm).guest_agent);
}

#[test]
fn a_guest_without_an_agent_hears_the_power_button() {
    let host = Host::new();
    let (driver, vm) = (&host.driver, define(&host));
    let xml = driver.definition_xml(vm).unwrap();
    host.virsh_define(&xml.replace("org.qemu.guest_agent.0", "somebody.else.0"));
    driver.start(vm).unwrap();
    let log = host.folder.join("vms").join(vm.to_string()).join("serial.log");
    let said = || String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
    within(BOOT, "it is ready", || said().contains("is ready after"));
    assert_eq!(code(driver.guest_read_file(vm, "/etc/os-release", 4096)), Code::GuestNotAnswering);
    within(BOOT, "it is off", || {
        // The button's listener may not be up yet.
        let _ = driver.ask_to_shut_down(vm, None);
        std::thread::sleep(Duration::from_millis(500));
        host.power(vm) == Power::Off
    });
}
