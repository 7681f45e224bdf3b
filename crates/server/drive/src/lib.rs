//! The loop: batch, decide, commit, publish, release.
//!
//! [`Drive`] takes the inputs that are queued, lets the engine decide on each, commits what was decided in one
//! transaction, publishes the readers' picture, and only then hands the effects out. It is synchronous and knows no
//! tokio, no clock and no dice: the server calls it from one thread with the time of day, the simulator with virtual
//! time. It must never release an effect whose changes are not committed, nor show readers what is not.

mod picture;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hostler_engine::{AskId, Decision, Effect, EndedKey, Engine, Input};
use hostler_model::ids::Ids;
use hostler_model::job::DryRun;
use hostler_model::request::Request;
use hostler_model::{Change, Code, JobId, Key, Refusal, Timestamp};
use hostler_store::{Commit, Counters, Cursor, Revision, Store, StoreError};

pub use picture::{Differences, Picture, Volatile};
pub use tree::Branch;

/// The most inputs in one batch: more would make the first wait for the last; at this many a commit's fixed cost no
/// longer shows.
pub const LARGEST_BATCH: usize = 512;
/// How often the loop lets time pass within one turn before it gives other inputs a chance. A job that is ready moves
/// on at once, so a plan of record steps takes a few; thousands would be a defect that spins.
const MOST_TICKS: usize = 10_000;

/// The loop.
pub struct Drive<S: Store> {
    store: S,
    engine: Engine,
    picture: Arc<ArcSwap<Picture>>,
    sessions_shown: u64,
    /// What the engine holds was decided and never committed: it is to be loaded before anything else.
    stale: bool,
}

/// What a turn brought.
#[derive(Debug, Default)]
pub struct Turned {
    /// To be carried out now: everything they rest on is committed.
    pub effects: Vec<Effect>,
    /// The newest revision, when this turn committed one.
    pub revision: Option<Revision>,
    /// What was committed, in order.
    pub changes: Vec<Change>,
    /// Whether the engine was loaded anew: every agent's connection is to be closed, so that it says hello again.
    pub reloaded: bool,
    /// Why the store did not take the changes.
    pub trouble: Option<StoreError>,
}

impl<S: Store> Drive<S> {
    /// Starts a deciding server on a store: raises the epoch and loads everything.
    ///
    /// # Errors
    /// When the store cannot be read, or the epoch not be made durable.
    pub fn start(mut store: S, now: Timestamp) -> Result<Self, StoreError> {
        let (engine, picture) = load(&mut store, now)?;
        Ok(Self {
            store,
            engine,
            picture: Arc::new(ArcSwap::from_pointee(picture)),
            sessions_shown: 0,
            stale: false,
        })
    }

    /// The readers' picture: always of the newest commit.
    pub fn picture(&self) -> Arc<ArcSwap<Picture>> {
        self.picture.clone()
    }

    /// When [`Drive::turn`] should be called next, if no input comes before.
    pub fn next_alarm(&self) -> Option<Timestamp> {
        if self.engine.is_restored() { Some(Timestamp(i64::MIN)) } else { self.engine.next_alarm() }
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The store, for readers, backup and pruning.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// What a request would do, without doing it.
    ///
    /// # Errors
    /// As the request itself would be refused.
    pub fn dry_run(&self, now: Timestamp, request: &Request) -> Result<DryRun, Refusal> {
        self.engine.dry_run(now, request)
    }

    /// Decides on a batch, commits it, publishes, and hands out the effects.
    pub fn turn(&mut self, now: Timestamp, inputs: Vec<Input>, ids: &mut dyn Ids) -> Turned {
        let asks: Vec<AskId> = inputs.iter().filter_map(asker).collect();
        let mut batch = Batch::default();
        let settles_restore = self.engine.is_restored();
        if settles_restore {
            batch.add(self.engine.decide(now, Input::Time, ids));
        }
        for input in inputs {
            batch.add(self.engine.decide(now, input, ids));
            self.catch_up(now, &mut batch, ids);
        }
        self.catch_up(now, &mut batch, ids);
        let met = batch.effects.iter().find_map(|effect| match effect {
            Effect::OlderThanFleet { met } => Some(*met),
            _ => None,
        });
        if let Some(met) = met {
            return self.start_over_above(met, &asks, now);
        }
        let mut turned = Turned { effects: batch.effects, ..Turned::default() };
        if !batch.changes.is_empty() || settles_restore {
            let counters = Counters { next_job: self.engine.next_job() };
            let commit = Commit { at: now, changes: batch.changes, counters, settles_restore };
            match self.store.commit(&commit) {
                Ok(revision) => {
                    turned.revision = Some(revision);
                    turned.changes = commit.changes;
                }
                Err(trouble) => return self.start_over(trouble, &asks, now),
            }
        }
        self.publish(&turned);
        turned
    }

    /// Lets time pass for as long as something is due at this very moment.
    fn catch_up(&mut self, now: Timestamp, batch: &mut Batch, ids: &mut dyn Ids) {
        for _ in 0..MOST_TICKS {
            if self.engine.next_alarm().is_none_or(|at| at > now) {
                return;
            }
            batch.add(self.engine.decide(now, Input::Time, ids));
        }
    }

    fn publish(&mut self, turned: &Turned) {
        let version = self.engine.sessions().version();
        let progressing =
            !self.engine.progress().is_empty() || !self.picture.load().volatile.progress.is_empty();
        if turned.revision.is_none() && version == self.sessions_shown && !progressing {
            return;
        }
        self.sessions_shown = version;
        let mut next = (**self.picture.load()).clone();
        if let Some(revision) = turned.revision {
            next.apply(revision, &turned.changes);
        }
        next.volatile = Arc::new(Volatile::of(&self.engine));
        self.picture.store(Arc::new(next));
    }

    /// The commit failed or its fate is unknown: what was decided is dropped, and everything is loaded again.
    fn start_over(&mut self, trouble: StoreError, asks: &[AskId], now: Timestamp) -> Turned {
        let refusal = Refusal::new(Code::StoreUnavailable, "store", trouble.to_string())
            .remedy("Ask again with the same idempotency key once the store works");
        let effects =
            asks.iter().map(|ask| Effect::Reply { ask: *ask, answer: Err(refusal.clone()) }).collect();
        let mut turned = Turned { effects, reloaded: true, trouble: Some(trouble), ..Turned::default() };
        self.reload(now, &mut turned);
        turned
    }

    fn start_over_above(&mut self, met: u32, asks: &[AskId], now: Timestamp) -> Turned {
        match self.store.raise_epoch_above(met) {
            Ok(_) => {
                let older = Refusal::new(
                    Code::StoreUnavailable,
                    "store",
                    "it is older than the fleet and is loaded anew",
                );
                let effects =
                    asks.iter().map(|ask| Effect::Reply { ask: *ask, answer: Err(older.clone()) }).collect();
                let mut turned = Turned { effects, reloaded: true, ..Turned::default() };
                self.reload(now, &mut turned);
                turned
            }
            Err(trouble) => self.start_over(trouble, asks, now),
        }
    }

    /// Loads everything again. While that fails the engine stays empty-handed: the caller turns again later.
    fn reload(&mut self, now: Timestamp, turned: &mut Turned) {
        self.stale = true;
        if let Err(trouble) = self.recover(now) {
            turned.trouble = Some(trouble);
        }
    }

    /// Whether the store answers again after [`Turned::trouble`]: loads everything anew, unless that turn could do so
    /// itself. True when it was loaded now.
    ///
    /// # Errors
    /// While it does not.
    pub fn recover(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        if !self.stale {
            return Ok(false);
        }
        let (engine, picture) = load(&mut self.store, now)?;
        self.engine = engine;
        self.sessions_shown = 0;
        self.picture.store(Arc::new(picture));
        self.stale = false;
        Ok(true)
    }
}

fn asker(input: &Input) -> Option<AskId> {
    match input {
        Input::Ask(asked) => Some(asked.ask),
        Input::Cancel { ask, .. } | Input::Abandon { ask, .. } => Some(*ask),
        _ => None,
    }
}

/// Loads everything for a new life of the engine. Each has an epoch of its own: an engine that was dropped had drawn
/// numbers that were never recorded and may have left all the same.
fn load(store: &mut impl Store, now: Timestamp) -> Result<(Engine, Picture), StoreError> {
    let loaded = store.load()?;
    let epoch = store.begin_epoch()?;
    let head: Cursor = loaded.head;
    let mut picture = Picture::empty(head);
    picture.take(&loaded.objects);
    let keys = loaded
        .ended
        .into_iter()
        .map(|job| EndedKey { user: job.actor.user(), key: job.key, job: job.id, ended: job.ended })
        .collect();
    let engine = Engine::load(
        hostler_engine::Loaded {
            installation: loaded.installation,
            objects: loaded.objects.into_iter().map(|stored| stored.object).collect(),
            keys,
            epoch,
            next_job: loaded.counters.next_job,
            restored: loaded.restored,
        },
        now,
    );
    picture.volatile = Arc::new(Volatile::of(&engine));
    Ok((engine, picture))
}

/// What is decided but not committed yet. Writes of one object under one job become one.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    last: BTreeMap<Key, (usize, Option<JobId>)>,
    effects: Vec<Effect>,
}

impl Batch {
    fn add(&mut self, decision: Decision) {
        for change in decision.changes {
            match self.last.get(&change.key) {
                Some((at, job)) if *job == change.job => self.changes[*at] = change,
                _ => {
                    self.last.insert(change.key, (self.changes.len(), change.job));
                    self.changes.push(change);
                }
            }
        }
        self.effects.extend(decision.effects);
    }
}
