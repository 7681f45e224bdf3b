//! A store that fails releases nothing, and everything is loaded anew.

use hostler_engine::{Effect, Input};
use hostler_model::access::Role;
use hostler_model::channel::Hello;
use hostler_model::request::{Request, Secret};
use hostler_model::{Code, Key, Timestamp};
use hostler_store::{Fault, Store};

use crate::world::{VM, World, hello, name};

fn create(text: &str) -> Request {
    Request::CreateUser { name: name(text), role: Role::ReadOnly, hash: Secret("h".into()) }
}

#[test]
fn when_a_commit_fails_only_refusals_leave_and_the_same_key_works_later() {
    for fault in [Fault::Failed, Fault::Full, Fault::UnknownLost, Fault::UnknownKept] {
        let mut world = World::new();
        world.connect();
        let before = world.drive.picture().load().head;
        let epoch = world.drive.engine().epoch();
        world.store.fail_next(fault);
        let started = world.asked(Request::StartVm { vm: VM }, Some("k"));
        let turned = world.turn(vec![started]);
        for effect in &turned.effects {
            match effect {
                Effect::Reply { answer: Err(refusal), .. } => {
                    assert_eq!(refusal.code, Code::StoreUnavailable);
                }
                other => panic!("{other:?} left although nothing is committed"),
            }
        }
        assert_eq!(turned.effects.len(), 1, "who asked is told");
        assert!(turned.reloaded && turned.trouble.is_some() && turned.changes.is_empty());
        assert!(world.drive.engine().epoch() > epoch, "a new life has an epoch of its own");
        let now = world.drive.picture().load().head;
        match fault {
            Fault::UnknownKept => assert!(now.revision > before.revision),
            _ => assert_eq!(now, before),
        }
        world.connect();
        let again = world.ask(Request::StartVm { vm: VM }, Some("k")).1.unwrap();
        assert_eq!(
            world.ask(Request::StartVm { vm: VM }, Some("k")).1,
            Ok(again),
            "one job, whatever happened"
        );
    }
}

#[test]
fn after_a_failed_commit_everything_is_loaded_once_not_twice() {
    let mut world = World::new();
    let epoch = world.drive.engine().epoch();
    world.store.fail_next(Fault::Failed);
    world.ask(create("ghost"), None).1.unwrap_err();
    assert!(!world.drive.recover(Timestamp(0)).unwrap(), "that turn has loaded already");
    assert_eq!(world.drive.engine().epoch(), epoch + 1, "each load is a life of its own");
    world.ask(create("bob"), None).1.unwrap();
}

#[test]
fn nobody_reads_what_was_not_committed() {
    let mut world = World::new();
    let held = world.drive.picture().load_full();
    world.store.fail_next(Fault::Failed);
    world.ask(create("ghost"), None).1.unwrap_err();
    let named = |picture: &hostler_drive::Picture| picture.named(hostler_model::Kind::User, "ghost").len();
    assert_eq!(named(&world.drive.picture().load()), 0);
    world.ask(create("bob"), None).1.unwrap();
    assert_eq!(held.by_name(hostler_model::Kind::User).count(), 1, "who holds a picture sees one moment");
    assert_eq!(world.drive.picture().load().by_name(hostler_model::Kind::User).count(), 2);
}

#[test]
fn a_fleet_that_has_met_a_later_epoch_makes_this_a_restore() {
    let mut world = World::new();
    world.connect();
    let job = world.ask(Request::StartVm { vm: VM }, None).1.unwrap();
    let hello = Hello { epoch: 40, host: Default::default(), ..hello() };
    let turned = world.turn(vec![Input::Connected { connection: 9, hello: Box::new(hello) }]);
    assert!(turned.reloaded);
    assert!(world.drive.engine().epoch() > 40);
    assert!(world.drive.engine().is_restored());
    let turned = world.turn(Vec::new());
    assert!(turned.changes.iter().any(|change| change.key == Key::Job(job)));
    assert_eq!(world.drive.engine().jobs().count(), 0, "unfinished jobs end without undo");
    assert!(!world.store.clone().load().unwrap().restored, "the mark is settled by that commit");
}
