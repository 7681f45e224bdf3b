//! Which packages of the system Hostler needs, which are missing, and how they are installed politely: plain names
//! first, nothing recommended besides, and an older version in place of a newer one only when that was allowed.
//! Other commands call [`ensure`] before they need a tool; nothing else in here touches the system.

mod apt;

use std::collections::BTreeSet;

use crate::trouble::Trouble;

/// What a set of packages is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Compiling and linking the workspace.
    Build,
    /// Being a host of virtual machines.
    Host,
    /// Making the tiny Linux disk.
    Images,
    /// Test hosts in namespaces of their own.
    Tests,
    /// Building the documentation as a site.
    Site,
    /// Looking at the console as people do.
    Browser,
}

impl Group {
    /// All groups, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Build, Self::Host, Self::Images, Self::Tests, Self::Site, Self::Browser];
    /// What nearly every phase of the tests needs; a browser is large, and one phase needs it.
    pub const BUILDING_AND_TESTING: [Self; 5] =
        [Self::Build, Self::Host, Self::Images, Self::Tests, Self::Site];

    /// What its packages are needed for, in a few words.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Build => "to build",
            Self::Host => "to be a host",
            Self::Images => "to make the tiny Linux disk",
            Self::Tests => "to run test hosts",
            Self::Site => "to build the documentation",
            Self::Browser => "to try the console in a browser",
        }
    }

    /// Debian's names of its packages.
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Build => &["gcc", "libc6-dev", "pkg-config", "libvirt-dev"],
            Self::Host => &[
                "qemu-system-x86",
                "qemu-utils",
                "qemu-block-extra",
                "ovmf",
                "libvirt-daemon-system",
                "libvirt-clients",
                "dnsmasq-base",
                "iptables",
            ],
            Self::Images => {
                &["fdisk", "mtools", "syslinux", "syslinux-common", "dosfstools", "kmod", "cpio", "xz-utils"]
            }
            // The server signs in by SSH on test hosts, where users and their rights are the test host's own.
            Self::Tests => &["iproute2", "util-linux", "procps", "openssh-client", "openssh-server", "sudo"],
            Self::Site => &["python3-venv"],
            Self::Browser => &["chromium"],
        }
    }
}

/// How far [`ensure`] may go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// Only say what is missing.
    pub only_list: bool,
    /// An installed version that is newer than what the release offers may be replaced by the release's one, when
    /// nothing else makes the packages fit together.
    pub allow_downgrades: bool,
}

/// Says which packages the groups need and which are missing, and installs those.
/// Returns the names that are missing still: none, unless only a list was asked for.
///
/// # Errors
/// When the computer has no apt, the caller is not root, or apt could not do it: the remedy names the way on.
pub fn ensure(groups: &[Group], manners: Manners) -> Result<Vec<&'static str>, Trouble> {
    apt::available()?;
    let missing = report(groups, &apt::installed(&names_of(groups))?);
    if missing.is_empty() {
        println!("All packages are installed.");
        return Ok(missing);
    }
    if manners.only_list {
        println!("Missing: {}.", missing.join(" "));
        return Ok(missing);
    }
    println!("Installing: {}.", missing.join(" "));
    apt::install(&missing, &names_of(groups), manners.allow_downgrades)?;
    let installed = apt::installed(&names_of(groups))?;
    let left: Vec<_> = missing.into_iter().filter(|name| !installed.contains(*name)).collect();
    if left.is_empty() {
        return Ok(left);
    }
    Err(Trouble::new(
        format!("apt-get ended well, but {} is not installed.", left.join(", ")),
        format!("Run `apt-get install {}` by hand and look at what it says.", left.join(" ")),
    ))
}

/// Fetches the lists of what is on offer, for those who download packages without installing them.
///
/// # Errors
/// When the caller is not root, or a mirror does not answer.
pub fn fetch_lists() -> Result<(), Trouble> {
    apt::available()?;
    apt::update()
}

fn names_of(groups: &[Group]) -> Vec<&'static str> {
    groups.iter().flat_map(|group| group.packages()).copied().collect()
}

/// Prints a line for each group; returns what is missing.
fn report(groups: &[Group], installed: &BTreeSet<String>) -> Vec<&'static str> {
    let mut missing = Vec::new();
    for group in groups {
        let lacks: Vec<_> =
            group.packages().iter().copied().filter(|name| !installed.contains(*name)).collect();
        let state = if lacks.is_empty() { String::new() } else { format!(" (missing: {})", lacks.join(" ")) };
        println!("Needed {}: {}{state}", group.purpose(), group.packages().join(" "));
        missing.extend(lacks);
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_needed_by_one_group_only() {
        let names = names_of(&Group::ALL);
        let once: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), once.len(), "a package stands in two groups: {names:?}");
    }

    #[test]
    fn what_is_missing_is_told_in_the_order_of_the_groups() {
        let installed = ["gcc", "libc6-dev", "pkg-config", "iproute2", "procps", "openssh-client", "sudo"];
        let installed = installed.map(String::from).into();
        let missing = report(&[Group::Build, Group::Tests], &installed);
        assert_eq!(missing, ["libvirt-dev", "util-linux", "openssh-server"]);
    }
}
