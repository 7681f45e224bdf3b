//! The disk: one FAT partition with syslinux, kernel and archive, as compressed qcow2. Made with tools that write
//! into a plain file: no loop device, no mount, no root.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::commands;
use crate::trouble::Trouble;

/// The whole disk as the guest sees it.
const DISK_MIB: u64 = 64;
/// Where the partition begins; the room before it is the boot sector's and partitioning tools' custom.
const START_MIB: u64 = 1;
const SECTORS_PER_MIB: u64 = 2048;
/// Longer, it would run over the partition table.
const BOOT_CODE_BYTES: usize = 440;
const BOOT_CODE: &str = "/usr/lib/syslinux/mbr/mbr.bin";
pub const SYSLINUX: &str = include_str!("guest/syslinux.cfg");

/// Makes `out` (qcow2) from kernel and archive; `work` holds what is needed on the way.
pub fn build(kernel: &Path, initramfs: &Path, work: &Path, out: &Path) -> Result<(), Trouble> {
    let raw = work.join("disk.raw");
    File::create(&raw)
        .and_then(|file| file.set_len(DISK_MIB << 20))
        .map_err(|error| Trouble::file("made", &raw, &error))?;
    partition(&raw, work)?;
    let start = (START_MIB * SECTORS_PER_MIB).to_string();
    let size_kib = ((DISK_MIB - START_MIB) * 1024).to_string();
    let mut format = tool("mkfs.vfat");
    format.args(["--offset", &start, "-h", &start, "-n", "TINY-LINUX"]).arg(&raw).arg(size_kib);
    commands::output(&mut format)?;
    let config = work.join("syslinux.cfg");
    fs::write(&config, SYSLINUX).map_err(|error| Trouble::file("written", &config, &error))?;
    for (file, name) in [(kernel, "vmlinuz"), (initramfs, "initramfs"), (&config, "syslinux.cfg")] {
        let mut copy = tool("mcopy");
        copy.arg("-i").arg(format!("{}@@{START_MIB}M", raw.display())).arg(file).arg(format!("::{name}"));
        commands::output(&mut copy)?;
    }
    let mut boot = tool("syslinux");
    commands::output(boot.args(["--offset", &(START_MIB << 20).to_string(), "--install"]).arg(&raw))?;
    write_boot_code(&raw)?;
    let mut convert = tool("qemu-img");
    convert.args(["convert", "-f", "raw", "-O", "qcow2", "-c"]).arg(&raw).arg(out);
    commands::output(&mut convert).map(drop)
}

fn partition(raw: &Path, work: &Path) -> Result<(), Trouble> {
    let plan = work.join("partitions");
    let text = format!("label: dos\nstart={}, type=e, bootable\n", START_MIB * SECTORS_PER_MIB);
    fs::write(&plan, text).map_err(|error| Trouble::file("written", &plan, &error))?;
    let plan = File::open(&plan).map_err(|error| Trouble::file("read", &plan, &error))?;
    commands::output(tool("sfdisk").arg("--quiet").arg(raw).stdin(plan)).map(drop)
}

fn write_boot_code(raw: &Path) -> Result<(), Trouble> {
    let source = Path::new(BOOT_CODE);
    let code = fs::read(source).map_err(|error| Trouble::file("read", source, &error))?;
    if code.len() > BOOT_CODE_BYTES {
        return Err(Trouble::new(
            format!(
                "{BOOT_CODE} has {} bytes, and a boot sector has room for {BOOT_CODE_BYTES}.",
                code.len()
            ),
            "See which package owns that file; Hostler knows the one of Debian's syslinux-common.",
        ));
    }
    OpenOptions::new()
        .write(true)
        .open(raw)
        .and_then(|mut file| file.write_all(&code))
        .map_err(|error| Trouble::file("written", raw, &error))
}

fn tool(name: &str) -> std::process::Command {
    let program = commands::find_program(name).unwrap_or_else(|| name.into());
    let mut command = commands::command(&[program.as_os_str()]);
    // mtools doubts file systems whose size is no multiple of a track; there are no tracks.
    command.env("MTOOLS_SKIP_CHECK", "1");
    command
}
