//! A job: a plan of steps at work, its owner, its times, how it ended. What left for an agent is recorded here whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Actor;
use crate::command::{Answer, Class, Command};
use crate::error::Refusal;
use crate::ids::{AgentId, JobId, StepNo, VmId};
use crate::object::{Key, Object};
use crate::request::Request;
use crate::time::{Ms, Timestamp};
use crate::vm::VmEdit;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $words:literal;)*) => {
        /// A kind of job.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum JobKind { $(
            $(#[$doc])*
            #[serde(rename = $word)]
            $name,
        )*
            /// A kind that this version does not know.
            #[serde(other)]
            Unknown,
        }

        impl JobKind {
            /// Every kind there is.
            pub const ALL: &'static [JobKind] = &[$(JobKind::$name),*];

            /// The word used in filters and in JSON.
            pub fn word(self) -> &'static str {
                match self { $(JobKind::$name => $word,)* JobKind::Unknown => "unknown" }
            }

            /// The kind as people read it.
            pub fn words(self) -> &'static str {
                match self { $(JobKind::$name => $words,)* JobKind::Unknown => "Unknown" }
            }
        }
    };
}

kinds! {
    /// Make a machine.
    CreateVm = "create-vm", "Create virtual machine";
    /// Start a machine.
    StartVm = "start-vm", "Start virtual machine";
    /// Ask a guest to shut down.
    ShutDownVm = "shut-down-vm", "Shut down virtual machine";
    /// Cut a machine's power.
    TurnOffVm = "turn-off-vm", "Turn off virtual machine";
    /// Pause a machine.
    PauseVm = "pause-vm", "Pause virtual machine";
    /// Resume a machine.
    ResumeVm = "resume-vm", "Resume virtual machine";
    /// Reset a machine.
    ResetVm = "reset-vm", "Reset virtual machine";
    /// Save a machine's state.
    SaveVm = "save-vm", "Save virtual machine";
    /// Discard a saved state.
    DiscardSavedVm = "discard-saved-vm", "Discard saved state";
    /// Change a machine's name, notes or tags.
    EditVm = "edit-vm", "Edit virtual machine";
    /// Change a machine's processors or memory.
    SetVmHardware = "set-vm-hardware", "Change hardware";
    /// Attach a disk.
    AttachDisk = "attach-disk", "Attach disk";
    /// Detach a disk.
    DetachDisk = "detach-disk", "Detach disk";
    /// Change what lies in the DVD drive.
    SetVmMedia = "set-vm-media", "Change DVD";
    /// Delete or forget a machine.
    DeleteVm = "delete-vm", "Delete virtual machine";
    /// Take a found machine over.
    AdoptVm = "adopt-vm", "Adopt virtual machine";
    /// Read a machine anew.
    RefreshVm = "refresh-vm", "Refresh virtual machine";
    /// Read a host anew.
    RefreshHost = "refresh-host", "Refresh host";
    /// Change what administrators set for a host.
    EditHost = "edit-host", "Edit host";
    /// Declare that a host will never return.
    DeclareHostDead = "declare-host-dead", "Declare host dead";
    /// Let an agent in.
    EnrolAgent = "enrol-agent", "Enrol agent";
    /// Remove an agent.
    RemoveAgent = "remove-agent", "Remove agent";
    /// Add a library share.
    AddShare = "add-library-share", "Add library share";
    /// Read a library share anew.
    RefreshShare = "refresh-library-share", "Refresh library share";
    /// Remove a library share from the record.
    RemoveShare = "remove-library-share", "Remove library share";
    /// Make a template.
    CreateTemplate = "create-template", "Create template";
    /// Change a template.
    EditTemplate = "edit-template", "Edit template";
    /// Delete a template.
    DeleteTemplate = "delete-template", "Delete template";
    /// Make a user.
    CreateUser = "create-user", "Create user";
    /// Change a user.
    EditUser = "edit-user", "Edit user";
    /// Delete a user.
    DeleteUser = "delete-user", "Delete user";
    /// Make a token.
    CreateToken = "create-token", "Create token";
    /// Revoke a token.
    RevokeToken = "revoke-token", "Revoke token";
    /// Make a token for enrolment.
    CreateEnrolment = "create-enrolment", "Create enrolment token";
    /// Change the settings.
    SetSettings = "set-settings", "Change settings";
    /// A host or share had changed, and the record follows.
    Refresher = "refresher", "Refresher";
}

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
    /// The caller's idempotency key.
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
    /// The choices its plan made, once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub choices: BTreeMap<String, Value>,
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
    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("job {}", self.id)
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

/// A step that has left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its key: a stable word within the kind of job.
    pub key: String,
    /// Where it stands in the plan: steps of one stage run together.
    pub stage: u32,
    /// What it does.
    #[schema(value_type = Object)]
    pub act: Act,
    /// What takes it back.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub undo: Undo,
    /// How it stands.
    #[schema(value_type = Object)]
    pub is: StepIs,
    /// Whether it is the one before the point of no return.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decides: bool,
    /// The number of its latest sending.
    pub no: StepNo,
    /// How often it was sent.
    #[serde(default)]
    pub tries: u8,
    /// How long an answer may take, in milliseconds, before the agent is asked to revoke it.
    pub limit_ms: Ms,
    /// When it was last sent.
    pub sent: Timestamp,
    /// When its answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
}

impl Step {
    /// Whether an agent owes an answer to it, and which.
    pub fn owed_by(&self) -> Option<AgentId> {
        match (&self.is, &self.act, &self.undo) {
            (StepIs::Out | StepIs::Revoking, Act::Agent { agent, .. }, _) => Some(*agent),
            (StepIs::Undoing, _, Undo::Agent { agent, .. }) => Some(*agent),
            _ => None,
        }
    }

    /// The class of the command that is out.
    pub fn class_out(&self) -> Option<Class> {
        match (&self.is, &self.act) {
            (StepIs::Out | StepIs::Revoking, Act::Agent { command, .. }) => Some(command.class()),
            _ => None,
        }
    }

    /// What it brought.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.is {
            StepIs::Done { answer } => Some(answer),
            _ => None,
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "act")]
pub enum Act {
    /// Changes the record; done in the moment it was issued.
    Record,
    /// Sends a command to an agent.
    Agent {
        /// Which.
        agent: AgentId,
        /// What.
        command: Box<Command>,
    },
}

/// What takes a step back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "undo")]
pub enum Undo {
    /// Nothing needs to be.
    #[default]
    None,
    /// Changes the record back.
    Record {
        /// How.
        records: Vec<Record>,
    },
    /// A command to an agent: make sure that what bears this step's mark is not there.
    Agent {
        /// Which.
        agent: AgentId,
        /// What.
        command: Box<Command>,
    },
}

/// A change of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
pub enum Record {
    /// An object is as follows.
    Put {
        /// The object.
        object: Object,
    },
    /// An object is gone.
    Gone {
        /// Which.
        key: Key,
    },
    /// What was asked for of a machine changes; what is observed stays.
    Vm {
        /// Which.
        vm: VmId,
        /// How.
        edit: Box<VmEdit>,
    },
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

/// How a step stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum StepIs {
    /// Waits until its host has room for it; it has not left.
    Held,
    /// It was interrupted before it took effect, and is sent again at this time.
    Waits {
        /// When.
        until: Timestamp,
    },
    /// Sent; an answer is owed.
    Out,
    /// Its revocation is asked; an answer is owed.
    Revoking,
    /// Done.
    Done {
        /// What it brought.
        answer: Answer,
    },
    /// Not done.
    Failed {
        /// Why.
        error: Refusal,
    },
    /// Revoked: no effect.
    Revoked,
    /// Whether it took effect is not known.
    InDoubt {
        /// What is known.
        error: Refusal,
    },
    /// Its undo was sent; an answer is owed.
    Undoing,
    /// Its undo failed and is tried again at this time.
    UndoWaits {
        /// When.
        until: Timestamp,
    },
    /// Taken back.
    Undone,
    /// Not taken back, because it is in use.
    Kept {
        /// Why.
        error: Refusal,
    },
}
