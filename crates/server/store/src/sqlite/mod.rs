//! The store of servers: one SQLite file, WAL with `synchronous=FULL`, one transaction a commit.
//!
//! `NORMAL` would forget acknowledged commits when power is lost; the suite shows that. A lock file beside the store
//! keeps a second server out, while readers and a backup open it as they like.

mod copy;
mod open;
mod prune;
mod read;
mod schema;
mod write;

pub use copy::{backup, restore};

use std::fs::File;
use std::path::{Path, PathBuf};

use hostler_model::{Key, Kind, Object};
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, Row};

use crate::types::{Commit, Loaded, Place, Pruned, Retention, Revision, StoreError};
use crate::{Reader, Store};

/// The store in a file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    vfs: Option<String>,
    db: Connection,
    /// The result of a commit is unknown: nothing is written before [`Store::load`] has found out.
    in_doubt: bool,
    /// Held as long as this store may write.
    _lock: File,
}

impl SqliteStore {
    /// Opens the store in a file; makes it, and its folder, where there is none. What an ended process left in the
    /// log, and perhaps never synced, is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another server has it, [`StoreError::Newer`], [`StoreError::NotAStore`], or what
    /// the system says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_through(path, None)
    }

    /// The same through a VFS that was registered with SQLite under this name: for tests that lose power.
    ///
    /// # Errors
    /// As for [`SqliteStore::open`].
    pub fn open_through(path: &Path, vfs: Option<&str>) -> Result<Self, StoreError> {
        let lock = open::lock(path)?;
        open::make_file(path)?;
        let db = open::writer(path, vfs)?;
        Ok(Self { path: path.to_owned(), vfs: vfs.map(str::to_owned), db, in_doubt: false, _lock: lock })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection, unless a commit is in doubt.
    fn writable(&mut self) -> Result<&mut Connection, StoreError> {
        if self.in_doubt {
            return Err(StoreError::Unknown {
                cause: "an earlier commit is in doubt until the store is loaded again".to_owned(),
            });
        }
        Ok(&mut self.db)
    }

    /// Ends a doubt: reads the file anew, as after a crash, and makes durable what is found.
    fn find_out(&mut self) -> Result<(), StoreError> {
        // The old connection is closed first: as long as it lives, the new one would believe what it believes.
        let nothing = Connection::open_in_memory().map_err(failure)?;
        drop(std::mem::replace(&mut self.db, nothing));
        self.db = open::writer(&self.path, self.vfs.as_deref())?;
        self.in_doubt = false;
        Ok(())
    }

    /// After a failed write that may be repeated: the file is read anew before the next one.
    fn doubt_after_failure<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.in_doubt |= matches!(result, Err(StoreError::Failed { .. }));
        result
    }

    /// What becomes of a commit whose last statement failed. It is unknown only as long as the file cannot be read.
    fn after_failed_commit(&mut self, error: StoreError, revision: Revision) -> Result<Revision, StoreError> {
        if matches!(error, StoreError::Full { .. }) && self.db.is_autocommit() {
            // The record that ends a transaction in the log is its last write, and it did not fit.
            return Err(error);
        }
        self.in_doubt = true;
        let found = self.find_out().and_then(|()| read::head(&self.db));
        match found {
            Ok(head) if head.revision == revision => Ok(revision),
            Ok(_) => Err(error),
            Err(_) => {
                self.in_doubt = true;
                Err(StoreError::Unknown { cause: error.to_string() })
            }
        }
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        if self.in_doubt {
            self.find_out()?;
        }
        read::load(&mut self.db)
    }

    fn begin_epoch(&mut self) -> Result<u32, StoreError> {
        let raised = write::begin_epoch(self.writable()?);
        self.doubt_after_failure(raised)
    }

    fn raise_epoch_above(&mut self, seen: u32) -> Result<u32, StoreError> {
        let raised = write::raise_epoch_above(self.writable()?, seen);
        self.doubt_after_failure(raised)
    }

    fn commit(&mut self, commit: &Commit) -> Result<Revision, StoreError> {
        match write::commit(self.writable()?, commit) {
            Ok(revision) => Ok(revision),
            Err(write::CommitError::Clean(error)) => Err(error),
            Err(write::CommitError::AtTheEnd(error, revision)) => self.after_failed_commit(error, revision),
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(read::SqliteReader::open(&self.path, self.vfs.as_deref())?))
    }

    fn prune(&mut self, retention: &Retention) -> Result<Pruned, StoreError> {
        let pruned = prune::prune(self.writable()?, retention);
        self.doubt_after_failure(pruned)
    }
}

/// What an error of SQLite means.
fn failure(error: rusqlite::Error) -> StoreError {
    let cause = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { cause },
        _ => StoreError::Failed { cause },
    }
}

/// A number as SQLite keeps it.
fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is never negative, out of a column.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|found| u64::try_from(found).unwrap_or(0))
}

/// A place in history as its number in the file: it orders by revision, then ordinal.
fn place_number(place: Place) -> i64 {
    let revision = sql(place.0.0).min(i64::MAX >> schema::ORDINAL_BITS);
    (revision << schema::ORDINAL_BITS) | i64::from(place.1)
}

/// The place that a number means.
fn place_of(number: i64) -> Place {
    let ordinal = number & ((1 << schema::ORDINAL_BITS) - 1);
    let revision = number >> schema::ORDINAL_BITS;
    (Revision(u64::try_from(revision).unwrap_or(0)), u32::try_from(ordinal).unwrap_or(0))
}

/// A text of ours out of a column, read as what it is.
fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|_| {
        let cause = format!("\"{text}\" is not expected there");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, cause.into())
    })
}

/// The object of a body.
fn object(kind: Kind, id: &str, body: &str) -> Result<Object, StoreError> {
    Object::read(kind, body).map_err(|error| unreadable(kind, id, &error))
}

/// The key of a kind and an id as they are in the file.
fn key(kind: Kind, id: &str) -> Result<Key, StoreError> {
    Key::read(kind, id).ok_or_else(|| unreadable(kind, id, &"it has no such id"))
}

fn unreadable(kind: Kind, id: &str, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable { kind, id: id.to_owned(), cause: cause.to_string() }
}
