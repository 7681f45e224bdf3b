//! What a journal says when an agent starts.

use std::collections::BTreeMap;

use hostler_model::command::{Command, Mark, Outcome};
use hostler_model::{InstallationId, StepNo};
use uuid::Uuid;

use crate::journal::JournalEntry;
use crate::say::Task;
use crate::steps::Steps;

/// What a journal says.
pub(crate) struct Read {
    pub(crate) journal: Option<Uuid>,
    pub(crate) run: u64,
    pub(crate) installation: Option<InstallationId>,
    pub(crate) epoch: u32,
    pub(crate) steps: Steps,
    pub(crate) entries: usize,
}

impl Read {
    pub(crate) fn new(entries: impl IntoIterator<Item = JournalEntry>, mine: InstallationId) -> Self {
        let (mut journal, mut run, mut installation, mut epoch, mut count) = (None, 0, None, 0, 0);
        let mut begun: BTreeMap<StepNo, (Mark, bool, Box<Command>)> = Default::default();
        let mut steps = Steps::default();
        for entry in entries {
            count += 1;
            match entry {
                JournalEntry::Journal { journal: id } => journal = Some(id),
                JournalEntry::Run { run: at } => run = run.max(at),
                JournalEntry::Epoch { installation: of, epoch: at } => {
                    if installation.is_some_and(|before| before != of) {
                        (begun, steps, epoch) = (Default::default(), Steps::default(), 0);
                    }
                    installation = Some(of);
                    epoch = epoch.max(at);
                }
                JournalEntry::Intent { no, mark, undo, command } => {
                    begun.insert(no, (mark, undo, command));
                }
                JournalEntry::Outcome { no, outcome } => {
                    begun.remove(&no);
                    steps.end(no, outcome, 0);
                }
                JournalEntry::Tombstone { no } => {
                    begun.remove(&no);
                    steps.end(no, Outcome::Revoked, 0);
                }
                JournalEntry::Floor { no } => steps.raise_floor(no),
                JournalEntry::Unknown => {}
            }
        }
        if installation != Some(mine) {
            (begun, steps, epoch) = (Default::default(), Steps::default(), 0);
        }
        for (no, (mark, undo, command)) in begun {
            steps.doubt(Task { no, mark, undo, command });
        }
        Self { journal, run, installation, epoch, steps, entries: count }
    }
}
