//! Processes by their number and start time, so that a number that was given to another process is noticed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::trouble::{Result, Trouble};

/// A process of this computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number, as seen from outside of any namespace.
    pub pid: i32,
    /// When it was started, in ticks since the computer's start.
    started: u64,
}

impl Process {
    /// This process.
    pub fn me() -> Self {
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        Self { pid, started: start_of(pid).unwrap_or_default() }
    }

    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, started: start_of(pid)? })
    }

    /// The only child of a process that forks once, as soon as it has one.
    ///
    /// # Errors
    /// It has none within two seconds.
    pub(crate) fn child_of(parent: u32, what: &str) -> Result<Self> {
        let file = format!("/proc/{parent}/task/{parent}/children");
        let limit = Duration::from_secs(5);
        wait_for(limit, what, || {
            let children = fs::read_to_string(&file).ok()?;
            Process::of(children.split_whitespace().next()?.parse().ok()?)
        })
    }

    /// Whether it is still there and more than a body that waits for its parent.
    pub fn lives(self) -> bool {
        start_of(self.pid) == Some(self.started)
    }

    /// `SIGKILL`, now. One that is gone already is no error.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    /// Any signal.
    pub fn signal(self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.lives()) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills it and waits until it is gone.
    ///
    /// # Errors
    /// It is not gone within ten seconds.
    pub(crate) fn end(self, what: &str) -> Result<()> {
        self.kill();
        // A dead leader's threads may still hold its sockets: it is gone when it has been buried.
        let there = format!("/proc/{}", self.pid);
        let gone = || (!self.lives() && !Path::new(&there).exists()).then_some(());
        wait_for(Duration::from_secs(10), &format!("{what} is gone"), gone)
    }

    /// Reads what [`Process::write`] wrote; none where that process is gone.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        let process: Self = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        process.lives().then_some(process)
    }

    /// Writes it down for other programs.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec(&self).unwrap_or_default();
        fs::write(file, text).map_err(Trouble::file(file))
    }
}

/// The start time of a process that lives, the 22nd field of its `stat`.
fn start_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold blanks.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18)?.parse().ok())?
}

/// Looks again and again, every 5 ms.
///
/// # Errors
/// It does not happen within the limit.
pub fn wait_for<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if begun.elapsed() > limit {
            return Err(Trouble::Late { what: what.into(), limit });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
