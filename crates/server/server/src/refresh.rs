//! What happens by the clock: refreshers look at hosts and shares, and what is too old is dropped. Events make the looks
//! rarely needed; they are the safety net.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hostler_drive::Picture;
use hostler_engine::Engine;
use hostler_model::access::Actor;
use hostler_model::channel::{Query, REFRESH_LIMIT_MS, ToAgent};
use hostler_model::job::Job;
use hostler_model::library::SeenItem;
use hostler_model::refresher::RefresherKind;
use hostler_model::request::Request;
use hostler_model::setting::Settings;
use hostler_model::{AgentId, Code, HostId, Key, Kind, Name, Object, Refusal, ShareId, Timestamp};
use hostler_store::Retention;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::ask;
use crate::clock::now;
use crate::decide::{Message, Shared};
use crate::handle::Ask;
use crate::looks::Looks;
use crate::news::{News, Watch};

/// How often this looks at what is due. Refreshers are not exact to the second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many looks are under way at a time: each keeps an agent busy, and what it finds this server.
const LOOKS_AT_A_TIME: usize = 64;
/// How long a look may take. The agent gives up before that.
const LONGEST_LOOK: Duration = Duration::from_millis(REFRESH_LIMIT_MS + 15_000);
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
    tokio::spawn(follow(shared.clone()));
    let mut stop = shared.stop.subscribe();
    let room = Arc::new(Semaphore::new(LOOKS_AT_A_TIME));
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
        let (hosts, shares) =
            (places(&picture, RefresherKind::Host), places(&picture, RefresherKind::Library));
        for kind in RefresherKind::ALL {
            let every_ms = Settings::ms(kind.interval_s(&settings));
            let all = if kind.is_of_shares() { &shares } else { &hosts };
            // By hand one in maintenance is looked at all the same.
            let open: Vec<Uuid> = all
                .iter()
                .filter(|place| !place.left_alone || shared.looks.look((kind, place.id)).wanted)
                .map(|place| place.id)
                .collect();
            for id in shared.looks.due(kind, &open, every_ms, at) {
                let (shared, room) = (shared.clone(), room.clone());
                tokio::spawn(async move {
                    let _room = room.acquire().await;
                    look(&shared, kind, id).await;
                });
            }
        }
        // The first time soon after the start: a server that is started anew every few minutes prunes too.
        if pruned.is_none_or(|pruned| at.since(pruned) >= PRUNE_EVERY_MS) {
            pruned = Some(at);
            shared.looks.keep(|(kind, id)| match kind.is_of_shares() {
                true => picture.get(Key::Share(ShareId(id))).is_some(),
                false => picture.host(HostId(id)).is_some(),
            });
            sweep(&shared, at).await;
            if pruning.as_ref().is_none_or(JoinHandle::is_finished) {
                pruning = Some(tokio::spawn(prune(shared.clone(), settings, at)));
            }
        }
    }
}

/// Something that a refresher looks at.
pub(crate) struct Place {
    pub(crate) id: Uuid,
    pub(crate) name: Name,
    /// Its host is in maintenance.
    pub(crate) left_alone: bool,
}

/// What a refresher looks at: each host that is not declared dead, or each share.
pub(crate) fn places(picture: &Picture, kind: RefresherKind) -> Vec<Place> {
    let of = if kind.is_of_shares() { Kind::Share } else { Kind::Host };
    let places = picture.of_kind(of).filter_map(|stored| match &stored.object {
        Object::Host(host) if host.dead_since.is_none() => {
            Some(Place { id: host.id.0, name: host.name.clone(), left_alone: host.spec.maintenance })
        }
        Object::Share(share) => {
            let host = picture.host(share.agent.into());
            let left_alone = host.is_some_and(|host| host.spec.maintenance);
            Some(Place { id: share.id.0, name: share.name.clone(), left_alone })
        }
        _ => None,
    });
    places.collect()
}

/// Looks at one place, and remembers how that went.
async fn look(shared: &Arc<Shared>, kind: RefresherKind, id: Uuid) {
    let begun = Instant::now();
    let looked = match kind.is_of_shares() {
        true => look_at_share(shared, ShareId(id)).await,
        false => look_at_host(shared, kind, AgentId(id)).await,
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Err(why) = &looked {
        tracing::debug!(refresher = kind.word(), %id, %why, "a look failed");
    }
    shared.looks.ended((kind, id), now(), took_ms, looked.err());
}

/// What the agent reads reaches the record as its reports; the answer to the question follows them.
async fn look_at_host(shared: &Arc<Shared>, kind: RefresherKind, agent: AgentId) -> Result<(), Refusal> {
    let answer = shared.hub.query_within(agent, Query::Refresh { refresher: kind }, LONGEST_LOOK).await;
    let answer = match answer {
        // An agent of before the refreshers asked: it sends a picture all the same.
        Err(why) if why.code == Code::AgentUnsupported && kind.lists_machines() => {
            shared.hub.say(agent, ToAgent::Picture);
            return Ok(());
        }
        answer => answer?,
    };
    let answer = serde_json::from_slice(&answer).map_err(|why| malformed(agent, &why.to_string()))?;
    settled(shared).await;
    shared.looks.answered(kind, agent, answer, now());
    Ok(())
}

/// Waits until it is decided on what agents have said so far: the answer passes the reports before it in the queue.
async fn settled(shared: &Shared) {
    let (tell, told) = oneshot::channel();
    let look = move |_: &Engine, _| {
        // Nobody waits any more where the look was given up.
        let _ = tell.send(());
    };
    if shared.queue.push(Message::Look(Box::new(look))) {
        // While the store fails nothing is decided on; what was said then is said again.
        let _ = told.await;
    }
}

/// Where the folder shows what the record has, there is nothing to do and no job.
async fn look_at_share(shared: &Arc<Shared>, id: ShareId) -> Result<(), Refusal> {
    let picture = shared.picture.load_full();
    let Some(Object::Share(share)) = picture.get(Key::Share(id)).map(|stored| &stored.object) else {
        return Ok(());
    };
    let query = Query::Share { folder: share.folder.clone() };
    match shared.hub.query_within(share.agent, query, LONGEST_LOOK).await {
        Ok(seen) => {
            let mut seen: Vec<SeenItem> =
                serde_json::from_slice(&seen).map_err(|why| malformed(share.agent, &why.to_string()))?;
            seen.sort_by(|a, b| a.path.cmp(&b.path));
            let mut known: Vec<SeenItem> = shared
                .picture
                .load_full()
                .of_kind(Kind::Item)
                .filter_map(|stored| match &stored.object {
                    Object::Item(item) if item.share == id && item.missing_since.is_none() => {
                        Some(item.seen.clone())
                    }
                    _ => None,
                })
                .collect();
            known.sort_by(|a, b| a.path.cmp(&b.path));
            if seen == known {
                return Ok(());
            }
        }
        // An agent of before the refreshers asked: the job finds out.
        Err(why) if why.code == Code::AgentUnsupported => {}
        Err(why) => return Err(why),
    }
    let asked = ask::ask(shared, Ask::new(Actor::Refresher, Request::RefreshShare { share: id })).await;
    match asked {
        // Somebody is at it already.
        Err(why) if why.code == Code::ObjectBusy => Ok(()),
        Err(why) => Err(why),
        Ok(job) => match &ask::wait_for_job(shared, job, LONGEST_LOOK).await?.error {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        },
    }
}

fn malformed(agent: AgentId, why: &str) -> Refusal {
    Refusal::new(
        Code::AgentUnsupported,
        format!("agent {agent}"),
        format!("its answer is not understood: {why}"),
    )
}

/// Follows what is committed: what people had read by hand was looked at, too, and machines that are turned on or off
/// bring their host's figures.
async fn follow(shared: Arc<Shared>) {
    let mut watch = Watch::new(&shared);
    while let Some(news) = watch.next().await {
        let News::Committed(committed) = news else { continue };
        for change in &committed.changes {
            match (change.key, &change.object) {
                (_, Some(Object::Vm(vm))) => {
                    shared.looks.power(vm.id, vm.host.map(AgentId::from), vm.power(), committed.at);
                }
                (Key::Vm(vm), None) => shared.looks.gone(vm),
                (_, Some(Object::Job(job))) => note(&shared.looks, job),
                _ => {}
            }
        }
    }
}

/// A job that reads something anew has ended.
fn note(looks: &Looks, job: &Job) {
    let (Some(ended), Some(started)) = (job.ended, job.started) else { return };
    let (took_ms, error) = (ended.since(started), job.error.clone());
    match job.request {
        Request::RefreshVm { vm } => looks.read_by_hand(vm, ended, error),
        Request::RefreshHost { host } => {
            for kind in [RefresherKind::Host, RefresherKind::VmLight] {
                looks.told((kind, host.0), ended, took_ms, error.clone());
            }
        }
        Request::RefreshShare { share } => {
            looks.told((RefresherKind::Library, share.0), ended, took_ms, error)
        }
        _ => {}
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
        let shared = begin(store, None, None, None, crate::push::Push::new(None)).unwrap();
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
        let shared = begin(store, None, None, None, crate::push::Push::new(None)).unwrap();
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
}
