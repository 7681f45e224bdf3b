//! Opening files of a share so that no path and no symbolic link leads out of it, and so that nothing that
//! lies there (named pipe, device) can make us wait.
//!
//! The kernel does the confining (`openat2`, `RESOLVE_BENEATH`), so a folder that is exchanged for a
//! symbolic link in the same moment changes nothing.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::rejected::{Rejected, shown};

/// The real path of `relative` within `root`: symbolic links are followed as long as they stay inside.
///
/// The last part need not exist (a file to be uploaded); its folder must. Refused: absolute paths, `..`,
/// names with NUL, whatever leads out. What comes back begins with `root` in its real spelling.
///
/// # Errors
/// [`Rejected::LeavesShare`], [`Rejected::NameUnfit`], [`Rejected::Absent`], [`Rejected::Unreadable`].
pub fn confine(root: &Path, relative: &Path) -> Result<PathBuf, Rejected> {
    let relative = plain(relative)?;
    let folder = open_root(root)?;
    match open_beneath(&folder, &relative, OFlags::PATH) {
        Ok(found) => real_path(&found),
        Err(Rejected::Absent) => {
            // A dangling link is no free name: writing to it would write to where it points.
            let name = relative.file_name().ok_or(Rejected::LeavesShare)?;
            let parent = relative.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let parent = open_beneath(&folder, parent, OFlags::PATH | OFlags::DIRECTORY)?;
            match rustix::fs::statat(&parent, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(real_path(&parent)?.join(name)),
                _ => Err(Rejected::LeavesShare),
            }
        }
        Err(other) => Err(other),
    }
}

/// A relative path without `.`; refuses what cannot be inside by its spelling alone.
pub(crate) fn plain(relative: &Path) -> Result<PathBuf, Rejected> {
    use std::os::unix::ffi::OsStrExt;
    if relative.as_os_str().as_bytes().contains(&0) {
        return Err(Rejected::NameUnfit { why: "has a NUL in it".into() });
    }
    let mut kept = PathBuf::new();
    for part in relative.components() {
        match part {
            Component::Normal(name) => kept.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(Rejected::LeavesShare);
            }
        }
    }
    if kept.as_os_str().is_empty() {
        return Err(Rejected::NameUnfit { why: "is empty".into() });
    }
    Ok(kept)
}

/// The share's own folder. Links on the way to it are the administrator's and are followed.
pub(crate) fn open_root(root: &Path) -> Result<OwnedFd, Rejected> {
    rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(refused)
}

/// Opens `relative` beneath `folder`; never waits, whatever lies there.
pub(crate) fn open_beneath(folder: &OwnedFd, relative: &Path, flags: OFlags) -> Result<OwnedFd, Rejected> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    // NONBLOCK beside PATH is an error to openat2, which checks its flags.
    let flags = if flags.contains(OFlags::PATH) { flags - OFlags::NONBLOCK - OFlags::NOCTTY } else { flags };
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // The kernel answers EAGAIN when folders were moved during the look-up: look again, a few times.
    for _ in 0..16 {
        match rustix::fs::openat2(folder, relative, flags, Mode::empty(), beneath) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            answer => return answer.map_err(refused),
        }
    }
    Err(Rejected::Unreadable { cause: "its folders are being moved".into() })
}

/// Opens an ordinary file for reading. Anything else is refused without waiting for it.
pub(crate) fn open_regular(path: &Path) -> Result<File, Rejected> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let opened = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|e| match e {
        Errno::LOOP => Rejected::NotRegular { what: "a symbolic link".into() },
        other => refused(other),
    })?;
    regular(opened)
}

/// Opens an ordinary file beneath `folder` for reading. `..` may occur as long as it stays inside.
///
/// What it is is asked of a descriptor that opens nothing (`O_PATH`): opening a device can have effects.
pub(crate) fn open_regular_beneath(folder: &OwnedFd, relative: &Path) -> Result<File, Rejected> {
    let looked = open_beneath(folder, relative, OFlags::PATH)?;
    require_regular(&rustix::fs::fstat(&looked).map_err(refused)?)?;
    regular(open_beneath(folder, relative, OFlags::RDONLY)?)
}

/// An open file, if it is an ordinary one.
pub(crate) fn regular(opened: OwnedFd) -> Result<File, Rejected> {
    require_regular(&rustix::fs::fstat(&opened).map_err(refused)?)?;
    Ok(File::from(opened))
}

/// Refuses what is not an ordinary file.
pub(crate) fn require_regular(stat: &Stat) -> Result<(), Rejected> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        FileType::Unknown => "something unknown",
    };
    Err(Rejected::NotRegular { what: what.into() })
}

/// Where an open file really is, by the kernel's own account.
pub(crate) fn real_path(opened: &OwnedFd) -> Result<PathBuf, Rejected> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).map_err(|e| unreadable(&e))
}

pub(crate) fn refused(errno: Errno) -> Rejected {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Rejected::Absent,
        // RESOLVE_BENEATH says EXDEV, a circle of links ELOOP.
        Errno::XDEV | Errno::LOOP => Rejected::LeavesShare,
        Errno::NAMETOOLONG => Rejected::NameUnfit { why: "is too long".into() },
        Errno::NXIO => Rejected::NotRegular { what: "a socket".into() },
        other => unreadable(&io::Error::from(other)),
    }
}

pub(crate) fn unreadable(error: &io::Error) -> Rejected {
    Rejected::Unreadable { cause: shown(&error.to_string()) }
}
