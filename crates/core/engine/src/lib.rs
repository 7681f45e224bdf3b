//! Decides. State and inputs in; changes and effects out.
//!
//! The engine is a plain state machine: its state is the inventory and the jobs, its inputs are requests, agents'
//! reports and time, its outputs are changes to objects and effects that may leave once the changes are committed. It
//! performs nothing, waits for nothing, reads no clock and throws no dice (time and new ids come in). Its only callers
//! are `hostler-drive`, which batches, commits and releases, and through it the server and the simulator.
//!
//! Where to look: `kinds` has each kind of job as a plan; `jobs` moves a job along its plan, `undo` takes it back,
//! `records` is what its steps do to the record; `asks` takes requests in; `reports` takes agents' words in and lets the
//! record follow; `inventory` holds the objects and their indexes.
//! Everything that is not an object is derived from the objects and equal to what a fresh load derives, except what is
//! volatile: sessions, progress, and which hosts are under suspicion.

mod asks;
mod follow;
mod inventory;
mod jobs;
pub(crate) mod kinds;
mod macs;
mod plan;
mod records;
mod reports;
mod session;
mod stages;
mod table;
mod undo;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hostler_model::access::Actor;
use hostler_model::channel::{Hello, Report, ToAgent};
use hostler_model::command::Outcome;
use hostler_model::ids::{Ids, in_epoch};
use hostler_model::job::{Doer, DryRun, Job};
use hostler_model::push::Work;
use hostler_model::request::{CreateVm, Request};
use hostler_model::{
    AgentId, Change, InstallationId, JobId, Key, Ms, Object, Refusal, SessionId, StepNo, Timestamp, UserId,
    VmId,
};
use uuid::Uuid;

pub use inventory::Inventory;
pub use macs::Macs;
pub use plan::View;
use reports::Suspect;
pub use session::Sessions;
use table::JobTable;

/// How long after its end a job is found by its idempotency key: a day.
pub const KEY_LIFE_MS: Ms = 24 * 3_600_000;
/// After how long what an agent owes is sent to it again on an open session: it answers at once what it knows.
pub const RESEND_MS: Ms = 10_000;
/// How long two hosts must both show a machine before that is a conflict: a migration by other hands takes less to end.
pub const CONFLICT_AFTER_MS: Ms = 10_000;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Somebody asks for something.
    Ask(Box<Asked>),
    /// Somebody wants a job stopped and taken back.
    Cancel {
        /// Echoed in the reply.
        ask: AskId,
        /// Which.
        job: JobId,
        /// Who.
        actor: Actor,
    },
    /// Somebody gives up waiting for a host: the job ends for its caller, what is owed stands.
    Abandon {
        /// Echoed in the reply.
        ask: AskId,
        /// Which.
        job: JobId,
        /// Who.
        actor: Actor,
    },
    /// An agent has connected and said hello.
    Connected {
        /// Echoed in the answer, so that the server finds the connection.
        connection: u64,
        /// What it said.
        hello: Box<Hello>,
    },
    /// A session is over.
    Lost {
        /// Whose.
        agent: AgentId,
        /// Which.
        session: SessionId,
    },
    /// An agent reports.
    Report {
        /// Which.
        agent: AgentId,
        /// What.
        report: Box<Report>,
    },
    /// A step shows progress.
    Progress {
        /// Who does it.
        by: Doer,
        /// The step.
        no: StepNo,
        /// How much is done.
        done: u64,
        /// Of how much.
        of: u64,
    },
    /// What the server did itself has ended.
    Worked {
        /// The step.
        no: StepNo,
        /// How.
        outcome: Outcome,
    },
    /// Time has passed.
    Time,
}

/// The server's number for somebody who waits for a reply.
pub type AskId = u64;

/// A request with who asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Echoed in the reply.
    pub ask: AskId,
    /// Who asks.
    pub actor: Actor,
    /// The caller's idempotency key, as [`Job::key`] keeps it.
    pub key: Option<String>,
    /// Whether to queue behind a job that is in the way, rather than be refused.
    pub wait: bool,
    /// The object as it was when the caller looked at it: has it changed since, nothing is done. What asks so does not
    /// queue, as the job in the way is about to change it.
    pub unchanged: Option<Object>,
    /// The job that this repeats.
    pub again_of: Option<JobId>,
    /// What.
    pub request: Request,
}

/// Something to do once the changes are committed.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell who asked.
    Reply {
        /// Who.
        ask: AskId,
        /// The job, or why not.
        answer: Result<JobId, Refusal>,
    },
    /// Open a session.
    Welcome {
        /// On which connection.
        connection: u64,
        /// For which agent.
        agent: AgentId,
        /// The session.
        session: SessionId,
        /// Our epoch.
        epoch: u32,
    },
    /// Refuse a connection.
    Reject {
        /// Which.
        connection: u64,
        /// Why.
        why: Refusal,
    },
    /// Say something to an agent.
    Send {
        /// Which.
        agent: AgentId,
        /// On which session.
        session: SessionId,
        /// What.
        message: Box<ToAgent>,
    },
    /// Do something yourself, and say how it ended. What is done already is not begun a second time.
    Work {
        /// The step.
        no: StepNo,
        /// The job of the step: what is made bears its mark.
        job: JobId,
        /// What.
        work: Box<Work>,
    },
    /// Stop doing that, and say that it was revoked, unless it has ended.
    StopWork {
        /// The step.
        no: StepNo,
    },
    /// The fleet has met a later epoch than ours: our store is older than the fleet. Raise the epoch above that, treat
    /// it as a restore, and load anew.
    OlderThanFleet {
        /// The epoch that was met.
        met: u32,
    },
}

/// What was decided.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// To be committed, in one transaction, in this order. No object stands twice in it.
    pub changes: Vec<Change>,
    /// To be released after that.
    pub effects: Vec<Effect>,
}

/// What a store knows at a start.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The installation.
    pub installation: InstallationId,
    /// Every live object; of the jobs only the open ones.
    pub objects: Vec<Object>,
    /// Jobs that ended within the life of their keys.
    pub keys: Vec<EndedKey>,
    /// The epoch of this start.
    pub epoch: u32,
    /// The next job's number.
    pub next_job: u64,
    /// Whether this is the first start after a restore.
    pub restored: bool,
}

/// An ended job that is still found by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedKey {
    /// Whose key.
    pub user: Option<UserId>,
    /// The key.
    pub key: String,
    /// The job.
    pub job: JobId,
    /// When it ended.
    pub ended: Timestamp,
}

/// The engine.
#[derive(Clone, Debug)]
pub struct Engine {
    inv: Inventory,
    table: JobTable,
    sessions: Sessions,
    keys: BTreeMap<(Option<UserId>, String), JobId>,
    key_ends: BTreeSet<(Timestamp, (Option<UserId>, String))>,
    epoch: u32,
    next_job: u64,
    next_step: u64,
    next_session: u64,
    restored: bool,
    // Volatile from here on.
    progress: BTreeMap<StepNo, Progress>,
    suspects: BTreeMap<VmId, Suspect>,
    graves: BTreeMap<(AgentId, Uuid), hostler_model::seen::Order>,
    ready: BTreeSet<JobId>,
    // Whether the server is still to be told what it owes itself since another life.
    untold_works: bool,
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub of: u64,
    /// When it last moved.
    pub moved: Timestamp,
}

/// What everything that is not an object and not volatile adds up to: equal in a running engine and in one loaded
/// from the same objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    inventory: Inventory,
    jobs: JobTable,
    keys: BTreeMap<(Option<UserId>, String), JobId>,
}

/// What one decision is made with.
pub(crate) struct Turn<'a> {
    pub now: Timestamp,
    pub ids: &'a mut dyn Ids,
    pub decision: Decision,
}

impl Engine {
    /// The engine of what a store holds.
    pub fn load(loaded: Loaded, now: Timestamp) -> Self {
        let mut engine = Self {
            inv: Inventory::empty(loaded.installation),
            table: JobTable::default(),
            sessions: Sessions::default(),
            keys: BTreeMap::new(),
            key_ends: BTreeSet::new(),
            epoch: loaded.epoch,
            next_job: loaded.next_job.max(1),
            next_step: 1,
            next_session: 1,
            restored: loaded.restored,
            progress: BTreeMap::new(),
            suspects: BTreeMap::new(),
            graves: BTreeMap::new(),
            ready: BTreeSet::new(),
            untold_works: false,
        };
        for ended in loaded.keys {
            if now.since(ended.ended) < KEY_LIFE_MS {
                engine.remember_key((ended.user, ended.key), ended.job, ended.ended);
            }
        }
        let mut open = Vec::new();
        for object in &loaded.objects {
            match object {
                Object::Job(job) => open.push(job.clone()),
                other => engine.inv.put(other),
            }
        }
        for job in open {
            if let Some(key) = &job.key {
                engine.keys.insert((job.actor.user(), key.clone()), job.id);
            }
            // Whatever could have moved on while nobody decided, moves now.
            engine.ready.insert(job.id);
            engine.table.insert(job, &mut engine.inv);
        }
        engine.untold_works = engine.table.owes(Doer::Server);
        engine
    }

    /// Decides on one input. The changes must be committed before the effects leave; if the commit fails the engine
    /// must be dropped and loaded anew, because its memory is ahead of the store.
    pub fn decide(&mut self, now: Timestamp, input: Input, ids: &mut dyn Ids) -> Decision {
        let mut turn = Turn { now, ids, decision: Decision::default() };
        match input {
            Input::Ask(asked) => self.ask(*asked, &mut turn),
            Input::Cancel { ask, job, actor } => self.cancel(ask, job, actor, &mut turn),
            Input::Abandon { ask, job, actor } => self.abandon(ask, job, actor, &mut turn),
            Input::Connected { connection, hello } => self.connected(connection, &hello, &mut turn),
            Input::Lost { agent, session } => self.lost(agent, session),
            Input::Report { agent, report } => self.report(agent, *report, &mut turn),
            Input::Progress { by, no, done, of } => self.progressed(by, no, done, of, now),
            Input::Worked { no, outcome } => self.ended(Doer::Server, no, outcome, &mut turn),
            Input::Time => self.time(&mut turn),
        }
        turn.decision
    }

    /// When [`Input::Time`] should come next, if no other input comes before.
    pub fn next_alarm(&self) -> Option<Timestamp> {
        if !self.ready.is_empty() {
            return Some(Timestamp(i64::MIN));
        }
        let asks = self.suspects.values().filter_map(Suspect::ask_at);
        self.table.next_limit().into_iter().chain(self.sessions.next_resend()).chain(asks).min()
    }

    /// What a request would do, without doing it.
    ///
    /// # Errors
    /// As the request itself would be refused.
    pub fn dry_run(&self, now: Timestamp, request: &Request) -> Result<DryRun, Refusal> {
        self.rehearse(now, request)
    }

    /// What placement must look for, for a creation.
    ///
    /// # Errors
    /// When the template or disk cannot be used.
    pub fn need_of(&self, now: Timestamp, ask: &CreateVm) -> Result<hostler_placement::Need, Refusal> {
        kinds::need_of(ask, self.view(now))
    }

    /// Everything derived, for comparison with a fresh load.
    pub fn derived(&self) -> Derived {
        Derived { inventory: self.inv.clone(), jobs: self.table.clone(), keys: self.keys.clone() }
    }

    /// The inventory.
    pub fn inventory(&self) -> &Inventory {
        &self.inv
    }

    /// The open jobs.
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.table.jobs()
    }

    /// Which agents are connected.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// How far the steps that are out have come.
    pub fn progress(&self) -> &BTreeMap<StepNo, Progress> {
        &self.progress
    }

    /// Whether unfinished jobs of a restored store are still to be ended: the next [`Input::Time`] does.
    pub fn is_restored(&self) -> bool {
        self.restored
    }

    /// How far a step has come.
    pub fn progress_of(&self, no: StepNo) -> Option<Progress> {
        self.progress.get(&no).copied()
    }

    /// The number that the next job gets: to be stored with each commit.
    pub fn next_job(&self) -> u64 {
        self.next_job
    }

    /// Our epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn view(&self, now: Timestamp) -> View<'_> {
        View { inv: &self.inv, sessions: &self.sessions, now }
    }

    /// An ended job is found by its key for a while longer.
    pub(crate) fn remember_key(&mut self, key: (Option<UserId>, String), job: JobId, ended: Timestamp) {
        self.keys.insert(key.clone(), job);
        self.key_ends.insert((ended, key));
    }

    pub(crate) fn draw_step(&mut self) -> StepNo {
        let no = StepNo(in_epoch(self.epoch, self.next_step));
        self.next_step += 1;
        no
    }

    pub(crate) fn draw_session(&mut self) -> SessionId {
        let id = SessionId(in_epoch(self.epoch, self.next_session));
        self.next_session += 1;
        id
    }

    /// The lowest step of an agent that may still be asked about.
    pub(crate) fn floor(&self, agent: AgentId) -> StepNo {
        self.table.first_owed(Doer::Agent(agent)).unwrap_or(StepNo(in_epoch(self.epoch, self.next_step)))
    }

    /// Changes an object of the inventory, under a job.
    pub(crate) fn put(&mut self, object: Object, job: JobId, actor: &Actor, turn: &mut Turn<'_>) {
        self.inv.put(&object);
        turn.change(object.key(), Some(object), Some(job), actor.clone());
    }

    /// Removes an object from the inventory, under a job.
    pub(crate) fn gone(&mut self, key: Key, job: JobId, actor: &Actor, turn: &mut Turn<'_>) {
        self.inv.remove(key);
        turn.change(key, None, Some(job), actor.clone());
    }
}

impl Turn<'_> {
    /// Notes a change; a second one to the same object takes the first one's place.
    pub(crate) fn change(&mut self, key: Key, object: Option<Object>, job: Option<JobId>, actor: Actor) {
        match self.decision.changes.iter_mut().find(|change| change.key == key) {
            Some(change) => *change = Change { key, object, job, actor },
            None => self.decision.changes.push(Change { key, object, job, actor }),
        }
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }
}
