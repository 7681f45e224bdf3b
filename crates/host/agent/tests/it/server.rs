//! A server that says what the test says, and remembers what it was told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hostler_model::channel::{Fact, FromAgent, Hello, Query, ReportBody, ToAgent};
use hostler_model::command::{Command, Mark, Outcome};
use hostler_model::seen::{Power, Seen};
use hostler_model::{AgentId, Code, InstallationId, JobId, Refusal, SessionId, StepNo};
use hostler_wire::*;
use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;

pub const INSTALLATION: InstallationId = InstallationId(Uuid::from_u128(0xabc));

/// Far beyond what anything here should take, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// A port for agents.
pub struct Server {
    pub authority: Arc<Authority>,
    pub admission: Arc<Admission>,
    pub listening: Listening,
    sessions: mpsc::UnboundedReceiver<Session>,
    tokens: Arc<Mutex<Vec<String>>>,
    count: u64,
    _pki: TempDir,
}

#[derive(Clone)]
struct Hands {
    authority: Arc<Authority>,
    admission: Arc<Admission>,
    sessions: mpsc::UnboundedSender<Session>,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Handler for Hands {
    async fn session(&self, session: Session) {
        let gone = session.outgoing.clone();
        if self.sessions.send(session).is_ok() {
            gone.closed().await;
        }
    }

    async fn enrol(&self, ask: EnrolAsk) -> Result<Enrolled, Refusal> {
        let mut tokens = self.tokens.lock().unwrap();
        let Some(at) = tokens.iter().position(|token| *token == ask.token_sha256) else {
            let refusal = Refusal::new(Code::EnrolmentRefused, "enrolment", "the token is wrong or was used");
            return Err(refusal.remedy("Ask for a new token"));
        };
        tokens.remove(at);
        let agent = AgentId(Uuid::from_u128(0x77));
        let issued = self.authority.sign_agent(agent, &ask.public_point).unwrap();
        self.admission.allow(agent, &issued.serial);
        Ok(enrolled(&self.authority, agent, &issued))
    }
}

fn enrolled(authority: &Authority, agent: AgentId, issued: &Issued) -> Enrolled {
    Enrolled {
        agent,
        installation: INSTALLATION,
        certificate_pem: issued.certificate_pem.clone(),
        certificate_until: issued.until,
        authority_pem: authority.certificate_pem().to_owned(),
    }
}

impl Server {
    pub fn new() -> Self {
        let pki = TempDir::new().unwrap();
        let authority = Arc::new(Authority::create(&pki.path().join("pki")).unwrap());
        let admission = Admission::new();
        let (tell, sessions) = mpsc::unbounded_channel();
        let tokens = Arc::default();
        let hands = Hands {
            authority: authority.clone(),
            admission: admission.clone(),
            sessions: tell,
            tokens: Arc::clone(&tokens),
        };
        let config = ListenConfig {
            address: ([127, 0, 0, 1], 0).into(),
            authority: &authority,
            certificate: authority.server_certificate(&["127.0.0.1".into()]).unwrap(),
            admission: admission.clone(),
            limits: Limits::default(),
        };
        let listening = listen(config, Arc::new(hands)).unwrap();
        Self { authority, admission, listening, sessions, tokens, count: 0, _pki: pki }
    }

    pub fn address(&self) -> String {
        self.listening.address().to_string()
    }

    /// A token to enrol with, as text.
    pub fn token(&self) -> String {
        let token = EnrolmentToken::new(self.authority.fingerprint()).unwrap();
        self.tokens.lock().unwrap().push(token.sha256());
        token.to_string()
    }

    /// An agent that has enrolled before.
    pub fn identity(&self, number: u128) -> (Identity, String) {
        let agent = AgentId(Uuid::from_u128(number));
        let key = AgentKey::generate().unwrap();
        let issued = self.authority.sign_agent(agent, key.public_point()).unwrap();
        self.admission.allow(agent, &issued.serial);
        (Identity::new(&self.address(), key, enrolled(&self.authority, agent, &issued)), issued.serial)
    }

    /// The next session, welcomed, with its first picture.
    pub async fn session(&mut self) -> Link {
        let mut session = soon("an agent calls", self.sessions.recv()).await.unwrap();
        let hello = loop {
            match soon("hello", session.incoming.next()).await {
                Ok(FromAgent::Hello(hello)) => break *hello,
                // A session that its agent gave up before it spoke.
                Err(_) => session = soon("an agent calls", self.sessions.recv()).await.unwrap(),
                Ok(other) => panic!("hello comes first, not {other:?}"),
            }
        };
        self.count += 1;
        let id = SessionId(self.count);
        session.outgoing.offer(ToAgent::Welcome { session: id, epoch: 1 }).unwrap();
        let heartbeat = session.outgoing.clone();
        tokio::spawn(async move {
            while heartbeat.offer(ToAgent::Heartbeat).is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let mut link = Link { session, id, hello, known: BTreeMap::new(), pictures: 0, last: None };
        link.until("the first picture", |link| link.pictures > 0).await;
        link
    }
}

/// A session, from the server's side.
pub struct Link {
    pub session: Session,
    id: SessionId,
    pub hello: Hello,
    /// The machines as told.
    pub known: BTreeMap<Uuid, Seen>,
    pub pictures: u32,
    last: Option<FromAgent>,
}

impl Link {
    /// Hears the next message and remembers its facts.
    pub async fn hear(&mut self) -> Result<FromAgent, End> {
        let message = self.session.incoming.next().await?;
        if let FromAgent::Report(report) = &message {
            assert_eq!(report.session, self.id, "nothing of one session is said in another");
            if let ReportBody::Picture { .. } = report.body {
                self.pictures += 1;
                self.known.clear();
            }
            for fact in &report.facts {
                self.take(fact);
            }
        }
        self.last = Some(message.clone());
        Ok(message)
    }

    fn take(&mut self, fact: &Fact) {
        match &fact.seen {
            Some(seen) => drop(self.known.insert(fact.domain, (**seen).clone())),
            None => drop(self.known.remove(&fact.domain)),
        }
    }

    /// Hears until something holds.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Link) -> bool) {
        soon(what, async {
            while !holds(self) {
                self.hear().await.unwrap();
            }
        })
        .await;
    }

    pub fn power(&self, domain: Uuid) -> Option<Power> {
        self.known.get(&domain).map(|seen| seen.power)
    }

    pub fn say(&self, message: ToAgent) {
        self.session.outgoing.offer(message).unwrap();
    }

    pub fn send(&self, no: u64, command: Command) {
        self.send_as(no, false, command);
    }

    pub fn send_as(&self, no: u64, undo: bool, command: Command) {
        let mark = Mark { epoch: 1, job: JobId(no), step: "step".into() };
        self.say(ToAgent::Do { no: StepNo(no), floor: StepNo(0), mark, undo, command: Box::new(command) });
    }

    /// Hears until the step's answer; with it comes what else its report told.
    pub async fn ended(&mut self, no: u64) -> (Outcome, Vec<Fact>) {
        soon(&format!("the end of step {no}"), async {
            loop {
                if let FromAgent::Report(report) = self.hear().await.unwrap()
                    && let ReportBody::Ended { no: ended, outcome } = report.body
                    && ended == StepNo(no)
                {
                    return (outcome, report.facts);
                }
            }
        })
        .await
    }

    /// Has it done, which must succeed.
    pub async fn done(&mut self, no: u64, command: Command) -> Vec<Fact> {
        let word = command.word();
        self.send(no, command);
        let (outcome, facts) = self.ended(no).await;
        assert!(matches!(outcome, Outcome::Done { .. }), "{word}: {outcome:?}");
        facts
    }

    pub async fn ask(&mut self, query: Query) -> Result<String, Refusal> {
        self.say(ToAgent::Ask { question: 1, query });
        soon("an answer", async {
            loop {
                if let FromAgent::Answer { question: 1, answer } = self.hear().await.unwrap() {
                    return answer;
                }
            }
        })
        .await
    }

    /// Hears until the session ends.
    pub async fn end(&mut self) -> End {
        soon("the session's end", async {
            loop {
                if let Err(end) = self.hear().await {
                    return end;
                }
            }
        })
        .await
    }
}
