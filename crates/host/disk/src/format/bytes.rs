//! Reading a header within bounds: everything an image makes us read comes through here.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::beneath::unreadable;
use crate::format::{Format, READ_LIMIT_BYTES};
use crate::rejected::Rejected;

/// A file seen through a budget. Reading past its end says *truncated*, past the budget *damaged*.
pub(crate) struct Bytes<'a> {
    file: &'a File,
    /// Length of the file when it was opened, bytes.
    pub len: u64,
    read: Cell<u64>,
}

impl<'a> Bytes<'a> {
    pub fn new(file: &'a File, len: u64) -> Self {
        Self { file, len, read: Cell::new(0) }
    }

    /// Bytes read so far.
    #[cfg(test)]
    pub fn read_so_far(&self) -> u64 {
        self.read.get()
    }

    /// Exactly `count` bytes at `offset`.
    pub fn at(&self, format: Format, what: &str, offset: u64, count: usize) -> Result<Vec<u8>, Rejected> {
        let truncated = || Rejected::Truncated { format, what: format!("{what} should be at byte {offset}") };
        let end = offset.checked_add(count as u64).ok_or_else(truncated)?;
        if end > self.len {
            return Err(truncated());
        }
        let total = self.read.get() + count as u64;
        if total > READ_LIMIT_BYTES {
            return Err(Rejected::Damaged {
                format,
                what: format!("{what} is far larger than it should be"),
            });
        }
        self.read.set(total);
        let mut buffer = vec![0; count];
        self.file.read_exact_at(&mut buffer, offset).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => truncated(),
            _ => unreadable(&e),
        })?;
        Ok(buffer)
    }

    /// Up to `count` bytes at `offset`; fewer where the file ends.
    pub fn some(&self, format: Format, offset: u64, count: usize) -> Result<Vec<u8>, Rejected> {
        match self.len.saturating_sub(offset).min(count as u64) as usize {
            0 => Ok(Vec::new()),
            there => self.at(format, "its header", offset, there),
        }
    }
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

// What lies beyond the slice reads as zero: callers have read as much as the format says is there.
pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(chunk(bytes, at))
}
pub(crate) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(chunk(bytes, at))
}
pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(chunk(bytes, at))
}
pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(chunk(bytes, at))
}
pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(chunk(bytes, at))
}

/// UTF-16 text up to its first NUL.
pub(crate) fn utf16(bytes: &[u8], big_endian: bool) -> String {
    let unit = |pair: &[u8]| if big_endian { u16::from_be_bytes(chunk(pair, 0)) } else { le16(pair, 0) };
    let units: Vec<u16> = bytes.chunks_exact(2).map(unit).take_while(|u| *u != 0).collect();
    String::from_utf16_lossy(&units)
}
