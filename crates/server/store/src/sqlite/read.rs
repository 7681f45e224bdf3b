//! Reading: what a starting engine needs, and what people ask. Each question is answered from one committed state.

use std::path::Path;
use std::sync::Arc;

use hostler_model::job::Job;
use hostler_model::{JobId, Key, Kind, Object, Timestamp};
use rusqlite::types::{Type, Value as Sql};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params_from_iter};
use serde_json::Value;

use super::{failure, key, number, object, open, parsed, place_number, place_of, sql, unreadable};
use crate::Reader;
use crate::diff;
use crate::types::{
    As, Counters, Cursor, EndedJob, Event, FeedPage, JobFilter, KEY_LIFE_MS, Loaded, Op, PropertyChange,
    Revision, StoreError, Stored, actor_word, folded,
};

/// Where the store stands.
pub(super) fn head(db: &Connection) -> Result<Cursor, StoreError> {
    db.prepare_cached("SELECT history, revision FROM meta")
        .and_then(|mut statement| statement.query_row([], head_of))
        .map_err(failure)
}

fn head_of(row: &Row<'_>) -> rusqlite::Result<Cursor> {
    Ok(Cursor { history: parsed(row, 0)?, revision: Revision(number(row, 1)?) })
}

pub(super) fn load(db: &mut Connection) -> Result<Loaded, StoreError> {
    let tx = db.transaction().map_err(failure)?;
    let mut loaded = tx
        .query_row(
            "SELECT history, revision, installation, at, epoch, next_job, restored FROM meta",
            [],
            |row| {
                Ok(Loaded {
                    head: head_of(row)?,
                    installation: parsed(row, 2)?,
                    at: Timestamp(row.get(3)?),
                    epoch: row.get(4)?,
                    counters: Counters { next_job: number(row, 5)? },
                    restored: row.get(6)?,
                    objects: Vec::new(),
                    ended: Vec::new(),
                })
            },
        )
        .map_err(failure)?;
    load_objects(&tx, &mut loaded.objects)?;
    load_open_jobs(&tx, &mut loaded.objects)?;
    loaded.objects.sort_by_key(|stored| stored.object.key());
    loaded.ended = load_ended(&tx, loaded.at)?;
    Ok(loaded)
}

fn load_objects(tx: &Transaction<'_>, objects: &mut Vec<Stored>) -> Result<(), StoreError> {
    let mut statement = tx.prepare_cached("SELECT kind, id, revision, body FROM objects").map_err(failure)?;
    let mut rows = statement.query([]).map_err(failure)?;
    while let Some(row) = rows.next().map_err(failure)? {
        let kind: Kind = parsed(row, 0).map_err(failure)?;
        let text = |column| row.get_ref(column).map_err(failure)?.as_str().map_err(|e| failure(e.into()));
        let object = object(kind, text(1)?, text(3)?)?;
        objects.push(Stored { revision: Revision(number(row, 2).map_err(failure)?), object });
    }
    Ok(())
}

fn load_open_jobs(tx: &Transaction<'_>, objects: &mut Vec<Stored>) -> Result<(), StoreError> {
    let sql = format!("SELECT id, revision, {JOB_BODY} FROM jobs WHERE open = 1 ORDER BY id");
    for stored in jobs_by(tx, &sql, Vec::new())? {
        objects.push(Stored { revision: stored.revision, object: Object::Job(stored.object) });
    }
    Ok(())
}

fn load_ended(tx: &Transaction<'_>, at: Timestamp) -> Result<Vec<EndedJob>, StoreError> {
    let since = at.0.saturating_sub_unsigned(KEY_LIFE_MS);
    let query = format!(
        "SELECT id, key, {JOB_BODY} ->> '$.actor', ended FROM jobs
         WHERE key IS NOT NULL AND open = 0 AND ended > ?1 ORDER BY id"
    );
    let mut statement = tx.prepare_cached(&query).map_err(failure)?;
    let rows = statement.query_map([since], |row| {
        Ok(EndedJob {
            id: JobId(number(row, 0)?),
            key: row.get(1)?,
            actor: json(row, 2)?,
            ended: Timestamp(row.get(3)?),
        })
    });
    rows.and_then(Iterator::collect).map_err(failure)
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// The body of a row of `jobs`.
const JOB_BODY: &str = "(SELECT body FROM history WHERE history.place = jobs.place)";

/// Jobs of a query for id, revision and body.
fn jobs_by(db: &Connection, query: &str, given: Vec<Sql>) -> Result<Vec<Stored<Arc<Job>>>, StoreError> {
    let mut statement = db.prepare_cached(query).map_err(failure)?;
    let mut rows = statement.query(params_from_iter(given)).map_err(failure)?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next().map_err(failure)? {
        let id = number(row, 0).map_err(failure)?;
        let body = row.get_ref(2).map_err(failure)?.as_str().map_err(|error| failure(error.into()))?;
        let job = serde_json::from_str(body).map_err(|e| unreadable(Kind::Job, &id.to_string(), &e))?;
        jobs.push(Stored { revision: Revision(number(row, 1).map_err(failure)?), object: Arc::new(job) });
    }
    Ok(jobs)
}

/// A row of history whose body is not read yet.
struct Version {
    event: Event,
    kind: Kind,
    id: String,
    body: Option<String>,
}

const VERSION: &str = "SELECT place, at, kind, id, op, job, actor, body FROM history";

impl Version {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (revision, ordinal) = place_of(row.get(0)?);
        let (kind, id): (Kind, String) = (parsed(row, 2)?, row.get(3)?);
        let key = Key::read(kind, &id).ok_or(rusqlite::Error::InvalidQuery)?;
        let event = Event {
            revision,
            ordinal,
            at: Timestamp(row.get(1)?),
            key,
            op: if row.get_ref(4)?.as_str()? == "gone" { Op::Gone } else { Op::Put },
            job: row.get::<_, Option<i64>>(5)?.map(|id| JobId(u64::try_from(id).unwrap_or(0))),
            actor: json(row, 6)?,
            object: None,
        };
        Ok(Self { event, kind, id, body: row.get(7)? })
    }

    fn event(self) -> Result<Event, StoreError> {
        let object = match &self.body {
            Some(body) => Some(object(self.kind, &self.id, body)?),
            None => None,
        };
        Ok(Event { object, ..self.event })
    }
}

/// Reads the file through a connection of its own.
#[derive(Debug)]
pub(super) struct SqliteReader {
    db: Connection,
}

impl SqliteReader {
    pub(super) fn open(path: &Path, vfs: Option<&str>) -> Result<Self, StoreError> {
        Ok(Self { db: open::reader(path, vfs)? })
    }

    fn snapshot(&mut self) -> Result<Transaction<'_>, StoreError> {
        self.db.transaction().map_err(failure)
    }
}

impl Reader for SqliteReader {
    fn head(&mut self) -> Result<Cursor, StoreError> {
        head(&self.db)
    }

    fn object(&mut self, key: Key) -> Result<Option<Stored>, StoreError> {
        let Key::Job(id) = key else { return object_now(&self.db, key) };
        let job = self.job(id)?;
        Ok(job.map(|job| Stored { revision: job.revision, object: Object::Job(job.object) }))
    }

    fn feed(&mut self, after: Cursor, limit: usize) -> Result<FeedPage, StoreError> {
        let tx = self.snapshot()?;
        let head = head(&tx)?;
        let oldest = tx.query_row("SELECT feed_from FROM meta", [], |row| number(row, 0)).map_err(failure)?;
        let oldest = Cursor { revision: Revision(oldest), ..head };
        let known = oldest.revision..=head.revision;
        if after.history != head.history || !known.contains(&after.revision) {
            return Err(StoreError::FeedGone { oldest });
        }
        let query = format!("{VERSION} WHERE place >= ?1 ORDER BY place");
        let mut statement = tx.prepare_cached(&query).map_err(failure)?;
        let mut rows = statement.query([place_number((after.revision.next(), 0))]).map_err(failure)?;
        let mut events: Vec<Event> = Vec::new();
        while let Some(row) = rows.next().map_err(failure)? {
            let revision = place_of(row.get(0).map_err(failure)?).0;
            let last = events.last().map_or(revision, |last| last.revision);
            if last != revision && events.len() >= limit {
                let next = Cursor { revision: last, ..head };
                return Ok(FeedPage { events, next, head: head.revision });
            }
            events.push(Version::of(row).map_err(failure)?.event()?);
        }
        Ok(FeedPage { events, next: head, head: head.revision })
    }

    fn history(
        &mut self,
        key: Key,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let end = before.map_or(i64::MAX, |before| place_number((before, 0)));
        let query =
            format!("{VERSION} WHERE kind = ?1 AND id = ?2 AND place < ?3 ORDER BY place DESC LIMIT ?4");
        let mut statement = self.db.prepare_cached(&query).map_err(failure)?;
        let given = (key.kind().word(), key.id(), end, sql(limit as u64));
        let versions = statement.query_map(given, Version::of).map_err(failure)?;
        versions.map(|version| version.map_err(failure)?.event()).collect()
    }

    fn as_of(&mut self, key: Key, when: As) -> Result<Option<Stored>, StoreError> {
        let tx = self.snapshot()?;
        let (line, from) = tx
            .query_row("SELECT history_place, history_from FROM meta", [], |row| {
                Ok((place_of(row.get(0)?), Timestamp(row.get(1)?)))
            })
            .map_err(failure)?;
        let (gone, bound, limit) = match when {
            As::Of(revision) => (revision < line.0, "place < ?3", place_number((revision.next(), 0))),
            As::At(at) => (at < from, "at <= ?3", at.0),
        };
        if gone {
            return Err(StoreError::HistoryGone { from });
        }
        let query = format!("{VERSION} WHERE kind = ?1 AND id = ?2 AND {bound} ORDER BY place DESC LIMIT 1");
        let mut statement = tx.prepare_cached(&query).map_err(failure)?;
        let version = statement
            .query_row((key.kind().word(), key.id(), limit), Version::of)
            .optional()
            .map_err(failure)?;
        let Some(version) = version else { return Ok(None) };
        let event = version.event()?;
        Ok(event.object.map(|object| Stored { revision: event.revision, object }))
    }

    fn jobs(&mut self, filter: &JobFilter, limit: usize) -> Result<Vec<Stored<Arc<Job>>>, StoreError> {
        let (conditions, given) = conditions(filter);
        let query = format!(
            "SELECT jobs.id, revision, {JOB_BODY} FROM {from} WHERE {conditions} ORDER BY jobs.id DESC LIMIT {limit}",
            from = if filter.about.is_some() { "job_about CROSS JOIN jobs ON jobs.id = job" } else { "jobs" },
        );
        jobs_by(&self.db, &query, given)
    }

    fn job(&mut self, id: JobId) -> Result<Option<Stored<Arc<Job>>>, StoreError> {
        let query = format!("SELECT id, revision, {JOB_BODY} FROM jobs WHERE id = ?1");
        Ok(jobs_by(&self.db, &query, vec![Sql::Integer(sql(id.0))])?.pop())
    }

    fn changes_of_job(&mut self, job: JobId) -> Result<Vec<PropertyChange>, StoreError> {
        let tx = self.snapshot()?;
        let mut statement = tx
            .prepare_cached(
                "SELECT place, kind, id, body FROM history
                 WHERE job = ?1 AND place > (SELECT history_place FROM meta) ORDER BY place",
            )
            .map_err(failure)?;
        let mut rows = statement.query([sql(job.0)]).map_err(failure)?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next().map_err(failure)? {
            let kind: Kind = parsed(row, 1).map_err(failure)?;
            if kind == Kind::Job || kind.is_secret() {
                continue;
            }
            let (place, id): (i64, String) =
                row.get(0).and_then(|place| Ok((place, row.get(2)?))).map_err(failure)?;
            let after = row.get(3).map_err(failure)?;
            let before = body_before(&tx, kind, &id, place)?;
            changes.extend(diff::properties(
                key(kind, &id)?,
                &value(kind, &id, before)?,
                &value(kind, &id, after)?,
            ));
        }
        Ok(changes)
    }
}

fn object_now(db: &Connection, key: Key) -> Result<Option<Stored>, StoreError> {
    let (kind, id) = (key.kind(), key.id());
    let found = db
        .prepare_cached("SELECT revision, body FROM objects WHERE kind = ?1 AND id = ?2")
        .and_then(|mut statement| {
            let row = |row: &Row<'_>| Ok((number(row, 0)?, row.get::<_, String>(1)?));
            statement.query_row((kind.word(), &id), row).optional()
        })
        .map_err(failure)?;
    let Some((revision, body)) = found else { return Ok(None) };
    Ok(Some(Stored { revision: Revision(revision), object: object(kind, &id, &body)? }))
}

fn body_before(db: &Connection, kind: Kind, id: &str, place: i64) -> Result<Option<String>, StoreError> {
    db.prepare_cached(
        "SELECT body FROM history WHERE kind = ?1 AND id = ?2 AND place < ?3 ORDER BY place DESC LIMIT 1",
    )
    .and_then(|mut statement| statement.query_row((kind.word(), id, place), |row| row.get(0)).optional())
    .map(Option::flatten)
    .map_err(failure)
}

fn value(kind: Kind, id: &str, body: Option<String>) -> Result<Value, StoreError> {
    body.map_or(Ok(Value::Null), |body| {
        serde_json::from_str(&body).map_err(|error| unreadable(kind, id, &error))
    })
}

/// A filter as SQL, and what it is given.
fn conditions(filter: &JobFilter) -> (String, Vec<Sql>) {
    let mut conditions = vec!["TRUE".to_owned()];
    let mut given = Vec::new();
    let mut add = |condition: &str, value: Sql| {
        conditions.push(condition.to_owned());
        given.push(value);
    };
    if let Some(about) = filter.about {
        add("about = ?", Sql::Text(about.to_string()));
    }
    if let Some(actor) = &filter.actor {
        add("actor = ?", Sql::Text(actor_word(actor)));
    }
    if let Some(text) = &filter.text {
        add("instr(title, ?) > 0", Sql::Text(folded(text)));
    }
    if let Some(from) = filter.from {
        add("created >= ?", Sql::Integer(from.0));
    }
    if let Some(until) = filter.until {
        add("created < ?", Sql::Integer(until.0));
    }
    if let Some(before) = filter.before {
        add("jobs.id < ?", Sql::Integer(sql(before.0)));
    }
    any_of("state", filter.states.iter().map(|state| state.word()), &mut conditions, &mut given);
    any_of("kind", filter.kinds.iter().map(|kind| kind.word()), &mut conditions, &mut given);
    (conditions.join(" AND "), given)
}

fn any_of<'a>(
    column: &str,
    words: impl Iterator<Item = &'a str>,
    conditions: &mut Vec<String>,
    given: &mut Vec<Sql>,
) {
    let words: Vec<Sql> = words.map(|word| Sql::Text(word.to_owned())).collect();
    if !words.is_empty() {
        conditions.push(format!("{column} IN ({})", vec!["?"; words.len()].join(", ")));
        given.extend(words);
    }
}
