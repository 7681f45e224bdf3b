//! The store of the simulator: the same promises, in memory, without chance, and with failures on request.
//!
//! A [`MemoryStore`] is a handle on a disk that is shared by all its clones and readers. Commits are durable at once,
//! or, while [held](MemoryStore::hold), wait in an unsynced tail that [`MemoryStore::crash`] may lose.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hostler_model::job::Job;
use hostler_model::{InstallationId, JobId, Key, Kind, Object, Timestamp};
use serde_json::Value;

use crate::diff;
use crate::types::{
    As, Commit, Counters, Cursor, EndedJob, Event, FeedPage, HistoryId, JobFilter, KEY_LIFE_MS, Loaded, Op,
    Place, PropertyChange, Pruned, Retention, Revision, StoreError, Stored,
};
use crate::{Reader, Store};

/// A failure of the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and changes nothing.
    Failed,
    /// No space is left; it changes nothing.
    Full,
    /// Its result is unknown, and it was not kept.
    UnknownLost,
    /// Its result is unknown, and it was kept.
    UnknownKept,
}

/// A store in memory. Clones share one disk.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
    /// A handle from before a crash is dead.
    life: u64,
}

#[derive(Clone, Debug)]
struct Disk {
    life: u64,
    installation: InstallationId,
    state: State,
    /// Every version, by revision and place within it.
    events: BTreeMap<Place, Event>,
    feed_from: Revision,
    /// Up to here only the newest version of each object is kept.
    history_line: Place,
    history_from: Timestamp,
    held: bool,
    /// How to take back what is not synced, the newest last.
    unsynced: Vec<TakeBack>,
    faults: VecDeque<Fault>,
}

#[derive(Clone, Debug)]
struct State {
    head: Cursor,
    at: Timestamp,
    epoch: u32,
    counters: Counters,
    restored: bool,
    objects: BTreeMap<Key, Stored>,
}

#[derive(Clone, Debug)]
struct TakeBack {
    head: Cursor,
    at: Timestamp,
    counters: Counters,
    restored: bool,
    /// The objects before, the last change first.
    objects: Vec<(Key, Option<Stored>)>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(installation: InstallationId, history: HistoryId) -> Self {
        let state = State {
            head: Cursor { history, revision: Revision(0) },
            at: Timestamp(0),
            epoch: 0,
            counters: Counters::default(),
            restored: false,
            objects: BTreeMap::new(),
        };
        let disk = Disk {
            life: 0,
            installation,
            state,
            events: BTreeMap::new(),
            feed_from: Revision(0),
            history_line: (Revision(0), 0),
            history_from: Timestamp(0),
            held: false,
            unsynced: Vec::new(),
            faults: VecDeque::new(),
        };
        Self { disk: Arc::new(Mutex::new(disk)), life: 0 }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk for one that may still write to it.
    fn writable(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.disk();
        if disk.life != self.life {
            return Err(StoreError::Failed { cause: "this server has crashed".to_owned() });
        }
        Ok(disk)
    }

    /// From now on commits wait in the unsynced tail until [`MemoryStore::sync`]: they are not acknowledged before.
    pub fn hold(&self) {
        self.disk().held = true;
    }

    /// Makes everything durable. Commits go on being held if they were.
    pub fn sync(&self) {
        self.disk().unsynced.clear();
    }

    /// Commits are durable at once again, and so is what was held.
    pub fn release(&self) {
        let mut disk = self.disk();
        disk.held = false;
        disk.unsynced.clear();
    }

    /// How many commits are not synced.
    pub fn unsynced(&self) -> usize {
        self.disk().unsynced.len()
    }

    /// Loses power: of the commits that are not synced only the first `keep` survive. Every handle made before is
    /// dead; the one returned has what a restarted server finds.
    #[must_use]
    pub fn crash(&self, keep: usize) -> Self {
        let mut disk = self.disk();
        while disk.unsynced.len() > keep {
            disk.take_back();
        }
        disk.unsynced.clear();
        disk.held = false;
        disk.faults.clear();
        disk.life += 1;
        Self { disk: Arc::clone(&self.disk), life: disk.life }
    }

    /// A copy of its own of the disk as it is now, as a backup is: nothing that happens to one is seen by the other.
    #[must_use]
    pub fn copy(&self) -> Self {
        let disk = self.disk().clone();
        let life = disk.life;
        Self { disk: Arc::new(Mutex::new(disk)), life }
    }

    /// Makes the store what a restored backup is: another history, the mark of a restore set.
    pub fn restored(&self) {
        let mut disk = self.disk();
        disk.unsynced.clear();
        disk.state.begin_history();
        disk.state.epoch += 1;
    }

    /// Lets the next commit that has no fault yet fail.
    pub fn fail_next(&self, fault: Fault) {
        self.disk().faults.push_back(fault);
    }
}

impl State {
    fn begin_history(&mut self) {
        self.head.history.0 = self.head.history.0.wrapping_add(1);
        self.restored = true;
    }
}

impl Disk {
    fn apply(&mut self, commit: &Commit) -> Revision {
        let state = &mut self.state;
        let mut back = TakeBack {
            head: state.head,
            at: state.at,
            counters: state.counters,
            restored: state.restored,
            objects: Vec::new(),
        };
        let revision = state.head.revision.next();
        for (ordinal, change) in (0..).zip(&commit.changes) {
            let before = match &change.object {
                Some(object) => state.objects.insert(change.key, Stored { revision, object: object.clone() }),
                None => state.objects.remove(&change.key),
            };
            if self.held {
                back.objects.push((change.key, before));
            }
            let event = Event {
                revision,
                ordinal,
                at: commit.at,
                key: change.key,
                op: if change.object.is_some() { Op::Put } else { Op::Gone },
                job: change.job,
                actor: change.actor.clone(),
                object: change.object.clone().filter(|_| !change.key.kind().is_secret()),
            };
            self.events.insert((revision, ordinal), event);
        }
        state.head.revision = revision;
        state.at = commit.at;
        state.counters = commit.counters;
        state.restored &= !commit.settles_restore;
        if self.held {
            back.objects.reverse();
            self.unsynced.push(back);
        }
        revision
    }

    fn take_back(&mut self) {
        let Some(back) = self.unsynced.pop() else { return };
        self.events.split_off(&(back.head.revision.next(), 0));
        for (key, before) in back.objects {
            match before {
                Some(before) => self.state.objects.insert(key, before),
                None => self.state.objects.remove(&key),
            };
        }
        self.state.head = back.head;
        self.state.at = back.at;
        self.state.counters = back.counters;
        self.state.restored = back.restored;
    }

    fn jobs(&self) -> impl DoubleEndedIterator<Item = (Revision, &Arc<Job>)> {
        let range = Key::Job(JobId(0))..=Key::Job(JobId(u64::MAX));
        self.state.objects.range(range).filter_map(|(_, stored)| match &stored.object {
            Object::Job(job) => Some((stored.revision, job)),
            _ => None,
        })
    }

    fn ended(&self) -> Vec<EndedJob> {
        let remembered = |job: &Job| {
            let ended = job.ended.filter(|_| !job.is_open())?;
            let key = job.key.clone().filter(|_| self.state.at.since(ended) < KEY_LIFE_MS)?;
            Some(EndedJob { id: job.id, key, actor: job.actor.clone(), ended })
        };
        self.jobs().filter_map(|(_, job)| remembered(job)).collect()
    }

    /// The version of an object before a place in history.
    fn version_before(&self, key: Key, place: Place) -> Option<&Event> {
        self.events.range(..place).rev().map(|(_, event)| event).find(|event| event.key == key)
    }

    fn move_history_line(&mut self, retention: &Retention) -> Pruned {
        let after = (Bound::Excluded(self.history_line), Bound::Unbounded);
        let old: Vec<(Place, Key, Op)> = self
            .events
            .range(after)
            .take(retention.rows as usize)
            .take_while(|(_, event)| event.at < retention.history_from)
            .map(|(place, event)| (*place, event.key, event.op))
            .collect();
        let dropped = old.iter().map(|(place, key, op)| self.drop_before(*place, *key, *op)).sum();
        let Some((last, ..)) = old.last() else { return Pruned::default() };
        self.history_line = *last;
        self.history_from = self.history_from.max(retention.history_from);
        self.feed_from = self.feed_from.max(last.0);
        Pruned { dropped, more: old.len() >= retention.rows as usize }
    }

    /// Drops what a version of an object replaced; the version too when nothing follows from it any more.
    fn drop_before(&mut self, place: Place, key: Key, op: Op) -> u64 {
        let ended = match self.state.objects.get(&key) {
            Some(Stored { revision, object: Object::Job(job) }) => *revision == place.0 && !job.is_open(),
            _ => false,
        };
        if ended {
            self.state.objects.remove(&key);
        }
        let bound = match (ended, op) {
            (true, _) => Bound::Included((place.0, u32::MAX)),
            (false, Op::Gone) => Bound::Included(place),
            (false, Op::Put) => Bound::Excluded(place),
        };
        let old = self.events.range((Bound::Unbounded, bound)).filter(|(_, event)| event.key == key);
        let old: Vec<Place> = old.map(|(place, _)| *place).collect();
        for place in &old {
            self.events.remove(place);
        }
        old.len() as u64
    }

    fn move_feed_line(&mut self, retention: &Retention) -> bool {
        let old = self
            .events
            .range((self.feed_from.next(), 0)..)
            .take(retention.rows as usize)
            .take_while(|(_, event)| event.at < retention.feed_from);
        let (seen, last) = old.fold((0, None), |(seen, _), (place, _)| (seen + 1, Some(place.0)));
        self.feed_from = last.unwrap_or(self.feed_from);
        seen >= retention.rows as usize
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let disk = self.writable()?;
        let open = |stored: &&Stored| match &stored.object {
            Object::Job(job) => job.is_open(),
            _ => true,
        };
        Ok(Loaded {
            installation: disk.installation,
            head: disk.state.head,
            at: disk.state.at,
            epoch: disk.state.epoch,
            counters: disk.state.counters,
            restored: disk.state.restored,
            objects: disk.state.objects.values().filter(open).cloned().collect(),
            ended: disk.ended(),
        })
    }

    fn begin_epoch(&mut self) -> Result<u32, StoreError> {
        let mut disk = self.writable()?;
        disk.state.epoch += 1;
        disk.unsynced.clear();
        Ok(disk.state.epoch)
    }

    fn raise_epoch_above(&mut self, seen: u32) -> Result<u32, StoreError> {
        let mut disk = self.writable()?;
        disk.state.epoch = disk.state.epoch.max(seen).saturating_add(1);
        disk.state.begin_history();
        disk.unsynced.clear();
        Ok(disk.state.epoch)
    }

    fn commit(&mut self, commit: &Commit) -> Result<Revision, StoreError> {
        let mut disk = self.writable()?;
        let cause = || "a fault of the simulation".to_owned();
        match disk.faults.pop_front() {
            None => Ok(disk.apply(commit)),
            Some(Fault::Failed) => Err(StoreError::Failed { cause: cause() }),
            Some(Fault::Full) => Err(StoreError::Full { cause: cause() }),
            Some(Fault::UnknownLost) => Err(StoreError::Unknown { cause: cause() }),
            Some(Fault::UnknownKept) => {
                disk.apply(commit);
                Err(StoreError::Unknown { cause: cause() })
            }
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(MemoryReader { store: self.clone() }))
    }

    fn prune(&mut self, retention: &Retention) -> Result<Pruned, StoreError> {
        let mut disk = self.writable()?;
        disk.unsynced.clear();
        let history = disk.move_history_line(retention);
        let feed_more = disk.move_feed_line(retention);
        Ok(Pruned { more: history.more || feed_more, ..history })
    }
}

struct MemoryReader {
    store: MemoryStore,
}

impl Reader for MemoryReader {
    fn head(&mut self) -> Result<Cursor, StoreError> {
        Ok(self.store.disk().state.head)
    }

    fn object(&mut self, key: Key) -> Result<Option<Stored>, StoreError> {
        Ok(self.store.disk().state.objects.get(&key).cloned())
    }

    fn feed(&mut self, after: Cursor, limit: usize) -> Result<FeedPage, StoreError> {
        let disk = self.store.disk();
        let head = disk.state.head;
        let known = disk.feed_from..=head.revision;
        if after.history != head.history || !known.contains(&after.revision) {
            return Err(StoreError::FeedGone { oldest: Cursor { revision: disk.feed_from, ..head } });
        }
        let mut events: Vec<Event> = Vec::new();
        for event in disk.events.range((after.revision.next(), 0)..).map(|(_, event)| event) {
            let whole = events.last().is_some_and(|last| last.revision != event.revision);
            if whole && events.len() >= limit {
                let next = events.last().map_or(after.revision, |last| last.revision);
                return Ok(FeedPage { events, next: Cursor { revision: next, ..head }, head: head.revision });
            }
            events.push(event.clone());
        }
        Ok(FeedPage { events, next: head, head: head.revision })
    }

    fn history(
        &mut self,
        key: Key,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let disk = self.store.disk();
        let end = (before.unwrap_or(Revision(u64::MAX)), 0);
        let versions = disk.events.range(..end).rev().map(|(_, event)| event);
        Ok(versions.filter(|event| event.key == key).take(limit).cloned().collect())
    }

    fn as_of(&mut self, key: Key, when: As) -> Result<Option<Stored>, StoreError> {
        let disk = self.store.disk();
        let (line, since) = (disk.history_line.0, disk.history_from);
        let (gone, holds): (bool, &dyn Fn(&Event) -> bool) = match &when {
            As::Of(revision) => (*revision < line, &move |event| event.revision <= *revision),
            As::At(at) => (*at < since, &move |event| event.at <= *at),
        };
        if gone {
            return Err(StoreError::HistoryGone { from: since });
        }
        let version = disk.events.values().rev().filter(|event| event.key == key).find(|event| holds(event));
        Ok(version.and_then(|event| Some(Stored { revision: event.revision, object: event.object.clone()? })))
    }

    fn jobs(&mut self, filter: &JobFilter, limit: usize) -> Result<Vec<Stored<Arc<Job>>>, StoreError> {
        let disk = self.store.disk();
        let found = disk.jobs().rev().filter(|(_, job)| filter.lets_through(job)).take(limit);
        Ok(found.map(|(revision, job)| Stored { revision, object: Arc::clone(job) }).collect())
    }

    fn job(&mut self, id: JobId) -> Result<Option<Stored<Arc<Job>>>, StoreError> {
        Ok(self.object(Key::Job(id))?.and_then(|stored| match stored.object {
            Object::Job(job) => Some(Stored { revision: stored.revision, object: job }),
            _ => None,
        }))
    }

    fn changes_of_job(&mut self, job: JobId) -> Result<Vec<PropertyChange>, StoreError> {
        let disk = self.store.disk();
        let mut changes = Vec::new();
        for (place, event) in disk.events.range((Bound::Excluded(disk.history_line), Bound::Unbounded)) {
            let key = event.key;
            if event.job != Some(job) || key.kind() == Kind::Job || key.kind().is_secret() {
                continue;
            }
            let before = disk.version_before(key, *place).and_then(|event| event.object.as_ref());
            changes.extend(diff::properties(key, &value(before)?, &value(event.object.as_ref())?));
        }
        Ok(changes)
    }
}

fn value(object: Option<&Object>) -> Result<Value, StoreError> {
    let read = |object: &Object| serde_json::from_str(&object.body()?);
    object.map_or(Ok(Value::Null), |object| {
        read(object).map_err(|error| StoreError::Unreadable {
            kind: object.key().kind(),
            id: object.key().id(),
            cause: error.to_string(),
        })
    })
}
