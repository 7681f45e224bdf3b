//! The ground of one testbed: a number of its own, by which its folder, its bridge and its addresses differ from those
//! of every other testbed on this computer. What a testbed left that was killed is removed by the next one.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::commands::ip;
use crate::process::Process;
use crate::trouble::{Result, Trouble};

/// Where all testbeds keep their folders. QEMU's account passes through it.
const ALL: &str = "/var/tmp/hostler-testbed";
/// What libvirt found out about QEMU: the same for all test hosts, and four seconds' work for each.
const CACHE: &str = "cache";
const OWNER: &str = "owner.json";
/// Numbers of testbeds, one network each of 198.18.0.0/15, which is set aside for tests of networks (RFC 2544).
const NUMBERS: std::ops::Range<u8> = 1..250;

/// The ground of one testbed. Dropped, it is cleaned up, unless it is to stay.
#[derive(Debug)]
pub struct Ground {
    number: u8,
    folder: PathBuf,
    stays: bool,
}

impl Ground {
    /// Claims a number, with a folder and a bridge, for as long as this process lives.
    ///
    /// # Errors
    /// Not root, or no number is free.
    pub fn claim() -> Result<Self> {
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
                    let ground = Self { number, folder, stays: false };
                    me.write(&ground.folder.join(OWNER))?;
                    passable(&ground.folder)?;
                    ground.build_bridge()?;
                    return Ok(ground);
                }
                Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(why) => return Err(Trouble::File { path: folder, cause: why }),
            }
        }
        Err(Trouble::Answer(format!("{ALL}: no number is free")))
    }

    /// The ground that another program left, with the host of this name on it; and who holds it.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn with(host: &str) -> Result<(Self, Process)> {
        for number in NUMBERS {
            let folder = folder_of(number);
            if folder.join(host).join("stays").is_file()
                && let Some(holder) = Process::read(&folder.join(OWNER))
            {
                return Ok((Self { number, folder, stays: true }, holder));
            }
        }
        Err(Trouble::Host { name: host.into(), is: "not there; hostler-testbed up makes it" })
    }

    /// Leaves it to another process: it stays until that one is gone and another testbed is made.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn leave_to(&mut self, owner: Process) -> Result<()> {
        self.stays = true;
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

    /// The address of this computer on the testbed's network.
    pub fn address(&self) -> String {
        self.address_of(1)
    }

    /// The address of the `n`-th on the testbed's network.
    pub(crate) fn address_of(&self, n: u8) -> String {
        format!("198.18.{}.{n}", self.number)
    }

    /// The bridge that joins the testbed's hosts.
    pub(crate) fn bridge(&self) -> String {
        bridge_of(self.number)
    }

    /// The folder that libvirt's cache is kept in.
    pub(crate) fn cache(&self) -> PathBuf {
        Path::new(ALL).join(CACHE)
    }

    fn build_bridge(&self) -> Result<()> {
        let bridge = self.bridge();
        ip(&format!("link add {bridge} type bridge"))?;
        ip(&format!("address add {}/24 dev {bridge}", self.address()))?;
        ip(&format!("link set {bridge} up")).map(drop)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if !self.stays {
            remove(self.number);
        }
    }
}

fn folder_of(number: u8) -> PathBuf {
    Path::new(ALL).join(number.to_string())
}

fn bridge_of(number: u8) -> String {
    format!("htb{number}")
}

/// Makes a folder through which everybody may pass.
pub(crate) fn passable(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Trouble::file(folder))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(Trouble::file(folder))
}

/// One testbed at a time is made or swept.
fn lock() -> Result<File> {
    passable(Path::new(ALL))?;
    passable(&Path::new(ALL).join(CACHE))?;
    let path = Path::new(ALL).join("lock");
    let file = File::create(&path).map_err(Trouble::file(&path))?;
    file.lock().map_err(Trouble::file(&path))?;
    Ok(file)
}

/// Removes what testbeds left whose owner is gone.
fn sweep() -> Result<()> {
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

/// Its processes are gone by now, and with them the namespaces and what was mounted in them.
fn remove(number: u8) {
    let _ = ip(&format!("link delete {}", bridge_of(number)));
    let _ = fs::remove_dir_all(folder_of(number));
}
