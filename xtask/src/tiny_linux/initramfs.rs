//! The guest's root file system: busybox, the guest agent with its libraries, drivers, and our few scripts, in one
//! archive that the kernel unpacks into memory.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{drivers, make_folder};
use crate::commands;
use crate::trouble::Trouble;

/// Our own files: where they go, what they hold, whether they are run.
pub const OURS: [(&str, &str, bool); 10] = [
    ("etc/inittab", include_str!("guest/inittab"), false),
    ("etc/rc", include_str!("guest/rc"), true),
    ("etc/udhcpc", include_str!("guest/udhcpc"), true),
    ("etc/acpi/PWRF/00000080", include_str!("guest/power-button"), true),
    ("etc/profile", include_str!("guest/profile"), false),
    ("etc/os-release", include_str!("guest/os-release"), false),
    ("bin/agent", include_str!("guest/agent"), true),
    ("bin/shutdown", include_str!("guest/shutdown"), true),
    ("bin/heartbeat", include_str!("guest/heartbeat"), true),
    ("bin/count", include_str!("guest/count"), true),
];

const FOLDERS: [&str; 11] =
    ["bin", "dev", "disk", "etc/acpi/PWRF", "lib/modules", "proc", "root", "run", "sys", "tmp", "var/log"];

/// One folder of programs and one of libraries; everything else that is called so is a link to them.
const LINKS: [(&str, &str); 8] = [
    ("init", "bin/busybox"),
    ("sbin", "bin"),
    ("lib64", "lib"),
    ("usr/bin", "../bin"),
    ("usr/sbin", "../bin"),
    ("usr/lib", "../lib"),
    ("var/run", "../run"),
    ("etc/mtab", "../proc/mounts"),
];

/// Builds the archive `out` from the packages unpacked in `parts`, by way of the folder `tree`.
pub fn build(parts: &Path, release: &str, tree: &Path, out: &Path) -> Result<(), Trouble> {
    for folder in FOLDERS {
        make_folder(&tree.join(folder))?;
    }
    make_folder(&tree.join("usr"))?;
    for (link, to) in LINKS {
        let link = tree.join(link);
        symlink(to, &link).map_err(|error| Trouble::file("made", &link, &error))?;
    }
    add_busybox(parts, tree)?;
    add_agent(parts, tree)?;
    add_drivers(parts, release, tree)?;
    for (name, content, run) in OURS {
        write(&tree.join(name), content, run)?;
    }
    write(&tree.join("etc/passwd"), "root::0:0:root:/root:/bin/sh\n", false)?;
    write(&tree.join("etc/group"), "root:x:0:\n", false)?;
    pack(tree, out)
}

fn add_busybox(parts: &Path, tree: &Path) -> Result<(), Trouble> {
    let busybox = parts.join("bin/busybox");
    copy(&busybox, &tree.join("bin/busybox"))?;
    let applets = commands::output(&mut commands::command(&[busybox.as_os_str(), "--list".as_ref()]))?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        let link = tree.join("bin").join(applet);
        symlink("busybox", &link).map_err(|error| Trouble::file("made", &link, &error))?;
    }
    Ok(())
}

/// The guest agent, and the libraries that its own loader says it needs.
fn add_agent(parts: &Path, tree: &Path) -> Result<(), Trouble> {
    let agent = parts.join("usr/sbin/qemu-ga");
    copy(&agent, &tree.join("bin/qemu-ga"))?;
    let libraries = parts.join("usr/lib/x86_64-linux-gnu");
    let loader = libraries.join("ld-linux-x86-64.so.2");
    let mut list = commands::command(&[loader.as_os_str(), "--library-path".as_ref(), libraries.as_os_str()]);
    for name in parse_libraries(&commands::output(list.arg("--list").arg(&agent))?)? {
        copy(&libraries.join(&name), &tree.join("lib").join(&name))?;
    }
    copy(&loader, &tree.join("lib/ld-linux-x86-64.so.2"))
}

/// Names of the libraries in what the loader lists (`libc.so.6 => /…/libc.so.6 (0x…)`).
fn parse_libraries(text: &str) -> Result<Vec<String>, Trouble> {
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        return Err(Trouble::new(
            format!(
                "The guest agent needs a library that none of the downloaded packages has: {}.",
                line.trim()
            ),
            "Run `apt-get update` as root, then run the command again.",
        ));
    }
    let found = text.lines().filter_map(|line| Some(line.trim().split_once(" => ")?.0.to_owned()));
    Ok(found.filter(|name| !name.starts_with("ld-linux") && !name.contains('/')).collect())
}

/// The modules, unpacked where newer kernels ship them packed, and their order for the guest's start.
fn add_drivers(parts: &Path, release: &str, tree: &Path) -> Result<(), Trouble> {
    let mut order = String::new();
    for module in drivers::in_order(parts, release)? {
        let name = module.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let to = tree.join("lib/modules").join(name.trim_end_matches(".xz"));
        if name.ends_with(".xz") {
            let packed = tree.join("lib/modules").join(&name);
            copy(&module, &packed)?;
            commands::output(commands::command(&["xz", "-d"]).arg(&packed))?;
        } else {
            copy(&module, &to)?;
        }
        order.push_str(&format!("/lib/modules/{}\n", name.trim_end_matches(".xz")));
    }
    write(&tree.join("etc/modules"), &order, false)
}

fn pack(tree: &Path, out: &Path) -> Result<(), Trouble> {
    let mut names = Vec::new();
    list(tree, tree, &mut names)?;
    names.sort();
    let names_file = out.with_extension("list");
    write(&names_file, &names.join("\n"), false)?;
    let names = File::open(&names_file).map_err(|error| Trouble::file("read", &names_file, &error))?;
    let mut cpio =
        commands::command(&["cpio", "-o", "-H", "newc", "--quiet", "--reproducible", "-R", "+0:+0", "-F"]);
    let plain = out.with_extension("cpio");
    commands::output(cpio.arg(&plain).current_dir(tree).stdin(names))?;
    // On IDE disks the firmware reads word by word, and a packed archive makes the start three times as fast.
    commands::output(commands::command(&["gzip", "-9", "-n"]).arg(&plain))?;
    let packed = out.with_extension("cpio.gz");
    fs::rename(&packed, out).map_err(|error| Trouble::file("renamed", &packed, &error))
}

fn list(top: &Path, folder: &Path, names: &mut Vec<String>) -> Result<(), Trouble> {
    let entries = fs::read_dir(folder).map_err(|error| Trouble::file("read", folder, &error))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if let Ok(name) = path.strip_prefix(top) {
            names.push(name.to_string_lossy().into_owned());
        }
        if path.is_dir() && !path.is_symlink() {
            list(top, &path, names)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Trouble> {
    fs::copy(from, to).map(drop).map_err(|error| Trouble::file("copied", from, &error))
}

fn write(path: &PathBuf, content: &str, run: bool) -> Result<(), Trouble> {
    let mode = if run { 0o755 } else { 0o644 };
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(|error| Trouble::file("written", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_list_gives_names_without_the_loader_and_the_kernels_own() {
        let text = "\tlinux-vdso.so.1 (0x0)\n\tlibglib-2.0.so.0 => /p/libglib-2.0.so.0 (0x1)\n\tlibc.so.6 => /p/libc.so.6 (0x2)\n\t/p/ld-linux-x86-64.so.2 => /lib64/ld-linux-x86-64.so.2 (0x3)\n";
        assert_eq!(parse_libraries(text).unwrap(), ["libglib-2.0.so.0", "libc.so.6"]);
    }

    #[test]
    fn a_missing_library_is_named() {
        let trouble = parse_libraries("\tliburing.so.2 => not found\n").unwrap_err();
        assert!(trouble.cause.contains("liburing.so.2"), "{trouble}");
    }

    #[test]
    fn every_script_that_is_run_says_by_what() {
        for (name, content, run) in OURS {
            assert_eq!(content.starts_with("#!/bin/sh\n"), run, "{name}");
        }
    }
}
