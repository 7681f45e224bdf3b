//! Hands on a simulated host: an agent over a host without a computer, for scale tests and demonstrations.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hostler_hypervisor::Machines;
use hostler_hypervisor::simulated::SimulatedHost;
use hostler_libvirt::Changed;
use hostler_model::channel::Query;
use hostler_model::host::{HostFacts, Load};
use hostler_model::{Code, Refusal};
use tokio::sync::mpsc;

use crate::hands::{Hands, Host};

/// How often simulated time moves and events are fetched.
const TICK: Duration = Duration::from_millis(50);
/// Changes that wait.
const CHANGES: usize = 1_024;

struct SimulatedComputer {
    host: SimulatedHost,
    facts: HostFacts,
    load: Load,
}

impl Host for SimulatedComputer {
    fn facts(&self) -> HostFacts {
        HostFacts { libvirt_answers: self.host.list().is_ok(), ..self.facts.clone() }
    }

    fn load(&self) -> Load {
        self.load
    }

    fn answer(&self, _: &Query) -> Result<Vec<u8>, Refusal> {
        Err(Refusal::new(Code::AgentUnsupported, "question", "a simulated host has nothing to show"))
    }
}

/// Hands on `host`, whose time moves with the clock from now on and whose events are told unless `events` is false.
/// To be called within a tokio runtime; what it starts ends with the hands.
pub fn hands(host: &SimulatedHost, facts: HostFacts, load: Load, events: bool) -> Hands {
    let (tell, changes) = mpsc::channel(CHANGES);
    let ticking = host.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(TICK);
        while !tell.is_closed() {
            tick.tick().await;
            ticking.tick(now_ms());
            for domain in ticking.take_changed() {
                // One that is not told is found by the next listing, as with libvirt.
                let _ = if events { tell.try_send(Changed::Domain(domain)) } else { Ok(()) };
            }
        }
    });
    Hands {
        machines: Arc::new(host.clone()),
        disks: Arc::new(host.clone()),
        host: Arc::new(SimulatedComputer { host: host.clone(), facts, load }),
        changes,
    }
}

/// One clock for all simulated hosts of the process, so that a host's time goes on with its next agent.
fn now_ms() -> u64 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGUN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}
