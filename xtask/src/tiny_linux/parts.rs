//! What the tiny Linux is made of: Debian's kernel, busybox and guest agent with its libraries. Asks apt for their
//! newest versions, downloads and unpacks them below a folder. Nothing is installed: a kernel package would rewrite
//! this computer's own boot files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::drivers;
use crate::commands;
use crate::trouble::Trouble;

/// Links of a merged `/usr`: with them, packages of Debian 12 and of newer ones unpack to the same places.
const MERGED: [(&str, &str); 4] =
    [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];

/// The packages of one image, as apt offers them now.
pub struct Parts {
    /// `linux-image-<kernel release>`.
    kernel: String,
    /// Name to version and checksum of all packages, the kernel's too.
    versions: BTreeMap<String, String>,
}

impl Parts {
    /// # Errors
    /// When apt knows one of the packages not, which means that its lists are missing or too old.
    pub fn on_offer() -> Result<Self, Trouble> {
        let kernel = newest_kernel()?;
        let mut names: BTreeSet<String> = libraries_of("qemu-guest-agent")?;
        names.extend([kernel.clone(), "busybox-static".into(), "qemu-guest-agent".into()]);
        let mut show = commands::command(&["apt-cache", "show", "--no-all-versions"]);
        let versions = parse_versions(&commands::output(show.args(&names)).map_err(lists_missing)?);
        match names.iter().find(|name| !versions.contains_key(*name)) {
            None => Ok(Self { kernel, versions }),
            Some(name) => Err(lists_missing(Trouble::new(format!("apt does not offer {name}."), ""))),
        }
    }

    /// Each package with its version, a line each: what an image depends on besides our own files.
    pub fn fingerprint(&self) -> String {
        self.versions.iter().map(|(name, version)| format!("{name} {version}\n")).collect()
    }

    /// The kernel's release, as its folder of modules is named.
    pub fn release(&self) -> &str {
        self.kernel.trim_start_matches("linux-image-")
    }

    /// Downloads what `downloads` lacks and unpacks it all into `root`; of the kernel only what a guest needs.
    pub fn unpack(&self, downloads: &Path, root: &Path) -> Result<(), Trouble> {
        super::make_folder(downloads)?;
        for (link, folder) in MERGED {
            super::make_folder(&root.join(folder))?;
            let link = root.join(link);
            std::os::unix::fs::symlink(folder, &link)
                .map_err(|error| Trouble::file("made", &link, &error))?;
        }
        self.download(downloads)?;
        for name in self.versions.keys() {
            let package = find_package(downloads, name)?;
            let only = if *name == self.kernel { wanted_of_kernel() } else { Vec::new() };
            unpack_package(&package, root, &only)?;
        }
        Ok(())
    }

    /// apt-get passes over a file that is there already with the right checksum.
    fn download(&self, downloads: &Path) -> Result<(), Trouble> {
        // As root, apt would first try to download as another user, who may not write here, and then complain.
        let mut get = commands::command(&["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root"]);
        get.args(self.versions.keys()).current_dir(downloads);
        commands::output(&mut get).map(drop).map_err(|trouble| {
            Trouble::new(
                trouble.cause,
                "See that the network reaches the Debian mirrors named in /etc/apt, and run `apt-get update`, then \
                 run the command again.",
            )
        })
    }
}

fn lists_missing(trouble: Trouble) -> Trouble {
    Trouble::new(trouble.cause, "Run `apt-get update` as root, then run the command again.")
}

/// The kernel image that Debian's meta package names at present.
fn newest_kernel() -> Result<String, Trouble> {
    let depends = commands::output(&mut commands::command(&["apt-cache", "depends", "linux-image-amd64"]))
        .map_err(lists_missing)?;
    let kernel = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    kernel.map(|release| format!("linux-image-{release}")).ok_or_else(|| {
        lists_missing(Trouble::new("apt does not know which kernel linux-image-amd64 stands for.", ""))
    })
}

/// The library packages that a package needs, and those that these need.
fn libraries_of(name: &str) -> Result<BTreeSet<String>, Trouble> {
    let mut depends = commands::command(&["apt-cache", "depends", "--recurse", "--important"]);
    let text = commands::output(depends.arg(name)).map_err(lists_missing)?;
    Ok(reach_libraries(&parse_depends(&text), name))
}

fn reach_libraries(depends: &BTreeMap<&str, Vec<&str>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        for needed in depends.get(name).into_iter().flatten() {
            let library = needed.starts_with("lib") || *needed == "zlib1g";
            if library && !needed.ends_with("-perl") && reached.insert((*needed).to_owned()) {
                open.push(needed);
            }
        }
    }
    reached
}

fn parse_depends(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut depends: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut package = "";
    for line in text.lines() {
        if !line.starts_with([' ', '|']) {
            package = line.trim();
        } else if let Some(needed) = line.trim().strip_prefix("Depends: ") {
            depends.entry(package).or_default().push(needed);
        }
    }
    depends
}

fn parse_versions(text: &str) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
        };
        if let (Some(name), Some(version), Some(sum)) = (field("Package"), field("Version"), field("SHA256"))
        {
            versions.insert(name, format!("{version} {sum}"));
        }
    }
    versions
}

fn find_package(downloads: &Path, name: &str) -> Result<PathBuf, Trouble> {
    let folder = std::fs::read_dir(downloads).map_err(|error| Trouble::file("read", downloads, &error))?;
    let of_name = |path: &PathBuf| {
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
    };
    // Of several the one that was downloaded last, which is the one on offer.
    let when = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
    folder.flatten().map(|entry| entry.path()).filter(of_name).max_by_key(when).ok_or_else(|| {
        Trouble::new(
            format!("apt-get downloaded no file for {name} into {}.", downloads.display()),
            "Delete that folder and run the command again.",
        )
    })
}

/// Unpacks a package as it would lie on a system whose `/bin`, `/lib` and so on are links into `/usr`.
fn unpack_package(package: &Path, root: &Path, only: &[String]) -> Result<(), Trouble> {
    let mut open = commands::command(&["dpkg", "--fsys-tarfile"]);
    open.arg(package).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut open = open.spawn().map_err(|error| Trouble::file("opened", package, &error))?;
    let mut unpack = commands::command(&["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C"]);
    unpack.arg(root).arg("--wildcards").args(only);
    if let Some(stdout) = open.stdout.take() {
        unpack.stdin(stdout);
    }
    commands::output(&mut unpack)?;
    let ended = open.wait().map_err(|error| Trouble::file("opened", package, &error))?;
    if ended.success() {
        return Ok(());
    }
    Err(Trouble::new(
        format!("{} is no whole package.", package.display()),
        "Delete the file and run the command again.",
    ))
}

/// The kernel and the folders that its drivers for us are in: a third of the package.
fn wanted_of_kernel() -> Vec<String> {
    let drivers = drivers::FOLDERS.iter().map(|folder| format!("*/kernel/{folder}/*"));
    ["./boot/vmlinuz-*", "*/modules.*"].map(String::from).into_iter().chain(drivers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_followed_and_other_packages_are_not() {
        let text = "\
qemu-guest-agent
  Depends: libc6
  Depends: libglib2.0-0
  Depends: perl
libc6
  Depends: libgcc-s1
libgcc-s1
  Depends: gcc-12-base
libglib2.0-0
  Depends: zlib1g
perl
  Depends: libperl5.36
";
        let libraries = reach_libraries(&parse_depends(text), "qemu-guest-agent");
        assert_eq!(Vec::from_iter(&libraries), ["libc6", "libgcc-s1", "libglib2.0-0", "zlib1g"]);
    }

    #[test]
    fn a_new_version_changes_the_fingerprint() {
        let of = |version: &str| Parts {
            kernel: "linux-image-6.1.0-1-amd64".into(),
            versions: parse_versions(&format!("Package: busybox-static\nVersion: {version}\nSHA256: 0a\n")),
        };
        assert_ne!(of("1").fingerprint(), of("2").fingerprint());
        assert_eq!(of("1").release(), "6.1.0-1-amd64");
    }
}
