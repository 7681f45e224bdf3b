//! Requests come in: admitted or refused, queued or begun, cancelled or abandoned.

use std::sync::Arc;

use hostler_model::access::Actor;
use hostler_model::ids::Ids;
use hostler_model::job::{Act, DryRun, DryStep, Job, LockOn, Phase};
use hostler_model::request::Request;
use hostler_model::{Code, JobId, Object, Refusal, Timestamp, UserId};
use uuid::Uuid;

use crate::plan::{PlannedAct, Planner, Stop};
use crate::{AskId, Asked, Effect, Engine, Turn, kinds};

/// Ids for a rehearsal: nothing is drawn.
struct NoIds;

impl Ids for NoIds {
    fn draw(&mut self) -> Uuid {
        Uuid::nil()
    }
}

impl Engine {
    pub(crate) fn ask(&mut self, asked: Asked, turn: &mut Turn<'_>) {
        let ask = asked.ask;
        let answer = self.take(asked, turn);
        turn.effect(Effect::Reply { ask, answer });
    }

    fn take(&mut self, asked: Asked, turn: &mut Turn<'_>) -> Result<JobId, Refusal> {
        if let Some(kept) = &asked.key
            && let Some(known) = self.known_by(asked.actor.user(), kept)
        {
            return known;
        }
        if let Some(seen) = &asked.unchanged
            && self.inv.get(seen.key()).as_ref() != Some(seen)
        {
            return Err(Refusal::stale(label(seen)));
        }
        let id = JobId(self.next_job);
        let mut job = Job {
            key: asked.key,
            again_of: asked.again_of,
            ..Job::new(id, asked.request, asked.actor, self.epoch, turn.now)
        };
        if let Err(refusal) = self.begin(&mut job, turn) {
            match refusal {
                // A secret is not kept while its job waits.
                Hindrance::Busy { on, .. }
                    if asked.wait && asked.unchanged.is_none() && !job.request.holds_secret() =>
                {
                    job.waits_for = Some(on)
                }
                Hindrance::Busy { refusal, .. } | Hindrance::Refused(refusal) => return Err(refusal),
            }
        }
        self.next_job += 1;
        if let Some(kept) = &job.key {
            self.keys.insert((job.actor.user(), kept.clone()), id);
        }
        self.advance(job, turn);
        Ok(id)
    }

    /// What became of an earlier request with the same key. The map is in the order of keys with the digest behind them,
    /// so the first from the key alone on is the one, if there is any.
    fn known_by(&self, user: Option<UserId>, kept: &str) -> Option<Result<JobId, Refusal>> {
        let (key, digest) = Job::key_and_digest(kept);
        let ((whose, found), job) = self.keys.range((user, key.to_owned())..).next()?;
        let (found, of) = Job::key_and_digest(found);
        if *whose != user || found != key {
            return None;
        }
        match (digest, of) {
            (Some(digest), Some(of)) if digest != of => {
                let cause = format!("the key was used for another request, which became job {job}");
                Some(Err(Refusal::new(Code::IdempotencyKeyReused, "Idempotency-Key", cause).remedy(
                    "Ask with a key of its own, or ask exactly as before to be answered with that job",
                )))
            }
            _ => Some(Ok(*job)),
        }
    }

    /// Admits a job and takes its locks, or says what is in the way.
    pub(crate) fn begin(&mut self, job: &mut Job, turn: &mut Turn<'_>) -> Result<(), Hindrance> {
        // What has not begun has chosen nothing yet.
        let mut planner = Planner::new(Some(job), Arc::default(), self.view(turn.now), turn.ids);
        let planned = kinds::plan(&job.request, &mut planner);
        let (choices, locks) = (planner.choices, planner.locks);
        let (about, title) = (planner.about, planner.title);
        let warnings = planner.warnings;
        if !about.is_empty() {
            (job.about, job.title) = (about, title);
        }
        // Busy before forbidden: what another job is about to change is no ground for a refusal that names a state.
        if let Some((on, holder)) = self.table.conflict(job.id, &locks) {
            let refusal = self.busy(&on, holder, &job.title);
            return Err(Hindrance::Busy { on, refusal });
        }
        kinds::admit(&job.request, self.view(turn.now)).map_err(Hindrance::Refused)?;
        if let Err(Stop::Refusal(refusal)) = planned {
            return Err(Hindrance::Refused(refusal));
        }
        job.choices = choices;
        job.warnings.extend(warnings);
        if let Request::CreateVm(ask) = &mut job.request {
            // They were rated for a choice that is made now: kept, they would be half of every version of the job.
            ask.candidates = Vec::new();
        }
        job.locks = locks;
        job.waits_for = None;
        job.phase = Phase::Forward;
        job.started = Some(turn.now);
        Ok(())
    }

    fn busy(&self, on: &LockOn, holder: JobId, title: &str) -> Refusal {
        let (what, code) = match on {
            LockOn::Object { key: hostler_model::Key::Vm(_) } => (format!("vm {title}"), Code::VmBusy),
            LockOn::Object { key } => (key.kind().word().to_owned(), Code::ObjectBusy),
            LockOn::Name { kind, .. } => (format!("{} {title}", kind.word()), Code::ObjectBusy),
        };
        let who = self.table.get(holder).map_or_else(String::new, |job| {
            format!(" ({}, asked by {})", job.kind.words().to_lowercase(), job.actor.words())
        });
        Refusal::new(code, what, format!("job {holder}{who} is at work on it"))
            .remedy(format!("Wait for job {holder}, ask with --wait to queue behind it, or cancel it"))
    }

    /// Why an ended job cannot be stopped any more; or that there never was one.
    fn not_open(&self, id: JobId) -> Refusal {
        if id.0 == 0 || id.0 >= self.next_job {
            return Refusal::not_found(format!("job {id}"));
        }
        Refusal::new(Code::JobEnded, format!("job {id}"), "it has ended already")
            .remedy(format!("See how it ended: hostler job show {id}"))
    }

    pub(crate) fn cancel(&mut self, ask: AskId, id: JobId, actor: Actor, turn: &mut Turn<'_>) {
        let answer = match self.table.get(id) {
            None => Err(self.not_open(id)),
            Some(job) if job.past_point => Err(Refusal::new(
                Code::JobPastNoReturn,
                job.label(),
                "it is past its point of no return and completes",
            )),
            Some(job) => {
                let mut job = (**job).clone();
                job.cancelled_by.get_or_insert(actor);
                self.advance(job, turn);
                Ok(id)
            }
        };
        turn.effect(Effect::Reply { ask, answer });
    }

    pub(crate) fn abandon(&mut self, ask: AskId, id: JobId, actor: Actor, turn: &mut Turn<'_>) {
        let answer = match self.table.get(id) {
            None => Err(self.not_open(id)),
            Some(job) => {
                let mut job = (**job).clone();
                if job.abandoned.is_none() {
                    job.abandoned = Some(turn.now);
                    job.ended = Some(turn.now);
                }
                if !job.past_point {
                    job.cancelled_by.get_or_insert(actor);
                }
                self.advance(job, turn);
                Ok(id)
            }
        };
        turn.effect(Effect::Reply { ask, answer });
    }

    pub(crate) fn rehearse(&self, now: Timestamp, request: &Request) -> Result<DryRun, Refusal> {
        let view = self.view(now);
        let mut ids = NoIds;
        let mut planner = Planner::new(None, Arc::default(), view, &mut ids);
        let planned = kinds::plan(request, &mut planner);
        if let Some((on, holder)) = self.table.conflict(JobId(0), &planner.locks) {
            return Err(self.busy(&on, holder, &planner.title));
        }
        kinds::admit(request, view)?;
        let then = match planned {
            Ok(()) => Vec::new(),
            Err(Stop::Later(keys)) => keys,
            Err(Stop::Refusal(refusal) | Stop::Undone(refusal)) => return Err(refusal),
        };
        let steps = planner
            .steps
            .into_iter()
            .map(|step| DryStep {
                key: step.key,
                act: match step.act {
                    PlannedAct::Record(_) => Act::Record,
                    PlannedAct::Agent(agent, command) => Act::Agent { agent, command },
                    PlannedAct::Server(work) => Act::Server { work },
                },
                undo: step.undo,
                decides: step.decides,
            })
            .collect();
        let choices = Arc::unwrap_or_clone(planner.choices);
        Ok(DryRun {
            kind: request.kind(),
            title: planner.title,
            choices,
            steps,
            then,
            effects: None,
            command: String::new(),
        })
    }
}

/// How people call a thing in messages.
fn label(object: &Object) -> String {
    match object {
        Object::Vm(vm) => vm.label(),
        Object::Host(host) => host.label(),
        Object::HostGroup(group) => group.label(),
        Object::Agent(agent) => agent.label(),
        Object::Share(share) => share.label(),
        Object::Template(template) => template.label(),
        Object::User(user) => user.label(),
        other => other.key().kind().word().to_owned(),
    }
}

/// What keeps a job from beginning.
pub(crate) enum Hindrance {
    /// Another job holds what it needs.
    Busy {
        /// What.
        on: LockOn,
        /// As it is told to who asked.
        refusal: Refusal,
    },
    /// It may not.
    Refused(Refusal),
}
