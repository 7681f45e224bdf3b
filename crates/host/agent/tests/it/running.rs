//! An agent that runs in the test's own process, over a simulated host.

use hostler_agent::{Dial, Hands, Keep, MemoryJournal, Setup, run, simulated};
use hostler_hypervisor::simulated::SimulatedHost;
use hostler_model::host::{HostFacts, Load};
use hostler_wire::{AgentConfig, Identity};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::server::soon;

/// An agent that runs, and how to end it.
pub struct Running {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Running {
    pub fn start(host: &SimulatedHost, journal: &MemoryJournal, identity: Identity, events: bool) -> Self {
        let facts =
            HostFacts { host_name: "host-a".into(), vm_folder: "/vms".into(), ..HostFacts::default() };
        Self::over(simulated::hands(host, facts, Load::default, events), journal, identity)
    }

    pub fn over(hands: Hands, journal: &MemoryJournal, identity: Identity) -> Self {
        let about = &identity.about;
        let setup = Setup {
            me: hostler_agent_core::Identity {
                agent: about.agent,
                installation: about.installation,
                version: "0".into(),
                host_boot: "boot".into(),
            },
            journal: Keep::Memory(journal.clone()),
            dial: Dial {
                server: about.server.clone(),
                identity,
                config: AgentConfig::default(),
                status: None,
            },
            trial: false,
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            run(setup, hands, async { drop(stopped.await) }).await.unwrap();
        });
        Self { task, stop }
    }

    /// It dies: whatever it was about stays as it is.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        soon("the agent ends", self.task).await.unwrap();
    }
}
