//! The journal on disk: the core's entries in their order, durable before the core is told so.
//!
//! One SQLite file, WAL with full synchronisation: what was said to be durable survives the loss of power. A thread
//! writes; entries that wait are committed together.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hostler_agent_core::JournalEntry;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// "HOST": tells our file from any other SQLite file.
const APPLICATION: i64 = 0x484f_5354;
/// The version of the file's layout. Entries have their own way of being read by other versions.
const VERSION: i64 = 1;
/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It was written by a newer agent.
    #[error(
        "{path}: the journal was written by a newer agent (layout {found}, this one knows {VERSION}); install that version"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout's version.
        found: i64,
    },
    /// It is damaged, or no journal.
    #[error(
        "{path}: the journal is damaged: {cause}. Move it (with its -wal file) aside and start the agent again: \
         the server then looks up what was under way"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// It cannot be opened or written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// A journal's file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    db: Connection,
}

impl Journal {
    /// Opens the journal, or makes it, and reads its entries.
    ///
    /// # Errors
    /// See [`JournalError`]; a journal that cannot be read whole is not read at all.
    pub fn open(path: &Path) -> Result<(Self, Vec<JournalEntry>), JournalError> {
        // It holds commands as they came, seeds included: nobody else reads it. SQLite's other files take its rights.
        let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        made.map_err(|why| JournalError::File { path: path.into(), cause: why.to_string() })?;
        let judged = |why: rusqlite::Error| judged(path, &why);
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(judged)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(judged)?;
        let number =
            |db: &Connection, name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let tables = "SELECT count(*) FROM sqlite_schema";
        if db.query_row(tables, [], |row| row.get::<_, i64>(0)).map_err(judged)? == 0 {
            db.execute_batch(&format!(
                "BEGIN; CREATE TABLE entry (place INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
                 PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            ))
            .map_err(judged)?;
        }
        if number(&db, "application_id").map_err(judged)? != APPLICATION {
            return Err(JournalError::Damaged { path: path.into(), cause: "it is another program's".into() });
        }
        let found = number(&db, "user_version").map_err(judged)?;
        if found > VERSION {
            return Err(JournalError::Newer { path: path.into(), found });
        }
        let well: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(judged)?;
        if well != "ok" {
            return Err(JournalError::Damaged { path: path.into(), cause: well });
        }
        db.pragma_update(None, "journal_mode", "WAL").map_err(judged)?;
        // With less a power loss forgets intents that commands have acted on.
        db.pragma_update(None, "synchronous", "FULL").map_err(judged)?;
        let journal = Self { path: path.into(), db };
        let entries = journal.entries()?;
        Ok((journal, entries))
    }

    fn entries(&self) -> Result<Vec<JournalEntry>, JournalError> {
        let judged = |why: rusqlite::Error| judged(&self.path, &why);
        let mut all = self.db.prepare("SELECT place, body FROM entry ORDER BY place").map_err(judged)?;
        let rows =
            all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).map_err(judged)?;
        let mut entries = Vec::new();
        for row in rows {
            let (place, body) = row.map_err(judged)?;
            entries.push(serde_json::from_str(&body).map_err(|why| JournalError::Damaged {
                path: self.path.clone(),
                cause: format!("entry {place}: {why}"),
            })?);
        }
        Ok(entries)
    }

    /// Adds entries; they are durable when this returns.
    ///
    /// # Errors
    /// The file system refuses; none was added.
    pub fn append(&mut self, entries: &[JournalEntry]) -> Result<(), JournalError> {
        self.write(false, entries)
    }

    /// Puts these entries in place of all others, durably and at once.
    ///
    /// # Errors
    /// The file system refuses; the old ones stand.
    pub fn replace(&mut self, entries: &[JournalEntry]) -> Result<(), JournalError> {
        self.write(true, entries)
    }

    fn write(&mut self, instead: bool, entries: &[JournalEntry]) -> Result<(), JournalError> {
        let write = |db: &mut Connection| -> rusqlite::Result<()> {
            let all = db.transaction()?;
            if instead {
                all.execute("DELETE FROM entry", [])?;
            }
            {
                let mut add = all.prepare_cached("INSERT INTO entry (body) VALUES (?1)")?;
                for entry in entries {
                    let body = serde_json::to_string(entry)
                        .map_err(|why| rusqlite::Error::ToSqlConversionFailure(Box::new(why)))?;
                    add.execute([body])?;
                }
            }
            all.commit()
        };
        write(&mut self.db).map_err(|why| judged(&self.path, &why))
    }
}

fn judged(path: &Path, why: &rusqlite::Error) -> JournalError {
    let (path, cause) = (path.to_path_buf(), why.to_string());
    match why.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => JournalError::Damaged { path, cause },
        _ => JournalError::File { path, cause },
    }
}

/// A journal in memory, for simulated hosts: a clone is another handle on it, and it outlives the agents that use it.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal(Arc<Mutex<Vec<JournalEntry>>>);

impl MemoryJournal {
    /// What it holds.
    pub fn entries(&self) -> Vec<JournalEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where the journal is kept.
#[derive(Debug)]
pub enum Keep {
    /// In this file.
    File(PathBuf),
    /// In memory.
    Memory(MemoryJournal),
}

/// Writes the journal.
pub(crate) enum Writer {
    File { orders: mpsc::Sender<Order>, thread: Option<JoinHandle<()>> },
    Memory { journal: MemoryJournal, written: u64 },
}

/// What is to be written, and the position that is durable with it.
pub(crate) struct Order {
    position: u64,
    what: What,
}

enum What {
    Append(JournalEntry),
    Replace(Vec<JournalEntry>),
}

impl Writer {
    /// Opens the journal and begins to write; `synced` is called from the writing thread.
    pub(crate) fn open(
        keep: Keep,
        synced: impl Fn(u64) + Send + 'static,
    ) -> Result<(Self, Vec<JournalEntry>), JournalError> {
        match keep {
            Keep::Memory(journal) => {
                let entries = journal.entries();
                Ok((Writer::Memory { journal, written: 0 }, entries))
            }
            Keep::File(path) => {
                let (journal, entries) = Journal::open(&path)?;
                let (orders, waiting) = mpsc::channel();
                let thread = thread::Builder::new()
                    .name("journal".into())
                    .spawn(move || write(journal, &waiting, &synced))
                    .map_err(|why| JournalError::File { path, cause: why.to_string() })?;
                Ok((Writer::File { orders, thread: Some(thread) }, entries))
            }
        }
    }

    pub(crate) fn append(&mut self, position: u64, entry: JournalEntry) {
        self.order(Order { position, what: What::Append(entry) });
    }

    /// `position` is that of the newest entry written before.
    pub(crate) fn replace(&mut self, position: u64, entries: Vec<JournalEntry>) {
        self.order(Order { position, what: What::Replace(entries) });
    }

    fn order(&mut self, order: Order) {
        match self {
            // The thread ends only after this sender.
            Writer::File { orders, .. } => drop(orders.send(order)),
            Writer::Memory { journal, written } => {
                let mut entries = journal.0.lock().unwrap_or_else(PoisonError::into_inner);
                *written = order.position;
                match order.what {
                    What::Append(entry) => entries.push(entry),
                    What::Replace(all) => *entries = all,
                }
            }
        }
    }

    /// The newest durable position, where it is known at once.
    pub(crate) fn synced(&self) -> Option<u64> {
        match self {
            Writer::File { .. } => None,
            Writer::Memory { written, .. } => Some(*written),
        }
    }

    /// Waits until all is written and closes the file.
    pub(crate) fn close(self) {
        if let Writer::File { orders, thread } = self {
            drop(orders);
            // A panic in it was logged where it happened.
            thread.map(JoinHandle::join);
        }
    }
}

/// What goes into one commit.
#[derive(Default)]
struct Batch {
    entries: Vec<JournalEntry>,
    instead: bool,
    position: u64,
}

impl Batch {
    fn take(&mut self, order: Order) {
        self.position = order.position;
        match order.what {
            What::Append(entry) => self.entries.push(entry),
            What::Replace(all) => (self.entries, self.instead) = (all, true),
        }
    }
}

/// The writing thread: everything that waits goes into one commit.
fn write(mut journal: Journal, orders: &mpsc::Receiver<Order>, synced: &impl Fn(u64)) {
    while let Ok(first) = orders.recv() {
        let mut batch = Batch::default();
        batch.take(first);
        let mut tries = 0;
        loop {
            orders.try_iter().for_each(|order| batch.take(order));
            match journal.write(batch.instead, &batch.entries) {
                Ok(()) => break synced(batch.position),
                // Until it succeeds nothing is durable, and so nothing begins.
                Err(why) => {
                    tracing::error!(%why, "the journal cannot be written: no step begins until it can")
                }
            }
            tries += 1;
            match orders.recv_timeout(RETRY) {
                Ok(order) => batch.take(order),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                // Whoever closes it does not wait for ever for a full disk.
                Err(mpsc::RecvTimeoutError::Disconnected) if tries > 2 => return,
                Err(mpsc::RecvTimeoutError::Disconnected) => thread::sleep(RETRY),
            }
        }
    }
}
