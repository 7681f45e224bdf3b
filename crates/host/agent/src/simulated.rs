//! Hands on a simulated host: an agent over a host without a computer, for scale tests and demonstrations.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hostler_hypervisor::Machines;
use hostler_hypervisor::simulated::SimulatedHost;
use hostler_libvirt::Changed;
use hostler_model::channel::Query;
use hostler_model::host::{HostFacts, Load};
use hostler_model::{Code, Refusal};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::hands::{Hands, Host};

/// How often simulated time moves and events are fetched.
const TICK: Duration = Duration::from_millis(50);
/// What an RFB server says first.
const RFB_GREETING: &[u8] = b"RFB 003.008\n";
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

    /// A screen that greets and then says back what it is told: enough to see that bytes come through.
    fn open_graphics(&self, domain: Uuid) -> Result<OwnedFd, Refusal> {
        let failed = |why: std::io::Error| {
            Refusal::new(Code::HypervisorFailed, format!("domain {domain}"), why.to_string())
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let (host, mut write) = (self.host.clone(), ours.try_clone().map_err(failed)?);
        let echo = move || -> std::io::Result<()> {
            write.write_all(RFB_GREETING)?;
            let mut read = ours.try_clone()?;
            // Off, it closes as a real one does.
            read.set_read_timeout(Some(TICK))?;
            let mut part = [0; 4096];
            loop {
                match read.read(&mut part) {
                    Ok(0) => return Ok(()),
                    Ok(some) => write.write_all(&part[..some])?,
                    Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        if !matches!(host.read(domain), Ok(Some(seen)) if seen.power.is_on()) {
                            return Ok(());
                        }
                    }
                    Err(why) => return Err(why),
                }
            }
        };
        std::thread::Builder::new().name("screen".into()).spawn(echo).map_err(failed)?;
        Ok(theirs.into())
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
