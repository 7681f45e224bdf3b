//! An agent's certificate over its whole life, with the server that users run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hostler_agent::MemoryJournal;
use hostler_hypervisor::Machines;
use hostler_hypervisor::simulated::SimulatedHost;
use hostler_model::access::Actor;
use hostler_model::agent::{Agent, Roles};
use hostler_model::channel::StreamKind;
use hostler_model::host::HostFacts;
use hostler_model::job::JobKind;
use hostler_model::request::Request;
use hostler_model::{AgentId, Code, InstallationId, Key, Object, Timestamp};
use hostler_server::store::{HistoryId, JobFilter, MemoryStore};
use hostler_server::{Ask, ByteStream, Config, Server};
use hostler_wire::{AgentConfig, AgentSession, ConnectError, Identity, Rejection, connect};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use crate::running::Running;
use crate::server::soon;
use crate::simulated::{VM, definition};

const DAYS_30_MS: u64 = 30 * 86_400_000;

/// A server, and an agent that is enrolled with it and keeps its identity in a folder.
struct Site {
    server: Server,
    agent: AgentId,
    host: SimulatedHost,
    folder: TempDir,
}

impl Site {
    /// The agent's first certificate lasts so long.
    async fn new(life_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            state_dir: folder.path().join("server"),
            agent_listen: "127.0.0.1:0".parse().unwrap(),
            server_names: vec!["localhost".into()],
            agent_program: None,
        };
        let store = MemoryStore::new(InstallationId(Uuid::from_u128(42)), HistoryId(7));
        let server = Server::start_on(config, store, None).await.unwrap();
        server.authority.set_agent_life(life_ms);
        let roles = Roles { host: true, library: true };
        let made =
            server.handle.create_enrolment(Actor::System, None, roles, None, None, 60_000).await.unwrap();
        let token = made.1.unwrap().parse().unwrap();
        let facts = HostFacts { host_name: "host-a".into(), ..HostFacts::default() };
        let address = server.agent_address.to_string();
        let limits = AgentConfig::default();
        let mut identity = hostler_wire::enrol(&address, &token, "0", facts, &limits).await.unwrap();
        identity.save(&folder.path().join("identity")).unwrap();
        let host = SimulatedHost::new(1, "/vms", 1 << 40);
        Self { agent: identity.about.agent, server, host, folder }
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("identity")
    }

    /// What the agent has on disk.
    fn identity(&self) -> Identity {
        Identity::load(&self.kept()).unwrap()
    }

    /// Makes the certificate on disk one that is to be renewed at once.
    fn make_it_due(&self) {
        let mut identity = self.identity();
        identity.about.certificate_from = Timestamp(1);
        identity.save(&self.kept()).unwrap();
    }

    /// Starts an agent from what is on disk.
    fn start(&self) -> Running {
        Running::start(&self.host, &MemoryJournal::default(), self.identity(), true)
    }

    fn record(&self) -> Arc<Agent> {
        match self.server.handle.picture().get(Key::Agent(self.agent)).map(|stored| &stored.object) {
            Some(Object::Agent(agent)) => agent.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Has the host read anew, which needs its agent.
    async fn has_work_done(&self) {
        soon("the agent answers", until(|| self.server.handle.picture().answers(self.agent))).await;
        let ask = || Ask::new(Actor::System, Request::RefreshHost { host: self.agent.into() });
        let mut asked = self.server.handle.ask(ask()).await;
        // An agent with a new certificate connects anew: for a moment nobody answers.
        for _ in 0..500 {
            if !matches!(&asked, Err(refusal) if refusal.code == Code::HostNotResponding) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            asked = self.server.handle.ask(ask()).await;
        }
        let job = asked.unwrap();
        let job = self.server.handle.wait_for_job(job, Duration::from_secs(30)).await.unwrap();
        assert!(job.state.is_success(), "{job:?}");
    }

    /// A session as far as the wire goes: nobody says hello on it.
    async fn session(&self, identity: &Identity) -> Result<AgentSession, ConnectError> {
        connect(&identity.about.server, identity, &AgentConfig::default()).await
    }

    async fn connects(&self, identity: &Identity) -> Result<(), ConnectError> {
        self.session(identity).await.map(drop)
    }
}

async fn until(mut is: impl FnMut() -> bool) {
    while !is() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_goes_on_working_past_the_end_of_its_first_certificate() {
    let site = Site::new(10_000).await;
    let first = site.identity();
    // Only the first is short, so that nothing hurries after it.
    site.server.authority.set_agent_life(DAYS_30_MS);
    let agent = site.start();
    site.has_work_done().await;
    assert_eq!(site.record().renewed, None, "not renewed before its time");
    soon("the first certificate's end", until(|| now() > first.about.certificate_until.plus(1_000))).await;

    site.has_work_done().await;
    let record = site.record();
    assert_eq!(record.renewed, None, "the new one is in use");
    assert_eq!(record.certificate_until, site.identity().about.certificate_until);
    // Also from the beginning, with what is on disk.
    agent.stop().await;
    soon("the server knows", until(|| !site.server.handle.picture().answers(site.agent))).await;
    let agent = site.start();
    site.has_work_done().await;
    agent.stop().await;
    assert!(matches!(site.connects(&first).await, Err(ConnectError::CertificateRefused(_))));

    let filter = JobFilter { kinds: vec![JobKind::RenewAgent], ..JobFilter::default() };
    let jobs = site.server.handle.read(move |reader| reader.jobs(&filter, 10)).await.unwrap();
    let actors: Vec<String> = jobs.iter().map(|job| job.object.actor.words()).collect();
    assert_eq!(actors, ["agent host-a", "agent host-a"], "it was given one, and has used it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_outlasts_the_renewal_of_its_agents_certificate_and_not_its_removal() {
    let site = Site::new(10_000).await;
    let first = site.record().certificate.clone();
    site.server.authority.set_agent_life(DAYS_30_MS);
    site.host.define(&definition()).unwrap();
    site.host.start(VM).unwrap();
    let agent = site.start();
    site.has_work_done().await;
    let screen = || site.server.handle.open_stream(site.agent, StreamKind::Graphics { domain: VM });
    let mut before = screen().await.unwrap();
    echoes(&mut before, true).await;
    assert_eq!(site.record().certificate, first, "it was opened before the renewal");

    soon("it uses another", until(|| site.record().certificate != first && site.record().renewed.is_none()))
        .await;
    echoes(&mut before, false).await;
    site.has_work_done().await;
    let mut after = screen().await.unwrap();
    echoes(&mut after, true).await;
    echoes(&mut before, false).await;

    let request = Request::RemoveAgent { agent: site.agent, force: true, keep: true };
    site.server.handle.ask(Ask::new(Actor::System, request)).await.unwrap();
    for mut screen in [before, after] {
        let rest = soon("the cut", screen.read_to_end(&mut Vec::new())).await;
        assert!(rest.is_err(), "whichever certificate it came with");
    }
    agent.kill().await;
}

/// Types on a screen, of which the greeting is still to come or was read already.
async fn echoes(screen: &mut ByteStream, greets: bool) {
    if greets {
        soon("the greeting", screen.read_exact(&mut [0; 12])).await.unwrap();
    }
    screen.write_all(b"typed").await.unwrap();
    let mut said = [0; 5];
    soon("the answer", screen.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"typed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_between_receiving_and_writing_comes_back_with_the_certificate_it_has() {
    let site = Site::new(DAYS_30_MS).await;
    site.make_it_due();
    let first = site.record().certificate.clone();
    // It can be given a certificate, and never gets to the end of writing it.
    let beside = site.kept().join("agent.json.new");
    std::fs::create_dir(&beside).unwrap();
    let agent = site.start();
    soon("it was given one", until(|| site.record().renewed.is_some())).await;
    // Long enough to use it, which it must not.
    tokio::time::sleep(Duration::from_millis(500)).await;
    agent.kill().await;
    std::fs::remove_dir(&beside).unwrap();
    std::fs::write(&beside, "{\"agent\":").unwrap();
    assert_eq!(site.record().certificate, first);
    let given = site.record().renewed.clone().unwrap().serial;

    let agent = site.start();
    site.has_work_done().await;
    soon("it uses another", until(|| site.record().certificate != first)).await;
    let record = site.record();
    assert!(record.renewed.is_none() && record.certificate != given, "the lost one is good for nothing");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_before_is_good_until_the_new_one_was_used_and_then_no_more() {
    let site = Site::new(DAYS_30_MS).await;
    let old = site.identity();
    let agent = site.start();
    site.has_work_done().await;
    agent.stop().await;
    // The new one was written, and the agent died before it connected with it.
    let session = site.session(&old).await.unwrap();
    let mut new = soon("the renewal", session.renewal.renew(&old)).await.unwrap();
    new.save(&site.kept()).unwrap();
    site.connects(&old).await.unwrap();
    site.connects(&new).await.unwrap();

    let agent = site.start();
    site.has_work_done().await;
    soon("the use is noted", until(|| site.record().renewed.is_none())).await;
    let refused = site.connects(&old).await;
    assert_eq!(refused, Err(ConnectError::CertificateRefused(Rejection::Revoked)));
    site.connects(&new).await.unwrap();
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_agent_cannot_renew() {
    let site = Site::new(DAYS_30_MS).await;
    let identity = site.identity();
    let session = site.session(&identity).await.unwrap();
    let uses = site.record().certificate.clone();
    let request = Request::RemoveAgent { agent: site.agent, force: true, keep: true };
    let job = site.server.handle.ask(Ask::new(Actor::System, request)).await.unwrap();
    site.server.handle.wait_for_job(job, Duration::from_secs(30)).await.unwrap();

    assert!(soon("the answer", session.renewal.renew(&identity)).await.is_err());
    let refused = site.connects(&identity).await;
    assert_eq!(refused, Err(ConnectError::CertificateRefused(Rejection::Revoked)));
    // Nor would the decision be another, should the connection have outlived the removal for a moment.
    let request = Request::RenewAgent { agent: site.agent, uses, next: None };
    let refused = site.server.handle.ask(Ask::new(Actor::System, request)).await.unwrap_err();
    assert_eq!(refused.code, hostler_model::Code::ObjectNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_restored_from_before_the_renewal_is_met_with_the_certificate_before() {
    let mut server = crate::server::Server::new();
    let (old, serial) = server.world.agent(7);
    let session = server.world.connect(&old).await.unwrap();
    let new = soon("the renewal", session.renewal.renew(&old)).await.unwrap();
    server.world.session().await;
    server.world.admission.allow_only(old.about.agent, &[&serial]);
    drop(session);
    let host = SimulatedHost::new(1, "/vms", 1 << 40);
    let agent = Running::start(&host, &MemoryJournal::default(), new, true);
    assert_eq!(server.session().await.session.serial, serial);
    agent.stop().await;
}
