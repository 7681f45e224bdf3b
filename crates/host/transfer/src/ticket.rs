//! What is given to a pair of agents, and how patient each end is.

use std::time::Duration;

use crate::identity::Peer;

/// The right of one agent to call another, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its random text, the same at both ends. It is no secret by itself: only the agent that it names may use it.
    pub id: String,
    /// Who the other end is.
    pub peer: Peer,
}

/// How patient an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long the ticket waits to be claimed. Then the listener is gone.
    pub claim: Duration,
    /// How long the pair lasts at most.
    pub whole: Duration,
    /// How long the other side may be silent.
    pub silence: Duration,
    /// How long connecting and shaking hands may take.
    pub handshake: Duration,
}

impl Limits {
    /// The same for a door whose peer may have to wait for its turn before it calls: the ticket is good for as long as a pair
    /// may last. Whoever opened it closes it when it is not needed any more; one that was forgotten closes by itself then.
    #[must_use]
    pub fn for_a_turn(self) -> Self {
        Self { claim: self.whole, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            claim: Duration::from_secs(60),
            whole: Duration::from_secs(24 * 3_600),
            silence: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
        }
    }
}
