//! What may be asked, and what is answered.

use hostler_model::access::Role;
use hostler_model::job::Job;
use hostler_model::library::Share;
use hostler_model::request::{EditVm, Request, Secret};
use hostler_model::seen::Power;
use hostler_model::{Code, ShareId, Timestamp, UserId};
use uuid::Uuid;

use crate::world::{World, agent, create, name, user, vm_id};

#[test]
fn one_key_is_one_job_also_after_its_end_and_after_a_restart() {
    let mut world = World::new(1);
    let first = world.ask_with(create("web"), Some("k"), false).unwrap();
    assert_eq!(world.ask_with(create("web"), Some("k"), false), Ok(first));
    world.done(first, "make-disk");
    world.done(first, "define");
    assert_eq!(world.ask_with(create("web"), Some("k"), false), Ok(first));
    world.restart(false);
    assert_eq!(world.ask_with(create("web"), Some("k"), false), Ok(first));
    world.pass(24 * 3_600_000);
    let later = world.ask_with(create("web"), Some("k"), false);
    assert_eq!(later.unwrap_err().code, Code::VmNameTaken, "after a day the key is free again");
}

#[test]
fn a_refusal_is_not_kept_under_its_key() {
    let mut world = World::new(1);
    world.lose(0);
    assert_eq!(world.ask_with(create("web"), Some("k"), false).unwrap_err().code, Code::PlacementNoHost);
    world.connect(0);
    world.picture(0, Vec::new());
    assert!(world.ask_with(create("web"), Some("k"), false).is_ok());
}

#[test]
fn a_name_that_is_or_looks_like_another_is_refused_also_while_its_job_is_at_work() {
    let mut world = World::new(1);
    let job = world.ask(create("web")).unwrap();
    assert_eq!(world.ask(create("web")).unwrap_err().code, Code::ObjectBusy);
    world.done(job, "make-disk");
    world.done(job, "define");
    for same in ["web", "WEB", "w\u{435}b"] {
        assert_eq!(world.ask(create(same)).unwrap_err().code, Code::VmNameTaken, "{same}");
    }
    assert!(world.ask(create("web-2")).is_ok());
}

#[test]
fn a_machine_may_keep_its_own_name_and_gives_an_old_one_free() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let vm = vm_id(1);
    let rename =
        |text: &str| Request::EditVm { vm, edit: EditVm { name: Some(name(text)), ..EditVm::default() } };
    let job = world.ask(rename("VM-1")).unwrap();
    world.done(job, "set-title");
    let job = world.ask(rename("other")).unwrap();
    world.done(job, "set-title");
    assert_eq!(world.vm(vm).spec.name.as_str(), "other");
    assert!(world.ask(create("vm-1")).is_ok());
}

#[test]
fn the_last_administrator_is_neither_deleted_nor_disabled_nor_made_less() {
    let (root, second) = (UserId(Uuid::from_u128(0xE001)), UserId(Uuid::from_u128(0xE002)));
    let mut world =
        World::with(0, vec![user(1, "root", Role::Administrator), user(2, "second", Role::ReadOnly)]);
    let edit = |user, role, disabled| Request::EditUser { user, role, disabled, hash: None };
    for last in [
        Request::DeleteUser { user: root },
        edit(root, None, Some(true)),
        edit(root, Some(Role::ReadOnly), None),
    ] {
        assert_eq!(world.ask(last).unwrap_err().code, Code::ObjectInUse);
    }
    world.ask(edit(second, Some(Role::Administrator), None)).unwrap();
    world.ask(Request::DeleteUser { user: root }).unwrap();
    assert_eq!(world.ask(Request::DeleteUser { user: second }).unwrap_err().code, Code::ObjectInUse);
}

#[test]
fn what_holds_a_secret_is_not_queued() {
    let mut world = World::with(0, vec![user(1, "root", Role::Administrator)]);
    let create = Request::CreateUser { name: name("Root"), role: Role::ReadOnly, hash: Secret("h".into()) };
    assert_eq!(world.ask_with(create, None, true).unwrap_err().code, Code::NameTaken);
}

#[test]
fn a_key_that_was_used_for_another_request_is_refused_also_after_the_job_has_ended_and_after_a_restart() {
    let mut world = World::new(1);
    let key = |digest: &str| Job::key_with_digest("k", digest);
    let made = world.ask_with(create("one"), Some(&key("d1")), false).unwrap();
    let other = |world: &mut World| world.ask_with(create("two"), Some(&key("d2")), false);
    let refusal = other(&mut world).unwrap_err();
    assert_eq!(refusal.code, Code::IdempotencyKeyReused);
    assert!(refusal.cause.contains(&format!("job {made}")), "{refusal:?}");
    assert_eq!(world.ask_with(create("one"), Some(&key("d1")), false).unwrap(), made);
    // A key of which the other is the beginning is another key.
    assert_ne!(world.ask_with(create("three"), Some("k3 d1"), false).unwrap(), made);
    world.done(made, "make-disk");
    world.done(made, "define");
    assert!(!world.jobs[&made].is_open());
    assert_eq!(other(&mut world).unwrap_err().code, Code::IdempotencyKeyReused);
    world.restart(false);
    assert_eq!(other(&mut world).unwrap_err().code, Code::IdempotencyKeyReused);
    assert_eq!(world.ask_with(create("one"), Some(&key("d1")), false).unwrap(), made);
}

#[test]
fn who_says_what_they_saw_is_refused_when_it_has_changed_since_and_does_not_queue() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let seen = world.vm(vm_id(1)).clone();
    let edit = |notes: &str| Request::EditVm {
        vm: vm_id(1),
        edit: EditVm { notes: Some(notes.into()), ..EditVm::default() },
    };
    world.ask_if_unchanged(edit("first"), seen.clone().into(), false).unwrap();
    let refusal = world.ask_if_unchanged(edit("second"), seen.into(), true).unwrap_err();
    assert_eq!(refusal.code, Code::RevisionStale);
    assert_eq!(world.vm(vm_id(1)).spec.notes, "first");
    let now = world.vm(vm_id(1)).clone();
    world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    let refusal = world.ask_if_unchanged(edit("third"), now.into(), true).unwrap_err();
    assert!(matches!(refusal.code, Code::VmBusy | Code::RevisionStale), "{refusal:?}");
}

#[test]
fn a_share_is_neither_a_folder_of_the_system_nor_inside_another_nor_around_one() {
    let share = Share {
        id: ShareId(Uuid::from_u128(7)),
        name: name("images"),
        agent: agent(0),
        folder: "/srv/images".into(),
        notes: String::new(),
        created: Timestamp(0),
    };
    let mut world = World::with(2, vec![share.into()]);
    let mut add = |n: u128, folder: &str| {
        world.ask(Request::AddShare { name: name("other"), agent: agent(n), folder: folder.into() })
    };
    for system in ["/", "/etc", "/proc/1", "/dev/shm", "/usr", "/boot/iso", "/var/lib"] {
        let refusal = add(0, system).unwrap_err();
        assert_eq!(refusal.code, Code::PathForbidden, "{system}");
        assert!(refusal.cause.contains("system"), "{refusal:?}");
    }
    for (folder, how) in [("/srv/images/linux", "it lies in"), ("/srv", "lies in it")] {
        let refusal = add(0, folder).unwrap_err();
        assert!(refusal.cause.contains(how) && refusal.cause.contains("library share images"), "{refusal:?}");
    }
    // Beside it, or on another computer, it is no double.
    add(0, "/srv/images-2").unwrap();
    let busy = add(1, "/srv/images/linux").unwrap_err();
    assert_eq!(busy.code, Code::ObjectBusy, "only its name is taken, by the one before");
}

#[test]
fn when_no_host_suits_each_says_what_it_lacks() {
    let mut world = World::new(2);
    world.lose(1);
    let Request::CreateVm(mut ask) = create("huge") else { unreachable!() };
    ask.memory_mib = Some(1 << 20);
    let refusal = world.ask(Request::CreateVm(ask)).unwrap_err();
    assert_eq!(refusal.code, Code::PlacementNoHost);
    assert!(refusal.cause.contains("host-0: memory: 1048576 MiB needed"), "{refusal:?}");
    assert!(refusal.cause.contains("host-1: it does not answer"), "{refusal:?}");
}

#[test]
fn memory_that_is_promised_is_not_promised_again() {
    let mut world = World::new(1);
    let big = |text: &str| {
        let Request::CreateVm(mut ask) = create(text) else { unreachable!() };
        ask.memory_mib = Some(4_000);
        Request::CreateVm(ask)
    };
    world.ask(big("one")).unwrap();
    assert_eq!(world.ask(big("two")).unwrap_err().code, Code::PlacementNoHost);
}

#[test]
fn a_dry_run_draws_nothing_and_changes_nothing() {
    let world = World::with_vms(1, &[Power::Off]);
    let before = world.engine.derived();
    let said = world.engine.dry_run(world.now, &create("web")).unwrap();
    let keys: Vec<&str> = said.steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["record", "make-disk", "define", "defined"]);
    assert!(said.steps[2].decides);
    let refusal = world.engine.dry_run(world.now, &Request::PauseVm { vm: vm_id(1) }).unwrap_err();
    assert_eq!(refusal.code, Code::VmStateForbids);
    assert_eq!(world.engine.derived(), before);
    assert_eq!(world.engine.next_job(), 1);
}
