//! Whose file it is: a mark (job and step) and an owner (an object's id) on the file itself, and deletion
//! that looks at them at the moment it deletes.
//!
//! They are extended attributes, `user.hostler.mark` and `user.hostler.owner`. Where the file system has
//! none, a file beside it bears them (`<name>.hostler-mark`) together with the inode they are about, so that
//! they do not pass to another file that gets the same name later.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, XattrFlags};
use rustix::io::Errno;

use crate::beneath::open_regular;
use crate::error::Error;
use crate::part::{part_path, sync_folder};
use crate::rejected::Rejected;

const MARK: &str = "user.hostler.mark";
const OWNER: &str = "user.hostler.owner";
/// Suffix of the file that bears a mark where the file system cannot.
pub(crate) const SIDECAR: &str = ".hostler-mark";
/// Longest mark or owner, bytes. They are ids and step keys; ext4 has 4 KiB for all attributes of a file.
const LONGEST: usize = 200;

/// What is written on a file that a step made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Job and step, without attempt: 1 to 200 bytes without control characters.
    pub mark: String,
    /// The object whose file it is, by id; the same rules.
    pub owner: Option<String>,
}

impl Stamp {
    /// A mark and the id of the owning object.
    pub fn new(mark: impl Into<String>, owner: Option<String>) -> Self {
        Self { mark: mark.into(), owner }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let fits = |t: &str| !t.is_empty() && t.len() <= LONGEST && !t.chars().any(char::is_control);
        match [Some(&self.mark), self.owner.as_ref()].into_iter().flatten().find(|t| !fits(t)) {
            Some(bad) => Err(Error::Mark { mark: bad.clone() }),
            None => Ok(()),
        }
    }
}

/// What a deletion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone now.
    Deleted,
    /// It was not there.
    Absent,
    /// Something is there that does not bear the mark or owner asked for; it was not touched.
    NotOurs,
    /// It is ours, and a process holds a lock on it, as QEMU does on its disks; it was not touched.
    InUse,
}

/// Writes mark and owner on a file. What it bore before is replaced.
///
/// # Errors
/// The file is absent or not an ordinary one, the mark is unfit, or the file system refuses.
pub fn mark(path: &Path, stamp: &Stamp) -> Result<(), Error> {
    let file = open_regular(path).map_err(|why| Error::Rejected { path: path.to_path_buf(), why })?;
    if write_stamp(&file, path, stamp)? {
        return Ok(());
    }
    write_sidecar(&file, path, stamp)
}

/// What a file bears; `None` when it bears no mark.
///
/// # Errors
/// The file is absent, not an ordinary one, or cannot be read.
pub fn read_stamp(path: &Path) -> Result<Option<Stamp>, Error> {
    let file = open_regular(path).map_err(|why| Error::Rejected { path: path.to_path_buf(), why })?;
    stamp_of(&file, path)
}

/// Deletes the file at `path`, and what an interrupted attempt under the same mark left beside it, if it
/// bears `mark`. Looks and deletes in one go; a folder or a symbolic link is never deleted.
///
/// # Errors
/// The file system refuses.
pub fn delete_marked(path: &Path, mark: &str) -> Result<Deletion, Error> {
    let part = part_path(path, mark);
    let left = match open_regular(&part) {
        Ok(file) => match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => remove(&part, &file)?,
            Err(_) => return Ok(Deletion::InUse),
        },
        Err(_) => Deletion::Absent,
    };
    match (delete_if(path, |stamp| stamp.mark == mark)?, left) {
        (Deletion::Absent, Deletion::Deleted) => Ok(Deletion::Deleted),
        (whole, _) => Ok(whole),
    }
}

/// Deletes the file at `path` if it belongs to the object `owner`. As [`delete_marked`].
///
/// # Errors
/// The file system refuses.
pub fn delete_of(path: &Path, owner: &str) -> Result<Deletion, Error> {
    delete_if(path, |stamp| stamp.owner.as_deref() == Some(owner))
}

fn delete_if(path: &Path, ours: impl Fn(&Stamp) -> bool) -> Result<Deletion, Error> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(Rejected::Absent) => return Ok(Deletion::Absent),
        Err(Rejected::NotRegular { .. }) => return Ok(Deletion::NotOurs),
        Err(why) => return Err(Error::Rejected { path: path.to_path_buf(), why }),
    };
    if !stamp_of(&file, path)?.is_some_and(|stamp| ours(&stamp)) {
        return Ok(Deletion::NotOurs);
    }
    if in_use(path)? {
        return Ok(Deletion::InUse);
    }
    remove(path, &file)
}

/// Unlinks `path` if it is still the file that was looked at.
fn remove(path: &Path, looked_at: &File) -> Result<Deletion, Error> {
    let seen = looked_at.metadata().map_err(|e| Error::io("look at", path, e))?;
    match fs::symlink_metadata(path) {
        Ok(now) if (now.dev(), now.ino()) == (seen.dev(), seen.ino()) => {}
        Ok(_) => return Ok(Deletion::NotOurs),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Deletion::Absent),
        Err(e) => return Err(Error::io("look at", path, e)),
    }
    fs::remove_file(path).map_err(|e| Error::io("delete", path, e))?;
    remove_sidecar(path)?;
    sync_folder(path)?;
    Ok(Deletion::Deleted)
}

pub(crate) fn remove_sidecar(path: &Path) -> Result<(), Error> {
    match fs::remove_file(sidecar(path)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("delete the mark of", path, e)),
        _ => Ok(()),
    }
}

/// Whether another process holds a lock on the file. QEMU locks single bytes of every image it has open,
/// read-only ones too; a lock on the whole file, tried and given back at once, meets them.
fn in_use(path: &Path) -> Result<bool, Error> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = match fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        // Who may not write to it cannot ask; the agent is root and may.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => return Ok(false),
        Err(e) => return Err(Error::io("look whether somebody uses", path, e)),
    };
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(true),
        // No locks on this file system: then QEMU has none either.
        Err(_) => Ok(false),
    }
}

/// Writes the attributes; `false` when the file system has none.
pub(crate) fn write_stamp(file: &File, path: &Path, stamp: &Stamp) -> Result<bool, Error> {
    stamp.check()?;
    let write =
        |name: &str, value: &str| rustix::fs::fsetxattr(file, name, value.as_bytes(), XattrFlags::empty());
    let written = write(MARK, &stamp.mark).and_then(|()| match &stamp.owner {
        Some(owner) => write(OWNER, owner),
        None => match rustix::fs::fremovexattr(file, OWNER) {
            Err(Errno::NODATA) => Ok(()),
            other => other,
        },
    });
    match written {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP) => Ok(false),
        Err(e) => Err(Error::io("mark", path, e)),
    }
}

/// Writes the file beside `path` that bears its mark. `file` is, or will be, what is at `path`.
pub(crate) fn write_sidecar(file: &File, path: &Path, stamp: &Stamp) -> Result<(), Error> {
    let beside = sidecar(path);
    let inode = file.metadata().map_err(|e| Error::io("look at", path, e))?.ino();
    let text = format!("{inode}\n{}\n{}\n", stamp.mark, stamp.owner.as_deref().unwrap_or_default());
    let write = || -> std::io::Result<()> {
        // What was there is about another file, or about what is being replaced.
        match fs::remove_file(&beside) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&beside);
        Error::io("mark", path, e)
    })
}

pub(crate) fn stamp_of(file: &File, path: &Path) -> Result<Option<Stamp>, Error> {
    match (attribute(file, MARK), attribute(file, OWNER)) {
        (Ok(mark), Ok(owner)) => Ok(mark.map(|mark| Stamp { mark, owner })),
        (Err(Errno::OPNOTSUPP), _) | (_, Err(Errno::OPNOTSUPP)) => read_sidecar(file, path),
        (Err(e), _) | (_, Err(e)) => Err(Error::io("read the mark of", path, e)),
    }
}

fn attribute(file: impl AsFd, name: &str) -> Result<Option<String>, Errno> {
    let mut buffer = [0u8; 2 * LONGEST];
    match rustix::fs::fgetxattr(file, name, &mut buffer[..]) {
        Ok(len) => Ok(Some(String::from_utf8_lossy(buffer.get(..len).unwrap_or_default()).into_owned())),
        // Longer than any of ours: somebody else's.
        Err(Errno::NODATA | Errno::RANGE) => Ok(None),
        Err(e) => Err(e),
    }
}

fn read_sidecar(file: &File, path: &Path) -> Result<Option<Stamp>, Error> {
    let mut text = String::new();
    match open_regular(&sidecar(path)) {
        Err(Rejected::Absent | Rejected::NotRegular { .. }) => return Ok(None),
        Err(why) => return Err(Error::Rejected { path: sidecar(path), why }),
        Ok(beside) => {
            let read = beside.take(1024).read_to_string(&mut text);
            read.map_err(|e| Error::io("read the mark of", path, e))?;
        }
    }
    let inode = file.metadata().map_err(|e| Error::io("look at", path, e))?.ino();
    let mut lines = text.lines();
    let same = lines.next() == Some(inode.to_string().as_str());
    let mark = lines.next().filter(|m| same && !m.is_empty());
    let owner = lines.next().filter(|o| !o.is_empty()).map(str::to_owned);
    Ok(mark.map(|mark| Stamp { mark: mark.to_owned(), owner }))
}

fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIDECAR);
    PathBuf::from(name)
}
