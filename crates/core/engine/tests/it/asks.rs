//! What may be asked, and what is answered.

use hostler_model::access::Role;
use hostler_model::request::{EditVm, Request, Secret};
use hostler_model::seen::Power;
use hostler_model::{Code, UserId};
use uuid::Uuid;

use crate::world::{World, create, name, user, vm_id};

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
