//! A server with its authority, and agents for it. The agent's tests use it as well.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hostler_model::channel::{FromAgent, ToAgent};
use hostler_model::host::HostFacts;
use hostler_model::{AgentId, Code, InstallationId, Refusal};
use hostler_wire::*;
use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;

pub const INSTALLATION: InstallationId = InstallationId(Uuid::from_u128(1));

/// Far beyond what anything here should take, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

pub struct World {
    pub authority: Arc<Authority>,
    pub admission: Arc<Admission>,
    pub certificate: Arc<ServerCertificate>,
    pub server: Server,
    pub listening: Listening,
    pub dir: TempDir,
    sessions: mpsc::UnboundedReceiver<Session>,
    streams: mpsc::UnboundedReceiver<Opened>,
}

/// What the test's server does: hands sessions to the test, and enrols whoever has a token.
#[derive(Clone)]
pub struct Server {
    authority: Arc<Authority>,
    admission: Arc<Admission>,
    sessions: mpsc::UnboundedSender<Session>,
    streams: mpsc::UnboundedSender<Opened>,
    /// Streams that are waited for.
    pub wanted: Arc<Mutex<Vec<Uuid>>>,
    pub tokens: Arc<Mutex<Vec<String>>>,
    pub asked: Arc<AtomicUsize>,
    pub echo: Arc<AtomicBool>,
}

impl Handler for Server {
    async fn session(&self, mut session: Session) {
        if self.echo.load(Ordering::Relaxed) {
            while let Ok(message) = session.incoming.next().await {
                let answer = match message {
                    FromAgent::Heartbeat { .. } => ToAgent::Heartbeat,
                    _ => ToAgent::Picture,
                };
                if session.outgoing.offer(answer).is_err() {
                    return;
                }
            }
            return;
        }
        let kill = session.kill.clone();
        let gone = session.outgoing.clone();
        self.sessions.send(session).unwrap();
        // The test holds the session; this ends when the connection does.
        gone.closed().await;
        drop(kill);
    }

    async fn enrol(&self, ask: EnrolAsk) -> Result<Enrolled, Refusal> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut tokens = self.tokens.lock().unwrap();
        let Some(at) = tokens.iter().position(|t| *t == ask.token_sha256) else {
            return Err(Refusal::new(Code::EnrolmentRefused, "enrolment", "the token is wrong or used"));
        };
        tokens.remove(at);
        let agent = AgentId(Uuid::from_u128(0x77));
        let issued = self.authority.sign_agent(agent, &ask.public_point).unwrap();
        self.admission.allow(agent, &issued.serial);
        Ok(Enrolled::new(agent, INSTALLATION, issued, &self.authority))
    }

    fn stream(&self, opened: Opened) -> bool {
        let mut wanted = self.wanted.lock().unwrap();
        let Some(at) = wanted.iter().position(|stream| *stream == opened.stream) else { return false };
        wanted.remove(at);
        self.streams.send(opened).is_ok()
    }

    async fn renew(&self, ask: RenewAsk) -> Result<Renewed, Refusal> {
        let issued = self.authority.sign_agent(ask.agent, &ask.public_point).unwrap();
        self.admission.allow(ask.agent, &issued.serial);
        Ok(issued.into())
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = Arc::new(Authority::create(&dir.path().join("pki")).unwrap());
        let admission = Admission::new();
        let certificate = authority.server_certificate(&["127.0.0.1".into()]).unwrap();
        let (tx, sessions) = mpsc::unbounded_channel();
        let (stream_tx, streams) = mpsc::unbounded_channel();
        let server = Server {
            authority: authority.clone(),
            admission: admission.clone(),
            sessions: tx,
            streams: stream_tx,
            wanted: Arc::default(),
            tokens: Arc::default(),
            asked: Arc::default(),
            echo: Arc::default(),
        };
        let listening = listen(
            ListenConfig {
                address: ([127, 0, 0, 1], 0).into(),
                authority: &authority,
                certificate: certificate.clone(),
                admission: admission.clone(),
                limits,
            },
            Arc::new(server.clone()),
        )
        .unwrap();
        Self { authority, admission, certificate, server, listening, dir, sessions, streams }
    }

    pub fn address(&self) -> String {
        self.listening.address().to_string()
    }

    /// An agent with a certificate that is let in, and its serial number.
    pub fn agent(&self, number: u128) -> (Identity, String) {
        let (identity, serial) = self.stranger(number);
        self.admission.allow(identity.about.agent, &serial);
        (identity, serial)
    }

    /// An agent with a certificate of the authority that the record does not name.
    pub fn stranger(&self, number: u128) -> (Identity, String) {
        let hour = Duration::from_secs(3600);
        self.agent_until(number, SystemTime::now() + hour)
    }

    pub fn agent_until(&self, number: u128, until: SystemTime) -> (Identity, String) {
        let agent = AgentId(Uuid::from_u128(number));
        let key = AgentKey::generate().unwrap();
        let from = SystemTime::now() - Duration::from_secs(86_400);
        let issued = self.authority.sign_agent_for(agent, key.public_point(), from, until).unwrap();
        let serial = issued.serial.clone();
        let enrolled = Enrolled::new(agent, INSTALLATION, issued, &self.authority);
        (Identity::new(&self.address(), key, enrolled), serial)
    }

    pub fn token(&self) -> EnrolmentToken {
        let token = EnrolmentToken::new(self.authority.fingerprint()).unwrap();
        self.server.tokens.lock().unwrap().push(token.sha256());
        token
    }

    pub async fn connect(&self, identity: &Identity) -> Result<AgentSession, ConnectError> {
        soon("connecting", connect(&self.address(), identity, &AgentConfig::default())).await
    }

    /// The server's end of the session that opens next.
    pub async fn session(&mut self) -> Session {
        soon("a session", self.sessions.recv()).await.unwrap()
    }

    /// Both ends of a stream that the server asks this agent for: the agent's, and the server's.
    pub async fn stream(&mut self, agent: &AgentSession) -> (ByteStream, ByteStream) {
        let ticket = Uuid::new_v4();
        self.want(ticket);
        let ours = soon("opening a stream", agent.streams.open(ticket)).await.unwrap();
        (ours, self.opened().await.opened.unwrap())
    }

    /// The server waits for a stream.
    pub fn want(&self, ticket: Uuid) {
        self.server.wanted.lock().unwrap().push(ticket);
    }

    /// What an agent opens, or refuses to, next.
    pub async fn opened(&mut self) -> Opened {
        soon("a stream", self.streams.recv()).await.unwrap()
    }

    pub async fn both_ends(&mut self, number: u128) -> (AgentSession, Session) {
        let (identity, _) = self.agent(number);
        let agent = self.connect(&identity).await.unwrap();
        (agent, self.session().await)
    }
}

pub fn facts() -> HostFacts {
    HostFacts { host_name: "host-a".into(), cpus: 2, ..HostFacts::default() }
}

/// Why the server did not take a certificate.
pub fn refused(result: Result<AgentSession, ConnectError>) -> Rejection {
    match result {
        Err(e @ ConnectError::CertificateRefused(why)) => {
            assert!(e.is_slow(), "a refused agent must not knock every second");
            why
        }
        Err(e) => panic!("another error: {e}"),
        Ok(_) => panic!("it was let in"),
    }
}
