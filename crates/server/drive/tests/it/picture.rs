//! The readers' picture is the committed record, in order, found by name.

use std::collections::{BTreeMap, BTreeSet};

use hostler_drive::Picture;
use hostler_model::access::Role;
use hostler_model::channel::ReportBody;
use hostler_model::command::Outcome;
use hostler_model::job::JobKind;
use hostler_model::request::{Request, Secret};
use hostler_model::setting::Settings;
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::{Key, Kind, Object};
use hostler_store::{Fault, Store};
use proptest::prelude::*;

use crate::world::{TEMPLATE, VM, World, name, report, template};

/// The picture holds what the store holds, object by object with its revision, and every name finds its object.
fn agrees(world: &World) -> Result<(), TestCaseError> {
    let picture = world.drive.picture().load_full();
    let loaded = world.store.clone().load().unwrap();
    prop_assert_eq!(picture.head, loaded.head);
    let mut shown = 0;
    for kind in Kind::ALL {
        shown += picture.of_kind(*kind).count();
    }
    prop_assert_eq!(shown, loaded.objects.len());
    for stored in &loaded.objects {
        prop_assert_eq!(picture.get(stored.object.key()), Some(stored));
        let named = match &stored.object {
            Object::User(user) => Some((Kind::User, &user.name)),
            Object::Template(template) => Some((Kind::Template, &template.spec.name)),
            Object::Token(token) => Some((Kind::Token, &token.name)),
            _ => None,
        };
        if let Some((kind, name)) = named {
            prop_assert!(picture.named(kind, &name.folded()).contains(&stored));
        }
    }
    counts(&picture);
    for kind in [Kind::User, Kind::Template, Kind::Token] {
        let names: Vec<String> = picture
            .by_name(kind)
            .map(|stored| match &stored.object {
                Object::User(user) => user.name.folded(),
                Object::Template(template) => template.spec.name.folded(),
                Object::Token(token) => token.name.folded(),
                other => panic!("{other:?} is of another kind"),
            })
            .collect();
        prop_assert!(names.is_sorted());
        prop_assert_eq!(names.len(), picture.of_kind(kind).count(), "nothing stands twice or is left out");
    }
    Ok(())
}

/// How many machines of each status each host has is what looking at all of them says.
fn counts(picture: &Picture) {
    for stored in picture.of_kind(Kind::Host) {
        let Object::Host(host) = &stored.object else { continue };
        let mut counted: BTreeMap<VmStatus, u32> = BTreeMap::new();
        for stored in picture.of_kind(Kind::Vm) {
            if let Object::Vm(vm) = &stored.object
                && vm.host == Some(host.id)
            {
                *counted.entry(picture.status(vm)).or_default() += 1;
            }
        }
        let mut shown: BTreeMap<VmStatus, u32> = BTreeMap::new();
        for (status, count) in picture.machines_by_status(host) {
            *shown.entry(status).or_default() += count;
        }
        assert_eq!(shown, counted, "machines of each status, counted on the way and by looking at all");
    }
}

/// What a picture says has changed since another is what comparing them object by object says.
fn differs(before: &Picture, now: &Picture) -> Result<(), TestCaseError> {
    let all = |picture: &Picture| {
        let of = |kind: &Kind| picture.of_kind(*kind).cloned().collect::<Vec<_>>();
        Kind::ALL.iter().flat_map(of).map(|stored| (stored.object.key(), stored)).collect::<BTreeMap<_, _>>()
    };
    let (was, is) = (all(before), all(now));
    let keys: BTreeSet<Key> = was.keys().chain(is.keys()).copied().collect();
    let wanted: BTreeSet<Key> = keys.into_iter().filter(|key| was.get(key) != is.get(key)).collect();
    let told = now.since(before).objects;
    prop_assert_eq!(told.len(), wanted.len(), "nothing is told twice");
    prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), wanted);
    Ok(())
}

fn request(world: &World, what: u8, n: u8) -> Request {
    let picture = world.drive.picture().load_full();
    let users: Vec<_> = picture
        .of_kind(Kind::User)
        .filter_map(|stored| match &stored.object {
            Object::User(user) => Some(user.id),
            _ => None,
        })
        .collect();
    let user = users[usize::from(n) % users.len()];
    match what {
        0 | 1 => Request::CreateUser {
            name: name(&format!("User-{}", n % 12)),
            role: Role::Administrator,
            hash: Secret("h".into()),
        },
        2 => Request::DeleteUser { user },
        3 => Request::CreateToken {
            user,
            name: name("same"),
            sha256: Secret("00".into()),
            expires: None,
            session: n.is_multiple_of(2),
        },
        4 => Request::EditUser { user, role: None, disabled: None, hash: Some(Secret("x".into())) },
        5 => Request::EditTemplate { template: TEMPLATE, spec: template(&format!("t-{n}")) },
        6 => Request::CreateTemplate { spec: template(&format!("T-{}", n % 5)) },
        _ => Request::SetSettings {
            settings: Settings { history_days: u32::from(n) + 1, ..Settings::default() },
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_commits_and_failures_the_picture_is_what_the_store_holds(
        batches in prop::collection::vec(
            (prop::collection::vec((0..8_u8, 0..=255_u8), 1..6), prop::option::weighted(0.1, 0..4_u8)), 1..25,
        )
    ) {
        let mut world = World::new();
        let first = world.drive.picture().load_full();
        for (batch, fault) in batches {
            if let Some(fault) = fault {
                let faults = [Fault::Failed, Fault::Full, Fault::UnknownLost, Fault::UnknownKept];
                world.store.fail_next(faults[usize::from(fault)]);
            }
            let before = world.drive.picture().load_full();
            let requests: Vec<Request> = batch.iter().map(|(what, n)| request(&world, *what, *n)).collect();
            let inputs = requests.into_iter().map(|request| world.asked(request, None)).collect();
            world.turn(inputs);
            agrees(&world)?;
            differs(&before, &world.drive.picture().load_full())?;
            differs(&first, &world.drive.picture().load_full())?;
        }
    }
}

#[test]
fn a_machine_shows_the_job_that_is_at_work_on_it_and_an_ended_job_is_not_kept() {
    let mut world = World::new();
    let session = world.connect();
    let before = world.drive.picture().load_full();
    let job = world.ask(Request::StartVm { vm: VM }, None).1.unwrap();
    let picture = world.drive.picture().load_full();
    let since = picture.since(&before);
    assert_eq!(
        (since.objects, since.under),
        (vec![Key::Job(job)], vec![VM]),
        "it looks otherwise under a job"
    );
    assert_eq!(picture.job_on(VM).map(|job| job.kind), Some(JobKind::StartVm));
    assert_eq!(picture.open_jobs().count(), 1);
    counts(&picture);
    let no = picture.job_on(VM).unwrap().steps[0].no;
    world.turn(vec![report(session, ReportBody::Ended { no, outcome: Outcome::done() })]);
    let picture = world.drive.picture().load_full();
    assert!(picture.job_on(VM).is_none() && picture.get(Key::Job(job)).is_none());
    counts(&picture);
    assert!(world.store.reader().unwrap().job(job).unwrap().is_some(), "it lives in the store");
}

#[test]
fn a_host_that_is_lost_is_seen_at_once_though_nothing_is_committed() {
    let mut world = World::new();
    let session = world.connect();
    let vm = world.drive.picture().load().vm(VM).cloned().unwrap();
    assert_eq!(world.drive.picture().load().status(&vm), VmStatus::Off);
    let before = world.drive.picture().load_full();
    let turned = world.turn(vec![hostler_engine::Input::Lost { agent: crate::world::AGENT, session }]);
    assert_eq!(world.drive.picture().load().since(&before).answering, [crate::world::AGENT]);
    assert_eq!(turned.revision, None);
    assert_eq!(world.drive.picture().load().status(&vm), VmStatus::HostNotResponding);
}

#[test]
fn a_host_whose_hypervisor_is_silent_is_told_from_one_that_is_silent_itself() {
    let mut world = World::new();
    world.connect();
    let picture = world.drive.picture().load_full();
    let mut host = (**picture.host(crate::world::AGENT.into()).unwrap()).clone();
    assert_eq!(picture.host_status(&host), HostStatus::Responding);
    host.facts.libvirt_answers = false;
    assert_eq!(picture.host_status(&host), HostStatus::HypervisorNotResponding);
    let vm = picture.vm(VM).unwrap();
    let status = hostler_model::status::of(vm, None, picture.host_status(&host));
    assert_eq!(status, VmStatus::HypervisorNotResponding);
}

#[test]
fn a_renamed_thing_is_found_by_its_new_name_only() {
    let mut world = World::new();
    world.ask(Request::EditTemplate { template: TEMPLATE, spec: template("Other") }, None).1.unwrap();
    let picture = world.drive.picture().load_full();
    assert_eq!(picture.named(Kind::Template, "tiny").len(), 0);
    assert_eq!(picture.named(Kind::Template, &name("OTHER").folded()).len(), 1);
}
