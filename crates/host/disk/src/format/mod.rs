//! What an image is, by its own header: format, size, what it refers to. Our own reader, because the file
//! may come from anyone: it reads a bounded number of bytes, follows no name it finds, and never fails
//! otherwise than with a [`Rejected`].

mod bytes;
mod iso;
mod qcow2;
mod vhd;
mod vhdx;
mod vmdk;

use std::fmt;
use std::fs::File;
use std::path::Path;

use crate::beneath::{open_regular, unreadable};
use crate::rejected::Rejected;
use bytes::Bytes;
pub(crate) use qcow2::is_flat;

/// The largest disk that is believed, bytes: 64 TiB, what qcow2 with its usual clusters and VHDX end at.
/// More would only be a header that wants to make somebody allocate tables; less would refuse real disks.
pub const MAX_VIRTUAL_BYTES: u64 = 64 << 40;

/// The most that is read of one file to know what it is, bytes. The largest honest need is a VMDK's grain
/// directory or a qcow2's first-level table, of which at most 1 MiB each is looked at.
pub const READ_LIMIT_BYTES: u64 = 8 << 20;

/// A format of disk images, or an optical disc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// QEMU's own, version 2 or 3.
    Qcow2,
    /// The bare content.
    Raw,
    /// VMware.
    Vmdk,
    /// Virtual PC, Virtual Server, Hyper-V until 2008; QEMU calls it `vpc`.
    Vhd,
    /// Hyper-V since 2012.
    Vhdx,
    /// An optical disc, ISO 9660 or UDF.
    Iso,
}

impl Format {
    /// What QEMU calls the driver.
    pub fn qemu_name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw | Self::Iso => "raw",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vpc",
            Self::Vhdx => "vhdx",
        }
    }

    /// The other way round; `None` for drivers that are not used here.
    pub fn from_qemu_name(name: &str) -> Option<Self> {
        Some(match name {
            "qcow2" => Self::Qcow2,
            "raw" => Self::Raw,
            "vmdk" => Self::Vmdk,
            "vpc" => Self::Vhd,
            "vhdx" => Self::Vhdx,
            _ => return None,
        })
    }

    /// The format that a file of this name claims to have; `None` when the extension says nothing.
    pub fn from_extension(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "qcow2" => Self::Qcow2,
            "raw" | "img" => Self::Raw,
            "vmdk" => Self::Vmdk,
            "vhd" => Self::Vhd,
            "vhdx" => Self::Vhdx,
            "iso" => Self::Iso,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
            Self::Vmdk => "VMDK",
            Self::Vhd => "VHD",
            Self::Vhdx => "VHDX",
            Self::Iso => "ISO",
        })
    }
}

/// The file below an overlay or differencing disk, as the image names it. **Not checked**: the name is
/// whatever somebody wrote there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// The name as it stands in the image; relative names are meant from the image's folder.
    pub name: String,
    /// The backing file's format as QEMU calls it, if the image says so.
    pub format: Option<String>,
}

/// What the header of an image says. Nothing in it has been followed or checked against other files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Format by content.
    pub format: Format,
    /// Size of the disk as a guest sees it, bytes.
    pub virtual_size_bytes: u64,
    /// What the file takes on its file system, bytes.
    pub allocated_bytes: u64,
    /// Length of the file, bytes.
    pub file_bytes: u64,
    /// The file below this one.
    pub backing: Option<Backing>,
    /// Other files that hold this image's own data: external data file, VMDK extents.
    pub data_files: Vec<String>,
    /// Encryption, by name of its scheme.
    pub encryption: Option<String>,
    /// Snapshots inside the image.
    pub internal_snapshots: u32,
    /// The image was not closed properly, or carries a log to be replayed: readable, worth a check.
    pub dirty: bool,
}

impl Image {
    fn new(format: Format, virtual_size_bytes: u64) -> Self {
        Self {
            format,
            virtual_size_bytes,
            allocated_bytes: 0,
            file_bytes: 0,
            backing: None,
            data_files: Vec::new(),
            encryption: None,
            internal_snapshots: 0,
            dirty: false,
        }
    }

    /// Refuses an image that does not stand on its own: whatever needs another file or a key.
    pub(crate) fn alone(self) -> Result<Self, Rejected> {
        if let Some(scheme) = self.encryption {
            return Err(Rejected::Encrypted { scheme });
        }
        let backing = self.backing.as_ref().map(|b| &b.name);
        if let Some(name) = self.data_files.first().or(backing) {
            return Err(Rejected::DataElsewhere { name: crate::rejected::shown(name) });
        }
        Ok(self)
    }
}

/// Looks into the file at `path` and says what it is, by content alone. A symbolic link is not followed.
///
/// Only for files that have not been given to a guest as **raw** disk: a guest can write the header of any
/// format into its own raw disk. Where the format is known from the record, use [`inspect_as`].
///
/// # Errors
/// What is not an ordinary file, cut off, damaged, of an unknown format or larger than
/// [`MAX_VIRTUAL_BYTES`]. Backing files, encryption and the like are reported in [`Image`], not refused.
pub fn inspect(path: &Path) -> Result<Image, Rejected> {
    inspect_file(&open_regular(path)?)
}

/// Looks into the file at `path`, knowing its format. Raw content is not looked at.
///
/// # Errors
/// As [`inspect`]; [`Rejected::Disguised`] when the file has another format.
pub fn inspect_as(path: &Path, format: Format) -> Result<Image, Rejected> {
    inspect_file_as(&open_regular(path)?, format)
}

pub(crate) fn inspect_file(file: &File) -> Result<Image, Rejected> {
    measured(file, by_content)
}

pub(crate) fn inspect_file_as(file: &File, format: Format) -> Result<Image, Rejected> {
    measured(file, |bytes| {
        if format == Format::Raw {
            return raw(bytes.len);
        }
        let image = by_content(bytes)?;
        if image.format != format {
            return Err(Rejected::Disguised {
                expected: format.to_string(),
                content: image.format.to_string(),
            });
        }
        Ok(image)
    })
}

fn measured(
    file: &File,
    read: impl FnOnce(&Bytes<'_>) -> Result<Image, Rejected>,
) -> Result<Image, Rejected> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(|e| unreadable(&e))?;
    let image = read(&Bytes::new(file, metadata.len()))?;
    if image.virtual_size_bytes > MAX_VIRTUAL_BYTES {
        return Err(Rejected::TooLarge { bytes: image.virtual_size_bytes, limit: MAX_VIRTUAL_BYTES });
    }
    Ok(Image { allocated_bytes: metadata.blocks().saturating_mul(512), file_bytes: metadata.len(), ..image })
}

fn by_content(bytes: &Bytes<'_>) -> Result<Image, Rejected> {
    let head = bytes.some(Format::Raw, 0, 512)?;
    if head.starts_with(b"QFI\xfb") {
        qcow2::read(bytes, &head)
    } else if head.starts_with(b"KDMV") || head.starts_with(b"COWD") || vmdk::is_descriptor(&head) {
        vmdk::read(bytes, &head)
    } else if head.starts_with(b"vhdxfile") {
        vhdx::read(bytes)
    } else if let Some(name) = unsupported(&head) {
        Err(Rejected::UnsupportedFormat { name: name.into() })
    } else if head.starts_with(b"LUKS\xba\xbe") {
        Err(Rejected::Encrypted { scheme: "LUKS".into() })
    } else if vhd::is_one(bytes, &head)? {
        vhd::read(bytes, &head)
    } else if iso::is_one(bytes)? {
        iso::read(bytes)
    } else {
        raw(bytes.len)
    }
}

fn raw(len: u64) -> Result<Image, Rejected> {
    Ok(Image::new(Format::Raw, len))
}

/// Formats that QEMU would take a file for and that are not used here.
fn unsupported(head: &[u8]) -> Option<&'static str> {
    let magic: [(usize, &[u8], &str); 8] = [
        (0, b"QED\0", "QED"),
        (0, b"OOOM", "UML COW"),
        (0, b"WithoutFreeSpace", "Parallels"),
        (0, b"WithouFreSpacExt", "Parallels"),
        (0, b"Bochs Virtual HD Image", "Bochs"),
        (0x40, b"\x7f\x10\xda\xbe", "VDI"),
        (0, b"#!/bin/sh\n#V2.0 Format\n", "cloop"),
        (0, b"# Hyper-V", "Hyper-V descriptor"),
    ];
    magic.iter().find(|(at, text, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(text))).map(|m| m.2)
}

#[cfg(test)]
mod tests;
