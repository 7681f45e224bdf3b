//! The steps an agent knows, from the first word of them until the floor has passed them.

use std::collections::{BTreeMap, BTreeSet};

use hostler_model::command::{Command, Outcome};
use hostler_model::{Refusal, ShareId, StepNo};
use uuid::Uuid;

use crate::say::Task;

/// How many steps an agent keeps in mind, waiting, at work and ended. A server sends a host some dozens at a time;
/// beyond this bound what it says is not taken, and it will say it again.
pub const MOST_STEPS: usize = 65_536;
/// How many commands are at work together. Most of them wait for a guest and hold nothing; the agent bounds the
/// threads on which they call libvirt by itself. A bound near that number would let a dozen guests that ignore their
/// shut down keep everything else on the host waiting.
pub const MOST_AT_WORK: usize = 256;

/// A step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) is: Is,
    /// The machine that an answer tells about.
    pub(crate) about: Option<Uuid>,
    /// When its progress was last told.
    pub(crate) told_progress: Option<u64>,
}

/// How a step stands.
#[derive(Debug)]
pub(crate) enum Is {
    /// Waits for its lane, or for room.
    Waiting(Task),
    /// Its intent is written at this position and not durable yet.
    Intent { task: Task, position: u64 },
    /// It has begun, in this run or an earlier one.
    AtWork {
        task: Task,
        /// It was asked to stop.
        aborting: bool,
        /// It ended, and waits for the listing with this number.
        ended: Option<Outcome>,
        /// What it waits for besides its own end.
        listing: Listing,
    },
    /// It has ended; the entry that says so has this position.
    Ended { outcome: Outcome, position: u64 },
}

/// A listing without which a step has no answer.
#[derive(Debug)]
pub(crate) enum Listing {
    /// None, or it is there.
    Enough,
    /// The one with this number, or a later one.
    Awaited(u64),
    /// It failed.
    Failed(Refusal),
}

/// What two commands must not touch at the same time. Commands of one lane run one after another, in the order of
/// their numbers as far as they are known; lanes run side by side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Domain(Uuid),
    File(String),
    Base(String, String),
    Share(ShareId),
    Host,
    /// The networks of the computer: what one command does to an adapter, another may undo.
    Networks,
    Agent,
}

pub(crate) fn lane(command: &Command) -> Option<Lane> {
    match command {
        Command::MakeDisk { file, .. }
        | Command::DeleteDisk { file, .. }
        | Command::MakeFolder { path: file } => Some(Lane::File(file.clone())),
        Command::BringBase { folder, path, .. } => Some(Lane::Base(folder.clone(), path.clone())),
        Command::ScanShare { share, .. } => Some(Lane::Share(*share)),
        Command::ReadHost => Some(Lane::Host),
        Command::MakeNetwork { .. }
        | Command::ConfirmNetwork { .. }
        | Command::RemoveNetwork { .. }
        | Command::RestoreNetwork { .. } => Some(Lane::Networks),
        Command::PrepareRemoval
        | Command::CancelRemoval
        | Command::BringProgram { .. }
        | Command::Upgrade { .. } => Some(Lane::Agent),
        Command::Unknown => None,
        about_a_machine => about_a_machine.domain().map(Lane::Domain),
    }
}

/// Every step that is known.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) all: BTreeMap<StepNo, Step>,
    /// Steps below are forgotten.
    pub(crate) floor: StepNo,
    waiting: BTreeSet<StepNo>,
    busy: BTreeSet<Lane>,
    at_work: usize,
}

impl Steps {
    /// A new step takes its place in the queue.
    pub(crate) fn wait(&mut self, task: Task) {
        self.waiting.insert(task.no);
        let about = task.command.domain();
        self.all.insert(task.no, Step { is: Is::Waiting(task), about, told_progress: None });
    }

    /// A step that an earlier run may have begun.
    pub(crate) fn doubt(&mut self, task: Task) {
        self.occupy(&task);
        let about = task.command.domain();
        let is = Is::AtWork { task: task.clone(), aborting: false, ended: None, listing: Listing::Enough };
        self.all.insert(task.no, Step { is, about, told_progress: None });
    }

    /// The next step that may begin, taken out of the queue; its lane is taken.
    pub(crate) fn next(&mut self) -> Option<Task> {
        if self.at_work >= MOST_AT_WORK || self.waiting.is_empty() {
            return None;
        }
        let mut passed = BTreeSet::new();
        for no in &self.waiting {
            let Some(Step { is: Is::Waiting(task), .. }) = self.all.get(no) else { continue };
            let lane = lane(&task.command);
            if lane.as_ref().is_none_or(|lane| !self.busy.contains(lane) && !passed.contains(lane)) {
                let task = task.clone();
                self.waiting.remove(&task.no);
                self.occupy(&task);
                return Some(task);
            }
            passed.extend(lane);
        }
        None
    }

    fn occupy(&mut self, task: &Task) {
        self.at_work += 1;
        self.busy.extend(lane(&task.command));
    }

    fn release(&mut self, task: &Task) {
        self.at_work = self.at_work.saturating_sub(1);
        if let Some(lane) = lane(&task.command) {
            self.busy.remove(&lane);
        }
    }

    /// A step has ended; what said so has this position.
    pub(crate) fn end(&mut self, no: StepNo, outcome: Outcome, position: u64) {
        self.waiting.remove(&no);
        let ended = Is::Ended { outcome, position };
        let before = match self.all.get_mut(&no) {
            Some(step) => std::mem::replace(&mut step.is, ended),
            None => {
                self.all.insert(no, Step { is: ended, about: None, told_progress: None });
                return;
            }
        };
        if let Is::Intent { task, .. } | Is::AtWork { task, .. } = before {
            self.release(&task);
        }
    }

    /// Forgets what ended below the floor.
    pub(crate) fn raise_floor(&mut self, floor: StepNo) {
        if floor <= self.floor {
            return;
        }
        self.floor = floor;
        let below: Vec<StepNo> = self
            .all
            .range(..floor)
            .filter(|(_, step)| matches!(step.is, Is::Ended { .. }))
            .map(|(no, _)| *no)
            .collect();
        for no in below {
            self.all.remove(&no);
        }
    }

    /// Steps below the floor that did not begin: the server counts on them no more.
    pub(crate) fn not_begun_below_floor(&self) -> Vec<StepNo> {
        self.all
            .range(..self.floor)
            .filter(|(_, step)| matches!(step.is, Is::Waiting(_) | Is::Intent { .. }))
            .map(|(no, _)| *no)
            .collect()
    }
}
