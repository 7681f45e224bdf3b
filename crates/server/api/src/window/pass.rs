//! One pass of a window: its board follows the committed picture, and what the window shows of it is compared with what
//! was told.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use hostler_model::{Key, Refusal};
use hostler_server::Picture;

use super::board::{Board, lock, thing};
use super::kinds::Windowed;
use super::{Beyond, WindowQuery};
use crate::access::Caller;
use crate::app::App;
use crate::list::{Filter, Sort, limit};
use crate::listed::Field;
use crate::problem::Problem;

/// Which list somebody wants to see, and in which order.
pub(crate) struct Asked<T: 'static> {
    /// The filter as it was written.
    pub(super) filter: String,
    /// The terms on what is counted by.
    pub(super) status: Filter<T>,
    /// The other terms.
    pub(super) rest: Filter<T>,
    pub(super) sort: Sort<T>,
    pub(super) counted: Option<&'static Field<T>>,
}

/// Which part of it.
#[derive(Clone, Copy)]
pub(super) struct Range {
    offset: usize,
    limit: usize,
}

/// What a query asks for.
pub(super) fn read<T: Windowed>(query: &WindowQuery) -> Result<(Asked<T>, Range), Refusal> {
    // None: only the total and the counts.
    let limit = limit(query.limit, 0)?;
    let written = query.filter.clone().unwrap_or_default();
    let (status, rest) = Filter::<T>::read(&written)?.apart(T::COUNTED.unwrap_or_default());
    let asked = Asked {
        filter: written,
        status,
        rest,
        sort: Sort::read(query.sort.as_deref().unwrap_or_default())?,
        counted: T::FIELDS.iter().find(|field| Some(field.name) == T::COUNTED),
    };
    let range = Range { offset: query.offset.unwrap_or_default() as usize, limit };
    Ok((asked, range))
}

/// What was told of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The board's number for how it looked.
    stamp: u64,
    /// Of what makes it worth telling again.
    digest: u64,
}

/// What a pass found.
pub(super) struct Pass {
    /// As of which picture.
    pub(super) picture: Arc<Picture>,
    pub(super) total: u64,
    pub(super) counts: BTreeMap<String, u64>,
    /// What stands in the window, in order.
    pub(super) order: Vec<Key>,
    pub(super) rows: HashMap<Key, Known>,
    /// The rows, as JSON, that look otherwise than was told.
    pub(super) put: Vec<String>,
}

/// Who looks, and at what.
pub(super) struct Looker<T: Windowed> {
    pub(super) app: App,
    pub(super) caller: Caller,
    pub(super) board: Arc<Mutex<Board<T>>>,
    pub(super) range: Range,
    /// The picture that what is beyond it belongs to.
    pub(super) picture: Arc<Picture>,
    pub(super) beyond: Beyond<T>,
    /// What has changed beyond the picture since the last pass; none when it was read anew.
    pub(super) changed: Option<Vec<Key>>,
    /// What was told; nothing when everything is to be told again.
    pub(super) told: HashMap<Key, Known>,
}

impl<T: Windowed> Looker<T> {
    /// Looks once.
    pub(super) fn look(&self) -> Result<Pass, Problem> {
        let part = {
            let mut board = lock(&self.board);
            // The newest, so that a board that many follow never goes back; but what is beyond belongs to one picture.
            let now = if T::SHARED { self.app.picture() } else { self.picture.clone() };
            board.follow(&self.caller, &now, &self.beyond);
            match &self.changed {
                None if !T::SHARED => board.begin(&self.caller, &now, &self.beyond),
                None => {}
                Some(keys) => {
                    keys.iter().for_each(|key| board.look_at(&self.caller, &now, &self.beyond, *key))
                }
            }
            board.part(self.range.offset, self.range.limit)
        };
        let part = part.ok_or_else(|| Problem::internal("window", "its list was never looked at"))?;
        let (mut rows, mut put) = (HashMap::with_capacity(part.rows.len()), Vec::new());
        let mut order = Vec::with_capacity(part.rows.len());
        for (key, stamp) in part.rows {
            let told = self.told.get(&key);
            let known = match told {
                Some(told) if told.stamp == stamp && !T::ROWS_MOVE => *told,
                _ => {
                    let Some((revision, thing)) = thing(&part.picture, &self.beyond, key) else { continue };
                    let (json, digest) = self.row(&part.picture, revision, thing)?;
                    if told.is_none_or(|told| told.digest != digest) {
                        put.push(json);
                    }
                    Known { stamp, digest }
                }
            };
            order.push(key);
            rows.insert(key, known);
        }
        Ok(Pass { picture: part.picture, total: part.total, counts: part.counts, order, rows, put })
    }

    fn row(&self, picture: &Arc<Picture>, revision: u64, thing: &T) -> Result<(String, u64), Problem> {
        let view = T::view(&self.app, picture, revision, thing);
        let json = serde_json::to_string(&view).map_err(|cause| Problem::internal("window", cause))?;
        let mut digest = DefaultHasher::new();
        match T::lasting(&view) {
            Some(lasting) => serde_json::to_string(&lasting).unwrap_or_default().hash(&mut digest),
            None => json.hash(&mut digest),
        }
        Ok((json, digest.finish()))
    }
}
