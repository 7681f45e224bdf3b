//! What the handle does when it is asked: queue, wait for the answer, look at the picture or the store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hostler_drive::Picture;
use hostler_engine::{AskId, Asked, Engine, Input};
use hostler_model::access::Actor;
use hostler_model::agent::Roles;
use hostler_model::host_group::Above;
use hostler_model::job::{DryRun, Job, JobKind, JobState};
use hostler_model::request::{Candidate, CreateVm, Request, Secret};
use hostler_model::setting::Settings;
use hostler_model::{Code, HostGroupId, JobId, Key, Kind, Ms, Object, Refusal, Timestamp, VmId};
use hostler_placement::{Need, Rating, Weights};
use hostler_wire::EnrolmentToken;
use tokio::sync::oneshot;

use crate::decide::{COMMIT_LIMIT, Message, Shared, stopping};
use crate::handle::Ask;
use crate::news::{News, Watch};

/// How many rated hosts a request carries. The first of them suits nearly always.
const CANDIDATES: usize = 10;
/// How often a waiting asker looks whether the store is stuck.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(crate) async fn ask(shared: &Arc<Shared>, ask: Ask) -> Result<JobId, Refusal> {
    let Ask { actor, key, wait, unchanged, again_of, mut request } = ask;
    fill_candidates(shared, &mut request).await;
    submit(shared, |ask| Input::Ask(Box::new(Asked { ask, actor, key, wait, unchanged, again_of, request })))
        .await
}

pub(crate) async fn cancel(shared: &Arc<Shared>, job: JobId, actor: Actor) -> Result<JobId, Refusal> {
    submit(shared, |ask| Input::Cancel { ask, job, actor }).await
}

pub(crate) async fn abandon(shared: &Arc<Shared>, job: JobId, actor: Actor) -> Result<JobId, Refusal> {
    submit(shared, |ask| Input::Abandon { ask, job, actor }).await
}

async fn submit(shared: &Arc<Shared>, input: impl FnOnce(AskId) -> Input) -> Result<JobId, Refusal> {
    if shared.stopping.load(Ordering::Relaxed) {
        return Err(stopping());
    }
    if shared.turning.is_stuck() {
        return Err(stuck());
    }
    let ask = shared.asks.fetch_add(1, Ordering::Relaxed);
    let (reply, answer) = oneshot::channel();
    shared.queue.offer(Message::Ask(ask, input(ask), reply))?;
    tokio::select! {
        answer = answer => answer.unwrap_or_else(|_| Err(stopping())),
        () = until_stuck(shared) => Err(stuck()),
    }
}

/// Why the store takes no changes at this moment.
pub(crate) fn trouble(shared: &Shared) -> Option<Refusal> {
    if shared.turning.is_stuck() {
        return Some(stuck());
    }
    shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn until_stuck(shared: &Shared) {
    while !shared.turning.is_stuck() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn stuck() -> Refusal {
    let cause = format!(
        "it has not answered for {} s, so it is not known whether it kept the change",
        COMMIT_LIMIT.as_secs()
    );
    Refusal::new(Code::StoreUnavailable, "store", cause)
        .remedy("Ask again with the same idempotency key once the store works")
}

pub(crate) async fn again(
    shared: &Arc<Shared>,
    id: JobId,
    actor: Actor,
    key: Option<String>,
    wait: bool,
) -> Result<JobId, Refusal> {
    let before = job(shared, id).await?;
    if !before.state.is_ended() {
        return Err(Refusal::new(Code::ObjectBusy, before.label(), "it has not ended yet")
            .remedy("Wait for it, or cancel it"));
    }
    if before.state == JobState::FailedCleanupOwed {
        let cause = "a host still owes an answer or a clean-up for it";
        return Err(Refusal::new(Code::JobOwesCleanup, before.label(), cause)
            .remedy("Wait until the host answers, or declare it dead"));
    }
    let refused = |cause: &str| Err(Refusal::invalid(before.label(), cause).remedy("Ask for it anew"));
    if before.request.holds_secret() {
        return refused("its request held a secret, which no record keeps");
    }
    use JobKind::{EnrolAgent, Refresher, RenewAgent, Unknown};
    if matches!(before.kind, Refresher | EnrolAgent | RenewAgent | Unknown) {
        return refused("it is none that a person can ask for");
    }
    let request = before.request.clone();
    let asked = ask(shared, Ask { actor, key, wait, unchanged: None, again_of: Some(id), request }).await;
    asked.map_err(|refusal| before.in_its_words(refusal))
}

pub(crate) async fn dry_run(shared: &Arc<Shared>, mut request: Request) -> Result<DryRun, Refusal> {
    fill_candidates(shared, &mut request).await;
    look(shared, move |engine, now| engine.dry_run(now, &request)).await
}

pub(crate) async fn rate(shared: &Arc<Shared>, create: &CreateVm) -> Result<Vec<Rating>, Refusal> {
    let create = create.clone();
    let need = look(shared, move |engine, now| engine.need_of(now, &create)).await?;
    let picture = shared.picture.load_full();
    Ok(hostler_placement::rate(&need, candidates(shared, &picture).into_iter(), &Weights::default()))
}

/// Every host as placement wants to know it.
fn candidates<'p>(shared: &Shared, picture: &'p Picture) -> Vec<hostler_placement::Candidate<'p>> {
    let hosts = picture.of_kind(Kind::Host).filter_map(|stored| match &stored.object {
        Object::Host(host) => Some(&**host),
        _ => None,
    });
    // What groups set is looked up once for each group, however many hosts are in it.
    let mut groups: BTreeMap<HostGroupId, Above> = BTreeMap::new();
    hosts
        .map(|host| hostler_placement::Candidate {
            host,
            reserve: groups
                .entry(host.group)
                .or_insert_with(|| picture.above(host.group))
                .for_host(host)
                .reserve,
            answers: picture.answers(host.id.into()),
            usage: picture.usage(host.id),
            load: shared.hub.load(host.id.into()),
        })
        .collect()
}

pub(crate) fn rate_targets(shared: &Shared, vm: VmId) -> Result<Vec<Rating>, Refusal> {
    let picture = shared.picture.load_full();
    let found = |key: Key| picture.get(key).map(|stored| stored.object.clone());
    let Some(Object::Vm(vm)) = found(Key::Vm(vm)) else {
        return Err(Refusal::not_found(format!("vm {vm}")));
    };
    let Some(Object::Host(source)) = vm.host.and_then(|host| found(Key::Host(host))) else {
        return Err(Refusal::not_found(format!("the host of {}", vm.label())));
    };
    let hardware = &vm.spec.hardware;
    let need = Need { cpus: hardware.cpus, memory_mib: hardware.memory_mib, ..Need::default() };
    let others = candidates(shared, &picture).into_iter().filter(|candidate| candidate.host.id != source.id);
    let mut rated: Vec<Rating> = others
        .map(|candidate| {
            let mut rating = hostler_placement::rate_one(&need, &candidate, &Weights::default());
            rating.lacks.extend(hostler_placement::lacks_to_move(&vm, &source, candidate.host, false));
            if !rating.lacks.is_empty() {
                rating.half_stars = 0;
            }
            rating
        })
        .collect();
    rated.sort_by(|a, b| b.half_stars.cmp(&a.half_stars).then_with(|| a.name.cmp(&b.name)));
    Ok(rated)
}

/// A creation carries the best hosts, rated here so that the decision thread need not look at every host.
async fn fill_candidates(shared: &Arc<Shared>, request: &mut Request) {
    let Request::CreateVm(create) = request else { return };
    create.candidates.clear();
    // Where nothing can be rated, the engine says why.
    let Ok(ratings) = rate(shared, create).await else { return };
    let suitable = ratings.into_iter().filter(|rating| rating.half_stars > 0).take(CANDIDATES);
    create.candidates = suitable
        .map(|rating| Candidate { host: rating.host, half_stars: rating.half_stars, reasons: rating.reasons })
        .collect();
}

/// Asks the engine something that changes nothing, after the next batch was committed.
async fn look<T: Send + 'static>(
    shared: &Arc<Shared>,
    look: impl FnOnce(&Engine, Timestamp) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    if shared.turning.is_stuck() {
        return Err(stuck());
    }
    let (reply, answer) = oneshot::channel();
    let look = Box::new(move |engine: &Engine, now| {
        let _ = reply.send(look(engine, now));
    });
    shared.queue.offer(Message::Look(look))?;
    let unanswered = || match shared.stopping.load(Ordering::Relaxed) {
        true => stopping(),
        false => Refusal::new(Code::StoreUnavailable, "store", "it does not work at the moment")
            .remedy("Ask again once the store works"),
    };
    tokio::select! {
        answer = answer => answer.unwrap_or_else(|_| Err(unanswered())),
        () = until_stuck(shared) => Err(stuck()),
    }
}

pub(crate) async fn create_enrolment(
    shared: &Arc<Shared>,
    actor: Actor,
    key: Option<String>,
    roles: Roles,
    host_name: Option<String>,
    group: Option<HostGroupId>,
    valid_ms: Ms,
) -> Result<(JobId, Option<String>), Refusal> {
    let Some(authority) = &shared.authority else {
        return Err(Refusal::new(Code::Internal, "server", "it was started without an authority"));
    };
    let token = EnrolmentToken::new(authority.fingerprint())
        .map_err(|e| Refusal::new(Code::Internal, "enrolment token", e.to_string()))?;
    let sha256 = token.sha256();
    let request =
        Request::CreateEnrolment { sha256: Secret(sha256.clone()), roles, host_name, group, valid_ms };
    let asked = Ask { actor, key, wait: false, unchanged: None, again_of: None, request };
    let job = ask(shared, asked).await?;
    let is_new = enrolment(&shared.picture.load(), &sha256).is_some();
    Ok((job, is_new.then(|| token.to_string())))
}

/// The enrolment that a token's hash belongs to.
pub(crate) fn enrolment(picture: &Picture, sha256: &str) -> Option<Arc<hostler_model::agent::Enrolment>> {
    picture.of_kind(Kind::Enrolment).find_map(|stored| match &stored.object {
        Object::Enrolment(enrolment) if enrolment.sha256 == sha256 => Some(enrolment.clone()),
        _ => None,
    })
}

pub(crate) async fn job(shared: &Arc<Shared>, id: JobId) -> Result<Arc<Job>, Refusal> {
    if let Some(Object::Job(job)) = shared.picture.load().get(Key::Job(id)).map(|stored| &stored.object) {
        return Ok(job.clone());
    }
    let found = shared.readers.read(move |reader| reader.job(id)).await?;
    found.map(|stored| stored.object).ok_or_else(|| Refusal::not_found(format!("job {id}")))
}

pub(crate) async fn wait_for_job(
    shared: &Arc<Shared>,
    id: JobId,
    timeout: Duration,
) -> Result<Arc<Job>, Refusal> {
    let deadline = tokio::time::Instant::now() + timeout;
    // Watch first, then look: an end in between is seen.
    let mut watch = Watch::new(shared);
    let mut latest = job(shared, id).await?;
    while !latest.state.is_ended() {
        match tokio::time::timeout_at(deadline, watch.next()).await {
            Ok(Some(News::Committed(committed))) => {
                for change in &committed.changes {
                    if let (Key::Job(changed), Some(Object::Job(now))) = (change.key, &change.object)
                        && changed == id
                    {
                        latest = now.clone();
                    }
                }
            }
            Ok(Some(News::Missed)) => latest = job(shared, id).await?,
            Ok(None) | Err(_) => break,
        }
    }
    Ok(latest)
}

pub(crate) fn settings(picture: &Picture) -> Settings {
    let found = picture.of_kind(Kind::Settings).find_map(|stored| match &stored.object {
        Object::Settings(installation) => Some(installation.settings.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

pub(crate) async fn backup(shared: &Arc<Shared>, to: PathBuf) -> Result<(), Refusal> {
    let Some(store) = shared.store_file.clone() else {
        return Err(Refusal::new(Code::Internal, "store", "it is kept in memory: there is nothing to copy"));
    };
    let object = format!("backup {}", to.display());
    let copied = tokio::task::spawn_blocking(move || hostler_store::backup(&store, &to, &mut |_| {})).await;
    match copied {
        Ok(Ok(cursor)) => {
            tracing::info!(%cursor, "a backup was made");
            Ok(())
        }
        Ok(Err(trouble)) => Err(Refusal::invalid(object, trouble.to_string())
            .remedy("Name a new file in a folder that the server may write to")),
        Err(e) => Err(Refusal::new(Code::Internal, object, e.to_string())),
    }
}

/// Refuses what is asked from now on, says goodbye to the agents, and lets the decision thread end.
pub(crate) fn begin_to_stop(shared: &Shared) {
    if !shared.stopping.swap(true, Ordering::Relaxed) {
        shared.hub.say_goodbye("the server is stopping");
        shared.queue.push(Message::Stop);
        shared.stop.send_replace(true);
    }
}

pub(crate) async fn shutdown(shared: &Arc<Shared>) {
    begin_to_stop(shared);
    let thread = shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(thread) = thread {
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}
