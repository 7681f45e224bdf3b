//! The programs of agents: another version is brought, tried, and takes the place of the present one, or is taken back.
//!
//! It is the engine's job *upgrade-agent* and the agent's core that are tried here. What the crate `agent` does around
//! them (`own.rs`, `program.rs`, and `run.rs` for a trial) is done in its order: the present program ends with all that
//! it has written, the new one runs on the same journal and certificate and has come up once it is welcomed; then that
//! is noted and it runs for good. One that does not come up within the limit, or ends, is noted as failed and the one
//! before goes on. Whichever program runs afterwards says how the step ended, by what was noted.

use hostler_model::command::{Command, Outcome};
use hostler_model::{Code, Ms, Refusal};

use crate::agent::Working;
use crate::mutant::Mutant;
use crate::world::{Event, World};

/// The version with which every computer begins.
pub const FIRST: &str = "1.0.0";
/// A version that never connects.
const MUTE: &str = "4.0.0-mute";
/// A version that ends as soon as it is started.
const FAILS: &str = "5.0.0-fails";
/// What is installed in stories.
pub const VERSIONS: &[&str] = &[FIRST, "2.0.0", "3.0.0", MUTE, FAILS];

/// What is durable of an agent's programs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The version that runs.
    pub current: String,
    /// Versions that were brought whole.
    brought: Vec<String>,
    /// The last one that failed, and why.
    failed: Option<(String, String)>,
    /// The version that is tried now: a process, so nothing durable.
    trial: Option<String>,
    trials: u32,
}

impl Programs {
    /// The first version runs.
    pub fn first() -> Self {
        Self { current: FIRST.into(), brought: Vec::new(), failed: None, trial: None, trials: 0 }
    }

    /// What is started.
    pub fn runs(&self) -> &str {
        self.trial.as_deref().unwrap_or(&self.current)
    }

    /// Whether what runs ever connects.
    pub fn connects(&self) -> bool {
        !matches!(self.runs(), MUTE | FAILS)
    }

    /// With the computer whatever was tried goes, and nothing is noted.
    pub fn power_failed(&mut self) {
        self.trial = None;
    }

    /// A trial that ends other than well is over; it is noted why.
    pub fn trial_failed(&mut self, why: &str) {
        if let Some(version) = self.trial.take() {
            self.brought.retain(|brought| *brought != version);
            self.failed = Some((version, why.to_owned()));
        }
    }
}

/// What an agent does of a command about itself.
pub enum Own {
    /// It has ended.
    Ended(Outcome),
    /// Another process says how it ends.
    Waits,
    /// The program is to be tried.
    HandOver { version: String, limit_ms: Ms },
}

fn failed(code: Code, why: &str) -> Own {
    Own::Ended(Outcome::Failed { refusal: Refusal::new(code, "agent", why) })
}

impl World {
    /// A command about the agent itself, carried out or looked up.
    pub(crate) fn own(&mut self, at: usize, working: &Working) -> Option<Own> {
        let programs = &mut self.agents[at].programs;
        match &*working.task().command {
            Command::BringProgram { version, .. } => Some(match programs.brought.contains(version) {
                true => Own::Ended(Outcome::done()),
                false if working.looking => {
                    failed(Code::AgentInterrupted, "the program was not brought whole")
                }
                false => {
                    programs.brought.push(version.clone());
                    Own::Ended(Outcome::done())
                }
            }),
            Command::Upgrade { version, limit_ms, .. } => Some(match &programs.failed {
                _ if working.looking && programs.trial.is_some() => Own::Waits,
                _ if programs.current == *version => Own::Ended(Outcome::done()),
                Some((which, why)) if working.looking && which == version => {
                    failed(Code::AgentUpgradeFailed, why)
                }
                _ if working.looking => failed(Code::AgentInterrupted, "interrupted before it was tried"),
                _ if !programs.brought.contains(version) => {
                    failed(Code::AgentUpgradeFailed, "the program is not there")
                }
                _ if working.abort => Own::Ended(Outcome::Revoked),
                _ => Own::HandOver { version: version.clone(), limit_ms: *limit_ms },
            }),
            _ => None,
        }
    }

    /// The present program ends, and the new one is tried.
    pub(crate) fn hand_over(&mut self, at: usize, version: &str, limit_ms: Ms) {
        self.count("new agent program tried");
        self.tell(|_| format!("agent {at} gives way to {version}"));
        self.end_in_order(at);
        let programs = &mut self.agents[at].programs;
        programs.failed = None;
        programs.trial = Some(version.to_owned());
        programs.trials += 1;
        let number = programs.trials;
        if version == FAILS {
            return self.take_back(at, "it ended with exit status 1");
        }
        self.schedule(self.now + limit_ms, Event::TrialOver { at, number });
    }

    /// The program that is tried has not come up in time.
    pub(crate) fn trial_over(&mut self, at: usize, number: u32) {
        let programs = &self.agents[at].programs;
        if programs.trial.is_some() && programs.trials == number {
            self.end_in_order(at);
            self.take_back(at, "it was not connected in time");
        }
    }

    fn take_back(&mut self, at: usize, why: &str) {
        self.count("new agent program taken back");
        let programs = &mut self.agents[at].programs;
        if self.mutant == Some(Mutant::ProgramKept) {
            programs.current = programs.trial.take().unwrap_or_default();
        } else {
            programs.trial_failed(why);
        }
    }

    /// An agent was welcomed: one on trial has come up.
    pub(crate) fn trial_welcomed(&mut self, at: usize) {
        let Some(version) = self.agents[at].programs.trial.take() else { return };
        self.count("new agent program came up");
        self.tell(|_| format!("agent {at} is {version} from now on"));
        self.end_in_order(at);
        self.agents[at].programs.current = version;
    }

    /// A program ends by itself: what it wrote is durable, what was at work is looked up by the next one.
    fn end_in_order(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        let written: Vec<_> = agent.unsynced.drain(..).map(|(_, entry)| entry).collect();
        agent.journal.extend(written);
        agent.tasks.clear();
        agent.core = None;
        if let Some(connection) = agent.connection.take() {
            self.server_notices_cut(connection);
        }
        let when = self.now + self.fleet.dice.between(20, 500);
        self.schedule(when, Event::AgentStart { at });
    }

    /// A step that began to put another program in place has ended well only if that one runs.
    pub(crate) fn check_upgraded(&mut self, agent: hostler_model::AgentId, version: &str) {
        let Some(at) = self.agents.iter().position(|other| other.id == agent) else { return };
        let runs = self.agents[at].programs.current.clone();
        if runs != version {
            self.fail(format!("agent {at} was upgraded to {version} and runs {runs}"));
        }
    }
}
