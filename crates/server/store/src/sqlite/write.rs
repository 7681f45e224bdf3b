//! Writing: one transaction a commit. Each body is encoded once, for its object and its history.

use hostler_model::job::Job;
use hostler_model::{Change, Object};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::schema::{ORDINAL_BITS, random_history};
use super::{failure, number, place_number, sql, unreadable};
use crate::types::{Commit, Place, Revision, StoreError, actor_word, folded};

/// How a commit can fail.
pub(super) enum CommitError {
    /// Before its end: it was rolled back.
    Clean(StoreError),
    /// While it ended; this would have been its revision.
    AtTheEnd(StoreError, Revision),
}

pub(super) fn commit(db: &mut Connection, commit: &Commit) -> Result<Revision, CommitError> {
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate);
    let tx = begun.map_err(|error| CommitError::Clean(failure(error)))?;
    let revision = fill(&tx, commit).map_err(CommitError::Clean)?;
    tx.commit().map_err(|error| CommitError::AtTheEnd(failure(error), revision))?;
    Ok(revision)
}

fn fill(tx: &Transaction<'_>, commit: &Commit) -> Result<Revision, StoreError> {
    if commit.changes.len() >> ORDINAL_BITS > 0 {
        return Err(StoreError::Failed { cause: "a commit of a million changes".to_owned() });
    }
    let head = tx
        .prepare_cached(
            "UPDATE meta SET revision = revision + 1, at = ?1, next_job = ?2, restored = restored AND NOT ?3
             RETURNING revision",
        )
        .and_then(|mut statement| {
            let given = (commit.at.0, sql(commit.counters.next_job), commit.settles_restore);
            statement.query_row(given, |row| number(row, 0))
        })
        .map_err(failure)?;
    let revision = Revision(head);
    for (ordinal, change) in (0..).zip(&commit.changes) {
        let body = match &change.object {
            Some(object) => Some(body_of(object)?),
            None => None,
        };
        write_object(tx, (revision, ordinal), change, body.as_deref()).map_err(failure)?;
        write_history(tx, (revision, ordinal), commit, change, body.as_deref()).map_err(failure)?;
    }
    Ok(revision)
}

fn body_of(object: &Object) -> Result<String, StoreError> {
    let key = object.key();
    object.body().map_err(|error| unreadable(key.kind(), &key.id(), &error))
}

fn write_object(
    tx: &Transaction<'_>,
    place: Place,
    change: &Change,
    body: Option<&str>,
) -> rusqlite::Result<()> {
    match (&change.object, body) {
        // Its body stands in history.
        (Some(Object::Job(job)), _) => write_job(tx, place, job),
        (Some(_), Some(body)) => {
            let mut statement = tx.prepare_cached(
                "INSERT INTO objects (kind, id, revision, body) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body",
            )?;
            statement.execute((change.key.kind().word(), change.key.id(), sql(place.0.0), body))?;
            Ok(())
        }
        _ => remove_object(tx, change),
    }
}

fn remove_object(tx: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change.key {
        hostler_model::Key::Job(id) => remove_job(tx, sql(id.0)),
        key => {
            let mut statement = tx.prepare_cached("DELETE FROM objects WHERE kind = ?1 AND id = ?2")?;
            statement.execute((key.kind().word(), key.id()))?;
            Ok(())
        }
    }
}

/// Removes a job from the list.
pub(super) fn remove_job(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    let about = {
        let mut statement =
            tx.prepare_cached("SELECT value FROM jobs JOIN history USING (place), json_each(history.body, '$.about') WHERE jobs.id = ?1")?;
        let found = statement.query_map([id], |row| row.get::<_, String>(0))?;
        found.collect::<rusqlite::Result<Vec<_>>>()?
    };
    for about in about {
        tx.prepare_cached("DELETE FROM job_about WHERE about = ?1 AND job = ?2")?.execute((about, id))?;
    }
    tx.prepare_cached("DELETE FROM jobs WHERE id = ?1")?.execute([id])?;
    Ok(())
}

fn write_job(tx: &Transaction<'_>, place: Place, job: &Job) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO jobs (id, place, open, state, kind, actor, title, created, ended, key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET place = excluded.place, open = excluded.open,
             state = excluded.state, kind = excluded.kind, actor = excluded.actor, title = excluded.title,
             created = excluded.created, ended = excluded.ended, key = excluded.key",
    )?;
    statement.execute((
        sql(job.id.0),
        place_number(place),
        job.is_open(),
        job.state.word(),
        job.kind.word(),
        actor_word(&job.actor),
        folded(&job.title),
        job.created.0,
        job.ended.map(|ended| ended.0),
        job.key.as_deref(),
    ))?;
    let mut statement = tx.prepare_cached("INSERT OR IGNORE INTO job_about (about, job) VALUES (?1, ?2)")?;
    for key in &job.about {
        statement.execute((key.to_string(), sql(job.id.0)))?;
    }
    Ok(())
}

fn write_history(
    tx: &Transaction<'_>,
    place: Place,
    commit: &Commit,
    change: &Change,
    body: Option<&str>,
) -> rusqlite::Result<()> {
    let actor = serde_json::to_string(&change.actor)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let mut statement = tx.prepare_cached(
        "INSERT INTO history (place, at, kind, id, op, job, actor, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute((
        place_number(place),
        commit.at.0,
        change.key.kind().word(),
        change.key.id(),
        if body.is_some() { "put" } else { "gone" },
        change.job.map(|job| sql(job.0)),
        actor,
        body.filter(|_| !change.key.kind().is_secret()),
    ))?;
    Ok(())
}

pub(super) fn begin_epoch(db: &mut Connection) -> Result<u32, StoreError> {
    let sql = "UPDATE meta SET epoch = epoch + 1 RETURNING epoch";
    db.query_row(sql, [], |row| row.get(0)).map_err(failure)
}

pub(super) fn raise_epoch_above(db: &mut Connection, seen: u32) -> Result<u32, StoreError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    let history = random_history(&tx)?;
    let epoch = tx
        .query_row(
            "UPDATE meta SET epoch = max(epoch, ?1) + 1, history = ?2, restored = 1 RETURNING epoch",
            (seen, history.to_string()),
            |row| row.get(0),
        )
        .map_err(failure)?;
    tx.commit().map_err(failure)?;
    Ok(epoch)
}
