//! What a job's steps come to: which go next, which failures only warn, in which words one that was revoked is told, and what
//! a move of which the old host cannot tell comes to.

use hostler_model::command::{Answer, Outcome};
use hostler_model::job::{Job, Step, StepIs};
use hostler_model::{Code, Refusal};

use crate::plan::PlannedStep;

/// Why a step is in doubt of which an agent that is newer says something else.
pub(crate) const UNKNOWN_ANSWER: &str = "the agent's answer is not known to this version";

/// What became of a move. Where the old host cannot say whether the machine has left, the new one is asked: taken back as
/// failed, it would be treated as never having left.
pub(crate) fn asked_there(outcome: Outcome) -> Outcome {
    let why = match outcome {
        Outcome::InDoubt { refusal } => refusal.cause,
        Outcome::Unknown | Outcome::Done { answer: Answer::Unknown } => UNKNOWN_ANSWER.to_owned(),
        known => return known,
    };
    Outcome::Done { answer: Answer::Moved { sure: false, why } }
}

pub(crate) fn cancelled(by: &str) -> Refusal {
    Refusal::new(Code::JobCancelled, "job", format!("{by} cancelled it"))
}

pub(crate) fn revoked(job: &Job, step: &Step) -> Refusal {
    match &job.cancelled_by {
        Some(by) => cancelled(&by.words()),
        None => Refusal::new(
            Code::StepTimeLimit,
            format!("step {}", step.key),
            format!("it took longer than {} s and was revoked", step.limit_ms / 1000),
        )
        .remedy("Look at the host's load, then try again"),
    }
}

/// Past the point a failed step no longer fails the job: it is named in a warning, once.
pub(crate) fn note_failures(job: &mut Job) {
    let decided = job.steps.iter().find(|step| step.decides).map_or(0, |step| step.stage);
    let mut warnings = Vec::new();
    for step in job.steps.iter().filter(|step| step.stage > decided) {
        let warning = match &step.is {
            StepIs::Failed { error } | StepIs::InDoubt { error } => error.clone(),
            StepIs::Revoked => revoked(job, step),
            _ => continue,
        };
        if !job.warnings.contains(&warning) && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    job.warnings.extend(warnings);
}

/// The steps to issue next: the first stage with any that has not left, provided that all before it have ended.
pub(crate) fn next_stage(job: &Job, planned: &[PlannedStep]) -> Vec<PlannedStep> {
    let left = |key: &str| job.steps.iter().any(|step| step.key == key);
    // Past the point a step that a newer version put before it is passed over.
    let from =
        if job.past_point { planned.iter().position(|step| step.decides).map_or(0, |at| at + 1) } else { 0 };
    let Some(stage) = planned.iter().skip(from).find(|step| !left(&step.key)).map(|step| step.stage) else {
        return Vec::new();
    };
    planned.iter().skip(from).filter(|step| step.stage == stage && !left(&step.key)).cloned().collect()
}
