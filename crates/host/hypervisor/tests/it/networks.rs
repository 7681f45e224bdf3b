//! Networks whose removal was cut short.

use std::sync::atomic::{AtomicBool, Ordering};

use hostler_hypervisor::{Networks, NoWatch, Performing, Trouble, Turn, World};
use hostler_model::Code;
use hostler_model::command::{Command, Outcome};
use hostler_model::network::HostNetwork;
use hostler_model::new_network::NetworkSpec;
use uuid::Uuid;

use crate::bench::{Bench, mark};

/// A host that has no network, and perhaps a bridge of one that it had.
struct Half {
    bridge: AtomicBool,
}

impl Networks for Half {
    fn networks(&self) -> Result<Vec<HostNetwork>, Trouble> {
        Ok(Vec::new())
    }
    fn make_network(&self, _: Uuid, _: &NetworkSpec) -> Result<(), Trouble> {
        Ok(())
    }
    fn confirm_network(&self, _: Uuid) -> Result<bool, Trouble> {
        Ok(false)
    }
    fn remove_network(&self, _: Uuid, _: &str) -> Result<(), Trouble> {
        self.bridge.store(false, Ordering::Relaxed);
        Ok(())
    }
    fn is_left(&self, _: Uuid) -> bool {
        self.bridge.load(Ordering::Relaxed)
    }
    fn restore_network(&self, _: Uuid, _: &str) -> Result<bool, Trouble> {
        Ok(false)
    }
}

#[test]
fn a_removal_that_was_cut_short_is_not_done_before_the_bridge_is_gone_too() {
    let (bench, half) = (Bench::new(), Half { bridge: AtomicBool::new(true) });
    let host = &bench.host;
    let world = World { machines: host, disks: host, moves: host, networks: &half, boots: host };
    let remove = Command::RemoveNetwork { id: Uuid::from_u128(1), name: "lan".into() };
    let look = || Performing::looking(remove.clone(), mark("remove-0"), false).turn(&world, 0, &NoWatch);
    match look() {
        Turn::Ended(Outcome::Failed { refusal }) => assert_eq!(refusal.code, Code::AgentInterrupted),
        other => panic!("a bridge that is left is not removed: {other:?}"),
    }
    let again = Performing::new(remove.clone(), mark("remove-0"), false).turn(&world, 0, &NoWatch);
    assert_eq!(again, Turn::Ended(Outcome::done()));
    assert!(!half.is_left(Uuid::from_u128(1)), "the next attempt removes what is left");
    assert_eq!(look(), Turn::Ended(Outcome::done()));
}
