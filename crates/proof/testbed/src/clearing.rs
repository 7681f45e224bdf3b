//! Takes testbeds away: what they left that were killed, frozen or not, in whichever network they stood.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cage::Cage;
use crate::commands::{ip, run};
use crate::computer::Computer;
use crate::ground::{ALL, OWNER, bridge_of, cache, folder_of, passable};
use crate::process::{Process, wait_for};
use crate::trouble::{Result, Trouble};

/// In which network a ground's bridge stands, in its folder.
pub(crate) const NET: &str = "net";

/// What the process is told that waits for a ground's owner to be gone.
#[derive(Debug, clap::Args)]
pub struct Warden {
    /// The ground's number.
    #[arg(long)]
    number: u8,
    /// Its owner.
    #[arg(long)]
    owner: String,
}

/// Waits until whoever started this process is gone, however that came, and clears the ground that was left.
///
/// # Errors
/// The lock cannot be had.
pub fn run_warden(warden: &Warden) -> Result<()> {
    let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
    let _one = lock()?;
    // It may have been cleared, left to somebody else, or belong to the next one by now.
    let owner = fs::read_to_string(folder_of(warden.number).join(OWNER));
    if owner.is_ok_and(|owner| owner == warden.owner) {
        remove(warden.number);
    }
    Ok(())
}

/// One testbed at a time is made or swept.
pub(crate) fn lock() -> Result<File> {
    passable(Path::new(ALL))?;
    passable(&cache())?;
    let path = Path::new(ALL).join("lock");
    let file = File::create(&path).map_err(Trouble::file(&path))?;
    file.lock().map_err(Trouble::file(&path))?;
    Ok(file)
}

/// Removes what testbeds left whose owner is gone.
pub(crate) fn sweep() -> Result<()> {
    for entry in fs::read_dir(ALL).map_err(Trouble::file(ALL))?.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number
            && Process::read(&entry.path().join(OWNER)).is_none()
        {
            remove(number);
        }
    }
    Ok(())
}

/// Takes a testbed away, with all that still runs of it.
pub(crate) fn remove(number: u8) {
    let folder = folder_of(number);
    for cage in Cage::all_of(number) {
        let _ = cage.clear();
    }
    for computer in Computer::all_of(&folder) {
        for what in ["first", "line"] {
            if let Some(process) = computer.process(what) {
                process.kill();
                let _ = wait_for(Duration::from_secs(10), what, || (!process.lives()).then_some(()));
            }
        }
    }
    remove_bridges(number, &fs::read_to_string(folder.join(NET)).unwrap_or_default());
    let _ = fs::remove_dir_all(folder);
}

/// Takes its bridges away where they stand: that may be a network of which this process is no part.
fn remove_bridges(number: u8, net: &str) {
    let into = if net.is_empty() || net == net_of_mine() { None } else { Some(somebody_in(net)) };
    let ip = |words: &str| match &into {
        None => ip(words).ok(),
        // With its last process it went itself.
        Some(None) => None,
        Some(Some(file)) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={}", file.display())).arg("ip").args(words.split(' '));
            run(&mut command).ok()
        }
    };
    let bridge = bridge_of(number);
    let slow = format!("{bridge}s");
    let all = ip("-o link show type bridge").unwrap_or_default();
    for name in all.lines().filter_map(|line| line.split(": ").nth(1)) {
        if name == bridge || name.starts_with(&slow) {
            ip(&format!("link delete {name}"));
        }
    }
}

/// Which network this process is in.
pub(crate) fn net_of_mine() -> String {
    net_of(Path::new("/proc/self/ns/net")).unwrap_or_default()
}

fn net_of(file: &Path) -> Option<String> {
    Some(fs::read_link(file).ok()?.to_string_lossy().into_owned())
}

/// A way into a network that this process is not in, by one that is.
fn somebody_in(net: &str) -> Option<PathBuf> {
    let all = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path().join("ns/net"));
    all.into_iter().find(|file| net_of(file).as_deref() == Some(net))
}
