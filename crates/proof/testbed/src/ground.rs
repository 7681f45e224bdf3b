//! The ground of one testbed: a number of its own, by which its folder, its bridge and its addresses differ from those
//! of every other testbed on this computer. Whoever holds it may be killed: a process that waits for that clears it, and
//! where that was killed too, the next testbed does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::clearing::{NET, lock, net_of_mine, remove, sweep};
use crate::commands::{ip, program};
use crate::process::Process;
use crate::trouble::{Result, Trouble};

/// Where all testbeds keep their folders. QEMU's account passes through it.
pub(crate) const ALL: &str = "/var/tmp/hostler-testbed";
/// What libvirt found out about QEMU: the same for all test hosts, and four seconds' work for each.
const CACHE: &str = "cache";
/// Who holds a ground, in its folder.
pub(crate) const OWNER: &str = "owner.json";
/// The folder that all computers of a testbed see, in its folder.
pub(crate) const SHARED: &str = "shared";
/// What a testbed is called that stays, in its folder.
const STANDING: &str = "stays";
/// In the folder of all testbeds, where a computer of a testbed sees it.
pub(crate) const INSIDE: &str = "inside";
/// Numbers of testbeds, one network each of 198.18.0.0/15, which is set aside for tests of networks (RFC 2544).
pub(crate) const NUMBERS: std::ops::Range<u8> = 1..250;

/// The ground of one testbed. Dropped, it is cleaned up, unless it is to stay.
#[derive(Debug)]
pub struct Ground {
    number: u8,
    folder: PathBuf,
    stays: bool,
    /// Clears it when this process is gone.
    warden: Option<Child>,
}

impl Ground {
    /// Claims a number, with a folder and a bridge, for as long as this process lives.
    ///
    /// # Errors
    /// Not root, no number is free, or this is a computer of a testbed.
    pub fn claim() -> Result<Self> {
        if Path::new(ALL).join(INSIDE).exists() {
            return Err(Trouble::Answer(
                "this is a computer of a testbed; make testbeds outside of it".into(),
            ));
        }
        let _one = lock()?;
        sweep()?;
        let me = Process::me();
        // Not always the first: an address that was in use a moment ago is best left alone.
        let from = u8::try_from(me.pid % 249).unwrap_or_default();
        for at in 0..249 {
            let number = NUMBERS.start + (from + at) % 249;
            let folder = folder_of(number);
            match fs::create_dir(&folder) {
                Ok(()) => {
                    let mut ground = Self { number, folder, stays: false, warden: None };
                    me.write(&ground.folder.join(OWNER))?;
                    ground.note(NET, &net_of_mine())?;
                    passable(&ground.folder)?;
                    passable(&ground.shared())?;
                    ground.build_bridge()?;
                    ground.warden = Some(ground.watched(me)?);
                    return Ok(ground);
                }
                Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(why) => return Err(Trouble::File { path: folder, cause: why }),
            }
        }
        Err(Trouble::Answer(format!("{ALL}: no number is free")))
    }

    /// The grounds that other programs left to stay: what they are called, and who holds them.
    pub(crate) fn standing() -> Vec<(String, Self, Process)> {
        let standing = NUMBERS.filter_map(|number| {
            let folder = folder_of(number);
            let name = fs::read_to_string(folder.join(STANDING)).ok()?;
            let holder = Process::read(&folder.join(OWNER))?;
            Some((name, Self { number, folder, stays: true, warden: None }, holder))
        });
        standing.collect()
    }

    /// Leaves it, under a name, to another process: it stays until that one is gone and another testbed is made.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn leave_to(&mut self, owner: Process, name: &str) -> Result<()> {
        self.stays = true;
        self.note(STANDING, name)?;
        owner.write(&self.folder.join(OWNER))
    }

    /// Cleans it up when it is dropped.
    pub(crate) fn give_up(&mut self) {
        self.stays = false;
    }

    /// Its number.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Its folder. It can be passed through by QEMU's account.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that all its computers see, by the same path.
    pub fn shared(&self) -> PathBuf {
        self.folder.join(SHARED)
    }

    /// The address of this computer on the testbed's network.
    pub fn address(&self) -> String {
        self.address_of(1)
    }

    /// The address of the `n`-th on the testbed's network.
    pub(crate) fn address_of(&self, n: u8) -> String {
        format!("198.18.{}.{n}", self.number)
    }

    fn build_bridge(&self) -> Result<()> {
        let bridge = bridge_of(self.number);
        // Without one of its own it has that of a port, another whenever a line comes or goes, and whoever knows the one
        // before speaks to nobody until that is forgotten.
        ip(&format!("link add {bridge} address {} type bridge", hardware_address(self.number, 1)))?;
        ip(&format!("address add {}/24 dev {bridge}", self.address()))?;
        ip(&format!("link set {bridge} up")).map(drop)
    }

    /// Starts what clears it when this process is gone, out of reach of what is done to this process's group.
    fn watched(&self, owner: Process) -> Result<Child> {
        let mut command = Command::new(program("hostler-testbed")?);
        command.args(["warden", "--number", &self.number.to_string()]);
        command.arg("--owner").arg(serde_json::to_string(&owner).unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command.spawn().map_err(Trouble::file("hostler-testbed"))
    }

    fn note(&self, file: &str, text: &str) -> Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, text).map_err(Trouble::file(path))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if !self.stays {
            remove(self.number);
        }
        if let Some(mut warden) = self.warden.take() {
            drop(warden.stdin.take());
            let _ = warden.wait();
        }
    }
}

pub(crate) fn folder_of(number: u8) -> PathBuf {
    Path::new(ALL).join(number.to_string())
}

pub(crate) fn bridge_of(number: u8) -> String {
    format!("htb{number}")
}

/// The hardware address of the `n`-th on a testbed's network, this computer's bridge the first.
pub(crate) fn hardware_address(number: u8, n: u8) -> String {
    format!("02:68:74:62:{number:02x}:{n:02x}")
}

/// The folder that libvirt's cache is kept in.
pub(crate) fn cache() -> PathBuf {
    Path::new(ALL).join(CACHE)
}

/// Makes a folder through which everybody may pass.
pub(crate) fn passable(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Trouble::file(folder))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(Trouble::file(folder))
}
