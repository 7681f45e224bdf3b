//! The way back: what a job did is taken back stage by stage, the last first. An undo that fails is tried again; one that
//! meets what is in use keeps it, and all it stands on.

use hostler_model::Ms;
use hostler_model::command::{Answer, Outcome};
use hostler_model::job::{Job, Step, StepIs, Undo};

use crate::jobs::end;
use crate::{Engine, Turn};

/// How often an undo is tried before its job ends for the caller; what it owes stands, and is tried for ever.
const UNDO_TRIES: u8 = 5;
/// How long after a failed undo it is tried again, and after which it is doubled: libvirt restarts within seconds.
const UNDO_WAIT_MS: Ms = 2_000;
/// The longest wait between two tries of an undo.
const UNDO_LONGEST_WAIT_MS: Ms = 60_000;

impl Engine {
    /// Takes back the last stage that has something to take back.
    pub(crate) fn back(&mut self, job: &mut Job, turn: &mut Turn<'_>) -> bool {
        self.retry_undo(job, turn);
        if job.steps.iter().any(|step| matches!(step.is, StepIs::Undoing | StepIs::UndoWaits { .. })) {
            return false;
        }
        if job.steps.iter().any(|step| matches!(step.is, StepIs::Kept { .. })) {
            self.conclude(job, turn);
            end(job, turn.now);
            return true;
        }
        let undoable = |step: &Step| match (&step.is, &step.undo) {
            (_, Undo::None) => false,
            // The server stops in the midst of what it does.
            (StepIs::Revoked, Undo::Server { .. }) => true,
            (StepIs::Done { .. } | StepIs::Failed { .. } | StepIs::InDoubt { .. }, _) => true,
            _ => false,
        };
        let Some(stage) = job.steps.iter().filter(|step| undoable(step)).map(|step| step.stage).max() else {
            self.conclude(job, turn);
            end(job, turn.now);
            return true;
        };
        for at in 0..job.steps.len() {
            if job.steps[at].stage != stage || !undoable(&job.steps[at]) {
                continue;
            }
            match job.steps[at].undo.clone() {
                Undo::None => {}
                Undo::Record { records } => {
                    self.apply(job, &records, turn);
                    job.steps[at].is = StepIs::Undone;
                }
                Undo::Server { .. } => {
                    job.steps[at].tries = 0;
                    self.send_undo(job, at, turn);
                }
                Undo::Agent { agent, .. } => {
                    job.steps[at].tries = 0;
                    if self.never(agent).is_some() {
                        job.steps[at].is = StepIs::Undone;
                    } else {
                        self.send_undo(job, at, turn);
                    }
                }
            }
        }
        true
    }

    fn send_undo(&mut self, job: &mut Job, at: usize, turn: &mut Turn<'_>) {
        let no = self.draw_step();
        let step = &mut job.steps[at];
        step.no = no;
        step.tries = step.tries.saturating_add(1);
        step.sent = turn.now;
        step.is = StepIs::Undoing;
        self.send(job, at, turn);
    }

    /// An agent, or the server of itself, says how an undo ended.
    pub(crate) fn undo_ended(&mut self, job: &mut Job, at: usize, outcome: Outcome, turn: &mut Turn<'_>) {
        let step = &mut job.steps[at];
        step.answered = Some(turn.now);
        match outcome {
            Outcome::Done { answer } => {
                step.is = StepIs::Undone;
                if let Answer::Removal { stays, .. } = answer {
                    job.notes.extend(stays.iter().map(|what| format!("stays: {what}")));
                }
            }
            Outcome::Refused { refusal } => step.is = StepIs::Kept { error: refusal },
            Outcome::Failed { .. } | Outcome::InDoubt { .. } | Outcome::Revoked | Outcome::Unknown => {
                let doublings = u32::from(step.tries.saturating_sub(1)).min(8);
                let wait = (UNDO_WAIT_MS << doublings).min(UNDO_LONGEST_WAIT_MS);
                step.is = StepIs::UndoWaits { until: turn.now.plus(wait) };
                if step.tries >= UNDO_TRIES && job.abandoned.is_none() {
                    job.abandoned = Some(turn.now);
                    job.ended = Some(turn.now);
                }
            }
        }
    }

    /// Tries again what was to be taken back and could not be.
    fn retry_undo(&mut self, job: &mut Job, turn: &mut Turn<'_>) {
        for at in 0..job.steps.len() {
            if let StepIs::UndoWaits { until } = job.steps[at].is
                && until <= turn.now
            {
                self.send_undo(job, at, turn);
            }
        }
    }
}
