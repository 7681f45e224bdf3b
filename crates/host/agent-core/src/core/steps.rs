//! What leads a step from its first word to its outcome.

use hostler_model::StepNo;
use hostler_model::command::{Command, Outcome};

use super::{Core, intent};
use crate::journal::JournalEntry;
use crate::say::{Output, Task};
use crate::steps::{Is, Listing, MOST_STEPS, Step};

impl Core {
    pub(super) fn raise_floor(&mut self, floor: StepNo, out: &mut Vec<Output>) {
        if floor <= self.steps.floor {
            return;
        }
        self.steps.raise_floor(floor);
        self.floor_at = self.write(JournalEntry::Floor { no: floor }, out);
        for no in self.steps.not_begun_below_floor() {
            self.bury(no, out);
        }
        let steps = &self.steps;
        self.owed.retain(|no| steps.all.contains_key(no));
    }

    pub(super) fn asked_to_do(&mut self, task: Task) {
        let no = task.no;
        match self.steps.all.get(&no) {
            Some(Step { is: Is::Ended { .. }, .. }) => {
                self.owed.insert(no);
            }
            Some(_) => {}
            None if no < self.steps.floor => {
                self.late.insert(no);
            }
            None if self.steps.all.len() >= MOST_STEPS => {}
            None => self.steps.wait(task),
        }
    }

    pub(super) fn asked_to_revoke(&mut self, no: StepNo, out: &mut Vec<Output>) {
        let full = self.steps.all.len() >= MOST_STEPS;
        match self.steps.all.get_mut(&no).map(|step| &mut step.is) {
            Some(Is::Ended { .. }) => {
                self.owed.insert(no);
            }
            Some(Is::AtWork { aborting, .. }) => {
                if !std::mem::replace(aborting, true) {
                    out.push(Output::Abort { no });
                }
            }
            Some(Is::Waiting(_) | Is::Intent { .. }) => self.bury(no, out),
            None if no < self.steps.floor => {
                self.late.insert(no);
            }
            None if full => {}
            None => self.bury(no, out),
        }
    }

    /// A step that has not begun never will.
    pub(super) fn bury(&mut self, no: StepNo, out: &mut Vec<Output>) {
        let position = self.write(JournalEntry::Tombstone { no }, out);
        self.steps.end(no, Outcome::Revoked, position);
        self.owed.insert(no);
    }

    pub(super) fn begin_what_may(&mut self, out: &mut Vec<Output>) {
        while let Some(task) = self.steps.next() {
            let no = task.no;
            let position = self.write(intent(&task), out);
            self.intents.push_back((position, no));
            if let Some(step) = self.steps.all.get_mut(&no) {
                step.is = Is::Intent { task, position };
            }
        }
    }

    pub(super) fn begin(&mut self, no: StepNo, position: u64, out: &mut Vec<Output>) {
        let Some(step) = self.steps.all.get_mut(&no) else { return };
        let Is::Intent { task, position: intended } = &step.is else { return };
        if *intended != position {
            return;
        }
        let task = task.clone();
        let reads_host = matches!(*task.command, Command::ReadHost);
        step.is = Is::AtWork { task: task.clone(), aborting: false, ended: None, listing: Listing::Enough };
        out.push(Output::Begin(task));
        if reads_host {
            let number = self.want_list(out);
            if let Some(Step { is: Is::AtWork { listing, .. }, .. }) = self.steps.all.get_mut(&no) {
                *listing = Listing::Awaited(number);
            }
        }
    }

    pub(super) fn ended(&mut self, no: StepNo, outcome: Outcome, out: &mut Vec<Output>) {
        let Some(Step { is: Is::AtWork { ended, listing, .. }, .. }) = self.steps.all.get_mut(&no) else {
            return;
        };
        let outcome = match listing {
            Listing::Awaited(_) => {
                *ended = Some(outcome);
                return;
            }
            Listing::Failed(refusal) => Outcome::Failed { refusal: refusal.clone() },
            Listing::Enough => outcome,
        };
        self.close_step(no, outcome, out);
    }

    pub(super) fn close_step(&mut self, no: StepNo, outcome: Outcome, out: &mut Vec<Output>) {
        let position = self.write(JournalEntry::Outcome { no, outcome: outcome.clone() }, out);
        self.steps.end(no, outcome, position);
        self.owed.insert(no);
    }
}
