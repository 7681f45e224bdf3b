//! A batch is one commit.

use hostler_engine::Input;
use hostler_model::access::{Actor, Role};
use hostler_model::request::{Request, Secret};
use hostler_model::setting::Settings;
use hostler_model::{InstallationId, Key};
use hostler_store::{Revision, Store};
use uuid::Uuid;

use crate::world::{VM, World, name, replies};

fn settings(history_days: u32) -> Request {
    Request::SetSettings { settings: Settings { history_days, ..Settings::default() } }
}

#[test]
fn many_inputs_are_one_commit_and_each_is_answered() {
    let mut world = World::new();
    let inputs = (0..100)
        .map(|n| {
            let request = Request::CreateUser {
                name: name(&format!("user-{n}")),
                role: Role::ReadOnly,
                hash: Secret("h".into()),
            };
            world.asked(request, None)
        })
        .collect();
    let turned = world.turn(inputs);
    assert_eq!(turned.revision, Some(Revision(2)), "one commit after the one that set up the world");
    assert_eq!(replies(&turned).iter().filter(|answer| answer.is_ok()).count(), 100);
}

#[test]
fn writes_of_one_object_under_one_job_become_one() {
    let mut world = World::new();
    world.connect();
    let asked = world.asked(Request::StartVm { vm: VM }, None);
    let job = hostler_model::JobId(world.drive.engine().next_job());
    let cancel = Input::Cancel { ask: 99, job, actor: Actor::System };
    let turned = world.turn(vec![asked, cancel]);
    let writes = turned.changes.iter().filter(|change| change.key == Key::Job(job)).count();
    assert_eq!(writes, 1, "{:?}", turned.changes);
}

#[test]
fn writes_of_one_object_under_two_jobs_stay_two() {
    let mut world = World::new();
    let (one, two) = (world.asked(settings(30), None), world.asked(settings(31), None));
    let turned = world.turn(vec![one, two]);
    let key = Key::Settings(InstallationId(Uuid::from_u128(1)));
    let jobs: Vec<_> =
        turned.changes.iter().filter(|change| change.key == key).map(|change| change.job).collect();
    assert_eq!(jobs.len(), 2);
    assert_ne!(jobs[0], jobs[1]);
    let mut reader = world.store.reader().unwrap();
    for (job, days) in jobs.into_iter().zip([30, 31]) {
        let changed = reader.changes_of_job(job.unwrap()).unwrap();
        let words = format!("{changed:?}");
        assert!(words.contains(&days.to_string()), "each job tells its own change: {words}");
    }
}

#[test]
fn what_changes_nothing_commits_nothing() {
    let mut world = World::new();
    let turned = world.turn(vec![Input::Time]);
    assert_eq!(turned.revision, None);
    let refused = world.ask(Request::StartVm { vm: VM }, None);
    assert!(refused.1.is_err());
    assert_eq!(refused.0.revision, None, "a refusal is not kept");
}
