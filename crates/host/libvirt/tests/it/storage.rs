//! Storage that is full.

use hostler_hypervisor::Machines;
use hostler_libvirt::Changed;
use hostler_model::hardware::{Bus, DiskFormat};
use hostler_model::seen::Power;

use crate::host::{Host, await_notice, boot_sector, definition, eventually, hardware};

/// A boot sector that writes the firmware's own code over and over to its disk, from sector 64 on.
const WRITER: [u8; 41] = [
    0x31, 0xc0, // xor ax, ax
    0x8e, 0xd8, // mov ds, ax
    0x8e, 0xd0, // mov ss, ax
    0xbc, 0x00, 0x7c, // mov sp, 0x7c00
    0xb8, 0x00, 0x43, // again: mov ax, 0x4300 (extended write)
    0xbe, 0x19, 0x7c, // mov si, packet
    0xcd, 0x13, // int 0x13
    0x66, 0x83, 0x06, 0x21, 0x7c, 0x40, // add dword [packet + 8], 64
    0xeb, 0xf0, // jmp again
    0x10, 0x00, // packet: its length
    0x40, 0x00, // 64 sectors
    0x00, 0x00, 0x00, 0xf0, // from f000:0000, which is not zero
    0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // to sector 64
];

#[test]
fn a_full_file_system_pauses_the_machine_and_room_lets_it_go_on() {
    let host = Host::new();
    let mut disk = host.disk(0, Bus::Virtio, 8);
    let small = host.path("small/disk.raw");
    let sector = host.path("sector");
    std::fs::write(&sector, boot_sector(&WRITER)).unwrap();
    // The small file system is seen inside only.
    host.run(&["cp", &sector, &small]);
    host.run(&["truncate", "-s", "8M", &small]);
    disk.file = small;
    disk.format = DiskFormat::Raw;
    let wanted = definition(1, hardware(vec![disk]));
    let vm = wanted.identity.domain;
    host.driver.define(&wanted).unwrap();
    let changes = host.driver.subscribe();
    host.driver.start(vm).unwrap();
    eventually("it is paused", || host.power(vm) == Power::PausedStorageFull);
    await_notice(&changes, Changed::Domain(vm));
    host.run(&["mount", "-o", "remount,size=16m", &host.path("small")]);
    host.driver.resume(vm).unwrap();
    assert_eq!(host.power(vm), Power::Running);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(host.power(vm), Power::Running, "there is room for all of it");
}
