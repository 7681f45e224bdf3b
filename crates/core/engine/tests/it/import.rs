//! Machines that lie on a host's storage: imported once, under an identity of ours, and taken back as a whole.

use hostler_model::command::{Command, Outcome};
use hostler_model::importable::Importable;
use hostler_model::job::{Act, JobState, StepIs};
use hostler_model::request::Request;
use hostler_model::seen::{Identity, Power, Seen};
use hostler_model::vm::{Origin, Presence};
use hostler_model::{Code, InstallationId, JobId, Name};
use uuid::Uuid;

use crate::world::{World, agent, ours, seen, trouble, vm_id};

const FILE: &str = "/vms/old/old.xml";

fn found(domain: Uuid) -> Importable {
    Importable {
        file: FILE.into(),
        sha256: "ab".into(),
        seen: Seen { name: "old".into(), ..seen(domain, Power::Off) },
        missing: Vec::new(),
        refused: Vec::new(),
    }
}

fn import(found: Importable, name: Option<&str>) -> Request {
    let name = name.map(|name| Name::new(name).unwrap());
    Request::ImportVm { host: agent(0).into(), found: Box::new(found), name }
}

fn identity_in(world: &World, job: JobId) -> Identity {
    match &world.jobs[&job].step("import").unwrap().act {
        Act::Agent { command, .. } => match &**command {
            Command::Import { identity, file, sha256, .. } => {
                assert_eq!((file.as_str(), sha256.as_str()), (FILE, "ab"));
                *identity
            }
            other => panic!("{other:?}"),
        },
        Act::Record => panic!("no command"),
    }
}

#[test]
fn an_imported_machine_is_managed_from_then_on() {
    let mut world = World::new(1);
    let domain = Uuid::from_u128(0xD0);
    let job = world.ask(import(found(domain), None)).unwrap();
    let identity = identity_in(&world, job);
    assert_eq!(identity.domain, domain);
    assert_eq!(world.vm(identity.vm).presence, Presence::Planned);
    let shown = Seen { identity: Some(identity), name: "old".into(), ..seen(domain, Power::Off) };
    world.answer_with(job, "import", Outcome::done(), Some(shown));
    assert_eq!(world.state(job), JobState::Completed);
    let vm = world.vm(identity.vm);
    assert_eq!((vm.presence, vm.origin, vm.spec.name.as_str()), (Presence::Here, Origin::Adopted, "old"));
    assert_eq!(vm.spec.hardware.memory_mib, 256);
    world.ask(Request::StartVm { vm: identity.vm }).unwrap();
}

#[test]
fn an_import_that_fails_or_is_cancelled_leaves_nothing() {
    let domain = Uuid::from_u128(0xD0);
    let mut world = World::new(1);
    let job = world.ask(import(found(domain), None)).unwrap();
    let vm = identity_in(&world, job).vm;
    world.answer(job, "import", Outcome::Refused { refusal: trouble() });
    // Who says no may have been asked before: what bears the job's identity is taken back all the same.
    world.done(job, "import");
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert!(world.engine.inventory().vm(vm).is_none());

    let job = world.ask(import(found(domain), None)).unwrap();
    let vm = identity_in(&world, job).vm;
    world.cancel(job).unwrap();
    world.answer(job, "import", Outcome::InDoubt { refusal: trouble() });
    if !matches!(world.is(job, "import"), StepIs::Undoing) {
        panic!("{:?}", world.is(job, "import"));
    }
    let undo = world.undo_of(job, "import");
    assert!(matches!(undo, Some(Command::TakeBackImport { identity }) if identity.vm == vm), "{undo:?}");
    world.done(job, "import");
    assert!(world.engine.inventory().vm(vm).is_none(), "{:?}", world.state(job));
}

#[test]
fn what_is_not_taken_known_or_outside_is_refused_before_anything_is_done() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let known = vm_id(1).0;
    let refused = Importable { refused: vec!["<hostdev>".into()], ..found(Uuid::from_u128(0xD0)) };
    let outside = Importable { file: "/etc/old.xml".into(), ..found(Uuid::from_u128(0xD0)) };
    let taken = world.vm(vm_id(1)).spec.name.to_string();
    for (request, code) in [
        (import(refused, None), Code::ImportRefused),
        (import(outside, None), Code::PathForbidden),
        (import(found(known), None), Code::ObjectInUse),
        (import(found(Uuid::from_u128(0xD0)), Some(&taken)), Code::VmNameTaken),
    ] {
        assert_eq!(world.ask(request).unwrap_err().code, code);
    }
    world.lose(0);
    let silent = world.ask(import(found(Uuid::from_u128(0xD0)), None)).unwrap_err();
    assert_eq!(silent.code, Code::HostNotResponding);
}

#[test]
fn a_machine_that_its_host_lost_comes_back_as_itself() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let vm = vm_id(1);
    world.shows_gone(0, vm.0);
    assert!(matches!(world.vm(vm).presence, Presence::Missing { .. }));
    let name = world.vm(vm).spec.name.clone();
    let job = world.ask(import(found(vm.0), None)).unwrap();
    assert_eq!(identity_in(&world, job).vm, vm);
    world.answer_with(job, "import", Outcome::done(), Some(ours(vm, Power::Off)));
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!((world.vm(vm).presence, &world.vm(vm).spec.name), (Presence::Here, &name));
}

#[test]
fn a_machine_that_was_ours_and_was_forgotten_is_the_same_again_and_one_of_others_is_not() {
    let mut world = World::new(1);
    let id = vm_id(7);
    let own = |installation| Importable {
        seen: Seen {
            identity: Some(Identity { vm: id, domain: id.0, installation }),
            title: Some("Web shop".into()),
            ..found(id.0).seen
        },
        ..found(id.0)
    };
    let installation = world.engine.inventory().installation_id();
    let job = world.ask(import(own(installation), None)).unwrap();
    assert_eq!(identity_in(&world, job).vm, id);
    assert_eq!(world.vm(id).spec.name.as_str(), "Web shop");
    let mut other = World::new(1);
    let job = other.ask(import(own(InstallationId(Uuid::from_u128(0xFF))), None)).unwrap();
    assert_ne!(identity_in(&other, job).vm, id);
    assert_eq!(identity_in(&other, job).installation, installation);
}
