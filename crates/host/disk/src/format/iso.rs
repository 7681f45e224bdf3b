//! Optical discs: ISO 9660, or UDF behind the same kind of descriptor.

use super::bytes::{Bytes, le32};
use super::{Format, Image};
use crate::rejected::Rejected;

/// The first 16 sectors belong to whoever boots the disc; descriptors follow.
const DESCRIPTORS: u64 = 16 * 2048;

pub(super) fn is_one(bytes: &Bytes<'_>) -> Result<bool, Rejected> {
    let start = bytes.some(Format::Iso, DESCRIPTORS, 6)?;
    Ok(start.get(1..6).is_some_and(|id| id == b"CD001" || id == b"BEA01"))
}

pub(super) fn read(bytes: &Bytes<'_>) -> Result<Image, Rejected> {
    let descriptor = bytes.at(Format::Iso, "the volume descriptor", DESCRIPTORS, 2048)?;
    let primary = descriptor.starts_with(b"\x01CD001");
    if primary {
        let stated = u64::from(le32(&descriptor, 80)) * 2048;
        if stated > bytes.len {
            let what = format!("its volume has {stated} bytes, the file {}", bytes.len);
            return Err(Rejected::Truncated { format: Format::Iso, what });
        }
    }
    Ok(Image::new(Format::Iso, bytes.len))
}
