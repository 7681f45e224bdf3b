//! The decision thread: takes what is queued as one batch, lets the loop decide and commit, then carries the effects
//! out. It waits for nothing but its queue, the next alarm and the store.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hostler_drive::{Drive, LARGEST_BATCH, Picture, Turned};
use hostler_engine::{AskId, Effect, Engine, Input};
use hostler_model::agent::Agent;
use hostler_model::{AgentId, Code, InstallationId, JobId, Key, Kind, Object, Refusal, Timestamp};
use hostler_store::{Cursor, Pruned, Retention, Store, StoreError};
use hostler_wire::{Admission, Authority};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot, watch};

use crate::clock::{V7, now};
use crate::hub::Hub;
use crate::looks::Looks;
use crate::news::{Committed, News};
use crate::pending::Pending;
use crate::program::Offered;
use crate::push::Push;
use crate::readers::Readers;

/// Inputs that may wait. Beyond it requests are refused, and agents' streams are not read until there is room. Some
/// two seconds of work for a store that commits each batch in 100 ms.
pub(crate) const MOST_QUEUED: usize = 8_192;
/// How long a commit may take before its result counts as unknown and changes are refused.
pub(crate) const COMMIT_LIMIT: Duration = Duration::from_secs(10);
/// The first pause after the store failed.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between tries to load a store that failed: people wait for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long to sleep when nothing is due, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// The answer to somebody who asked.
pub(crate) type Reply = oneshot::Sender<Result<JobId, Refusal>>;

/// A question to the engine that changes nothing.
pub(crate) type Look = Box<dyn FnOnce(&Engine, Timestamp) + Send>;

/// What the decision thread is told.
pub(crate) enum Message {
    /// Somebody asks; the input carries the same number.
    Ask(AskId, Input, Reply),
    /// Something happened.
    Input(Input),
    /// The same, which may have become newer meanwhile.
    Newest(Pending),
    /// Somebody wants to know what the engine would say.
    Look(Look),
    /// A bite of what is too old is dropped.
    Prune(Retention, oneshot::Sender<Result<Pruned, StoreError>>),
    /// The end.
    Stop,
}

/// A message in the queue, with its place, given back when it is taken out.
pub(crate) struct Queued {
    message: Message,
    _place: Option<OwnedSemaphorePermit>,
}

/// The queue's entrance.
#[derive(Clone)]
pub(crate) struct Queue {
    entrance: Sender<Queued>,
    places: Arc<Semaphore>,
}

impl Queue {
    pub(crate) fn new(places: usize) -> (Self, Receiver<Queued>) {
        let (entrance, exit) = std::sync::mpsc::channel();
        (Self { entrance, places: Arc::new(Semaphore::new(places)) }, exit)
    }

    /// Queues a request, or refuses it when too much is queued.
    pub(crate) fn offer(&self, message: Message) -> Result<(), Refusal> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(Refusal::new(
                Code::ServerOverloaded,
                "server",
                "it has more requests than it can queue",
            )
            .remedy("Ask again in a few seconds, with the same idempotency key"));
        };
        self.entrance.send(Queued { message, _place: Some(place) }).map_err(|_| stopping())
    }

    /// Queues an agent's word as soon as there is room. False when the server has stopped.
    pub(crate) async fn wait(&self, message: Message) -> bool {
        match self.places.clone().acquire_owned().await {
            Ok(place) => self.entrance.send(Queued { message, _place: Some(place) }).is_ok(),
            Err(_) => false,
        }
    }

    /// Queues what is rare and may not wait.
    pub(crate) fn push(&self, message: Message) -> bool {
        self.entrance.send(Queued { message, _place: None }).is_ok()
    }
}

pub(crate) fn stopping() -> Refusal {
    Refusal::new(Code::ServerStopping, "server", "it is stopping")
}

/// What the handle, the sessions and the decision thread share.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) picture: Arc<ArcSwap<Picture>>,
    pub(crate) news: broadcast::Sender<News>,
    pub(crate) volatile: watch::Sender<u64>,
    pub(crate) hub: Hub,
    pub(crate) looks: Looks,
    pub(crate) admission: Arc<Admission>,
    pub(crate) authority: Option<Arc<Authority>>,
    pub(crate) readers: Readers,
    /// The agent program that belongs to this server.
    pub(crate) offered: Offered,
    /// What this server does itself.
    pub(crate) push: Push,
    pub(crate) store_file: Option<PathBuf>,
    pub(crate) installation: InstallationId,
    pub(crate) epoch: AtomicU32,
    pub(crate) started: Timestamp,
    pub(crate) asks: AtomicU64,
    pub(crate) turning: Turning,
    /// Why the store takes no changes, while it does not.
    pub(crate) trouble: Mutex<Option<Refusal>>,
    pub(crate) stopping: AtomicBool,
    /// Told when the server stops.
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
}

/// Since when the decision thread is at one batch, for those who wait for it.
#[derive(Default)]
pub(crate) struct Turning(Mutex<Option<Instant>>);

impl Turning {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Whether the batch at work has taken longer than a commit may.
    pub(crate) fn is_stuck(&self) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= COMMIT_LIMIT)
    }
}

/// Starts the decision thread.
pub(crate) fn spawn<S: Store + 'static>(
    drive: Drive<S>,
    exit: Receiver<Queued>,
    shared: Arc<Shared>,
) -> std::io::Result<JoinHandle<()>> {
    let told = shared.picture.load().head;
    let mut decider = Decider {
        drive,
        exit,
        shared,
        replies: HashMap::new(),
        left: Vec::new(),
        trouble: None,
        pause: FIRST_PAUSE,
        told,
        admitted: HashMap::new(),
    };
    decider.admit_all();
    std::thread::Builder::new().name("decide".into()).spawn(move || decider.run())
}

struct Decider<S: Store> {
    drive: Drive<S>,
    exit: Receiver<Queued>,
    shared: Arc<Shared>,
    replies: HashMap<AskId, Reply>,
    /// What the carrying out of effects itself made happen: for the next batch.
    left: Vec<Input>,
    trouble: Option<Trouble>,
    pause: Duration,
    /// The newest commit that watchers were told of.
    told: Cursor,
    /// The agents that are let in, and with which certificate.
    admitted: HashMap<AgentId, Vec<String>>,
}

/// The store does not work.
struct Trouble {
    why: Refusal,
    again: Instant,
}

/// What was taken out of the queue at one time.
#[derive(Default)]
struct Batch {
    inputs: Vec<Input>,
    looks: Vec<Look>,
    prunes: Vec<(Retention, oneshot::Sender<Result<Pruned, StoreError>>)>,
    stop: bool,
}

impl<S: Store> Decider<S> {
    fn run(&mut self) {
        loop {
            let batch = self.take();
            let stop = batch.stop;
            if self.trouble.is_some() {
                self.recover();
            }
            match &self.trouble {
                Some(trouble) => {
                    let why = trouble.why.clone();
                    self.refuse(batch, &why);
                }
                None => self.decide(batch),
            }
            if stop {
                tracing::info!("the decision thread has stopped");
                return;
            }
        }
    }

    /// Sleeps until something is queued or due, then takes everything that is queued, up to a batch.
    fn take(&mut self) -> Batch {
        let mut batch = Batch { inputs: std::mem::take(&mut self.left), ..Batch::default() };
        let mut sleep = if batch.inputs.is_empty() { self.sleep() } else { Duration::ZERO };
        while batch.inputs.len() + batch.looks.len() < LARGEST_BATCH {
            let next = match self.exit.recv_timeout(sleep) {
                Ok(next) => next,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    batch.stop = true;
                    break;
                }
            };
            sleep = Duration::ZERO;
            match next.message {
                Message::Ask(ask, input, reply) => {
                    self.replies.insert(ask, reply);
                    batch.inputs.push(input);
                }
                Message::Input(input) => {
                    if let Input::Worked { no, .. } = &input {
                        self.shared.push.heard(*no);
                    }
                    batch.inputs.push(input);
                }
                Message::Newest(pending) => batch.inputs.extend(pending.take()),
                Message::Look(look) => batch.looks.push(look),
                Message::Prune(retention, reply) => batch.prunes.push((retention, reply)),
                Message::Stop => {
                    batch.stop = true;
                    break;
                }
            }
        }
        batch
    }

    fn sleep(&self) -> Duration {
        if let Some(trouble) = &self.trouble {
            return trouble.again.saturating_duration_since(Instant::now());
        }
        match self.drive.next_alarm() {
            Some(at) => Duration::from_millis(at.since(now())).min(LONGEST_SLEEP),
            None => LONGEST_SLEEP,
        }
    }

    fn decide(&mut self, batch: Batch) {
        let at = now();
        let due = self.drive.next_alarm().is_some_and(|alarm| alarm <= at);
        if due || !batch.inputs.is_empty() {
            let before = self.shared.picture.load_full();
            self.shared.turning.set(Some(Instant::now()));
            let turned = self.drive.turn(at, batch.inputs, &mut V7);
            self.shared.turning.set(None);
            self.tell(&before, &turned, at);
            if let Some(trouble) = turned.trouble {
                self.begin_trouble(&trouble);
            } else if turned.revision.is_some() {
                self.pause = FIRST_PAUSE;
            }
            for effect in turned.effects {
                self.carry_out(effect);
            }
        }
        for look in batch.looks {
            look(self.drive.engine(), at);
        }
        for (retention, reply) in batch.prunes {
            let _ = reply.send(self.drive.store().prune(&retention));
        }
    }

    /// Tells watchers, and lets in exactly the agents of the record, before any effect leaves.
    fn tell(&mut self, before: &Arc<Picture>, turned: &Turned, at: Timestamp) {
        if turned.reloaded {
            return self.reloaded("the store was loaded anew");
        }
        let picture = self.shared.picture.load_full();
        if turned.revision.is_some() {
            for change in &turned.changes {
                match (change.key, &change.object) {
                    (_, Some(Object::Agent(agent))) => self.let_in(agent),
                    (Key::Agent(agent), None) => self.shut_out(agent),
                    (_, Some(Object::Job(job))) if !job.is_open() => self.shared.push.forget(&job.request),
                    _ => {}
                }
            }
            self.told = picture.head;
            let committed = Committed { cursor: picture.head, at, changes: turned.changes.clone() };
            let _ = self.shared.news.send(News::Committed(Arc::new(committed)));
        }
        let same = before.volatile.answering.ptr_eq(&picture.volatile.answering)
            && before.volatile.progress == picture.volatile.progress;
        if !same {
            self.shared.volatile.send_modify(|version| *version += 1);
        }
    }

    /// Memory was dropped and loaded: agents say hello again, and watchers look at what they missed.
    fn reloaded(&mut self, why: &str) {
        self.shared.hub.cut_all(why);
        self.admit_all();
        self.shared.epoch.store(self.drive.engine().epoch(), Ordering::Relaxed);
        let head = self.shared.picture.load().head;
        if self.told != head {
            self.told = head;
            let _ = self.shared.news.send(News::Missed);
        }
        self.shared.volatile.send_modify(|version| *version += 1);
    }

    /// Lets in exactly the agents of the record.
    fn admit_all(&mut self) {
        let picture = self.shared.picture.load_full();
        let mut before = self.admitted.clone();
        for stored in picture.of_kind(Kind::Agent) {
            if let Object::Agent(agent) = &stored.object {
                before.remove(&agent.id);
                self.let_in(agent);
            }
        }
        for agent in before.into_keys() {
            self.shut_out(agent);
        }
    }

    fn let_in(&mut self, agent: &Agent) {
        let serials = agent.certificates();
        match self.admitted.insert(agent.id, serials.iter().map(|serial| (*serial).to_owned()).collect()) {
            Some(before) if before == serials => {}
            Some(_) => self.shared.admission.allow_only(agent.id, &serials),
            None => serials.iter().for_each(|serial| self.shared.admission.allow(agent.id, serial)),
        }
    }

    fn shut_out(&mut self, agent: AgentId) {
        self.admitted.remove(&agent);
        self.shared.admission.deny_agent(agent);
        self.shared.hub.cut(agent, "the agent was removed");
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { ask, answer } => {
                if let Some(reply) = self.replies.remove(&ask) {
                    let _ = reply.send(answer);
                }
            }
            Effect::Welcome { connection, agent, session, epoch } => {
                if !self.shared.hub.welcome(connection, agent, session, epoch) {
                    self.left.push(Input::Lost { agent, session });
                }
            }
            Effect::Reject { connection, why } => self.shared.hub.reject(connection, &why),
            Effect::Send { agent, session, message } => self.shared.hub.send(agent, session, *message),
            Effect::Work { no, job, work } => self.shared.push.begin(&self.shared, no, job, *work),
            Effect::StopWork { no } => self.shared.push.stop(&self.shared, no),
            // The loop has dealt with it.
            Effect::OlderThanFleet { .. } => {}
        }
    }

    fn begin_trouble(&mut self, trouble: &StoreError) {
        tracing::error!(why = %trouble, pause_ms = self.pause.as_millis(), "the store does not take changes");
        let why = Refusal::new(Code::StoreUnavailable, "store", trouble.to_string())
            .remedy("Ask again with the same idempotency key once the store works");
        self.show_trouble(Some(why.clone()));
        self.trouble = Some(Trouble { why, again: Instant::now() + self.pause });
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn show_trouble(&self, trouble: Option<Refusal>) {
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn recover(&mut self) {
        if self.trouble.as_ref().is_some_and(|trouble| trouble.again > Instant::now()) {
            return;
        }
        match self.drive.recover(now()) {
            Ok(loaded) => {
                tracing::info!("the store takes changes again");
                self.trouble = None;
                self.show_trouble(None);
                if loaded {
                    self.reloaded("the store was loaded anew");
                }
            }
            Err(trouble) => self.begin_trouble(&trouble),
        }
    }

    /// While the store does not work: who asks is told so, agents are to come again, looks go unanswered.
    fn refuse(&mut self, batch: Batch, why: &Refusal) {
        for input in batch.inputs {
            match input {
                Input::Ask(asked) => {
                    self.carry_out(Effect::Reply { ask: asked.ask, answer: Err(why.clone()) })
                }
                Input::Cancel { ask, .. } | Input::Abandon { ask, .. } => {
                    self.carry_out(Effect::Reply { ask, answer: Err(why.clone()) });
                }
                Input::Connected { connection, .. } => self.shared.hub.reject(connection, why),
                // Their sessions are over: the agents come again and tell everything anew.
                Input::Lost { .. } | Input::Report { .. } | Input::Progress { .. } | Input::Time => {}
                // What is loaded again owes it still, and it is done again.
                Input::Worked { .. } => {}
            }
        }
        for (_, reply) in batch.prunes {
            let _ = reply.send(Err(StoreError::Failed { cause: why.cause.clone() }));
        }
    }
}
