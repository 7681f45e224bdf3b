//! A simulated fleet: agents that speak the real protocol over mutual TLS, over hosts without a computer. The server
//! cannot tell them from real ones; sizing, benches and figures of the console go by them.

mod believable;
mod dice;
mod life;
mod plain;
mod populate;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hostler_agent::{Dial, Keep, MemoryJournal, Setup, run, simulated};
use hostler_client::{Client, How};
use hostler_hypervisor::simulated::{Outside, SimulatedHost};
use hostler_model::agent::Roles;
use hostler_model::body::NewEnrolment;
use hostler_model::host::{HostFacts, Load};
use hostler_model::seen::Power;
use hostler_model::{AgentId, Code};
use hostler_wire::{AgentConfig, ConnectError, EnrolmentToken, enrol};
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use crate::site::taken;
use crate::trouble::{Result, Trouble};

pub use believable::Wanted;
pub use dice::Dice;
pub use life::live;
pub use populate::{get_into_trouble, populate};

/// The version that simulated agents say.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Agents on simulated hosts. Dropped, all of them die at once.
#[derive(Default)]
pub struct Fleet {
    agents: JoinSet<()>,
    hosts: Vec<Joined>,
    /// A machine to which nothing happens by chance.
    apart: Option<Uuid>,
}

/// A host that has joined.
struct Joined {
    agent: AgentId,
    name: String,
    host: SimulatedHost,
    /// Ends its agent.
    agent_runs: AbortHandle,
}

/// A host that is to join.
struct Plan {
    facts: HostFacts,
    host: SimulatedHost,
    load: Box<dyn Fn() -> Load + Send + Sync>,
}

impl Fleet {
    /// Lets `hosts` more hosts join, each with its part of `machines` machines that somebody made with other tools. Each
    /// enrols with a token of its own, made through `client`; beyond 30 a minute the server lets it wait.
    ///
    /// # Errors
    /// The server refuses a token or an agent.
    pub async fn join(&mut self, client: &Client, server: &str, hosts: usize, machines: usize) -> Result<()> {
        for at in 0..hosts {
            // The remainder goes to the first ones.
            let part = machines / hosts + usize::from(at < machines % hosts);
            let plan = plain::host(self.hosts.len(), part)?;
            self.join_one(client, server, plan).await?;
        }
        Ok(())
    }

    async fn join_one(&mut self, client: &Client, server: &str, plan: Plan) -> Result<()> {
        let Plan { facts, host, load } = plan;
        let config = AgentConfig { from: self.next_address(server), ..AgentConfig::default() };
        let body = NewEnrolment {
            roles: Roles { host: true, library: true },
            host_name: None,
            group: None,
            valid_s: None,
        };
        let token = taken(client.create_enrolment(&body, &How::default()).await?)?.token;
        let token = EnrolmentToken::parse(&token).map_err(|why| Trouble::Answer(why.to_string()))?;
        let identity = loop {
            match enrol(server, &token, VERSION, facts.clone(), &config).await {
                Ok(identity) => break identity,
                // So many a minute are let in from one address.
                Err(ConnectError::Refused(why)) if why.code == Code::TooManyRequests => {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                Err(why) => return Err(Trouble::Answer(format!("{}: {why}", facts.host_name))),
            }
        };
        let agent = identity.about.agent;
        let (name, host_boot) = (facts.host_name.clone(), facts.boot_id.clone());
        let hands = simulated::hands(&host, facts, load, true);
        let setup = Setup {
            me: hostler_agent_core::Identity {
                agent,
                installation: identity.about.installation,
                version: VERSION.into(),
                host_boot,
            },
            journal: Keep::Memory(MemoryJournal::default()),
            dial: Dial { identity, server: server.into(), config, status: None },
            trial: false,
        };
        let agent_runs = self.agents.spawn(async move {
            // Its journal is in memory: nothing can fail.
            let _ = run(setup, hands, std::future::pending()).await;
        });
        self.hosts.push(Joined { agent, name, host, agent_runs });
        Ok(())
    }

    /// What its hosts have: each machine by its domain.
    pub(crate) fn powers(&self) -> BTreeMap<Uuid, Power> {
        self.hosts.iter().flat_map(|joined| joined.host.powers()).collect()
    }

    /// Machines that run, each with the number of its host.
    pub(crate) fn running(&self) -> Vec<(usize, Uuid)> {
        let all = self.hosts.iter().enumerate().flat_map(|(n, joined)| {
            joined.host.powers().into_iter().map(move |(domain, power)| (n, domain, power))
        });
        all.filter(|(.., power)| *power == Power::Running).map(|(n, domain, _)| (n, domain)).collect()
    }

    /// Nothing happens to this machine but what is let happen.
    pub(crate) fn keep_apart(&mut self, domain: Uuid) {
        self.apart = Some(domain);
    }

    /// Something happens on a host, behind everybody's back.
    ///
    /// # Errors
    /// There is no such host, or it cannot happen there.
    pub(crate) fn happens(&self, host: usize, what: &Outside) -> Result<()> {
        let joined = self.hosts.get(host).ok_or_else(|| Trouble::Answer(format!("no host {host}")))?;
        joined.host.outside(what).map_err(|why| Trouble::Answer(format!("{}: {why:?}", joined.name)))
    }

    /// Where the next agent dials from: a computer has an address of its own, and a server on this computer is reached
    /// from any of 127.0.0.0/8. Elsewhere they share one, and so its enrolments per minute.
    fn next_address(&self, server: &str) -> Option<IpAddr> {
        let local =
            server.parse::<SocketAddr>().is_ok_and(|server| server.ip().is_loopback() && server.is_ipv4());
        let n = u16::try_from(self.hosts.len()).ok()?;
        let [high, low] = n.to_be_bytes();
        local.then_some(IpAddr::V4(Ipv4Addr::new(127, 1 + high, low, 2)))
    }

    /// Waits until all of them answer.
    ///
    /// # Errors
    /// They do not.
    pub async fn answers(&self, client: &Client) -> Result<()> {
        let limit = Duration::from_secs(120);
        let until = std::time::Instant::now() + limit;
        let query = hostler_client::ListQuery {
            limit: Some(1),
            filter: Some("answers=true".into()),
            ..Default::default()
        };
        loop {
            let answering = client.hosts(&query).await?.total.unwrap_or_default();
            if answering >= self.hosts.len() as u64 {
                return Ok(());
            }
            if std::time::Instant::now() > until {
                return Err(Trouble::Late { what: "all simulated hosts answer".into(), limit });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("hosts", &self.hosts.len()).finish()
    }
}
