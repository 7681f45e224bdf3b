//! Live migration: who is asked what, in which order, and what each answer comes to.

use hostler_model::command::{Answer, Command, Leaving, Outcome};
use hostler_model::job::JobState;
use hostler_model::request::Request;
use hostler_model::seen::Power;
use hostler_model::{Code, JobId};

use crate::world::{World, agent, ours, trouble, vm_id};

fn migration() -> Request {
    Request::MigrateVm { vm: vm_id(1), to: None }
}

fn done(answer: Answer) -> Outcome {
    Outcome::Done { answer }
}

fn moved(sure: bool) -> Outcome {
    done(Answer::Moved { sure, why: if sure { String::new() } else { "the connection broke".into() } })
}

/// A machine that runs on host 0, and the job that moves it to host 1, with its step `migrate` on the way.
fn leaving() -> (World, JobId) {
    let mut world = World::with_vms(2, &[Power::Running]);
    world.sent();
    let job = world.ask(migration()).unwrap();
    assert_eq!(world.sent(), ["prepare to leave"]);
    world.answer(job, "leave", done(Answer::Leaving { leaving: Box::new(Leaving::default()) }));
    assert_eq!(world.sent(), ["prepare to receive"]);
    world.answer(job, "receive", done(Answer::Receiving { port: 49_300, lacking: Vec::new() }));
    assert_eq!(world.sent(), ["send bases"]);
    world.done(job, "send-bases");
    assert_eq!(world.sent(), ["migrate"]);
    (world, job)
}

fn arrives(world: &mut World, job: JobId) {
    let seen = Some(Box::new(ours(vm_id(1), Power::Running)));
    world.answer(job, "look", done(Answer::Vm { seen }));
    assert_eq!(world.sent(), ["read machine", "forget moved machine", "close the way"]);
    for step in ["forget", "close"] {
        world.done(job, step);
    }
    world.answer_with(job, "read", Outcome::done(), Some(ours(vm_id(1), Power::Running)));
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(1).into()));
}

#[test]
fn a_machine_moves_and_its_record_follows_once_the_new_host_has_said_so() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", moved(true));
    assert_eq!(world.sent(), ["see whether it arrived"]);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(0).into()));
    arrives(&mut world, job);
}

#[test]
fn where_the_old_host_cannot_tell_the_new_one_is_asked_and_a_machine_that_runs_there_is_there() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", moved(false));
    assert_eq!(world.sent(), ["see whether it arrived"], "nothing is let run before the new host was asked");
    arrives(&mut world, job);
}

#[test]
fn a_machine_that_has_not_arrived_is_removed_there_before_it_runs_again_where_it_was() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", moved(false));
    world.sent();
    world.answer(job, "look", done(Answer::Vm { seen: None }));
    assert_eq!(world.sent(), ["do not receive"]);
    world.done(job, "not-received");
    assert_eq!(world.sent(), ["stay"]);
    world.done(job, "stay");
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(0).into()));
}

#[test]
fn while_the_new_host_is_silent_nothing_runs_again_and_nobody_may_start_it() {
    let (mut world, job) = leaving();
    world.lose(1);
    world.answer(job, "migrate", moved(false));
    world.pass(3_600_000);
    assert!(!world.sent().iter().any(|sent| sent == "stay"));
    assert_eq!(world.state(job), JobState::Running);
    let start = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap_err();
    assert_eq!(start.code, Code::VmBusy);
}

#[test]
fn a_new_host_that_cannot_say_leaves_the_decision_to_people() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", moved(false));
    world.answer(job, "look", Outcome::Failed { refusal: trouble() });
    world.sent();
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::MigrationUndecided);
}

#[test]
fn a_migration_that_failed_while_the_machine_runs_on_is_taken_back_on_both_hosts() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", Outcome::Failed { refusal: trouble() });
    assert_eq!(world.sent(), ["undo do not receive"]);
    world.done(job, "receive");
    assert_eq!(world.sent(), ["undo stay"]);
    world.done(job, "leave");
    assert_eq!(world.state(job), JobState::FailedUndone);
}

#[test]
fn a_migration_that_is_cancelled_is_stopped_and_taken_back() {
    let (mut world, job) = leaving();
    world.cancel(job).unwrap();
    assert_eq!(world.sent(), ["revoke"]);
    world.answer(job, "migrate", Outcome::Revoked);
    world.done(job, "receive");
    world.done(job, "leave");
    assert_eq!(world.state(job), JobState::Cancelled);
}

#[test]
fn room_is_kept_on_the_new_host_while_the_machine_is_on_its_way() {
    let (world, _) = leaving();
    let memory = world.vm(vm_id(1)).spec.hardware.memory_mib;
    assert_eq!(world.engine.inventory().usage(agent(1).into()).memory_mib, memory);
}

#[test]
fn the_host_that_is_chosen_sees_the_folder_of_the_machine() {
    let mut world = World::with_vms(2, &[Power::Running]);
    let mut apart = crate::world::facts(1);
    apart.vm_folder_id = "another".into();
    world.computer(1, apart);
    let refused = world.ask(migration()).unwrap_err();
    assert_eq!(refused.code, Code::PlacementNoHost);
    assert!(refused.cause.contains("does not share"), "{}", refused.cause);
    // Who names it may know better; the agents prove it.
    world.ask(Request::MigrateVm { vm: vm_id(1), to: Some(agent(1).into()) }).unwrap();
}

#[test]
fn a_machine_that_does_not_run_is_not_migrated() {
    for power in [Power::Off, Power::Saved, Power::Paused] {
        let mut world = World::with_vms(2, &[power]);
        assert_eq!(world.ask(migration()).unwrap_err().code, Code::VmStateForbids);
    }
}

#[test]
fn commands_of_a_move_are_repeated_where_that_can_do_no_harm() {
    let domain = vm_id(1).0;
    assert!(Command::Stay { domain, ticket: String::new() }.may_be_repeated());
    let to = hostler_model::command::Peer { agent: agent(1), serials: Vec::new() };
    let way = hostler_model::command::Way { to, address: String::new(), port: 1, ticket: String::new() };
    let migrate = Command::Migrate { domain, way: Box::new(way), limit_ms: 1, most_rounds: 1 };
    assert!(!migrate.may_be_repeated());
}
