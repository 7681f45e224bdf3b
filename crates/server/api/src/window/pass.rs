//! One pass over the committed picture: how many things the filter lets through, how many of each status, and what the
//! window shows of them.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use hostler_model::Refusal;
use hostler_server::Picture;

use super::kinds::Windowed;
use super::{Beyond, WindowQuery};
use crate::access::Caller;
use crate::app::App;
use crate::list::{Filter, Place, Sort};
use crate::listed::{Cell, Field};
use crate::problem::Problem;

/// How many rows a window has where nothing is said.
const USUAL_LIMIT: u32 = 100;
/// How many rows a window has at most: more is on no screen.
const LARGEST_LIMIT: u32 = 1_000;

/// What somebody wants to see.
pub(crate) struct Wish<T: 'static> {
    /// The terms on what is counted by.
    pub(super) status: Filter<T>,
    /// The other terms.
    pub(super) rest: Filter<T>,
    sort: Sort<T>,
    offset: usize,
    limit: usize,
    counted: Option<&'static Field<T>>,
}

impl<T: Windowed> Wish<T> {
    pub(super) fn read(query: &WindowQuery) -> Result<Self, Refusal> {
        let limit = query.limit.unwrap_or(USUAL_LIMIT);
        if limit > LARGEST_LIMIT {
            return Err(Refusal::invalid("limit", format!("{limit} is not between 0 and {LARGEST_LIMIT}")));
        }
        let filter = Filter::<T>::read(query.filter.as_deref().unwrap_or_default())?;
        let (status, rest) = filter.apart(T::COUNTED.unwrap_or_default());
        Ok(Self {
            status,
            rest,
            sort: Sort::read(query.sort.as_deref().unwrap_or_default())?,
            offset: query.offset.unwrap_or_default() as usize,
            limit: limit as usize,
            counted: T::FIELDS.iter().find(|field| Some(field.name) == T::COUNTED),
        })
    }
}

/// A row as it is told.
pub(super) struct Row {
    pub(super) id: String,
    /// Of what makes it worth telling again.
    pub(super) digest: u64,
    pub(super) json: String,
}

/// What a pass found.
pub(super) struct Pass {
    pub(super) rev: u64,
    pub(super) total: u64,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) rows: Vec<Row>,
}

/// Looks at everything once.
pub(super) fn pass<T: Windowed>(
    app: &App,
    caller: &Caller,
    picture: &Picture,
    beyond: &Beyond<T>,
    wish: &Wish<T>,
) -> Result<Pass, Problem> {
    let mut found: Vec<(Place, u64, &T)> = Vec::new();
    let (mut total, mut counts) = (0, BTreeMap::new());
    let also = beyond.iter().filter(|(key, _)| picture.get(**key).is_none());
    for (revision, thing) in T::all(picture).chain(also.map(|(_, (revision, thing))| (*revision, &**thing))) {
        if !thing.is_shown_to(caller) || !wish.rest.holds(picture, thing) {
            continue;
        }
        if let Some(field) = wish.counted {
            *counts.entry(word((field.get)(picture, thing))).or_default() += 1;
        }
        if wish.status.holds(picture, thing) {
            total += 1;
            if wish.limit > 0 {
                found.push((wish.sort.place(picture, thing), revision, thing));
            }
        }
    }
    let by = |(a, ..): &(Place, u64, &T), (b, ..): &(Place, u64, &T)| wish.sort.compare(a, b);
    let end = wish.offset.saturating_add(wish.limit);
    // What is behind the window need not be in order.
    if found.len() > end && end > 0 {
        found.select_nth_unstable_by(end - 1, by);
        found.truncate(end);
    }
    found.sort_unstable_by(by);
    let rows = found.into_iter().skip(wish.offset).take(wish.limit);
    let rows = rows.map(|(place, revision, thing)| {
        let view = T::view(app, picture, revision, thing);
        let json = serde_json::to_string(&view).map_err(|cause| Problem::internal("window", cause))?;
        let mut digest = DefaultHasher::new();
        match T::lasting(&view) {
            Some(lasting) => serde_json::to_string(&lasting).unwrap_or_default().hash(&mut digest),
            None => json.hash(&mut digest),
        }
        Ok(Row { id: place.id, digest: digest.finish(), json })
    });
    Ok(Pass { rev: picture.head.revision.0, total, counts, rows: rows.collect::<Result<_, Problem>>()? })
}

/// What things are counted under.
fn word(cell: Cell) -> String {
    match cell {
        Cell::None | Cell::Many(_) => String::new(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text,
    }
}
