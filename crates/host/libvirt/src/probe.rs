//! Whether hardware virtualization works: tried by booting, because nothing less tells. On some computers `/dev/kvm`
//! opens, virtual machines can be made, even a tiny ROM runs, and a guest that starts through its firmware hangs for
//! ever.

#![expect(unsafe_code, reason = "what a child does between fork and exec can only be said unsafely")]

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hostler_model::host::Kvm;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Signal, set_parent_process_death_signal};

/// How long the boot may take. Under emulation, which is slower, it takes a tenth of a second.
const LIMIT: Duration = Duration::from_secs(2);

/// What QEMU's exit device makes of the 0x10 that the boot sector writes.
const GOOD: i32 = (0x10 << 1) | 1;

/// How much is read of the end of what QEMU says, in bytes.
const LONGEST_WORDS: usize = 400;

/// How QEMU runs the probe.
#[derive(Clone, Copy)]
enum Acceleration {
    Kvm,
    #[cfg(test)]
    Emulation,
}

/// Boots a floppy disk of one sector through the firmware, for two seconds at most, and leaves no process behind.
/// To be asked once per start of the computer: the answer does not change before.
pub fn kvm_works(qemu: &Path) -> Kvm {
    if !Path::new("/dev/kvm").exists() {
        let why =
            "there is no /dev/kvm: switch virtualization on in the firmware, or load the kernel's kvm module";
        return Kvm::Fails { why: why.into() };
    }
    match boots(qemu, Acceleration::Kvm, LIMIT) {
        Ok(()) => Kvm::Works,
        Err(why) => Kvm::Fails { why },
    }
}

/// Whether the probe's boot sector is reached.
fn boots(qemu: &Path, how: Acceleration, limit: Duration) -> Result<(), String> {
    let unprepared = |why| format!("the probe cannot be prepared: {why}");
    let floppy = floppy().map_err(unprepared)?;
    let said = in_memory("hostler-kvm-said").map_err(unprepared)?;
    let mut command = Command::new(qemu);
    match how {
        Acceleration::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
        #[cfg(test)]
        Acceleration::Emulation => command.args(["-accel", "tcg"]),
    };
    command
        .args(["-M", "pc", "-m", "8", "-display", "none", "-nodefaults", "-no-user-config"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .args(["-drive", "file=/proc/self/fd/0,format=raw,if=floppy,readonly=on", "-boot", "a"])
        .stdin(Stdio::from(floppy))
        .stdout(Stdio::null())
        .stderr(Stdio::from(said.try_clone().map_err(unprepared)?));
    // SAFETY: between fork and exec only one system call is made, which allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from));
    }
    let mut child = command.spawn().map_err(|why| format!("{} does not start: {why}", qemu.display()))?;
    let ended = wait(&mut child, limit);
    if ended.is_none() {
        // Both fail only where it has ended by itself meanwhile.
        let _ = child.kill();
        let _ = child.wait();
    }
    match ended {
        Some(status) if status.code() == Some(GOOD) => Ok(()),
        Some(status) => {
            let how = match (status.code(), status.signal()) {
                (Some(code), _) => format!("a test boot ended with code {code}"),
                (None, Some(signal)) => format!("a test boot ended with signal {signal}"),
                (None, None) => "a test boot ended".into(),
            };
            Err(last_words(&said).map_or(how.clone(), |words| format!("{how}: {words}")))
        }
        None => Err(format!("a test boot did not get through the firmware within {} s", limit.as_secs())),
    }
}

/// The end of a child, if it comes in time.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// The last error that QEMU named, or the last line that it said, as far as a person wants to read it; none where it said nothing.
fn last_words(said: &File) -> Option<String> {
    let mut end = [0; LONGEST_WORDS];
    let length = said.metadata().ok()?.len();
    let read = said.read_at(&mut end, length.saturating_sub(LONGEST_WORDS as u64)).ok()?;
    let text = String::from_utf8_lossy(end.get(..read)?);
    let lines = || text.lines().map(|line| line.trim().trim_start_matches("qemu-system-x86_64: "));
    // Where it breaks off, it first says why, and then in which line of its own source.
    let error = || lines().rev().find(|line| line.starts_with("error: "));
    let line = error().or_else(|| lines().rev().find(|line| !line.is_empty()))?;
    Some(line.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect())
}

/// A file in memory alone: none is left behind, whatever dies.
fn in_memory(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?))
}

/// A floppy disk in memory, whose only sector writes 0x10 to the exit device.
fn floppy() -> io::Result<File> {
    // mov al,0x10; out 0xf4,al; hlt; jmp to the hlt
    const CODE: [u8; 7] = [0xb0, 0x10, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd];
    let mut sector = [0; 512];
    sector[..CODE.len()].copy_from_slice(&CODE);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut file = in_memory("hostler-kvm-probe")?;
    file.write_all(&sector)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QEMU: &str = "/usr/bin/qemu-system-x86_64";

    #[test]
    fn the_probe_gets_through_the_firmware_under_emulation() {
        let limit = Duration::from_secs(10);
        assert_eq!(boots(Path::new(QEMU), Acceleration::Emulation, limit), Ok(()));
    }

    #[test]
    fn a_probe_that_hangs_or_cannot_start_is_a_failure_and_leaves_nothing() {
        let begun = Instant::now();
        // `sleep` understands none of the arguments; `yes` takes them as its text and never ends.
        assert!(boots(Path::new("/usr/bin/yes"), Acceleration::Kvm, Duration::from_millis(200)).is_err());
        assert!(boots(Path::new("/usr/bin/false"), Acceleration::Kvm, LIMIT).is_err());
        assert!(boots(Path::new("/no/such/program"), Acceleration::Kvm, LIMIT).is_err());
        assert!(begun.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn why_it_fails_is_said_in_the_words_of_qemu() {
        // It understands `-accel` as little as QEMU would a kernel without KVM, and says so.
        let why = boots(Path::new("/bin/cat"), Acceleration::Kvm, LIMIT).unwrap_err();
        assert!(why.starts_with("a test boot ended with code 1: ") && why.contains("cat"), "{why}");
        let said = |text: &str| {
            let mut file = in_memory("test").unwrap();
            file.write_all(text.as_bytes()).unwrap();
            last_words(&file)
        };
        assert_eq!(said(""), None);
        assert_eq!(
            said("warning: x\nqemu-system-x86_64: failed to\x1b initialize kvm: No such device\n\n").unwrap(),
            "failed to  initialize kvm: No such device"
        );
        let aborted =
            "qemu-system-x86_64: error: failed to set MSR 0x10a\nqemu-system-x86_64: kvm.c:3183: failed.\n";
        assert_eq!(said(aborted).unwrap(), "error: failed to set MSR 0x10a");
        assert_eq!(said(&"x".repeat(5_000)).unwrap().len(), LONGEST_WORDS);
    }

    #[test]
    fn the_answer_comes_within_the_limit() {
        let begun = Instant::now();
        let answer = kvm_works(Path::new(QEMU));
        assert!(begun.elapsed() < LIMIT + Duration::from_secs(1), "{answer:?} after {:?}", begun.elapsed());
        assert_ne!(answer, Kvm::Untried);
    }
}
