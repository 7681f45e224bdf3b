//! The record follows what hosts show: found, missing, back, elsewhere, in conflict.

use hostler_model::job::JobState;
use hostler_model::request::Request;
use hostler_model::seen::{Identity, Power};
use hostler_model::vm::{Origin, Presence, Vm};
use hostler_model::{Code, InstallationId, Key, Object};
use uuid::Uuid;

use crate::world::{World, agent, create, ours, seen, vm_id};

fn found(world: &World, domain: Uuid) -> Vm {
    let mut vms = world.record.values().filter_map(|object| match object {
        Object::Vm(vm) if vm.domain == domain => Some((**vm).clone()),
        _ => None,
    });
    vms.next_back().expect("it is in the record")
}

#[test]
fn a_refresher_has_a_job_only_when_something_changed() {
    let mut world = World::with_vms(1, &[Power::Running]);
    assert_eq!(world.refreshers(), 0);
    world.shows(0, ours(vm_id(1), Power::Running));
    world.picture(0, vec![ours(vm_id(1), Power::Running)]);
    assert_eq!(world.refreshers(), 0);
    world.shows(0, ours(vm_id(1), Power::Off));
    assert_eq!(world.refreshers(), 1);
    let job = world.jobs.values().last().unwrap();
    assert_eq!((job.state, job.title.as_str()), (JobState::Completed, "vm vm-1: running to off"));
    assert_eq!(job.about, [Key::Vm(vm_id(1))]);
}

#[test]
fn a_machine_found_on_the_host_is_marked_by_its_first_managing_action() {
    let mut world = World::new(1);
    let domain = Uuid::from_u128(77);
    world.shows(0, seen(domain, Power::Off));
    let vm = found(&world, domain);
    assert_eq!((vm.origin, vm.presence), (Origin::Found, Presence::Here));
    assert_ne!(vm.id.0, domain, "it keeps its UUID and gets an id of its own");
    let job = world.ask(Request::StartVm { vm: vm.id }).unwrap();
    assert_eq!(world.sent(), ["adopt"]);
    world.done(job, "adopt");
    assert_eq!(world.sent(), ["start"]);
    assert_eq!(found(&world, domain).origin, Origin::Adopted);
}

#[test]
fn a_machine_that_a_picture_does_not_show_is_missing_until_it_is_shown_again() {
    let mut world = World::with_vms(1, &[Power::Off]);
    world.picture(0, Vec::new());
    assert!(matches!(world.vm(vm_id(1)).presence, Presence::Missing { .. }));
    assert_eq!(world.ask(Request::StartVm { vm: vm_id(1) }).unwrap_err().code, Code::VmStateForbids);
    world.shows(0, ours(vm_id(1), Power::Running));
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here);
    assert_eq!(world.vm(vm_id(1)).power(), Power::Running);
}

#[test]
fn while_a_job_holds_a_machine_what_is_observed_follows_and_the_conclusion_waits() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let job = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    world.shows_gone(0, vm_id(1).0);
    assert!(world.vm(vm_id(1)).observed.as_ref().unwrap().gone);
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here);
    world.done(job, "start");
    assert!(matches!(world.vm(vm_id(1)).presence, Presence::Missing { .. }));
}

#[test]
fn a_restore_draws_the_conclusions_that_its_ended_jobs_had_waited_for() {
    let mut world = World::with_vms(1, &[Power::Off]);
    world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    world.shows_gone(0, vm_id(1).0);
    world.restart(true);
    assert!(matches!(world.vm(vm_id(1)).presence, Presence::Missing { .. }));
}

#[test]
fn an_older_word_never_overwrites_a_newer_one() {
    let mut world = World::with_vms(1, &[Power::Off]);
    world.shows(0, ours(vm_id(1), Power::Running));
    let late = world.seq() - 1;
    world.shows_late(0, ours(vm_id(1), Power::Paused), late);
    assert_eq!(world.vm(vm_id(1)).power(), Power::Running);
    world.shows_gone(0, vm_id(1).0);
    let late = world.seq() - 1;
    world.shows_late(0, ours(vm_id(1), Power::Running), late);
    assert!(world.vm(vm_id(1)).observed.as_ref().unwrap().gone);
}

#[test]
fn a_deleted_machine_is_not_brought_back_by_a_word_that_was_under_way() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let late = world.seq();
    let job = world.ask(Request::DeleteVm { vm: vm_id(1), disks: true }).unwrap();
    world.shows_gone(0, vm_id(1).0);
    world.done(job, "undefine");
    assert!(!world.record.contains_key(&Key::Vm(vm_id(1))));
    for _ in 0..2 {
        world.shows_late(0, ours(vm_id(1), Power::Off), late);
        assert!(!world.record.contains_key(&Key::Vm(vm_id(1))), "a word may come twice");
    }
    world.shows(0, ours(vm_id(1), Power::Off));
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here, "a newer word is believed: it is there again");
}

#[test]
fn a_machine_that_was_gone_before_anybody_saw_it_is_missing() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    let vm = world.vm_of(job);
    world.done(job, "make-disk");
    world.done(job, "define");
    assert_eq!(world.vm(vm).presence, Presence::Here);
    world.picture(0, Vec::new());
    assert!(matches!(world.vm(vm).presence, Presence::Missing { .. }));
    world.picture(0, vec![ours(vm, Power::Off)]);
    assert_eq!(world.vm(vm).presence, Presence::Here, "and there again when it is shown");
}

#[test]
fn a_machine_of_another_installation_is_shown_and_untouched_until_adopted() {
    let mut world = World::new(1);
    let domain = Uuid::from_u128(78);
    let other = InstallationId(Uuid::from_u128(9));
    let mut theirs = seen(domain, Power::Off);
    theirs.identity = Some(Identity { vm: vm_id(5), domain, installation: other });
    world.shows(0, theirs);
    let vm = found(&world, domain);
    assert_eq!(vm.presence, Presence::Elsewhere { installation: other });
    assert!(world.ask(Request::StartVm { vm: vm.id }).is_err());
    let job = world.ask(Request::AdoptVm { vm: vm.id }).unwrap();
    world.done(job, "adopt");
    assert_eq!(found(&world, domain).presence, Presence::Here);
}

#[test]
fn a_clone_with_copied_metadata_is_a_found_machine_of_its_own() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let domain = Uuid::from_u128(79);
    let mut clone = ours(vm_id(1), Power::Off);
    clone.domain = domain;
    world.shows(0, clone);
    let vm = found(&world, domain);
    assert_eq!(vm.origin, Origin::Found);
    assert_ne!(vm.id, vm_id(1));
}

#[test]
fn a_machine_whose_record_was_lost_comes_back_with_its_own_id() {
    let mut world = World::new(1);
    world.shows(0, ours(vm_id(3), Power::Off));
    assert_eq!(world.vm(vm_id(3)).origin, Origin::Created);
}

#[test]
fn two_hosts_that_show_one_machine_are_a_conflict_after_ten_seconds_and_no_more_when_one_lets_go() {
    let mut world = World::with_vms(2, &[Power::Running]);
    let twin = ours(vm_id(1), Power::Running);
    world.shows(1, twin.clone());
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here, "a migration by other hands looks like this");
    world.sent();
    world.pass(9_999);
    world.picture(1, vec![twin.clone()]);
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here);
    assert_eq!(world.sent(), Vec::<String>::new());
    world.pass(1);
    assert_eq!(world.sent(), ["picture"], "asked, and not waited for until the next look");
    world.pass(1);
    assert_eq!(world.sent(), Vec::<String>::new(), "asked once");
    world.picture(1, vec![twin.clone()]);
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Conflict { other: agent(1).into() });
    assert_eq!(world.ask(Request::TurnOffVm { vm: vm_id(1) }).unwrap_err().code, Code::VmStateForbids);
    world.shows_gone(1, vm_id(1).0);
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here, "at once, not at the next picture");
    world.shows(1, twin);
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here, "the ten seconds begin anew");
}

#[test]
fn a_machine_that_left_its_host_is_taken_over_where_it_is_shown() {
    let mut world = World::with_vms(2, &[Power::Running]);
    world.shows_gone(0, vm_id(1).0);
    world.shows(1, ours(vm_id(1), Power::Running));
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(1).into()));
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here);
    let job = world.ask(Request::TurnOffVm { vm: vm_id(1) }).unwrap();
    world.done(job, "turn-off");
}

#[test]
fn a_machine_that_other_hands_have_migrated_is_asked_for_at_once_where_it_was_shown_before_it_left() {
    let mut world = World::with_vms(2, &[Power::Running]);
    world.sent();
    world.shows(1, ours(vm_id(1), Power::Running));
    assert_eq!(world.sent(), Vec::<String>::new());
    world.shows_gone(0, vm_id(1).0);
    assert_eq!(world.sent(), ["picture"]);
    world.picture(1, vec![ours(vm_id(1), Power::Running)]);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(1).into()));
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here);
    // Shown by nobody else, it is asked for nowhere.
    world.shows_gone(1, vm_id(1).0);
    assert_eq!(world.sent(), Vec::<String>::new());
}

#[test]
fn a_name_freed_by_a_found_machine_is_free() {
    let mut world = World::new(1);
    let domain = Uuid::from_u128(80);
    world.shows(0, seen(domain, Power::Off));
    let mut renamed = seen(domain, Power::Off);
    renamed.name = "other".into();
    world.shows(0, renamed);
    assert!(world.ask(create("dom-80")).is_ok());
    assert_eq!(world.ask(create("other")).unwrap_err().code, Code::VmNameTaken);
}
