//! Opening the file: the lock, the permissions, the connections.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{failure, schema};
use crate::types::StoreError;

/// How many pages the log may have before a commit also writes them into the file. Fewer makes p99 of commits worse,
/// more makes the log larger (16 MiB) and the next start slower.
const CHECKPOINT_PAGES: u32 = 4_000;

/// How long a connection waits for another one of ours. Only an open and a close ever need it.
const BUSY: Duration = Duration::from_secs(5);

/// Room for pages in memory, in KiB, for the writer: the inner pages of all indexes and the leaves written lately. Less
/// reads leaves again, which the system mostly has in memory; more only makes a server that has run for a while larger.
const CACHE_KIB: i64 = 16 * 1024;

pub(super) fn io_failure(path: &Path, error: &io::Error) -> StoreError {
    let cause = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { cause },
        _ => StoreError::Failed { cause },
    }
}

/// A file beside the store.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Keeps every other server out for as long as the file is held.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| io_failure(folder, &error))?;
    }
    let lock_path = beside(path, "-lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock_path)
        .map_err(|error| io_failure(&lock_path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io_failure(&lock_path, &error)),
    }
}

/// Makes the file where there is none, for nobody else to read; SQLite gives its log the same permissions.
pub(super) fn make_file(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    match made {
        Ok(_) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| io_failure(path, &error))
        }
        Err(error) => Err(io_failure(path, &error)),
    }
}

/// Makes names in the folder of a file durable: SQLite does that for its log, not for a new file.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| io_failure(folder, &error))
}

/// The connection that writes.
pub(super) fn writer(path: &Path, vfs: Option<&str>) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = connect(path, vfs, flags)?;
    // FULL, and where the log is first switched on also the removal of the rollback journal: if power is lost and
    // that journal comes back, it empties the file, and the log with all its commits is thrown away.
    db.pragma_update(None, "synchronous", "EXTRA").map_err(|error| not_a_store(path, error))?;
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| not_a_store(path, error))?;
    if mode != "wal" {
        return Err(StoreError::Failed {
            cause: format!(
                "{} is on a file system without shared memory, which the log needs",
                path.display()
            ),
        });
    }
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failure)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failure)?;
    make_log_durable(&db)?;
    schema::prepare(&mut db, path)?;
    Ok(db)
}

/// A process that was killed may have left commits in the log that were written and never synced. Nobody may act on
/// them before they are: writing them into the file syncs both.
fn make_log_durable(db: &Connection) -> Result<(), StoreError> {
    let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(failure)?;
    if busy != 0 {
        return Err(StoreError::Failed { cause: "a reader does not let go of the log".to_owned() });
    }
    Ok(())
}

/// A connection that only reads.
pub(super) fn reader(path: &Path, vfs: Option<&str>) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = connect(path, vfs, flags)?;
    db.pragma_update(None, "query_only", true).map_err(|error| not_a_store(path, error))?;
    schema::check_existing(&db, path)?;
    Ok(db)
}

fn connect(path: &Path, vfs: Option<&str>, flags: OpenFlags) -> Result<Connection, StoreError> {
    let db = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    };
    let db = db.map_err(failure)?;
    db.busy_timeout(BUSY).map_err(failure)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// What an error means when a file is read for the first time.
pub(super) fn not_a_store(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            StoreError::NotAStore { path: path.to_owned(), cause: error.to_string() }
        }
        _ => failure(error),
    }
}
