//! Dropping what is older than is kept. A line moves along history; up to it only the newest version of each object
//! stands, so that every state after it can still be told.

use hostler_model::Kind;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{failure, parsed, place_number, place_of, sql};
use crate::types::{Pruned, Retention, Revision, StoreError};

struct Old {
    place: i64,
    kind: Kind,
    id: String,
    gone: bool,
}

pub(super) fn prune(db: &mut Connection, retention: &Retention) -> Result<Pruned, StoreError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    let history = move_history_line(&tx, retention).map_err(failure)?;
    let feed_more = move_feed_line(&tx, retention).map_err(failure)?;
    tx.commit().map_err(failure)?;
    Ok(Pruned { more: history.more || feed_more, ..history })
}

fn move_history_line(tx: &Transaction<'_>, retention: &Retention) -> rusqlite::Result<Pruned> {
    let line: i64 = tx.query_row("SELECT history_place FROM meta", [], |row| row.get(0))?;
    let (old, more) = old_after(tx, line, retention)?;
    let mut dropped = 0;
    for version in &old {
        dropped += drop_before(tx, version)?;
    }
    let Some(last) = old.last() else { return Ok(Pruned::default()) };
    let revision = place_of(last.place).0;
    // While there is more, `history_from` is already said: nothing before it can be told reliably any more.
    tx.execute(
        "UPDATE meta SET history_place = ?1, history_from = max(history_from, ?2),
                         feed_from = max(feed_from, ?3)",
        (last.place, retention.history_from.0, sql(revision.0)),
    )?;
    Ok(Pruned { dropped, more })
}

/// The versions after the line that are too old, at most so many, and whether there may be more.
fn old_after(tx: &Transaction<'_>, line: i64, retention: &Retention) -> rusqlite::Result<(Vec<Old>, bool)> {
    let mut statement = tx.prepare_cached(
        "SELECT place, at, kind, id, op FROM history WHERE place > ?1 ORDER BY place LIMIT ?2",
    )?;
    let mut rows = statement.query((line, retention.rows))?;
    let mut old = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= retention.history_from.0 {
            return Ok((old, false));
        }
        old.push(Old {
            place: row.get(0)?,
            kind: parsed(row, 2)?,
            id: row.get(3)?,
            gone: row.get_ref(4)?.as_str()? == "gone",
        });
    }
    let more = old.len() >= retention.rows as usize;
    Ok((old, more))
}

/// Drops what a version of an object replaced; the version too when nothing follows from it any more.
fn drop_before(tx: &Transaction<'_>, version: &Old) -> rusqlite::Result<u64> {
    let ended = version.kind == Kind::Job && drop_ended_job(tx, version)?;
    let bound = match (ended, version.gone) {
        (true, _) => place_number((place_of(version.place).0.next(), 0)) - 1,
        (false, true) => version.place,
        (false, false) => version.place - 1,
    };
    let dropped = tx
        .prepare_cached("DELETE FROM history WHERE kind = ?1 AND id = ?2 AND place <= ?3")?
        .execute((version.kind.word(), &version.id, bound))?;
    Ok(dropped as u64)
}

/// Drops the job whose end this version is.
fn drop_ended_job(tx: &Transaction<'_>, version: &Old) -> rusqlite::Result<bool> {
    let revision = sql(place_of(version.place).0.0);
    let is_its_end = tx
        .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND revision = ?2 AND open = 0")?
        .exists((&version.id, revision))?;
    if is_its_end {
        super::write::remove_job(tx, version.id.parse().unwrap_or(0))?;
    }
    Ok(is_its_end)
}

/// Moves the place from which the feed can be resumed; whether there may be more to do.
fn move_feed_line(tx: &Transaction<'_>, retention: &Retention) -> rusqlite::Result<bool> {
    let line: i64 = tx.query_row("SELECT feed_from FROM meta", [], |row| row.get(0))?;
    let from = place_number((Revision(u64::try_from(line).unwrap_or(0)).next(), 0));
    let mut statement =
        tx.prepare_cached("SELECT place, at FROM history WHERE place >= ?1 ORDER BY place LIMIT ?2")?;
    let mut rows = statement.query((from, retention.rows))?;
    let (mut seen, mut kept, mut last) = (0, false, None);
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= retention.feed_from.0 {
            kept = true;
            break;
        }
        seen += 1;
        last = Some(place_of(row.get(0)?).0);
    }
    if let Some(revision) = last {
        tx.execute("UPDATE meta SET feed_from = ?1", [sql(revision.0)])?;
    }
    Ok(!kept && seen >= retention.rows)
}
