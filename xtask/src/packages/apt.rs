//! apt and dpkg: what is installed, what is on offer, and one polite installation. Decides nothing about which
//! packages are wanted.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::commands::{self, Finished};
use crate::trouble::Trouble;

/// How long another apt on this computer is waited for, in seconds. Longer than a usual installation takes; less,
/// and two people's commands at one time would fail for no reason.
const LOCK_WAIT_S: u32 = 900;

/// An installed version that is newer than the one the release offers.
#[derive(Debug, PartialEq, Eq)]
pub struct TooNew {
    pub name: String,
    pub installed: String,
    pub offered: String,
}

/// # Errors
/// When this computer is no Debian or relative of it.
pub fn available() -> Result<(), Trouble> {
    if commands::find_program("apt-get").is_some() && commands::find_program("dpkg-query").is_some() {
        return Ok(());
    }
    Err(Trouble::new(
        "This computer has no apt-get, so Hostler cannot install what it needs.",
        "Use Debian 12 or newer, or install the packages that `cargo xtask packages --help` speaks of by hand.",
    ))
}

/// Those of `names` that are installed.
pub fn installed(names: &[&str]) -> Result<BTreeSet<String>, Trouble> {
    let mut query = commands::command(&["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n"]);
    query.args(names);
    // It ends with exit code 1 when a name is unknown to it, which is an answer and no failure.
    let answer = query.output().map_err(|error| {
        Trouble::new(
            format!("dpkg-query could not be started: {error}."),
            "See that dpkg is installed and whole.",
        )
    })?;
    Ok(parse_installed(&String::from_utf8_lossy(&answer.stdout)))
}

/// Installs `missing`. `wanted` is everything the caller needs, installed or not: of those, the ones that are too
/// new for the others may be replaced when `allow_downgrades` says so.
pub fn install(missing: &[&str], wanted: &[&str], allow_downgrades: bool) -> Result<(), Trouble> {
    if !is_root() {
        return Err(Trouble::new(
            "Packages are missing, and only root may install them.",
            format!("Run this command as root, or first: sudo apt-get install {}", missing.join(" ")),
        ));
    }
    // Lists that could not all be fetched may still have what we need: some mirror of the administrator's is down.
    let mut unreached = if all_on_offer(missing)? { None } else { update().err() };
    let mut attempt = run_install(missing, &[], false)?;
    if !attempt.success && unreached.is_none() && lists_are_stale(&attempt.said) {
        unreached = update().err();
        attempt = run_install(missing, &[], false)?;
    }
    if attempt.success {
        return Ok(());
    }
    if let Some(trouble) = unreached.filter(|_| lists_are_stale(&attempt.said)) {
        return Err(trouble);
    }
    let culprits = culprits(too_new(wanted)?, &attempt.said);
    if culprits.is_empty() || !does_not_fit(&attempt.said) {
        return Err(commands::failed(&install_command(missing, &[], false), &attempt.said));
    }
    if !allow_downgrades {
        return Err(refuse_downgrade(&culprits));
    }
    for package in &culprits {
        println!("Replacing {} {} by {}.", package.name, package.installed, package.offered);
    }
    let attempt = run_install(missing, &culprits, true)?;
    if attempt.success {
        return Ok(());
    }
    Err(commands::failed(&install_command(missing, &culprits, true), &attempt.said))
}

fn refuse_downgrade(culprits: &[TooNew]) -> Trouble {
    let each = culprits.iter().map(|package| {
        let TooNew { name, installed, offered } = package;
        format!("{name} is installed as {installed}, newer than this release's {offered}, and the packages that Hostler needs do not fit beside it.")
    });
    Trouble::new(
        each.collect::<Vec<_>>().join("\n"),
        "Run the command again with --allow-downgrades, which replaces it by this release's version; or install \
         matching newer versions of the missing packages yourself.",
    )
}

/// Too new *and* named by apt as what does not fit; where apt names none of them, all that are too new.
fn culprits(too_new: Vec<TooNew>, said: &str) -> Vec<TooNew> {
    let named = |package: &TooNew| {
        said.split(|c: char| c.is_whitespace() || c == ':').any(|word| word == package.name)
    };
    let (named, others): (Vec<_>, Vec<_>) = too_new.into_iter().partition(named);
    if named.is_empty() { others } else { named }
}

fn does_not_fit(said: &str) -> bool {
    // The last is what --no-remove comes to.
    ["unmet dependencies", "held broken packages", "remove is disabled"]
        .iter()
        .any(|sign| said.contains(sign))
}

fn lists_are_stale(said: &str) -> bool {
    ["Unable to locate package", "has no installation candidate", "404", "Unable to fetch", "Failed to fetch"]
        .iter()
        .any(|sign| said.contains(sign))
}

/// Fetches the lists of what is on offer.
pub fn update() -> Result<(), Trouble> {
    if !is_root() {
        return Err(Trouble::new(
            "The lists of packages are missing or old, and only root may fetch them.",
            "Run `sudo apt-get update`, then run the command again.",
        ));
    }
    println!("Fetching the lists of packages.");
    let mut update = commands::command(&["apt-get", "update", "-q"]);
    let finished = commands::watched(update.arg("-o").arg(lock_wait()), &mut std::io::sink())?;
    if finished.success {
        return Ok(());
    }
    let mut trouble = commands::failed(&update, &finished.said);
    trouble.remedy =
        "See that the network reaches the Debian mirrors named in /etc/apt, then run the command again."
            .into();
    Err(trouble)
}

fn run_install(missing: &[&str], replaced: &[TooNew], downgrade: bool) -> Result<Finished, Trouble> {
    let mut command = install_command(missing, replaced, downgrade);
    commands::watched(&mut command, &mut std::io::sink())
}

fn install_command(missing: &[&str], replaced: &[TooNew], downgrade: bool) -> Command {
    let mut command = commands::command(&["apt-get", "install", "-y", "-q", "--no-install-recommends"]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.arg("-o").arg(lock_wait()).args(["-o", "Dpkg::Use-Pty=0"]);
    // Left free, apt makes room for new packages by removing what stands in their way, qemu-utils for one (seen).
    command.arg("--no-remove");
    // A configuration file that an administrator changed stays as it is.
    command.args(["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]);
    if downgrade {
        command.arg("--allow-downgrades");
    }
    command.args(missing.iter().filter(|name| replaced.iter().all(|package| package.name != **name)));
    command.args(replaced.iter().map(|package| format!("{}={}", package.name, package.offered)));
    command
}

fn lock_wait() -> String {
    format!("DPkg::Lock::Timeout={LOCK_WAIT_S}")
}

fn all_on_offer(names: &[&str]) -> Result<bool, Trouble> {
    let policies = policies(names)?;
    let offered =
        |name: &&str| policies.iter().any(|policy| policy.name == **name && policy.candidate != "(none)");
    Ok(names.iter().all(offered))
}

fn too_new(names: &[&str]) -> Result<Vec<TooNew>, Trouble> {
    Ok(policies(names)?.into_iter().filter_map(Policy::too_new).collect())
}

fn policies(names: &[&str]) -> Result<Vec<Policy>, Trouble> {
    let mut policy = commands::command(&["apt-cache", "policy"]);
    Ok(parse_policies(&commands::output(policy.args(names))?))
}

/// What `apt-cache policy` says of one package.
#[derive(Debug, Default)]
struct Policy {
    name: String,
    installed: String,
    candidate: String,
    /// Versions with their priority, newest first.
    versions: Vec<(String, i32)>,
}

impl Policy {
    /// It is too new when apt would keep it although a version it prefers is on offer: that one must be older.
    fn too_new(self) -> Option<TooNew> {
        if self.installed == "(none)" || self.installed != self.candidate {
            return None;
        }
        let own = self.versions.iter().find(|(version, _)| *version == self.installed)?.1;
        let best = self.versions.iter().map(|(_, priority)| *priority).max()?;
        let (offered, _) =
            self.versions.iter().find(|(_, priority)| *priority == best && best > own)?.clone();
        Some(TooNew { name: self.name, installed: self.installed, offered })
    }
}

fn parse_policies(text: &str) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            policies.push(Policy { name: name.into(), ..Policy::default() });
            continue;
        }
        let Some(policy) = policies.last_mut() else { continue };
        if let Some(version) = line.strip_prefix("  Installed: ") {
            policy.installed = version.into();
        } else if let Some(version) = line.strip_prefix("  Candidate: ") {
            policy.candidate = version.into();
        } else if let Some(row) = line.strip_prefix(" *** ").or_else(|| line.strip_prefix("     ")) {
            // Rows of sources stand further in and begin with their priority.
            let mut words = row.split_whitespace();
            if let (false, Some(version), Some(Ok(priority)), None) =
                (row.starts_with(' '), words.next(), words.next().map(str::parse), words.next())
            {
                policy.versions.push((version.into(), priority));
            }
        }
    }
    policies
}

fn parse_installed(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix("ii ")).map(|name| name.trim().to_owned()).collect()
}

fn is_root() -> bool {
    // The owner of our own process's folder is the effective user; no call outside the standard library needed.
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "\
qemu-utils:
  Installed: 1:10.0.2+ds-2+deb13u1~bpo12+1
  Candidate: 1:10.0.2+ds-2+deb13u1~bpo12+1
  Version table:
 *** 1:10.0.2+ds-2+deb13u1~bpo12+1 100
        100 /var/lib/dpkg/status
     1:7.2+dfsg-7+deb12u18+b3 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
     1:7.2+dfsg-7+deb12u15 500
        500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
procps:
  Installed: 2:4.0.2-3
  Candidate: 2:4.0.2-3
  Version table:
 *** 2:4.0.2-3 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
util-linux:
  Installed: 2.38.1-5+deb12u1
  Candidate: 2.38.1-5+deb12u3
  Version table:
     2.38.1-5+deb12u3 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
 *** 2.38.1-5+deb12u1 100
        100 /var/lib/dpkg/status
mtools:
  Installed: (none)
  Candidate: 4.0.33-1+really4.0.32-1
  Version table:
     4.0.33-1+really4.0.32-1 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
";

    const HELD: &str = "\
qemu-utils is already the newest version (1:10.0.2+ds-2+deb13u1~bpo12+1).
The following packages have unmet dependencies:
 qemu-utils : Breaks: qemu-system-common (< 1:8.0+dfsg-5~) but 1:7.2+dfsg-7+deb12u18+b3 is to be installed
E: Unable to correct problems, you have held broken packages.
";

    fn too_new_ones() -> Vec<TooNew> {
        parse_policies(POLICY).into_iter().filter_map(Policy::too_new).collect()
    }

    #[test]
    fn a_version_from_elsewhere_is_too_new_and_an_old_or_current_one_is_not() {
        let found = too_new_ones();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].name, "qemu-utils");
        assert_eq!(found[0].offered, "1:7.2+dfsg-7+deb12u18+b3");
    }

    #[test]
    fn only_the_package_that_apt_complains_of_is_replaced() {
        let other = TooNew { name: "procps".into(), installed: "2".into(), offered: "1".into() };
        let mut found = too_new_ones();
        found.push(other);
        let culprits = culprits(found, HELD);
        assert_eq!(culprits.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["qemu-utils"]);
    }

    #[test]
    fn room_that_apt_may_not_make_by_removing_is_a_misfit_too() {
        let said = "The following packages will be REMOVED:\n  qemu-utils\nE: Packages need to be removed but remove is disabled.\n";
        assert!(does_not_fit(said) && does_not_fit(HELD));
        assert_eq!(culprits(too_new_ones(), said).len(), 1);
    }

    #[test]
    fn a_refused_downgrade_names_both_versions_and_the_flag() {
        let trouble = refuse_downgrade(&too_new_ones());
        assert!(trouble.cause.contains("1:10.0.2+ds-2+deb13u1~bpo12+1"), "{trouble}");
        assert!(trouble.cause.contains("1:7.2+dfsg-7+deb12u18+b3"), "{trouble}");
        assert!(trouble.remedy.contains("--allow-downgrades"), "{trouble}");
    }

    #[test]
    fn a_downgrade_names_its_version_and_the_rest_goes_by_plain_names() {
        let line = commands::line_of(&install_command(&["qemu-system-x86"], &too_new_ones(), true));
        assert!(line.contains("--allow-downgrades"), "{line}");
        assert!(line.ends_with("qemu-system-x86 qemu-utils=1:7.2+dfsg-7+deb12u18+b3"), "{line}");
    }

    #[test]
    fn the_first_attempt_uses_plain_names_and_no_downgrade() {
        let line = commands::line_of(&install_command(&["mtools"], &[], false));
        assert!(!line.contains("downgrade"), "{line}");
        assert!(line.contains("--no-install-recommends") && line.contains("--no-remove"), "{line}");
        assert!(line.ends_with(" mtools"), "{line}");
    }

    #[test]
    fn a_package_that_was_removed_but_left_its_configuration_counts_as_missing() {
        let text = "ii  iproute2\nrc  kmod\nun  mtools\n";
        assert_eq!(parse_installed(text), ["iproute2".to_owned()].into());
    }
}
