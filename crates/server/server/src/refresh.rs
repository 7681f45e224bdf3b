//! What happens by the clock: agents are asked for full pictures, shares are read anew, and what is too old is
//! dropped. Events make all this rarely needed; it is the safety net.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hostler_model::access::Actor;
use hostler_model::channel::ToAgent;
use hostler_model::request::Request;
use hostler_model::setting::Settings;
use hostler_model::{AgentId, Code, Kind, Object, Refusal, ShareId, Timestamp};
use hostler_store::Retention;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::ask;
use crate::clock::now;
use crate::decide::{Message, Shared};
use crate::handle::Ask;

/// How often this looks at what is due. Refreshers are not exact to the second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often what is too old is dropped, and sessions that have run out.
const PRUNE_EVERY_MS: u64 = 10 * 60 * 1000;
/// Rows in one bite: about 10 ms, for which commits wait.
const BITE_ROWS: u32 = 1_000;
/// The pause between two bites, so that commits come first.
const BETWEEN_BITES: Duration = Duration::from_millis(100);
/// How many sessions that have run out are removed at a time: each is a job, and nothing waits for it.
const SWEPT: usize = 256;
const DAY_MS: i64 = 24 * 3_600_000;

/// Runs until the server stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    let mut due = Due::default();
    let mut pruning: Option<JoinHandle<()>> = None;
    let mut pruned = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let picture = shared.picture.load_full();
        let settings = ask::settings(&picture);
        let at = now();
        let answering = picture.volatile.answering.iter().map(|agent| agent.0);
        for agent in due.of(Which::Agents, answering, Settings::ms(settings.vm_refresh_s), at) {
            shared.hub.say(AgentId(agent), ToAgent::Picture);
        }
        let shares = picture.of_kind(Kind::Share).filter_map(|stored| match &stored.object {
            Object::Share(share) if picture.answers(share.agent) => Some(share.id.0),
            _ => None,
        });
        let shares = due.of(Which::Shares, shares, Settings::ms(settings.share_refresh_s), at);
        for share in shares {
            refresh_share(&shared, ShareId(share)).await;
        }
        // The first time soon after the start: a server that is started anew every few minutes prunes too.
        if pruned.is_none_or(|pruned| at.since(pruned) >= PRUNE_EVERY_MS) {
            pruned = Some(at);
            sweep(&shared, at).await;
            if pruning.as_ref().is_none_or(JoinHandle::is_finished) {
                pruning = Some(tokio::spawn(prune(shared.clone(), settings, at)));
            }
        }
    }
}

async fn refresh_share(shared: &Arc<Shared>, share: ShareId) {
    if let Err(why) = ask_unless_busy(shared, Request::RefreshShare { share }).await {
        tracing::warn!(%share, %why, "a library share was not refreshed");
    }
}

/// Asks for what the clock says is due. Where somebody is at it already, or it is gone, they do it or the next time does.
async fn ask_unless_busy(shared: &Arc<Shared>, request: Request) -> Result<(), Refusal> {
    match ask::ask(shared, Ask::new(Actor::System, request)).await {
        Err(why) if !matches!(why.code, Code::ObjectBusy | Code::ObjectNotFound) => Err(why),
        _ => Ok(()),
    }
}

/// Removes sessions that have run out. They open nothing any more, but would pile up.
async fn sweep(shared: &Arc<Shared>, at: Timestamp) {
    let picture = shared.picture.load_full();
    let over = picture.of_kind(Kind::Token).filter_map(|stored| match &stored.object {
        Object::Token(token) if token.session && token.expires.is_some_and(|expires| expires <= at) => {
            Some(token.id)
        }
        _ => None,
    });
    for token in over.take(SWEPT) {
        if let Err(why) = ask_unless_busy(shared, Request::RevokeToken { token }).await {
            return tracing::warn!(%why, "sessions that have run out were not removed");
        }
    }
}

/// Drops what is older than the settings say, bite by bite.
pub(crate) async fn prune(shared: Arc<Shared>, settings: Settings, at: Timestamp) {
    let before = |days: u32| Timestamp(at.0 - i64::from(days) * DAY_MS);
    let retention = Retention {
        feed_from: before(settings.feed_days),
        history_from: before(settings.history_days),
        rows: BITE_ROWS,
    };
    let mut dropped = 0;
    loop {
        let (reply, answer) = oneshot::channel();
        if !shared.queue.push(Message::Prune(retention, reply)) {
            return;
        }
        match answer.await {
            Ok(Ok(bite)) => {
                dropped += bite.dropped;
                if !bite.more {
                    break;
                }
            }
            Ok(Err(why)) => return tracing::warn!(%why, "what is too old could not be dropped"),
            Err(_) => return,
        }
        tokio::time::sleep(BETWEEN_BITES).await;
    }
    if dropped > 0 {
        tracing::info!(dropped, "what was too old was dropped");
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    Agents,
    Shares,
}

/// When each thing is to be refreshed next.
#[derive(Default)]
struct Due(HashMap<(Which, Uuid), Timestamp>);

impl Due {
    /// What is due now. A thing that is new comes after a part of the interval that its id determines, so that a
    /// fleet that connects at once is not asked at once.
    fn of(
        &mut self,
        which: Which,
        things: impl Iterator<Item = Uuid>,
        every_ms: u64,
        at: Timestamp,
    ) -> Vec<Uuid> {
        let before = std::mem::take(&mut self.0);
        let (mut kept, others): (HashMap<_, _>, HashMap<_, _>) =
            before.into_iter().partition(|((of, _), _)| *of == which);
        self.0 = others;
        let mut due = Vec::new();
        if every_ms == 0 {
            return due;
        }
        for id in things {
            let first = || at.plus(every_ms / 2 + part(id, every_ms / 2));
            let mut next = kept.remove(&(which, id)).unwrap_or_else(first);
            // An interval that was made shorter counts at once, as does a clock that was set back.
            next = next.min(at.plus(every_ms));
            if next <= at {
                due.push(id);
                next = at.plus(every_ms);
            }
            self.0.insert((which, id), next);
        }
        due
    }
}

/// A part of a whole, the same each time for one id. The last digits of an id are its random ones.
fn part(id: Uuid, whole: u64) -> u64 {
    (id.as_u128() as u64 & 0xffff_ffff) * whole / 0xffff_ffff
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use hostler_model::access::Role;
    use hostler_model::request::Secret;
    use hostler_model::{InstallationId, Name};
    use hostler_store::{HistoryId, MemoryStore};

    use super::*;
    use crate::start::begin;

    #[tokio::test]
    async fn what_is_too_old_is_dropped_bite_by_bite_and_what_is_not_stays() {
        let store = MemoryStore::new(InstallationId(Uuid::from_u128(1)), HistoryId(1));
        let shared = begin(store, None, None).unwrap();
        let start = shared.picture.load().head;
        for days in 1..=1_200 {
            let settings = Settings { history_days: days, ..Settings::default() };
            ask::ask(&shared, Ask::new(Actor::System, Request::SetSettings { settings })).await.unwrap();
        }
        let resumes = async |cursor| shared.readers.read(move |r| r.feed(cursor, 10).map(drop)).await.is_ok();
        prune(shared.clone(), Settings::default(), now()).await;
        assert!(resumes(start).await, "nothing is older than a week");
        prune(shared.clone(), Settings::default(), now().plus(8 * 24 * 3_600_000)).await;
        assert!(!resumes(start).await, "everything is older than a week now");
        assert!(resumes(shared.picture.load().head).await);
        let (reply, left) = oneshot::channel();
        let from = now().plus(24 * 3_600_000);
        let retention = Retention { feed_from: from, history_from: Timestamp(0), rows: BITE_ROWS };
        shared.queue.push(Message::Prune(retention, reply));
        assert_eq!(left.await.unwrap().unwrap().dropped, 0, "the last bite was taken too");
        ask::shutdown(&shared).await;
    }

    #[tokio::test]
    async fn sessions_that_have_run_out_are_removed_soon_after_the_start_and_others_stay() {
        let store = MemoryStore::new(InstallationId(Uuid::from_u128(1)), HistoryId(1));
        let shared = begin(store, None, None).unwrap();
        let asked = async |request| {
            let job = ask::ask(&shared, Ask::new(Actor::System, request)).await.unwrap();
            ask::wait_for_job(&shared, job, Duration::from_secs(10)).await.unwrap()
        };
        let name = |text: &str| Name::new(text).unwrap();
        let hash = Secret("h".into());
        asked(Request::CreateUser { name: name("bob"), role: Role::ReadOnly, hash }).await;
        let user = shared.picture.load().of_kind(Kind::User).find_map(|stored| match &stored.object {
            Object::User(user) => Some(user.id),
            _ => None,
        });
        let user = user.unwrap();
        for (text, expires, session) in [
            ("over", now().plus(50), true),
            ("not yet", now().plus(3_600_000), true),
            ("no session", now().plus(50), false),
        ] {
            let (name, sha256) = (name(text), Secret(text.into()));
            asked(Request::CreateToken { user, name, sha256, expires: Some(expires), session }).await;
        }
        let left = || shared.picture.load().of_kind(Kind::Token).count();
        assert_eq!(left(), 3);
        let running = tokio::spawn(run(shared.clone()));
        let limit = std::time::Instant::now() + Duration::from_secs(20);
        while left() == 3 && std::time::Instant::now() < limit {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(left(), 2, "a token that is no session is shown as run out until somebody removes it");
        ask::shutdown(&shared).await;
        running.await.unwrap();
    }

    #[test]
    fn a_fleet_that_connects_at_once_is_refreshed_spread_over_time_and_each_once_an_interval() {
        let agents: Vec<Uuid> = (0..100u128).map(|n| Uuid::from_u128(n * 0x9e37_79b9_7f4a_7c15)).collect();
        let mut due = Due::default();
        let mut counts: HashMap<Uuid, u32> = HashMap::new();
        let mut most = 0;
        for second in 0..600 {
            let now = due.of(Which::Agents, agents.iter().copied(), 120_000, Timestamp(second * 1000));
            most = most.max(now.len());
            now.into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
            due.of(Which::Shares, agents.iter().copied(), 0, Timestamp(second * 1000));
        }
        assert!(most < 10, "{most} in one second");
        assert!(agents.iter().all(|id| (4..=5).contains(&counts[id])), "{counts:?}");
    }

    #[test]
    fn an_interval_of_nought_is_never_and_a_shorter_one_counts_at_once() {
        let id = Uuid::from_u128(7);
        let mut due = Due::default();
        assert!(due.of(Which::Shares, [id].into_iter(), 3_600_000, Timestamp(0)).is_empty());
        assert!(due.of(Which::Shares, [id].into_iter(), 10_000, Timestamp(1_000)).is_empty());
        assert_eq!(due.of(Which::Shares, [id].into_iter(), 10_000, Timestamp(11_000)), [id]);
        assert!(due.of(Which::Shares, [id].into_iter(), 0, Timestamp(i64::MAX)).is_empty());
    }
}
