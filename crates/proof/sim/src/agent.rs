//! An agent of the simulation: the core that the product runs, a journal that may lose its unsynced end, commands
//! carried out on virtual time over a simulated host.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use hostler_agent_core::{Core, Identity, Input, JournalEntry, Output, Task};
use hostler_hypervisor::perform::{Performing, Turn, World as Hands};
use hostler_hypervisor::simulated::{CrashWhen, SimulatedHost};
use hostler_hypervisor::{Boots, Disks, Machines, Watch};
use hostler_model::command::{Answer, Command, Outcome};
use hostler_model::host::HostFacts;
use hostler_model::{AgentId, Code, Ms, Refusal, StepNo};
use uuid::Uuid;

use crate::anew::Anew;
use crate::certificates::Papers;
use crate::computer::duration;
use crate::kinds::Moment;
use crate::mutant::Mutant;
use crate::programs::{Own, Programs};
use crate::world::{Event, World};

/// A computer with its agent.
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The computer.
    pub host: SimulatedHost,
    /// The running agent; none while it is down.
    pub core: Option<Core>,
    /// How often it was started: events of an earlier life are void.
    pub life: u32,
    /// What is durable.
    pub journal: Vec<JournalEntry>,
    /// What is written and not durable yet.
    pub unsynced: Vec<(u64, JournalEntry)>,
    /// Commands at work.
    pub tasks: BTreeMap<StepNo, Working>,
    /// Its connection.
    pub connection: Option<u64>,
    /// What becomes of the computer.
    pub fate: Fate,
    /// What it says of itself.
    pub facts: HostFacts,
    /// Steps that have arrived.
    pub met: BTreeSet<StepNo>,
    /// What it said of each step, in all its lives.
    pub answered: BTreeMap<StepNo, Outcome>,
    /// Its certificates, as they are on its disk.
    pub kept: Papers,
    /// The same, as the running agent has them.
    pub papers: Papers,
    /// How often it has asked for another certificate.
    pub renewal: u64,
    /// How often it came with a good certificate since it was last welcomed.
    pub in_vain: u32,
    /// From when on it can reach the server.
    pub online_at: u64,
    /// Its programs.
    pub programs: Programs,
    /// How far it is with being enrolled anew.
    pub anew: Option<Anew>,
    /// Which agents its computer was before.
    pub was: Vec<AgentId>,
}

/// What becomes of a computer. A power failure that passes is no fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It lives on.
    Lives,
    /// It has died for good.
    Dead,
    /// It seems to have, is given up, and will come back.
    SeemsDead,
    /// It came back after it had been given up: what was done for it meanwhile, it knows nothing of.
    CameBack,
}

impl Agent {
    /// Whether its computer has died for good, or seems to.
    pub fn is_dead(&self) -> bool {
        matches!(self.fate, Fate::Dead | Fate::SeemsDead)
    }
}

/// How often is looked whether a program on trial has come up.
const TRIAL_LOOK_MS: Ms = 2_000;
/// After how many journal entries a story's agent compacts.
const COMPACT_EVERY: u64 = 48;

/// A command at work.
#[derive(Debug)]
pub struct Working {
    performing: Performing,
    account: String,
    began: Ms,
    /// Whether it was asked to stop.
    pub abort: bool,
    /// Whether an earlier run may have begun it.
    pub looking: bool,
    task: Task,
}

impl Working {
    /// What it is about.
    pub fn task(&self) -> &Task {
        &self.task
    }
}

struct Ear<'a>(&'a Cell<bool>);

impl Watch for Ear<'_> {
    fn progress(&self, _done: u64, _of: u64) {}
    fn aborted(&self) -> bool {
        self.0.get()
    }
}

impl Agent {
    /// A computer whose agent is not started yet.
    pub fn new(id: AgentId, host: SimulatedHost, facts: HostFacts, papers: Papers) -> Self {
        Self {
            id,
            host,
            core: None,
            life: 0,
            journal: Vec::new(),
            unsynced: Vec::new(),
            tasks: BTreeMap::new(),
            connection: None,
            fate: Fate::Lives,
            facts,
            met: BTreeSet::new(),
            answered: BTreeMap::new(),
            kept: papers.clone(),
            papers,
            renewal: 0,
            in_vain: 0,
            online_at: 0,
            programs: Programs::first(),
            anew: None,
            was: Vec::new(),
        }
    }
}

impl World {
    /// Starts an agent that is down.
    pub fn start_agent(&mut self, at: usize) {
        let now = self.now;
        let agent = &mut self.agents[at];
        if agent.is_dead() || agent.core.is_some() || !agent.host.is_up() {
            return;
        }
        agent.life += 1;
        agent.host.agent_restarted();
        agent.papers = agent.kept.clone();
        let me = Identity {
            agent: agent.id,
            installation: self.installation,
            version: agent.programs.runs().into(),
            host_boot: agent.facts.boot_id.clone(),
        };
        let fresh = Uuid::from_u128(0xA6E7 << 64 | (at as u128) << 32 | u128::from(agent.life));
        agent.facts.host_networks = agent.host.true_networks();
        let mut out = Vec::new();
        let mut core = Core::load(agent.journal.clone(), me, fresh, now, &mut out);
        core.handle(now, Input::HostFacts(Box::new(agent.facts.clone())), &mut out);
        agent.core = Some(core);
        self.count("agent started");
        self.agent_does(at, out);
        self.schedule(self.now + 20, Event::AgentDial { at });
        self.schedule(self.now + 100, Event::AgentTime { at, life: self.agents[at].life });
    }

    /// The agent dies; the machines run on.
    pub fn crash_agent(&mut self, at: usize) {
        let keep = {
            let unsynced = self.agents[at].unsynced.len() as u64;
            self.dice.between(0, unsynced + 1) as usize
        };
        let agent = &mut self.agents[at];
        if agent.core.take().is_none() {
            return;
        }
        // What was written but not synced may or may not have reached the disk, but never out of order.
        let kept: Vec<_> = agent.unsynced.drain(..).take(keep).map(|(_, entry)| entry).collect();
        agent.journal.extend(kept);
        agent.tasks.clear();
        agent.programs.trial_failed("it ended with a signal");
        self.count("agent crashed");
        if let Some(connection) = self.agents[at].connection.take() {
            self.server_notices_cut(connection);
        }
        let wait = self.dice.between(50, 8_000);
        self.schedule(self.now + wait, Event::AgentStart { at });
    }

    /// Hands an input to an agent's core and does what it says.
    pub fn agent_hears(&mut self, at: usize, input: Input) {
        let now = self.now;
        let mut out = Vec::new();
        let Some(core) = self.agents[at].core.as_mut() else { return };
        core.handle(now, input, &mut out);
        self.agent_does(at, out);
    }

    fn agent_does(&mut self, at: usize, outputs: Vec<Output>) {
        let life = self.agents[at].life;
        for output in outputs {
            match output {
                Output::Write { position, entry } => self.agent_writes(at, position, entry),
                Output::Begin(task) => self.agent_begins(at, task, false),
                Output::Probe(task) => {
                    self.count("looked up after a crash");
                    self.agent_begins(at, task, true);
                }
                Output::Abort { no } => {
                    self.count("abort");
                    if self.mutant == Some(Mutant::AbortIsRevoked) {
                        self.agent_hears(at, Input::Ended { no, outcome: Outcome::Revoked });
                        continue;
                    }
                    if let Some(working) = self.agents[at].tasks.get_mut(&no) {
                        working.abort = true;
                        self.schedule(self.now + 5, Event::TaskTurn { at, life, no });
                    }
                }
                Output::Send(message) => self.say_to_server(at, message),
                Output::List => {
                    // The reading is made at one moment and handed in at a later one.
                    let made = self.now + self.dice.between(1, 60);
                    self.schedule(made, Event::ListMade { at, life });
                }
                Output::Read { domain } => {
                    let when = self.now + self.dice.between(1, 30);
                    self.schedule(when, Event::ReadMachine { at, life, domain });
                }
                Output::Ask { session, question, .. } => {
                    let answer = Ok(String::new());
                    self.agent_hears(at, Input::Answered { session, question, answer });
                }
                Output::Disconnect { .. } => {
                    self.check_patience(at);
                    if let Some(connection) = self.agents[at].connection.take() {
                        self.server_notices_cut(connection);
                    }
                    self.agent_hears(at, Input::Cut);
                    let when = self.now + self.dice.between(200, 3_000);
                    self.schedule(when, Event::AgentDial { at });
                }
            }
        }
    }

    fn agent_writes(&mut self, at: usize, position: u64, entry: JournalEntry) {
        let forgotten = matches!(
            (&entry, self.mutant),
            (JournalEntry::Intent { .. }, Some(Mutant::NoIntent))
                | (JournalEntry::Outcome { .. }, Some(Mutant::NoOutcome))
                | (JournalEntry::Tombstone { .. }, Some(Mutant::NoTombstone))
        );
        let kept = if forgotten { JournalEntry::Unknown } else { entry };
        let agent = &mut self.agents[at];
        agent.unsynced.push((position, kept));
        let life = agent.life;
        let slow = self.dice.chance(20);
        let delay = if slow { self.dice.between(100, 2_000) } else { self.dice.between(0, 8) };
        if self.mutant == Some(Mutant::JournalNotSynced) {
            self.schedule(self.now, Event::JournalSynced { at, life, position, truly: false });
            self.schedule(self.now + delay + 500, Event::JournalSynced { at, life, position, truly: true });
        } else {
            self.schedule(self.now + delay, Event::JournalSynced { at, life, position, truly: true });
        }
    }

    /// Journal entries up to a position have reached the disk (or the agent is told so).
    pub fn journal_synced(&mut self, at: usize, position: u64, truly: bool) {
        if truly {
            let agent = &mut self.agents[at];
            let (done, rest): (Vec<_>, Vec<_>) = agent.unsynced.drain(..).partition(|(p, _)| *p <= position);
            agent.journal.extend(done.into_iter().map(|(_, entry)| entry));
            agent.unsynced = rest;
        }
        self.agent_hears(at, Input::Synced(position));
        self.compact_journal(at, position);
    }

    /// Compacts when the agent wants it, and far more often: a story is too short for a journal that is long.
    fn compact_journal(&mut self, at: usize, position: u64) {
        let forgets = self.mutant == Some(Mutant::OpenForgotten);
        let agent = &mut self.agents[at];
        let Some(core) = agent.core.as_mut() else { return };
        // Another planted fault's journal is not what the agent believes it to be.
        let may = agent.unsynced.is_empty() && (self.mutant.is_none() || forgets);
        if !may || !core.wants_compacting() && !position.is_multiple_of(COMPACT_EVERY) {
            return;
        }
        agent.journal = core.compact();
        if forgets {
            let is_step = |entry: &JournalEntry| {
                matches!(entry, JournalEntry::Intent { .. } | JournalEntry::Outcome { .. })
            };
            agent.journal.retain(|entry| !is_step(entry));
        }
        self.count("journal compacted");
        if self.stormy && self.fleet.life_ms.is_some() && self.fleet.dice.chance(200) {
            let (life, when) = (self.agents[at].life, self.now + self.fleet.dice.between(1, 400));
            self.schedule(when, Event::DiesCompacted { at, life });
        }
    }

    fn agent_begins(&mut self, at: usize, task: Task, looking: bool) {
        self.check_is_recorded(&task);
        if looking && self.mutant == Some(Mutant::NoProbe) {
            let refusal = Refusal::new(Code::AgentInterrupted, "step", "interrupted");
            self.agent_hears(at, Input::Ended { no: task.no, outcome: Outcome::Failed { refusal } });
            return;
        }
        let account = format!("{}{}", task.mark, if task.undo { " undo" } else { "" });
        let command = (*task.command).clone();
        let performing = if looking {
            Performing::looking(command, task.mark.clone(), task.undo)
        } else {
            Performing::new(command, task.mark.clone(), task.undo)
        };
        let (no, undo) = (task.no, task.undo);
        if !looking {
            self.check_class_limit(at, &task);
        }
        let takes = if looking {
            self.dice.between(1, 50)
        } else {
            duration(&task.command, &mut self.dice, self.stormy)
        };
        let began = self.now + takes;
        if let Command::Undefine { domain } = &*task.command
            && self.stormy
            && self.dice.chance(30)
        {
            // Between the look and the act there is always a moment; here it is hit.
            let when = self.now + takes.saturating_sub(1);
            self.schedule(when, Event::StartBehind { at, domain: *domain });
        }
        self.agents[at].tasks.insert(no, Working { performing, account, began, abort: false, looking, task });
        let life = self.agents[at].life;
        self.schedule(began, Event::TaskTurn { at, life, no });
        if !looking && self.played.begins(no, undo) {
            match self.played.script.moment {
                Moment::Begin => self.crash_agent(at),
                Moment::Halfway => self.agents[at].host.crash_at(1, CrashWhen::Halfway),
                Moment::BeforeOutcome => {}
            }
        }
    }

    /// Lets a command do what it can do now.
    pub fn task_turn(&mut self, at: usize, no: StepNo) {
        let now = self.now;
        let mutant = self.mutant;
        let Some(mut working) = self.agents[at].tasks.remove(&no) else { return };
        if now < working.began && !working.abort {
            self.agents[at].tasks.insert(no, working);
            return;
        }
        let before = self.on_states(at);
        let own = if self.played.fails(no) { None } else { self.own(at, &working) };
        let host = self.agents[at].host.by(working.account.as_str());
        let hands = Hands { machines: &host, disks: &host, moves: &host, networks: &host, boots: &host };
        let abort = Cell::new(working.abort);
        let waited = now.saturating_sub(working.began);
        let silenced = self.silence_hand_over(at, &working.task.command);
        let turn = match (mutant, &*working.task.command) {
            (Some(Mutant::GuardOff), Command::Undefine { domain }) => {
                let _ = host.undefine(*domain);
                Turn::Ended(Outcome::done())
            }
            (Some(Mutant::UndoByPath), Command::DeleteDisk { file, .. }) if working.task.undo => {
                let _ = host.delete(file);
                Turn::Ended(Outcome::done())
            }
            _ if self.played.fails(no) => {
                let refusal = Refusal::new(Code::HypervisorFailed, "step", "it failed, as was to be tried");
                Turn::Ended(Outcome::Failed { refusal })
            }
            _ => match own {
                Some(Own::Ended(outcome)) => Turn::Ended(outcome),
                Some(Own::Waits) => Turn::Wait { ms: TRIAL_LOOK_MS },
                Some(Own::HandOver { version, limit_ms }) => return self.hand_over(at, &version, limit_ms),
                None => working.performing.turn(&hands, waited, &Ear(&abort)),
            },
        };
        if silenced {
            self.heal_hand_over(at);
        }
        self.check_no_harm(at, &working.task, &before);
        self.host_moved(at);
        if let Command::Migrate { way, .. } = &*working.task.command
            && let Some(over) = self.agents.iter().position(|agent| agent.id == way.to.agent)
        {
            self.host_moved(over);
        }
        if self.agents[at].host.crashed() {
            self.count("agent crashed in a call");
            self.crash_agent(at);
            return;
        }
        let boot = self.agents[at].host.boot();
        if boot != self.agents[at].facts.boot_id {
            // With the computer its agent goes, before it has kept how the command ended.
            self.agents[at].facts.boot_id = boot;
            self.count("host restarted");
            self.crash_agent(at);
            return;
        }
        let turn = match turn {
            Turn::Ended(Outcome::Done { answer: Answer::Moved { sure: false, why } }) => {
                self.count("migration whose end nobody saw");
                if mutant == Some(Mutant::UnsureIsFailed) {
                    let refusal = Refusal::new(Code::MigrationFailed, "step", why);
                    Turn::Ended(Outcome::Failed { refusal })
                } else {
                    Turn::Ended(Outcome::Done { answer: Answer::Moved { sure: false, why } })
                }
            }
            Turn::Ended(Outcome::InDoubt { refusal })
                if matches!(&*working.task.command, Command::Migrate { .. }) =>
            {
                self.count("migration in doubt");
                Turn::Ended(match mutant {
                    Some(Mutant::UnsureIsFailed) => Outcome::Failed { refusal },
                    _ => Outcome::InDoubt { refusal },
                })
            }
            turn => turn,
        };
        match turn {
            Turn::Wait { ms } => {
                let life = self.agents[at].life;
                self.agents[at].tasks.insert(no, working);
                self.schedule(now + ms.max(1), Event::TaskTurn { at, life, no });
            }
            Turn::Ended(outcome) => {
                self.count(match &outcome {
                    Outcome::Done { .. } => "step done",
                    Outcome::Failed { .. } => "step failed",
                    Outcome::Refused { .. } => "step refused",
                    Outcome::Revoked => "step revoked",
                    Outcome::InDoubt { .. } => "step in doubt",
                    Outcome::Unknown => "step unknown",
                });
                if let Command::ReadHost = &*working.task.command {
                    self.list_now(at);
                }
                // Reading it shows nothing else here: what it is like changes by these commands alone.
                if working.task.command.changes_host() && *working.task.command != Command::ReadHost {
                    self.look_at_host(at);
                }
                if let Some(domain) = working.task.command.domain() {
                    self.read_machine(at, domain);
                }
                if self.played.dies(no) || self.stormy && self.dice.chance(15) {
                    // Dies between the effect and its outcome.
                    self.count("agent crashed before the outcome");
                    self.crash_agent(at);
                    return;
                }
                self.agent_hears(at, Input::Ended { no, outcome });
            }
        }
    }
}
