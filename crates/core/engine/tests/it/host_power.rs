//! A host that is restarted: what is stopped how, what is taken back, and what is started again.

use hostler_model::command::{Command, Outcome};
use hostler_model::job::{Act, JobState};
use hostler_model::request::{EditVm, Request};
use hostler_model::seen::Power;
use hostler_model::vm::StopAction;
use hostler_model::{Code, JobId};

use crate::world::{World, agent, ours, trouble, vm_id};

fn restart() -> Request {
    Request::RestartHost { host: agent(0).into() }
}

fn stops_by(world: &mut World, vm: u128, action: StopAction) {
    let edit = EditVm { stop_action: Some(action), ..EditVm::default() };
    let job = world.ask(Request::EditVm { vm: vm_id(vm), edit }).unwrap();
    assert_eq!(world.state(job), JobState::Completed);
}

/// Three machines that run, one that is off, and the job that restarts their host, which has been read.
fn restarting() -> (World, JobId) {
    let mut world = World::with_vms(1, &[Power::Running, Power::Running, Power::Running, Power::Off]);
    stops_by(&mut world, 2, StopAction::ShutDown);
    stops_by(&mut world, 3, StopAction::TurnOff);
    world.sent();
    let job = world.ask(restart()).unwrap();
    assert_eq!(world.sent(), ["read host"]);
    world.done(job, "read");
    (world, job)
}

fn stop(world: &mut World, job: JobId, key: &str, vm: u128, power: Power) {
    world.answer_with(job, key, Outcome::done(), Some(ours(vm_id(vm), power)));
}

#[test]
fn machines_stop_as_each_says_and_start_again_when_the_host_is_back() {
    let (mut world, job) = restarting();
    let mut sent = world.sent();
    sent.sort();
    assert_eq!(sent, ["save", "shut down", "turn off"]);
    stop(&mut world, job, "stop-1", 1, Power::Saved);
    stop(&mut world, job, "stop-2", 2, Power::Off);
    assert_eq!(world.sent(), Vec::<String>::new(), "one still runs");
    stop(&mut world, job, "stop-3", 3, Power::Off);
    assert_eq!(world.sent(), ["restart host"]);
    world.done(job, "restart");
    assert_eq!(world.sent(), ["see whether it restarted"]);
    assert_eq!(world.cancel(job).unwrap_err().code, Code::JobPastNoReturn);
    world.done(job, "see-restarted");
    assert_eq!(world.sent(), ["start", "start", "start"], "what was off stays off");
    for n in 1..=3 {
        stop(&mut world, job, &format!("start-{n}"), n, Power::Running);
    }
    assert_eq!(world.state(job), JobState::Completed);
}

#[test]
fn machines_that_start_again_do_so_as_few_at_a_time_as_any() {
    let mut world = World::with_vms(1, &[Power::Running; 6]);
    let job = world.ask(restart()).unwrap();
    world.done(job, "read");
    for n in 1..=5 {
        stop(&mut world, job, &format!("stop-{n}"), n, Power::Saved);
    }
    world.sent();
    world.answer(job, "stop-6", Outcome::Failed { refusal: trouble() });
    assert_eq!(world.sent(), ["undo start"; 4], "so many starts a host is given at one time");
    stop(&mut world, job, "stop-1", 1, Power::Running);
    world.pass(1_000);
    assert_eq!(world.sent(), ["undo start"]);
    for n in 2..=5 {
        stop(&mut world, job, &format!("stop-{n}"), n, Power::Running);
    }
    world.pass(1_000);
    assert_eq!(world.sent(), ["undo start"]);
    stop(&mut world, job, "stop-6", 6, Power::Running);
    assert_eq!(world.state(job), JobState::FailedUndone);
}

#[test]
fn a_guest_that_does_not_shut_down_keeps_its_host_up_and_the_others_start_again() {
    let (mut world, job) = restarting();
    world.sent();
    stop(&mut world, job, "stop-1", 1, Power::Saved);
    stop(&mut world, job, "stop-3", 3, Power::Off);
    world.answer(job, "stop-2", Outcome::Failed { refusal: trouble() });
    assert_eq!(
        world.sent(),
        ["undo start", "undo start", "undo start"],
        "it may have gone down a moment later"
    );
    stop(&mut world, job, "stop-1", 1, Power::Running);
    stop(&mut world, job, "stop-2", 2, Power::Running);
    stop(&mut world, job, "stop-3", 3, Power::Running);
    assert_eq!(world.state(job), JobState::FailedUndone);
    let restarts = |step: &hostler_model::job::Step| matches!(&step.act, Act::Agent { command, .. } if matches!(**command, Command::RestartHost { .. }));
    assert!(!world.jobs[&job].steps.iter().any(restarts), "the computer was never told");
}

#[test]
fn nothing_begins_on_a_host_that_is_about_to_go() {
    let (mut world, _) = restarting();
    world.sent();
    let start = world.ask_with(Request::StartVm { vm: vm_id(4) }, None, true).unwrap();
    assert_eq!(world.sent(), Vec::<String>::new());
    assert_eq!(world.state(start), JobState::Queued);
}

#[test]
fn a_machine_that_can_be_neither_saved_nor_shut_down_is_named_before_anything_happens() {
    let mut world = World::with_vms(1, &[Power::Running, Power::PausedStorageFull]);
    world.sent();
    let refused = world.ask(restart()).unwrap_err();
    assert_eq!(refused.code, Code::VmStateForbids);
    assert!(refused.object.contains("vm"), "{refused}");
    assert_eq!(world.sent(), Vec::<String>::new());
}
