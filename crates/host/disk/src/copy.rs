//! Copying an image so that its holes stay holes: shared blocks where the file system can, else by the
//! kernel, else by hand.

use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::beneath::open_regular;
use crate::error::Error;
use crate::mark::Stamp;
use crate::part::Part;

/// Told how many bytes are done and how many there are; `Break` stops the work.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// How much is done between two looks at the progress function, bytes: a stop is heard within some
/// hundredths of a second on ordinary disks, and the calls cost nothing.
const CHUNK: usize = 4 << 20;
/// Zeroes of at least this length, aligned, are not written when copying by hand, bytes.
const ZEROES: usize = 64 << 10;

/// Copies an image byte for byte, holes kept, to a file that must not exist. Rights 0600.
///
/// Until it is whole the copy is called `<name>.part-<mark>`; it appears under its name with its mark on
/// it, or not at all. The source is read as it is: an image that a guest is writing to cannot be copied so.
///
/// # Errors
/// [`Error::Exists`], [`Error::Stopped`], [`Error::Full`], [`Error::SourceChanged`], [`Error::Rejected`]
/// for a source that is not an ordinary file, [`Error::Io`].
pub fn sparse_copy(from: &Path, to: &Path, stamp: &Stamp, progress: &mut Progress<'_>) -> Result<(), Error> {
    let source = open_regular(from).map_err(|why| Error::Rejected { path: from.to_path_buf(), why })?;
    let part = Part::begin(to, stamp)?;
    let len = state(&source, from)?.0;
    plain_copy((&source, from), (&part.file, to), len, progress)?;
    part.publish(to, 0o600)
}

/// Copies all of `source` into the empty `target`. `total` is what progress counts towards.
pub(crate) fn plain_copy(
    (source, from): (&File, &Path),
    (target, to): (&File, &Path),
    total: u64,
    progress: &mut Progress<'_>,
) -> Result<(), Error> {
    let before = state(source, from)?;
    progressed(progress, 0, total)?;
    if rustix::fs::ioctl_ficlone(target, source).is_err() {
        let mut copying = Copying { source, from, target, to, by_kernel: true };
        copying.all(before.0, total, progress)?;
    }
    if state(source, from)? != before {
        return Err(Error::SourceChanged { path: from.to_path_buf() });
    }
    progressed(progress, before.0, total)
}

/// Copies and hashes in one pass; the digest is of all bytes of `source`, holes as the zeroes they are.
///
/// `total` is what progress counts towards; this is its first part.
pub(crate) fn hashed_copy(
    (source, from): (&File, &Path),
    (target, to): (&File, &Path),
    total: u64,
    progress: &mut Progress<'_>,
) -> Result<[u8; 32], Error> {
    let before = state(source, from)?;
    let len = before.0;
    // With shared blocks, the copy is read: what was hashed is then what was kept.
    let cloned = rustix::fs::ioctl_ficlone(target, source).is_ok();
    let (read, name) = if cloned { (target, to) } else { (source, from) };
    let mut copying = Copying { source, from, target, to, by_kernel: false };
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let zeroes = vec![0; CHUNK];
    let mut at = 0;
    while at < len {
        let (data, end) = next_data(read, at, len).map_err(|e| Error::io("read", name, e))?;
        while at < data {
            let count = (data - at).min(CHUNK as u64);
            hash.update(zeroes.get(..count as usize).unwrap_or_default());
            at += count;
            progressed(progress, at, total)?;
        }
        while at < end {
            let count = (end - at).min(CHUNK as u64) as usize;
            let piece = buffer.get_mut(..count).unwrap_or_default();
            read.read_exact_at(piece, at).map_err(|e| copying.read_failed(e))?;
            hash.update(&*piece);
            if !cloned {
                copying.write(piece, at)?;
            }
            at += count as u64;
            progressed(progress, at, total)?;
        }
    }
    target.set_len(len).map_err(|e| Error::io("write", to, e))?;
    if state(source, from)? != before {
        return Err(Error::SourceChanged { path: from.to_path_buf() });
    }
    Ok(hash.finalize().into())
}

pub(crate) fn progressed(progress: &mut Progress<'_>, done: u64, total: u64) -> Result<(), Error> {
    match progress(done, total) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}

/// Length in bytes and the time of the last change.
fn state(file: &File, path: &Path) -> Result<(u64, i64, i64), Error> {
    let metadata = file.metadata().map_err(|e| Error::io("look at", path, e))?;
    Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// The next stretch of data at or after `at`: from, to. Without data, both are `len`.
fn next_data(file: &File, at: u64, len: u64) -> Result<(u64, u64), Errno> {
    let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.min(len),
        Err(Errno::NXIO) => return Ok((len, len)),
        // A file system that knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok((at, len)),
        Err(e) => return Err(e),
    };
    let hole = rustix::fs::seek(file, SeekFrom::Hole(data))?;
    Ok((data, hole.min(len)))
}

struct Copying<'a> {
    source: &'a File,
    from: &'a Path,
    target: &'a File,
    to: &'a Path,
    by_kernel: bool,
}

impl Copying<'_> {
    fn all(&mut self, len: u64, total: u64, progress: &mut Progress<'_>) -> Result<(), Error> {
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < len {
            let (data, end) = next_data(self.source, at, len).map_err(|e| Error::io("read", self.from, e))?;
            at = data;
            while at < end {
                let count = (end - at).min(CHUNK as u64) as usize;
                at += self.piece(at, count, &mut buffer)?;
                progressed(progress, at, total)?;
            }
            progressed(progress, at, total)?;
        }
        self.target.set_len(len).map_err(|e| Error::io("write", self.to, e))
    }

    /// Copies up to `count` bytes at `at`; how many it were.
    fn piece(&mut self, at: u64, count: usize, buffer: &mut Vec<u8>) -> Result<u64, Error> {
        if self.by_kernel {
            let (mut from, mut to) = (at, at);
            match rustix::fs::copy_file_range(self.source, Some(&mut from), self.target, Some(&mut to), count)
            {
                Ok(0) => return Err(Error::SourceChanged { path: self.from.to_path_buf() }),
                Ok(copied) => return Ok(copied as u64),
                Err(Errno::INTR) => return Ok(0),
                // Other file system, or one that cannot.
                Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                    self.by_kernel = false;
                }
                Err(e) => return Err(Error::io("write", self.to, e)),
            }
        }
        buffer.resize(count, 0);
        self.source.read_exact_at(buffer, at).map_err(|e| self.read_failed(e))?;
        self.write(buffer, at)?;
        Ok(count as u64)
    }

    fn write(&mut self, piece: &[u8], at: u64) -> Result<(), Error> {
        let mut offset = at;
        for block in piece.chunks(ZEROES) {
            if block.iter().any(|b| *b != 0) {
                self.target.write_all_at(block, offset).map_err(|e| Error::io("write", self.to, e))?;
            }
            offset += block.len() as u64;
        }
        Ok(())
    }

    fn read_failed(&self, error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::SourceChanged { path: self.from.to_path_buf() },
            _ => Error::io("read", self.from, error),
        }
    }
}
