//! Forward, back, and what lies between: cancel, limits, failure, the point of no return.

use hostler_model::command::{Command, Outcome};
use hostler_model::job::{JobState, StepIs};
use hostler_model::request::Request;
use hostler_model::seen::Power;
use hostler_model::{Code, Key, Refusal};

use crate::world::{World, create, ours, trouble, vm_id};

#[test]
fn a_creation_goes_step_by_step_and_its_machine_stays() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    assert_eq!(world.sent(), ["make disk"]);
    world.done(job, "make-disk");
    assert_eq!(world.sent(), ["define"]);
    world.done(job, "define");
    assert_eq!(world.keys(job), ["record", "make-disk", "define", "defined"]);
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.vm(world.vm_of(job)).spec.name.as_str(), "web");
}

#[test]
fn cancelled_before_the_point_everything_is_taken_back() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    let vm = world.vm_of(job);
    world.done(job, "make-disk");
    world.sent();
    assert_eq!(world.cancel(job), Ok(job));
    assert_eq!(world.sent(), ["revoke"], "a step that was sent is owed an answer");
    assert_eq!(world.state(job), JobState::Running);
    world.answer(job, "define", Outcome::Revoked);
    assert_eq!(world.sent(), ["undo delete disk"]);
    assert_eq!(world.state(job), JobState::Undoing);
    world.done(job, "make-disk");
    assert_eq!(world.state(job), JobState::Cancelled);
    assert!(!world.record.contains_key(&Key::Vm(vm)), "the record of the machine is taken back, too");
}

#[test]
fn cancelled_after_the_point_is_refused_and_the_job_completes() {
    let mut world = World::new(1);
    let Request::CreateVm(mut ask) = create("web") else { unreachable!() };
    ask.start = true;
    let job = world.ask(Request::CreateVm(ask)).unwrap();
    world.done(job, "make-disk");
    world.done(job, "define");
    assert_eq!(world.cancel(job).unwrap_err().code, Code::JobPastNoReturn);
    world.done(job, "start");
    assert_eq!(world.state(job), JobState::Completed);
}

#[test]
fn done_that_crosses_a_cancel_on_its_way_completes_the_job() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    world.done(job, "make-disk");
    world.cancel(job).unwrap();
    assert_eq!(world.is(job, "define"), &StepIs::Revoking);
    world.done(job, "define");
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.cancel(job).unwrap_err().code, Code::JobEnded);
}

#[test]
fn an_undo_that_meets_what_is_in_use_keeps_it_and_all_it_stands_on() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    let vm = world.vm_of(job);
    world.done(job, "make-disk");
    world.answer(job, "define", Outcome::Failed { refusal: trouble() });
    assert_eq!(world.undo_of(job, "define"), Some(Command::Undefine { domain: vm.0 }));
    world.sent();
    let running = Refusal::new(Code::ObjectInUse, "vm web", "it is running");
    world.answer_with(job, "define", Outcome::Refused { refusal: running }, Some(ours(vm, Power::Running)));
    assert_eq!(world.state(job), JobState::FailedKept);
    assert_eq!(world.sent(), Vec::<String>::new(), "its disk is not deleted under it");
    assert_eq!(world.vm(vm).power(), Power::Running);
}

#[test]
fn past_the_point_a_failed_step_is_a_warning() {
    let mut world = World::new(1);
    let Request::CreateVm(mut ask) = create("web") else { unreachable!() };
    ask.start = true;
    let job = world.ask(Request::CreateVm(ask)).unwrap();
    world.done(job, "make-disk");
    world.done(job, "define");
    world.answer(job, "start", Outcome::Failed { refusal: trouble() });
    assert_eq!(world.state(job), JobState::CompletedWithWarnings);
    assert_eq!(world.jobs[&job].warnings, [trouble()]);
}

#[test]
fn a_limit_asks_the_agent_and_concludes_nothing_by_itself() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let job = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    world.sent();
    world.pass(119_000);
    assert!(!world.sent().contains(&"revoke".to_owned()));
    world.pass(1_000);
    assert!(world.sent().contains(&"revoke".to_owned()));
    world.pass(600_000);
    assert_eq!(world.state(job), JobState::Running, "nobody knows yet what became of it");
    world.answer(job, "start", Outcome::Revoked);
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::StepTimeLimit);
}

#[test]
fn a_step_that_moves_is_given_time_until_it_counts_as_stuck() {
    let mut world = World::with_vms(1, &[Power::Running]);
    let job = world.ask(Request::SaveVm { vm: vm_id(1) }).unwrap();
    let no = world.jobs[&job].steps[0].no;
    world.now = world.now.plus(320_000);
    world.progress(0, no, 50);
    world.pass(10_000);
    assert!(!world.sent().contains(&"revoke".to_owned()), "330 s have passed, but it moves");
    world.pass(109_000);
    assert!(!world.sent().contains(&"revoke".to_owned()));
    world.pass(2_000);
    assert!(world.sent().contains(&"revoke".to_owned()), "120 s without progress");
}

#[test]
fn what_was_interrupted_is_sent_again_where_that_harms_nobody_and_a_start_is_not() {
    let interrupted =
        || Outcome::Failed { refusal: Refusal::new(Code::AgentInterrupted, "step", "it was interrupted") };
    let mut world = World::with_vms(1, &[Power::Off]);
    let job = world.ask(create("web")).unwrap();
    let before = world.jobs[&job].step("make-disk").unwrap().no;
    world.sent();
    world.answer(job, "make-disk", interrupted());
    assert!(world.sent().is_empty(), "what interrupted it may still last");
    world.pass(1_000);
    assert_eq!(world.sent(), ["make disk"]);
    assert_ne!(world.jobs[&job].step("make-disk").unwrap().no, before, "under a new number");
    world.answer(job, "make-disk", interrupted());
    world.pass(2_000);
    world.answer(job, "make-disk", interrupted());
    assert_eq!(world.state(job), JobState::Undoing, "three tries are enough");
    let start = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    world.answer(start, "start", interrupted());
    assert_eq!(world.state(start), JobState::FailedUndone);
}

#[test]
fn past_the_point_a_step_is_sent_again_for_as_long_as_libvirt_may_be_away() {
    let interrupted =
        || Outcome::Failed { refusal: Refusal::new(Code::AgentInterrupted, "step", "it was interrupted") };
    let mut world = World::with_vms(1, &[Power::Off]);
    let created = world.ask(create("web")).unwrap();
    world.answer(created, "make-disk", Outcome::done());
    world.answer(created, "define", Outcome::done());
    let vm = world.vm_of(created);
    let job = world.ask(Request::DeleteVm { vm, disks: true }).unwrap();
    world.answer(job, "undefine", Outcome::done());
    for _ in 0..8 {
        world.answer(job, "delete-disk-0", interrupted());
        assert_eq!(world.state(job), JobState::Running, "the disk would be left behind");
        world.pass(30_000);
    }
    world.answer(job, "delete-disk-0", Outcome::done());
    assert_eq!(world.state(job), JobState::Completed);
}

#[test]
fn no_more_of_a_class_is_sent_to_a_host_than_the_settings_allow() {
    let mut world = World::with_vms(1, &[Power::Off; 6]);
    let jobs: Vec<_> = (1..=6).map(|n| world.ask(Request::StartVm { vm: vm_id(n) }).unwrap()).collect();
    assert_eq!(world.sent().len(), 4);
    assert_eq!(world.is(jobs[4], "start"), &StepIs::Held);
    world.answer_with(jobs[0], "start", Outcome::done(), Some(ours(vm_id(1), Power::Running)));
    assert_eq!(world.sent(), ["start"]);
    assert_eq!(world.is(jobs[4], "start"), &StepIs::Out, "the first that waited goes first");
    assert_eq!(world.is(jobs[5], "start"), &StepIs::Held);
}

#[test]
fn a_held_step_that_is_cancelled_never_leaves() {
    let mut world = World::with_vms(1, &[Power::Off; 5]);
    let jobs: Vec<_> = (1..=5).map(|n| world.ask(Request::StartVm { vm: vm_id(n) }).unwrap()).collect();
    world.sent();
    world.cancel(jobs[4]).unwrap();
    assert_eq!(world.state(jobs[4]), JobState::Cancelled);
    world.done(jobs[0], "start");
    assert_eq!(world.sent(), Vec::<String>::new());
}

#[test]
fn an_undo_that_fails_is_tried_again_and_in_the_end_stands_as_owed() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    world.done(job, "make-disk");
    world.cancel(job).unwrap();
    world.answer(job, "define", Outcome::Revoked);
    for _ in 0..5 {
        world.answer(job, "make-disk", Outcome::Failed { refusal: trouble() });
        assert!(world.jobs[&job].is_open());
        world.pass(60_000);
    }
    assert_eq!(world.state(job), JobState::FailedCleanupOwed);
    world.done(job, "make-disk");
    assert!(!world.jobs[&job].is_open());
    assert_eq!(world.state(job), JobState::Cancelled);
}
