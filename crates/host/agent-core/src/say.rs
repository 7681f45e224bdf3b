//! What goes into the agent's state machine and what comes out of it.

use hostler_model::channel::{FromAgent, Query, ToAgent};
use hostler_model::command::{Command, Mark, Outcome};
use hostler_model::host::{HostFacts, Load};
use hostler_model::seen::Seen;
use hostler_model::{AgentId, InstallationId, Refusal, SessionId, StepNo};
use uuid::Uuid;

use crate::journal::JournalEntry;

/// Who the agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id, from enrolment.
    pub agent: AgentId,
    /// The installation it was enrolled in.
    pub installation: InstallationId,
    /// Its version.
    pub version: String,
    /// The kernel's boot id, settable for tests.
    pub host_boot: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A connection to the server is open; nothing was said on it.
    Connected,
    /// The server said something.
    FromServer(ToAgent),
    /// The connection is gone.
    Cut,
    /// Every entry up to and with this position is durable.
    Synced(u64),
    /// A step that was begun, or looked up, has ended. What it touched was handed in as [`Input::Observed`] before.
    Ended {
        /// The step.
        no: StepNo,
        /// How.
        outcome: Outcome,
    },
    /// How far a step has come.
    Progress {
        /// The step.
        no: StepNo,
        /// How much is done.
        done: u64,
        /// Of how much.
        of: u64,
    },
    /// A machine was read. Readings of one machine are handed in the order in which they were made.
    Observed {
        /// The domain.
        domain: Uuid,
        /// As seen; none when the host does not have it.
        seen: Option<Box<Seen>>,
    },
    /// Something changed, and nobody knows on which machine: all are to be read.
    Everything,
    /// Every machine was read: the answer to [`Output::List`], or what a [`Command::ReadHost`] read before it ended.
    Listed(Vec<Seen>),
    /// They could not be read; it is tried again later.
    ListFailed,
    /// What the computer is like.
    HostFacts(Box<HostFacts>),
    /// How loaded it is.
    Load(Load),
    /// The answer to a question.
    Answered {
        /// The session in which it was asked.
        session: SessionId,
        /// The question.
        question: u64,
        /// Bytes in base64, or why not.
        answer: Result<String, Refusal>,
    },
    /// Time has passed.
    Time,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Append this entry to the journal; say [`Input::Synced`] once it is durable. Entries may be synced together.
    Write {
        /// The place of the entry, counted from 1 in this run of the agent.
        position: u64,
        /// The entry.
        entry: JournalEntry,
    },
    /// Begin this command, once. Its intent is durable.
    Begin(Task),
    /// Find out by looking whether this command took effect: an earlier run of the agent may have begun it.
    Probe(Task),
    /// Stop this command if it can be stopped; its end is awaited all the same.
    Abort {
        /// The step.
        no: StepNo,
    },
    /// Send this to the server.
    Send(FromAgent),
    /// Read every machine, then say [`Input::Listed`] or [`Input::ListFailed`].
    List,
    /// Read this machine, then say [`Input::Observed`].
    Read {
        /// The domain.
        domain: Uuid,
    },
    /// Find the answer to a question, then say [`Input::Answered`].
    Ask {
        /// The session in which it was asked.
        session: SessionId,
        /// Echoed in the answer.
        question: u64,
        /// What is asked.
        query: Query,
    },
    /// Close the connection, then say [`Input::Cut`].
    Disconnect {
        /// Why, in words.
        why: &'static str,
    },
}

/// A step to be carried out or looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The step.
    pub no: StepNo,
    /// What its effects bear.
    pub mark: Mark,
    /// Whether it takes back what the step with this mark made.
    pub undo: bool,
    /// What to do.
    pub command: Box<Command>,
}
