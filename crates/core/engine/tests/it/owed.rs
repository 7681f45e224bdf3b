//! What is owed: by agents that are away, by hosts that are dead, by jobs that were given up.

use hostler_model::command::Outcome;
use hostler_model::job::{JobState, StepIs};
use hostler_model::request::Request;
use hostler_model::seen::Power;
use hostler_model::vm::Presence;
use hostler_model::{Code, Key};

use crate::world::{World, agent, create, ours, vm_id};

#[test]
fn a_step_for_an_agent_that_is_away_leaves_when_it_has_shown_its_machines() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    world.lose(0);
    world.sent();
    world.pass(3_600_000);
    assert_eq!(world.sent(), Vec::<String>::new());
    world.connect(0);
    assert_eq!(world.sent(), Vec::<String>::new(), "not before the full picture");
    world.picture(0, Vec::new());
    assert!(world.sent().iter().any(|word| word == "make disk" || word == "revoke"));
    assert!(world.jobs[&job].is_open());
}

#[test]
fn what_may_be_lost_is_sent_again_after_ten_seconds() {
    let mut world = World::with_vms(1, &[Power::Off]);
    world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    world.sent();
    world.pass(9_999);
    assert_eq!(world.sent(), Vec::<String>::new());
    world.pass(1);
    assert_eq!(world.sent(), ["start"]);
    world.pass(10_000);
    assert_eq!(world.sent(), ["start"]);
}

#[test]
fn an_agent_that_owes_nothing_rings_no_alarm() {
    let mut world = World::with_vms(3, &[Power::Off]);
    assert_eq!(world.engine.next_alarm(), None);
    let job = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    world.done(job, "start");
    world.pass(10_000);
    assert_eq!(world.engine.next_alarm(), None);
}

#[test]
fn a_job_given_up_ends_for_its_caller_and_its_debt_is_paid_when_the_host_is_back() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    let vm = world.vm_of(job);
    world.lose(0);
    world.abandon(job).unwrap();
    assert_eq!(world.state(job), JobState::FailedCleanupOwed);
    let busy = world.ask(Request::DeleteVm { vm, disks: true }).unwrap_err();
    assert_eq!(busy.code, Code::VmBusy, "the machine stays bound to its host");
    world.sent();
    world.connect(0);
    world.picture(0, Vec::new());
    assert_eq!(world.sent(), ["revoke"]);
    world.done(job, "make-disk");
    assert_eq!(world.sent(), ["undo delete disk"]);
    world.done(job, "make-disk");
    assert_eq!(world.state(job), JobState::Cancelled);
    assert!(!world.record.contains_key(&Key::Vm(vm)));
}

#[test]
fn a_host_declared_dead_ends_what_waited_for_it_and_its_machines_are_missing() {
    let mut world = World::with_vms(2, &[Power::Off, Power::Running]);
    let job = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    let dead = Request::DeclareHostDead { host: agent(0).into(), confirm: "host-0".into() };
    let refused = world.ask(dead.clone()).unwrap_err();
    assert_eq!(refused.code, Code::ObjectInUse, "who answers is not dead");
    world.lose(0);
    let unsure = Request::DeclareHostDead { host: agent(0).into(), confirm: "host".into() };
    assert_eq!(world.ask(unsure).unwrap_err().code, Code::ValueInvalid);
    let declared = world.ask(dead).unwrap();
    assert_eq!(world.state(declared), JobState::Completed);
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert!(matches!(world.vm(vm_id(2)).presence, Presence::Missing { .. }));
    let under_job = world.vm(vm_id(1)).presence;
    assert!(
        matches!(under_job, Presence::Missing { .. }),
        "its job ended after it was given up: {under_job:?}"
    );
    world.connect(0);
    world.picture(0, vec![ours(vm_id(1), Power::Off), ours(vm_id(2), Power::Running)]);
    assert_eq!(world.vm(vm_id(2)).presence, Presence::Here, "it was not dead after all");
}

#[test]
fn who_asks_with_wait_is_queued_and_others_are_told_who_is_at_work() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let vm = vm_id(1);
    let first = world.ask(Request::StartVm { vm }).unwrap();
    let busy = world.ask(Request::PauseVm { vm }).unwrap_err();
    assert_eq!(busy.code, Code::VmBusy);
    assert!(busy.cause.contains(&format!("job {first}")), "{busy:?}");
    let second = world.ask_with(Request::PauseVm { vm }, None, true).unwrap();
    assert_eq!(world.state(second), JobState::Queued);
    world.answer_with(first, "start", Outcome::done(), Some(ours(vm, Power::Running)));
    assert_eq!(world.is(second, "pause"), &StepIs::Out);
    let third = world.ask_with(Request::ResumeVm { vm }, None, true).unwrap();
    world.cancel(third).unwrap();
    assert_eq!(world.state(third), JobState::Cancelled, "what waits is cancelled at once");
}

#[test]
fn who_waited_in_vain_is_told_why() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let vm = vm_id(1);
    let first = world.ask(Request::StartVm { vm }).unwrap();
    let second = world.ask_with(Request::StartVm { vm }, None, true).unwrap();
    world.answer_with(first, "start", Outcome::done(), Some(ours(vm, Power::Running)));
    assert_eq!(world.state(second), JobState::FailedUndone);
    assert_eq!(world.jobs[&second].error.as_ref().unwrap().code, Code::VmStateForbids);
}

#[test]
fn after_a_restart_jobs_continue_and_after_a_restore_they_end_without_undo() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    world.done(job, "make-disk");
    world.restart(false);
    world.connect(0);
    world.sent();
    world.picture(0, Vec::new());
    assert_eq!(world.sent(), ["define"]);
    world.restart(true);
    assert!(!world.jobs[&job].is_open());
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::AgentOutcomeUnknown);
    world.connect(0);
    world.picture(0, Vec::new());
    assert_eq!(world.sent(), Vec::<String>::new(), "nothing is taken back on a host");
}
