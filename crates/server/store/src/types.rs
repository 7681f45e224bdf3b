//! What goes into a store and comes out of it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hostler_model::access::Actor;
use hostler_model::job::{Job, JobKind, JobState};
use hostler_model::{Change, InstallationId, JobId, Key, Kind, Ms, Object, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long the idempotency key of an ended job is remembered.
pub(crate) const KEY_LIFE_MS: Ms = 24 * 3600 * 1000;

/// A commit, counted from 1 without gaps; 0 is the empty store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The one after it.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Where a version stands in history: its commit, and its ordinal within that.
pub(crate) type Place = (Revision, u32);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One line of revisions, at random: a restored store begins another, so that no revision means two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryId(pub u64);

impl fmt::Display for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for HistoryId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 16 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

/// A place in the feed, and the version of an object (its ETag): written `<history>-<revision>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The history in which the revision has its meaning.
    pub history: HistoryId,
    /// The revision.
    pub revision: Revision,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.history, self.revision)
    }
}

impl FromStr for Cursor {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (history, revision) = text.split_once('-')?;
            if !revision.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            Some(Self { history: history.parse().ok()?, revision: Revision(revision.parse().ok()?) })
        };
        read().ok_or_else(|| format!("\"{text}\" is not a place in the feed"))
    }
}

/// What is counted over the life of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The number of the next job.
    pub next_job: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self { next_job: 1 }
    }
}

/// A set of changes to make durable together.
#[derive(Clone, Debug)]
pub struct Commit {
    /// When it was decided.
    pub at: Timestamp,
    /// The changes, in order. One object may change more than once, each time under another job.
    pub changes: Vec<Change>,
    /// The counters as they are from now on.
    pub counters: Counters,
    /// Takes the mark of a restore away: for the commit that ends the jobs which were open when the backup was made.
    pub settles_restore: bool,
}

/// Something with the revision at which it last changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T = Object> {
    /// The commit that last changed it.
    pub revision: Revision,
    /// What it is.
    pub object: T,
}

/// The key under which a job was asked that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedJob {
    /// The job.
    pub id: JobId,
    /// The caller's idempotency key.
    pub key: String,
    /// Whose key it is.
    pub actor: Actor,
    /// When the job ended.
    pub ended: Timestamp,
}

/// Everything that a starting engine needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The installation, drawn when the store was made.
    pub installation: InstallationId,
    /// The newest revision, in its history.
    pub head: Cursor,
    /// When the newest commit was decided; 1970 for an empty store.
    pub at: Timestamp,
    /// The present epoch; 0 before the first.
    pub epoch: u32,
    /// The counters.
    pub counters: Counters,
    /// Whether the store was restored from a backup, or found to be older than the fleet: what is unfinished is to be
    /// ended without undo, by a commit that [settles](Commit::settles_restore) it.
    pub restored: bool,
    /// Every live object by key, without ended jobs.
    pub objects: Vec<Stored>,
    /// The keys of jobs that ended in the 24 hours before the newest commit, by id.
    pub ended: Vec<EndedJob>,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// It is new or changed.
    Put,
    /// It is gone.
    Gone,
}

/// One change, as it is in feed and history.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The commit.
    pub revision: Revision,
    /// Its place within the commit, from 0.
    pub ordinal: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// Which object.
    pub key: Key,
    /// What happened.
    pub op: Op,
    /// Under which job.
    pub job: Option<JobId>,
    /// Who caused it.
    pub actor: Actor,
    /// The object from then on; none when it is gone, or a secret.
    pub object: Option<Object>,
}

/// Events in order.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedPage {
    /// The events of whole commits, oldest first.
    pub events: Vec<Event>,
    /// Where to go on.
    pub next: Cursor,
    /// The newest revision there was while this was read.
    pub head: Revision,
}

/// A point in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// After this commit.
    Of(Revision),
    /// At this time.
    At(Timestamp),
}

/// Which jobs. What is empty or none lets all through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFilter {
    /// Any of these states.
    pub states: Vec<JobState>,
    /// Any of these kinds.
    pub kinds: Vec<JobKind>,
    /// About this object, among others.
    pub about: Option<Key>,
    /// Asked by this actor; users are compared by id.
    pub actor: Option<Actor>,
    /// With this text in what it is about, in capitals or not.
    pub text: Option<String>,
    /// Asked at this time or later.
    pub from: Option<Timestamp>,
    /// Asked before this time.
    pub until: Option<Timestamp>,
    /// Older than this job.
    pub before: Option<JobId>,
}

impl JobFilter {
    /// Whether a job is one of them.
    pub fn lets_through(&self, job: &Job) -> bool {
        (self.states.is_empty() || self.states.contains(&job.state))
            && (self.kinds.is_empty() || self.kinds.contains(&job.kind))
            && self.about.is_none_or(|key| job.about.contains(&key))
            && self.actor.as_ref().is_none_or(|actor| actor_word(actor) == actor_word(&job.actor))
            && self.text.as_ref().is_none_or(|text| folded(&job.title).contains(&folded(text)))
            && self.from.is_none_or(|from| job.created >= from)
            && self.until.is_none_or(|until| job.created < until)
            && self.before.is_none_or(|before| job.id < before)
    }
}

/// What texts are compared by in filters.
pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// What actors are compared by in filters.
pub(crate) fn actor_word(actor: &Actor) -> String {
    match actor {
        Actor::User { id, .. } => format!("user/{id}"),
        Actor::Agent { id, .. } => format!("agent/{id}"),
        Actor::Refresher => "refresher".to_owned(),
        Actor::System => "system".to_owned(),
    }
}

/// A property that a job changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PropertyChange {
    /// Of which object.
    pub key: Key,
    /// The property as a path of names, `spec.hardware.memory_mib`; empty for an object that was made or is gone.
    pub property: String,
    /// Its value before; null when there was none.
    pub before: Value,
    /// Its value after; null when there is none.
    pub after: Value,
}

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The feed can be resumed from here on.
    pub feed_from: Timestamp,
    /// History and ended jobs are kept from here on.
    pub history_from: Timestamp,
    /// How many rows one call looks at, at most. More holds commits up for longer (about 10 µs a row).
    pub rows: u32,
}

/// What pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many versions and jobs were dropped.
    pub dropped: u64,
    /// Whether there is more to do.
    pub more: bool,
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages copied.
    pub done: u64,
    /// Pages in all, as known now.
    pub of: u64,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("{} is in use by another server", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A newer Hostler has written it.
    #[error(
        "{} was written by a newer Hostler (its version is {found}, this one knows up to {known}): install that one, \
         or restore a backup made before the upgrade", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// It is something else.
    #[error("{} is not a store of Hostler: {cause}", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What speaks against it.
        cause: String,
    },
    /// No space is left. Nothing was changed.
    #[error("no space is left for the store: {cause}")]
    Full {
        /// What was reported.
        cause: String,
    },
    /// It failed, and nothing was changed.
    #[error("the store failed: {cause}")]
    Failed {
        /// What was reported.
        cause: String,
    },
    /// It failed so that the changes may have been kept or not: only loading again tells.
    #[error("it is not known whether the store kept a change: {cause}")]
    Unknown {
        /// What was reported.
        cause: String,
    },
    /// An object in it is not what its kind is.
    #[error("{kind} {id} in the store cannot be read: {cause}", kind = kind.word())]
    Unreadable {
        /// The kind.
        kind: Kind,
        /// Its id.
        id: String,
        /// What speaks against it.
        cause: String,
    },
    /// The feed cannot be resumed there: read everything anew, then follow from the head.
    #[error("the feed cannot be resumed there; it is kept from {oldest}")]
    FeedGone {
        /// The oldest place from which it can be.
        oldest: Cursor,
    },
    /// History is not kept for so long.
    #[error("history is kept from {from} only")]
    HistoryGone {
        /// Since when.
        from: Timestamp,
    },
}
