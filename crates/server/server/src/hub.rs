//! Which agents are connected, what they were last heard to say, and the way to say something to them. Called by the
//! decision thread and by the sessions' tasks; every function returns at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hostler_model::channel::{FromAgent, Query, ToAgent};
use hostler_model::host::Load;
use hostler_model::{AgentId, Code, Refusal, SessionId, Timestamp};
use hostler_wire::{Kill, Outgoing};
use tokio::sync::oneshot;

use crate::clock::now;

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
}

struct Connection {
    agent: AgentId,
    outgoing: Outgoing<ToAgent>,
    kill: Kill,
    opened: Option<oneshot::Sender<SessionId>>,
}

#[derive(Clone, Copy, Default)]
struct Contact {
    heard: Timestamp,
    load: Option<Load>,
}

struct Question {
    connection: u64,
    reply: oneshot::Sender<Result<String, Refusal>>,
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection on which an agent has said hello; the session comes through the receiver once it is decided on.
    pub(crate) fn enter(
        &self,
        agent: AgentId,
        outgoing: Outgoing<ToAgent>,
        kill: Kill,
    ) -> (u64, oneshot::Receiver<SessionId>) {
        let (opened, session) = oneshot::channel();
        let mut state = self.state();
        state.counted += 1;
        let number = state.counted;
        state.connections.insert(number, Connection { agent, outgoing, kill, opened: Some(opened) });
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
            }
        }
        state.questions.retain(|_, question| question.connection != number);
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
        if let Some((_, older)) = state.current.insert(agent, (session, number))
            && let Some(older) = state.connections.get(&older)
        {
            older.kill.cut("a newer session of this agent has taken its place");
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
            contact.load = Some(*load);
        }
    }

    pub(crate) fn load(&self, agent: AgentId) -> Option<Load> {
        self.state().contacts.get(&agent).and_then(|contact| contact.load)
    }

    pub(crate) fn last_contact(&self, agent: AgentId) -> Option<Timestamp> {
        self.state().contacts.get(&agent).map(|contact| contact.heard)
    }

    /// Asks a question, and waits for the answer.
    pub(crate) async fn query(&self, agent: AgentId, query: Query) -> Result<Vec<u8>, Refusal> {
        use base64::Engine;
        let silent = |cause: &str| {
            Refusal::new(Code::HostNotResponding, format!("agent {agent}"), cause)
                .remedy("See that the agent runs and reaches the server")
        };
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
        let _forget = Forget { hub: self, question };
        let answer = match tokio::time::timeout(QUERY_LIMIT, answer).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => return Err(silent("the connection was lost before it answered")),
            Err(_) => return Err(silent(&format!("it has not answered within {} s", QUERY_LIMIT.as_secs()))),
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
}

struct Forget<'a> {
    hub: &'a Hub,
    question: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.hub.state().questions.remove(&self.question);
    }
}
