//! Which agents are connected, what they were last heard to say, and the way to say something to them. Called by the
//! decision thread and by the sessions' tasks; every function returns at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hostler_model::channel::{FromAgent, MOST_STREAMS, Query, STREAM_TICKET_MS, StreamKind, ToAgent};
use hostler_model::host::Load;
use hostler_model::{AgentId, Code, Refusal, SessionId, Timestamp};
use hostler_wire::{ByteStream, Kill, Opened, Outgoing};
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use crate::clock::now;

/// Why an older connection of an agent ends.
const REPLACED: &str = "a newer session of this agent has taken its place";
/// How long a connection lives at most beside the one with a newer certificate.
const BESIDE: Duration = Duration::from_secs(3_600);
/// How long an agent may take to answer a question.
const QUERY_LIMIT: Duration = Duration::from_secs(15);

/// The connected agents.
#[derive(Default)]
pub(crate) struct Hub(Mutex<State>);

#[derive(Default)]
struct State {
    counted: u64,
    connections: HashMap<u64, Connection>,
    current: HashMap<AgentId, (SessionId, u64)>,
    contacts: HashMap<AgentId, Contact>,
    questions: HashMap<u64, Question>,
    streams: HashMap<Uuid, Awaited>,
}

struct Connection {
    agent: AgentId,
    remote: IpAddr,
    /// The serial number of the certificate that it was made with.
    serial: String,
    /// Since when another one of this agent, with a newer certificate, has its place.
    replaced: Option<Instant>,
    outgoing: Outgoing<ToAgent>,
    kill: Kill,
    opened: Option<oneshot::Sender<SessionId>>,
    /// Room for byte streams.
    streams: Arc<Semaphore>,
}

#[derive(Clone, Default)]
struct Contact {
    heard: Timestamp,
    load: Option<Load>,
    /// By how much its clock was ahead of ours when that load came.
    ahead_ms: Option<i64>,
}

impl Connection {
    fn has_streams(&self) -> bool {
        self.streams.available_permits() < MOST_STREAMS
    }
}

struct Question {
    connection: u64,
    reply: oneshot::Sender<Result<String, Refusal>>,
}

/// A stream that an agent was asked to open.
struct Awaited {
    connection: u64,
    agent: AgentId,
    reply: oneshot::Sender<Result<ByteStream, Refusal>>,
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection on which an agent has said hello; the session comes through the receiver once it is decided on.
    pub(crate) fn enter(
        &self,
        agent: AgentId,
        remote: IpAddr,
        serial: &str,
        outgoing: Outgoing<ToAgent>,
        kill: Kill,
    ) -> (u64, oneshot::Receiver<SessionId>) {
        let (opened, session) = oneshot::channel();
        let mut state = self.state();
        state.counted += 1;
        let number = state.counted;
        let streams = Arc::new(Semaphore::new(MOST_STREAMS));
        let serial = serial.to_owned();
        let connection = Connection {
            agent,
            remote,
            serial,
            replaced: None,
            outgoing,
            kill,
            opened: Some(opened),
            streams,
        };
        state.connections.insert(number, connection);
        (number, session)
    }

    /// The connection is over.
    pub(crate) fn leave(&self, number: u64) {
        let mut state = self.state();
        let Some(connection) = state.connections.remove(&number) else { return };
        if state.current.get(&connection.agent).is_some_and(|(_, current)| *current == number) {
            state.current.remove(&connection.agent);
            if let Some(contact) = state.contacts.get_mut(&connection.agent) {
                contact.load = None;
                contact.ahead_ms = None;
            }
        }
        state.questions.retain(|_, question| question.connection != number);
        state.streams.retain(|_, stream| stream.connection != number);
    }

    /// Opens the session that was decided on, in place of an older one of the same agent. False when the connection
    /// is gone meanwhile.
    pub(crate) fn welcome(&self, number: u64, agent: AgentId, session: SessionId, epoch: u32) -> bool {
        let mut state = self.state();
        let Some(connection) = state.connections.get_mut(&number) else { return false };
        let Some(opened) = connection.opened.take() else { return false };
        let _ = connection.outgoing.offer(ToAgent::Welcome { session, epoch });
        if opened.send(session).is_err() {
            return false;
        }
        let serial = connection.serial.clone();
        let Some((_, older)) = state.current.insert(agent, (session, number)) else { return true };
        // Nobody answers there any more.
        state.questions.retain(|_, question| question.connection != older);
        if let Some(older) = state.connections.get_mut(&older) {
            // A renewal: consoles that are open go on. Otherwise the one before is most likely dead.
            if older.serial != serial && older.has_streams() {
                older.replaced = Some(Instant::now());
            } else {
                older.kill.cut(REPLACED);
            }
        }
        true
    }

    /// Whether another connection has this one's place. One on which no stream is open any more, or that has lived beside the
    /// other for long, is cut.
    pub(crate) fn is_replaced(&self, number: u64) -> bool {
        let state = self.state();
        let Some(connection) = state.connections.get(&number) else { return false };
        let Some(since) = connection.replaced else { return false };
        if !connection.has_streams() || since.elapsed() > BESIDE {
            connection.kill.cut(REPLACED);
        }
        true
    }

    /// Refuses a connection: the agent is told why.
    pub(crate) fn reject(&self, number: u64, why: &Refusal) {
        let mut state = self.state();
        if let Some(connection) = state.connections.get_mut(&number) {
            tracing::warn!(agent = %connection.agent, %why, "an agent was refused");
            let _ = connection.outgoing.offer(ToAgent::Bye { why: why.to_string() });
            connection.opened = None;
        }
    }

    /// Says something on a session, if it is still the agent's.
    pub(crate) fn send(&self, agent: AgentId, session: SessionId, message: ToAgent) {
        let state = self.state();
        if let Some((current, number)) = state.current.get(&agent)
            && *current == session
            && let Some(connection) = state.connections.get(number)
        {
            let _ = connection.outgoing.offer(message);
        }
    }

    /// Says something to an agent on whichever session it has; false when it has none.
    pub(crate) fn say(&self, agent: AgentId, message: ToAgent) -> bool {
        let state = self.state();
        let Some((_, number)) = state.current.get(&agent) else { return false };
        state.connections.get(number).is_some_and(|c| c.outgoing.offer(message).is_ok())
    }

    /// Whether a connection is its agent's current session.
    pub(crate) fn is_current(&self, number: u64) -> bool {
        let state = self.state();
        let agent = state.connections.get(&number).map(|connection| connection.agent);
        agent.is_some_and(|agent| state.current.get(&agent).is_some_and(|(_, current)| *current == number))
    }

    /// Cuts everything that an agent has open.
    pub(crate) fn cut(&self, agent: AgentId, why: &str) {
        for connection in self.state().connections.values().filter(|connection| connection.agent == agent) {
            connection.kill.cut(why);
        }
    }

    /// Cuts everything.
    pub(crate) fn cut_all(&self, why: &str) {
        for connection in self.state().connections.values() {
            connection.kill.cut(why);
        }
    }

    /// Tells every agent that this server leaves.
    pub(crate) fn say_goodbye(&self, why: &str) {
        for connection in self.state().connections.values() {
            let _ = connection.outgoing.offer(ToAgent::Bye { why: why.to_owned() });
        }
    }

    /// Something was heard of an agent.
    pub(crate) fn heard(&self, agent: AgentId, message: &FromAgent) {
        let mut state = self.state();
        let contact = state.contacts.entry(agent).or_default();
        contact.heard = now();
        if let FromAgent::Heartbeat { load } = message {
            contact.load = Some(load.clone());
            contact.ahead_ms = load.clock.map(|clock| ahead_ms(clock, contact.heard));
        }
    }

    pub(crate) fn load(&self, agent: AgentId) -> Option<Load> {
        self.state().contacts.get(&agent).and_then(|contact| contact.load.clone())
    }

    pub(crate) fn clock_ahead_ms(&self, agent: AgentId) -> Option<i64> {
        self.state().contacts.get(&agent).and_then(|contact| contact.ahead_ms)
    }

    pub(crate) fn address(&self, agent: AgentId) -> Option<IpAddr> {
        let state = self.state();
        let (_, number) = state.current.get(&agent)?;
        state.connections.get(number).map(|connection| connection.remote)
    }

    pub(crate) fn last_contact(&self, agent: AgentId) -> Option<Timestamp> {
        self.state().contacts.get(&agent).map(|contact| contact.heard)
    }

    /// Asks a question, and waits for the answer.
    pub(crate) async fn query(&self, agent: AgentId, query: Query) -> Result<Vec<u8>, Refusal> {
        self.query_within(agent, query, QUERY_LIMIT).await
    }

    /// The same, where the answer may take its time.
    pub(crate) async fn query_within(
        &self,
        agent: AgentId,
        query: Query,
        limit: Duration,
    ) -> Result<Vec<u8>, Refusal> {
        use base64::Engine;
        let silent = |cause: &str| silent(agent, cause);
        let (reply, answer) = oneshot::channel();
        let question = {
            let mut state = self.state();
            let Some(number) = state.current.get(&agent).map(|(_, number)| *number) else {
                return Err(silent("it is not connected"));
            };
            state.counted += 1;
            let question = state.counted;
            state.questions.insert(question, Question { connection: number, reply });
            if let Some(connection) = state.connections.get(&number) {
                let _ = connection.outgoing.offer(ToAgent::Ask { question, query });
            }
            question
        };
        // Forgotten also when the asker goes away.
        let _forget = Forget(|| self.state().questions.remove(&question));
        let answer = match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => return Err(silent("the connection was lost before it answered")),
            Err(_) => return Err(silent(&format!("it has not answered within {} s", limit.as_secs()))),
        };
        base64::engine::general_purpose::STANDARD.decode(answer).map_err(|_| {
            Refusal::new(Code::AgentUnsupported, format!("agent {agent}"), "its answer is not base64")
        })
    }

    /// An answer to a question, on the connection on which it was asked.
    pub(crate) fn answered(&self, number: u64, question: u64, answer: Result<String, Refusal>) {
        let mut state = self.state();
        if state.questions.get(&question).is_some_and(|asked| asked.connection == number)
            && let Some(asked) = state.questions.remove(&question)
        {
            let _ = asked.reply.send(answer);
        }
    }

    /// Asks an agent for a byte stream, and waits until it is open.
    pub(crate) async fn open_stream(&self, agent: AgentId, what: StreamKind) -> Result<ByteStream, Refusal> {
        let (reply, opened) = oneshot::channel();
        let stream = Uuid::new_v4();
        let place = {
            let mut state = self.state();
            let number = state.current.get(&agent).map(|(_, number)| *number);
            let Some((number, connection)) = number.and_then(|n| Some((n, state.connections.get(&n)?)))
            else {
                return Err(silent(agent, "it is not connected"));
            };
            let Ok(place) = connection.streams.clone().try_acquire_owned() else {
                let cause = format!("it has {MOST_STREAMS} consoles and transfers open");
                return Err(Refusal::new(Code::TooManyRequests, format!("agent {agent}"), cause)
                    .remedy("Close one of them, then try again"));
            };
            let _ = connection.outgoing.offer(ToAgent::Open { stream, what });
            state.streams.insert(stream, Awaited { connection: number, agent, reply });
            place
        };
        let _forget = Forget(|| self.state().streams.remove(&stream));
        match tokio::time::timeout(Duration::from_millis(STREAM_TICKET_MS), opened).await {
            Ok(Ok(opened)) => opened.map(|stream| stream.holding(place)),
            Ok(Err(_)) => Err(silent(agent, "the connection was lost before it opened a stream")),
            Err(_) => {
                Err(silent(agent, &format!("it has opened no stream within {} s", STREAM_TICKET_MS / 1000)))
            }
        }
    }

    /// A stream was opened, or refused, by an agent; false when nobody waits for it, or not of this agent.
    pub(crate) fn stream_opened(&self, opened: Opened) -> bool {
        let mut state = self.state();
        if state.streams.get(&opened.stream).is_none_or(|awaited| awaited.agent != opened.agent) {
            return false;
        }
        let awaited = state.streams.remove(&opened.stream);
        awaited.is_some_and(|awaited| awaited.reply.send(opened.opened).is_ok())
    }
}

/// By how much one clock is ahead of another, to the tenth of a second that a message may be under way.
fn ahead_ms(theirs: Timestamp, ours: Timestamp) -> i64 {
    theirs.0.saturating_sub(ours.0) / 100 * 100
}

/// No answer came.
fn silent(agent: AgentId, cause: &str) -> Refusal {
    Refusal::new(Code::HostNotResponding, format!("agent {agent}"), cause)
        .remedy("See that the agent runs and reaches the server")
}

/// Forgets when dropped.
struct Forget<T, F: Fn() -> T>(F);

impl<T, F: Fn() -> T> Drop for Forget<T, F> {
    fn drop(&mut self) {
        self.0();
    }
}
