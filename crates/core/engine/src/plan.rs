//! How a plan is written down. A plan is a plain function that declares choices, locks and steps in order, and is
//! asked again whenever its job moves on. It sees the inventory only inside a choice, whose answer is recorded and
//! never made again; it sees what steps brought through [`Planner::answer`].

use std::collections::BTreeMap;
use std::sync::Arc;

use hostler_model::command::{Answer, Command};
use hostler_model::ids::Ids;
use hostler_model::job::{Job, Lock, LockOn, Record, StepIs, Undo};
use hostler_model::push::Work;
use hostler_model::setting::Settings;
use hostler_model::{AgentId, Code, HostId, Key, Kind, Ms, Name, Refusal, Timestamp, VmId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::inventory::Inventory;
use crate::session::Sessions;

/// What a choice sees: the inventory of this moment, and which agents answer.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The inventory.
    pub inv: &'a Inventory,
    /// The agents that answer.
    pub sessions: &'a Sessions,
    /// The time.
    pub now: Timestamp,
}

impl View<'_> {
    /// Whether an agent answers and has shown its machines.
    pub fn answers(&self, agent: AgentId) -> bool {
        self.sessions.answers(agent)
    }
}

/// Why a plan says no more.
#[derive(Debug)]
pub enum Stop {
    /// What follows depends on what a step will bring; the keys are known.
    Later(Vec<String>),
    /// It cannot be done.
    Refusal(Refusal),
    /// It failed past the point of no return, and the steps so far have brought it to an end.
    Undone(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refusal(refusal)
    }
}

/// What a plan function returns.
pub type Planned = Result<(), Stop>;

/// A step as its plan declares it.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    pub(crate) key: String,
    pub(crate) stage: u32,
    pub(crate) act: PlannedAct,
    pub(crate) undo: Undo,
    pub(crate) limit_ms: Ms,
    pub(crate) decides: bool,
}

impl PlannedStep {
    /// What takes the step back: a command to the same agent, bound to this step's mark.
    pub fn undo(&mut self, command: Command) -> &mut Self {
        if let PlannedAct::Agent(agent, _) = &self.act {
            self.undo = Undo::Agent { agent: *agent, command: Box::new(command) };
        }
        self
    }

    /// What the server does to take back what it did itself.
    pub fn undo_work(&mut self, work: Work) -> &mut Self {
        self.undo = Undo::Server { work: Box::new(work) };
        self
    }

    /// What takes a change of the record back.
    pub fn undo_record(&mut self, records: Vec<Record>) -> &mut Self {
        self.undo = Undo::Record { records };
        self
    }

    /// How long an answer may take.
    pub fn limit(&mut self, ms: Ms) -> &mut Self {
        self.limit_ms = ms;
        self
    }
}

/// What a declared step does.
#[derive(Clone, Debug)]
pub enum PlannedAct {
    /// Changes the record at once.
    Record(Vec<Record>),
    /// Sends a command.
    Agent(AgentId, Box<Command>),
    /// Has the server itself do something.
    Server(Box<Work>),
}

/// Where a plan is written down.
pub struct Planner<'a> {
    job: Option<&'a Job>,
    view: View<'a>,
    ids: &'a mut dyn Ids,
    pub(crate) settings: Settings,
    pub(crate) choices: Arc<BTreeMap<String, Value>>,
    pub(crate) locks: Vec<Lock>,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) about: Vec<Key>,
    pub(crate) title: String,
    pub(crate) warnings: Vec<Refusal>,
    stage: u32,
}

impl<'a> Planner<'a> {
    /// A planner of a job, that has made these choices so far.
    pub(crate) fn new(
        job: Option<&'a Job>,
        choices: Arc<BTreeMap<String, Value>>,
        view: View<'a>,
        ids: &'a mut dyn Ids,
    ) -> Self {
        Self {
            job,
            view,
            ids,
            settings: view.inv.settings(),
            choices,
            locks: Vec::new(),
            steps: Vec::new(),
            about: Vec::new(),
            title: String::new(),
            warnings: Vec::new(),
            stage: 0,
        }
    }

    /// When the job was asked; now for one that was not.
    pub fn asked(&self) -> Timestamp {
        self.job.map_or(self.view.now, |job| job.created)
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.view.now
    }

    /// Makes a choice once; from then on its recorded answer is all there is.
    pub fn choose<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &str,
        make: impl FnOnce(View<'_>, &mut dyn Ids) -> Result<T, Refusal>,
    ) -> Result<T, Stop> {
        let defect = |error: serde_json::Error| {
            Stop::Refusal(Refusal::new(Code::Internal, format!("choice {key}"), error.to_string()))
        };
        if let Some(recorded) = self.choices.get(key) {
            return T::deserialize(recorded).map_err(defect);
        }
        let chosen = make(self.view, self.ids)?;
        let recorded = serde_json::to_value(&chosen).map_err(defect)?;
        Arc::make_mut(&mut self.choices).insert(key.to_owned(), recorded);
        Ok(chosen)
    }

    /// What the job is about, and how people call that.
    pub fn about(&mut self, key: Key, title: impl Into<String>) {
        self.about.push(key);
        if self.title.is_empty() {
            self.title = title.into();
        }
    }

    /// Says what whoever asks should know, and what is no ground for a refusal.
    pub fn warn(&mut self, warning: Refusal) {
        self.warnings.push(warning);
    }

    /// Holds something while the job is at work.
    pub fn lock(&mut self, lock: Lock) {
        self.locks.push(lock);
    }

    /// Holds a name, so that no other job takes it meanwhile.
    pub fn lock_name(&mut self, kind: Kind, name: &Name) {
        self.locks.push(Lock { on: LockOn::Name { kind, skeleton: name.skeleton() }, shared: false });
    }

    /// Holds a machine.
    pub fn lock_vm(&mut self, vm: VmId) {
        self.lock(Lock::exclusive(Key::Vm(vm)));
    }

    /// Uses a host, which others may use too.
    pub fn share_host(&mut self, host: HostId) {
        self.lock(Lock::shared(Key::Host(host)));
    }

    /// A step that follows all before it.
    pub fn step(&mut self, key: impl Into<String>, agent: AgentId, command: Command) -> &mut PlannedStep {
        self.stage += 1;
        self.push(key.into(), PlannedAct::Agent(agent, Box::new(command)))
    }

    /// A step that runs together with the one before it.
    pub fn together(&mut self, key: impl Into<String>, agent: AgentId, command: Command) -> &mut PlannedStep {
        self.push(key.into(), PlannedAct::Agent(agent, Box::new(command)))
    }

    /// What the server does itself, after all before it.
    pub fn work(&mut self, key: impl Into<String>, work: Work) -> &mut PlannedStep {
        self.stage += 1;
        self.push(key.into(), PlannedAct::Server(Box::new(work)))
    }

    /// A change of the record. It rides along with what is committed anyway.
    pub fn record(&mut self, key: impl Into<String>, records: Vec<Record>) -> &mut PlannedStep {
        self.stage += 1;
        self.push(key.into(), PlannedAct::Record(records))
    }

    /// The step just declared decides: once it is done there is only forward.
    pub fn point_of_no_return(&mut self) {
        if let Some(last) = self.steps.last_mut() {
            last.decides = true;
        }
        self.stage += 1;
    }

    /// What a step brought, once it is done.
    pub fn answer(&self, key: &str) -> Option<&Answer> {
        self.job.and_then(|job| job.step(key)).and_then(|step| match &step.is {
            StepIs::Done { answer } => Some(answer),
            _ => None,
        })
    }

    /// How a step ended: with what it brought, or not done. None while it has not.
    pub fn ended(&self, key: &str) -> Option<Result<&Answer, ()>> {
        match &self.job.and_then(|job| job.step(key))?.is {
            StepIs::Done { answer } => Some(Ok(answer)),
            StepIs::Failed { .. } | StepIs::Revoked | StepIs::InDoubt { .. } => Some(Err(())),
            _ => None,
        }
    }

    /// Stops here until the steps so far are done; these keys follow.
    pub fn later<T>(&self, keys: &[impl ToString]) -> Result<T, Stop> {
        Err(Stop::Later(keys.iter().map(ToString::to_string).collect()))
    }

    fn push(&mut self, key: String, act: PlannedAct) -> &mut PlannedStep {
        let limit_ms = Settings::ms(self.settings.step_limit_s);
        let step = PlannedStep { key, stage: self.stage, act, undo: Undo::None, limit_ms, decides: false };
        self.steps.push(step);
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }
}
