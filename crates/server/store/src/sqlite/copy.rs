//! Backup while the server works, and restore while it does not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::schema::random_history;
use super::{failure, open, read};
use crate::types::{BackupProgress, Cursor, StoreError};

/// Pages copied between two reports: 4 MiB.
const BITE_PAGES: i32 = 1_000;

/// Copies a committed state of the store into a new file, while commits go on, and says which. `progress` is called
/// after each bite.
///
/// # Errors
/// When `to` exists, or cannot be written; what was begun is removed.
pub fn backup(
    store: &Path,
    to: &Path,
    progress: &mut dyn FnMut(BackupProgress),
) -> Result<Cursor, StoreError> {
    refuse_existing(to)?;
    let part = open::beside(to, ".part");
    let from = open::reader(store, None)?;
    let copied = copy_into(&from, &part, progress);
    finish(copied, &part, to)
}

/// Puts a backup in a store's place, while no server has it. The store begins another history and a higher epoch,
/// and bears the mark of a restore. What was there before is kept beside it under the name returned.
///
/// # Errors
/// [`StoreError::Locked`] while a server has the store, [`StoreError::Newer`] and [`StoreError::NotAStore`] for the
/// backup. The store is then as it was.
pub fn restore(backup: &Path, store: &Path) -> Result<Option<PathBuf>, StoreError> {
    let _lock = open::lock(store)?;
    let from = open::reader(backup, None)?;
    let part = open::beside(store, ".restoring");
    let before = counts_of(store);
    let copied = copy_into(&from, &part, &mut |_| ()).and_then(|_| begin_again(&part, before));
    if let Err(error) = copied {
        remove(&part);
        return Err(error);
    }
    let kept = keep_replaced(store)?;
    fs::rename(&part, store).map_err(|error| open::io_failure(store, &error))?;
    open::sync_folder(store)?;
    Ok(kept)
}

fn refuse_existing(to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        let error = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(open::io_failure(to, &error));
    }
    Ok(())
}

/// Copies what one read transaction sees: without it, each commit would make the copy begin again.
fn copy_into(
    from: &Connection,
    part: &Path,
    progress: &mut dyn FnMut(BackupProgress),
) -> Result<Cursor, StoreError> {
    remove(part);
    open::make_file(part)?;
    let snapshot = from.unchecked_transaction().map_err(failure)?;
    let head = read::head(&snapshot)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut to = Connection::open_with_flags(part, flags).map_err(failure)?;
    {
        let copy = Backup::new(&snapshot, &mut to).map_err(failure)?;
        while step(&copy)? {
            let at = copy.progress();
            let (of, left) = (u64::try_from(at.pagecount), u64::try_from(at.remaining));
            let (of, left) = (of.unwrap_or(0), left.unwrap_or(0));
            progress(BackupProgress { done: of.saturating_sub(left), of });
        }
    }
    // One file without a log beside it, written and synced.
    to.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(failure)?;
    Ok(head)
}

fn step(copy: &Backup<'_, '_>) -> Result<bool, StoreError> {
    match copy.step(BITE_PAGES).map_err(failure)? {
        StepResult::Done => Ok(false),
        StepResult::More => Ok(true),
        _ => Err(StoreError::Failed { cause: "the copy is locked".to_owned() }),
    }
}

fn finish(copied: Result<Cursor, StoreError>, part: &Path, to: &Path) -> Result<Cursor, StoreError> {
    let named = copied.and_then(|head| {
        fs::rename(part, to).map_err(|error| open::io_failure(to, &error))?;
        open::sync_folder(to)?;
        Ok(head)
    });
    if named.is_err() {
        remove(part);
    }
    named
}

/// Removes a file that may not be there.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// The epoch and the next job of the store that is replaced, where it can still be read: numbers that agents and
/// people have seen are not given twice.
fn counts_of(store: &Path) -> (i64, i64) {
    let counts = |db: Connection| {
        db.query_row("SELECT epoch, next_job FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    };
    Some(store)
        .filter(|path| path.exists())
        .and_then(|path| open::reader(path, None).ok())
        .and_then(counts)
        .unwrap_or((0, 1))
}

fn begin_again(part: &Path, (epoch, next_job): (i64, i64)) -> Result<(), StoreError> {
    let db = open::writer(part, None)?;
    let problem: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failure)?;
    if problem != "ok" {
        return Err(StoreError::NotAStore { path: part.to_owned(), cause: problem });
    }
    let history = random_history(&db)?;
    db.execute(
        "UPDATE meta SET history = ?1, restored = 1, epoch = max(epoch, ?2) + 1, next_job = max(next_job, ?3)",
        (history.to_string(), epoch, next_job),
    )
    .map_err(failure)?;
    // Closing the last connection writes the log into the file and removes it; a failure shows in the mode.
    db.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(failure)
}

/// Gives what is replaced another name beside the store, with its log, and leaves the store itself in place: the
/// rename that follows is the one moment at which the one becomes the other.
fn keep_replaced(store: &Path) -> Result<Option<PathBuf>, StoreError> {
    if !store.exists() {
        return Ok(None);
    }
    let free = |n: &u32| !open::beside(store, &format!(".replaced-{n}")).exists();
    let n = (1..=u32::MAX).find(free).unwrap_or(u32::MAX);
    let kept = open::beside(store, &format!(".replaced-{n}"));
    // A log that is still there could not be written into its file when that was closed.
    for suffix in ["-wal", ""] {
        let (old, new) = (open::beside(store, suffix), open::beside(&kept, suffix));
        if old.exists() {
            fs::hard_link(&old, &new).map_err(|error| open::io_failure(&new, &error))?;
        }
    }
    for suffix in ["-wal", "-shm"] {
        remove(&open::beside(store, suffix));
    }
    Ok(Some(kept))
}
