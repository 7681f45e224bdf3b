//! Windows of jobs. Open ones are in the picture; the ended ones live in the store, of which a window knows the newest
//! that its filter lets through, and from then on each that ends. So `total` and `counts` of a window are over open
//! jobs and the ended ones it knows; older ones are in the list.

use hostler_model::access::Actor;
use hostler_model::job::{Job, JobKind, JobState};
use hostler_model::view::JobView;
use hostler_model::{Key, Kind, Object, Refusal};
use hostler_server::Picture;
use hostler_server::store::{JobFilter, Reader, StoreError};
use std::sync::Arc;

use super::Beyond;
use super::kinds::Windowed;
use super::pass::Asked;
use crate::app::App;
use crate::listed::{Cell, Field, Is, Listed};
use crate::names::{self, called};
use crate::views;

/// How many ended jobs a window knows at first. More of them are memory (some KiB each) for every window, fewer leave a
/// filter's reader with too short a past.
const KNOWN: usize = 500;
/// How many are read at a time.
const READ: usize = 250;
/// How many are read at most to find those: a filter that the store cannot apply looks no further back.
const LOOKED_AT: usize = 2_000;

impl Listed for Job {
    const KIND: Kind = Kind::Job;
    const FIELDS: &'static [Field<Self>] = &[
        Field { name: "id", is: Is::Number, get: |_, job| Cell::number(job.id.0) },
        Field {
            name: "state",
            is: Is::Word(|| JobState::ALL.iter().map(|state| state.word()).collect()),
            get: |_, job| Cell::text(job.state.word()),
        },
        Field {
            name: "kind",
            is: Is::Word(|| JobKind::ALL.iter().map(|kind| kind.word()).collect()),
            get: |_, job| Cell::text(job.kind.word()),
        },
        Field { name: "about", is: Is::Texts, get: |picture, job| Cell::Many(about(picture, job)) },
        Field { name: "user", is: Is::Texts, get: |_, job| Cell::Many(asked_by(&job.actor)) },
        Field { name: "title", is: Is::Text, get: |_, job| Cell::text(job.title.as_str()) },
        Field { name: "created", is: Is::Time, get: |_, job| Cell::time(job.created) },
        Field { name: "ended", is: Is::Time, get: |_, job| job.ended.map_or(Cell::None, Cell::time) },
    ];
    const NEWEST_FIRST: bool = true;

    fn of(object: &Object) -> Option<&Arc<Self>> {
        match object {
            Object::Job(job) => Some(job),
            _ => None,
        }
    }

    fn id_text(&self) -> String {
        self.id.to_string()
    }
}

/// `vm/0190…`, and `vm/web-1` for what is still there.
fn about(picture: &Picture, job: &Job) -> Vec<Cell<'static>> {
    let words = job.about.iter().flat_map(|key| {
        let name = called(picture, *key).map(|name| format!("{}/{name}", key.kind().word()));
        [Some(key.to_string()), name]
    });
    words.flatten().map(Cell::text).collect()
}

/// The user's name and id; `refresher`, `system`, an agent's name for what no user asked.
fn asked_by(actor: &Actor) -> Vec<Cell<'_>> {
    match actor {
        Actor::User { id, name } => vec![Cell::text(name.as_str()), Cell::text(id.to_string())],
        Actor::Agent { name, .. } => vec![Cell::text(name.as_str())],
        Actor::Refresher => vec![Cell::text("refresher")],
        Actor::System => vec![Cell::text("system")],
    }
}

impl Windowed for Job {
    type View = JobView;
    const COUNTED: Option<&'static str> = Some("state");
    const TAKEN_FROM: &'static [Kind] = &[Kind::Job, Kind::Agent];
    // How far steps are, and what is waited for.
    const ROWS_MOVE: bool = true;
    // Each window knows ended jobs of its own.
    const SHARED: bool = false;

    fn view(app: &App, picture: &Arc<Picture>, revision: u64, job: &Self) -> JobView {
        views::job(app.handle(), picture, revision, job)
    }

    // How far steps are, and which host is waited for.
    fn looks_otherwise(_: &Picture, _: &Picture) -> bool {
        true
    }

    async fn beyond(app: &App, asked: &Asked<Self>) -> Result<Beyond<Self>, Refusal> {
        let picture = app.picture();
        let about = asked.rest.wanted("about").and_then(|values| one_key(&picture, values));
        let kinds = asked.rest.wanted("kind").map(kinds).unwrap_or_default();
        let every = JobFilter { about, kinds, ..JobFilter::default() };
        let states: Vec<JobState> = asked.status.wanted("state").map(states).unwrap_or_default();
        let mut queries = vec![every.clone()];
        // Those of a rare state are further back than the newest of any.
        if states.iter().any(|state| state.is_ended()) {
            queries.push(JobFilter { states, ..every });
        }
        let mut found = Beyond::new();
        for query in queries {
            found.extend(newest(app, asked, &picture, query).await?);
        }
        Ok(found)
    }

    fn is_beyond(&self) -> bool {
        !self.is_open()
    }
}

/// The newest ended jobs of a filter that the asked lets through.
async fn newest(
    app: &App,
    asked: &Asked<Job>,
    picture: &Picture,
    mut query: JobFilter,
) -> Result<Beyond<Job>, Refusal> {
    let (mut found, mut looked_at) = (Beyond::new(), 0);
    while looked_at < LOOKED_AT && found.len() < KNOWN {
        let wanted = query.clone();
        let read = move |reader: &mut dyn Reader| -> Result<_, StoreError> { reader.jobs(&wanted, READ) };
        let jobs = app.handle().read(read).await?;
        looked_at += READ;
        let is_last = jobs.len() < READ;
        query.before = jobs.last().map(|last| last.object.id);
        let ended =
            jobs.into_iter().filter(|job| !job.object.is_open() && asked.rest.holds(picture, &job.object));
        found.extend(ended.map(|job| (Key::Job(job.object.id), (job.revision.0, job.object))));
        if is_last {
            break;
        }
    }
    while found.len() > KNOWN {
        found.pop_first();
    }
    Ok(found)
}

/// The thing that one value names; one that is gone is found by its whole id.
fn one_key(picture: &Picture, values: &[Cell<'_>]) -> Option<Key> {
    let [Cell::Text(written)] = values else { return None };
    let (kind, name) = written.split_once('/')?;
    let kind: Kind = kind.parse().ok()?;
    Key::read(kind, name).or_else(|| names::find(picture, kind, name).ok().map(|stored| stored.object.key()))
}

fn kinds(values: &[Cell<'_>]) -> Vec<JobKind> {
    let is = |kind: &JobKind| values.contains(&Cell::text(kind.word()));
    JobKind::ALL.iter().copied().filter(is).collect()
}

fn states(values: &[Cell<'_>]) -> Vec<JobState> {
    let is = |state: &JobState| values.contains(&Cell::text(state.word()));
    JobState::ALL.iter().copied().filter(is).collect()
}
