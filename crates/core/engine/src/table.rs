//! The open jobs, and what is derived from them: who holds which lock, which steps are owed by whom, how many commands
//! of a class are out on a host, what waits for what, and when each answer is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hostler_model::command::{Class, Command};
use hostler_model::job::{Act, Doer, Job, JobKind, Lock, LockOn, Phase, Step, StepIs};
use hostler_model::request::Request;
use hostler_model::{AgentId, JobId, Key, StepNo, Timestamp, VmId};

use serde::Deserialize;

use crate::inventory::Inventory;
use crate::kinds::vm_migrate::To;

/// Who holds something.
#[derive(Clone, Debug, Default, PartialEq)]
struct Held {
    exclusive: Option<JobId>,
    shared: BTreeSet<JobId>,
}

/// The open jobs and what is derived from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct JobTable {
    jobs: BTreeMap<JobId, Arc<Job>>,
    locks: BTreeMap<LockOn, Held>,
    waiting: BTreeMap<LockOn, BTreeSet<JobId>>,
    owed: BTreeMap<Doer, BTreeMap<StepNo, JobId>>,
    out: BTreeMap<(AgentId, Class), u32>,
    held: BTreeMap<(AgentId, Class), BTreeSet<JobId>>,
    limits: BTreeSet<(Timestamp, StepNo, JobId)>,
}

/// What a change of the table set free.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    /// Jobs that may be able to go on.
    pub ready: BTreeSet<JobId>,
}

impl JobTable {
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.values()
    }

    pub fn get(&self, id: JobId) -> Option<&Arc<Job>> {
        self.jobs.get(&id)
    }

    /// Takes a job in, in place of what it was; one that has ended is dropped.
    pub fn insert(&mut self, job: Arc<Job>, inv: &mut Inventory) -> Freed {
        let mut freed = Freed::default();
        if let Some(old) = self.jobs.remove(&job.id) {
            self.unindex(&old, inv, &mut freed);
        }
        if job.is_open() {
            self.index(&job, inv);
            freed.ready.remove(&job.id);
            self.jobs.insert(job.id, job);
        }
        freed.ready.retain(|id| self.jobs.contains_key(id));
        freed
    }

    fn index(&mut self, job: &Job, inv: &mut Inventory) {
        for lock in &job.locks {
            let held = self.locks.entry(lock.on.clone()).or_default();
            if lock.shared {
                held.shared.insert(job.id);
            } else {
                held.exclusive = Some(job.id);
            }
        }
        if let (Phase::Queued, Some(on)) = (job.phase, &job.waits_for) {
            self.waiting.entry(on.clone()).or_default().insert(job.id);
        }
        for step in &job.steps {
            if let Some(doer) = step.owed_by() {
                self.owed.entry(doer).or_default().insert(step.no, job.id);
            }
            if let Act::Agent { agent, command } = &step.act {
                for room in rooms(*agent, command) {
                    if step.class_out().is_some() {
                        *self.out.entry(room).or_default() += 1;
                    }
                    if step.is == StepIs::Held {
                        self.held.entry(room).or_default().insert(job.id);
                    }
                }
            }
            if let Some(at) = due(step) {
                self.limits.insert((at, step.no, job.id));
            }
        }
        if let Some(vm) = starts(job) {
            inv.set_starting(vm, true);
        }
        if let Some(to) = arrives(job) {
            inv.expect(to.agent.into(), to.memory_mib, to.cpus, true);
        }
    }

    fn unindex(&mut self, job: &Job, inv: &mut Inventory, freed: &mut Freed) {
        for lock in &job.locks {
            if let Some(held) = self.locks.get_mut(&lock.on) {
                held.shared.remove(&job.id);
                if held.exclusive == Some(job.id) {
                    held.exclusive = None;
                }
                if *held == Held::default() {
                    self.locks.remove(&lock.on);
                }
            }
            if let Some(waiting) = self.waiting.get(&lock.on) {
                freed.ready.extend(waiting);
            }
        }
        if let Some(on) = &job.waits_for
            && let Some(waiting) = self.waiting.get_mut(on)
        {
            waiting.remove(&job.id);
            if waiting.is_empty() {
                self.waiting.remove(on);
            }
        }
        for step in &job.steps {
            if let Some(doer) = step.owed_by()
                && let Some(owed) = self.owed.get_mut(&doer)
            {
                owed.remove(&step.no);
                if owed.is_empty() {
                    self.owed.remove(&doer);
                }
            }
            if let Act::Agent { agent, command } = &step.act {
                for room in rooms(*agent, command) {
                    if step.class_out().is_some()
                        && let Some(out) = self.out.get_mut(&room)
                    {
                        *out -= 1;
                        if *out == 0 {
                            self.out.remove(&room);
                        }
                        if let Some(held) = self.held.get(&room) {
                            // Of those that want room on two hosts, the first may lack the other one still.
                            match room.1 {
                                Class::Move => freed.ready.extend(held),
                                _ => freed.ready.extend(held.first()),
                            }
                        }
                    }
                    if step.is == StepIs::Held
                        && let Some(held) = self.held.get_mut(&room)
                    {
                        held.remove(&job.id);
                        if held.is_empty() {
                            self.held.remove(&room);
                        }
                    }
                }
            }
            if let Some(at) = due(step) {
                self.limits.remove(&(at, step.no, job.id));
            }
        }
        if let Some(vm) = starts(job) {
            inv.set_starting(vm, false);
        }
        if let Some(to) = arrives(job) {
            inv.expect(to.agent.into(), to.memory_mib, to.cpus, false);
        }
    }

    /// The first lock that another job holds against this one, and that job.
    pub fn conflict(&self, id: JobId, locks: &[Lock]) -> Option<(LockOn, JobId)> {
        locks.iter().find_map(|lock| {
            let held = self.locks.get(&lock.on)?;
            let other = held.exclusive.filter(|holder| *holder != id).or_else(|| {
                if lock.shared { None } else { held.shared.iter().copied().find(|holder| *holder != id) }
            })?;
            Some((lock.on.clone(), other))
        })
    }

    /// The job that is at work on a machine.
    pub fn holder_of(&self, vm: VmId) -> Option<JobId> {
        self.locks.get(&LockOn::Object { key: Key::Vm(vm) }).and_then(|held| held.exclusive)
    }

    /// Whether somebody owes an answer.
    pub fn owes(&self, doer: Doer) -> bool {
        self.owed.contains_key(&doer)
    }

    /// The first step that somebody owes an answer to.
    pub fn first_owed(&self, doer: Doer) -> Option<StepNo> {
        self.owed.get(&doer).and_then(|owed| owed.keys().next()).copied()
    }

    /// Every step that somebody owes an answer to, with its job.
    pub fn owed_by(&self, doer: Doer) -> Vec<(StepNo, JobId)> {
        self.owed.get(&doer).into_iter().flatten().map(|(no, job)| (*no, *job)).collect()
    }

    /// The job of a step that somebody owes an answer to.
    pub fn job_of(&self, doer: Doer, no: StepNo) -> Option<JobId> {
        self.owed.get(&doer).and_then(|owed| owed.get(&no)).copied()
    }

    /// How many commands of a class are out on a host.
    pub fn out(&self, agent: AgentId, class: Class) -> u32 {
        self.out.get(&(agent, class)).copied().unwrap_or(0)
    }

    /// When the next answer is due.
    pub fn next_limit(&self) -> Option<Timestamp> {
        self.limits.first().map(|(at, ..)| *at)
    }

    /// The steps whose answers are overdue.
    pub fn overdue(&self, now: Timestamp) -> Vec<(StepNo, JobId)> {
        self.limits.iter().take_while(|(at, ..)| *at <= now).map(|(_, no, job)| (*no, *job)).collect()
    }

    /// The jobs that use a host.
    pub fn on_agent(&self, agent: AgentId) -> Vec<JobId> {
        let owing = self.owed.get(&Doer::Agent(agent)).into_iter().flatten().map(|(_, job)| *job);
        let holding = self
            .held
            .range((agent, Class::Start)..=(agent, Class::Other))
            .flat_map(|(_, jobs)| jobs.iter().copied());
        owing.chain(holding).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// When something must be done about a step: its answer is overdue, or its undo is to be tried again.
fn due(step: &Step) -> Option<Timestamp> {
    match step.is {
        StepIs::Out => Some(step.sent.plus(step.limit_ms)),
        StepIs::UndoWaits { until } | StepIs::Waits { until } => Some(until),
        _ => None,
    }
}

/// Where a command takes up room, and of which class: on its host, and a machine that moves on its new host as well.
pub(crate) fn rooms(agent: AgentId, command: &Command) -> impl Iterator<Item = (AgentId, Class)> + use<> {
    let class = command.class();
    let other = match command {
        Command::Migrate { way, .. } => Some(way.to.agent),
        _ => None,
    };
    [Some(agent), other].into_iter().flatten().map(move |agent| (agent, class))
}

/// Where a machine is expected that is being moved, and what is kept for it there until the job has ended.
fn arrives(job: &Job) -> Option<To> {
    if job.kind != JobKind::MigrateVm || job.phase == Phase::Queued {
        return None;
    }
    To::deserialize(job.choices.get("to")?).ok()
}

/// The machine that a job is about to turn on.
fn starts(job: &Job) -> Option<VmId> {
    let queued = job.phase == Phase::Queued;
    match (&job.request, job.kind) {
        (Request::StartVm { vm }, JobKind::StartVm) if !queued => Some(*vm),
        (Request::CreateVm(ask), JobKind::CreateVm) if ask.start => {
            job.steps.iter().find_map(|step| match (&step.act, &step.is) {
                (Act::Agent { command, .. }, StepIs::Held | StepIs::Out | StepIs::Revoking) => {
                    match &**command {
                        Command::Start { domain } => Some(VmId(*domain)),
                        _ => None,
                    }
                }
                _ => None,
            })
        }
        _ => None,
    }
}
