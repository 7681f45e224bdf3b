//! New disks: blank ones, overlays on a base, copies in the format and size wanted, seeds.

use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::beneath::open_regular;
use crate::convert::{Conversion, grow, look_alone};
use crate::copy::{Progress, plain_copy};
use crate::error::Error;
use crate::format::{Format, Image, MAX_VIRTUAL_BYTES, inspect_as, inspect_file_as, is_flat};
use crate::mark::Stamp;
use crate::part::{Part, part_path};
use crate::qemu_img::Run;

/// What an empty qcow2 may come to, bytes: its tables for the largest disk are far below.
const EMPTY_LIMIT_BYTES: u64 = 1 << 30;
/// Processor time for making one, seconds; 10 ms were seen.
const PROCESSOR_S: u64 = 30;
/// The largest seed, bytes: it is held in memory.
const SEED_LIMIT_BYTES: u64 = 16 << 20;

/// Makes a blank disk that takes (almost) no space. Rights 0600; `path` must not exist.
///
/// `size_bytes`: 512 to [`MAX_VIRTUAL_BYTES`], a multiple of 512.
///
/// # Errors
/// [`Error::Exists`], [`Error::Size`], [`Error::Format`] for other formats than qcow2 and raw,
/// [`Error::Full`], what `qemu-img` says.
pub fn create_blank(path: &Path, format: Format, size_bytes: u64, stamp: &Stamp) -> Result<Image, Error> {
    check_size(size_bytes)?;
    check_format(format)?;
    let part = Part::begin(path, stamp)?;
    if format == Format::Raw {
        part.file.set_len(size_bytes).map_err(|e| Error::io("write", path, e))?;
    } else {
        let size = size_bytes.to_string();
        qemu_create(&part, path, &["-q", "-f", "qcow2", "/dev/fd/4", &size])?;
    }
    finish(part, path, format)
}

/// Makes a qcow2 that shows `base` and keeps what is written to it. Rights 0600; `path` must not exist.
///
/// `base` is written into the overlay as it is given: a relative name is meant from the overlay's folder
/// and keeps that folder movable. The base's format is written as well, so that nobody guesses it.
/// `size_bytes` is the base's unless given, and not smaller. The base itself is only looked at; that it
/// never changes is the caller's care (see [`crate::bring_base`]).
///
/// # Errors
/// [`Error::Rejected`] for a base that is absent or not of `base_format`, else as [`create_blank`].
pub fn create_overlay(
    base: &Path,
    base_format: Format,
    path: &Path,
    size_bytes: Option<u64>,
    stamp: &Stamp,
) -> Result<Image, Error> {
    let seen_from = path.parent().unwrap_or(Path::new("")).join(base);
    let rejected = |why| Error::Rejected { path: seen_from.clone(), why };
    let below = inspect_as(&seen_from, base_format).map_err(rejected)?;
    let text = base.to_str().filter(|t| !t.chars().any(char::is_control));
    let unfit = crate::rejected::Rejected::NameUnfit { why: "cannot be written into an image".into() };
    let mut name = text.ok_or_else(|| rejected(unfit))?.to_owned();
    if base.is_relative() {
        // `a:b` alone would be taken for an address.
        name.insert_str(0, "./");
    }

    let size_bytes = at_least(size_bytes, &below)?;
    check_size(size_bytes)?;
    let part = Part::begin(path, stamp)?;
    let size = size_bytes.to_string();
    // -u: the base is not opened, we have just read its header ourselves.
    let arguments =
        ["-q", "-u", "-f", "qcow2", "-b", &name, "-F", base_format.qemu_name(), "/dev/fd/4", &size];
    qemu_create(&part, path, &arguments)?;
    finish(part, path, Format::Qcow2)
}

/// Makes a disk that begins as a copy of `from`, in the format and of the size wanted. Rights 0600; `path`
/// must not exist.
///
/// Between equal formats the file is copied as by [`crate::sparse_copy`], otherwise converted from a private
/// copy. Either way the copy is what is checked: an image that needs other files is refused. `size_bytes`
/// is the source's unless given, and not smaller. Progress counts the copy and, where one is needed, the
/// conversion.
///
/// # Errors
/// As [`create_blank`] and [`crate::sparse_copy`]; [`Error::Rejected`] for a source that is damaged,
/// encrypted, not of `from_format` or needs other files.
pub fn create_copy(
    (from, from_format): (&Path, Format),
    (path, format): (&Path, Format),
    size_bytes: Option<u64>,
    stamp: &Stamp,
    progress: &mut Progress<'_>,
) -> Result<Image, Error> {
    check_format(format)?;
    size_bytes.map_or(Ok(()), check_size)?;
    let rejected = |why| Error::Rejected { path: from.to_path_buf(), why };
    let source = open_regular(from).map_err(rejected)?;
    let first = look_alone(&source, from_format).map_err(rejected)?;
    // Before gigabytes are copied; what counts is the copy.
    at_least(size_bytes, &first)?;
    let len = first.file_bytes;

    let part = Part::begin(path, stamp)?;
    let as_it_is = |image: &Image| from_format == format && (format == Format::Raw || is_flat(image));
    let before = if as_it_is(&first) {
        plain_copy((&source, from), (&part.file, path), len, progress)?;
        let copied = look_alone(&part.file, from_format).map_err(rejected)?;
        if !as_it_is(&copied) {
            return Err(Error::SourceChanged { path: from.to_path_buf() });
        }
        copied
    } else {
        let total = len.saturating_mul(2);
        let private = Part::nameless(&part_path(path, &format!("{}.source", stamp.mark)), path)?;
        plain_copy((&source, from), (&private, path), total, progress)?;
        let image = look_alone(&private, from_format).map_err(rejected)?;
        let conversion = Conversion { source: &private, image: &image, format: from_format };
        conversion.write(&part.file, path, format, total, progress)?;
        inspect_file_as(&part.file, format).map_err(rejected)?
    };

    let size_bytes = at_least(size_bytes, &before)?;
    if size_bytes > before.virtual_size_bytes {
        grow(&part.file, path, format, size_bytes)?;
    }
    finish(part, path, format)
}

/// Makes a small raw disk with this content, filled up with zeroes to a multiple of 512 bytes: a seed that a
/// guest reads. Rights 0600; `path` must not exist.
///
/// # Errors
/// As [`create_blank`]; [`Error::Size`] for no content or more than 16 MiB, which is no seed.
pub fn create_seed(path: &Path, content: &[u8], stamp: &Stamp) -> Result<Image, Error> {
    let size_bytes = (content.len() as u64).next_multiple_of(512);
    check_size(size_bytes)?;
    if size_bytes > SEED_LIMIT_BYTES {
        return Err(Error::Size { bytes: size_bytes, why: "a seed has 16 MiB at most".into() });
    }
    let part = Part::begin(path, stamp)?;
    part.file.write_all_at(content, 0).map_err(|e| Error::io("write", path, e))?;
    part.file.set_len(size_bytes).map_err(|e| Error::io("write", path, e))?;
    finish(part, path, Format::Raw)
}

/// The size wanted, bytes: that of what the disk begins with unless given, and never smaller.
fn at_least(wanted: Option<u64>, begins_with: &Image) -> Result<u64, Error> {
    let smallest = begins_with.virtual_size_bytes.next_multiple_of(512);
    match wanted {
        Some(bytes) if bytes < smallest => {
            Err(Error::Size { bytes, why: format!("what it begins with has {smallest} bytes") })
        }
        wanted => Ok(wanted.unwrap_or(smallest)),
    }
}

fn check_format(format: Format) -> Result<(), Error> {
    match format {
        Format::Raw | Format::Qcow2 => Ok(()),
        Format::Vmdk | Format::Vhd | Format::Vhdx | Format::Iso => Err(Error::Format { format }),
    }
}

fn check_size(bytes: u64) -> Result<(), Error> {
    let why = match bytes {
        0 => "it is empty",
        _ if bytes > MAX_VIRTUAL_BYTES => "64 TiB is the largest",
        _ if !bytes.is_multiple_of(512) => "it is no multiple of 512",
        _ => return Ok(()),
    };
    Err(Error::Size { bytes, why: why.into() })
}

fn qemu_create(part: &Part, path: &Path, arguments: &[&str]) -> Result<(), Error> {
    let run = Run {
        action: "create",
        arguments,
        source: None,
        target: &part.file,
        path,
        processor_s: PROCESSOR_S,
        file_bytes: EMPTY_LIMIT_BYTES,
    };
    run.go(&mut |_| ControlFlow::Continue(()))
}

fn finish(part: Part, path: &Path, format: Format) -> Result<Image, Error> {
    let read = inspect_file_as(&part.file, format);
    let image = read.map_err(|why| Error::Rejected { path: path.to_path_buf(), why })?;
    part.publish(path, 0o600)?;
    Ok(image)
}
