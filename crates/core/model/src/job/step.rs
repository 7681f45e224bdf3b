//! A step of a job: what it does, what takes it back, how it stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::command::{Answer, Class, Command};
use crate::error::Refusal;
use crate::ids::{AgentId, StepNo, TokenId, VmId};
use crate::object::{Key, Object};
use crate::push::Work;
use crate::time::{Ms, Timestamp};
use crate::vm::VmEdit;

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

/// Who carries out a step, and owes an answer to it while it is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doer {
    /// An agent.
    Agent(AgentId),
    /// The server itself.
    Server,
}

impl Step {
    /// Whether somebody owes an answer to it, and who.
    pub fn owed_by(&self) -> Option<Doer> {
        match (&self.is, &self.act, &self.undo) {
            (StepIs::Out | StepIs::Revoking, Act::Agent { agent, .. }, _)
            | (StepIs::Undoing, _, Undo::Agent { agent, .. }) => Some(Doer::Agent(*agent)),
            (StepIs::Out | StepIs::Revoking, Act::Server { .. }, _)
            | (StepIs::Undoing, _, Undo::Server { .. }) => Some(Doer::Server),
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
    /// Has the server itself do something.
    Server {
        /// What.
        #[serde(rename = "does")]
        work: Box<Work>,
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
    /// Has the server itself take back what it did. Also what it had begun when it was stopped.
    Server {
        /// How.
        #[serde(rename = "does")]
        work: Box<Work>,
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
    /// A token for enrolment is gone, with the agent that enrolled with it and what the record knows of its computer.
    Withdraw {
        /// Which.
        token: TokenId,
    },
    /// What was asked for of a machine changes; what is observed stays.
    Vm {
        /// Which.
        vm: VmId,
        /// How.
        edit: Box<VmEdit>,
    },
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
