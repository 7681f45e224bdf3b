//! Asked fifty times, made once.

use std::collections::BTreeSet;
use std::time::Duration;

use hostler_client::{Client, ClientError, How};
use hostler_model::Code;
use hostler_testbed::{Site, Trouble, ask_empty};

use crate::sets::agree;

/// Asks until there is an answer, as a client on a bad line does.
async fn insist(client: Client, key: String) -> (String, u64) {
    let how = How { key: Some(key), ..How::default() };
    loop {
        match ask_empty(&client, "only", &how).await {
            Ok(accepted) => return (accepted.id.unwrap(), accepted.job.0),
            Err(Trouble::Client(why)) if why.is_passing() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // Refused for this moment: the host's agent has not found the server again.
            Err(Trouble::Client(ClientError::Refused(why))) if why.code == Code::PlacementNoHost => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(why) => panic!("{why}"),
        }
    }
}

#[test]
#[ignore = "needs root and libvirt"]
fn fifty_equal_creations_with_one_key_make_one_machine_though_the_server_is_killed() {
    let mut site = Site::with_host().unwrap();
    for after_ms in [0, 3, 8, 20, 60] {
        let key = format!("once-{after_ms}");
        let asked: Vec<_> = (0..50).map(|_| site.spawn(insist(site.client().clone(), key.clone()))).collect();
        std::thread::sleep(Duration::from_millis(after_ms));
        site.restart_server().unwrap();
        let answers: BTreeSet<_> = asked.into_iter().map(|asked| site.run(asked).unwrap()).collect();
        assert_eq!(answers.len(), 1, "killed after {after_ms} ms: {answers:?}");
        let (id, job) = answers.into_iter().next().unwrap();
        site.done(hostler_model::JobId(job)).unwrap();
        let vms = site.vms().unwrap();
        assert_eq!(vms.iter().map(|view| view.vm.id.to_string()).collect::<Vec<_>>(), [id]);
        agree(&site);
        site.change(site.client().delete_vm("only", true, &How::default())).unwrap();
    }
}
