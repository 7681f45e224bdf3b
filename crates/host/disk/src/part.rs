//! A file in the making: it gets its final name only when it is whole and on the disk, never replaces
//! anything, and is gone when its making fails.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::mark::{Stamp, read_stamp, remove_sidecar, write_sidecar, write_stamp};

/// What stands between a file's final name and the mark while it is in the making.
pub(crate) const PART: &str = ".part-";

/// A file in the making. Dropped without [`Part::publish`], it is deleted.
pub(crate) struct Part {
    pub file: File,
    path: PathBuf,
    /// Written beside the target where the file system has no attributes.
    stamp: Option<Stamp>,
    there: bool,
}

/// Where the file in the making for `target` is: the mark is part of its name, so that undo finds it.
pub(crate) fn part_path(target: &Path, mark: &str) -> PathBuf {
    let plain = mark.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    // Names have 255 bytes; what does not fit or has other characters is named by its digest.
    let suffix =
        if plain && mark.len() <= 80 { mark.to_owned() } else { hex(&Sha256::digest(mark))[..32].to_owned() };
    let mut name = target.as_os_str().to_owned();
    name.push(PART);
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Part {
    /// Begins to make `target`. What an interrupted attempt under the same mark left is removed.
    pub fn begin(target: &Path, stamp: &Stamp) -> Result<Self, Error> {
        stamp.check()?;
        if fs::symlink_metadata(target).is_ok() {
            return Err(exists(target));
        }
        let mut part = Self::open(&part_path(target, &stamp.mark), target)?;
        if !write_stamp(&part.file, &part.path, stamp)? {
            part.stamp = Some(stamp.clone());
        }
        Ok(part)
    }

    /// Makes and locks the file `path`; `target` is for what is said of it.
    pub fn open(path: &Path, target: &Path) -> Result<Self, Error> {
        let busy = || Error::Busy { path: target.to_path_buf() };
        let failed = |e: io::Error| Error::io("make", target, e);
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
        for _ in 0..16 {
            let made = fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(flags)
                .open(path);
            match made {
                Ok(file) => {
                    // Between making and locking somebody who sweeps may have taken it: then once more.
                    let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
                    let same = fs::symlink_metadata(path).ok().zip(file.metadata().ok());
                    if locked && same.is_some_and(|(a, b)| a.ino() == b.ino()) {
                        return Ok(Self { file, path: path.to_path_buf(), stamp: None, there: true });
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    if !sweep(path) {
                        return Err(busy());
                    }
                }
                Err(e) => return Err(failed(e)),
            }
        }
        Err(busy())
    }

    /// A file without a name, made where `path` is: gone when it is closed, also by a crash.
    pub fn nameless(path: &Path, target: &Path) -> Result<File, Error> {
        let part = Self::open(path, target)?;
        part.file.try_clone().map_err(|e| Error::io("make", target, e))
    }

    /// Gives the whole file its name and its rights. After this it is on the disk, whatever happens.
    pub fn publish(mut self, target: &Path, mode: u32) -> Result<(), Error> {
        let failed = |action: &'static str| move |e: io::Error| Error::io(action, target, e);
        self.file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed("set the rights of"))?;
        self.file.sync_all().map_err(failed("write"))?;
        if let Some(stamp) = &self.stamp {
            // The mark is there before the name. A sidecar of whatever else is there stays as it is.
            if fs::symlink_metadata(target).is_ok() {
                return Err(exists(target));
            }
            write_sidecar(&self.file, target, stamp)?;
        }
        match rename_new(&self.path, target) {
            Ok(()) => self.there = false,
            Err(Errno::EXIST) => return Err(exists(target)),
            Err(e) => {
                if self.stamp.is_some() {
                    remove_sidecar(target)?;
                }
                return Err(Error::io("name", target, e));
            }
        }
        sync_folder(target).inspect_err(|_| {
            // Nobody can rely on it being there after a crash, so it is not there now either.
            let _ = fs::remove_file(target);
            let _ = remove_sidecar(target);
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.there {
            // Nothing can be done about a refusal here; the next attempt or the undo sweeps it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what a dead process left at `path`; `false` when somebody alive holds it.
pub(crate) fn sweep(path: &Path) -> bool {
    match crate::beneath::open_regular(path) {
        Ok(file) => match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => fs::remove_file(path).is_ok(),
            Err(_) => false,
        },
        Err(crate::rejected::Rejected::Absent) => true,
        Err(_) => false,
    }
}

fn exists(target: &Path) -> Error {
    let mark = read_stamp(target).ok().flatten().map(|stamp| stamp.mark);
    Error::Exists { path: target.to_path_buf(), mark }
}

pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<(), Errno> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot (NFS): a second link never replaces either.
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(CWD, from, CWD, to, rustix::fs::AtFlags::empty())?;
            rustix::fs::unlinkat(CWD, from, rustix::fs::AtFlags::empty())
        }
        answer => answer,
    }
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|f| f.sync_all());
    synced.map_err(|e| Error::io("write the folder of", path, e))
}
