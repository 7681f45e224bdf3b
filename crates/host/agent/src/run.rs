//! The agent's loop: one task owns the core; what the core wants done is done by tasks and threads beside it, which
//! say back what came of it through one bounded queue.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hostler_agent_core::{Core, Identity, Input, Output};
use hostler_hypervisor::{Boots, Disks, Machines, Moves, Networks, with_sizes};
use hostler_libvirt::Changed;
use hostler_model::channel::{FromAgent, HEARTBEAT_MS, Query, REFRESH_LIMIT_MS, ToAgent};
use hostler_model::refresher::RefresherKind;
use hostler_model::{Code, Refusal, SessionId, StepNo};
use hostler_wire::Streams;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::{JoinSet, spawn_blocking};
use uuid::Uuid;

use crate::hands::{Hands, Host};
use crate::journal::{JournalError, Keep, Writer};
use crate::libvirt::told;
use crate::line::{self, Dial};
use crate::own::Upgrade;
use crate::performance;
use crate::reading::Readings;
use crate::sizes::Sizes;
use crate::streams::Ends;
use crate::uploads;
use crate::work::{self, Abort};

/// What waits to be told to the core. Full, it makes those wait who tell; none of them holds up the core.
const QUEUE: usize = 8_192;
/// How many commands call libvirt or touch disks at a time: libvirt serves about this many calls before quick ones
/// begin to wait *(tried)*. What waits for a guest between two looks does not count.
const CALLS: usize = 16;
/// How many questions may be looked into at a time, those included for which nobody waits any more: the files that they are about may
/// lie on storage that does not answer, and commands and readings want threads, too.
const QUESTIONS: usize = 24;
/// How often the computer's properties are read although nothing asked for it: nobody tells when a network starts.
const FACTS_EVERY: Duration = Duration::from_secs(60);
/// How long running commands may take to end, to reach the journal, and to be told to the server when the agent is stopped.
const LAST_MOMENT: Duration = Duration::from_secs(2);
/// How long a question may take: a guest's agent that is silent takes half of it.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long a look of a refresher may take.
const REFRESH_LIMIT: Duration = Duration::from_millis(REFRESH_LIMIT_MS);

/// Who the agent is and where it keeps its journal.
#[derive(Debug)]
pub struct Setup {
    /// Who it is, for the core.
    pub me: Identity,
    /// Where the journal is kept.
    pub journal: Keep,
    /// Whom to call; nobody in tests that speak for the server themselves.
    pub dial: Dial,
    /// Whether it ends as soon as the server has let it in: a new program shows that it comes up.
    pub trial: bool,
}

/// Why an agent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was stopped, or its trial is over.
    Stopped,
    /// It was removed: what is its own is to go.
    Dismissed,
    /// Another program is to take its place.
    Upgrade(Upgrade),
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// For the core.
    Input(Input),
    /// A connection is open; what is said goes here. Dropping it closes the connection.
    Open(mpsc::Sender<FromAgent>, Streams),
    /// The connection is gone.
    Cut,
    /// The agent is to end, so that another program can take its place.
    HandOver(Upgrade),
    /// The server has removed the agent, which had been told to leave.
    Dismissed,
}

/// What tasks share.
pub(crate) struct Shared {
    pub(crate) machines: Arc<dyn Machines>,
    pub(crate) disks: Arc<dyn Disks>,
    pub(crate) moves: Arc<dyn Moves>,
    pub(crate) boots: Arc<dyn Boots>,
    pub(crate) networks: Arc<dyn Networks>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) readings: Readings,
    sizes: Sizes,
    /// Room for commands' calls.
    pub(crate) calls: Semaphore,
    /// Room for questions. It is given back when the look has ended, not when nobody waits for it any more.
    questions: Arc<Semaphore>,
    /// One reading of the computer and its handing in at a time, so that they stay in order.
    facts: Mutex<()>,
    /// One reading of the load at a time.
    loads: Mutex<()>,
    /// Whether libvirt answered when the computer was read last.
    answers: AtomicBool,
    /// The open connection.
    server: std::sync::Mutex<Option<Streams>>,
    /// Whether this run only shows that the program comes up.
    pub(crate) trial: bool,
}

impl Shared {
    /// The open connection, to ask the server for streams.
    pub(crate) fn server(&self) -> Option<Streams> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn connected(&self, server: Option<Streams>) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    async fn tell(&self, input: Input) {
        // Nobody listens when the agent is ending.
        let _ = self.events.send(Event::Input(input)).await;
    }

    pub(crate) async fn read_facts(&self) {
        let _one = self.facts.lock().await;
        let host = Arc::clone(&self.host);
        if let Ok(facts) = spawn_blocking(move || host.facts()).await {
            self.answers.store(facts.libvirt_answers, Ordering::Relaxed);
            self.tell(Input::HostFacts(Box::new(facts))).await;
        }
    }

    async fn list(&self) {
        let machines = Arc::clone(&self.machines);
        let listed = spawn_blocking(move || machines.list()).await;
        let (answers, input) = match listed {
            Ok(Ok(all)) => (true, Input::Listed(self.sizes.of_all(all).await)),
            Ok(Err(why)) => {
                tracing::debug!(%why, "the machines cannot be listed");
                (false, Input::ListFailed)
            }
            Err(why) => {
                tracing::error!(%why, "the listing broke down");
                (false, Input::ListFailed)
            }
        };
        self.tell(input).await;
        // Events may be off or lost: a listing tells as well whether libvirt is there.
        if self.answers.load(Ordering::Relaxed) != answers {
            self.read_facts().await;
        }
    }

    async fn load(&self) {
        // One that takes long is not waited for by others, and the load of before is told meanwhile.
        let Ok(_one) = self.loads.try_lock() else { return };
        let host = Arc::clone(&self.host);
        if let Ok(load) = spawn_blocking(move || host.load()).await {
            self.tell(Input::Load(load)).await;
        }
    }

    async fn answer(&self, session: SessionId, question: u64, query: Query) {
        let limit = match query {
            // Each file of each machine is looked at, however many there are.
            Query::Refresh { .. } | Query::Share { .. } => REFRESH_LIMIT,
            _ => ANSWER_LIMIT,
        };
        if let Query::Refresh { refresher: RefresherKind::Host } = query {
            let host = Arc::clone(&self.host);
            // One that broke down found nothing.
            let _ = spawn_blocking(move || host.look_again()).await;
            self.read_facts().await;
        }
        let (host, disks) = (Arc::clone(&self.host), Arc::clone(&self.disks));
        let room = Arc::clone(&self.questions).try_acquire_owned();
        let answer = move || {
            let Ok(_room) = room else { return Err(no_room()) };
            match &query {
                Query::Share { folder } => {
                    told(&disks.scan(folder).map_err(|trouble| trouble.into_refusal("share"))?)
                }
                Query::Upload { folder, ask } => uploads::answer(host.uploads(), folder, ask),
                query => host.answer(query),
            }
        };
        let asked = tokio::time::timeout(limit, spawn_blocking(answer));
        let answer = match asked.await {
            Ok(Ok(answer)) => answer.map(|bytes| STANDARD.encode(bytes)),
            Ok(Err(why)) => Err(Refusal::new(Code::Internal, "question", why.to_string())),
            Err(_) => {
                let cause = format!("no answer within {} s", limit.as_secs());
                Err(Refusal::new(Code::HypervisorFailed, "question", cause).remedy("Ask again in a moment"))
            }
        };
        self.tell(Input::Answered { session, question, answer }).await;
    }
}

fn no_room() -> Refusal {
    let cause = "too many questions to it are still without an answer: storage of the host may be silent";
    Refusal::new(Code::TooManyRequests, "question", cause)
        .remedy("Look whether what is mounted on the host answers, then ask again")
}

/// Runs an agent until `stop` is ready, or it is to end by what it was told: then it gives running commands a moment, whose ends the
/// server is still told where it is stopped, says good-bye, and returns. Machines run on. Dropped instead, it is an agent that died: what it had begun is looked up by the next run.
///
/// # Errors
/// The journal cannot be used.
pub async fn run(setup: Setup, hands: Hands, stop: impl Future<Output = ()>) -> Result<Ending, JournalError> {
    let (events, mut happened) = mpsc::channel(QUEUE);
    let syncing = events.clone();
    let (journal, entries) = Writer::open(setup.journal, move |position| {
        // Called on the journal's own thread. Nobody listens when the agent is ending.
        let _ = syncing.blocking_send(Event::Input(Input::Synced(position)));
    })?;
    let Hands { machines, disks, moves, networks, boots, host, mut changes } = hands;
    let look = Arc::clone(&disks);
    let sizes = Sizes::new(move |seen| with_sizes(&*look, seen));
    let shared = Arc::new(Shared {
        readings: Readings::new(Arc::clone(&machines), sizes.clone(), events.clone()),
        sizes,
        machines,
        disks,
        moves,
        boots,
        networks,
        host,
        events: events.clone(),
        calls: Semaphore::new(CALLS),
        questions: Arc::new(Semaphore::new(QUESTIONS)),
        facts: Mutex::default(),
        loads: Mutex::default(),
        answers: AtomicBool::new(false),
        server: std::sync::Mutex::default(),
        trial: setup.trial,
    });
    // The first word to the server says what the computer is like.
    shared.read_facts().await;
    shared.load().await;

    let begun = Instant::now();
    let mut out = Vec::new();
    let core = Core::load(entries, setup.me, Uuid::new_v4(), 0, &mut out);
    tracing::info!(journal = %core.journal(), run = core.run(), epoch = core.epoch(), "the agent has started");
    let mut agent = Agent {
        core,
        begun,
        out,
        journal,
        written: 0,
        told: 0,
        shared: Arc::clone(&shared),
        outgoing: None,
        aborts: HashMap::new(),
        tasks: JoinSet::new(),
        changed: watch::Sender::new(()),
    };
    agent.carry_out();
    agent.spawn(|shared| performance::sampling(Arc::clone(&shared.host)));
    agent.spawn(|shared| uploads::giving_up(shared.host.uploads()));
    let mut line = JoinSet::new();
    let ending = Arc::new(AtomicBool::new(false));
    let ends = Ends {
        machines: Arc::clone(&shared.machines),
        host: Arc::clone(&shared.host),
        changed: agent.changed.subscribe(),
    };
    line.spawn(line::keep(setup.dial, events, Arc::clone(&ending), ends));
    let mut facts_at = tokio::time::interval(FACTS_EVERY);
    facts_at.reset();
    let mut load_at = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
    load_at.reset();
    let mut stop = std::pin::pin!(stop);
    let mut listening = true;
    let mut until = None;
    let mut connected = false;
    let mut ending_is = Ending::Stopped;
    loop {
        let due = begun + Duration::from_millis(agent.core.next_time().min(86_400_000));
        tokio::select! {
            biased;
            () = &mut stop, if until.is_none() => {
                // The good-bye waits for what is at work, so that its outcome is said before: nobody may come after us who
                // says it, where the computer itself is shut down.
                until = Some(Instant::now() + LAST_MOMENT);
                ending.store(true, Ordering::Relaxed);
            }
            () = tokio::time::sleep_until(due.into()) => agent.take(Input::Time),
            event = happened.recv() => match event {
                // What is heard from an agent that ends belongs to the next run.
                Some(
                    Event::Open(..) | Event::Input(Input::FromServer(_)) | Event::HandOver(_) | Event::Dismissed,
                ) if until.is_some() => {}
                Some(Event::Open(outgoing, streams)) => {
                    shared.connected(Some(streams));
                    agent.outgoing = Some(outgoing);
                    agent.take(Input::Connected);
                }
                Some(Event::Cut) => {
                    shared.connected(None);
                    agent.outgoing = None;
                    agent.take(Input::Cut);
                }
                Some(Event::Input(Input::FromServer(welcome @ ToAgent::Welcome { .. }))) if shared.trial => {
                    agent.take(Input::FromServer(welcome));
                    until = Some(Instant::now() + LAST_MOMENT);
                    ending.store(true, Ordering::Relaxed);
                    connected = agent.say_good_bye("the new agent program came up");
                }
                Some(Event::HandOver(upgrade)) => {
                    until = Some(Instant::now() + LAST_MOMENT);
                    ending.store(true, Ordering::Relaxed);
                    connected = agent.say_good_bye("another program takes the agent's place");
                    ending_is = Ending::Upgrade(upgrade);
                }
                Some(Event::Dismissed) => {
                    ending_is = Ending::Dismissed;
                    break;
                }
                Some(Event::Input(input)) => agent.take(input),
                None => break,
            },
            changed = changes.recv(), if listening => match changed {
                Some(changed) => agent.notice(changed),
                None => listening = false,
            },
            _ = facts_at.tick() => agent.spawn(|shared| async move { shared.read_facts().await }),
            _ = load_at.tick() => agent.spawn(|shared| async move { shared.load().await }),
            () = tokio::time::sleep(Duration::from_millis(20)), if until.is_some() => {}
        }
        while let Some(ended) = agent.tasks.try_join_next() {
            if let Err(why) = ended {
                tracing::error!(%why, "a task of the agent broke down");
            }
        }
        // The upgrade itself ends in the next run; on trial nothing is waited for that another run has begun.
        let enough = match ending_is {
            Ending::Upgrade(_) => agent.core.at_work() <= 1,
            _ => agent.core.at_work() == 0 && !agent.owes() || shared.trial,
        };
        if until.is_some_and(|until| enough || Instant::now() >= until) {
            break;
        }
    }
    if agent.outgoing.is_some() && ending_is == Ending::Stopped {
        connected = agent.say_good_bye("the agent was stopped");
    }
    tracing::info!(at_work = agent.core.at_work(), "the agent ends; machines run on");
    agent.tasks.abort_all();
    if connected {
        // The last words leave; a server that does not take them does not keep us.
        let _ = tokio::time::timeout(LAST_MOMENT, line.join_next()).await;
    }
    // Whoever still tells something must not wait for us.
    drop(happened);
    let (journal, host) = (agent.journal, Arc::clone(&shared.host));
    let _ = spawn_blocking(move || host.keep()).await;
    let _ = spawn_blocking(move || journal.close()).await;
    Ok(ending_is)
}

/// The core, and what carries out what it wants.
struct Agent {
    core: Core,
    begun: Instant,
    out: Vec<Output>,
    journal: Writer,
    /// The newest position given to the journal.
    written: u64,
    /// The newest position that the core was told is durable, where that is known at once.
    told: u64,
    shared: Arc<Shared>,
    outgoing: Option<mpsc::Sender<FromAgent>>,
    aborts: HashMap<StepNo, Arc<Abort>>,
    tasks: JoinSet<()>,
    /// Tells streams that a machine has changed.
    changed: watch::Sender<()>,
}

impl Agent {
    fn take(&mut self, input: Input) {
        if let Input::Ended { no, .. } = &input {
            self.aborts.remove(no);
        }
        self.hand(input);
        self.carry_out();
    }

    fn hand(&mut self, input: Input) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.core.handle(now, input, &mut self.out);
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, task: impl FnOnce(Arc<Shared>) -> F) {
        self.tasks.spawn(task(Arc::clone(&self.shared)));
    }

    fn notice(&mut self, changed: Changed) {
        self.changed.send_replace(());
        match changed {
            Changed::Domain(domain) => self.read(domain),
            Changed::Everything => self.take(Input::Everything),
            Changed::Host => self.spawn(|shared| async move { shared.read_facts().await }),
            Changed::Lost => {
                tracing::warn!("libvirt does not answer; machines run on");
                self.spawn(|shared| async move { shared.read_facts().await });
            }
            Changed::Back => {
                tracing::info!("libvirt answers");
                self.spawn(|shared| async move { shared.read_facts().await });
            }
        }
    }

    fn read(&mut self, domain: Uuid) {
        if self.shared.readings.want(domain) {
            self.spawn(move |shared| async move { shared.readings.wanted(domain).await });
        }
    }

    /// Does, in order, what the core wants done.
    fn carry_out(&mut self) {
        loop {
            for output in std::mem::take(&mut self.out) {
                self.carry_out_one(output);
            }
            if self.core.wants_compacting() {
                let entries = self.core.compact();
                tracing::debug!(entries = entries.len(), "the journal is compacted");
                self.journal.replace(self.written, entries);
            }
            match self.journal.synced() {
                Some(position) if position > self.told => {
                    self.told = position;
                    self.hand(Input::Synced(position));
                }
                _ => return,
            }
        }
    }

    fn carry_out_one(&mut self, output: Output) {
        match output {
            Output::Write { position, entry } => {
                self.written = position;
                self.journal.append(position, entry);
            }
            Output::Begin(task) => self.begin(task, false),
            Output::Probe(task) => self.begin(task, true),
            Output::Abort { no } => {
                if let Some(abort) = self.aborts.get(&no) {
                    abort.want();
                }
            }
            Output::Send(message) => self.say(message),
            Output::List => self.spawn(|shared| async move { shared.list().await }),
            Output::Read { domain } => self.read(domain),
            Output::Ask { session, question, query } => {
                self.spawn(move |shared| async move { shared.answer(session, question, query).await });
            }
            Output::Disconnect { why } => {
                tracing::info!(why, "closing the connection");
                self.outgoing = None;
            }
        }
    }

    fn begin(&mut self, task: hostler_agent_core::Task, looking: bool) {
        let abort = Arc::new(Abort::default());
        self.aborts.insert(task.no, Arc::clone(&abort));
        self.spawn(move |shared| work::carry_out(shared, task, looking, abort));
    }

    fn say(&mut self, message: FromAgent) {
        // What finds no connection is lost with it; the core says it again in the next session.
        if let Some(outgoing) = &self.outgoing
            && let Err(mpsc::error::TrySendError::Full(_)) = outgoing.try_send(message)
        {
            tracing::warn!("the server does not read; closing the connection");
            self.outgoing = None;
        }
    }

    /// Whether the server that is listening has yet to be told how a step ended.
    fn owes(&self) -> bool {
        self.outgoing.is_some() && self.core.owes()
    }

    /// Answers whether there was somebody to say it to.
    fn say_good_bye(&mut self, why: &str) -> bool {
        tracing::info!(why, "stopping");
        let connected = self.outgoing.is_some();
        self.say(FromAgent::Bye { why: why.into() });
        self.outgoing = None;
        self.take(Input::Cut);
        connected
    }
}

#[cfg(test)]
mod tests;
