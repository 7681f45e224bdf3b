//! Moves a job along its plan: forward stage by stage; back, in `undo`; with what it does to the record, in `records`. The
//! one hard function is [`Engine::advance`]; it goes on until the job waits for somebody or has ended, and puts the job
//! back.

use std::sync::Arc;

use hostler_model::channel::ToAgent;
use hostler_model::command::{Answer, Class, Command, Mark, Outcome};
use hostler_model::job::{Act, Doer, Job, Phase, Step, StepIs, Undo};
use hostler_model::{AgentId, Code, JobId, Key, Ms, Object, Refusal, StepNo, Timestamp};

use crate::asks::Hindrance;
use crate::plan::{PlannedAct, PlannedStep, Planner, Stop};
use crate::stages::{UNKNOWN_ANSWER, asked_there, cancelled, next_stage, note_failures, revoked};
use crate::table::rooms;
use crate::{Effect, Engine, RESEND_MS, Turn, kinds};

/// How often a step is sent again by itself when its agent was interrupted before it took effect. More would hide a
/// host that keeps dying under the step; fewer would fail jobs for one restart of libvirtd.
const TRIES: u8 = 3;
/// The same past the point of no return, where what is not done remains: with the waits between them some five minutes,
/// in which a libvirtd that died has long been started again.
const TRIES_PAST_POINT: u8 = 14;
/// How long after an interruption a step is sent again; doubled each time, up to half a minute.
const AGAIN_MS: Ms = 1_000;
const AGAIN_LONGEST_MS: Ms = 30_000;

impl Engine {
    /// Moves a job as far as it goes, and records it.
    pub(crate) fn advance(&mut self, mut job: Job, turn: &mut Turn<'_>) {
        loop {
            let moved = match job.phase {
                Phase::Queued => self.dequeue(&mut job, turn),
                Phase::Forward => self.forward(&mut job, turn),
                Phase::Undoing => self.back(&mut job, turn),
                Phase::Ended => false,
            };
            if !moved {
                break;
            }
        }
        job.settle();
        self.keep(job, turn);
    }

    /// Puts a job back and notes the change.
    fn keep(&mut self, job: Job, turn: &mut Turn<'_>) {
        let id = job.id;
        if !job.is_open()
            && let Some(key) = &job.key
        {
            self.remember_key((job.actor.user(), key.clone()), id, turn.now);
        }
        if !job.is_open() {
            self.ready.remove(&id);
        }
        if self.table.get(id).is_some_and(|before| **before == job) {
            return;
        }
        let actor = job.actor.clone();
        let job = Arc::new(job);
        turn.change(Key::Job(id), Some(Object::Job(job.clone())), Some(id), actor);
        let freed = self.table.insert(job, &mut self.inv);
        self.ready.extend(freed.ready);
    }

    /// Tries to begin a queued job.
    fn dequeue(&mut self, job: &mut Job, turn: &mut Turn<'_>) -> bool {
        if let Some(by) = job.cancelled_by.clone() {
            job.error = Some(cancelled(&by.words()));
            end(job, turn.now);
            return true;
        }
        match self.begin(job, turn) {
            Ok(()) => true,
            Err(Hindrance::Busy { on, .. }) => {
                job.waits_for = Some(on);
                false
            }
            Err(Hindrance::Refused(refusal)) => {
                job.waits_for = None;
                job.error = Some(refusal);
                end(job, turn.now);
                true
            }
        }
    }

    fn forward(&mut self, job: &mut Job, turn: &mut Turn<'_>) -> bool {
        if job.steps.iter().any(|step| step.decides && matches!(step.is, StepIs::Done { .. })) {
            job.past_point = true;
        }
        let trouble = job.steps.iter().find_map(|step| match &step.is {
            StepIs::Failed { error } | StepIs::InDoubt { error } => Some(error.clone()),
            StepIs::Revoked => Some(revoked(job, step)),
            _ => None,
        });
        let stopping = !job.past_point && (trouble.is_some() || job.cancelled_by.is_some());
        if stopping && self.revoke_open(job, turn) {
            // What was held and is revoked now is trouble in its turn.
            return true;
        }
        if self.release_held(job, turn) || job.steps.iter().any(|step| step.owed_by().is_some()) {
            return false;
        }
        if !job.past_point
            && let Some(error) = trouble
        {
            job.error = Some(error);
            job.phase = Phase::Undoing;
            return true;
        }
        if job.past_point {
            note_failures(job);
        }
        let (planned, stop) = self.replan(job, turn);
        let mut next = next_stage(job, &planned);
        if let Some(by) = job.cancelled_by.clone()
            && !job.past_point
            && !(next.is_empty() && stop.is_none() && !job.steps.is_empty())
        {
            job.error = Some(cancelled(&by.words()));
            job.phase = Phase::Undoing;
            return true;
        }
        while !next.is_empty() {
            // What nothing can follow is never taken back.
            let last = stop.is_none()
                && next.iter().all(|step| planned.last().is_some_and(|l| l.stage == step.stage));
            let at_once = next.iter().all(|step| matches!(step.act, PlannedAct::Record(_)));
            for step in next {
                self.issue(job, step, last, turn);
            }
            // A change of the record brings nothing that a plan could wait for: this one still holds.
            if !at_once || stop.is_some() {
                return true;
            }
            next = next_stage(job, &planned);
        }
        match stop {
            Some(Stop::Refusal(refusal)) if !job.past_point => {
                job.error = Some(refusal);
                job.phase = Phase::Undoing;
            }
            Some(Stop::Undone(refusal)) => {
                job.error = Some(refusal);
                self.conclude(job, turn);
                end(job, turn.now);
            }
            Some(Stop::Refusal(refusal)) => {
                job.warnings.push(refusal);
                self.conclude(job, turn);
                end(job, turn.now);
            }
            Some(Stop::Later(_)) | None => {
                self.conclude(job, turn);
                end(job, turn.now);
            }
        }
        true
    }

    /// Asks the plan again.
    fn replan(&mut self, job: &mut Job, turn: &mut Turn<'_>) -> (Vec<PlannedStep>, Option<Stop>) {
        let view = crate::plan::View { inv: &self.inv, sessions: &self.sessions, now: turn.now };
        let mut planner = Planner::new(Some(job), job.choices.clone(), view, turn.ids);
        let stop = kinds::plan(&job.request, &mut planner).err();
        let (choices, steps, warnings) = (planner.choices, planner.steps, planner.warnings);
        job.choices = choices;
        for warning in warnings {
            if !job.warnings.contains(&warning) {
                job.warnings.push(warning);
            }
        }
        (steps, stop)
    }

    /// Lets a step leave: a change of the record happens at once, a command is sent when its host has room for it.
    fn issue(&mut self, job: &mut Job, planned: PlannedStep, last: bool, turn: &mut Turn<'_>) {
        let (act, is, undo) = match planned.act {
            PlannedAct::Record(records) => {
                let done = StepIs::Done { answer: Answer::Nothing };
                let undo = match planned.undo {
                    Undo::None if !job.past_point && !last => self.inverse(&records),
                    other => other,
                };
                self.apply(job, &records, turn);
                (Act::Record, done, undo)
            }
            PlannedAct::Agent(agent, command) => (Act::Agent { agent, command }, StepIs::Held, planned.undo),
            PlannedAct::Server(work) => (Act::Server { work }, StepIs::Held, planned.undo),
        };
        job.steps.push(Step {
            key: planned.key,
            stage: planned.stage,
            act,
            undo,
            is,
            decides: planned.decides,
            no: StepNo(0),
            tries: 0,
            limit_ms: planned.limit_ms,
            sent: turn.now,
            answered: None,
        });
        if planned.decides && matches!(job.steps.last().map(|s| &s.is), Some(StepIs::Done { .. })) {
            job.past_point = true;
        }
    }

    /// Sends what is held and has room. True while something still waits for room.
    fn release_held(&mut self, job: &mut Job, turn: &mut Turn<'_>) -> bool {
        let mut waiting = false;
        for at in 0..job.steps.len() {
            match job.steps[at].is {
                StepIs::Held => {}
                // Its time has come; should its host have no room, it waits for that and for no hour.
                StepIs::Waits { until } if until <= turn.now => job.steps[at].is = StepIs::Held,
                StepIs::Waits { .. } => {
                    waiting = true;
                    continue;
                }
                _ => continue,
            }
            if let Act::Agent { agent, command } = &job.steps[at].act {
                let (agent, mut rooms) = (*agent, rooms(*agent, command));
                if let Some(error) = self.never(agent) {
                    job.steps[at].is = StepIs::Failed { error };
                    job.steps[at].answered = Some(turn.now);
                    waiting = true;
                    self.ready.insert(job.id);
                    continue;
                }
                if rooms.any(|(on, class)| self.out_with(job, on, class) >= self.room(class)) {
                    waiting = true;
                    continue;
                }
            }
            let no = self.draw_step();
            let step = &mut job.steps[at];
            step.no = no;
            step.tries += 1;
            step.sent = turn.now;
            step.is = StepIs::Out;
            self.send(job, at, turn);
        }
        waiting
    }

    /// How many commands of a class are out on a host, this job's own counted as they are now.
    pub(crate) fn out_with(&self, job: &Job, agent: AgentId, class: Class) -> u32 {
        let ours = |job: &Job| {
            let is = |step: &&Step| {
                step.class_out() == Some(class)
                    && matches!(&step.act, Act::Agent { agent: a, command }
                        if rooms(*a, command).any(|(on, _)| on == agent))
            };
            job.steps.iter().filter(is).count() as u32
        };
        let recorded = self.table.get(job.id).map_or(0, |before| ours(before));
        self.table.out(agent, class) - recorded + ours(job)
    }

    pub(crate) fn room(&self, class: Class) -> u32 {
        let settings = self.inv.settings();
        match class {
            Class::Start => settings.starts_per_host,
            Class::DiskCopy => settings.disk_copies_per_host,
            Class::Move => settings.migrations_per_host,
            Class::Other => u32::MAX,
        }
    }

    /// Why an agent will never answer, if so.
    pub(crate) fn never(&self, agent: AgentId) -> Option<Refusal> {
        let gone = !self.inv.agents.contains_key(&agent);
        let host = self.inv.hosts.get(&agent.into());
        let dead = host.is_some_and(|host| host.dead_since.is_some());
        let name = host.map_or_else(|| format!("host {agent}"), |host| host.label());
        if gone {
            return Some(Refusal::new(Code::HostNotResponding, name, "it was removed"));
        }
        dead.then(|| Refusal::new(Code::HostNotResponding, name, "it was declared dead"))
    }

    /// Sends the message that a step owes to its agent, if that can be reached; or has the server do its part.
    pub(crate) fn send(&mut self, job: &Job, at: usize, turn: &mut Turn<'_>) {
        let step = &job.steps[at];
        let work = match (&step.is, &step.act, &step.undo) {
            (StepIs::Revoking, Act::Server { .. }, _) => {
                return turn.effect(Effect::StopWork { no: step.no });
            }
            (StepIs::Out, Act::Server { work }, _) | (StepIs::Undoing, _, Undo::Server { work }) => {
                Some(work)
            }
            _ => None,
        };
        if let Some(work) = work {
            return turn.effect(Effect::Work { no: step.no, job: job.id, work: work.clone() });
        }
        let (agent, command, undo) = match (&step.is, &step.act, &step.undo) {
            (StepIs::Out | StepIs::Revoking, Act::Agent { agent, command }, _) => (*agent, command, false),
            (StepIs::Undoing, _, Undo::Agent { agent, command }) => (*agent, command, true),
            _ => return,
        };
        if !self.sessions.answers(agent) {
            return;
        }
        let Some(session) = self.sessions.of(agent) else { return };
        // This job may not be back in the table: what it owes itself counts as it is now.
        let own = job.steps.iter().filter(|s| s.owed_by() == Some(Doer::Agent(agent))).map(|s| s.no).min();
        let floor = self.floor(agent).min(own.unwrap_or(step.no));
        let message = if step.is == StepIs::Revoking {
            ToAgent::Revoke { no: step.no, floor }
        } else {
            let mark = Mark { epoch: job.epoch, job: job.id, step: step.key.clone() };
            ToAgent::Do { no: step.no, floor, mark, undo, command: command.clone() }
        };
        self.sessions.sent(agent, turn.now.plus(RESEND_MS));
        turn.effect(Effect::Send { agent, session, message: Box::new(message) });
    }

    /// Asks for every open step to be revoked. What has not left is revoked at once: true when there was such a step.
    fn revoke_open(&mut self, job: &mut Job, turn: &mut Turn<'_>) -> bool {
        let mut at_once = false;
        for at in 0..job.steps.len() {
            match job.steps[at].is {
                StepIs::Held | StepIs::Waits { .. } => {
                    job.steps[at].is = StepIs::Revoked;
                    job.steps[at].answered = Some(turn.now);
                    at_once = true;
                }
                StepIs::Out => {
                    job.steps[at].is = StepIs::Revoking;
                    self.send(job, at, turn);
                }
                _ => {}
            }
        }
        at_once
    }

    /// An agent, or the server of itself, says how a step ended.
    pub(crate) fn ended(&mut self, doer: Doer, no: StepNo, outcome: Outcome, turn: &mut Turn<'_>) {
        let Some(id) = self.table.job_of(doer, no) else { return };
        let Some(job) = self.table.get(id) else { return };
        let mut job = (**job).clone();
        let Some(at) = job.steps.iter().position(|step| step.no == no && step.owed_by() == Some(doer)) else {
            return;
        };
        self.progress.remove(&no);
        let outcome = self.in_words(outcome);
        if job.steps[at].is == StepIs::Undoing {
            self.undo_ended(&mut job, at, outcome, turn);
        } else {
            self.step_ended(&mut job, at, outcome, turn);
        }
        self.advance(job, turn);
    }

    fn step_ended(&mut self, job: &mut Job, at: usize, outcome: Outcome, turn: &mut Turn<'_>) {
        let asked_back = job.steps[at].is == StepIs::Revoking;
        let tries = if job.past_point { TRIES_PAST_POINT } else { TRIES };
        let step = &mut job.steps[at];
        step.answered = Some(turn.now);
        let outcome = match &step.act {
            Act::Agent { command, .. } if matches!(**command, Command::Migrate { .. }) => {
                asked_there(outcome)
            }
            _ => outcome,
        };
        step.is = match outcome {
            Outcome::Done { answer } => {
                if let Answer::Removal { removes, stays } = &answer {
                    job.notes.extend(removes.iter().map(|what| format!("removed: {what}")));
                    job.notes.extend(stays.iter().map(|what| format!("stays: {what}")));
                }
                if let Answer::Remains { what } = &answer {
                    job.warnings.push(Refusal::new(Code::ObjectInUse, step.key.clone(), what.clone()));
                }
                StepIs::Done { answer }
            }
            // Interrupted before it took effect: the agent never repeats by itself, so it gets a new number.
            Outcome::Failed { refusal }
                if refusal.code == Code::AgentInterrupted
                    && !asked_back
                    && step.tries < tries
                    && matches!(&step.act, Act::Agent { command, .. } if command.may_be_repeated()) =>
            {
                let doublings = u32::from(step.tries.saturating_sub(1)).min(8);
                StepIs::Waits { until: turn.now.plus((AGAIN_MS << doublings).min(AGAIN_LONGEST_MS)) }
            }
            Outcome::Failed { refusal } | Outcome::Refused { refusal } => StepIs::Failed { error: refusal },
            Outcome::Revoked => StepIs::Revoked,
            Outcome::InDoubt { refusal } => StepIs::InDoubt { error: refusal },
            Outcome::Unknown => StepIs::InDoubt {
                error: Refusal::new(Code::AgentOutcomeUnknown, step.key.clone(), UNKNOWN_ANSWER),
            },
        };
    }

    /// Every step that such an agent owes is answered for it: it never will be.
    pub(crate) fn answer_for_dead(&mut self, agent: AgentId) {
        for id in self.table.on_agent(agent) {
            self.ready.insert(id);
        }
    }

    /// Lets go of what dead or removed agents owe.
    fn settle_dead(&mut self, job: &mut Job, turn: &mut Turn<'_>) {
        for at in 0..job.steps.len() {
            let waits = matches!(job.steps[at].is, StepIs::UndoWaits { .. });
            let undone_by = match &job.steps[at].undo {
                Undo::Agent { agent, .. } if waits => Some(Doer::Agent(*agent)),
                _ => job.steps[at].owed_by(),
            };
            let Some(Doer::Agent(agent)) = undone_by else { continue };
            let Some(error) = self.never(agent) else { continue };
            let undoing = waits || job.steps[at].is == StepIs::Undoing;
            job.steps[at].is = if undoing { StepIs::Undone } else { unanswered(&job.steps[at].act, error) };
            job.steps[at].answered = Some(turn.now);
        }
    }

    /// Time has passed: what is ready goes on, what is overdue is asked back, what may be lost is sent again.
    ///
    /// One ready job a call: two of them may change one object, and a commit holds each object once.
    pub(crate) fn time(&mut self, turn: &mut Turn<'_>) {
        if self.restored {
            self.restored = false;
            for id in self.table.jobs().map(|job| job.id).collect::<Vec<_>>() {
                self.end_restored(id, turn);
            }
            return;
        }
        if std::mem::take(&mut self.untold_works) {
            // Whoever was at it in another life of the server is at it no more.
            self.send_owed(Doer::Server, turn);
        }
        if let Some(id) = self.ready.pop_first() {
            if let Some(job) = self.table.get(id) {
                let mut job = (**job).clone();
                self.settle_dead(&mut job, turn);
                self.advance(job, turn);
            }
            return;
        }
        for (no, id) in self.table.overdue(turn.now) {
            self.overdue(id, no, turn);
        }
        for agent in self.sessions.due(turn.now) {
            self.sessions.resend_at(agent, None);
            if self.table.owes(Doer::Agent(agent)) {
                self.send_owed(Doer::Agent(agent), turn);
            }
        }
        self.ask_suspects(turn);
        while let Some((ended, _)) = self.key_ends.first()
            && turn.now.since(*ended) >= crate::KEY_LIFE_MS
        {
            if let Some((_, key)) = self.key_ends.pop_first() {
                self.keys.remove(&key);
            }
        }
    }

    fn overdue(&mut self, id: JobId, no: StepNo, turn: &mut Turn<'_>) {
        let Some(job) = self.table.get(id) else { return };
        let mut job = (**job).clone();
        self.settle_dead(&mut job, turn);
        let patience = hostler_model::setting::Settings::ms(self.inv.settings().no_progress_limit_s);
        let moving = self.progress.get(&no).map(|p| p.moved.plus(patience)).filter(|until| *until > turn.now);
        for at in 0..job.steps.len() {
            if job.steps[at].no != no || job.steps[at].is != StepIs::Out {
                continue;
            }
            match moving {
                // It moves: it is given time until it would count as stuck.
                Some(until) => job.steps[at].limit_ms = until.since(job.steps[at].sent),
                None => {
                    job.steps[at].is = StepIs::Revoking;
                    self.send(&job, at, turn);
                }
            }
        }
        self.advance(job, turn);
    }

    /// Sends everything that somebody owes an answer to.
    pub(crate) fn send_owed(&mut self, doer: Doer, turn: &mut Turn<'_>) {
        for (no, id) in self.table.owed_by(doer) {
            if let Some(job) = self.table.get(id).cloned()
                && let Some(at) =
                    job.steps.iter().position(|step| step.no == no && step.owed_by() == Some(doer))
            {
                self.send(&job, at, turn);
            }
        }
    }

    /// A restore ends unfinished jobs without undo: what they did, the hosts will show.
    fn end_restored(&mut self, id: JobId, turn: &mut Turn<'_>) {
        let Some(job) = self.table.get(id) else { return };
        let mut job = (**job).clone();
        job.error = Some(
            Refusal::new(
                Code::AgentOutcomeUnknown,
                job.label(),
                "the server was restored from a backup while it ran",
            )
            .remedy("Look at what its hosts show, then ask again"),
        );
        self.conclude(&job, turn);
        end(&mut job, turn.now);
        job.settle();
        self.keep(job, turn);
    }
}

pub(crate) fn end(job: &mut Job, now: Timestamp) {
    job.phase = Phase::Ended;
    job.locks.clear();
    job.waits_for = None;
    if job.ended.is_none() {
        job.ended = Some(now);
    }
}

/// What a step comes to whose agent will never answer. Whether a machine has left a dead host, the other host knows.
fn unanswered(act: &Act, error: Refusal) -> StepIs {
    match act {
        Act::Agent { command, .. } if matches!(**command, Command::Migrate { .. }) => {
            let why = format!("the move was not heard of again: {}: {}", error.object, error.cause);
            StepIs::Done { answer: Answer::Moved { sure: false, why } }
        }
        _ => StepIs::Failed { error },
    }
}
