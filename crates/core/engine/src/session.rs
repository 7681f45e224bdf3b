//! Which agents are connected, and which of them have shown their machines since. Volatile: empty after a start.

use std::collections::{BTreeMap, BTreeSet};

use hostler_model::{AgentId, SessionId, Timestamp};
use imbl::OrdSet;
use uuid::Uuid;

/// The open sessions.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    open: BTreeMap<AgentId, Session>,
    // Persistent, because each published picture takes a copy.
    answering: OrdSet<AgentId>,
    version: u64,
    // Journals of agents that were welcomed in this life of the server, and so may have met its epoch. The journal is what
    // keeps an epoch: a computer that is enrolled anew is another agent with the same journal.
    told_epoch: BTreeSet<Uuid>,
    // Agents that were sent a step, by when that is sent again should no answer come.
    resends: BTreeSet<(Timestamp, AgentId)>,
}

/// An open session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    /// Whether a full picture came in. Before that no step is sent.
    pub pictured: bool,
    /// When what is owed is sent again, should no answer come; none while nothing was sent.
    pub resend: Option<Timestamp>,
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

    /// Whether the agent with this journal was told our epoch since the start.
    pub(crate) fn told_epoch(&self, journal: Uuid) -> bool {
        self.told_epoch.contains(&journal)
    }

    pub(crate) fn open(&mut self, agent: AgentId, journal: Uuid, id: SessionId) {
        self.version += 1;
        self.answering.remove(&agent);
        self.resend_at(agent, None);
        self.told_epoch.insert(journal);
        self.open.insert(agent, Session { id, pictured: false, resend: None });
    }

    pub(crate) fn close(&mut self, agent: AgentId, id: SessionId) -> bool {
        let ours = self.of(agent) == Some(id);
        if ours {
            self.version += 1;
            self.answering.remove(&agent);
            self.resend_at(agent, None);
            self.open.remove(&agent);
        }
        ours
    }

    /// Something was sent to an agent: should no answer come, it is sent again at this time, or at an earlier one that
    /// is set already.
    pub(crate) fn sent(&mut self, agent: AgentId, again: Timestamp) {
        if self.open.get(&agent).is_some_and(|session| session.resend.is_none()) {
            self.resend_at(agent, Some(again));
        }
    }

    /// Sets when what an agent owes is sent again, or that it need not be.
    pub(crate) fn resend_at(&mut self, agent: AgentId, at: Option<Timestamp>) {
        let Some(session) = self.open.get_mut(&agent) else { return };
        if let Some(before) = std::mem::replace(&mut session.resend, at) {
            self.resends.remove(&(before, agent));
        }
        if let Some(at) = at {
            self.resends.insert((at, agent));
        }
    }

    /// The next time something owed is sent again.
    pub(crate) fn next_resend(&self) -> Option<Timestamp> {
        self.resends.first().map(|(at, _)| *at)
    }

    /// The agents to which what they owe is to be sent again now.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<AgentId> {
        self.resends.iter().take_while(|(at, _)| *at <= now).map(|(_, agent)| *agent).collect()
    }
}
