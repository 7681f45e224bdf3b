//! Windows: a client says which part of which list it shows, and is told that part at first and then what changes in it:
//! what enters, leaves, moves or looks otherwise, and how many there are. At most four times a second, however much is
//! committed: commits only say that something may look otherwise, and one pass then finds what does, on a list that is
//! kept in order for all who look at it. Who reads slowly is not computed for; nothing is kept for them but which rows
//! they have been told.

mod board;
mod jobs;
mod kinds;
mod pass;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::sse::{Event as Sse, Sse as Stream};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use hostler_model::Key;
use hostler_model::access::Right;
use hostler_model::window::WindowEvent;
use hostler_server::store::Cursor;
use hostler_server::{Committed, News, Picture, Watch};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::problem::Problem;

use board::Board;
pub(crate) use board::Boards;
pub(crate) use kinds::Windowed;
use pass::{Asked, Known, Looker, Pass, Range};

/// The least time between two passes: four times a second. More often shows people nothing and costs a pass each;
/// less often looks slow.
const APART: Duration = Duration::from_millis(250);
/// How often something is said when nothing happens, and how often it is looked whether the caller may still look. The
/// console takes 25 s of silence for a lost connection.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often figures that no commit and no agent's coming or going announces (a host's load) are looked at.
const FIGURES: Duration = Duration::from_secs(5);
/// How many things beyond the picture (ended jobs) are kept for a window before they are read anew and fewer.
const MOST_BEYOND: usize = 1_000;

/// Which part of a list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WindowQuery {
    /// Only what all of these terms hold for, as in `status=running|paused,name~web*`.
    filter: Option<String>,
    /// By which fields, as in `host,-memory_mib`; by name when absent, jobs by number with the newest first.
    sort: Option<String>,
    /// How many before it are not shown; 0 when absent.
    offset: Option<u32>,
    /// How many at most, 0 to 1,000; 100 when absent.
    #[param(minimum = 0, maximum = 1000)]
    limit: Option<u32>,
}

/// Things that are not in the picture, with their versions.
pub(crate) type Beyond<T> = BTreeMap<Key, (u64, Arc<T>)>;

/// Answers with a window's stream. What cannot be read of the query is refused before it begins.
pub(crate) async fn open<T: Windowed>(
    app: App,
    caller: Caller,
    right: Right,
    query: WindowQuery,
) -> Result<Response, Problem> {
    let (asked, range) = pass::read::<T>(&query)?;
    let asked = Arc::new(asked);
    // Subscribed before anything is looked at: nothing is missed between.
    let (watch, mut volatile) = (app.handle().watch(), app.handle().watch_volatile());
    volatile.mark_unchanged();
    let head = app.picture().head;
    let beyond = T::beyond(&app, &asked).await?;
    let board = app.boards().of(&asked, &caller);
    let paced = |every| {
        let mut paced = interval(every);
        paced.set_missed_tick_behavior(MissedTickBehavior::Delay);
        paced.reset();
        paced
    };
    let window = Window {
        stopping: app.stopping(),
        app,
        caller,
        right,
        asked,
        range,
        board,
        watch,
        volatile,
        beat: paced(HEARTBEAT),
        figures: paced(FIGURES),
        heard: head,
        beyond,
        changed: None,
        stale: false,
        dirty: true,
        not_before: Instant::now(),
        shown: None,
        told: Told { whole: true, ..Told::default() },
    };
    let stream = unfold(window, |mut window| async {
        let event = window.next().await?;
        Some((Ok::<_, Infallible>(event), window))
    });
    Ok(Stream::new(stream).into_response())
}

/// A window that somebody looks at.
struct Window<T: Windowed> {
    app: App,
    caller: Caller,
    /// What looking needs, at each moment.
    right: Right,
    asked: Arc<Asked<T>>,
    range: Range,
    board: Arc<Mutex<Board<T>>>,
    watch: Watch,
    volatile: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    beat: Interval,
    figures: Interval,
    /// The last commit that was heard of.
    heard: Cursor,
    beyond: Beyond<T>,
    /// What has changed beyond the picture since the last pass; none when all of it was read anew.
    changed: Option<Vec<Key>>,
    /// Whether what is beyond the picture is to be read anew.
    stale: bool,
    /// Whether something may look otherwise than it was told.
    dirty: bool,
    not_before: Instant,
    /// The picture of the last pass.
    shown: Option<Arc<Picture>>,
    told: Told,
}

impl<T: Windowed> Window<T> {
    /// The next thing to say; none when the stream ends.
    async fn next(&mut self) -> Option<Sse> {
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            if self.dirty && Instant::now() >= self.not_before {
                if let Some(event) = self.look().await? {
                    return Some(event);
                }
                continue;
            }
            tokio::select! {
                news = self.watch.next() => self.take(news?)?,
                changed = self.volatile.changed() => {
                    changed.ok()?;
                    let now = self.app.picture();
                    self.dirty |= self.shown.as_ref().is_none_or(|before| T::looks_otherwise(before, &now));
                }
                _ = self.stopping.changed() => return None,
                _ = self.beat.tick() => {
                    self.check()?;
                    return Some(Sse::default().comment("still here"));
                }
                _ = self.figures.tick(), if T::HAS_FIGURES => self.dirty = true,
                () = sleep_until(self.not_before), if self.dirty => {}
            }
        }
    }

    /// One pass, and what it found to say; the outer none ends the stream.
    async fn look(&mut self) -> Option<Option<Sse>> {
        let picture = self.app.picture();
        // What a commit took out of the picture is in its news: jobs end there.
        while !T::SHARED
            && self.heard.history == picture.head.history
            && self.heard.revision < picture.head.revision
        {
            let news = self.watch.next().await?;
            self.take(news)?;
        }
        if self.stale || self.beyond.len() > MOST_BEYOND {
            match T::beyond(&self.app, &self.asked).await {
                Ok(beyond) => (self.beyond, self.changed, self.stale) = (beyond, None, false),
                Err(refusal) => {
                    tracing::warn!(%refusal, "a window shows what it knew: the store cannot be read")
                }
            }
        }
        (self.dirty, self.not_before) = (false, Instant::now() + APART);
        let place = self.app.passes().await?;
        let looker = Looker {
            app: self.app.clone(),
            caller: self.caller.clone(),
            board: self.board.clone(),
            range: self.range,
            picture,
            beyond: std::mem::take(&mut self.beyond),
            changed: self.changed.replace(Vec::new()),
            told: if self.told.whole { HashMap::new() } else { std::mem::take(&mut self.told.rows) },
        };
        let work = move || {
            let found = looker.look();
            drop(place);
            (found, looker.beyond)
        };
        let (found, beyond) = tokio::task::spawn_blocking(work).await.ok()?;
        self.beyond = beyond;
        let found = found.ok()?;
        self.shown = Some(found.picture.clone());
        Some(self.told.tell(found))
    }

    /// Hears what was committed; none when the caller is shut out.
    fn take(&mut self, news: News) -> Option<()> {
        match news {
            News::Committed(committed) => {
                self.heard = committed.cursor;
                self.hear(&committed);
                let own = [Key::User(self.caller.user.id), Key::Token(self.caller.token.id)];
                if committed.changes.iter().any(|change| own.contains(&change.key)) {
                    self.check()?;
                }
            }
            News::Missed => {
                self.heard = self.app.picture().head;
                (self.dirty, self.stale, self.told.whole) = (true, true, true);
                self.check()?;
            }
        }
        Some(())
    }

    fn hear(&mut self, committed: &Committed) {
        for change in &committed.changes {
            self.dirty |= T::TAKEN_FROM.contains(&change.key.kind());
            if change.key.kind() != T::KIND {
                continue;
            }
            let was = match change.object.as_ref().and_then(T::of) {
                Some(thing) if thing.is_beyond() => {
                    self.beyond.insert(change.key, (committed.cursor.revision.0, thing.clone()));
                    true
                }
                _ => self.beyond.remove(&change.key).is_some(),
            };
            if let Some(changed) = self.changed.as_mut().filter(|_| was) {
                changed.push(change.key);
            }
        }
    }

    /// Looks who the caller is now; none when they may look no longer.
    fn check(&mut self) -> Option<()> {
        let now = self.caller.again(&self.app).filter(|caller| caller.may(self.right))?;
        let sees_otherwise = now.user.role != self.caller.user.role;
        self.caller = now;
        if sees_otherwise {
            (self.board, self.dirty) = (self.app.boards().of(&self.asked, &self.caller), true);
        }
        Some(())
    }
}

/// What was told.
#[derive(Default)]
struct Told {
    /// Whether everything is to be told again.
    whole: bool,
    total: u64,
    counts: BTreeMap<String, u64>,
    order: Vec<Key>,
    rows: HashMap<Key, Known>,
}

impl Told {
    /// What is to be said so that whoever was told the rest knows what was found; none when they do.
    fn tell(&mut self, found: Pass) -> Option<Sse> {
        let whole = std::mem::take(&mut self.whole);
        let (counted, moved) = (found.counts != self.counts, found.order != self.order);
        let silent = !whole && !counted && !moved && found.put.is_empty() && found.total == self.total;
        let event = WindowEvent::<()> {
            rev: found.picture.head.revision.0,
            total: found.total,
            counts: (whole || counted).then(|| found.counts.clone()),
            order: (whole || moved).then(|| found.order.iter().map(|key| key.id()).collect()),
            put: Vec::new(),
        };
        (self.total, self.counts) = (found.total, found.counts);
        (self.order, self.rows) = (found.order, found.rows);
        if silent {
            return None;
        }
        // The rows are JSON already, and the last member.
        let mut data = serde_json::to_string(&event).ok()?;
        data.truncate(data.len().saturating_sub("]}".len()));
        data.push_str(&found.put.join(","));
        data.push_str("]}");
        Some(Sse::default().event(if whole { "window" } else { "change" }).data(data))
    }
}
