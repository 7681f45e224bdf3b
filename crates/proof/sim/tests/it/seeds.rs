//! Seeds whose stories were once bad, kept for ever, and a few fresh ones.

use hostler_sim::mutant::Mutant;
use hostler_sim::story::{Size, run};

/// Each with what was wrong.
const KEPT: &[(u64, &str)] = &[
    (592, "a restore ended the deletion of a machine without the conclusion that it was gone"),
    (
        4416,
        "a restored store began an epoch that the fleet had met, so an old answer was taken for a new step's",
    ),
    (2309, "a doubled hello opened a second session, which no connection of the product does"),
    (5786, "the same"),
    (6209, "the same"),
    (
        15426,
        "a fact that came twice brought a machine back whose record was gone: the second time it counted as new",
    ),
    (28104, "a machine that was undefined before anybody had seen it stood as here for ever"),
    (4906, "what a client chose to keep was known only of commits that did not end in a crash"),
    (9416, "what an administrator had undefined was defined again, and that is no fault"),
    (81, "a restored record goes back, and that is no fault"),
    (2, "a computer was enrolled anew, and by its journal the server took itself for restored"),
    (11, "a job that ended with the loss of its host called the host's machine present"),
    (412, "what a failed restart of a host started again was started all at once"),
    (419, "a machine that stands still as at a hand-over stays for somebody to settle, and that is no fault"),
    (
        2443,
        "an old host was declared dead in a move, which then said that it was taken back, and had arrived",
    ),
    (
        3554,
        "a welcome that came twice asked for two certificates at once, which no agent of the product does",
    ),
];

#[test]
fn stories_that_were_once_bad_are_good() {
    for (seed, what) in KEPT {
        if let Some(failure) = run(*seed, Size::default(), None, false).failure {
            panic!("seed {seed} ({what}): {failure}");
        }
    }
}

#[test]
fn three_hundred_stories_hold() {
    for seed in 1..=300 {
        if let Some(failure) = run(seed, Size::default(), None, false).failure {
            panic!("seed {seed}: {failure}");
        }
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let tell = || run(7, Size::default(), None, true).told;
    assert_eq!(tell(), tell());
}

#[test]
fn faults_that_are_easily_planted_are_easily_found() {
    for mutant in [
        Mutant::DeliveredTwice,
        Mutant::KeysLost,
        Mutant::LimitIsFailure,
        Mutant::EpochNotRaised,
        Mutant::GivenUpForgotten,
        Mutant::ProgramKept,
        Mutant::EndedLetIn,
        Mutant::RenewedUnwritten,
        Mutant::WaitsUnheard,
        Mutant::AllAtOnce,
    ] {
        let found = (1..=20).any(|seed| run(seed, Size::default(), Some(mutant), false).failure.is_some());
        assert!(found, "{} is not found within 20 seeds", mutant.word());
    }
}
