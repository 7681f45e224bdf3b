//! The file: its tables, its version, and how an older version becomes the present one.
//!
//! A person with `sqlite3` can read it: words for kinds and operations, JSON for bodies, milliseconds since 1970 for
//! times.

use std::path::Path;

use hostler_model::InstallationId;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use uuid::Uuid;

use super::failure;
use super::open::not_a_store;
use crate::types::{HistoryId, StoreError};

/// "Hstl": what `file` and SQLite's header call ours.
const APPLICATION_ID: i64 = 0x4873_746c;

/// How many bits of a place in history the ordinal takes; the revision stands above them. 2^20 changes in one commit
/// are far more than any batch makes, and 2^43 revisions are 5,000 a second for 50,000 years.
pub(super) const ORDINAL_BITS: u32 = 20;

/// Script n makes version n+1 of version n. A script, once released, never changes: another one is added.
const SCRIPTS: &[&str] = &[include_str!("version-1.sql")];

/// Makes the file one of the present version: a new one is filled, an older one migrated, each in one transaction.
pub(super) fn prepare(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    migrate(db, path, SCRIPTS)
}

fn migrate(db: &mut Connection, path: &Path, scripts: &[&str]) -> Result<(), StoreError> {
    let known = i64::try_from(scripts.len()).unwrap_or(i64::MAX);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    let found = check(&tx, path, known)?;
    for script in scripts.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(script).map_err(failure)?;
    }
    if found == 0 {
        begin(&tx)?;
    }
    if found < known {
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(failure)?;
        tx.pragma_update(None, "user_version", known).map_err(failure)?;
    }
    tx.commit().map_err(failure)
}

/// The version of a file that this program can use; 0 for an empty one.
fn check(db: &Connection, path: &Path, known: i64) -> Result<i64, StoreError> {
    let number = |name: &str| {
        let value = db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(|error| not_a_store(path, error))
    };
    let found = number("user_version")?;
    let other = |cause: &str| StoreError::NotAStore { path: path.to_owned(), cause: cause.to_owned() };
    match number("application_id")? {
        APPLICATION_ID if found > known => Err(StoreError::Newer { path: path.to_owned(), found, known }),
        APPLICATION_ID if found > 0 => Ok(found),
        0 if found == 0 && is_empty(db)? => Ok(0),
        _ => Err(other("it is a database of another program")),
    }
}

/// Refuses a file that is no store, or a newer one; an empty one too. For files that are only read.
pub(super) fn check_existing(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let known = i64::try_from(SCRIPTS.len()).unwrap_or(i64::MAX);
    match check(db, path, known)? {
        0 => Err(StoreError::NotAStore { path: path.to_owned(), cause: "it is empty".to_owned() }),
        _ => Ok(()),
    }
}

fn is_empty(db: &Connection) -> Result<bool, StoreError> {
    let table = db.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()));
    table.optional().map(|found| found.is_none()).map_err(failure)
}

fn begin(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let installation = InstallationId(random_uuid(tx)?);
    let history = random_history(tx)?;
    tx.execute(
        "INSERT INTO meta (one, installation, history) VALUES (1, ?1, ?2)",
        (installation.to_string(), history.to_string()),
    )
    .map_err(failure)?;
    Ok(())
}

/// SQLite's own generator, seeded by the system: unique, which is all that these ids have to be.
fn random_uuid(db: &Connection) -> Result<Uuid, StoreError> {
    let bytes: [u8; 16] = db.query_row("SELECT randomblob(16)", [], |row| row.get(0)).map_err(failure)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// The id of another history.
pub(super) fn random_history(db: &Connection) -> Result<HistoryId, StoreError> {
    let bytes: [u8; 8] = db.query_row("SELECT randomblob(8)", [], |row| row.get(0)).map_err(failure)?;
    Ok(HistoryId(u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(db: &Connection) -> i64 {
        db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_file_is_migrated_and_keeps_what_it_holds() {
        let mut db = Connection::open_in_memory().unwrap();
        let path = Path::new("store.db");
        prepare(&mut db, path).unwrap();
        let before: String = db.query_row("SELECT installation FROM meta", [], |row| row.get(0)).unwrap();
        let scripts = [SCRIPTS, &["ALTER TABLE meta ADD COLUMN mood TEXT NOT NULL DEFAULT 'good'"]].concat();
        migrate(&mut db, path, &scripts).unwrap();
        assert_eq!(version(&db), i64::try_from(scripts.len()).unwrap());
        let after = db.query_row("SELECT installation, mood FROM meta", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        assert_eq!(after.unwrap(), (before, "good".to_owned()));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let mut db = Connection::open_in_memory().unwrap();
        let path = Path::new("store.db");
        prepare(&mut db, path).unwrap();
        let scripts = [SCRIPTS, &["ALTER TABLE meta ADD COLUMN mood TEXT; DROP TABLE nothing"]].concat();
        assert!(migrate(&mut db, path, &scripts).is_err());
        assert_eq!(version(&db), i64::try_from(SCRIPTS.len()).unwrap());
        assert!(db.execute_batch("SELECT mood FROM meta").is_err());
    }
}
