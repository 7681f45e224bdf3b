//! The immutable files that overlays stand on, named by content.
//!
//! A base is called `<sha256>.qcow2`, where the digest is that of **the source file's bytes as they lie in
//! the library** (holes are zeroes), not of the qcow2 that is made of it: so the library can say which base
//! an item needs without making it, and the same item gives the same name everywhere. Rights 0444.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::beneath::open_regular;
use crate::convert::{Conversion, look_alone};
use crate::copy::{Progress, hashed_copy, progressed};
use crate::error::Error;
use crate::format::{Format, Image, inspect_as, inspect_file_as, is_flat};
use crate::part::{PART, Part, hex, sweep};
use crate::rejected::Rejected;

/// What bases in the making are called; a number follows.
const IN_THE_MAKING: &str = "base";

/// A base that is whole and on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Digest of the source's bytes, 64 hexadecimal digits.
    pub sha256: String,
    /// The qcow2.
    pub path: PathBuf,
    /// Size of the disk, bytes.
    pub virtual_size_bytes: u64,
}

/// Where the base of this content is, or would be.
pub fn base_path(bases_dir: &Path, sha256: &str) -> PathBuf {
    bases_dir.join(format!("{sha256}.qcow2"))
}

/// The base of this content, if it is there already.
///
/// # Errors
/// Something is there that is no base.
pub fn find_base(bases_dir: &Path, sha256: &str) -> Result<Option<Base>, Error> {
    if sha256.len() != 64 || !sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(None);
    }
    let path = base_path(bases_dir, sha256);
    match inspect_as(&path, Format::Qcow2).and_then(Image::alone) {
        Ok(image) => {
            Ok(Some(Base { sha256: sha256.into(), path, virtual_size_bytes: image.virtual_size_bytes }))
        }
        Err(Rejected::Absent) => Ok(None),
        Err(why) => Err(Error::Rejected { path, why }),
    }
}

/// Checks a file that is to become a base: a whole qcow2 that needs no other file and no key. What it holds otherwise is the
/// word of whoever made it.
///
/// # Errors
/// What is wrong with it, [`Rejected`].
pub fn check_base(file: &File) -> Result<(), Rejected> {
    inspect_file_as(file, Format::Qcow2).and_then(Image::alone).map(drop)
}

/// Brings an image into `bases_dir` as a base: copied (or its blocks shared) and hashed in one pass, checked,
/// converted to qcow2 unless it is a plain one already, made read-only.
///
/// The copy is what is checked and converted, so it does not matter who changes the source meanwhile; an
/// image that needs other files is refused. Several may run at once for the same content: one wins, all
/// answer the same. What a crash left is swept by the next run. Progress counts the copy and, as as many
/// bytes again, the conversion.
///
/// # Errors
/// [`Error::Rejected`] (the source is damaged, encrypted, not of `source_format`, needs other files),
/// [`Error::Format`] for a disc, [`Error::SourceChanged`], [`Error::Stopped`], [`Error::Full`], what
/// `qemu-img` says.
pub fn bring_base(
    source: &Path,
    source_format: Format,
    bases_dir: &Path,
    progress: &mut Progress<'_>,
) -> Result<Base, Error> {
    if source_format == Format::Iso {
        return Err(Error::Format { format: source_format });
    }
    sweep_dead(bases_dir);
    let rejected = |why| Error::Rejected { path: source.to_path_buf(), why };
    let opened = open_regular(source).map_err(rejected)?;
    // Before gigabytes are copied; what counts is the same look at the copy.
    look_alone(&opened, source_format).map_err(rejected)?;
    let len = opened.metadata().map_err(|e| Error::io("look at", source, e))?.len();
    let total = len.saturating_mul(2);

    let copy = in_the_making(bases_dir)?;
    let digest = hashed_copy((&opened, source), (&copy.file, bases_dir), total, progress)?;
    let sha256 = hex(&digest);
    if let Some(base) = find_base(bases_dir, &sha256)? {
        return Ok(base);
    }
    let image = look_alone(&copy.file, source_format).map_err(rejected)?;
    let whole = if is_flat(&image) {
        copy
    } else {
        let target = in_the_making(bases_dir)?;
        let conversion = Conversion { source: &copy.file, image: &image, format: source_format };
        conversion.write(&target.file, bases_dir, Format::Qcow2, total, progress)?;
        target
    };

    let made = inspect_file_as(&whole.file, Format::Qcow2).and_then(Image::alone);
    let made = made.map_err(rejected)?;
    progressed(progress, total, total)?;
    let path = base_path(bases_dir, &sha256);
    match whole.publish(&path, 0o444) {
        Ok(()) => Ok(Base { sha256, path, virtual_size_bytes: made.virtual_size_bytes }),
        // Somebody else was quicker with the same content.
        Err(Error::Exists { path, mark }) => {
            find_base(bases_dir, &sha256)?.ok_or(Error::Exists { path, mark })
        }
        Err(other) => Err(other),
    }
}

/// A new file in `bases_dir` that only we hold.
fn in_the_making(bases_dir: &Path) -> Result<Part, Error> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let pid = std::process::id();
    for _ in 0..64 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = bases_dir.join(format!("{IN_THE_MAKING}{PART}{pid}-{number}"));
        match Part::open(&path, &path) {
            // A process of the same number in another namespace has it.
            Err(Error::Busy { .. }) => {}
            other => return other,
        }
    }
    Err(Error::Busy { path: bases_dir.to_path_buf() })
}

/// Removes what dead processes left in the making; what somebody holds stays.
fn sweep_dead(bases_dir: &Path) {
    let prefix = format!("{IN_THE_MAKING}{PART}");
    let Ok(entries) = fs::read_dir(bases_dir) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix));
        if ours && entry.metadata().is_ok_and(|m| m.nlink() == 1) {
            sweep(&entry.path());
        }
    }
}
