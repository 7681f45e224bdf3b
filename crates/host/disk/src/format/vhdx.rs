//! VHDX: header, region table, metadata; differencing disks by their parent locator. Written from MS-VHDX.

use super::bytes::{Bytes, le16, le32, le64, utf16};
use super::{Backing, Format, Image};
use crate::rejected::Rejected;

const KIB: u64 = 1024;
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];
/// Metadata tables and items are within the first part of their region.
const METADATA_TABLE: usize = 64 * 1024;

/// In the flags of the file parameters.
const HAS_PARENT: u32 = 2;

// Identifiers as they lie in the file.
const BAT: [u8; 16] = guid(0x2dc2_7766, 0xf623, 0x4200, [0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08]);
const METADATA: [u8; 16] =
    guid(0x8b7c_a206, 0x4790, 0x4b9a, [0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e]);
const FILE_PARAMETERS: [u8; 16] =
    guid(0xcaa1_6737, 0xfa36, 0x4d43, [0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b]);
const VIRTUAL_SIZE: [u8; 16] =
    guid(0x2fa5_4224, 0xcd1b, 0x4876, [0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8]);
const PARENT_LOCATOR: [u8; 16] =
    guid(0xa8d3_5f2d, 0xb30b, 0x454d, [0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c]);

const fn guid(a: u32, b: u16, c: u16, d: [u8; 8]) -> [u8; 16] {
    let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

pub(super) fn read(bytes: &Bytes<'_>) -> Result<Image, Rejected> {
    let dirty = has_log(bytes)?;
    let (metadata, metadata_len) = region(bytes, &METADATA)?;
    let (table, table_len) = region(bytes, &BAT)?;
    for (at, len) in [(metadata, metadata_len), (table, table_len)] {
        if at < 1024 * KIB || at.checked_add(u64::from(len)).is_none_or(|end| end > bytes.len) {
            return Err(truncated("one of its regions is not in the file"));
        }
    }

    let items = bytes.at(Format::Vhdx, "the metadata", metadata, METADATA_TABLE)?;
    if !items.starts_with(b"metadata") {
        return Err(damaged("its metadata table is missing"));
    }
    let parameters = item(bytes, &items, metadata, metadata_len, &FILE_PARAMETERS, 8)?
        .ok_or_else(|| damaged("it does not say its block size"))?;
    let size = item(bytes, &items, metadata, metadata_len, &VIRTUAL_SIZE, 8)?
        .ok_or_else(|| damaged("it does not say its size"))?;
    let (block, flags, size) = (le32(&parameters, 0), le32(&parameters, 4), le64(&size, 0));
    if !(1 << 20..=256 << 20).contains(&block) || !block.is_power_of_two() {
        return Err(damaged("its block size is impossible"));
    }
    if size.div_ceil(u64::from(block)).saturating_mul(8) > u64::from(table_len) {
        return Err(damaged("its block table is too small for its size"));
    }
    let has_parent = flags & HAS_PARENT != 0;
    // Between the blocks of a differencing disk are bitmaps of 1 MiB: as much is certainly there.
    blocks_are_there(bytes, table, table_len, if has_parent { 1 << 20 } else { block })?;

    let mut image = Image::new(Format::Vhdx, size);
    image.dirty = dirty;
    if has_parent {
        let locator = item(bytes, &items, metadata, metadata_len, &PARENT_LOCATOR, 4096)?
            .ok_or_else(|| damaged("it does not say where its parent is"))?;
        image.backing = Some(Backing { name: parent(&locator)?, format: Some("vhdx".into()) });
    }
    Ok(image)
}

/// Whether the newer of the two headers names a log: then the file was not closed properly.
fn has_log(bytes: &Bytes<'_>) -> Result<bool, Rejected> {
    let mut newest: Option<(u64, bool)> = None;
    for at in HEADERS {
        let header = bytes.at(Format::Vhdx, "the header", at, 96)?;
        if header.starts_with(b"head") {
            let sequence = le64(&header, 8);
            let log = header.get(48..64).is_some_and(|guid| guid.iter().any(|b| *b != 0));
            if newest.is_none_or(|(seen, _)| sequence > seen) {
                newest = Some((sequence, log));
            }
        }
    }
    newest.map(|n| n.1).ok_or_else(|| damaged("both of its headers are missing"))
}

/// Place and length of a region, bytes. The first table that is whole counts.
fn region(bytes: &Bytes<'_>, wanted: &[u8; 16]) -> Result<(u64, u32), Rejected> {
    for at in REGION_TABLES {
        // At most 2047 entries fit; real files have two.
        let table = bytes.at(Format::Vhdx, "the region table", at, 4096)?;
        if table.starts_with(b"regi") {
            let entries = (le32(&table, 8) as usize).min(127);
            let found = (0..entries)
                .find_map(|i| table.get(16 + i * 32..48 + i * 32).filter(|e| e.starts_with(wanted)));
            return found
                .map(|entry| (le64(entry, 16), le32(entry, 24)))
                .ok_or_else(|| damaged("one of its regions is not in the region table"));
        }
    }
    Err(damaged("both of its region tables are missing"))
}

/// A metadata item, at most `limit` bytes of it.
fn item(
    bytes: &Bytes<'_>,
    table: &[u8],
    region: u64,
    region_len: u32,
    wanted: &[u8; 16],
    limit: u32,
) -> Result<Option<Vec<u8>>, Rejected> {
    let entries = (le16(table, 10) as usize).min(2047);
    let Some(entry) =
        (0..entries).find_map(|i| table.get(32 + i * 32..64 + i * 32).filter(|e| e.starts_with(wanted)))
    else {
        return Ok(None);
    };
    let (at, len) = (le32(entry, 16), le32(entry, 20));
    if at < METADATA_TABLE as u32 || at.checked_add(len).is_none_or(|end| end > region_len) {
        return Err(damaged("a metadata item is not in its region"));
    }
    Ok(Some(bytes.at(Format::Vhdx, "a metadata item", region + u64::from(at), len.min(limit) as usize)?))
}

fn blocks_are_there(bytes: &Bytes<'_>, table: u64, len: u32, block: u32) -> Result<(), Rejected> {
    let look = bytes.at(Format::Vhdx, "the block table", table, (len as usize).min(1 << 20) & !7)?;
    // The low three bits are the state, 6 and 7 mean that data is there; the place is in MiB.
    let beyond = |entry: &[u8]| {
        let entry = le64(entry, 0);
        entry & 7 >= 6 && (entry >> 20 << 20).saturating_add(u64::from(block)) > bytes.len
    };
    if look.chunks_exact(8).any(beyond) {
        return Err(truncated("its block table points behind its end"));
    }
    Ok(())
}

/// The parent's name: relative where it is given, else the absolute one of the computer it was made on.
fn parent(locator: &[u8]) -> Result<String, Rejected> {
    let text = |at: u32, len: u16| {
        let at = at as usize;
        locator.get(at..at.saturating_add(usize::from(len))).map(|b| utf16(b, false))
    };
    let mut name = None;
    for entry in locator.get(20..).unwrap_or_default().chunks_exact(12).take(usize::from(le16(locator, 18))) {
        let key = text(le32(entry, 0), le16(entry, 8));
        let value = text(le32(entry, 4), le16(entry, 10));
        match key.as_deref() {
            Some("relative_path") => name = value,
            Some("absolute_win32_path") => name = name.or(value),
            _ => {}
        }
    }
    name.map(|n| n.replace('\\', "/")).ok_or_else(|| damaged("it does not say where its parent is"))
}

fn damaged(what: &str) -> Rejected {
    Rejected::Damaged { format: Format::Vhdx, what: what.into() }
}

fn truncated(what: &str) -> Rejected {
    Rejected::Truncated { format: Format::Vhdx, what: what.into() }
}
