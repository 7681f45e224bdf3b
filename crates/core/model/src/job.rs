//! A job: a plan of steps at work, its owner, its times, how it ended. What left for an agent is recorded here whole.

mod kind;
mod step;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Actor;
use crate::error::{Code, Refusal};
use crate::ids::JobId;
use crate::object::Key;
use crate::request::Request;
use crate::time::Timestamp;

pub use kind::JobKind;
pub use step::{Act, Doer, Record, Step, StepIs, Undo};

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Its kind.
    pub kind: JobKind,
    /// What was asked.
    #[schema(value_type = Object)]
    pub request: Request,
    /// Who asked.
    pub actor: Actor,
    /// The caller's idempotency key; behind a space, which no key holds, the digest of what was asked with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The epoch in which it began.
    pub epoch: u32,
    /// Its state, kept true by [`Job::settle`].
    pub state: JobState,
    /// How far the work is, whatever people are shown.
    #[serde(default)]
    pub phase: Phase,
    /// The things it is about, the first of them above all.
    #[schema(value_type = Vec<String>)]
    pub about: Vec<Key>,
    /// What it is about, in words, as it was called when the job was asked.
    #[serde(default)]
    pub title: String,
    /// What it holds while it is at work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub locks: Vec<Lock>,
    /// What it waits for while it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub waits_for: Option<LockOn>,
    /// The choices its plan made, once. All versions of the job share them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub choices: Arc<BTreeMap<String, Value>>,
    /// The steps that have left, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Whether the deciding step is done: from here on only forward.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub past_point: bool,
    /// Who cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<Actor>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
    /// What went wrong without failing it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Refusal>,
    /// What else there is to say of it, each in words: what was removed, what stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// When an administrator abandoned it: ended for the caller, while what it owes stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abandoned: Option<Timestamp>,
    /// The job that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_of: Option<JobId>,
    /// When it was asked.
    pub created: Timestamp,
    /// When its first step left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended for the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

impl Job {
    /// A job as it is when it is asked: queued, with nothing known or done yet.
    pub fn new(id: JobId, request: Request, actor: Actor, epoch: u32, now: Timestamp) -> Self {
        Self {
            id,
            kind: request.kind(),
            request,
            actor,
            key: None,
            epoch,
            state: JobState::Queued,
            phase: Phase::Queued,
            about: Vec::new(),
            title: String::new(),
            locks: Vec::new(),
            waits_for: None,
            choices: Arc::default(),
            steps: Vec::new(),
            past_point: false,
            cancelled_by: None,
            error: None,
            warnings: Vec::new(),
            notes: Vec::new(),
            abandoned: None,
            again_of: None,
            created: now,
            started: None,
            ended: None,
        }
    }

    /// An idempotency key as [`Job::key`] keeps it.
    pub fn key_with_digest(key: &str, digest: &str) -> String {
        format!("{key} {digest}")
    }

    /// The key alone, and the digest that stands behind it.
    pub fn key_and_digest(kept: &str) -> (&str, Option<&str>) {
        kept.split_once(' ').map_or((kept, None), |(key, digest)| (key, Some(digest)))
    }

    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("job {}", self.id)
    }

    /// Why it can be stopped no more, once it has ended and owes nothing.
    pub fn has_ended(&self) -> Option<Refusal> {
        if self.is_open() {
            return None;
        }
        let at = self.ended.map(|at| format!(" at {at}")).unwrap_or_default();
        let cause = format!("it has ended{at} already: {}", self.state.words().to_lowercase());
        let remedy = format!("See what it did: hostler job show {}", self.id);
        Some(Refusal::new(Code::JobEnded, self.label(), cause).remedy(remedy))
    }

    /// A refusal to do its request again, with what it was about called as it was then: it may be gone.
    #[must_use]
    pub fn in_its_words(&self, refusal: Refusal) -> Refusal {
        let Some(key) = self.about.first().filter(|_| refusal.code == Code::ObjectNotFound) else {
            return refusal;
        };
        if self.title.is_empty() || !refusal.object.contains(&key.id()) {
            return refusal;
        }
        Refusal {
            object: refusal.object.replace(&key.id(), &self.title),
            cause: "it is gone since".into(),
            remedy: "Make it anew, and ask for the new one".into(),
            ..refusal
        }
    }

    /// Whether work remains, be it only owed.
    pub fn is_open(&self) -> bool {
        match self.phase {
            Phase::Queued | Phase::Forward | Phase::Undoing => true,
            Phase::Ended => false,
        }
    }

    /// Makes the shown state agree with the phase and what is known.
    pub fn settle(&mut self) {
        self.state = match (self.phase, self.abandoned) {
            (Phase::Queued | Phase::Forward | Phase::Undoing, Some(_)) => JobState::FailedCleanupOwed,
            (Phase::Queued, None) => JobState::Queued,
            (Phase::Forward, None) => JobState::Running,
            (Phase::Undoing, None) => JobState::Undoing,
            (Phase::Ended, _) => self.result(),
        };
    }

    fn result(&self) -> JobState {
        let kept = self.steps.iter().any(|step| matches!(step.is, StepIs::Kept { .. }));
        match (&self.error, &self.cancelled_by) {
            (Some(_), _) if kept => JobState::FailedKept,
            (Some(error), Some(_)) if error.code == crate::Code::JobCancelled => JobState::Cancelled,
            (Some(_), _) => JobState::FailedUndone,
            (None, _) if self.warnings.is_empty() => JobState::Completed,
            (None, _) => JobState::CompletedWithWarnings,
        }
    }

    /// The step with this key.
    pub fn step(&self, key: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.key == key)
    }
}

/// The state of a job, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Waits for what another job holds.
    Queued,
    /// At work.
    Running,
    /// Taking back what it did.
    Undoing,
    /// Done.
    Completed,
    /// Done, but not all of it.
    CompletedWithWarnings,
    /// Failed, and everything it had done was taken back.
    FailedUndone,
    /// Failed, and what is in use was kept: it is an ordinary managed machine now.
    FailedKept,
    /// Ended for the caller, while a host still owes an answer or a clean-up.
    FailedCleanupOwed,
    /// Cancelled, and everything it had done was taken back.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [JobState; 9] = [
        JobState::Queued,
        JobState::Running,
        JobState::Undoing,
        JobState::Completed,
        JobState::CompletedWithWarnings,
        JobState::FailedUndone,
        JobState::FailedKept,
        JobState::FailedCleanupOwed,
        JobState::Cancelled,
    ];

    /// Whether the caller has nothing more to wait for.
    pub fn is_ended(self) -> bool {
        !matches!(self, JobState::Queued | JobState::Running | JobState::Undoing)
    }

    /// Whether the caller got what was asked.
    pub fn is_success(self) -> bool {
        matches!(self, JobState::Completed | JobState::CompletedWithWarnings)
    }

    /// The word used in filters and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Undoing => "undoing",
            JobState::Completed => "completed",
            JobState::CompletedWithWarnings => "completed-with-warnings",
            JobState::FailedUndone => "failed-undone",
            JobState::FailedKept => "failed-kept",
            JobState::FailedCleanupOwed => "failed-cleanup-owed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// The state as people read it.
    pub fn words(self) -> &'static str {
        match self {
            JobState::Queued => "Queued",
            JobState::Running => "Running",
            JobState::Undoing => "Undoing",
            JobState::Completed => "Completed",
            JobState::CompletedWithWarnings => "Completed with warnings",
            JobState::FailedUndone => "Failed, undone",
            JobState::FailedKept => "Failed, kept what is in use",
            JobState::FailedCleanupOwed => "Failed, clean-up owed",
            JobState::Cancelled => "Cancelled",
        }
    }
}

/// How far the work of a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waits for locks.
    Queued,
    /// Steps are done in order.
    Forward,
    /// Steps are taken back in reverse order.
    Undoing,
    /// Nothing more to do.
    #[default]
    Ended,
}

/// What a job holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lock {
    /// On what.
    pub on: LockOn,
    /// Whether others may hold it too, as long as they share it as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// On what a lock is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "on")]
pub enum LockOn {
    /// An object.
    Object {
        /// Which.
        key: Key,
    },
    /// A name, so that two creations cannot both take it.
    Name {
        /// Of which kind of thing.
        kind: crate::Kind,
        /// What names are compared by.
        skeleton: String,
    },
}

impl Lock {
    /// A lock that nobody else may hold.
    pub fn exclusive(key: Key) -> Self {
        Self { on: LockOn::Object { key }, shared: false }
    }

    /// A lock that others may share.
    pub fn shared(key: Key) -> Self {
        Self { on: LockOn::Object { key }, shared: true }
    }
}

/// What a request would do: its plan, shown and not performed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// The kind of job it would become.
    pub kind: JobKind,
    /// What it would be about, in words.
    pub title: String,
    /// The choices its plan would make.
    #[schema(value_type = Object)]
    pub choices: BTreeMap<String, Value>,
    /// The steps, as far as they can be known.
    pub steps: Vec<DryStep>,
    /// The keys of the steps that follow from what those bring.
    pub then: Vec<String>,
    /// What would hold otherwise from then on, beyond the thing itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Effects>,
    /// The command line that asks for it. A secret that it needs is asked for, or read from a file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
}

/// What would hold otherwise for hosts and machines when a host or a group of hosts were moved or set otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Effects {
    /// How many hosts come into another place of the tree, or have something set otherwise.
    pub hosts: u32,
    /// How many machines are on them.
    pub machines: u32,
    /// For which hosts what would be in force otherwise, at most 1,000, in the order of their names.
    pub changes: Vec<InForceChange>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Something that would be in force otherwise for a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InForceChange {
    /// The host.
    pub host: crate::HostId,
    /// Its name.
    pub name: String,
    /// What: `reserve.memory_mib`, `unencrypted_transfers`.
    pub property: String,
    /// As it is in force now.
    pub before: Value,
    /// As it would be in force then.
    pub after: Value,
}

/// A step of a dry run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DryStep {
    /// Its key.
    pub key: String,
    /// What it would do.
    #[schema(value_type = Object)]
    pub act: Act,
    /// What would take it back.
    #[schema(value_type = Object)]
    pub undo: Undo,
    /// Whether it is the one before the point of no return.
    pub decides: bool,
}
