//! Processes that outlive the command that started them: detached, with a log and a pid file that also says when the
//! process began, so that another one that got its number is never taken for it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A process that was started earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pid: i32,
    began: u64,
}

/// Starts a program detached from this one: a session of its own, its output in `log`, its number in `pid_file`.
///
/// # Errors
/// When the program cannot be started or the files not be written.
pub fn start(program: &Path, args: &[&std::ffi::OsStr], log: &Path, pid_file: &Path) -> io::Result<Known> {
    let out = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).current_dir("/");
    // A process group of its own: Ctrl-C in the terminal that started it is not meant for it.
    command.process_group(0);
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let began = began(pid).ok_or_else(|| io::Error::other("it ended at once"))?;
    let known = Known { pid, began };
    fs::write(pid_file, format!("{pid} {began}\n"))?;
    Ok(known)
}

/// The process of a pid file, if it still runs.
pub fn running(pid_file: &Path) -> Option<Known> {
    let text = fs::read_to_string(pid_file).ok()?;
    let (pid, began) = text.trim().split_once(' ')?;
    let known = Known { pid: pid.parse().ok()?, began: began.parse().ok()? };
    known.runs().then_some(known)
}

/// Notes a process that made itself a daemon.
///
/// # Errors
/// When the file cannot be written.
pub fn note(pid: i32, pid_file: &Path) -> io::Result<()> {
    let began = began(pid).ok_or_else(|| io::Error::other("it has ended"))?;
    fs::write(pid_file, format!("{pid} {began}\n"))
}

impl Known {
    /// Whether it still runs.
    pub fn runs(self) -> bool {
        began(self.pid) == Some(self.began)
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// When it has not within the time.
    pub fn stop(self, within: Duration) -> io::Result<()> {
        if let Some(pid) = Pid::from_raw(self.pid)
            && self.runs()
        {
            kill_process(pid, Signal::TERM)?;
        }
        let until = Instant::now() + within;
        while self.runs() {
            if Instant::now() > until {
                return Err(io::Error::other(format!(
                    "process {} has not ended in {} s",
                    self.pid,
                    within.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// When a process began, in the kernel's ticks; none when it does not run (a zombie does not).
fn began(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so what follows the last one counts.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_again_and_another_with_its_number_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (log, pid) = (folder.path().join("log"), folder.path().join("pid"));
        let known = start(Path::new("/bin/sleep"), &["60".as_ref()], &log, &pid).unwrap();
        assert_eq!(running(&pid), Some(known));
        fs::write(&pid, format!("{} 1\n", known.pid)).unwrap();
        assert_eq!(running(&pid), None);
        known.stop(Duration::from_secs(5)).unwrap();
        assert!(!known.runs());
    }
}
