//! VHD: fixed, dynamic, differencing. The footer at the end is the truth; dynamic ones repeat it in front.
//! Written from Microsoft's *Virtual Hard Disk Image Format Specification*.

use super::bytes::{Bytes, be32, be64, utf16};
use super::{Backing, Format, Image};
use crate::rejected::Rejected;

const COOKIE: &[u8] = b"conectix";
const FOOTER: usize = 512;

pub(super) fn is_one(bytes: &Bytes<'_>, head: &[u8]) -> Result<bool, Rejected> {
    if head.starts_with(COOKIE) {
        return Ok(true);
    }
    let Some(at) = bytes.len.checked_sub(FOOTER as u64) else { return Ok(false) };
    Ok(bytes.at(Format::Vhd, "the footer", at, COOKIE.len())? == COOKIE)
}

pub(super) fn read(bytes: &Bytes<'_>, head: &[u8]) -> Result<Image, Rejected> {
    let at = bytes.len.saturating_sub(FOOTER as u64);
    let footer = bytes.at(Format::Vhd, "the footer", at, FOOTER.min(bytes.len as usize))?;
    if !footer.starts_with(COOKIE) || footer.len() < FOOTER {
        return Err(truncated("the footer at its end is missing"));
    }
    if !sum_is_right(&footer, 64) {
        return Err(damaged("the checksum of its footer is wrong"));
    }
    let size = be64(&footer, 48);
    let mut image = Image::new(Format::Vhd, size);
    match be32(&footer, 60) {
        2 => {
            // A file that begins as a dynamic one and ends as a fixed one means different disks to different readers.
            if head.starts_with(COOKIE) && bytes.len > FOOTER as u64 {
                return Err(damaged("it is a dynamic disk in front and a fixed one at its end"));
            }
            if size > at {
                return Err(truncated("its content is shorter than its size"));
            }
        }
        kind @ (3 | 4) => {
            if head != footer.as_slice() {
                return Err(damaged("the copy of its footer in front differs"));
            }
            let header = dynamic(bytes, be64(&footer, 16), size)?;
            if kind == 4 {
                image.backing = Some(parent(bytes, &header)?);
            }
        }
        other => {
            return Err(Rejected::UnsupportedFeature {
                format: Format::Vhd,
                what: format!("disk type {other}"),
            });
        }
    }
    Ok(image)
}

fn dynamic(bytes: &Bytes<'_>, offset: u64, size: u64) -> Result<Vec<u8>, Rejected> {
    let header = bytes.at(Format::Vhd, "the dynamic disk header", offset, 1024)?;
    if !header.starts_with(b"cxsparse") {
        return Err(damaged("its dynamic disk header is missing"));
    }
    if !sum_is_right(&header, 36) {
        return Err(damaged("the checksum of its dynamic disk header is wrong"));
    }
    let (table, entries, block) = (be64(&header, 16), be32(&header, 28), be32(&header, 32));
    if block < 512 || !block.is_power_of_two() {
        return Err(damaged("its block size is impossible"));
    }
    if u64::from(entries) * u64::from(block) < size {
        return Err(damaged("its block table is too small for its size"));
    }
    let table_bytes = u64::from(entries) * 4;
    if table.checked_add(table_bytes).is_none_or(|end| end > bytes.len) {
        return Err(truncated("the block table is not in the file"));
    }
    let look = bytes.at(Format::Vhd, "the block table", table, table_bytes.min(1 << 20) as usize)?;
    let sectors = bytes.len / 512;
    let beyond = |entry: &[u8]| be32(entry, 0) != u32::MAX && u64::from(be32(entry, 0)) >= sectors;
    if look.chunks_exact(4).any(beyond) {
        return Err(truncated("its block table points behind its end"));
    }
    Ok(header)
}

/// The parent: the relative locator if there is one, else the name in the header.
fn parent(bytes: &Bytes<'_>, header: &[u8]) -> Result<Backing, Rejected> {
    let mut name = utf16(header.get(64..576).unwrap_or_default(), true);
    for locator in header.get(576..768).unwrap_or_default().chunks_exact(24) {
        if locator.starts_with(b"W2ru") {
            let (len, at) = (be32(locator, 8), be64(locator, 16));
            if len > 4096 {
                return Err(damaged("the name of its parent is too long"));
            }
            name = utf16(&bytes.at(Format::Vhd, "the name of its parent", at, len as usize)?, false);
        }
    }
    Ok(Backing { name: name.replace('\\', "/"), format: Some("vpc".into()) })
}

/// The sum is the complement of all bytes but itself.
fn sum_is_right(block: &[u8], at: usize) -> bool {
    let outside = |(i, b): (usize, &u8)| if (at..at + 4).contains(&i) { 0 } else { u32::from(*b) };
    !block.iter().enumerate().map(outside).sum::<u32>() == be32(block, at)
}

fn damaged(what: &str) -> Rejected {
    Rejected::Damaged { format: Format::Vhd, what: what.into() }
}

fn truncated(what: &str) -> Rejected {
    Rejected::Truncated { format: Format::Vhd, what: what.into() }
}
