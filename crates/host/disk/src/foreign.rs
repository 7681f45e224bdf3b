//! What an image from outside must satisfy before anything else looks at it.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::beneath::{open_beneath, open_regular_beneath, open_root, real_path, refused, require_regular};
use crate::format::{Format, Image, inspect_file};
use crate::rejected::{Rejected, shown};

/// How many files a chain of backing files may have. Honest chains in a library have two or three; each
/// further one costs QEMU open files and every read a look-up.
pub const CHAIN_LIMIT: usize = 16;

/// Checks an image that comes from outside: its content is what its name says, it is whole, not encrypted
/// and of a reasonable size, and every file it needs is an ordinary file within `share_root`.
///
/// `path` is within the share: relative to its root, or beginning with it. Symbolic links are followed as
/// long as they stay inside. What was checked may be exchanged afterwards by whoever can write to the
/// share; [`crate::bring_base`] therefore checks its own copy again.
///
/// # Errors
/// The first reason found, see [`Rejected`].
pub fn check_foreign(path: &Path, share_root: &Path) -> Result<Image, Rejected> {
    let root = open_root(share_root)?;
    let relative = if path.is_absolute() {
        let real = real_path(&root)?;
        path.strip_prefix(share_root)
            .or_else(|_| path.strip_prefix(&real))
            .map_err(|_| Rejected::LeavesShare)?
    } else {
        path
    };
    check_in(&root, relative)
}

pub(crate) fn check_in(root: &OwnedFd, relative: &Path) -> Result<Image, Rejected> {
    let (image, identity) = look(root, relative)?;
    let mut seen = vec![identity];
    let (mut below, mut at) = (image.clone(), relative.to_path_buf());
    loop {
        check_own_data(root, &at, &below)?;
        let Some(backing) = &below.backing else { return Ok(image) };
        let name = shown(&backing.name);
        let stated = backing.format.as_deref();
        let stated = stated.ok_or_else(|| Rejected::BackingFormatUnstated { name: name.clone() })?;
        let refused = |why| Rejected::BackingRefused { name: name.clone(), why: Box::new(why) };
        let format = Format::from_qemu_name(stated)
            .ok_or_else(|| refused(Rejected::UnsupportedFormat { name: shown(stated) }))?;
        if seen.len() >= CHAIN_LIMIT {
            return Err(Rejected::ChainTooLong { limit: CHAIN_LIMIT });
        }

        let next = resolve(root, &at, &backing.name)?;
        let (found, identity) = look(root, &next).map_err(|why| match why {
            Rejected::LeavesShare => Rejected::BackingOutside { name: name.clone() },
            other => refused(other),
        })?;
        if !agrees(format, found.format) {
            let (expected, content) = (format.to_string(), found.format.to_string());
            return Err(refused(Rejected::Disguised { expected, content }));
        }
        if seen.contains(&identity) {
            return Err(Rejected::ChainLoops { name });
        }
        seen.push(identity);
        (below, at) = (found, next);
    }
}

/// Device and inode: what a file is, whatever it is called.
type Identity = (u64, u64);

/// One file of a chain: its header, and that its extension does not lie.
fn look(root: &OwnedFd, relative: &Path) -> Result<(Image, Identity), Rejected> {
    use std::os::unix::fs::MetadataExt;
    let file = open_regular_beneath(root, relative)?;
    let image = inspect_file(&file)?;
    let floppy = relative.extension().and_then(OsStr::to_str).is_some_and(is_floppy_extension);
    let expected = if floppy { Some(Format::Raw) } else { Format::from_extension(relative) };
    if let Some(expected) = expected
        && !agrees(expected, image.format)
    {
        let extension = relative.extension().unwrap_or_default().to_string_lossy();
        return Err(Rejected::Disguised { expected: shown(&extension), content: image.format.to_string() });
    }
    if let Some(scheme) = image.encryption {
        return Err(Rejected::Encrypted { scheme });
    }
    if image.virtual_size_bytes == 0 {
        return Err(Rejected::Truncated { format: image.format, what: "it is empty".into() });
    }
    let metadata = file.metadata().map_err(|e| crate::beneath::unreadable(&e))?;
    Ok((image, (metadata.dev(), metadata.ino())))
}

/// An optical disc written to a raw disk is an ordinary raw disk.
fn agrees(expected: Format, content: Format) -> bool {
    expected == content || (expected, content) == (Format::Raw, Format::Iso)
}

pub(crate) fn is_floppy_extension(extension: &str) -> bool {
    matches!(extension.to_ascii_lowercase().as_str(), "vfd" | "flp")
}

/// The other files that hold an image's own data. A qcow2 may have none; a VMDK's extents have to be in the
/// share and must not lead on to more files.
fn check_own_data(root: &OwnedFd, at: &Path, image: &Image) -> Result<(), Rejected> {
    for name in &image.data_files {
        if image.format != Format::Vmdk {
            return Err(Rejected::DataElsewhere { name: shown(name) });
        }
        let extent = resolve(root, at, name)?;
        let refused = |why| match why {
            Rejected::LeavesShare => Rejected::BackingOutside { name: shown(name) },
            other => Rejected::BackingRefused { name: shown(name), why: Box::new(other) },
        };
        let file = open_regular_beneath(root, &extent).map_err(refused)?;
        // A flat extent is a guest's content and may look like anything; only a sparse one is read by QEMU.
        match inspect_file(&file) {
            Ok(found) if found.format == Format::Vmdk => drop(found.alone().map_err(refused)?),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Where a name in an image leads, relative to the share's root; it may still contain `..`, which the
/// kernel confines when the file is opened.
fn resolve(root: &OwnedFd, image: &Path, name: &str) -> Result<PathBuf, Rejected> {
    // What QEMU takes for an address: a colon before the first slash (`nbd:`, `json:`, `http:`, `file:` …).
    let address = name.find(':').is_some_and(|colon| name.find('/').is_none_or(|slash| colon < slash));
    if address || name.contains('\0') || name.is_empty() {
        return Err(Rejected::Protocol { name: shown(name) });
    }
    let outside = || Rejected::BackingOutside { name: shown(name) };
    let named = Path::new(name);
    if !named.is_absolute() {
        return Ok(image.parent().unwrap_or(Path::new("")).join(named));
    }
    let real = real_path(root)?;
    let inside = named.strip_prefix(&real).map_err(|_| outside())?;
    // Links on the way are looked at by the kernel; asking here tells *outside* from *absent*.
    let found = open_beneath(root, inside, OFlags::PATH).map_err(|why| match why {
        Rejected::LeavesShare => outside(),
        other => Rejected::BackingRefused { name: shown(name), why: Box::new(other) },
    })?;
    require_regular(&rustix::fs::fstat(&found).map_err(refused)?)
        .map_err(|why| Rejected::BackingRefused { name: shown(name), why: Box::new(why) })?;
    Ok(inside.to_path_buf())
}
