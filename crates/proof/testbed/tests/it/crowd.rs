//! Many who want something at once.

use std::time::Duration;

use hostler_testbed::{Alone, Fleet, Wanted, populate};

/// Waits that are open at the same time: more than the requests that a server takes on one connection.
const WAITERS: usize = 150;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the programs"]
async fn more_may_wait_for_jobs_at_once_than_a_connection_has_room_for() {
    let state = tempfile::tempdir().unwrap();
    let alone = Alone::start(state.path()).await.unwrap();
    let client = alone.client().unwrap();
    let mut fleet = Fleet::default();
    // Each host waits for its share, then for its templates, all of them over one connection.
    let wanted = Wanted { hosts: WAITERS, vms: WAITERS, seed: 1 };
    let made = populate(&mut fleet, &client, &alone.about.agents, wanted, |_| ());
    tokio::time::timeout(Duration::from_secs(120), made).await.expect("it hangs").unwrap();
}
