//! A log that is written to by somebody else, read on as it grows: also when it is emptied, or put aside and begun anew.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// How often it is looked although nothing tells of a change: the log's folder may not be there yet.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A log and the place up to which it was read.
pub(super) struct Tail {
    path: PathBuf,
    open: Option<File>,
    /// What has taken its place at the path; the open one is read to its end first.
    next: Option<File>,
    notices: Receiver,
    /// What was rotated out of the log and comes before it.
    before: Vec<u8>,
}

impl Tail {
    /// Reads from the last `most_bytes` of what is there on.
    pub(super) fn of_last(path: &Path, most_bytes: u64) -> io::Result<Self> {
        let mut tail = Self::new(path)?;
        if let Some(file) = &mut tail.open {
            let bytes = file.metadata()?.len();
            file.seek(SeekFrom::Start(bytes.saturating_sub(most_bytes)))?;
            if bytes < most_bytes {
                tail.before = rotated(path, most_bytes - bytes)?;
            }
        }
        Ok(tail)
    }

    /// Reads what is written from now on.
    pub(super) fn of_next(path: &Path) -> io::Result<Self> {
        let mut tail = Self::new(path)?;
        if let Some(file) = &mut tail.open {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(tail)
    }

    fn new(path: &Path) -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let notices = Receiver::from_file_unchecked(File::from(queue))?;
        let mut tail = Self { path: path.to_owned(), open: None, next: None, notices, before: Vec::new() };
        tail.watch_folder();
        tail.find_next()?;
        tail.open = tail.next.take();
        Ok(tail)
    }

    /// The next bytes, waiting until there are some. Safe to drop while it waits.
    pub(super) async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.before.is_empty() {
                let some = self.before.len().min(into.len());
                into[..some].copy_from_slice(&self.before[..some]);
                self.before.drain(..some);
                return Ok(some);
            }
            // From the cache of the system: what a guest writes to a serial port is small and new.
            let some = match &mut self.open {
                Some(file) => file.read(into)?,
                None => 0,
            };
            if some > 0 {
                return Ok(some);
            }
            if let Some(next) = self.next.take() {
                self.open = Some(next);
            } else if !self.emptied()? && !self.find_next()? {
                self.noticed().await?;
            }
        }
    }

    /// Whether the log was emptied; it is then read from its beginning.
    fn emptied(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.open else { return Ok(false) };
        if file.metadata()?.len() >= file.stream_position()? {
            return Ok(false);
        }
        file.rewind()?;
        Ok(true)
    }

    /// Opens what lies at the log's path where that is another file than the open one.
    fn find_next(&mut self) -> io::Result<bool> {
        let there = match fs::metadata(&self.path) {
            Ok(there) => there,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(why) => return Err(why),
        };
        let same = |open: Metadata| open.ino() == there.ino() && open.dev() == there.dev();
        if self.open.as_ref().and_then(|file| file.metadata().ok()).is_some_and(same) {
            return Ok(false);
        }
        let file = File::open(&self.path)?;
        // By the descriptor: what lies at the path may be yet another file by now.
        let this = format!("/proc/self/fd/{}", file.as_raw_fd());
        inotify::add_watch(&self.notices, this, WatchFlags::MODIFY | WatchFlags::ATTRIB)?;
        self.next = Some(file);
        Ok(true)
    }

    /// Where it cannot be watched, it is looked at every now and then.
    fn watch_folder(&self) {
        if let Some(folder) = self.path.parent() {
            let _ = inotify::add_watch(&self.notices, folder, WatchFlags::CREATE | WatchFlags::MOVED_TO);
        }
    }

    async fn noticed(&mut self) -> io::Result<()> {
        // What is told does not matter: it is looked at anyway.
        let mut told = [0; 4096];
        match tokio::time::timeout(LOOK_EVERY, self.notices.read(&mut told)).await {
            Ok(read) => read.map(drop),
            Err(_) => {
                self.watch_folder();
                Ok(())
            }
        }
    }
}

/// The last of what libvirt's log daemon has rotated out of a log.
fn rotated(log: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let older = PathBuf::from(format!("{}.0", log.display()));
    let file = match File::open(older) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(why),
    };
    let bytes = file.metadata()?.len();
    let wanted = bytes.min(most_bytes);
    let mut last = vec![0; usize::try_from(wanted).map_err(io::Error::other)?];
    file.read_exact_at(&mut last, bytes - wanted)?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    async fn next(tail: &mut Tail) -> String {
        let mut part = [0; 64];
        let some = tokio::time::timeout(Duration::from_secs(30), tail.read(&mut part)).await;
        String::from_utf8(part[..some.expect("something is read").unwrap()].to_vec()).unwrap()
    }

    fn append(path: &Path, text: &str) {
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    #[tokio::test]
    async fn what_was_written_is_read_and_then_what_is_written_through_a_rotation_and_an_emptying() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("serial.log");
        append(&log, "boot");
        let mut tail = Tail::of_last(&log, 3).unwrap();
        assert_eq!(next(&mut tail).await, "oot");
        append(&log, " more");
        assert_eq!(next(&mut tail).await, " more");

        // The last of the old file is read before the new one.
        append(&log, " last");
        fs::rename(&log, folder.path().join("serial.log.0")).unwrap();
        append(&log, "new");
        assert_eq!(next(&mut tail).await, " last");
        assert_eq!(next(&mut tail).await, "new");

        File::create(&log).unwrap();
        append(&log, "a");
        assert_eq!(next(&mut tail).await, "a");
    }

    #[tokio::test]
    async fn a_log_that_is_not_there_is_waited_for_and_one_that_was_put_aside_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("serial.log");
        let mut tail = Tail::of_next(&log).unwrap();
        append(&log, "first");
        assert_eq!(next(&mut tail).await, "first");

        let mut tail = Tail::of_next(&log).unwrap();
        let waiting = tokio::spawn(async move { next(&mut tail).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        fs::rename(&log, folder.path().join("serial.log.before")).unwrap();
        append(&log, "since power-on");
        assert_eq!(waiting.await.unwrap(), "since power-on");
    }

    #[tokio::test]
    async fn what_was_rotated_out_comes_first_as_far_as_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("serial.log");
        append(&folder.path().join("serial.log.0"), "old and ");
        append(&log, "new");
        let mut tail = Tail::of_last(&log, 7).unwrap();
        assert_eq!((next(&mut tail).await, next(&mut tail).await), ("and ".into(), "new".into()));
    }
}
