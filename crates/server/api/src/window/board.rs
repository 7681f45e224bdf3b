//! A list kept in order: what a filter lets through, sorted, and how many there are of each status. It follows the
//! committed picture by looking only at what has changed since, and all windows with one filter and one sorting share
//! it. So what a pass costs grows with what has happened and with what is shown, never with what there is.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hostler_model::{Key, Kind};
use hostler_server::Picture;

use super::Beyond;
use super::kinds::{Touched, Windowed};
use super::pass::Asked;
use crate::access::Caller;
use crate::listed::Cell;

/// A list in order, as of a picture.
pub(crate) struct Board<T: Windowed> {
    asked: Arc<Asked<T>>,
    picture: Option<Arc<Picture>>,
    entries: HashMap<Key, Entry>,
    /// What the whole filter lets through.
    order: BTreeSet<(Arc<[u8]>, Key)>,
    counts: BTreeMap<Arc<str>, u64>,
    stamps: u64,
}

/// Something that the filter lets through, without what it says of the status.
struct Entry {
    /// Where it stands, if it is shown.
    place: Option<Arc<[u8]>>,
    /// What it is counted under.
    word: Option<Arc<str>>,
    /// Raised when it may look otherwise.
    stamp: u64,
}

/// A part of a board.
pub(super) struct Part {
    pub(super) picture: Arc<Picture>,
    pub(super) total: u64,
    pub(super) counts: BTreeMap<String, u64>,
    /// What stands there, each with a number that changes when it may look otherwise.
    pub(super) rows: Vec<(Key, u64)>,
}

impl<T: Windowed> Board<T> {
    pub(super) fn new(asked: Arc<Asked<T>>) -> Self {
        Self {
            asked,
            picture: None,
            entries: HashMap::new(),
            order: BTreeSet::new(),
            counts: BTreeMap::new(),
            stamps: 0,
        }
    }

    /// Follows up to this picture; one that is older than what the board shows changes nothing.
    pub(super) fn follow(&mut self, caller: &Caller, now: &Arc<Picture>, beyond: &Beyond<T>) {
        let before = match &self.picture {
            Some(before) if before.head.history == now.head.history => before.clone(),
            _ => return self.begin(caller, now, beyond),
        };
        if Arc::ptr_eq(&before, now) || before.head.revision > now.head.revision {
            return;
        }
        self.picture = Some(now.clone());
        match T::touched(&before, now, now.since(&before)) {
            Touched::All => self.begin(caller, now, beyond),
            Touched::These(keys) => keys.into_iter().for_each(|key| self.look_at(caller, now, beyond, key)),
        }
    }

    /// Looks at everything anew.
    pub(super) fn begin(&mut self, caller: &Caller, now: &Arc<Picture>, beyond: &Beyond<T>) {
        self.picture = Some(now.clone());
        self.entries.clear();
        self.order.clear();
        self.counts.clear();
        let also = beyond.iter().filter(|(key, _)| now.get(**key).is_none());
        for (key, thing) in T::all(now).chain(also.map(|(key, (_, thing))| (*key, &**thing))) {
            self.take(caller, now, key, thing);
        }
    }

    /// Looks at one thing anew.
    pub(super) fn look_at(&mut self, caller: &Caller, now: &Picture, beyond: &Beyond<T>, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            if let Some(place) = entry.place {
                self.order.remove(&(place, key));
            }
            if let Some(word) = entry.word
                && let Some(count) = self.counts.get_mut(&word)
            {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&word);
                }
            }
        }
        if let Some((_, thing)) = thing(now, beyond, key) {
            self.take(caller, now, key, thing);
        }
    }

    fn take(&mut self, caller: &Caller, now: &Picture, key: Key, thing: &T) {
        if !thing.is_shown_to(caller) || !self.asked.rest.holds(now, thing) {
            return;
        }
        let word = self.asked.counted.map(|field| self.word((field.get)(now, thing)));
        if let Some(word) = &word {
            *self.counts.entry(word.clone()).or_default() += 1;
        }
        let place: Option<Arc<[u8]>> =
            self.asked.status.holds(now, thing).then(|| self.asked.sort.key(now, thing).into());
        if let Some(place) = &place {
            self.order.insert((place.clone(), key));
        }
        self.stamps += 1;
        self.entries.insert(key, Entry { place, word, stamp: self.stamps });
    }

    /// What something is counted under; thousands share a word.
    fn word(&self, cell: Cell<'_>) -> Arc<str> {
        let word = match cell {
            Cell::None | Cell::Many(_) => "".into(),
            Cell::Flag(flag) => flag.to_string().into(),
            Cell::Number(number) => number.to_string().into(),
            Cell::Text(text) => text,
        };
        match self.counts.get_key_value(&*word) {
            Some((known, _)) => known.clone(),
            None => word.into(),
        }
    }

    /// What stands from `offset` on; none before the first picture.
    pub(super) fn part(&self, offset: usize, limit: usize) -> Option<Part> {
        let rows = self.order.iter().skip(offset).take(limit);
        let stamp = |key: &Key| self.entries.get(key).map_or(0, |entry| entry.stamp);
        Some(Part {
            picture: self.picture.clone()?,
            total: self.order.len() as u64,
            counts: self.counts.iter().map(|(word, count)| (word.to_string(), *count)).collect(),
            rows: rows.map(|(_, key)| (*key, stamp(key))).collect(),
        })
    }
}

/// A thing with its revision.
pub(super) fn thing<'a, T: Windowed>(
    picture: &'a Picture,
    beyond: &'a Beyond<T>,
    key: Key,
) -> Option<(u64, &'a T)> {
    match picture.get(key) {
        Some(stored) => Some((stored.revision.0, &**T::of(&stored.object)?)),
        None => beyond.get(&key).map(|(revision, thing)| (*revision, &**thing)),
    }
}

pub(super) fn lock<T: Windowed>(board: &Mutex<Board<T>>) -> MutexGuard<'_, Board<T>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The boards that somebody looks at. One that nobody looks at any more is forgotten.
#[derive(Default)]
pub(crate) struct Boards(Mutex<HashMap<Same, Weak<dyn Any + Send + Sync>>>);

/// What two windows have in common that share a board.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Same {
    kind: Kind,
    filter: String,
    sort: String,
    sees: String,
}

impl Boards {
    /// The board for this; a new one where there is none, and where each window knows more than the picture.
    pub(super) fn of<T: Windowed>(&self, asked: &Arc<Asked<T>>, caller: &Caller) -> Arc<Mutex<Board<T>>> {
        let new = || Arc::new(Mutex::new(Board::new(asked.clone())));
        if !T::SHARED {
            return new();
        }
        let (filter, sort) = (asked.filter.clone(), asked.sort.text().to_owned());
        let same = Same { kind: T::KIND, filter, sort, sees: T::sees(caller) };
        let mut boards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = boards.get(&same).and_then(Weak::upgrade);
        if let Some(board) = known.and_then(|known| known.downcast::<Mutex<Board<T>>>().ok()) {
            return board;
        }
        boards.retain(|_, board| board.strong_count() > 0);
        let board = new();
        let shared: Arc<dyn Any + Send + Sync> = board.clone();
        boards.insert(same, Arc::downgrade(&shared));
        board
    }
}
