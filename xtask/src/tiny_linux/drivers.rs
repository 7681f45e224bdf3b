//! Which drivers the tiny Linux loads, and in which order. Everything is loaded at boot and stays: there is no udev
//! in the guest, and what is hot plugged finds its driver waiting.

use std::path::{Path, PathBuf};

use crate::commands;
use crate::trouble::Trouble;

/// Modules by name. Controllers come after what drives their disks, so that a disk is there when its controller's
/// module has been loaded.
const MODULES: [&str; 23] = [
    "button",
    "evdev",
    "virtio_pci",
    "virtio_console",
    "virtio_rng",
    "virtio_balloon",
    "virtio_net",
    "e1000",
    "e1000e",
    "sd_mod",
    "sr_mod",
    "virtio_blk",
    "virtio_scsi",
    "ahci",
    "ata_piix",
    "crc32c_generic",
    "ext4",
    "isofs",
    "nls_cp437",
    "nls_ascii",
    "vfat",
    "psmouse",
    "virtio_input",
];

/// The folders below `kernel/` that those modules, and the ones they need, are in.
pub const FOLDERS: [&str; 15] = [
    "arch/x86/crypto",
    "block",
    "crypto",
    "drivers/acpi",
    "drivers/ata",
    "drivers/block",
    "drivers/cdrom",
    "drivers/char",
    "drivers/input",
    "drivers/net",
    "drivers/scsi",
    "drivers/virtio",
    "fs",
    "lib",
    "net/core",
];

/// Files of the modules in the order of loading, each once, as they are below `root`.
pub fn in_order(root: &Path, release: &str) -> Result<Vec<PathBuf>, Trouble> {
    let mut depmod = commands::command(&[program("depmod").as_os_str()]);
    commands::output(depmod.arg("-b").arg(root).arg(release))?;
    let mut show = commands::command(&[program("modprobe").as_os_str()]);
    show.arg("-d").arg(root).args(["-S", release, "--show-depends", "--all"]).args(MODULES);
    Ok(parse_order(&commands::output(&mut show)?))
}

fn parse_order(text: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for file in text.lines().filter_map(|line| line.trim().strip_prefix("insmod ")) {
        let file = PathBuf::from(file.trim());
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

fn program(name: &str) -> PathBuf {
    commands::find_program(name).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_two_need_is_loaded_once_and_before_both() {
        let text = "insmod /r/virtio.ko \ninsmod /r/virtio_blk.ko \nbuiltin atkbd\ninsmod /r/virtio.ko \ninsmod /r/virtio_net.ko \n";
        let files = parse_order(text);
        assert_eq!(files, ["/r/virtio.ko", "/r/virtio_blk.ko", "/r/virtio_net.ko"].map(PathBuf::from));
    }
}
