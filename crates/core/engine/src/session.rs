//! Which agents are connected, and which of them have shown their machines since. Volatile: empty after a start.

use std::collections::BTreeMap;

use hostler_model::{AgentId, SessionId, Timestamp};
use imbl::OrdSet;

/// The open sessions.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    open: BTreeMap<AgentId, Session>,
    // Persistent, because each published picture takes a copy.
    answering: OrdSet<AgentId>,
    version: u64,
}

/// An open session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    /// Whether a full picture came in. Before that no step is sent.
    pub pictured: bool,
    /// When what is owed is sent again, should no answer come.
    pub resend: Timestamp,
}

impl Sessions {
    /// Whether an agent answers and has shown its machines.
    pub fn answers(&self, agent: AgentId) -> bool {
        self.open.get(&agent).is_some_and(|session| session.pictured)
    }

    /// The agents that answer.
    pub fn answering(&self) -> &OrdSet<AgentId> {
        &self.answering
    }

    /// Raised whenever an agent begins or ceases to answer.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// An agent's session.
    pub fn of(&self, agent: AgentId) -> Option<SessionId> {
        self.open.get(&agent).map(|session| session.id)
    }

    pub(crate) fn get_mut(&mut self, agent: AgentId) -> Option<&mut Session> {
        self.open.get_mut(&agent)
    }

    /// Notes that a full picture came in; true the first time.
    pub(crate) fn pictured(&mut self, agent: AgentId) -> bool {
        match self.open.get_mut(&agent) {
            Some(session) if !session.pictured => {
                session.pictured = true;
                self.answering.insert(agent);
                self.version += 1;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn open(&mut self, agent: AgentId, id: SessionId, resend: Timestamp) {
        self.version += 1;
        self.answering.remove(&agent);
        self.open.insert(agent, Session { id, pictured: false, resend });
    }

    pub(crate) fn close(&mut self, agent: AgentId, id: SessionId) -> bool {
        let ours = self.of(agent) == Some(id);
        if ours {
            self.version += 1;
            self.answering.remove(&agent);
            self.open.remove(&agent);
        }
        ours
    }

    /// The next time something owed is sent again.
    pub(crate) fn next_resend(&self, owes: impl Fn(AgentId) -> bool) -> Option<Timestamp> {
        self.open.iter().filter(|(agent, s)| s.pictured && owes(**agent)).map(|(_, s)| s.resend).min()
    }

    pub(crate) fn due(&self, now: Timestamp) -> Vec<AgentId> {
        self.open.iter().filter(|(_, s)| s.pictured && s.resend <= now).map(|(agent, _)| *agent).collect()
    }
}
