//! What lies in a library share, by extension and content.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat};

use crate::beneath::{open_beneath, open_root, refused, require_regular};
use crate::foreign::{check_in, is_floppy_extension};
use crate::format::{Format, Image};
use crate::mark::SIDECAR;
use crate::part::PART;
use crate::rejected::{Rejected, shown};

/// How far a walk goes. What is left out is named in [`Walked::cuts`].
#[derive(Debug, Clone, Copy)]
pub struct WalkLimits {
    /// Folders within folders; 0 is the root alone. More finds oddly deep trees, and takes longer.
    pub depth: usize,
    /// Entries looked at altogether, whatever they are. More finds all of a huge share, and holds it in memory.
    pub entries: usize,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self { depth: 12, entries: 100_000 }
    }
}

/// What a walk found, ordered by path, and what it left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// The files, ordered by path.
    pub found: Vec<Found>,
    /// What was not looked at, and why. Empty: the picture is whole, and what is not in it is gone.
    pub cuts: Vec<Cut>,
}

/// A part of a share that a walk left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// A folder lies deeper than the limit.
    Depth {
        /// The folder, relative to the root.
        folder: String,
    },
    /// The limit of entries was reached.
    Entries {
        /// The limit.
        limit: usize,
    },
    /// A folder could not be read.
    Unreadable {
        /// The folder, relative to the root.
        folder: String,
        /// Why.
        why: Rejected,
    },
}

/// One file of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Path relative to the share's root. Where the name is no valid text, what can be shown of it.
    pub relative_path: String,
    /// What it is.
    pub kind: Kind,
    /// Length of the file, bytes.
    pub size_bytes: u64,
    /// When its content last changed, milliseconds since 1970 (UTC).
    pub modified_unix_ms: i64,
    /// Why it cannot be used, if it cannot.
    pub problem: Option<Rejected>,
}

/// What a file of a share is: by extension, and for disks and discs by content as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A virtual hard disk: qcow2, raw, img, vmdk, vhd, vhdx.
    Disk {
        /// Its header; absent when there is a problem.
        image: Option<Image>,
    },
    /// An optical disc: iso.
    Iso,
    /// A script: sh, ps1, py.
    Script,
    /// An answer file for a guest's installation: xml, inf, yaml, yml.
    AnswerFile,
    /// A floppy disk: vfd, flp, and img of a floppy's size.
    Floppy,
    /// Anything else, and the files that belong to a VMDK descriptor.
    Other,
}

/// Lengths a floppy disk has, KiB.
const FLOPPY_KIB: [u64; 7] = [160, 320, 360, 720, 1200, 1440, 2880];

/// Walks a share. Symbolic links are followed to files inside the share only, never to folders; hidden
/// files and what this crate has in the making are left out; nothing that lies there can make it wait.
///
/// # Errors
/// The root itself cannot be opened. Whatever is wrong further down is part of the answer.
pub fn walk_share(root: &Path, limits: WalkLimits) -> Result<Walked, Rejected> {
    let root = open_root(root)?;
    let mut walked = Walked::default();
    let mut entries = 0;
    let mut folders = vec![(PathBuf::from("."), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let unreadable = |why| Cut::Unreadable { folder: text(&folder).0, why };
        let (opened, names) = match list(&root, &folder, limits.entries.saturating_sub(entries)) {
            Ok(listed) => listed,
            Err(why) => {
                walked.cuts.push(unreadable(why));
                continue;
            }
        };
        entries += names.len();
        if entries > limits.entries {
            walked.cuts.push(Cut::Entries { limit: limits.entries });
            break;
        }
        for name in names {
            let relative = if folder == Path::new(".") { PathBuf::from(&name) } else { folder.join(&name) };
            if is_left_out(&name) {
                continue;
            }
            // Gone between listing and looking: then it is not there.
            let Ok(stat) = rustix::fs::statat(&opened, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                if depth < limits.depth {
                    folders.push((relative, depth + 1));
                } else {
                    walked.cuts.push(Cut::Depth { folder: text(&relative).0 });
                }
            } else if let Some(found) = look(&root, &relative, &stat) {
                walked.found.push(found);
            }
        }
    }
    hide_extents(&mut walked.found);
    walked.found.sort_by(|a, b| a.relative_path.cmp(&b.relative_path));
    Ok(walked)
}

/// The names in a folder, ordered; one more than `limit` at most.
fn list(root: &OwnedFd, folder: &Path, limit: usize) -> Result<(OwnedFd, Vec<std::ffi::OsString>), Rejected> {
    let opened = open_beneath(root, folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&opened).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
        if names.len() > limit {
            break;
        }
    }
    names.sort();
    Ok((opened, names))
}

/// Whether a walk passes over what has this name.
pub(crate) fn is_left_out(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let has = |part: &str| bytes.windows(part.len()).any(|w| w == part.as_bytes());
    bytes.starts_with(b".") || has(PART) || bytes.ends_with(SIDECAR.as_bytes())
}

fn look(root: &OwnedFd, relative: &Path, entry: &Stat) -> Option<Found> {
    let (relative_path, fit) = text(relative);
    let link = FileType::from_raw_mode(entry.st_mode) == FileType::Symlink;
    // For a link the file it leads to counts, as long as that is inside.
    let target = if link {
        open_beneath(root, relative, OFlags::PATH).and_then(|fd| rustix::fs::fstat(&fd).map_err(refused))
    } else {
        Ok(*entry)
    };
    // A link to a folder inside: what is in there is found where it really is.
    if link && target.as_ref().is_ok_and(|t| FileType::from_raw_mode(t.st_mode) == FileType::Directory) {
        return None;
    }
    let stat = target.as_ref().unwrap_or(entry);
    let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
    let (kind, usable) = match target.as_ref().map_err(Clone::clone).and_then(require_regular) {
        Err(why) => (by_extension(relative, size_bytes), Err(why)),
        Ok(()) => examine(root, relative, size_bytes),
    };
    let modified_unix_ms =
        stat.st_mtime.saturating_mul(1000).saturating_add(stat.st_mtime_nsec as i64 / 1_000_000);
    Some(Found { relative_path, kind, size_bytes, modified_unix_ms, problem: fit.and(usable).err() })
}

/// Kind by extension; for disks and discs the content has its say.
fn examine(root: &OwnedFd, relative: &Path, size_bytes: u64) -> (Kind, Result<(), Rejected>) {
    let kind = by_extension(relative, size_bytes);
    match kind {
        Kind::Disk { .. } | Kind::Iso | Kind::Floppy => match check_in(root, relative) {
            Ok(image) if image.format == Format::Iso => (Kind::Iso, Ok(())),
            Ok(_) if kind == Kind::Floppy => (kind, Ok(())),
            Ok(image) => (Kind::Disk { image: Some(image) }, Ok(())),
            Err(why) => (kind, Err(why)),
        },
        Kind::Script | Kind::AnswerFile | Kind::Other => (kind, Ok(())),
    }
}

fn by_extension(path: &Path, size_bytes: u64) -> Kind {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "sh" | "ps1" | "py" => Kind::Script,
        "xml" | "inf" | "yaml" | "yml" => Kind::AnswerFile,
        other if is_floppy_extension(other) => Kind::Floppy,
        "img" if FLOPPY_KIB.contains(&(size_bytes / 1024)) && size_bytes.is_multiple_of(1024) => Kind::Floppy,
        _ => match Format::from_extension(path) {
            Some(Format::Iso) => Kind::Iso,
            Some(Format::Qcow2 | Format::Raw | Format::Vmdk | Format::Vhd | Format::Vhdx) => {
                Kind::Disk { image: None }
            }
            None => Kind::Other,
        },
    }
}

/// A path as text, and whether it is fit to be shown and stored.
fn text(path: &Path) -> (String, Result<(), Rejected>) {
    let lossy = path.to_string_lossy();
    let why = match path.to_str() {
        None => "is not valid text (UTF-8)",
        Some(text) if text.split('/').any(|part| !is_shown(part)) => {
            "has control or bidirectional characters in it"
        }
        Some(_) => return (lossy.into_owned(), Ok(())),
    };
    let parts: Vec<String> = lossy.split('/').map(shown).collect();
    (parts.join("/"), Err(Rejected::NameUnfit { why: why.into() }))
}

/// Whether a part of a path can be shown as it is.
pub(crate) fn is_shown(part: &str) -> bool {
    shown(part) == part || part.chars().count() > 200
}

/// The files that a VMDK descriptor names are parts of that disk and no disks themselves.
fn hide_extents(found: &mut [Found]) {
    let mut extents = BTreeSet::new();
    for disk in found.iter() {
        if let Kind::Disk { image: Some(image) } = &disk.kind {
            let folder = Path::new(&disk.relative_path).parent().unwrap_or(Path::new(""));
            extents.extend(image.data_files.iter().map(|name| folder.join(name)));
        }
    }
    for file in found.iter_mut().filter(|f| extents.contains(Path::new(&f.relative_path))) {
        file.kind = Kind::Other;
        file.problem = None;
    }
}
