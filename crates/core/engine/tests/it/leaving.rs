//! Agents are removed and upgraded: what is asked of them, what is refused, what the record keeps.

use hostler_model::command::{Answer, Outcome};
use hostler_model::job::JobState;
use hostler_model::library::Share;
use hostler_model::request::Request;
use hostler_model::seen::Power;
use hostler_model::{Code, Key, Object, Refusal, ShareId, Timestamp};

use crate::world::{World, agent, name, seen, vm_id};

fn remove(force: bool, keep: bool) -> Request {
    Request::RemoveAgent { agent: agent(0), force, keep }
}

fn upgrade(version: &str, force: bool) -> Request {
    let sha256 = "2".repeat(64);
    Request::UpgradeAgent { agent: agent(0), force, version: version.into(), sha256, size_bytes: 1 << 20 }
}

fn is_there(world: &World) -> bool {
    world.record.contains_key(&Key::Agent(agent(0)))
}

#[test]
fn an_agent_that_answers_is_asked_to_leave_before_the_record_forgets_it_and_the_job_says_what_goes() {
    let mut world = World::new(1);
    let job = world.ask(remove(false, false)).unwrap();
    assert_eq!(world.sent(), ["prepare removal"]);
    assert!(is_there(&world));
    let removes = vec!["journal (/j)".to_owned()];
    let stays = vec!["the disks of 1 machine (/v)".to_owned()];
    world.answer(job, "prepare-removal", Outcome::Done { answer: Answer::Removal { removes, stays } });
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.jobs[&job].notes, ["removed: journal (/j)", "stays: the disks of 1 machine (/v)"]);
    assert!(!is_there(&world));
}

#[test]
fn a_removal_that_is_cancelled_lets_the_agent_stay() {
    let mut world = World::new(1);
    let job = world.ask(remove(false, false)).unwrap();
    world.cancel(job).unwrap();
    world.answer(job, "prepare-removal", Outcome::Revoked);
    assert_eq!(world.state(job), JobState::Cancelled);
    assert!(is_there(&world));
}

#[test]
fn a_machine_that_is_found_while_the_agent_is_asked_to_leave_goes_with_it_by_force_alone() {
    for force in [false, true] {
        let mut world = World::new(1);
        let job = world.ask(remove(force, false)).unwrap();
        assert_eq!(world.sent(), ["prepare removal"]);
        world.shows(0, seen(uuid::Uuid::from_u128(0x77), Power::Running));
        let machines = |world: &World| world.record.keys().filter(|key| matches!(key, Key::Vm(_))).count();
        assert_eq!(machines(&world), 1);
        world.done(job, "prepare-removal");
        if force {
            assert_eq!(world.state(job), JobState::Completed);
            assert_eq!((is_there(&world), machines(&world)), (false, 0), "nothing stays that is on no host");
        } else {
            assert!(world.sent().contains(&"undo cancel removal".to_owned()));
            world.done(job, "prepare-removal");
            assert_eq!(world.state(job), JobState::FailedUndone);
            assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::ObjectInUse);
            assert_eq!((is_there(&world), machines(&world)), (true, 1));
        }
    }
}

fn library() -> Share {
    Share {
        id: ShareId(uuid::Uuid::from_u128(0xB0)),
        name: name("library"),
        agent: agent(0),
        folder: "/srv/library".into(),
        notes: String::new(),
        created: Timestamp(1),
    }
}

#[test]
fn while_an_agent_is_asked_to_leave_its_shares_are_held_and_one_that_is_being_added_is_not_there_afterwards()
{
    let share = library();
    let mut world = World::with(1, vec![Object::from(share.clone())]);
    let job = world.ask(remove(true, false)).unwrap();
    for other in [Request::RefreshShare { share: share.id }, Request::RemoveShare { share: share.id }] {
        assert_eq!(world.ask(other).unwrap_err().code, Code::ObjectBusy);
    }
    let add = Request::AddShare { name: name("more"), agent: agent(0), folder: "/srv/more".into() };
    let add = world.ask(add).unwrap();
    world.done(job, "prepare-removal");
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.state(add), JobState::FailedUndone);
    assert!(!world.record.keys().any(|key| matches!(key, Key::Share(_))));
}

#[test]
fn a_silent_agent_is_removed_by_force_with_what_waits_for_it_in_its_library() {
    let share = library();
    let mut world = World::with(1, vec![Object::from(share.clone())]);
    let refresh = world.ask(Request::RefreshShare { share: share.id }).unwrap();
    world.lose(0);
    let job = world.ask(remove(true, false)).unwrap();
    assert_eq!(world.state(job), JobState::CompletedWithWarnings);
    assert_eq!(world.state(refresh), JobState::FailedUndone);
    assert!(!world.record.keys().any(|key| matches!(key, Key::Share(_))));
}

#[test]
fn a_silent_agent_is_removed_by_force_alone_with_a_warning_of_what_stays_or_when_it_is_to_keep_all() {
    let mut world = World::new(1);
    world.lose(0);
    let refused = world.ask(remove(false, false)).unwrap_err();
    assert_eq!(refused.code, Code::HostNotResponding);
    assert!(refused.cause.contains("its key and certificate"), "{refused}");
    let job = world.ask(remove(true, false)).unwrap();
    assert_eq!(world.state(job), JobState::CompletedWithWarnings);
    assert!(world.jobs[&job].warnings[0].cause.contains("its journal"), "{:?}", world.jobs[&job].warnings);
    assert!(!is_there(&world));

    let mut world = World::new(1);
    world.lose(0);
    let job = world.ask(remove(false, true)).unwrap();
    assert_eq!((world.state(job), world.sent()), (JobState::Completed, Vec::new()));
}

#[test]
fn an_upgrade_waits_for_what_is_at_work_on_the_host_and_lets_nothing_begin() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let start = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    assert_eq!(world.ask(upgrade("2", false)).unwrap_err().code, Code::ObjectBusy);
    world.done(start, "start");
    world.sent();
    let job = world.ask(upgrade("2", false)).unwrap();
    assert_eq!(world.sent(), ["bring agent program"]);
    assert!(world.ask(Request::StartVm { vm: vm_id(1) }).is_err());
    world.done(job, "bring-program");
    assert_eq!(world.sent(), ["upgrade agent"]);
    let refusal = Refusal::new(Code::AgentUpgradeFailed, "agent program 2", "it ended with exit status: 1");
    world.answer(job, "upgrade", Outcome::Failed { refusal: refusal.clone() });
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.jobs[&job].error, Some(refusal));
}

#[test]
fn an_agent_is_not_upgraded_to_what_it_is_nor_without_a_program_nor_while_it_is_silent() {
    let mut world = World::new(1);
    let Object::Agent(known) = &world.record[&Key::Agent(agent(0))] else { panic!() };
    let version = known.version.clone();
    assert_eq!(world.ask(upgrade(&version, false)).unwrap_err().code, Code::ValueInvalid);
    let none = Request::UpgradeAgent {
        agent: agent(0),
        force: true,
        version: String::new(),
        sha256: String::new(),
        size_bytes: 0,
    };
    assert_eq!(world.ask(none).unwrap_err().code, Code::ObjectNotFound);
    let job = world.ask(upgrade(&version, true)).unwrap();
    assert!(world.jobs[&job].is_open(), "it was forced");
    world.cancel(job).unwrap();
    world.answer(job, "bring-program", Outcome::Revoked);
    world.lose(0);
    assert_eq!(world.ask(upgrade("2", false)).unwrap_err().code, Code::HostNotResponding);
}
