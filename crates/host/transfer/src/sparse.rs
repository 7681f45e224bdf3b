//! Files with holes: what of a file is data and what is not, and writing it down again as it was. Blocking.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

/// The largest piece of data that travels as one, in bytes.
pub(crate) const PIECE_BYTES: u64 = 256 * 1024;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Bytes that are there; at most [`PIECE_BYTES`].
    Data(u64),
    /// Bytes that were never written, and read as zeroes.
    Hole(u64),
}

/// What stands at `at` in a file of this size; none at its end.
pub(crate) fn span(file: &File, at: u64, size: u64) -> io::Result<Option<Span>> {
    if at >= size {
        return Ok(None);
    }
    let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.min(size),
        // Nothing but a hole to the end.
        Err(Errno::NXIO) => size,
        // A file system that knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
        Err(why) => return Err(why.into()),
    };
    if data > at {
        return Ok(Some(Span::Hole(data - at)));
    }
    let hole = match rustix::fs::seek(file, SeekFrom::Hole(at)) {
        Ok(hole) => hole.clamp(at + 1, size),
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NXIO) => size,
        Err(why) => return Err(why.into()),
    };
    Ok(Some(Span::Data((hole - at).min(PIECE_BYTES))))
}

/// SHA-256 of the first `size` bytes, holes as zeroes. `go_on` is told how far it is, and says whether to go on; when
/// not, there is no digest.
pub(crate) fn digest(
    file: &File,
    size: u64,
    mut go_on: impl FnMut(u64) -> bool,
) -> io::Result<Option<String>> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES as usize];
    let zeroes = vec![0; PIECE_BYTES as usize];
    let mut at = 0;
    while let Some(span) = span(file, at, size)? {
        match span {
            Span::Data(length) => {
                let piece = &mut piece[..length as usize];
                file.read_exact_at(piece, at)?;
                hash.update(piece);
                at += length;
            }
            Span::Hole(length) => {
                let mut left = length;
                while left > 0 {
                    let some = left.min(PIECE_BYTES);
                    hash.update(&zeroes[..some as usize]);
                    left -= some;
                    at += some;
                    if !go_on(at) {
                        return Ok(None);
                    }
                }
            }
        }
        if !go_on(at) {
            return Ok(None);
        }
    }
    Ok(Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_told_from_data_and_counts_as_zeroes_in_the_digest() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"data", 1 << 20).unwrap();
        file.set_len(3 << 20).unwrap();
        assert_eq!(span(&file, 0, 3 << 20).unwrap(), Some(Span::Hole(1 << 20)));
        assert!(matches!(span(&file, 1 << 20, 3 << 20).unwrap(), Some(Span::Data(_))));
        assert_eq!(span(&file, 3 << 20, 3 << 20).unwrap(), None);
        let plain = tempfile::tempfile().unwrap();
        let mut bytes = vec![0_u8; 3 << 20];
        bytes[1 << 20..][..4].copy_from_slice(b"data");
        plain.write_all_at(&bytes, 0).unwrap();
        let of = |file: &File| digest(file, 3 << 20, |_| true).unwrap().unwrap();
        assert_eq!(of(&file), of(&plain));
        assert_eq!(digest(&file, 3 << 20, |_| false).unwrap(), None);
    }
}
