//! Every kind of the registry under every single trouble.

use hostler_model::job::JobKind;
use hostler_sim::kinds::{Moment, Script, Trial, try_kind};

/// How many different requests of a kind are tried: creations differ most.
fn variants(kind: JobKind) -> u64 {
    if kind == JobKind::CreateVm { 5 } else { 2 }
}

fn all() -> impl Iterator<Item = (JobKind, u64)> {
    let kinds = JobKind::ALL.iter().filter(|kind| **kind != JobKind::Refresher);
    kinds.flat_map(|kind| (1..=variants(*kind)).map(move |seed| (*kind, seed)))
}

fn check(kind: JobKind, seed: u64, script: &Script) -> Trial {
    let trial = try_kind(kind, seed, script.clone());
    if let Some(wrong) = &trial.wrong {
        let tail = trial.told.len().saturating_sub(25);
        panic!("{} (seed {seed}) under {script:?}: {wrong}\n{}", kind.word(), trial.told[tail..].join("\n"));
    }
    trial
}

/// Tries `script(1)`, `script(2)` and so on until the trouble no longer comes about; answers how often it did.
fn each(kind: JobKind, seed: u64, script: impl Fn(u32) -> Script) -> u32 {
    (1..40).find(|n| !check(kind, seed, &script(*n)).fired).expect("a job has fewer steps than that") - 1
}

#[test]
fn every_kind_of_job_completes_when_nothing_goes_wrong() {
    for (kind, seed) in all() {
        check(kind, seed, &Script::default());
    }
}

#[test]
fn everything_delivered_twice_is_done_once() {
    for (kind, seed) in all() {
        check(kind, seed, &Script { doubled: true, ..Script::default() });
    }
}

#[test]
fn a_step_that_fails_before_the_point_is_taken_back_and_after_it_named() {
    let mut tried = 0;
    for (kind, seed) in all() {
        for doubled in [false, true] {
            tried += each(kind, seed, |n| Script { fail_step: Some(n), doubled, ..Script::default() });
        }
    }
    assert!(tried >= 100, "{tried} steps failed");
}

#[test]
fn an_agent_that_dies_in_a_step_leaves_nothing_half_done() {
    let mut tried = 0;
    for (kind, seed) in all() {
        for moment in [Moment::Begin, Moment::Halfway, Moment::BeforeOutcome] {
            tried += each(kind, seed, |n| Script { crash_step: Some(n), moment, ..Script::default() });
        }
    }
    assert!(tried >= 150, "{tried} agents died");
}

#[test]
fn an_agent_that_dies_in_an_undo_finishes_it_later() {
    let mut tried = 0;
    for (kind, seed) in all() {
        for moment in [Moment::Begin, Moment::Halfway, Moment::BeforeOutcome] {
            for fails in 1..=4 {
                tried += each(kind, seed, |n| Script {
                    fail_step: Some(fails),
                    crash_undo: Some(n),
                    moment,
                    ..Script::default()
                });
            }
        }
    }
    assert!(tried >= 30, "{tried} agents died");
}

#[test]
fn a_server_that_dies_around_a_commit_finishes_the_job_all_the_same() {
    let mut tried = 0;
    for (kind, seed) in all() {
        for how in 0..3 {
            tried +=
                each(kind, seed, |n| Script { crash_server: Some(n), how: Some(how), ..Script::default() });
        }
    }
    assert!(tried >= 200, "{tried} servers died");
}

#[test]
fn a_job_cancelled_at_any_moment_is_taken_back_or_completes() {
    let mut tried = 0;
    for (kind, seed) in all() {
        tried += each(kind, seed, |n| Script { cancel_at: Some(n), ..Script::default() });
    }
    assert!(tried >= 80, "{tried} jobs were cancelled");
}
