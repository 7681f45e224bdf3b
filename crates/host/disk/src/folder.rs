//! Folders in which machines are kept: what lies in one, a new one, an empty one removed. As with a share, the kernel
//! keeps every look-up within the root (`openat2`, `RESOLVE_BENEATH`), whatever is exchanged meanwhile.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::beneath::{
    open_beneath, open_regular_beneath, open_root, plain, real_path, refused, require_regular, unreadable,
};
use crate::error::Error;
use crate::format::Format;
use crate::rejected::Rejected;
use crate::share::{WalkLimits, is_left_out, is_shown};

/// How many entries of a folder are looked at, hidden ones among them, before it is called larger than it can be listed.
const MOST_LOOKED_AT: usize = 50_000;

/// What lies in a folder: folders and disk images, each ordered by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Folders: name, and when something in it was last added or removed, milliseconds since 1970 (UTC).
    pub folders: Vec<(String, i64)>,
    /// Disk images: name, length in bytes, and when it was last written, milliseconds since 1970 (UTC).
    pub images: Vec<(String, u64, i64)>,
    /// Whether there is more than was listed.
    pub more: bool,
}

/// Lists folders and disk images in the folder `relative` within `root`; empty is the root itself. `most` of them at most.
/// Symbolic links are followed as long as they stay inside; what is hidden, what leads out and what cannot be shown as text
/// is left out. A file's content is not looked at.
///
/// # Errors
/// [`Rejected::LeavesShare`], [`Rejected::NameUnfit`], [`Rejected::Absent`], [`Rejected::Unreadable`].
pub fn list_folder(root: &Path, relative: &Path, most: usize) -> Result<Listed, Rejected> {
    let root = open_root(root)?;
    let inside = inside(relative)?;
    let folder = open_beneath(&root, &inside, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut listed = Listed::default();
    for (looked, entry) in Dir::read_from(&folder).map_err(refused)?.enumerate() {
        let entry = entry.map_err(refused)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if looked >= MOST_LOOKED_AT {
            listed.more = true;
            break;
        }
        let Some(text) = name.to_str().filter(|text| !is_left_out(name) && is_shown(text)) else { continue };
        // From the root on: a link out of the folder that stays within the root is inside.
        let Ok(stat) = look(&root, &inside.join(name)) else { continue };
        let modified =
            stat.st_mtime.saturating_mul(1000).saturating_add(stat.st_mtime_nsec as i64 / 1_000_000);
        let kind = FileType::from_raw_mode(stat.st_mode);
        let is_image = kind == FileType::RegularFile && Format::from_extension(Path::new(name)).is_some();
        if kind != FileType::Directory && !is_image {
            continue;
        }
        if listed.folders.len() + listed.images.len() >= most {
            listed.more = true;
            break;
        }
        if is_image {
            listed.images.push((text.to_owned(), u64::try_from(stat.st_size).unwrap_or(0), modified));
        } else {
            listed.folders.push((text.to_owned(), modified));
        }
    }
    listed.folders.sort();
    listed.images.sort();
    Ok(listed)
}

/// Whether `relative` within `root` is a folder; empty is the root itself.
///
/// # Errors
/// As [`list_folder`], but for [`Rejected::Absent`].
pub fn is_folder(root: &Path, relative: &Path) -> Result<bool, Rejected> {
    match open_beneath(&open_root(root)?, &inside(relative)?, OFlags::PATH | OFlags::DIRECTORY) {
        Ok(_) => Ok(true),
        Err(Rejected::Absent) => Ok(false),
        Err(why) => Err(why),
    }
}

/// Makes the folder `relative` within `root` with exactly these rights; the folder above it must be there. Answers its real
/// path, and whether it was made: one that is there is left as it is.
///
/// # Errors
/// [`Error::Rejected`] as [`list_folder`], [`Error::Exists`] where something else has the name, [`Error::Full`],
/// [`Error::Io`].
pub fn make_folder(root: &Path, relative: &Path, rights: u32) -> Result<(PathBuf, bool), Error> {
    let path = root.join(relative);
    let rejected = |why| Error::Rejected { path: path.clone(), why };
    let relative = plain(relative).map_err(rejected)?;
    let (above, name) = split(&relative).map_err(rejected)?;
    let text = name.to_str().filter(|text| is_shown(text) && !is_left_out(name));
    if text.is_none() {
        let why = "begins with a dot, or holds what cannot be shown";
        return Err(rejected(Rejected::NameUnfit { why: why.into() }));
    }
    let root = open_root(root).map_err(rejected)?;
    let above = open_beneath(&root, above, OFlags::RDONLY | OFlags::DIRECTORY).map_err(rejected)?;
    let failed = |why: Errno| Error::io("make the folder", &path, io::Error::from(why));
    let made = match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(rights)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(Errno::NOSPC | Errno::DQUOT) => return Err(Error::Full { path: path.clone() }),
        Err(why) => return Err(failed(why)),
    };
    // What lies there under this name is opened once: its rights are set on that, and its path is of that.
    let opened = open_beneath(&above, Path::new(name), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW);
    let opened = opened.map_err(|why| match (made, why) {
        (false, Rejected::Absent | Rejected::LeavesShare) => Error::Exists { path: path.clone(), mark: None },
        (_, why) => rejected(why),
    })?;
    if made {
        // Whatever the umask says.
        rustix::fs::fchmod(&opened, Mode::from_raw_mode(rights)).map_err(failed)?;
        rustix::fs::fsync(&above).map_err(failed)?;
    }
    Ok((real_path(&opened).map_err(rejected)?, made))
}

/// Removes the folder `relative` within `root` if nothing is in it. Whatever keeps it from being removed keeps it.
pub fn remove_empty_folder(root: &Path, relative: &Path) {
    let Ok(relative) = plain(relative) else { return };
    let Ok((above, name)) = split(&relative) else { return };
    let opened =
        open_root(root).and_then(|root| open_beneath(&root, above, OFlags::RDONLY | OFlags::DIRECTORY));
    if let Ok(above) = opened {
        let _ = rustix::fs::unlinkat(&above, name, AtFlags::REMOVEDIR);
    }
}

/// The files with this extension below `root`, as paths relative to it, ordered; and whether there is more than was looked
/// at: `limits` of folders within folders and of entries, or `stopped`. Links are not followed, hidden things left out.
///
/// # Errors
/// The root itself cannot be opened. What cannot be read further down is more than was looked at.
pub fn find_files(
    root: &Path,
    extension: &str,
    limits: WalkLimits,
    stopped: &dyn Fn() -> bool,
) -> Result<(Vec<PathBuf>, bool), Rejected> {
    let root = open_root(root)?;
    let (mut found, mut more, mut looked) = (Vec::new(), false, 0);
    let mut open = vec![(PathBuf::from("."), 0)];
    while let Some((folder, depth)) = open.pop() {
        let opened = open_beneath(&root, &folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW);
        let Ok(entries) =
            opened.and_then(|opened| Dir::read_from(&opened).map_err(refused).map(|all| (opened, all)))
        else {
            more = true;
            continue;
        };
        let (opened, entries) = entries;
        for entry in entries {
            looked += 1;
            if looked > limits.entries || stopped() {
                found.sort();
                return Ok((found, true));
            }
            let Ok(entry) = entry else { continue };
            let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
            if is_left_out(&name) || name.to_str().is_none_or(|text| !is_shown(text)) {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(&opened, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let relative = if folder == Path::new(".") { PathBuf::from(&name) } else { folder.join(&name) };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory if depth < limits.depth => open.push((relative, depth + 1)),
                FileType::Directory => more = true,
                FileType::RegularFile if relative.extension() == Some(OsStr::new(extension)) => {
                    found.push(relative);
                }
                _ => {}
            }
        }
    }
    found.sort();
    Ok((found, more))
}

/// A text file within `root`, of at most `most` bytes. Nothing that lies there can make it wait.
///
/// # Errors
/// [`Rejected`]: as [`list_folder`]; [`Rejected::NotRegular`]; [`Rejected::NameUnfit`] where it is too long or no text.
pub fn read_text(root: &Path, relative: &Path, most: usize) -> Result<String, Rejected> {
    use std::io::Read;
    let file = open_regular_beneath(&open_root(root)?, &plain(relative)?)?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|why| unreadable(&why))?;
    if bytes.len() > most {
        return Err(Rejected::NameUnfit { why: format!("is of a file that is longer than {most} bytes") });
    }
    String::from_utf8(bytes).map_err(|_| Rejected::NameUnfit { why: "is of a file that is no text".into() })
}

/// Whether an ordinary file is there within `root`. It is not opened.
///
/// # Errors
/// [`Rejected`]: as [`list_folder`], but for [`Rejected::Absent`]; [`Rejected::NotRegular`].
pub fn is_file(root: &Path, relative: &Path) -> Result<bool, Rejected> {
    match look(&open_root(root)?, &plain(relative)?) {
        Ok(stat) => require_regular(&stat).map(|()| true),
        Err(Rejected::Absent) => Ok(false),
        Err(why) => Err(why),
    }
}

/// A path within a root, where empty is the root itself.
fn inside(relative: &Path) -> Result<PathBuf, Rejected> {
    if relative.as_os_str().is_empty() { Ok(PathBuf::from(".")) } else { plain(relative) }
}

/// The folder that a file is in, and its name there.
pub(crate) fn split(relative: &Path) -> Result<(&Path, &OsStr), Rejected> {
    let name = relative.file_name().ok_or(Rejected::LeavesShare)?;
    let above = relative.parent().filter(|above| !above.as_os_str().is_empty());
    Ok((above.unwrap_or(Path::new(".")), name))
}

fn look(root: &OwnedFd, relative: &Path) -> Result<Stat, Rejected> {
    let opened = open_beneath(root, relative, OFlags::PATH)?;
    rustix::fs::fstat(&opened).map_err(refused)
}
