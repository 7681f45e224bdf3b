//! What an administrator may set in `agent.toml`, and where the agent keeps what it keeps.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hostler_model::machine_folder::{MOST_FOLDERS, check_path};
use serde::Deserialize;

use crate::folders::Folders;

/// Where the state lies unless `--state` says otherwise.
pub const STATE: &str = "/var/lib/hostler-agent";

/// What tells a folder of machines from others: a file in it.
pub(crate) const FOLDER_ID: &str = ".hostler-folder";

/// The agent's settings, `agent.toml` in the state folder. All of it may be absent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the server is, `host:port`. Default: where the agent enrolled.
    pub server: Option<String>,
    /// What the computer is called. Default: its host name.
    pub name: Option<String>,
    /// How libvirt is reached; a local socket.
    pub libvirt_uri: String,
    /// The folder in which libvirt keeps definitions.
    pub definition_folder: PathBuf,
    /// The folder in which libvirt keeps what it knows of running machines.
    pub run_folder: PathBuf,
    /// The folder in which libvirt keeps saved memory and snapshots.
    pub libvirt_state_folder: PathBuf,
    /// The program that runs machines.
    pub qemu: PathBuf,
    /// libvirt's settings for QEMU, of which the account is read.
    pub qemu_conf: PathBuf,
    /// Stands in for the kernel's boot id: for test hosts, which share one kernel.
    pub host_boot: Option<String>,
    /// The folder below which each machine has its folder, if not `vms` in the state folder: one that several hosts
    /// share, so that machines can move between them. Its disks are then used without a cache that others do not see.
    pub vm_folder: Option<PathBuf>,
    /// More folders below which machines may be kept, each an absolute path that is there; 16 at most. Their disks are used
    /// without a cache that other hosts do not see. Everybody who may change machines may look into them, and nowhere else.
    pub machine_folders: Vec<PathBuf>,
    /// The folder in which bases are kept, if not `bases` in the state folder. Machines whose disks stand on bases move only
    /// between hosts with one path here.
    pub base_folder: Option<PathBuf>,
    /// The address at which other agents reach this computer. Default: that from which it reaches the server.
    pub transfer_address: Option<String>,
    /// The folder in which the sockets of a migration are made; of this computer alone.
    pub move_folder: PathBuf,
    /// The command that restarts the computer.
    pub restart_command: Vec<String>,
    /// The command that shuts the computer down.
    pub shut_down_command: Vec<String>,
    /// Whether events and file changes are listened to. Off only in tests: changes are then found by listing.
    pub events: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: None,
            name: None,
            libvirt_uri: "qemu:///system".into(),
            definition_folder: "/etc/libvirt/qemu".into(),
            run_folder: "/run/libvirt/qemu".into(),
            libvirt_state_folder: "/var/lib/libvirt/qemu".into(),
            qemu: "/usr/bin/qemu-system-x86_64".into(),
            qemu_conf: "/etc/libvirt/qemu.conf".into(),
            host_boot: None,
            vm_folder: None,
            machine_folders: Vec::new(),
            base_folder: None,
            transfer_address: None,
            move_folder: "/run/libvirt/hostler".into(),
            restart_command: vec!["systemctl".into(), "reboot".into()],
            shut_down_command: vec!["systemctl".into(), "poweroff".into()],
            events: true,
        }
    }
}

impl Config {
    /// The folder below which each machine has its own.
    pub fn vms(&self, state: &State) -> PathBuf {
        self.vm_folder.clone().unwrap_or_else(|| state.vms())
    }

    /// The folder in which bases are kept.
    pub fn bases(&self, state: &State) -> PathBuf {
        self.base_folder.clone().unwrap_or_else(|| state.bases())
    }

    /// The folders in which machines may be kept: the usual one first, then what else is allowed.
    pub fn folders(&self, state: &State) -> Folders {
        let mut all = vec![self.vms(state)];
        for folder in &self.machine_folders {
            if !all.contains(folder) {
                all.push(folder.clone());
            }
        }
        Folders::new(all)
    }

    /// Makes the folders of machines and bases if they are not there, and writes into the first what tells it from others.
    /// What else is allowed is not made: it may be on a medium that is not mounted.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn make_vms(&self, state: &State) -> Result<(), ConfigError> {
        let vms = self.vms(state);
        make_folder(&vms, 0o711)?;
        make_folder(&self.bases(state), 0o711)?;
        match mark_folder(&vms) {
            // Its machines are looked after all the same; it is marked as soon as there is room.
            Err(why) if why.is_full() => tracing::warn!(%why, "the folder of machines is full"),
            marked => marked?,
        }
        for folder in &self.machine_folders {
            if let Err(why) = mark_folder(folder) {
                tracing::warn!(%why, "a folder of machines cannot be used until that is mended");
            }
        }
        Ok(())
    }

    /// Why the agent cannot write where its settings lead, one trouble for each folder. It is asked, not tried: nothing is
    /// changed. A folder that may not be there yet counts as the one that it would be made in.
    pub fn unwritable(&self, state: &State) -> Vec<ConfigError> {
        // Who is not root, as the agent is, would hear of other rights than the agent's.
        if !rustix::process::geteuid().is_root() {
            return Vec::new();
        }
        let made = [state.folder().to_owned(), self.vms(state), self.bases(state), self.move_folder.clone()];
        let mut asked: Vec<&Path> =
            made.iter().filter_map(|folder| folder.ancestors().find(|above| above.exists())).collect();
        // One on a medium that is not mounted is left out until it is.
        asked.extend(self.machine_folders.iter().map(PathBuf::as_path).filter(|folder| folder.exists()));
        asked.sort_unstable();
        asked.dedup();
        asked.into_iter().filter_map(|folder| writable(folder).err()).collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.machine_folders.len() > MOST_FOLDERS {
            return Err(format!("machine_folders: there are more than {MOST_FOLDERS}"));
        }
        for folder in &self.machine_folders {
            let text = folder.to_str().ok_or("machine_folders: a path is no text")?;
            check_path(text).map_err(|why| format!("machine_folders: {text}: {}", why.cause))?;
        }
        Ok(())
    }

    /// libvirt's own socket.
    pub fn libvirt_socket(&self) -> PathBuf {
        let named = self.libvirt_uri.split_once("socket=").map(|(_, rest)| rest);
        let named = named.and_then(|rest| rest.split('&').next()).map(PathBuf::from);
        named.unwrap_or_else(|| "/run/libvirt/libvirt-sock".into())
    }
}

/// Why the settings or the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It lies where nothing can be written.
    #[error(
        "{path}: nothing can be written there ({cause}). Either what is mounted there is read-only, or the unit by which \
         systemd starts the agent keeps it so: name the folder in a drop-in of hostler-agent.service (ReadWritePaths=), \
         or bring the newest unit; deploy/README.md says how"
    )]
    ReadOnly {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {cause}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Another agent runs with the state folder.
    #[error("{path}: another agent runs with this state folder; stop it first, or name another with --state")]
    Running {
        /// The lock.
        path: PathBuf,
    },
}

/// The folder in which the agent keeps its identity, its journal, and the disks of machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(PathBuf);

impl State {
    /// At this folder, which must be an absolute path.
    ///
    /// # Errors
    /// It is not absolute and the current folder is not known.
    pub fn at(folder: &Path) -> Result<Self, ConfigError> {
        match std::path::absolute(folder) {
            Ok(folder) => Ok(Self(folder)),
            Err(cause) => Err(ConfigError::File { path: folder.into(), cause }),
        }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The settings.
    pub fn config(&self) -> PathBuf {
        self.0.join("agent.toml")
    }

    /// Key and certificates.
    pub fn identity(&self) -> PathBuf {
        self.0.join("identity")
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.db")
    }

    /// Machines' folders.
    pub fn vms(&self) -> PathBuf {
        self.0.join("vms")
    }

    /// Bases.
    pub fn bases(&self) -> PathBuf {
        self.0.join("bases")
    }

    /// What the probe of hardware virtualization said last since the computer's last start.
    pub fn kvm(&self) -> PathBuf {
        self.0.join("kvm.json")
    }

    /// What uploads to shares are to become.
    pub fn uploads(&self) -> PathBuf {
        self.0.join("uploads")
    }

    /// How the computer and its machines were loaded.
    pub fn performance(&self) -> PathBuf {
        self.0.join("performance")
    }

    /// What is known of the marks of machines that leave.
    pub fn moves(&self) -> PathBuf {
        self.0.join("moves")
    }

    /// Notes of networks that took an adapter.
    pub fn networks(&self) -> PathBuf {
        self.0.join("networks")
    }

    /// How the running agent stands, for `hostler-agent status`.
    pub fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    /// Agent programs that were brought, and which of them takes the place of the installed one.
    pub fn programs(&self) -> PathBuf {
        self.0.join("program")
    }

    /// Says that the agent is about to be removed.
    pub fn leaving(&self) -> PathBuf {
        self.0.join("leaving")
    }

    /// The file that a running agent holds locked.
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("agent.lock")
    }

    /// Reads the settings; the defaults where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or has something in it that is no setting.
    pub fn read_config(&self) -> Result<Config, ConfigError> {
        let path = self.config();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(cause) => return Err(ConfigError::File { path, cause }),
        };
        let malformed = |cause| ConfigError::Malformed { path: path.clone(), cause };
        let config: Config = toml::from_str(&text).map_err(|why| malformed(why.to_string()))?;
        config.check().map_err(malformed)?;
        Ok(config)
    }

    /// Makes the state folder if it is not there. QEMU's account must be able to pass through it, not to list it.
    ///
    /// # Errors
    /// One cannot be made.
    pub fn make(&self) -> Result<(), ConfigError> {
        make_folder(&self.0, 0o711)
    }

    /// Takes the state folder for this process; it is given back when the file is dropped, or by death.
    ///
    /// # Errors
    /// Another agent has it.
    pub fn lock(&self) -> Result<fs::File, ConfigError> {
        let path = self.lock_file();
        let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|cause| ConfigError::File { path: path.clone(), cause })?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(ConfigError::Running { path }),
            Err(fs::TryLockError::Error(cause)) => Err(ConfigError::File { path, cause }),
        }
    }
}

/// Writes into a folder of machines what tells it from others, where that is not there yet.
pub(crate) fn mark_folder(folder: &Path) -> Result<(), ConfigError> {
    let path = folder.join(FOLDER_ID);
    if path.exists() {
        return Ok(());
    }
    // Several hosts may come at once: one of them writes, all read the same.
    let own = folder.join(format!("{FOLDER_ID}.{}", uuid::Uuid::new_v4().simple()));
    let failed = |cause| ConfigError::at(&path, cause);
    let written = fs::write(&own, uuid::Uuid::new_v4().to_string());
    let linked = written.and_then(|()| fs::hard_link(&own, &path));
    let _ = fs::remove_file(&own);
    match linked {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(failed(cause)),
        _ => Ok(()),
    }
}

/// Whether the agent may write into a folder, as the kernel says.
fn writable(folder: &Path) -> Result<(), ConfigError> {
    let asked = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK);
    asked.map_err(|why| ConfigError::at(folder, why.into()))
}

impl ConfigError {
    fn at(path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        match cause.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, cause },
            _ => Self::File { path, cause },
        }
    }

    /// Whether nothing is wrong but that no more can be written.
    fn is_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::File { cause, .. } if full.contains(&cause.kind()))
    }
}

/// Makes a folder with exactly these rights; one that exists is left as it is.
fn make_folder(path: &Path, mode: u32) -> Result<(), ConfigError> {
    let failed = |cause| ConfigError::at(path, cause);
    if path.is_dir() {
        return Ok(());
    }
    // Folders above are made with ordinary rights, which anybody may pass through.
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_does_not_exist_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path()).unwrap();
        assert_eq!(state.read_config().unwrap(), Config::default());
        fs::write(state.config(), "libvirt_uri = \"test:///default\"\nevents = false\n").unwrap();
        let config = state.read_config().unwrap();
        assert_eq!((config.libvirt_uri.as_str(), config.events), ("test:///default", false));
        fs::write(state.config(), "machine_folders = [\"/srv/vms\", \"/srv/../etc\"]\n").unwrap();
        assert!(state.read_config().unwrap_err().to_string().contains("machine_folders: /srv/../etc"));
        fs::write(state.config(), "evnts = false\n").unwrap();
        assert!(state.read_config().unwrap_err().to_string().contains("evnts"));
    }

    #[test]
    fn a_folder_in_which_nothing_can_be_written_is_named_with_the_unit_that_may_keep_it_so() {
        let absent = writable(Path::new("/no/such/folder")).unwrap_err().to_string();
        assert!(absent.starts_with("/no/such/folder: ") && !absent.contains("unit"), "{absent}");
        let said = ConfigError::at(Path::new("/srv/vms"), rustix::io::Errno::ROFS.into()).to_string();
        for word in ["/srv/vms: ", "hostler-agent.service", "ReadWritePaths="] {
            assert!(said.contains(word), "{said}");
        }
        let full = ConfigError::at(Path::new("/srv/vms"), rustix::io::Errno::NOSPC.into());
        assert!(full.is_full() && !full.to_string().contains("unit"), "{full}");
    }

    #[test]
    fn folders_that_can_be_written_or_are_not_there_yet_are_no_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(&folder.path().join("state")).unwrap();
        let config = Config {
            vm_folder: Some(folder.path().join("later/vms")),
            machine_folders: vec![folder.path().into(), folder.path().join("not-mounted")],
            move_folder: folder.path().join("run"),
            ..Config::default()
        };
        let troubles = config.unwritable(&state);
        assert!(troubles.is_empty(), "{troubles:?}");
        // Nothing was made.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_agents_do_not_share_a_state_folder() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path()).unwrap();
        let held = state.lock().unwrap();
        assert!(matches!(state.lock(), Err(ConfigError::Running { .. })));
        drop(held);
        state.lock().unwrap();
    }
}
