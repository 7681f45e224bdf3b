//! A dry run says what the real run does, and changes nothing.

use hostler_model::job::JobKind;
use hostler_sim::kinds::rehearse;

#[test]
fn a_rehearsal_of_every_kind_changes_nothing_and_comes_true() {
    for kind in JobKind::ALL.iter().filter(|kind| **kind != JobKind::Refresher) {
        for seed in 1..=4 {
            let asked = rehearse(*kind, seed, false).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
            assert!(asked, "{} has no fixture", kind.word());
        }
    }
}

#[test]
fn after_a_storm_a_rehearsal_comes_true_as_well() {
    let mut asked = 0;
    for seed in 1..=250_u64 {
        let kind = JobKind::ALL[(seed as usize * 7) % JobKind::ALL.len()];
        asked += u32::from(rehearse(kind, seed, true).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}")));
    }
    assert!(asked >= 120, "{asked} of 250 seeds had something to ask");
}
