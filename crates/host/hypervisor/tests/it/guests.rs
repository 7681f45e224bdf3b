//! What waits for a guest: shut down and detach.

use hostler_hypervisor::perform::{ASK_AGAIN_MS, PRESS_AGAIN_MS};
use hostler_hypervisor::simulated::{Effect, Manners, Outside, What};
use hostler_hypervisor::{Machines, NoWatch, Performing, Turn, Watch};
use hostler_model::Code;
use hostler_model::command::{Command, Outcome};
use hostler_model::seen::Power;

use crate::bench::{Bench, disk, domain, mark};

/// Asks a command to stop.
struct Stopped;

impl Watch for Stopped {
    fn progress(&self, _done: u64, _of: u64) {}
    fn aborted(&self) -> bool {
        true
    }
}

fn shut_down(limit_ms: u64) -> Command {
    Command::ShutDown { domain: domain(5), limit_ms }
}

fn detach(limit_ms: u64) -> Command {
    Command::DetachDisk { domain: domain(5), target: "vda".into(), file: disk(5, 0).file, limit_ms }
}

fn failed_with(outcome: &Outcome) -> Option<Code> {
    match outcome {
        Outcome::Failed { refusal } => Some(refusal.code),
        _ => None,
    }
}

fn times(bench: &Bench, what: What) -> u32 {
    bench.host.effects().iter().filter(|(effect, _)| effect.what == what).map(|(_, times)| times).sum()
}

#[test]
fn a_guest_that_obeys_is_off_and_was_asked_once() {
    let bench = Bench::with_running(5);
    bench.host.set_manners(domain(5), Manners::GOOD);
    assert_eq!(bench.run(shut_down(60_000)), Outcome::done());
    assert_eq!(bench.host.truth_of(domain(5)).unwrap().power, Power::Off);
    assert_eq!(times(&bench, What::AskedToShutDown), 1);
}

#[test]
fn a_guest_that_ignores_it_runs_on_and_the_remedy_is_named() {
    let bench = Bench::with_running(5);
    let outcome = bench.run(shut_down(60_000));
    assert_eq!(failed_with(&outcome), Some(Code::GuestIgnored));
    assert_eq!(bench.host.truth_of(domain(5)).unwrap().power, Power::Running);
    let Outcome::Failed { refusal } = outcome else { panic!() };
    assert!(refusal.remedy.contains("Turn it off"), "{refusal:?}");
}

#[test]
fn a_shut_down_revoked_before_it_began_has_no_effect() {
    let bench = Bench::with_running(5);
    let performing = Performing::new(shut_down(60_000), mark("step"), false);
    assert_eq!(bench.run_to_end(performing, &Stopped), Outcome::Revoked);
    assert_eq!(times(&bench, What::AskedToShutDown), 0);
}

#[test]
fn a_guest_that_was_still_booting_is_asked_again() {
    let bench = Bench::with_running(5);
    let mut performing = Performing::new(shut_down(300_000), mark("step"), false);
    performing.turn(&bench.world(), 0, &NoWatch);
    bench.host.set_manners(domain(5), Manners::GOOD);
    bench.pass(PRESS_AGAIN_MS - 1);
    performing.turn(&bench.world(), PRESS_AGAIN_MS - 1, &NoWatch);
    assert_eq!(times(&bench, What::AskedToShutDown), 1, "it may be about it");
    assert_eq!(bench.run_to_end(performing, &NoWatch), Outcome::done());
    assert_eq!(times(&bench, What::AskedToShutDown), 2);
}

#[test]
fn a_machine_that_shut_down_and_was_started_by_another_is_left_alone() {
    let bench = Bench::with_running(5);
    let mut performing = Performing::new(shut_down(300_000), mark("step"), false);
    performing.turn(&bench.world(), 0, &NoWatch);
    bench.host.outside(&Outside::TurnOff(domain(5))).unwrap();
    bench.host.outside(&Outside::Start(domain(5))).unwrap();
    assert_eq!(performing.turn(&bench.world(), PRESS_AGAIN_MS, &NoWatch), Turn::Ended(Outcome::done()));
    assert_eq!(times(&bench, What::AskedToShutDown), 1);
}

#[test]
fn a_button_that_was_pressed_cannot_be_unpressed() {
    for (manners, done) in [(Manners::DEAF, false), (Manners::GOOD, true)] {
        let bench = Bench::with_running(5);
        bench.host.set_manners(domain(5), manners);
        let mut performing = Performing::new(shut_down(60_000), mark("step"), false);
        let Turn::Wait { .. } = performing.turn(&bench.world(), 0, &NoWatch) else { panic!() };
        bench.pass(10_000);
        let Turn::Ended(outcome) = performing.turn(&bench.world(), 10_000, &Stopped) else { panic!() };
        assert_eq!(outcome == Outcome::done(), done);
        assert_eq!(failed_with(&outcome), (!done).then_some(Code::JobCancelled));
    }
}

#[test]
fn a_machine_that_is_saved_instead_of_shut_down_was_not_shut_down() {
    let bench = Bench::with_running(5);
    let mut performing = Performing::new(shut_down(60_000), mark("step"), false);
    performing.turn(&bench.world(), 0, &NoWatch);
    bench.host.outside(&Outside::Save(domain(5))).unwrap();
    let Turn::Ended(outcome) = performing.turn(&bench.world(), 1_000, &NoWatch) else { panic!() };
    assert_eq!(failed_with(&outcome), Some(Code::HypervisorFailed));
}

#[test]
fn a_detach_is_done_when_the_disk_is_gone_and_not_when_the_guest_was_asked() {
    let bench = Bench::with_running(5);
    let manners = Manners { lets_go_after_ms: Some(8_000), ..Manners::DEAF };
    bench.host.set_manners(domain(5), manners);
    let mut performing = Performing::new(detach(60_000), mark("step"), false);
    let Turn::Wait { .. } = performing.turn(&bench.world(), 0, &NoWatch) else { panic!("too early") };
    assert!(bench.host.holds_disk(domain(5), "vda").unwrap().is_some());
    assert_eq!(bench.run_to_end(performing, &NoWatch), Outcome::done());
    assert!(bench.host.holds_disk(domain(5), "vda").unwrap().is_none());
}

#[test]
fn a_guest_that_keeps_its_disk_is_asked_again_and_then_given_up() {
    let bench = Bench::with_running(5);
    let outcome = bench.run(detach(3 * ASK_AGAIN_MS + 1_000));
    assert_eq!(failed_with(&outcome), Some(Code::GuestIgnored));
    assert!(bench.host.holds_disk(domain(5), "vda").unwrap().is_some());
    // The later askings are refused by QEMU while the first is pending; only what was accepted counts.
    let asked = Effect { by: None, what: What::AskedToDetach, on: format!("{} vda", domain(5)) };
    assert_eq!(bench.host.effects()[&asked], 1);
}

#[test]
fn a_detach_of_a_machine_that_is_turned_off_meanwhile_is_done() {
    let bench = Bench::with_running(5);
    let mut performing = Performing::new(detach(60_000), mark("step"), false);
    performing.turn(&bench.world(), 0, &NoWatch);
    bench.host.outside(&Outside::TurnOff(domain(5))).unwrap();
    assert_eq!(performing.turn(&bench.world(), 1_000, &NoWatch), Turn::Ended(Outcome::done()));
}

#[test]
fn another_file_at_the_target_is_not_detached() {
    let bench = Bench::with_running(5);
    let command = Command::DetachDisk {
        domain: domain(5),
        target: "vda".into(),
        file: "/vms/other".into(),
        limit_ms: 1_000,
    };
    assert!(matches!(bench.run(command), Outcome::Refused { .. }));
    assert_eq!(times(&bench, What::AskedToDetach), 0);
}
