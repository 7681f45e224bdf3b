//! Small files that one computer lays beside a disk and another reads there: so they see one folder. As with a folder of
//! machines, the kernel keeps every look-up within the root (`openat2`, `RESOLVE_BENEATH`). What bears such a file's name and is
//! none is neither followed nor waited for.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath::{open_beneath, open_root, plain, refused, regular, require_regular, unreadable};
use crate::error::Error;
use crate::folder::split;
use crate::rejected::Rejected;

/// Lays the file `relative` within `root`, with this text, for its owner alone; its folder must be there.
///
/// # Errors
/// [`Error::Exists`] where anything has the name, [`Error::Rejected`] ([`Rejected::LeavesShare`], [`Rejected::Absent`] and the
/// like), [`Error::Full`], [`Error::Io`].
pub fn lay_file(root: &Path, relative: &Path, text: &[u8]) -> Result<(), Error> {
    let path = root.join(relative);
    let rejected = |why| Error::Rejected { path: path.clone(), why };
    let relative = plain(relative).map_err(rejected)?;
    let (folder, name) = folder_of(root, &relative).map_err(rejected)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let laid = rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600));
    let mut laid = File::from(laid.map_err(|why| match why {
        Errno::EXIST => Error::Exists { path: path.clone(), mark: None },
        why => Error::io("make", &path, why),
    })?);
    laid.write_all(text).and_then(|()| laid.sync_all()).map_err(|why| Error::io("write", &path, why))
}

/// What the file `relative` within `root` says, `most` bytes of it at most. A symbolic link in its place is not followed.
///
/// # Errors
/// [`Rejected::LeavesShare`], [`Rejected::Absent`], [`Rejected::NotRegular`], [`Rejected::Unreadable`].
pub fn read_laid(root: &Path, relative: &Path, most: usize) -> Result<Vec<u8>, Rejected> {
    let relative = plain(relative)?;
    let (folder, name) = folder_of(root, &relative)?;
    let name = Path::new(name);
    // Opening a device can have effects: what it is is asked first.
    let looked = open_beneath(&folder, name, OFlags::PATH | OFlags::NOFOLLOW)?;
    require_regular(&rustix::fs::fstat(&looked).map_err(refused)?)?;
    let file = regular(open_beneath(&folder, name, OFlags::RDONLY | OFlags::NOFOLLOW)?)?;
    let mut bytes = Vec::new();
    file.take(most as u64).read_to_end(&mut bytes).map_err(|why| unreadable(&why))?;
    Ok(bytes)
}

/// Takes the file `relative` within `root` away. Absent is done.
///
/// # Errors
/// [`Error::Rejected`] as [`lay_file`], [`Error::Io`].
pub fn take_laid(root: &Path, relative: &Path) -> Result<(), Error> {
    let path = root.join(relative);
    let rejected = |why| Error::Rejected { path: path.clone(), why };
    let relative = plain(relative).map_err(rejected)?;
    match folder_of(root, &relative) {
        Ok((folder, name)) => match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(why) => Err(Error::io("take away", &path, why)),
        },
        Err(Rejected::Absent) => Ok(()),
        Err(why) => Err(rejected(why)),
    }
}

/// The folder of a file, and the file's name in it.
fn folder_of<'p>(root: &Path, relative: &'p Path) -> Result<(OwnedFd, &'p OsStr), Rejected> {
    let (above, name) = split(relative)?;
    Ok((open_beneath(&open_root(root)?, above, OFlags::PATH | OFlags::DIRECTORY)?, name))
}
