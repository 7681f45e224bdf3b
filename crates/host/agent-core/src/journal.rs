//! What an agent must not forget: its starts, the epoch it has met, and for each step whether it was begun and how
//! it ended. The caller keeps the entries in order and durably; [`crate::Core`] says when one must be durable before
//! it goes on.

use hostler_model::command::{Command, Mark, Outcome};
use hostler_model::{InstallationId, StepNo};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An entry in an agent's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
pub enum JournalEntry {
    /// The journal was made, with this random id.
    Journal {
        /// Its id.
        journal: Uuid,
    },
    /// The agent started.
    Run {
        /// Which start it was, counted from 1 in this journal.
        run: u64,
    },
    /// The highest epoch met. Another installation than in the entry before: all earlier steps are of no concern.
    Epoch {
        /// The installation.
        installation: InstallationId,
        /// The epoch.
        epoch: u32,
    },
    /// A step is about to begin. Without an outcome after it, it is in doubt.
    Intent {
        /// The step.
        no: StepNo,
        /// What its effects bear.
        mark: Mark,
        /// Whether it takes back.
        undo: bool,
        /// What it does.
        command: Box<Command>,
    },
    /// A step has ended.
    Outcome {
        /// The step.
        no: StepNo,
        /// How.
        outcome: Outcome,
    },
    /// A step was revoked before it began: it never will.
    Tombstone {
        /// The step.
        no: StepNo,
    },
    /// Steps below this number are forgotten and refused.
    Floor {
        /// The lowest number that is not.
        no: StepNo,
    },
    /// An entry that this version does not know.
    #[serde(other)]
    Unknown,
}
