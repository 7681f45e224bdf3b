//! A server in a folder of its own, and an agent that does what the test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hostler_model::access::{Actor, Role};
use hostler_model::agent::Roles;
use hostler_model::channel::{FromAgent, Hello, PROTOCOL, Report, ReportBody, ToAgent};
use hostler_model::host::{HostFacts, Load};
use hostler_model::request::{Request, Secret};
use hostler_model::{AgentId, InstallationId, Name, Refusal, SessionId};
use hostler_server::store::{
    Commit, HistoryId, Loaded, MemoryStore, Pruned, Reader, Retention, Revision, Store, StoreError,
};
use hostler_server::{Ask, Config, Handle, Server};
use hostler_wire::{AgentConfig, AgentSession, EnrolmentToken, Identity};
use tempfile::TempDir;
use uuid::Uuid;

/// Five times what anything here should take, for a busy computer.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub struct Site {
    pub server: Server,
    _folder: TempDir,
}

impl Site {
    pub fn handle(&self) -> &Handle {
        &self.server.handle
    }

    pub fn address(&self) -> String {
        self.server.agent_address.to_string()
    }

    /// An enrolment token.
    pub async fn token(&self) -> EnrolmentToken {
        let roles = Roles { host: true, library: true };
        let (_, text) =
            self.handle().create_enrolment(Actor::System, None, roles, None, None, 3_600_000).await.unwrap();
        text.unwrap().parse().unwrap()
    }

    /// An enrolled agent, not connected yet.
    pub async fn enrolled(&self, name: &str) -> Identity {
        self.enrol(&self.token().await, name).await.unwrap()
    }

    pub async fn enrol(
        &self,
        token: &EnrolmentToken,
        name: &str,
    ) -> Result<Identity, hostler_wire::ConnectError> {
        hostler_wire::enrol(&self.address(), token, "0.1.0", facts(name), &AgentConfig::default()).await
    }

    /// Connects as this agent, with a full picture of no machines.
    pub async fn connect(&self, identity: &Identity) -> Agent {
        let mut agent = self.hello(identity, identity.about.agent).await;
        agent.welcomed().await;
        agent.picture();
        let id = identity.about.agent;
        until("the agent answers", || self.handle().picture().answers(id)).await;
        agent
    }

    /// Connects and says hello, as whom it likes.
    pub async fn hello(&self, identity: &Identity, says: AgentId) -> Agent {
        let session =
            hostler_wire::connect(&self.address(), identity, &AgentConfig::default()).await.unwrap();
        let hello = Hello {
            protocol: PROTOCOL,
            oldest: PROTOCOL,
            agent: says,
            version: "0.1.0".into(),
            installation: identity.about.installation,
            journal: Uuid::from_u128(1),
            run: 1,
            host_boot: "boot".into(),
            epoch: 0,
            host: facts("h"),
        };
        session.outgoing.send(FromAgent::Hello(Box::new(hello))).await.unwrap();
        Agent { session, id: SessionId(0) }
    }
}

/// An agent as the test plays it.
pub struct Agent {
    pub session: AgentSession,
    pub id: SessionId,
}

impl Agent {
    pub async fn welcomed(&mut self) {
        match self.next().await {
            Ok(ToAgent::Welcome { session, .. }) => self.id = session,
            other => panic!("instead of a welcome: {other:?}"),
        }
    }

    /// What the server says next that is no heartbeat.
    pub async fn next(&mut self) -> Result<ToAgent, hostler_wire::End> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                match self.session.incoming.next().await {
                    Ok(ToAgent::Heartbeat) => {}
                    other => return other,
                }
            }
        })
        .await
        .expect("the server says something")
    }

    /// Why the server ends the session.
    pub async fn end(&mut self) -> String {
        loop {
            if let Err(end) = self.next().await {
                return end.to_string();
            }
        }
    }

    pub fn say(&self, message: FromAgent) {
        self.session.outgoing.offer(message).unwrap();
    }

    pub fn report(&self, body: ReportBody) {
        let report =
            Report { session: self.id, journal: Uuid::from_u128(1), run: 1, facts: Vec::new(), body };
        self.say(FromAgent::Report(Box::new(report)));
    }

    pub fn picture(&self) {
        self.report(ReportBody::Picture { as_of: 1 });
    }

    pub fn heartbeat(&self) {
        let load = Load { cpu_percent: 12.5, ..Load::default() };
        self.say(FromAgent::Heartbeat { load });
    }
}

pub fn facts(name: &str) -> HostFacts {
    HostFacts {
        host_name: name.into(),
        cpus: 4,
        memory_mib: 8192,
        libvirt_answers: true,
        ..HostFacts::default()
    }
}

pub async fn site() -> Site {
    site_on(memory()).await
}

pub async fn site_on<S: Store + 'static>(store: S) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(config(&folder), store, None).await.unwrap();
    Site { server, _folder: folder }
}

pub fn config(folder: &TempDir) -> Config {
    let agent_listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let state_dir = folder.path().join("state");
    Config { state_dir, agent_listen, server_names: vec!["localhost".into()], agent_program: None }
}

pub fn memory() -> MemoryStore {
    MemoryStore::new(InstallationId(Uuid::from_u128(42)), HistoryId(7))
}

/// A request that changes the record and nothing else.
pub fn make_user(name: &str) -> Ask {
    let request = Request::CreateUser {
        name: Name::new(name).unwrap(),
        role: Role::ReadOnly,
        hash: Secret("$argon2id$none".into()),
    };
    Ask::new(Actor::System, request)
}

pub async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is() {
        assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> hostler_model::Code {
    result.unwrap_err().code
}

/// A store whose commits wait while the test holds the gate.
pub struct Gated {
    store: MemoryStore,
    gate: Arc<Mutex<()>>,
}

impl Gated {
    pub fn new(store: MemoryStore) -> (Self, Arc<Mutex<()>>) {
        let gate = Arc::new(Mutex::new(()));
        (Self { store, gate: gate.clone() }, gate)
    }
}

impl Store for Gated {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.store.load()
    }
    fn begin_epoch(&mut self) -> Result<u32, StoreError> {
        self.store.begin_epoch()
    }
    fn raise_epoch_above(&mut self, seen: u32) -> Result<u32, StoreError> {
        self.store.raise_epoch_above(seen)
    }
    fn commit(&mut self, commit: &Commit) -> Result<Revision, StoreError> {
        let _open = self.gate.lock().unwrap();
        self.store.commit(commit)
    }
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.store.reader()
    }
    fn prune(&mut self, retention: &Retention) -> Result<Pruned, StoreError> {
        self.store.prune(retention)
    }
}
