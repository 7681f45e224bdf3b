//! A file that arrives in a share piece by piece, over hours and restarts: hidden until it is whole, its space kept for it
//! from the beginning, and never in the place of another.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use crate::beneath::{confine, open_regular};
use crate::error::Error;
use crate::part::{rename_new, sync_folder};
use crate::rejected::Rejected;
use crate::share::{WalkLimits, is_left_out, is_shown};

/// What the hidden file's name begins with; the caller's id follows.
const HIDDEN: &str = ".hostler-upload-";
/// The longest name of a file, in bytes: what file systems take.
const LONGEST_NAME: usize = 255;

/// A file that arrives: where it will be, and where it is until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    target: PathBuf,
    part: PathBuf,
}

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileIdentity {
    /// The file system's number.
    pub device: u64,
    /// The file's number in it.
    pub inode: u64,
}

impl Upload {
    /// A file at `relative` within `root`, whose folder must be there. The path is one that a walk of the share would
    /// find and show. `id` tells uploads apart: letters, digits and `-`.
    ///
    /// # Errors
    /// [`Rejected::NameUnfit`], [`Rejected::LeavesShare`], [`Rejected::Absent`], [`Rejected::Unreadable`].
    pub fn at(root: &Path, relative: &str, id: &str) -> Result<Self, Rejected> {
        let unfit = |why: &str| Rejected::NameUnfit { why: why.into() };
        let parts: Vec<&str> = relative.split('/').collect();
        if parts.len() > WalkLimits::default().depth {
            return Err(unfit("lies in too many folders"));
        }
        for part in &parts {
            match *part {
                "" => return Err(unfit("has an empty part in it")),
                "." | ".." => return Err(Rejected::LeavesShare),
                part if part.len() > LONGEST_NAME => return Err(unfit("is too long")),
                part if !is_shown(part) => {
                    return Err(unfit("has control or bidirectional characters in it"));
                }
                part if is_left_out(OsStr::new(part)) => {
                    return Err(unfit("begins with a dot, or is one of Hostler's own"));
                }
                _ => {}
            }
        }
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(unfit("cannot be told apart from others"));
        }
        // The last part of the path is what is to be there, be it there or not: a link that is there leads to what it
        // leads to, and is found to exist.
        let target = confine(root, Path::new(relative))?;
        let folder = target.parent().ok_or(Rejected::LeavesShare)?;
        let mut hidden = OsString::from(HIDDEN);
        hidden.push(id);
        Ok(Self { part: folder.join(hidden), target })
    }

    /// Begins: makes the hidden file and keeps the space for it.
    ///
    /// # Errors
    /// [`Error::Exists`] where something has the name already, [`Error::Full`], [`Error::Io`]. Nothing is left then.
    pub fn begin(&self, size_bytes: u64) -> Result<FileIdentity, Error> {
        self.require_free()?;
        let full = || Error::Full { path: self.target.clone() };
        let folder = self.target.parent().unwrap_or(Path::new("/"));
        let free = rustix::fs::statvfs(folder)
            .map_err(|why| Error::io("look at the space for", &self.target, why))?;
        if free.f_bavail.saturating_mul(free.f_frsize) < size_bytes {
            return Err(full());
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&self.part).map_err(|why| Error::io("make", &self.target, why))?;
        let kept = match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, size_bytes.max(1)) {
            // Where the file system cannot keep space, it is found to be full when it is.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Err(full()),
            Err(why) => Err(Error::io("keep space for", &self.target, why)),
        };
        kept.and_then(|()| identity(&file).map_err(|why| Error::io("look at", &self.target, why)))
            .inspect_err(|_| drop(fs::remove_file(&self.part)))
    }

    fn require_free(&self) -> Result<(), Error> {
        match fs::symlink_metadata(&self.target) {
            Ok(_) => Err(Error::Exists { path: self.target.clone(), mark: None }),
            Err(_) => Ok(()),
        }
    }

    /// How much has arrived, in bytes, and when the last of it did; none when the hidden file is not there.
    pub fn arrived(&self) -> Option<(u64, SystemTime)> {
        let meta = fs::symlink_metadata(&self.part).ok().filter(fs::Metadata::is_file)?;
        Some((meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
    }

    /// Opens the hidden file to write what arrives.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(&self) -> Result<File, Error> {
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&self.part);
        opened.map_err(|why| Error::io("open", &self.target, why))
    }

    /// Writes a piece.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`].
    pub fn write(&self, file: &File, piece: &[u8], at: u64) -> Result<(), Error> {
        file.write_all_at(piece, at).map_err(|why| Error::io("write", &self.target, why))
    }

    /// Makes what has arrived durable.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`].
    pub fn sync(&self, file: &File) -> Result<(), Error> {
        file.sync_data().map_err(|why| Error::io("write", &self.target, why))
    }

    /// Gives the whole file its name. After this it is on the disk, whatever happens.
    ///
    /// # Errors
    /// [`Error::Exists`] where something has the name by now: it is not touched, and what arrived stays. [`Error::Io`].
    pub fn publish(&self) -> Result<(), Error> {
        let file = self.open()?;
        let failed = |action: &'static str| move |why: io::Error| Error::io(action, &self.target, why);
        file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed("set the rights of"))?;
        file.sync_all().map_err(failed("write"))?;
        match rename_new(&self.part, &self.target) {
            Ok(()) => sync_folder(&self.target),
            Err(Errno::EXIST) => Err(Error::Exists { path: self.target.clone(), mark: None }),
            Err(why) => Err(Error::io("name", &self.target, why)),
        }
    }

    /// Whether the file has its name already, as the same file that was begun.
    pub fn is_published(&self, begun: FileIdentity) -> bool {
        open_regular(&self.target).is_ok_and(|file| identity(&file).is_ok_and(|there| there == begun))
    }

    /// Removes what has arrived. Absent is done.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self) -> Result<(), Error> {
        match fs::remove_file(&self.part) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &self.target, why)),
            _ => Ok(()),
        }
    }
}

fn identity(file: &File) -> io::Result<FileIdentity> {
    let meta = file.metadata()?;
    Ok(FileIdentity { device: meta.dev(), inode: meta.ino() })
}
