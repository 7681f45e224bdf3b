//! One agent's session: who it is, what it says, how it ends. Its words become inputs in their order; when the
//! queue is full the stream is just not read.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hostler_engine::Input;
use hostler_model::channel::{FromAgent, HEARTBEAT_MS, Hello, ToAgent};
use hostler_model::setting::Settings;
use hostler_model::{AgentId, Code, Key, Object, Refusal, SessionId};
use hostler_wire::{ByteStream, End, EnrolAsk, Enrolled, Handler, Opened, RenewAsk, Renewed, Session};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout, timeout_at};

use crate::ask;
use crate::decide::{Message, Shared};
use crate::pending::{Waiting, Way};
use crate::program::Program;
use crate::turns::Turns;

/// How long an agent may take to say hello, and the loop to decide on it.
const HELLO_LIMIT: Duration = Duration::from_secs(15);
/// How often two addresses must take turns with one certificate before it counts as copied. A computer whose address
/// changes does it once.
const TURNS: usize = 4;
/// Within which time.
const TURNS_WITHIN: Duration = Duration::from_secs(60);
/// How much of an agent program is read at a time.
const PROGRAM_PIECE_BYTES: usize = 256 * 1024;
/// How long both are refused after that.
const CLONED_FOR: Duration = Duration::from_secs(300);

/// The agents' port calls this.
pub(crate) struct Agents {
    shared: Arc<Shared>,
    places: Places,
    turns: Turns,
}

impl Agents {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, places: Places::default(), turns: Turns::default() }
    }
}

impl Handler for Agents {
    async fn session(&self, session: Session) {
        let (agent, remote) = (session.agent, session.remote);
        let why = self.hold(session).await;
        tracing::info!(%agent, %remote, why, "a session has ended");
    }

    async fn enrol(&self, asked: EnrolAsk) -> Result<Enrolled, Refusal> {
        crate::enrol::enrol(&self.shared, asked).await
    }

    fn stream(&self, opened: Opened) -> bool {
        self.shared.hub.stream_opened(opened)
    }

    fn program(&self, agent: AgentId, sha256: &str, stream: ByteStream) -> bool {
        let Some(program) = self.shared.offered.known().filter(|program| program.sha256 == sha256) else {
            return false;
        };
        tokio::spawn(async move {
            if let Err(why) = hand_out(&program, stream).await {
                tracing::warn!(%agent, version = program.version, %why, "an agent was not given its program");
            }
        });
        true
    }

    async fn renew(&self, asked: RenewAsk) -> Result<Renewed, Refusal> {
        if self.places.is_held_for_clone(asked.agent) {
            let object = format!("agent {}", asked.agent);
            return Err(Refusal::new(Code::EnrolmentRefused, object, "two computers use its certificate"));
        }
        crate::renewal::renew(&self.shared, asked).await
    }
}

impl Agents {
    /// Holds a session to its end, and says how that came.
    async fn hold(&self, mut session: Session) -> String {
        let farewell = |session: &Session, why: String| {
            let _ = session.outgoing.offer(ToAgent::Bye { why: why.clone() });
            why
        };
        if self.shared.stopping.load(Ordering::Relaxed) {
            return farewell(&session, "the server is stopping".into());
        }
        // The handshake has looked already; the record may have changed since.
        if !self.may_enter(session.agent, &session.serial) {
            return farewell(&session, "this certificate is not the agent's current one".into());
        }
        if self.places.is_cloned(session.agent, session.remote.ip()) {
            tracing::error!(
                agent = %session.agent, remote = %session.remote,
                "cloned agent: two computers use one certificate; both are refused. Enrol one of them anew"
            );
            self.shared.hub.cut(session.agent, "cloned agent");
            return farewell(&session, "cloned agent: two computers use this certificate".into());
        }
        let hello = match timeout(HELLO_LIMIT, session.incoming.next()).await {
            Ok(Ok(FromAgent::Hello(hello))) => hello,
            Ok(Ok(_)) => return farewell(&session, "its first word was not hello".into()),
            Ok(Err(end)) => return end.to_string(),
            Err(_) => return farewell(&session, "it did not say hello".into()),
        };
        if hello.agent != session.agent {
            return farewell(&session, format!("it says that it is agent {}", hello.agent));
        }
        if let Some(why) = self.await_turn(&session).await {
            return why;
        }
        self.greeted(session, hello).await
    }

    /// Waits until this agent may come in; says why it ended where it did meanwhile.
    async fn await_turn(&self, session: &Session) -> Option<String> {
        let turn = self.turns.take(ask::settings(&self.shared.picture.load()).agent_admissions_per_s);
        if turn <= tokio::time::Instant::now() {
            return None;
        }
        let mut beat = interval(Duration::from_millis(HEARTBEAT_MS));
        loop {
            tokio::select! {
                biased;
                () = session.outgoing.closed() => return Some("the connection was lost".into()),
                () = sleep_until(turn) => return None,
                // Who waits must not take the server for silent.
                _ = beat.tick() => {
                    if session.outgoing.offer(ToAgent::Heartbeat).is_err() {
                        return Some("the connection was lost".into());
                    }
                }
            }
        }
    }

    async fn greeted(&self, mut session: Session, hello: Box<Hello>) -> String {
        let agent = session.agent;
        let hub = &self.shared.hub;
        let (number, opened) = hub.enter(
            agent,
            session.remote.ip(),
            &session.serial,
            session.outgoing.clone(),
            session.kill.clone(),
        );
        // Whatever happens to this task, the connection is forgotten.
        let _left = Left { shared: &self.shared, number };
        let mut opened = Opening { shared: &self.shared, agent, opened };
        // A removal between the look above and now cut only what was known then.
        if !self.may_enter(agent, &session.serial) {
            return "the agent was removed".into();
        }
        if !self.shared.queue.wait(Message::Input(Input::Connected { connection: number, hello })).await {
            return "the server has stopped".into();
        }
        let id = tokio::select! {
            opened = timeout(HELLO_LIMIT, &mut opened.opened) => match opened {
                Ok(Ok(id)) => id,
                Ok(Err(_)) => return "it was refused".into(),
                Err(_) => return "it was not decided on in time".into(),
            },
            () = session.outgoing.closed() => return "the connection was lost".into(),
        };
        let _lost = Lost { shared: &self.shared, agent, session: id };
        tracing::info!(%agent, session = %id, remote = %session.remote, "an agent has connected");
        crate::renewal::used(&self.shared, agent, &session.serial);
        self.converse(&mut session, number).await
    }

    /// Passes on what the agent says until the session ends.
    async fn converse(&self, session: &mut Session, number: u64) -> String {
        let agent = session.agent;
        let mut waiting = Waiting::default();
        let mut heard = tokio::time::Instant::now();
        let mut beat = interval(Duration::from_millis(HEARTBEAT_MS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let silence = Settings::ms(ask::settings(&self.shared.picture.load()).agent_silence_s);
            let until = heard + Duration::from_millis(silence);
            let message = tokio::select! {
                message = timeout_at(until, session.incoming.next()) => match message {
                    Ok(Ok(message)) => message,
                    Ok(Err(end)) => return self.end(session, &end),
                    // Its agent speaks elsewhere.
                    Err(_) if self.shared.hub.is_replaced(number) => {
                        heard = tokio::time::Instant::now();
                        continue;
                    }
                    Err(_) => {
                        let why = format!("nothing was heard for {silence} ms");
                        session.kill.cut(&why);
                        return why;
                    }
                },
                _ = beat.tick() => {
                    // A session that was replaced is cut through its connection; one that does not read, here.
                    if session.outgoing.offer(ToAgent::Heartbeat).is_err() {
                        return "the connection was lost".into();
                    }
                    self.shared.hub.is_replaced(number);
                    continue;
                }
                () = session.outgoing.closed() => return "the connection was lost".into(),
            };
            heard = tokio::time::Instant::now();
            self.shared.hub.heard(agent, &message);
            let way = match message {
                FromAgent::Report(report) => waiting.report(agent, report),
                // What a replaced session still says belongs to nobody: the engine knows by the session's number, and
                // progress, which carries none, is told apart here.
                FromAgent::Progress { .. } if !self.shared.hub.is_current(number) => continue,
                FromAgent::Progress { no, done, of } => waiting.progress(agent, no, done, of),
                FromAgent::Answer { question, answer } => {
                    self.shared.hub.answered(number, question, answer);
                    continue;
                }
                FromAgent::Heartbeat { .. } | FromAgent::Unknown => continue,
                FromAgent::Hello(_) => return "it said hello twice".into(),
                FromAgent::Bye { why } => return why,
            };
            let message = match way {
                Way::Merged => continue,
                Way::Newer(pending) => Message::Newest(pending),
                Way::AsItIs(input) => Message::Input(input),
            };
            if !self.shared.queue.wait(message).await {
                return "the server has stopped".into();
            }
            // However long the queue was full, the agent was not silent.
            heard = tokio::time::Instant::now();
        }
    }

    fn end(&self, session: &Session, end: &End) -> String {
        let why = end.to_string();
        if matches!(end, End::Malformed(_)) {
            let _ = session.outgoing.offer(ToAgent::Bye { why: why.clone() });
        }
        why
    }

    /// Whether the record knows the agent with this certificate. Everything else is kept out.
    fn may_enter(&self, agent: AgentId, serial: &str) -> bool {
        match self.shared.picture.load().get(Key::Agent(agent)).map(|stored| &stored.object) {
            Some(Object::Agent(agent)) => agent.certificates().contains(&serial),
            _ => false,
        }
    }
}

/// Writes a program's file into a stream. What has become of the file meanwhile, its reader finds by its digest.
async fn hand_out(program: &Program, mut stream: ByteStream) -> std::io::Result<()> {
    let path = program.path.clone();
    let mut file = spawn_blocking(move || File::open(path)).await??;
    loop {
        let (back, piece) = spawn_blocking(move || {
            let mut piece = Vec::with_capacity(PROGRAM_PIECE_BYTES);
            let read = file.by_ref().take(PROGRAM_PIECE_BYTES as u64).read_to_end(&mut piece);
            read.map(|_| (file, piece))
        })
        .await??;
        if piece.is_empty() {
            return stream.shutdown().await;
        }
        stream.write_all(&piece).await?;
        file = back;
    }
}

struct Left<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.shared.hub.leave(self.number);
    }
}

/// Waits for the session to be opened. If nobody waits any more and it was opened nevertheless, it is lost at once.
struct Opening<'a> {
    shared: &'a Shared,
    agent: AgentId,
    opened: oneshot::Receiver<SessionId>,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.opened.close();
        if let Ok(session) = self.opened.try_recv() {
            drop(Lost { shared: self.shared, agent: self.agent, session });
        }
    }
}

/// An open session: the engine hears of its end, however it comes.
struct Lost<'a> {
    shared: &'a Shared,
    agent: AgentId,
    session: SessionId,
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        let lost = Input::Lost { agent: self.agent, session: self.session };
        self.shared.queue.push(Message::Input(lost));
    }
}

/// From where each agent came lately.
#[derive(Default)]
struct Places(Mutex<HashMap<AgentId, Place>>);

#[derive(Default)]
struct Place {
    came: VecDeque<(Instant, IpAddr)>,
    cloned: Option<Instant>,
}

impl Places {
    /// Whether an agent is shut out because two computers use its certificate.
    fn is_held_for_clone(&self, agent: AgentId) -> bool {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(&agent).and_then(|place| place.cloned).is_some_and(|since| since.elapsed() < CLONED_FOR)
    }

    /// Notes an arrival; true when two computers take turns with one certificate.
    fn is_cloned(&self, agent: AgentId, from: IpAddr) -> bool {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(agent).or_default();
        if place.cloned.is_some_and(|since| since.elapsed() < CLONED_FOR) {
            return true;
        }
        place.cloned = None;
        place.came.retain(|(at, _)| at.elapsed() < TURNS_WITHIN);
        if place.came.back().is_none_or(|(_, last)| *last != from) {
            place.came.push_back((Instant::now(), from));
        }
        if place.came.len() > TURNS {
            place.came.clear();
            place.cloned = Some(Instant::now());
        }
        place.cloned.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_whose_address_changes_once_is_no_clone_and_two_that_take_turns_are() {
        let places = Places::default();
        let agent = AgentId(uuid::Uuid::from_u128(1));
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..20 {
            assert!(!places.is_cloned(agent, a), "the same computer may come again as often as it likes");
        }
        assert!(!places.is_cloned(agent, b));
        assert!(!places.is_cloned(agent, a));
        assert!(!places.is_cloned(agent, b));
        assert!(places.is_cloned(agent, a));
        assert!(places.is_cloned(agent, b), "both are refused");
        assert!(!places.is_cloned(AgentId(uuid::Uuid::from_u128(2)), a), "and nobody else");
    }
}
