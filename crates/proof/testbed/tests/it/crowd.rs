//! Many who want something at once.

use std::time::Duration;

use hostler_client::{How, ListQuery};
use hostler_model::body::ShutDown;
use hostler_testbed::{Alone, Fleet, Wanted, populate, taken};
use tokio::task::JoinSet;

/// Waits that are open at the same time: more than the requests that a server takes on one connection.
const WAITERS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the programs"]
async fn more_may_wait_for_a_job_at_once_than_a_connection_has_room_for() {
    let state = tempfile::tempdir().unwrap();
    let alone = Alone::start(state.path()).await.unwrap();
    let client = alone.client().unwrap();
    let mut fleet = Fleet::default();
    let wanted = Wanted { hosts: 2, vms: 20, seed: 1 };
    populate(&mut fleet, &client, &alone.about.agents, wanted, |_| ()).await.unwrap();
    let running = ListQuery { filter: Some("status=running".into()), ..ListQuery::default() };
    let vm = client.vms(&running).await.unwrap().items[0].vm.id.to_string();
    // A simulated guest takes five seconds to shut down.
    let job = client.shut_down_vm(&vm, &ShutDown::default(), &How::default()).await.unwrap();
    let job = taken(job).unwrap().job;
    let mut waiting = JoinSet::new();
    for _ in 0..WAITERS {
        let client = client.clone();
        waiting.spawn(async move { client.wait_for_job(job, |_| ()).await });
    }
    let all = tokio::time::timeout(Duration::from_secs(40), waiting.join_all()).await.expect("they hang");
    assert!(all.into_iter().all(|ended| ended.unwrap().job.state.is_success()));
}
