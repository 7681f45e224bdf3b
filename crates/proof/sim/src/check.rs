//! The invariants. What happened is counted at the simulated hypervisors, not where somebody only says so.

use std::collections::{BTreeMap, BTreeSet};

use hostler_agent_core::Task;
use hostler_model::channel::{FromAgent, ReportBody, ToAgent};
use hostler_model::command::{Class, Command, Outcome};
use hostler_model::job::{Act, Job, JobKind, JobState, StepIs};
use hostler_model::object::Installation;
use hostler_model::request::Request;
use hostler_model::seen::Power;
use hostler_model::setting::Settings;
use hostler_model::vm::Vm;
use hostler_model::{Change, Code, Key, Object, VmId};
use hostler_store::{JobFilter, Revision, Store};
use uuid::Uuid;

use crate::mutant::Mutant;
use crate::world::World;

impl World {
    /// Power of every machine on a host.
    pub fn on_states(&self, at: usize) -> BTreeMap<Uuid, Power> {
        self.agents[at].host.powers()
    }

    /// What a command did to machines must be what its kind is for: no machine that is on is stopped, paused or
    /// removed by anything else.
    pub fn check_no_harm(&mut self, at: usize, task: &Task, before: &BTreeMap<Uuid, Power>) {
        let after = self.on_states(at);
        if *before == after {
            return;
        }
        for (domain, power) in before.iter().filter(|(_, power)| power.is_on()) {
            let now = after.get(domain).copied();
            let stopped = now.is_none_or(|now| !now.is_on());
            let paused = *power == Power::Running && now.is_some_and(|now| now == Power::Paused);
            // A copy whose processors never ran here, or run elsewhere by now.
            let stopped_copy = *power == Power::PausedBusy
                && task.command.domain() == Some(*domain)
                && matches!(&*task.command, Command::NotReceived { .. } | Command::ForgetMoved { .. });
            if stopped_copy {
                continue;
            }
            let aims = task.command.domain() == Some(*domain) && !task.undo;
            let may = aims
                && match &*task.command {
                    Command::TurnOff { .. } | Command::ShutDown { .. } | Command::Save { .. } => stopped,
                    Command::Pause { .. } => paused,
                    Command::Migrate { .. } => stopped,
                    _ => false,
                };
            if (stopped || paused) && !may {
                self.fail(format!(
                    "{} of {} harmed machine {domain}: {power:?} to {now:?}",
                    task.command.word(),
                    task.mark
                ));
            }
            if now.is_none() && !matches!(&*task.command, Command::Migrate { .. } if aims) {
                self.fail(format!(
                    "{} of {} removed machine {domain}, which was on",
                    task.command.word(),
                    task.mark
                ));
            }
        }
        let twice = self.agents.iter().enumerate().find_map(|(other, agent)| {
            if other == at {
                return None;
            }
            let theirs = agent.host.powers();
            let on = |domain: &Uuid| after.get(domain).is_some_and(runs);
            theirs.into_iter().find(|(domain, power)| runs(power) && on(domain)).map(|(domain, _)| domain)
        });
        if let Some(domain) = twice {
            self.fail(format!("machine {domain} runs twice"));
        }
    }

    /// What an agent said of a step it says for ever, whatever crashes: the manager may have acted on it.
    pub fn check_answers_once(&mut self, at: usize, message: &FromAgent) {
        let FromAgent::Report(report) = message else { return };
        let ReportBody::Ended { no, outcome } = &report.body else { return };
        // What the server has declared over the agent need not remember, and it says just that.
        if matches!(outcome, Outcome::Refused { refusal } if refusal.code == Code::AgentInterrupted) {
            return;
        }
        let before = self.agents[at].answered.entry(*no).or_insert_with(|| outcome.clone());
        if before != outcome {
            let told = format!("agent {at} said of step {no} {before:?}, and then {outcome:?}");
            self.fail(told);
        }
    }

    /// Nothing begins that is not in the durable record.
    pub fn check_is_recorded(&mut self, task: &Task) {
        if self.restored {
            return;
        }
        let job = self.store.reader().ok().and_then(|mut reader| reader.job(task.mark.job).ok().flatten());
        let recorded = job.is_some_and(|job| job.object.steps.iter().any(|step| step.key == task.mark.step));
        // The store's own view holds what is committed and not synced, too: a crash shows the difference below.
        if !recorded {
            self.fail(format!("step {} begins and is not recorded", task.mark));
        }
    }

    /// No host is given more of one class at the same time than the settings of the story ever allowed.
    pub fn check_class_limit(&mut self, at: usize, task: &Task) {
        let class = task.command.class();
        let (starts, copies, moves) = self.allowed;
        let most = match class {
            Class::Start => starts,
            Class::DiskCopy => copies,
            Class::Move => moves,
            Class::Other => return,
        };
        // A restored store has forgotten what is still at work.
        let others = self.agents[at].tasks.values().filter(|w| w.task().command.class() == class).count();
        if others as u32 >= most && !self.restored {
            self.fail(format!("host {at} has {} commands of class {class:?} at once", others + 1));
        }
    }

    /// A reader looks at the picture of this moment.
    pub fn readers_look(&mut self) {
        let Some(drive) = &self.drive else { return };
        self.read_head = self.read_head.max(drive.picture().load().head.revision.0);
    }

    /// What a reader has seen is never taken back.
    pub fn check_readers(&mut self) {
        let head = self.store.reader().and_then(|mut reader| reader.head());
        match head {
            Ok(head) if head.revision.0 < self.read_head && !self.restored => {
                let (read, kept) = (self.read_head, head.revision);
                self.fail(format!("a reader saw revision {read}, and {kept} is the newest there is"));
            }
            _ => {}
        }
    }

    /// A revocation is asked of the agent: noted, so that it can be told from a conclusion.
    pub fn check_limit_is_asked(&mut self, message: &ToAgent) {
        if let ToAgent::Revoke { no, .. } = message {
            self.revoked.insert(*no);
            self.count("revocation asked");
        }
    }

    /// What a commit says must not go back in any host's own history.
    pub fn follow(&mut self, _revision: Revision, changes: &[Change]) {
        for change in changes {
            match &change.object {
                Some(Object::Vm(vm)) => self.follow_vm(vm),
                Some(Object::Job(job)) => {
                    self.tell(|_| {
                        let steps: Vec<String> = job
                            .steps
                            .iter()
                            .map(|s| format!("{} {}{}", s.key, is_word(&s.is), why(&s.is)))
                            .collect();
                        format!(
                            "job {} ({}) is {}: {}",
                            job.id,
                            job.kind.word(),
                            job.state.word(),
                            steps.join(", ")
                        )
                    });
                    let undone = job.steps.iter().find(|step| !matches!(step.is, StepIs::Done { .. }));
                    if let (JobState::Completed, Some(step)) = (job.state, undone) {
                        let is = is_word(&step.is);
                        let words = format!("{} completed although {} is {is}", job.label(), step.key);
                        self.fail(words);
                    }
                    if let (JobState::Completed, Request::UpgradeAgent { agent, version, .. }) =
                        (job.state, &job.request)
                    {
                        self.check_upgraded(*agent, version);
                    }
                    if job.state.is_ended() && !job.is_open() {
                        self.check_stayed(job);
                        self.count(ended_word(job.state));
                    }
                }
                Some(Object::Host(host)) if host.dead_since.is_some() => self.host_given_up(host.id),
                Some(Object::Settings(now)) => self.allow(&now.settings),
                _ => {}
            }
        }
    }

    /// A migration that says it was taken back left its machine where it was: it does not run where it was to go.
    fn check_stayed(&mut self, job: &Job) {
        let taken_back = matches!(job.state, JobState::FailedUndone | JobState::Cancelled);
        // A restored store ends what had long been done when it was lost.
        if job.kind != JobKind::MigrateVm || !taken_back || self.restored {
            return;
        }
        // What nobody could decide is settled by people, and what people have given up they were right to.
        let undecided = job.error.as_ref().is_some_and(|error| error.code == Code::MigrationUndecided);
        if undecided || job.step("look").is_some_and(|step| matches!(step.is, StepIs::Failed { .. })) {
            return;
        }
        let to = job.choices.get("to").and_then(|to| to["agent"].as_str());
        let Some(at) = self.agents.iter().position(|agent| Some(agent.id.to_string().as_str()) == to) else {
            return;
        };
        let leave = job.step("leave").and_then(|step| match &step.act {
            Act::Agent { command, .. } => command.domain(),
            _ => None,
        });
        if let Some(domain) = leave.filter(|domain| self.on_states(at).get(domain).is_some_and(runs)) {
            self.fail(format!("{} was taken back, and machine {domain} runs on host {at}", job.label()));
        }
    }

    /// From now on this many commands of a class may be at work on a host.
    pub fn allow(&mut self, settings: &Settings) {
        self.allowed.0 = self.allowed.0.max(settings.starts_per_host);
        self.allowed.1 = self.allowed.1.max(settings.disk_copies_per_host);
        self.allowed.2 = self.allowed.2.max(settings.migrations_per_host);
    }

    /// As the durable settings say: the commits before a crash are seen by nobody else.
    pub fn allow_as_stored(&mut self) {
        let key = Object::from(Installation { id: self.installation, settings: Settings::default() }).key();
        let stored = self.store.reader().and_then(|mut reader| reader.object(key)).ok().flatten();
        if let Some(Object::Settings(stored)) = stored.map(|stored| stored.object) {
            self.allow(&stored.settings);
        }
    }

    /// The machines whose disks may lie about, because somebody chose to keep them: as the durable jobs say, for the
    /// commits before a crash are seen by nobody else.
    pub(crate) fn let_go(&self) -> BTreeSet<VmId> {
        let mut let_go = self.let_go.clone();
        let jobs = self.store.reader().and_then(|mut reader| reader.jobs(&JobFilter::default(), usize::MAX));
        for job in jobs.unwrap_or_default().into_iter().map(|stored| stored.object) {
            if let Request::DeleteVm { vm, disks: false } = &job.request {
                let_go.insert(*vm);
            }
            if job.state == JobState::FailedKept || !job.warnings.is_empty() {
                // What was kept is named there: it is no orphan.
                let_go.extend(job.about.iter().filter_map(|key| match key {
                    Key::Vm(vm) => Some(*vm),
                    _ => None,
                }));
            }
        }
        let_go
    }

    fn follow_vm(&mut self, vm: &Vm) {
        let (Some(host), Some(observed)) = (vm.host, &vm.observed) else { return };
        let order = self.true_orders.get(&observed.order.seq).copied().unwrap_or(observed.order);
        if let Some(known) = self.orders.get(&(vm.id, host))
            && order.is_before(*known)
        {
            let words = format!(
                "{}: run {} place {} after run {} place {}",
                vm.spec.name, order.run, order.seq, known.run, known.seq
            );
            self.fail(format!("the record goes back in a host's own history: {words}"));
        }
        self.orders.insert((vm.id, host), order);
        self.count("fact recorded");
    }

    /// What is derived equals what a fresh load derives.
    pub fn check_derived(&mut self) {
        let Some(drive) = &self.drive else { return };
        if self.mutant == Some(Mutant::LimitsIgnored) {
            // Planted where objects are loaded, it would be found here and never by what it does.
            return;
        }
        let running = drive.engine().derived();
        match self.fresh_engine() {
            Ok(fresh) => {
                let fresh = fresh.derived();
                self.count("derived state compared");
                if running != fresh {
                    self.fail(format!(
                        "what is derived differs from a fresh load: {}",
                        difference(&running, &fresh)
                    ));
                }
            }
            Err(error) => self.fail(format!("the store cannot be loaded: {error}")),
        }
        self.check_groups();
    }
}

/// Whether its processors run. What stands still at the hand-over of a migration does not.
fn runs(power: &Power) -> bool {
    power.is_on() && *power != Power::PausedBusy
}

fn ended_word(state: JobState) -> &'static str {
    match state {
        JobState::Completed => "job completed",
        JobState::CompletedWithWarnings => "job completed with warnings",
        JobState::FailedUndone => "job failed, undone",
        JobState::FailedKept => "job failed, kept",
        JobState::FailedCleanupOwed => "job failed, clean-up owed",
        JobState::Cancelled => "job cancelled",
        JobState::Queued | JobState::Running | JobState::Undoing => "job open",
    }
}

pub(crate) fn is_word(is: &StepIs) -> &'static str {
    match is {
        StepIs::Held => "held",
        StepIs::Waits { .. } => "waits",
        StepIs::Out => "out",
        StepIs::Revoking => "revoking",
        StepIs::Done { .. } => "done",
        StepIs::Failed { .. } => "failed",
        StepIs::Revoked => "revoked",
        StepIs::InDoubt { .. } => "in doubt",
        StepIs::Undoing => "undoing",
        StepIs::UndoWaits { .. } => "undo waits",
        StepIs::Undone => "undone",
        StepIs::Kept { .. } => "kept",
    }
}

fn why(is: &StepIs) -> String {
    match is {
        StepIs::Failed { error } | StepIs::InDoubt { error } | StepIs::Kept { error } => {
            format!(" ({}: {})", error.code, error.cause)
        }
        _ => String::new(),
    }
}

/// Where two derived states part, in few words.
fn difference(one: &hostler_engine::Derived, other: &hostler_engine::Derived) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let parts = one.lines().zip(other.lines()).enumerate().find(|(_, (a, b))| a != b);
    match parts {
        Some((line, (a, b))) => {
            let before: Vec<&str> = one.lines().skip(line.saturating_sub(4)).take(4).map(str::trim).collect();
            format!("line {line}, after {}: running {:?}, loaded {:?}", before.join(" "), a.trim(), b.trim())
        }
        None => "one is longer".to_owned(),
    }
}
