//! What holds all processes of a computer of the testbed together, also those that enter its namespaces later: a control
//! group of version 2, of which the kernel can freeze everything at one stroke, and kill it, frozen or not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::wait_for;
use crate::trouble::{Result, Trouble};

/// How long the kernel may take with all processes of a computer: far longer than it ever does.
const DONE: Duration = Duration::from_secs(20);

/// What all groups of testbeds are called first.
const PREFIX: &str = "hostler-testbed";

/// A computer's control group, which need not be there.
#[derive(Clone, Debug)]
pub(crate) struct Cage(PathBuf);

impl Cage {
    /// The group of this computer of this testbed; none where this system has no control groups of version 2.
    pub(crate) fn of(number: u8, name: &str) -> Option<Self> {
        Some(Self(groups()?.join(format!("{PREFIX}-{number}-{name}"))))
    }

    /// The groups that there are of a testbed.
    pub(crate) fn all_of(number: u8) -> Vec<Self> {
        let Some(read) = groups().and_then(|groups| fs::read_dir(groups).ok()) else { return Vec::new() };
        let mine = format!("{PREFIX}-{number}-");
        let of_mine = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&mine);
        read.flatten().filter(of_mine).map(|entry| Self(entry.path())).collect()
    }

    /// Makes it, empty and thawed. Where the system forbids that, there is none, and the computer cannot be frozen.
    pub(crate) fn make(&self) {
        let _ = self.clear();
        let _ = fs::create_dir(&self.0);
    }

    /// The same program, which enters the group before it begins.
    pub(crate) fn entered_by(&self, program: &str) -> Command {
        let procs = self.0.join("cgroup.procs");
        if !procs.exists() {
            return Command::new(program);
        }
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo 0 > "$0" && exec "$@""#]).arg(procs).arg(program);
        command
    }

    /// Freezes or thaws all processes, and waits until they are.
    ///
    /// # Errors
    /// There is no such group, or it does not come to be so.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<()> {
        self.write("cgroup.freeze", if frozen { "1" } else { "0" })?;
        let so = || (self.is_frozen() == frozen).then_some(());
        wait_for(DONE, if frozen { "all is frozen" } else { "all is thawed" }, so)
    }

    /// Whether all processes are frozen.
    pub(crate) fn is_frozen(&self) -> bool {
        self.event("frozen") == Some(true)
    }

    /// Kills what is in it, frozen or not, and removes it.
    ///
    /// # Errors
    /// Something of it does not go.
    pub(crate) fn clear(&self) -> Result<()> {
        if !self.0.is_dir() {
            return Ok(());
        }
        self.write("cgroup.kill", "1")?;
        wait_for(DONE, "all of a computer is gone", || {
            (self.event("populated") == Some(false)).then_some(())
        })?;
        fs::remove_dir(&self.0).map_err(Trouble::file(&self.0))
    }

    fn write(&self, file: &str, word: &str) -> Result<()> {
        let path = self.0.join(file);
        fs::write(&path, word).map_err(Trouble::file(path))
    }

    fn event(&self, name: &str) -> Option<bool> {
        let text = fs::read_to_string(self.0.join("cgroup.events")).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map(|value| value == "1")
    }
}

/// Where control groups of version 2 are mounted, alone or beside those of version 1.
fn groups() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounted(&mounts).map(|at| Path::new(at).to_owned())
}

fn mounted(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let at = words.next()?;
        (words.next()? == "cgroup2").then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_version_2_are_found_alone_and_beside_others() {
        let beside =
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(mounted(beside), Some("/sys/fs/cgroup/unified"));
        assert_eq!(mounted("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"), Some("/sys/fs/cgroup"));
        assert_eq!(mounted("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"), None);
    }
}
