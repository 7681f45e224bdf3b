//! The live feed: every commit as it happens, or from a place in the past on. A client that reads slowly holds up
//! nobody and fills no memory: while it is behind, it is served from the store; what is no longer kept there is answered
//! with `resync`.
//!
//! The id stands at the last event of a commit, so that who resumes there has seen whole commits only.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::Event as Sse;
use futures_util::Stream;
use futures_util::stream::unfold;
use hostler_model::body::{FeedEvent, FeedOp};
use hostler_model::{Kind, Refusal};
use hostler_server::store::{Cursor, Event, FeedPage, Op, StoreError};
use hostler_server::{Committed, News, Watch};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::access::Caller;
use crate::app::App;
use crate::secret;

/// How often something is said when nothing happens, so that a dead connection is noticed, and how often it is looked
/// whether the caller may still listen. Less often leaves a signed-out caller listening, more often wakes everybody.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How many events are read from the store at a time: about 1 MiB at most in memory for one caller.
const PAGE: usize = 256;
/// How many commits a caller may be behind, at the beginning and ever after: a quarter of an hour of a server that is as
/// busy as it can be, days of one that is not. Beyond it, to read the lists anew is less than to read what happened, and
/// a caller who never keeps up would read the store for ever.
const MOST_BEHIND: u64 = 100_000;

/// One caller's place in the feed.
struct Feed {
    app: App,
    caller: Caller,
    kinds: BTreeSet<Kind>,
    cursor: Cursor,
    behind: bool,
    watch: Watch,
    stopping: watch::Receiver<bool>,
    beat: Interval,
    queue: VecDeque<Sse>,
}

/// The feed after a place (from now on when there is none), of these kinds (all when there are none).
pub(crate) fn follow(
    app: App,
    caller: Caller,
    after: Option<Cursor>,
    kinds: BTreeSet<Kind>,
) -> impl Stream<Item = Result<Sse, Infallible>> {
    // Subscribed before the picture is looked at: nothing is missed between them.
    let watch = app.handle().watch();
    let head = app.picture().head;
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    let first =
        Sse::default().id(after.unwrap_or(head).to_string()).comment("the feed begins after this place");
    let feed = Feed {
        stopping: app.stopping(),
        app,
        caller,
        kinds,
        cursor: after.unwrap_or(head),
        behind: after.is_some_and(|after| after != head),
        watch,
        beat,
        queue: VecDeque::from([first]),
    };
    unfold(feed, |mut feed| async {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    })
}

impl Feed {
    async fn next(&mut self) -> Option<Sse> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if *self.stopping.borrow() {
                return None;
            }
            if self.behind {
                self.catch_up().await.ok()?;
                continue;
            }
            tokio::select! {
                news = self.watch.next() => match news? {
                    News::Committed(committed) => self.take(&committed),
                    News::Missed => self.behind = true,
                },
                _ = self.stopping.changed() => return None,
                _ = self.beat.tick() => {
                    self.caller = self.caller.again(&self.app)?;
                    self.queue.push_back(Sse::default().id(self.cursor.to_string()).comment("still here"));
                }
            }
        }
    }

    fn take(&mut self, committed: &Committed) {
        let (at, before) = (committed.cursor, self.cursor);
        if at.history == before.history && at.revision <= before.revision {
            return;
        }
        if at.history != before.history || at.revision != before.revision.next() {
            self.behind = true;
            return;
        }
        let events = committed.changes.iter().filter_map(|change| {
            if !self.caller.may_see(change.key, change.object.as_ref()) || !self.wants(change.key.kind()) {
                return None;
            }
            Some(FeedEvent {
                rev: at.revision.0,
                kind: change.key.kind(),
                id: change.key.id(),
                op: if change.object.is_some() { FeedOp::Put } else { FeedOp::Gone },
                job: change.job,
                actor: change.actor.clone(),
                at: committed.at,
                body: change.object.as_ref().and_then(secret::body),
            })
        });
        let events = events.collect();
        self.say(events, at);
    }

    /// Reads on in the store, until there is something to say or nothing more to read.
    async fn catch_up(&mut self) -> Result<(), Refusal> {
        let (after, now) = (self.cursor, self.app.picture().head);
        if is_too_far(after, now) {
            self.resync(now);
            return Ok(());
        }
        let page = self.app.handle().read(move |reader| match reader.feed(after, PAGE) {
            Ok(page) => Ok(Ok(page)),
            Err(StoreError::FeedGone { .. }) => Ok(Err(reader.head()?)),
            Err(other) => Err(other),
        });
        match page.await? {
            Ok(page) => {
                self.caller = self.caller.again(&self.app).ok_or_else(|| Refusal::not_found("caller"))?;
                self.read(&page);
            }
            Err(head) => self.resync(head),
        }
        Ok(())
    }

    /// What happened until now is told no more: the caller reads everything anew.
    fn resync(&mut self, head: Cursor) {
        (self.cursor, self.behind) = (head, false);
        let told = format!("{{\"head\":\"{head}\"}}");
        self.queue.push_back(Sse::default().id(head.to_string()).event("resync").data(told));
    }

    fn read(&mut self, page: &FeedPage) {
        let history = page.next.history;
        let mut commit: Vec<FeedEvent> = Vec::new();
        let mut at = None;
        for event in &page.events {
            if at.is_some_and(|at| at != event.revision) {
                let place = Cursor { history, revision: at.unwrap_or(event.revision) };
                self.say(std::mem::take(&mut commit), place);
            }
            at = Some(event.revision);
            let seen = self.caller.may_see(event.key, event.object.as_ref()) && self.wants(event.key.kind());
            if seen && !event.key.kind().is_secret() {
                commit.push(told(event));
            }
        }
        self.say(commit, page.next);
        self.behind = page.next.revision < page.head;
    }

    /// Queues the events of one commit; the last one carries the place.
    fn say(&mut self, events: Vec<FeedEvent>, place: Cursor) {
        self.cursor = place;
        let last = events.len().saturating_sub(1);
        for (n, event) in events.into_iter().enumerate() {
            let Ok(data) = serde_json::to_string(&event) else { continue };
            let said = Sse::default().event("change").data(data);
            self.queue.push_back(if n == last { said.id(place.to_string()) } else { said });
        }
    }

    fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// Whether more has happened since than is told.
fn is_too_far(after: Cursor, now: Cursor) -> bool {
    after.history == now.history && now.revision.0.saturating_sub(after.revision.0) > MOST_BEHIND
}

/// An event of the store as it is told.
pub(crate) fn told(event: &Event) -> FeedEvent {
    FeedEvent {
        rev: event.revision.0,
        kind: event.key.kind(),
        id: event.key.id(),
        op: match event.op {
            Op::Put => FeedOp::Put,
            Op::Gone => FeedOp::Gone,
        },
        job: event.job,
        actor: event.actor.clone(),
        at: event.at,
        body: event.object.as_ref().and_then(secret::body),
    }
}

#[cfg(test)]
mod tests {
    use hostler_server::store::{HistoryId, Revision};

    use super::*;

    #[test]
    fn who_is_further_behind_than_is_told_reads_everything_anew_and_who_is_not_goes_on() {
        let at = |history, revision| Cursor { history: HistoryId(history), revision: Revision(revision) };
        assert!(!is_too_far(at(1, 5), at(1, 5 + MOST_BEHIND)));
        assert!(is_too_far(at(1, 5), at(1, 6 + MOST_BEHIND)));
        assert!(!is_too_far(at(1, 9), at(1, 5)), "the store says what becomes of one from the future");
        assert!(!is_too_far(at(2, 0), at(1, MOST_BEHIND * 2)), "and of one from another history");
    }
}
