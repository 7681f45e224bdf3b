//! A simulated fleet: agents that speak the real protocol over mutual TLS, over hosts without a computer. The server
//! cannot tell them from real ones; sizing and benches go by them.

use std::path::Path;
use std::time::Duration;

use hostler_agent::{Dial, Keep, MemoryJournal, Setup, run, simulated};
use hostler_client::{Client, How};
use hostler_hypervisor::simulated::{Outside, SimulatedHost};
use hostler_model::agent::Roles;
use hostler_model::body::NewEnrolment;
use hostler_model::command::Definition;
use hostler_model::hardware::{Bus, Disk, DiskFormat, Firmware, GIB, Hardware};
use hostler_model::host::{HostFacts, Kvm, Load};
use hostler_model::seen::Identity as Mark;
use hostler_model::{Code, InstallationId, VmId};
use hostler_wire::{AgentConfig, ConnectError, EnrolmentToken, enrol};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::site::taken;
use crate::trouble::{Result, Trouble};

/// Where simulated hosts keep machines.
const VM_FOLDER: &str = "/var/lib/hostler-agent/vms";
/// How much room a simulated host has, in bytes.
const CAPACITY_BYTES: u64 = 8 << 40;
/// The version that simulated agents say.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What machines are called by what they do.
const WORK: [&str; 8] = ["web", "db", "mail", "build", "cache", "proxy", "files", "desk"];

/// Agents on simulated hosts. Dropped, all of them die at once.
#[derive(Debug, Default)]
pub struct Fleet {
    agents: JoinSet<()>,
    joined: usize,
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
            self.join_one(client, server, part).await?;
        }
        Ok(())
    }

    async fn join_one(&mut self, client: &Client, server: &str, machines: usize) -> Result<()> {
        let n = self.joined;
        self.joined += 1;
        let facts = facts(n);
        let body =
            NewEnrolment { roles: Roles { host: true, library: true }, host_name: None, valid_s: None };
        let token = taken(client.create_enrolment(&body, &How::default()).await?)?.token;
        let token = EnrolmentToken::parse(&token).map_err(|why| Trouble::Answer(why.to_string()))?;
        let identity = loop {
            match enrol(server, &token, VERSION, facts.clone(), &AgentConfig::default()).await {
                Ok(identity) => break identity,
                // So many a minute are let in from one address.
                Err(ConnectError::Refused(why)) if why.code == Code::TooManyRequests => {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                Err(why) => return Err(Trouble::Answer(format!("{}: {why}", facts.host_name))),
            }
        };
        let host = SimulatedHost::new(u64::try_from(n).unwrap_or_default(), VM_FOLDER, CAPACITY_BYTES);
        for machine in 0..machines {
            furnish(&host, n, machine).map_err(|why| Trouble::Answer(why.to_string()))?;
        }
        let load = Load {
            cpu_percent: 7.5 + (n % 40) as f32,
            memory_available_mib: facts.memory_mib / 2,
            ..Load::default()
        };
        let hands = simulated::hands(&host, facts.clone(), load, true);
        let setup = Setup {
            me: hostler_agent_core::Identity {
                agent: identity.about.agent,
                installation: identity.about.installation,
                version: VERSION.into(),
                host_boot: facts.boot_id,
            },
            journal: Keep::Memory(MemoryJournal::default()),
            dial: Dial { identity, server: server.into(), config: AgentConfig::default(), status: None },
        };
        self.agents.spawn(async move {
            // Its journal is in memory: nothing can fail.
            let _ = run(setup, hands, std::future::pending()).await;
        });
        Ok(())
    }

    /// Waits until all of them answer.
    ///
    /// # Errors
    /// They do not.
    pub async fn answers(&self, client: &Client) -> Result<()> {
        let limit = Duration::from_secs(60);
        let until = std::time::Instant::now() + limit;
        loop {
            let query = hostler_client::ListQuery { limit: Some(1_000), ..Default::default() };
            let hosts = client.hosts(&query).await?.items;
            if hosts.iter().filter(|host| host.answers).count() >= self.joined.min(1_000) {
                return Ok(());
            }
            if std::time::Instant::now() > until {
                return Err(Trouble::Late { what: "all simulated hosts answer".into(), limit });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A computer as there are many.
fn facts(n: usize) -> HostFacts {
    HostFacts {
        host_name: format!("sim-{n:04}"),
        os: "Debian GNU/Linux 12 (bookworm)".into(),
        kernel: "6.1.0-41-amd64".into(),
        cpu_model: "AMD EPYC 7313 16-Core Processor".into(),
        cpus: 32,
        memory_mib: 262_144,
        kvm: Kvm::Works,
        libvirt: "9.0.0".into(),
        qemu: "7.2.22".into(),
        libvirt_answers: true,
        vm_folder: VM_FOLDER.into(),
        base_folder: "/var/lib/hostler-agent/bases".into(),
        networks: vec!["default".into()],
        boot_id: Uuid::from_u128(0xb007_0000 + n as u128).to_string(),
    }
}

/// Defines a machine with a disk; three of four run.
fn furnish(
    host: &SimulatedHost,
    n: usize,
    machine: usize,
) -> std::result::Result<(), hostler_hypervisor::Trouble> {
    let domain = Uuid::new_v4();
    let work = WORK.get(machine % WORK.len()).copied().unwrap_or("vm");
    let name = format!("{work}-{n:04}-{machine:03}");
    let file = format!("{VM_FOLDER}/{name}/disk-0.qcow2");
    let size_bytes = (10 + 10 * (machine as u64 % 8)) * GIB;
    if let Some(folder) = host.folder(Path::new(&file).to_string_lossy().as_ref()) {
        folder.put_file(&file, None, size_bytes);
    }
    let disk = Disk {
        no: 0,
        file,
        format: DiskFormat::Qcow2,
        size_bytes,
        bus: Bus::Virtio,
        base: None,
        seed: false,
    };
    let definition = Definition {
        // Not written into it: nobody manages it yet.
        identity: Mark { vm: VmId(domain), domain, installation: InstallationId(Uuid::nil()) },
        title: name.clone(),
        name,
        hardware: Hardware {
            cpus: 1 + (machine as u32 % 4),
            memory_mib: 1_024 << (machine % 4),
            firmware: Firmware::Bios,
            disks: vec![disk],
            dvd: None,
            adapters: Vec::new(),
        },
    };
    host.outside(&Outside::Define(Box::new(definition), false))?;
    if machine % 4 != 3 { host.outside(&Outside::Start(domain)) } else { Ok(()) }
}
