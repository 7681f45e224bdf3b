//! Runs `qemu-img`, so that what it may do wrong stays small.
//!
//! It gets its files as open descriptors (`/dev/fd/3` source, `/dev/fd/4` target) and no paths, runs as an
//! account that nothing else uses, with limits on memory, processor time, file size and open files, an
//! empty environment and an end of its time. Formats are always stated.
//!
//! How the descriptors get there: `/dev/fd/N` opens the file anew, so the account must be allowed to; the
//! folders on its path need not be searchable (measured: folder 0700 of root, file 0600 of the account).
//! Each file given is one of ours in the making and belongs to the account while `qemu-img` runs, then to us
//! again. A line of `sh` sets the limits and moves the descriptors, because doing that between fork and exec
//! from Rust needs `unsafe`.
//!
//! Measured with qemu-img 10.0: decompressing, it starts up to 64 threads; with the usual stacks of 8 MiB
//! and an arena of memory each it fails now and then below 1 GiB of address space. With stacks of 2 MiB and
//! one arena it has always converted within 128 MiB.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Gid, Uid};

use crate::error::Error;
use crate::rejected::shown;

/// User and group that `qemu-img` runs as when we are root: in the range that systemd's table of ids leaves
/// unused, so that no other process has it, unlike *nobody*.
const ACCOUNT: u32 = 1_879_050_000;
/// Where that id does not exist (a container with few ids): *nobody*.
const NOBODY: u32 = 65_534;
/// Address space, KiB: eight times what a conversion was seen to need. Less would endanger large tables,
/// more would let a hostile image take the computer's memory.
const MEMORY_KIB: u64 = 1 << 20;
/// Stack of each thread, KiB.
const STACK_KIB: u64 = 2048;
/// Open files: it needs about ten.
const OPEN_FILES: u64 = 64;
/// How long it may go without progress, seconds. As for every step with progress.
const STILL_S: u64 = 120;
/// How much of what it writes is kept, bytes.
const STDERR_BYTES: usize = 4096;

/// Sets the limits, puts source and target in their places, becomes the rest of the line.
const SCRIPT: &str =
    "ulimit -c 0 && ulimit -v \"$1\" && ulimit -t \"$2\" && ulimit -f \"$3\" && ulimit -n \"$4\" && ulimit -s \"$5\" || exit 126
shift 5; exec 3<&0 4>&1 </dev/null >&2; exec \"$@\"";

/// One run.
pub(crate) struct Run<'a> {
    /// The subcommand.
    pub action: &'static str,
    /// What follows it; source and target are `/dev/fd/3` and `/dev/fd/4`.
    pub arguments: &'a [&'a str],
    pub source: Option<&'a File>,
    pub target: &'a File,
    /// What the target is called, for errors.
    pub path: &'a Path,
    /// Processor time, seconds.
    pub processor_s: u64,
    /// Largest file, bytes.
    pub file_bytes: u64,
}

impl Run<'_> {
    /// Runs to the end. `tick` hears the percentage (0 to 100) at least five times a second.
    pub fn go(&self, tick: &mut dyn FnMut(f64) -> ControlFlow<()>) -> Result<(), Error> {
        let account = self.hand_over()?;
        let ended = self.spawn(account).and_then(|child| self.watch(child, tick));
        self.take_back(account)?;
        ended
    }

    fn files(&self) -> impl Iterator<Item = &File> {
        [self.source, Some(self.target)].into_iter().flatten()
    }

    /// Gives the files to the account it will run as; `None` when we have no rights to drop.
    fn hand_over(&self) -> Result<Option<u32>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let give = |id: u32| {
            self.files()
                .try_for_each(|f| rustix::fs::fchown(f, Some(Uid::from_raw(id)), Some(Gid::from_raw(id))))
        };
        match give(ACCOUNT) {
            Ok(()) => Ok(Some(ACCOUNT)),
            Err(_) => give(NOBODY).map(|()| Some(NOBODY)).map_err(|e| Error::io("hand over", self.path, e)),
        }
    }

    fn take_back(&self, account: Option<u32>) -> Result<(), Error> {
        if account.is_none() {
            return Ok(());
        }
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        let taken = self.files().try_for_each(|f| rustix::fs::fchown(f, Some(user), Some(group)));
        taken.map_err(|e| Error::io("take back", self.path, e))
    }

    fn spawn(&self, account: Option<u32>) -> Result<Child, Error> {
        let limits = [MEMORY_KIB, self.processor_s, self.file_bytes.div_ceil(512), OPEN_FILES, STACK_KIB];
        let duplicate =
            |f: &File| f.try_clone().map(Stdio::from).map_err(|e| Error::io("open", self.path, e));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "sh"]).args(limits.map(|l| l.to_string()));
        command.args(["qemu-img", self.action]).args(self.arguments);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir("/");
        command.stdin(self.source.map_or_else(|| Ok(Stdio::null()), duplicate)?);
        command.stdout(duplicate(self.target)?).stderr(Stdio::piped());
        if let Some(id) = account {
            // As root this drops all other groups too.
            command.uid(id).gid(id);
        }
        command.spawn().map_err(|e| Error::QemuImgAbsent { cause: e.to_string() })
    }

    fn watch(&self, mut child: Child, tick: &mut dyn FnMut(f64) -> ControlFlow<()>) -> Result<(), Error> {
        let (tell, told) = mpsc::channel();
        let reader = child.stderr.take().map(|pipe| thread::spawn(move || read_output(pipe, &tell)));
        let stopped = self.follow(&mut child, &told, tick);
        if stopped.is_err() {
            // Fails only when it has ended already.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|e| Error::io("wait for qemu-img on", self.path, e));
        let output = reader.and_then(|r| r.join().ok()).unwrap_or_default();
        stopped?;
        self.judge(status?, &output)
    }

    /// Returns when it has ended, or why it is to be killed.
    fn follow(
        &self,
        child: &mut Child,
        told: &mpsc::Receiver<f64>,
        tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        use std::os::unix::fs::MetadataExt;
        let still = Duration::from_secs(STILL_S);
        let (mut percent, mut blocks, mut moved) = (0.0, 0, Instant::now());
        let mut open = true;
        loop {
            match told.recv_timeout(Duration::from_millis(if open { 200 } else { 0 })) {
                Ok(now) => {
                    percent = now;
                    moved = Instant::now();
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                // It closed its output: it is ending.
                Err(mpsc::RecvTimeoutError::Disconnected) => open = false,
            }
            if !open {
                match child.try_wait() {
                    Ok(None) => thread::sleep(Duration::from_millis(1)),
                    _ => return Ok(()),
                }
            }
            let now = self.target.metadata().map_or(blocks, |m| m.blocks());
            if now != blocks {
                (blocks, moved) = (now, Instant::now());
            }
            if moved.elapsed() > still {
                return Err(Error::QemuImgTimeout { action: self.action, limit_s: STILL_S });
            }
            if tick(percent).is_break() {
                return Err(Error::Stopped);
            }
        }
    }

    fn judge(&self, status: ExitStatus, output: &str) -> Result<(), Error> {
        let (action, stderr) = (self.action, shown(output.trim()));
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            _ if output.contains("No space left on device") || output.contains("Disk quota exceeded") => {
                Err(Error::Full { path: self.path.to_path_buf() })
            }
            (Some(126 | 127), _) => Err(Error::QemuImgAbsent { cause: stderr }),
            (_, Some(signal)) => Err(Error::QemuImgKilled { action, signal, stderr }),
            _ => Err(Error::QemuImgFailed { action, stderr }),
        }
    }
}

/// Reads to the end: percentages (`    (12.34/100%)`) are told, of the rest the beginning is kept.
fn read_output(mut pipe: ChildStderr, tell: &mpsc::Sender<f64>) -> String {
    let mut kept = Vec::new();
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        for byte in buffer.get(..count).unwrap_or_default() {
            match byte {
                b'\r' | b'\n' => {
                    take_line(&line, &mut kept, tell);
                    line.clear();
                }
                byte if line.len() < STDERR_BYTES => line.push(*byte),
                _ => {}
            }
        }
    }
    take_line(&line, &mut kept, tell);
    String::from_utf8_lossy(&kept).into_owned()
}

fn take_line(line: &[u8], kept: &mut Vec<u8>, tell: &mpsc::Sender<f64>) {
    let text = String::from_utf8_lossy(line);
    let percent =
        text.trim().strip_prefix('(').and_then(|t| t.strip_suffix("/100%)")).and_then(|t| t.parse().ok());
    if let Some(percent) = percent {
        // The other side may have stopped listening: then nobody wants to know.
        let _ = tell.send(percent);
    } else if kept.len() + line.len() < STDERR_BYTES {
        kept.extend_from_slice(line);
        kept.push(b' ');
    }
}
