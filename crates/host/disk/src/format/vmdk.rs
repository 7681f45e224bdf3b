//! VMDK: hosted sparse files (also stream optimised), and descriptors, which are text that names the files
//! with the data. Written from VMware's *Virtual Disk Format 5.0* and from what QEMU accepts.

use super::bytes::{Bytes, le16, le32, le64};
use super::{Backing, Format, Image};
use crate::rejected::{Rejected, shown};

const SECTOR: u64 = 512;
/// A descriptor is a page of text; QEMU reads 20 KiB of one inside a sparse file.
const DESCRIPTOR_LIMIT: u64 = 64 << 10;
/// The directory is behind the data, its place in a footer.
const AT_END: u64 = u64::MAX;
/// How many grain tables are looked at from either end: 2 KiB each, for 32 MiB of disk each.
const TABLES: usize = 512;

pub(super) fn is_descriptor(head: &[u8]) -> bool {
    let text = head.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty());
    text.is_some_and(|line| line.trim_ascii().starts_with(b"# Disk DescriptorFile"))
}

pub(super) fn read(bytes: &Bytes<'_>, head: &[u8]) -> Result<Image, Rejected> {
    if head.starts_with(b"COWD") {
        return Err(Rejected::UnsupportedFeature {
            format: Format::Vmdk,
            what: "the old COWD layout".into(),
        });
    }
    if head.starts_with(b"KDMV") {
        return sparse(bytes, head);
    }
    if bytes.len > DESCRIPTOR_LIMIT {
        return Err(damaged("its descriptor is far too long"));
    }
    described(&bytes.at(Format::Vmdk, "the descriptor", 0, bytes.len as usize)?)
}

fn sparse(bytes: &Bytes<'_>, head: &[u8]) -> Result<Image, Rejected> {
    if head.len() < 512 {
        return Err(truncated("the header is incomplete"));
    }
    let version = le32(head, 4);
    if !(1..=3).contains(&version) {
        return Err(Rejected::UnsupportedFeature {
            format: Format::Vmdk,
            what: format!("version {version}"),
        });
    }
    let capacity = le64(head, 12);
    let (descriptor_at, descriptor_len) = (le64(head, 28), le64(head, 36));
    let descriptor = if descriptor_at == 0 || descriptor_len == 0 {
        Vec::new()
    } else {
        let (at, len) = (descriptor_at.saturating_mul(SECTOR), descriptor_len.saturating_mul(SECTOR));
        if len > DESCRIPTOR_LIMIT {
            return Err(damaged("its descriptor is far too long"));
        }
        bytes.at(Format::Vmdk, "the descriptor", at, len as usize)?
    };
    // QEMU takes a sparse file without capacity for its embedded descriptor, so the files that names count.
    if capacity == 0 {
        return described(&descriptor);
    }
    let mut image = Image::new(Format::Vmdk, capacity.saturating_mul(SECTOR));
    image.backing = text(&descriptor).parent;
    image.dirty = head.get(72).is_some_and(|b| *b != 0);
    if image.virtual_size_bytes > super::MAX_VIRTUAL_BYTES {
        return Err(Rejected::TooLarge { bytes: image.virtual_size_bytes, limit: super::MAX_VIRTUAL_BYTES });
    }

    let footer;
    let header = if le64(head, 56) == AT_END {
        // Footer marker, footer and end-of-stream marker are the last three sectors.
        let at = bytes.len.checked_sub(2 * SECTOR).ok_or_else(|| truncated("the footer is missing"))?;
        footer = bytes.at(Format::Vmdk, "the footer", at, SECTOR as usize)?;
        if !footer.starts_with(b"KDMV") {
            return Err(truncated("the footer at its end is missing"));
        }
        if le64(&footer, 12) != capacity || le64(&footer, 20) != le64(head, 20) {
            return Err(damaged("its footer and its header differ"));
        }
        footer.as_slice()
    } else {
        head
    };
    directory(bytes, header, capacity)?;
    Ok(image)
}

/// The grain directory and the tables it points to are within the file.
fn directory(bytes: &Bytes<'_>, header: &[u8], capacity: u64) -> Result<(), Rejected> {
    let (grain, entries) = (le64(header, 20), u64::from(le32(header, 44)));
    if !(1..=0x0020_0000).contains(&grain) || !(1..=512).contains(&entries) {
        return Err(damaged("its grain size is impossible"));
    }
    if le16(header, 77) > 1 {
        return Err(Rejected::UnsupportedFeature {
            format: Format::Vmdk,
            what: "an unknown compression".into(),
        });
    }
    let tables = capacity.div_ceil(grain * entries);
    let at = le64(header, 56).saturating_mul(SECTOR);
    if tables.saturating_mul(4) > 32 << 20 {
        return Err(damaged("its grain directory is larger than any disk needs"));
    }
    if at.checked_add(tables * 4).is_none_or(|end| end > bytes.len) {
        return Err(truncated("the grain directory is not in the file"));
    }
    let look = bytes.at(Format::Vmdk, "the grain directory", at, (tables * 4).min(1 << 20) as usize)?;
    // A zero means that the whole stretch is unused, one that it reads as zeroes.
    let places = look.chunks_exact(4).map(|e| u64::from(le32(e, 0)) * SECTOR).filter(|place| *place > SECTOR);
    let places: Vec<u64> = places.collect();
    if places.iter().any(|place| place + entries * 4 > bytes.len) {
        return Err(truncated("its grain directory points behind its end"));
    }
    // Some files end with their data: the first and the last tables tell whether it is there.
    let both_ends = places.iter().take(TABLES).chain(places.iter().rev().take(TABLES));
    for place in both_ends {
        let table = bytes.at(Format::Vmdk, "a grain table", *place, (entries * 4) as usize)?;
        if table.chunks_exact(4).any(|grain| u64::from(le32(grain, 0)) * SECTOR >= bytes.len) {
            return Err(truncated("its data lies behind its end"));
        }
    }
    Ok(())
}

/// An image that is a descriptor: its size is the sum of its extents.
fn described(descriptor: &[u8]) -> Result<Image, Rejected> {
    let text = text(descriptor);
    if text.sectors == 0 {
        return Err(damaged("its descriptor names no extents"));
    }
    if let Some(kind) = text.unknown {
        return Err(Rejected::UnsupportedFeature {
            format: Format::Vmdk,
            what: shown(&format!("extents of type {kind}")),
        });
    }
    let mut image = Image::new(Format::Vmdk, text.sectors.saturating_mul(SECTOR));
    image.backing = text.parent;
    image.data_files = text.files;
    Ok(image)
}

#[derive(Default)]
struct Text {
    parent: Option<Backing>,
    sectors: u64,
    files: Vec<String>,
    unknown: Option<String>,
}

/// Reads a descriptor's lines: `RW 2048 SPARSE "name" …` and `parentFileNameHint="name"`.
fn text(descriptor: &[u8]) -> Text {
    let end = descriptor.iter().position(|b| *b == 0).unwrap_or(descriptor.len());
    let whole = String::from_utf8_lossy(descriptor.get(..end).unwrap_or_default());
    let mut read = Text::default();
    for line in whole.lines() {
        // QEMU looks for the hint anywhere, whatever the parent's identifier says.
        if let Some((_, rest)) = line.split_once("parentFileNameHint=\"") {
            let name = rest.split('"').next().unwrap_or_default().to_owned();
            read.parent = Some(Backing { name, format: Some("vmdk".into()) });
        }
        let mut words = line.split_whitespace();
        let access = words.next().unwrap_or_default();
        if !matches!(access, "RW" | "RDONLY" | "NOACCESS") {
            continue;
        }
        let sectors = words.next().and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
        let kind = words.next().unwrap_or_default();
        read.sectors = read.sectors.saturating_add(sectors);
        match kind {
            "ZERO" => continue,
            "SPARSE" | "FLAT" | "VMFS" | "VMFSSPARSE" | "SESPARSE" => {}
            other => read.unknown = Some(other.to_owned()),
        }
        read.files.push(line.split('"').nth(1).unwrap_or("(not named)").to_owned());
    }
    read
}

fn damaged(what: &str) -> Rejected {
    Rejected::Damaged { format: Format::Vmdk, what: what.into() }
}

fn truncated(what: &str) -> Rejected {
    Rejected::Truncated { format: Format::Vmdk, what: what.into() }
}
