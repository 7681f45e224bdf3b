//! Objects, revisions, feed, history: the one place where what Hostler knows becomes durable.
//!
//! A commit is one transaction and one revision; when [`Store::commit`] has returned its revision, no crash and no
//! loss of power takes it back. Two stores keep the same promises and pass one suite: [`SqliteStore`] for servers and
//! [`MemoryStore`] for the simulator.
//!
//! Called by `drive` (loads and commits), `server` (readers, backup, pruning) and `sim`. What it must not do: decide
//! anything, read a clock, start a thread, know tokio, or show what a secret holds in feed or history.

mod diff;
mod memory;
mod sqlite;
mod types;

pub use memory::{Fault, MemoryStore};
pub use sqlite::{SqliteStore, backup, restore};
pub use types::{
    As, BackupProgress, Commit, Counters, Cursor, EndedJob, Event, FeedPage, HistoryId, JobFilter, Loaded,
    Op, PropertyChange, Pruned, Retention, Revision, StoreError, Stored,
};

use std::sync::Arc;

use hostler_model::job::Job;
use hostler_model::{JobId, Key};

/// What keeps objects. One at a time may write; readers are made by [`Store::reader`].
pub trait Store: Send {
    /// Everything that a starting engine needs. After a commit whose result was unknown this first finds out what
    /// became of it, and makes that durable.
    ///
    /// # Errors
    /// When the store cannot be read, or an object in it is not what its kind is.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Raises the epoch by one, durably, and returns it: once for each start of a deciding server.
    ///
    /// # Errors
    /// When it could not be made durable.
    fn begin_epoch(&mut self) -> Result<u32, StoreError>;

    /// Raises the epoch above one that an agent has seen, which shows that this store is older than the fleet: also
    /// sets the mark of a restore and begins another history. The caller loads again.
    ///
    /// # Errors
    /// When it could not be made durable.
    fn raise_epoch_above(&mut self, seen: u32) -> Result<u32, StoreError>;

    /// Makes a set of changes durable, all of them or none, and returns their revision.
    ///
    /// # Errors
    /// Whatever the error, the caller drops what it decided and loads again. Only with [`StoreError::Unknown`] may
    /// the changes have been kept.
    fn commit(&mut self, commit: &Commit) -> Result<Revision, StoreError>;

    /// A reader with a connection of its own, for other threads. It sees committed states only, each read one state.
    ///
    /// # Errors
    /// When the store cannot be opened once more.
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;

    /// Drops what is older than is kept, a bounded bite at a time: called again while [`Pruned::more`].
    ///
    /// # Errors
    /// When it could not be made durable.
    fn prune(&mut self, retention: &Retention) -> Result<Pruned, StoreError>;
}

/// Reads committed states.
pub trait Reader: Send {
    /// Where the feed stands: the newest revision of the present history.
    ///
    /// # Errors
    /// When the store cannot be read. So for every other function here.
    fn head(&mut self) -> Result<Cursor, StoreError>;

    /// An object as it is now, also an ended job.
    ///
    /// # Errors
    /// As for [`Reader::head`].
    fn object(&mut self, key: Key) -> Result<Option<Stored>, StoreError>;

    /// What happened after a cursor, oldest first: whole commits, so that it ends with the first one that reaches
    /// `limit` events.
    ///
    /// # Errors
    /// [`StoreError::FeedGone`] when the cursor is older than what is kept, ahead of it, or of another history.
    fn feed(&mut self, after: Cursor, limit: usize) -> Result<FeedPage, StoreError>;

    /// The versions of an object, newest first; those before a revision when one is given.
    ///
    /// # Errors
    /// As for [`Reader::head`].
    fn history(&mut self, key: Key, before: Option<Revision>, limit: usize)
    -> Result<Vec<Event>, StoreError>;

    /// An object as it was; none when it was not there, or is a secret.
    ///
    /// # Errors
    /// [`StoreError::HistoryGone`] when that is longer ago than history is kept.
    fn as_of(&mut self, key: Key, when: As) -> Result<Option<Stored>, StoreError>;

    /// Jobs, open and ended, the newest first. The next page is had with `before` as the last one's id.
    ///
    /// # Errors
    /// As for [`Reader::head`].
    fn jobs(&mut self, filter: &JobFilter, limit: usize) -> Result<Vec<Stored<Arc<Job>>>, StoreError>;

    /// A job.
    ///
    /// # Errors
    /// As for [`Reader::head`].
    fn job(&mut self, id: JobId) -> Result<Option<Stored<Arc<Job>>>, StoreError>;

    /// What a job changed in other objects, property by property, in the order in which it happened.
    ///
    /// # Errors
    /// As for [`Reader::head`].
    fn changes_of_job(&mut self, job: JobId) -> Result<Vec<PropertyChange>, StoreError>;
}
