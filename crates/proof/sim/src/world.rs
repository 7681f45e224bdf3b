//! The world of a story: what there is, what is to happen when, and the network in between.

use std::collections::{BTreeMap, BTreeSet};

use hostler_agent_core::Input as AgentInput;
use hostler_drive::Drive;
use hostler_engine::{AskId, Asked, Input};
use hostler_hypervisor::Machines;
use hostler_hypervisor::simulated::Outside;
use hostler_model::access::Actor;
use hostler_model::channel::{FromAgent, ToAgent};
use hostler_model::request::Request;
use hostler_model::seen::Order;
use hostler_model::setting::Settings;
use hostler_model::{InstallationId, JobId, Refusal, StepNo, VmId};
use hostler_store::MemoryStore;
use uuid::Uuid;

use crate::agent::{Agent, Fate};
use crate::dice::{CountedIds, Dice};
use crate::kinds::Played;
use crate::mutant::Mutant;
use crate::queue::Queue;
use crate::server::{Connection, Forgetful};
use crate::works::Works;

/// Something that is to happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// The server takes a turn.
    ServerTurn { life: u32 },
    /// The server starts.
    ServerStart,
    /// The server's heartbeat.
    ServerBeat { life: u32 },
    /// The server's end of a connection breaks.
    ServerCut { connection: u64 },
    /// A message reaches the server.
    ToServer { connection: u64, life: u32, message: Box<FromAgent> },
    /// A message reaches an agent.
    ToAgent { connection: u64, at: usize, message: Box<ToAgent> },
    /// An agent's end of a connection breaks.
    AgentCut { at: usize, connection: Option<u64> },
    /// An agent dials.
    AgentDial { at: usize },
    /// An agent starts.
    AgentStart { at: usize },
    /// Time passes for an agent.
    AgentTime { at: usize, life: u32 },
    /// An agent's journal has reached the disk.
    JournalSynced { at: usize, life: u32, position: u64, truly: bool },
    /// A command can go on.
    TaskTurn { at: usize, life: u32, no: StepNo },
    /// A listing is made.
    ListMade { at: usize, life: u32 },
    /// A machine is read.
    ReadMachine { at: usize, life: u32, domain: Uuid },
    /// Somebody starts a machine with `virsh` at the worst moment.
    StartBehind { at: usize, domain: Uuid },
    /// What the server does itself has ended, or was cut off.
    WorkEnds { life: u32, no: StepNo, dies: bool },
    /// Something happens on a host by itself.
    HostTick { at: usize },
    /// A computer's power is back.
    PowerOn { at: usize },
    /// A computer that was given up comes back.
    ComeBack { at: usize },
    /// The client asks, or asks again.
    Ask { client: usize },
    /// The client changes its mind.
    CancelAsk { client: usize },
    /// A fault strikes.
    Fault,
    /// Something that a fault began is over.
    Heal { at: usize },
    /// An administrator gives a host up.
    DeclareDead { at: usize },
    /// Faults are over.
    Calm,
}

/// Somebody's request, and what became of it.
#[derive(Clone, Debug)]
pub struct Client {
    /// What is asked.
    pub request: Request,
    /// The idempotency key.
    pub key: String,
    /// Whether to queue.
    pub wait: bool,
    /// What was answered, the first time and ever after.
    pub acknowledged: Option<JobId>,
    /// Whether a refusal was final.
    pub refused: Option<Refusal>,
    /// Whether to cancel once acknowledged.
    pub cancels: bool,
}

/// The world.
pub struct World {
    /// Virtual time in milliseconds.
    pub now: u64,
    /// Chance.
    pub dice: Dice,
    /// The planted fault.
    pub mutant: Option<Mutant>,
    /// Whether machines are moved about all the time in this story.
    pub restless: bool,
    /// The installation.
    pub installation: InstallationId,
    /// The store's disk.
    pub store: MemoryStore,
    /// The running server; none while it is down.
    pub drive: Option<Drive<Forgetful>>,
    /// How often it was started.
    pub server_life: u32,
    /// What waits for its next turn.
    pub inbox: Vec<Input>,
    /// When its next turn is.
    pub server_wakes: Option<u64>,
    /// New ids.
    pub ids: CountedIds,
    /// At how many commits from now it dies; 0 is never.
    pub crash_planned: u32,
    /// Turns taken.
    pub turns: u64,
    /// Heartbeats given.
    pub beats: u64,
    /// The counter of a planted fault.
    pub fake_order: u64,
    /// The computers.
    pub agents: Vec<Agent>,
    /// Connections by number.
    pub connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    /// The clients.
    pub clients: Vec<Client>,
    asks: BTreeMap<AskId, (usize, bool)>,
    next_ask: AskId,
    queue: Queue<Event>,
    /// Events so far.
    pub events: u64,
    /// Whether faults may still strike.
    pub stormy: bool,
    /// Whether time was turned back by a restored backup: what was acknowledged since may be forgotten.
    pub restored: bool,
    /// A backup that may be restored.
    pub backup: Option<MemoryStore>,
    /// How often things happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// The story in words, when it is told.
    pub told: Option<Vec<String>>,
    /// The first violation of an invariant.
    pub failure: Option<String>,
    /// The newest order taken into the record, for each machine on each host.
    pub orders: BTreeMap<(VmId, hostler_model::HostId), Order>,
    /// Machines whose disks may lie about, because an administrator did away with the machine alone.
    pub let_go: BTreeSet<VmId>,
    /// Machines that an administrator has undefined with `virsh`, by host and domain.
    pub taken_away: BTreeSet<(usize, String)>,
    /// Under the planted fault that renumbers facts: what each number truly was.
    pub true_orders: BTreeMap<u64, Order>,
    /// The newest revision that a reader has seen.
    pub read_head: u64,
    /// The most commands of each class that any setting of the story allowed a host at one time.
    pub allowed: (u32, u32, u32),
    /// The one trouble of a job that is tried.
    pub played: Played,
    /// Steps that the server asked to be done or revoked, so that nothing is done unasked.
    pub revoked: BTreeSet<StepNo>,
    /// What the server does itself.
    pub works: Works,
}

impl World {
    /// An empty world.
    pub fn new(seed: u64, mutant: Option<Mutant>, tell: bool) -> Self {
        let installation = InstallationId(Uuid::from_u128(0x1257));
        Self {
            now: 0,
            dice: Dice::new(seed),
            mutant,
            restless: seed % 8 == 3,
            installation,
            store: MemoryStore::new(installation, hostler_store::HistoryId(seed)),
            drive: None,
            server_life: 0,
            inbox: Vec::new(),
            server_wakes: None,
            ids: CountedIds(0x1000),
            crash_planned: 0,
            turns: 0,
            beats: 0,
            fake_order: 0,
            agents: Vec::new(),
            connections: BTreeMap::new(),
            next_connection: 1,
            clients: Vec::new(),
            asks: BTreeMap::new(),
            next_ask: 1,
            queue: Queue::new(),
            events: 0,
            stormy: true,
            restored: false,
            backup: None,
            counts: BTreeMap::new(),
            told: tell.then(Vec::new),
            failure: None,
            orders: BTreeMap::new(),
            let_go: BTreeSet::new(),
            taken_away: BTreeSet::new(),
            true_orders: BTreeMap::new(),
            read_head: 0,
            allowed: (
                Settings::default().starts_per_host,
                Settings::default().disk_copies_per_host,
                Settings::default().migrations_per_host,
            ),
            played: Played::default(),
            revoked: BTreeSet::new(),
            works: Works::default(),
        }
    }

    /// Notes that something happened.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Tells something, when the story is told.
    pub fn tell(&mut self, words: impl FnOnce(&Self) -> String) {
        if self.told.is_some() {
            let line = format!("{:>9.3} s  {}", self.now as f64 / 1000.0, words(self));
            if let Some(told) = &mut self.told {
                told.push(line);
            }
        }
    }

    /// Notes the first violation.
    pub fn fail(&mut self, what: String) {
        self.tell(|_| format!("VIOLATION: {what}"));
        self.failure.get_or_insert(what);
    }

    /// Lets something happen at a time.
    pub fn schedule(&mut self, when: u64, event: Event) {
        self.queue.put(when.max(self.now), event);
    }

    /// Lets everything happen until `until`, or until an invariant is broken.
    pub fn run_until(&mut self, until: u64) {
        while self.failure.is_none() {
            let Some((when, event)) = self.queue.next(until) else { break };
            self.now = when;
            self.events += 1;
            self.happen(event);
        }
        self.now = self.now.max(until);
    }

    fn alive(&self, at: usize, life: u32) -> bool {
        self.agents[at].life == life && self.agents[at].core.is_some()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ServerTurn { life } => {
                if life == self.server_life
                    && self.drive.is_some()
                    && self.server_wakes.is_some_and(|w| w <= self.now)
                {
                    self.server_turn();
                }
            }
            Event::ServerStart => self.start_server(),
            Event::ServerBeat { life } => {
                if life == self.server_life {
                    self.server_beat();
                }
            }
            Event::ServerCut { connection } => self.close(connection),
            Event::ToServer { connection, life, message } => {
                if life == self.server_life {
                    self.server_hears(connection, *message);
                }
            }
            Event::ToAgent { connection, at, message } => self.agent_receives(connection, at, *message),
            Event::AgentCut { at, connection } => {
                if connection.is_some() && self.agents[at].connection == connection {
                    self.agents[at].connection = None;
                    self.agent_hears(at, AgentInput::Cut);
                    let when = self.now + self.dice.between(100, 3_000);
                    self.schedule(when, Event::AgentDial { at });
                }
            }
            Event::AgentDial { at } => self.dial(at),
            Event::AgentStart { at } => self.start_agent(at),
            Event::AgentTime { at, life } => {
                if self.alive(at, life) {
                    self.agent_hears(at, AgentInput::Time);
                    let next = self.agents[at].core.as_ref().map_or(u64::MAX, |core| core.next_time());
                    self.schedule(next.clamp(self.now + 50, self.now + 3_000), Event::AgentTime { at, life });
                }
            }
            Event::JournalSynced { at, life, position, truly } => {
                if self.alive(at, life) {
                    self.journal_synced(at, position, truly);
                }
            }
            Event::TaskTurn { at, life, no } => {
                if self.alive(at, life) {
                    self.agents[at].host.tick(self.now);
                    self.task_turn(at, no);
                }
            }
            Event::ListMade { at, life } => {
                if self.alive(at, life) {
                    let input = match self.agents[at].host.list() {
                        Ok(all) => AgentInput::Listed(all),
                        Err(_) => AgentInput::ListFailed,
                    };
                    self.agent_hears(at, input);
                }
            }
            Event::ReadMachine { at, life, domain } => {
                if self.alive(at, life) {
                    self.read_machine(at, domain);
                }
            }
            Event::WorkEnds { life, no, dies } => {
                if life == self.server_life {
                    self.work_ends(no, dies);
                }
            }
            Event::StartBehind { at, domain } => {
                if self.agents[at].host.outside(&Outside::Start(domain)).is_ok() {
                    self.count("started behind the manager's back while it is deleted");
                    self.tell(|_| format!("on host {at}, behind our back: {domain} is started"));
                    self.host_moved(at);
                }
            }
            Event::HostTick { at } => {
                self.agents[at].host.tick(self.now);
                self.host_moved(at);
            }
            Event::PowerOn { at } => {
                if !self.agents[at].is_dead() {
                    self.agents[at].host.power_on();
                    self.start_agent(at);
                }
            }
            Event::ComeBack { at } => {
                self.count("host that was given up came back");
                self.tell(|_| format!("host {at} comes back from the dead"));
                let agent = &mut self.agents[at];
                agent.fate = Fate::CameBack;
                agent.host.power_on();
                self.start_agent(at);
            }
            Event::Ask { client } => self.ask(client),
            Event::CancelAsk { client } => self.cancel(client),
            Event::Fault => self.fault(),
            Event::Heal { at } => self.heal(at),
            Event::DeclareDead { at } => self.declare_dead(at),
            Event::Calm => self.calm(),
        }
    }

    // The network.

    fn dial(&mut self, at: usize) {
        if self.agents[at].core.is_none() || self.agents[at].connection.is_some() {
            return;
        }
        if self.drive.is_none() {
            let when = self.now + self.dice.between(500, 2_000);
            self.schedule(when, Event::AgentDial { at });
            return;
        }
        let number = self.next_connection;
        self.next_connection += 1;
        self.connections.insert(
            number,
            Connection { at, server_open: true, session: None, greeted: false, heard: self.now },
        );
        self.agents[at].connection = Some(number);
        self.count("agent connected");
        self.agent_hears(at, AgentInput::Connected);
    }

    fn delay(&mut self) -> u64 {
        if self.stormy && self.dice.chance(25) {
            self.count("message late");
            self.dice.between(100, 3_000)
        } else {
            self.dice.between(1, 15)
        }
    }

    /// A message leaves an agent.
    pub fn say_to_server(&mut self, at: usize, message: FromAgent) {
        self.check_answers_once(at, &message);
        let Some(connection) = self.agents[at].connection else { return };
        let life = self.server_life;
        if self.stormy && self.dice.chance(2) {
            return self.lose(connection, at);
        }
        let when = self.now + self.delay();
        if self.played.script.doubled || self.stormy && self.dice.chance(10) {
            self.count("message doubled");
            let again = when + self.dice.between(0, 2_000);
            let message = Box::new(message.clone());
            self.schedule(again, Event::ToServer { connection, life, message });
        }
        self.schedule(when, Event::ToServer { connection, life, message: Box::new(message) });
    }

    /// A message leaves the server.
    pub fn say_to_agent(&mut self, connection: u64, message: ToAgent) {
        let Some(open) = self.connections.get(&connection) else { return };
        let at = open.at;
        if let ToAgent::Do { no, floor, mark, undo, command } = &message {
            let (no, floor, mark, undo, word) = (*no, *floor, mark.clone(), *undo, command.word());
            self.tell(|_| format!("to agent {at}: do {no} ({word}, {mark}, undo {undo}), floor {floor}"));
        }
        if let ToAgent::Revoke { no, floor } = &message {
            let (no, floor) = (*no, *floor);
            self.tell(|_| format!("to agent {at}: revoke {no}, floor {floor}"));
        }
        if self.stormy && self.dice.chance(2) {
            return self.lose(connection, at);
        }
        let when = self.now + self.delay();
        if self.played.script.doubled || self.stormy && self.dice.chance(10) {
            self.count("message doubled");
            let again = when + self.dice.between(0, 2_000);
            let message = Box::new(message.clone());
            self.schedule(again, Event::ToAgent { connection, at, message });
        }
        self.schedule(when, Event::ToAgent { connection, at, message: Box::new(message) });
    }

    /// A message is lost: so, soon, is the connection.
    fn lose(&mut self, connection: u64, at: usize) {
        self.count("message lost");
        self.cut(connection, at);
    }

    /// A connection breaks: each end notices in its own time.
    pub fn cut(&mut self, connection: u64, at: usize) {
        self.count("connection cut");
        self.server_notices_cut(connection);
        let when = self.now + self.dice.between(0, 9_000);
        self.schedule(when, Event::AgentCut { at, connection: Some(connection) });
    }

    // The clients.

    /// A client asks, again and again until it is answered.
    pub fn ask(&mut self, client: usize) {
        let it = &self.clients[client];
        if it.acknowledged.is_some() && !self.stormy || it.refused.is_some() {
            return;
        }
        let (request, key, wait) = (it.request.clone(), it.key.clone(), it.wait);
        let ask = self.next_ask;
        self.next_ask += 1;
        self.asks.insert(ask, (client, false));
        self.tell(|_| format!("client {client} asks: {request:?}"));
        self.server_input(Input::Ask(Box::new(Asked {
            ask,
            actor: Actor::System,
            key: Some(key),
            wait,
            unchanged: None,
            again_of: None,
            request,
        })));
        let when = self.now + self.dice.between(3_000, 9_000);
        if self.clients[client].acknowledged.is_none() {
            self.schedule(when, Event::Ask { client });
        }
    }

    fn cancel(&mut self, client: usize) {
        let Some(job) = self.clients[client].acknowledged else { return };
        let ask = self.next_ask;
        self.next_ask += 1;
        self.asks.insert(ask, (client, true));
        self.count("cancel asked");
        self.tell(|_| format!("client {client} cancels job {job}"));
        self.server_input(Input::Cancel { ask, job, actor: Actor::System });
    }

    /// An answer reaches its client, or is lost.
    pub fn reply(&mut self, ask: AskId, answer: Result<JobId, Refusal>) {
        let Some((client, cancel)) = self.asks.remove(&ask) else { return };
        if cancel || (self.stormy && self.dice.chance(40)) {
            return;
        }
        self.tell(|_| format!("client {client} is answered: {answer:?}"));
        match answer {
            Ok(job) => {
                self.count("request acknowledged");
                match self.clients[client].acknowledged {
                    Some(before) if before != job && !self.restored => {
                        self.fail(format!(
                            "one key, two jobs: {before} and {job} for {:?}",
                            self.clients[client].request
                        ));
                    }
                    Some(_) => self.count("asked again, same job"),
                    None => {
                        self.clients[client].acknowledged = Some(job);
                        if self.clients[client].cancels {
                            let when = self.now + self.dice.between(0, 2_500);
                            self.schedule(when, Event::CancelAsk { client });
                        }
                        if self.dice.chance(150) {
                            // Asks once more although it has its answer.
                            let when = self.now + self.dice.between(0, 20_000);
                            self.schedule(when, Event::Ask { client });
                        }
                    }
                }
            }
            Err(refusal) if refusal.code == hostler_model::Code::StoreUnavailable => {}
            // The server has just died and started: its hosts are on their way back.
            Err(refusal)
                if refusal.code == hostler_model::Code::HostNotResponding
                    && self.played.script.crash_server.is_some() =>
            {
                self.schedule(self.now + 5_000, Event::Ask { client });
            }
            Err(refusal) => {
                self.count(match refusal.code {
                    hostler_model::Code::VmBusy | hostler_model::Code::ObjectBusy => "request refused: busy",
                    hostler_model::Code::VmStateForbids => "request refused: state",
                    _ => "request refused",
                });
                if self.clients[client].acknowledged.is_none() {
                    self.clients[client].refused = Some(refusal);
                }
            }
        }
    }
}
