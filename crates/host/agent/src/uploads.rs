//! Files that arrive in library shares piece by piece. The truth is on this computer's disks alone: the hidden file beside
//! where it will be, and a small file in the state folder that says what it is to become. So nothing is lost with a
//! connection, an agent or a server.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use hostler_disk::{Error, FileIdentity, Rejected, Upload};
use hostler_model::upload::{Arrival, NewUpload, UploadAsk};
use hostler_model::{Code, Ms, Refusal, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::libvirt::told;
use crate::status::now;

/// How many uploads there are at a time on one computer, those that nobody goes on with among them.
const MOST: usize = 64;
/// How long one question may check content: the asker waits, and asks again.
const CHECKING: Duration = Duration::from_secs(8);
/// How much longer is kept what is known of an upload whose share cannot be looked at: 30 days.
const LOST_MS: Ms = 30 * 86_400_000;
/// How much is read at a time for checking.
const CHECKED_BYTES: usize = 1 << 20;
/// How much arrives before it is made durable.
const SYNC_BYTES: u64 = 32 << 20;

/// The uploads of one computer. Calls block.
#[derive(Debug)]
pub struct Uploads {
    /// Where the small files are.
    folder: PathBuf,
    checking: Duration,
    known: Mutex<HashMap<Uuid, Arc<Mutex<Entry>>>>,
}

/// What an upload is to become, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    upload: Uuid,
    folder: String,
    path: String,
    size_bytes: u64,
    sha256: Option<String>,
    begun: Timestamp,
    keep_s: u64,
    /// The hidden file, since it was made.
    device: u64,
    inode: u64,
    finished: Option<Timestamp>,
}

#[derive(Debug)]
struct Entry {
    note: Note,
    upload: Upload,
    /// Counts those who write; only the last of them may.
    turn: u64,
    /// How far the content is checked, and what it comes to.
    checked: (u64, Sha256),
    gone: bool,
}

/// What writes a piece. The one that came last is the only one that may.
#[derive(Debug)]
pub struct Writer {
    uploads: Arc<Uploads>,
    entry: Arc<Mutex<Entry>>,
    file: File,
    turn: u64,
    at: u64,
    unsynced: u64,
}

impl Uploads {
    /// With the small files in this folder, which is made for the first of them.
    pub fn new(folder: PathBuf) -> Self {
        Self::with(folder, CHECKING)
    }

    fn with(folder: PathBuf, checking: Duration) -> Self {
        Self { folder, checking, known: Mutex::default() }
    }

    /// Answers a question about uploads to a share: how the upload stands; nothing once it is removed.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn answer(&self, folder: &str, ask: &UploadAsk) -> Result<Option<Arrival>, Refusal> {
        match ask {
            UploadAsk::Begin { upload, file, keep_s } => self.begin(folder, *upload, file, *keep_s).map(Some),
            UploadAsk::Look { upload } => {
                let entry = self.entry(folder, *upload)?;
                Ok(Some(lock(&entry).arrival()))
            }
            UploadAsk::Finish { upload } => {
                let entry = self.entry(folder, *upload)?;
                let mut entry = lock(&entry);
                self.finish(&mut entry).map(Some)
            }
            UploadAsk::Remove { upload } => {
                let entry = self.entry(folder, *upload)?;
                let mut entry = lock(&entry);
                self.remove(&mut entry).map_err(|why| refused(&entry.note.path, &why))?;
                Ok(None)
            }
            UploadAsk::Unknown => {
                let refusal =
                    Refusal::new(Code::AgentUnsupported, "upload", "this agent does not know the question");
                Err(refusal.remedy("Upgrade the agent"))
            }
        }
    }

    fn begin(&self, folder: &str, upload: Uuid, file: &NewUpload, keep_s: u64) -> Result<Arrival, Refusal> {
        let sha256 = file.sha256.as_ref().map(|sum| sum.to_ascii_lowercase());
        let notes = self.notes();
        if sha256.is_some() {
            let same = notes.iter().find(|note| {
                note.finished.is_none()
                    && (note.folder.as_str(), &note.path) == (folder, &file.path)
                    && (note.size_bytes, &note.sha256) == (file.size_bytes, &sha256)
            });
            if let Some(same) = same
                && let Ok(entry) = self.entry(folder, same.upload)
            {
                return Ok(lock(&entry).arrival());
            }
        }
        if notes.iter().filter(|note| note.finished.is_none()).count() >= MOST {
            let cause = format!("{MOST} uploads are under way on the share's computer");
            let refusal = Refusal::new(Code::TooManyRequests, &file.path, cause);
            return Err(refusal.remedy("Finish or remove some of them, or wait until they are given up"));
        }
        let share = Path::new(folder);
        if !share.is_absolute() || share == Path::new("/") {
            let cause = "a share's folder is an absolute path, not /";
            return Err(Refusal::new(Code::PathForbidden, folder, cause));
        }
        let at = Upload::at(share, &file.path, &upload.simple().to_string())
            .map_err(|why| rejected(&file.path, &why))?;
        let mut note = Note {
            upload,
            folder: folder.to_owned(),
            path: file.path.clone(),
            size_bytes: file.size_bytes,
            sha256,
            begun: now(),
            keep_s,
            device: 0,
            inode: 0,
            finished: None,
        };
        // Written first: a hidden file that nobody knows of would stay for ever.
        self.write(&note)?;
        let made = at.begin(file.size_bytes).map_err(|why| refused(&file.path, &why)).and_then(|made| {
            (note.device, note.inode) = (made.device, made.inode);
            self.write(&note)
        });
        let mut entry = Entry { note, upload: at, turn: 0, checked: (0, Sha256::new()), gone: false };
        if let Err(why) = made {
            // An upload that was never begun leaves nothing; what cannot be removed is tried again by the clock.
            let _ = self.remove(&mut entry);
            return Err(why);
        }
        let arrival = entry.arrival();
        lock(&self.known).insert(upload, Arc::new(Mutex::new(entry)));
        Ok(arrival)
    }

    /// Opens an upload to write a piece of it, of so many bytes. Whoever wrote before it may write no more.
    ///
    /// # Errors
    /// `upload.offset.wrong`, `object.not.found`, `value.invalid` for more than was announced.
    pub fn piece(
        self: &Arc<Self>,
        folder: &str,
        upload: Uuid,
        offset: u64,
        length: u64,
    ) -> Result<Writer, Refusal> {
        let entry = self.entry(folder, upload)?;
        let mut known = lock(&entry);
        let arrival = known.arrival();
        let path = &arrival.path;
        if offset != arrival.received_bytes || arrival.finished {
            let cause = format!(
                "{} bytes have arrived; a piece from {offset} on does not follow",
                arrival.received_bytes
            );
            let refusal = Refusal::new(Code::UploadOffsetWrong, path, cause);
            return Err(refusal.remedy("Ask how far the upload is, and go on from there"));
        }
        if offset.saturating_add(length) > arrival.size_bytes {
            let cause =
                format!("{length} bytes from {offset} on are more than the {} announced", arrival.size_bytes);
            return Err(Refusal::invalid(path, cause));
        }
        let file = known.upload.open().map_err(|why| refused(path, &why))?;
        known.turn += 1;
        let turn = known.turn;
        drop(known);
        Ok(Writer { uploads: Arc::clone(self), entry, file, turn, at: offset, unsynced: 0 })
    }

    fn finish(&self, entry: &mut Entry) -> Result<Arrival, Refusal> {
        let arrival = entry.arrival();
        let (path, size) = (arrival.path.clone(), arrival.size_bytes);
        if arrival.finished {
            return Ok(arrival);
        }
        if arrival.received_bytes != size {
            let cause = format!("{} of {size} bytes have arrived", arrival.received_bytes);
            return Err(
                Refusal::new(Code::UploadIncomplete, path, cause).remedy("Send the rest, then finish it")
            );
        }
        // From here on nobody writes.
        entry.turn += 1;
        if let Some(wanted) = entry.note.sha256.clone() {
            let found = entry.sum(self.checking).map_err(|why| failed(&path, &why))?;
            let Some(found) = found else {
                let cause = format!("{} of {size} bytes are checked", entry.checked.0);
                return Err(Refusal::new(Code::UploadVerifying, path, cause).remedy("Ask again in a second"));
            };
            if found != wanted {
                self.remove(entry).map_err(|why| refused(&path, &why))?;
                let cause = format!("its SHA-256 is {found} and not {wanted}; what arrived was deleted");
                return Err(Refusal::new(Code::UploadSumWrong, path, cause).remedy("Upload the file again"));
            }
        }
        entry.upload.publish().map_err(|why| match why {
            Error::Exists { .. } => exists(&path)
                .remedy("Delete that file on the share's computer and finish again, or remove the upload"),
            why => refused(&path, &why),
        })?;
        entry.note.finished = Some(now());
        // The file is there. Not noted, it is found by its identity.
        if let Err(why) = self.write(&entry.note) {
            tracing::warn!(%why, "the end of an upload cannot be noted");
        }
        Ok(entry.arrival())
    }

    /// Deletes what has arrived, then what is known of it. A file that has its name stays.
    fn remove(&self, entry: &mut Entry) -> Result<(), Error> {
        entry.gone = true;
        entry.turn += 1;
        entry.upload.remove()?;
        let _ = fs::remove_file(self.file(entry.note.upload));
        // A call that holds the entry finds it gone.
        lock(&self.known).remove(&entry.note.upload);
        Ok(())
    }

    /// Gives up what nothing arrived of for longer than it is kept. Called now and then.
    pub fn give_up(&self) {
        self.give_up_at(now());
    }

    fn give_up_at(&self, now: Timestamp) {
        for note in self.notes() {
            let Ok(entry) = self.entry(&note.folder, note.upload) else {
                // Nothing was made, or the share's folder is not there, which may come back.
                if now.since(note.begun) >= note.keep_s * 1_000 + LOST_MS {
                    let _ = fs::remove_file(self.file(note.upload));
                }
                continue;
            };
            let mut entry = lock(&entry);
            if now >= entry.arrival().kept_until {
                let (path, finished) = (entry.note.path.clone(), entry.note.finished.is_some());
                match self.remove(&mut entry) {
                    Ok(()) if finished => {}
                    Ok(()) => tracing::info!(
                        path,
                        folder = note.folder,
                        "an upload was given up: nothing arrived any more"
                    ),
                    Err(why) => tracing::warn!(%why, path, "an upload that was given up cannot be deleted"),
                }
            }
        }
    }

    /// Gives up all that are not finished: what has come of them is deleted.
    pub(crate) fn give_all_up(&self) {
        for note in self.notes().into_iter().filter(|note| note.finished.is_none()) {
            if let Ok(entry) = self.entry(&note.folder, note.upload) {
                let _ = self.remove(&mut lock(&entry));
            }
        }
    }

    /// The upload with this id to this share, as it was last noted.
    fn entry(&self, folder: &str, upload: Uuid) -> Result<Arc<Mutex<Entry>>, Refusal> {
        let absent = || {
            Refusal::new(
                Code::ObjectNotFound,
                "upload",
                "there is no such upload: it was removed, given up, or never begun",
            )
            .remedy("Begin it anew")
        };
        let mut known = lock(&self.known);
        if let Some(entry) = known.get(&upload) {
            let entry = Arc::clone(entry);
            drop(known);
            let is_it = {
                let entry = lock(&entry);
                !entry.gone && entry.note.folder == folder
            };
            return if is_it { Ok(entry) } else { Err(absent()) };
        }
        let note =
            self.read(&self.file(upload)).filter(|note| note.folder == folder && note.upload == upload);
        let note = note.ok_or_else(absent)?;
        let at = Upload::at(Path::new(folder), &note.path, &upload.simple().to_string())
            .map_err(|why| rejected(&note.path, &why))?;
        let entry = Entry { note, upload: at, turn: 0, checked: (0, Sha256::new()), gone: false };
        if entry.upload.arrived().is_none() && !entry.is_published() {
            return Err(absent());
        }
        let entry = Arc::new(Mutex::new(entry));
        known.insert(upload, Arc::clone(&entry));
        Ok(entry)
    }

    fn file(&self, upload: Uuid) -> PathBuf {
        self.folder.join(format!("{}.json", upload.simple()))
    }

    fn read(&self, file: &Path) -> Option<Note> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Everything noted.
    fn notes(&self) -> Vec<Note> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let json = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
        json.filter_map(|file| self.read(&file)).collect()
    }

    /// Writes a note, whole or not at all.
    fn write(&self, note: &Note) -> Result<(), Refusal> {
        let file = self.file(note.upload);
        let beside = file.with_extension("new");
        let write = || -> io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let text = serde_json::to_vec(note)?;
            let mut new = File::create(&beside)?;
            new.write_all(&text)?;
            new.sync_all()?;
            fs::rename(&beside, &file)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|why| match why.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let cause = format!("no space is left in {}", self.folder.display());
                Refusal::new(Code::DiskFull, &note.path, cause).remedy("Free space on that file system")
            }
            _ => failed(&note.path, &why),
        })
    }
}

impl Entry {
    fn arrival(&self) -> Arrival {
        let Note { upload, path, size_bytes, sha256, begun, keep_s, finished, .. } = &self.note;
        let arrived = self.upload.arrived();
        let finished = finished.is_some() || (arrived.is_none() && self.is_published());
        let last = arrived.and_then(|(_, last)| last.duration_since(UNIX_EPOCH).ok());
        let last = last
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .map_or(self.note.finished.unwrap_or(*begun), Timestamp);
        Arrival {
            upload: *upload,
            path: path.clone(),
            size_bytes: *size_bytes,
            received_bytes: if finished { *size_bytes } else { arrived.map_or(0, |(bytes, _)| bytes) },
            sha256: sha256.clone(),
            begun: *begun,
            kept_until: last.max(*begun).plus(keep_s * 1_000),
            finished,
        }
    }

    fn is_published(&self) -> bool {
        let Note { device, inode, .. } = self.note;
        inode != 0 && self.upload.is_published(FileIdentity { device, inode })
    }

    /// What the content comes to; none while there is more to read than the time allows.
    fn sum(&mut self, limit: Duration) -> Result<Option<String>, io::Error> {
        let until = Instant::now() + limit;
        let size = self.note.size_bytes;
        if self.checked.0 < size {
            let file = self.upload.open().map_err(|why| io::Error::other(why.to_string()))?;
            let mut part = vec![0; CHECKED_BYTES];
            while self.checked.0 < size {
                if Instant::now() >= until {
                    return Ok(None);
                }
                let left = usize::try_from(size - self.checked.0).unwrap_or(usize::MAX);
                let part = &mut part[..left.min(CHECKED_BYTES)];
                file.read_exact_at(part, self.checked.0)?;
                self.checked.1.update(&part);
                self.checked.0 += part.len() as u64;
            }
        }
        let sum = self.checked.1.clone().finalize();
        Ok(Some(sum.iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

impl Writer {
    /// Writes what comes next. When the disk is full, nothing of the upload stays.
    ///
    /// # Errors
    /// `disk.full`, `disk.failed`, `object.busy` when somebody else goes on with the upload.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let entry = Arc::clone(&self.entry);
        let mut entry = lock(&entry);
        self.has_turn(&entry)?;
        if let Err(why) = entry.upload.write(&self.file, bytes, self.at) {
            return Err(self.broken(&mut entry, &why));
        }
        // Most come in order and are checked as they come; after a restart it is made up for at the end.
        if entry.note.sha256.is_some() && entry.checked.0 == self.at {
            entry.checked.1.update(bytes);
            entry.checked.0 += bytes.len() as u64;
        }
        self.at += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SYNC_BYTES {
            self.sync(&mut entry)?;
        }
        Ok(())
    }

    /// Makes what came durable, and says how far the upload is.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn end(mut self) -> Result<Arrival, Refusal> {
        let entry = Arc::clone(&self.entry);
        let mut entry = lock(&entry);
        self.has_turn(&entry)?;
        self.sync(&mut entry)?;
        Ok(entry.arrival())
    }

    fn sync(&mut self, entry: &mut Entry) -> Result<(), Refusal> {
        match entry.upload.sync(&self.file) {
            Ok(()) => {
                self.unsynced = 0;
                Ok(())
            }
            Err(why) => Err(self.broken(entry, &why)),
        }
    }

    fn has_turn(&self, entry: &Entry) -> Result<(), Refusal> {
        if entry.turn == self.turn && !entry.gone {
            return Ok(());
        }
        Err(Refusal::new(
            Code::ObjectBusy,
            &entry.note.path,
            "another request goes on with this upload, or has ended it",
        ))
    }

    fn broken(&self, entry: &mut Entry, why: &Error) -> Refusal {
        let refusal = refused(&entry.note.path, why);
        if let Error::Full { .. } = why {
            let _ = self.uploads.remove(entry);
        }
        refusal
    }
}

/// How often is looked for what is to be given up.
const GIVING_UP_EVERY: Duration = Duration::from_secs(600);

/// Gives up now and then what nothing arrives of any more.
pub(crate) async fn giving_up(uploads: Option<Arc<Uploads>>) {
    let Some(uploads) = uploads else { return };
    loop {
        let looked = Arc::clone(&uploads);
        if let Err(why) = spawn_blocking(move || looked.give_up()).await {
            tracing::error!(%why, "the look for uploads to give up broke down");
        }
        tokio::time::sleep(GIVING_UP_EVERY).await;
    }
}

/// The answer to a question about uploads, as bytes.
pub(crate) fn answer(
    uploads: Option<Arc<Uploads>>,
    folder: &str,
    ask: &UploadAsk,
) -> Result<Vec<u8>, Refusal> {
    let Some(uploads) = uploads else { return Err(takes_none()) };
    match uploads.answer(folder, ask)? {
        Some(arrival) => told(&arrival),
        None => Ok(Vec::new()),
    }
}

pub(crate) fn takes_none() -> Refusal {
    Refusal::new(Code::AgentUnsupported, "upload", "the share's computer takes no uploads")
        .remedy("Upload to a share on another computer")
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn exists(path: &str) -> Refusal {
    Refusal::new(Code::LibraryFileExists, path, "a file of this path is in the share already")
}

fn failed(path: &str, why: &io::Error) -> Refusal {
    Refusal::new(Code::DiskFailed, path, why.to_string())
        .remedy("Look at the share's folder and the disk it lies on")
}

/// A path that is none for an upload.
fn rejected(path: &str, why: &Rejected) -> Refusal {
    match why {
        Rejected::LeavesShare => {
            Refusal::new(Code::PathForbidden, path, why.cause()).remedy("Name a path within the share")
        }
        Rejected::Absent => Refusal::invalid(path, "the folder that it is to lie in is not there")
            .remedy("Make the folder on the share's computer, or name another path"),
        Rejected::NameUnfit { .. } => Refusal::invalid(path, why.cause()).remedy("Choose another name"),
        _ => Refusal::new(Code::DiskFailed, path, why.cause()).remedy(why.remedy()),
    }
}

fn refused(path: &str, why: &Error) -> Refusal {
    match why {
        Error::Full { .. } => Refusal::new(
            Code::DiskFull,
            path,
            "the share's file system has no space for it; nothing of it was kept",
        )
        .remedy("Free space there, or upload to another share"),
        Error::Exists { .. } => {
            exists(path).remedy("Choose another path, or delete that file on the share's computer")
        }
        why => Refusal::new(Code::DiskFailed, path, why.to_string()).remedy(why.remedy()),
    }
}

#[cfg(test)]
mod tests;
