//! Agents' certificates: who is let in with which, how they are renewed, and what may go wrong on the way.
//!
//! What a certificate comes to is decided by the product: which ones an agent has and which one is good no more by the
//! engine's job *renew-agent* and the model's `Agent`. Of the crates that do I/O this is the least that surrounds those
//! decisions, done in their order:
//!
//! - `wire`: a handshake asks the clock first, and then whether the serial number is one that is let in
//!   (`AgentVerifier`); an agent dials with its newest certificate, and with the one before where the server does not
//!   know that one (`Dial::connect`); it writes a renewed one before it uses it (`line::renewed`).
//! - `server`: who is let in follows each durable commit, before its effects leave (`decide::tell`); of an agent that is
//!   gone from the record everything is cut; a session's first words are looked at twice (`session::may_enter`); that a
//!   renewed certificate is used is noted after the welcome, and not tried again (`renewal::used`).
//!
//! Keys and signatures are left out: a serial number stands for both.

use std::sync::Arc;

use hostler_agent_core::Input as AgentInput;
use hostler_engine::{AskId, Asked, Input};
use hostler_model::access::Actor;
use hostler_model::agent::{Agent as AgentRecord, Certificate};
use hostler_model::request::Request;
use hostler_model::{AgentId, Change, JobId, Key, Kind, Ms, Object, Refusal, Timestamp};
use hostler_store::Store;

use crate::mutant::Mutant;
use crate::world::{Event, World};

/// A certificate in an agent's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its serial number.
    pub serial: String,
    /// From when on it is good.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Held {
    /// When it is to be renewed, but for the chance in it: when two thirds of its life are over.
    fn renewal_due(&self) -> Timestamp {
        let left = self.until.since(self.from) / 3;
        Timestamp(self.until.0 - left as i64)
    }
}

/// What an agent has to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// The newest certificate.
    pub newest: Held,
    /// The one before.
    pub other: Option<Held>,
}

/// A renewal that the engine is to decide on.
#[derive(Clone, Debug)]
pub struct Renewing {
    connection: u64,
    /// Which of its agent's requests it is.
    no: u64,
    held: Held,
}

/// Why a handshake fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptOut {
    /// The certificate has ended.
    Ended,
    /// The server's record does not name it.
    Unknown,
}

impl World {
    /// A certificate that begins now.
    pub(crate) fn issue(&mut self) -> Held {
        self.fleet.issued += 1;
        let (serial, from) = (format!("{:x}", 0xCE_0000 + self.fleet.issued), self.clock());
        Held { serial, from, until: from.plus(self.fleet.life_ms.unwrap_or(Ms::from(u32::MAX))) }
    }

    /// An agent of the readers' picture.
    pub(crate) fn pictured(&self, id: AgentId) -> Option<Arc<AgentRecord>> {
        let picture = self.drive.as_ref()?.picture().load_full();
        match picture.get(Key::Agent(id)).map(|stored| &stored.object) {
            Some(Object::Agent(agent)) => Some(agent.clone()),
            _ => None,
        }
    }

    /// The handshake of an agent: with which certificate it succeeds.
    pub(crate) fn shake_hands(&self, at: usize) -> Result<Held, KeptOut> {
        let Papers { newest, other } = &self.agents[at].papers;
        match (self.verify(at, newest), other) {
            (Err(KeptOut::Unknown), Some(other)) => self.verify(at, other).map_err(|_| KeptOut::Unknown),
            (verified, _) => verified,
        }
    }

    fn verify(&self, at: usize, held: &Held) -> Result<Held, KeptOut> {
        if held.until < self.clock() && self.mutant != Some(Mutant::EndedLetIn) {
            return Err(KeptOut::Ended);
        }
        let known = self.fleet.admitted.get(&held.serial) == Some(&self.agents[at].id);
        if known { Ok(held.clone()) } else { Err(KeptOut::Unknown) }
    }

    /// An agent was kept out. Somebody notices, and enrols its computer anew.
    pub(crate) fn kept_out(&mut self, at: usize, why: KeptOut) {
        let id = self.agents[at].id;
        self.tell(|world| format!("agent {at} is kept out ({why:?}) with {:?}", world.agents[at].papers));
        match why {
            KeptOut::Ended => self.count("agent kept out: certificate ended"),
            KeptOut::Unknown => self.count("agent kept out: certificate not in the record"),
        }
        if why == KeptOut::Unknown && !self.restored && !self.fleet.removed.contains(&id) {
            self.fail(format!("agent {at} is kept out, and nobody has removed it"));
        }
        let again = self.now + self.fleet.dice.between(2_000, 6_000);
        self.schedule(again, Event::AgentDial { at });
        self.notice_kept_out(at);
    }

    // Who is let in.

    /// Lets in exactly the agents of the record.
    pub(crate) fn admit_all(&mut self) {
        self.fleet.admitted.clear();
        let Some(drive) = &self.drive else { return };
        let picture = drive.picture().load_full();
        for stored in picture.of_kind(Kind::Agent) {
            if let Object::Agent(agent) = &stored.object {
                self.let_in(agent);
            }
        }
    }

    fn let_in(&mut self, agent: &AgentRecord) {
        self.fleet.admitted.retain(|_, of| *of != agent.id);
        for serial in agent.certificates() {
            self.fleet.admitted.insert(serial.to_owned(), agent.id);
        }
    }

    /// Who is let in follows what was committed.
    pub(crate) fn admission_follows(&mut self, changes: &[Change]) {
        for change in changes {
            match (change.key, &change.object) {
                (_, Some(Object::Agent(agent))) => self.let_in(agent),
                (Key::Agent(agent), None) => self.shut_out(agent),
                _ => {}
            }
        }
    }

    fn shut_out(&mut self, agent: AgentId) {
        self.fleet.admitted.retain(|_, of| *of != agent);
        if self.mutant == Some(Mutant::RemovedStays) {
            return;
        }
        for connection in self.connections_of(agent) {
            self.count("removed agent was cut");
            self.close(connection);
        }
    }

    fn connections_of(&self, agent: AgentId) -> Vec<u64> {
        let of = |open: &crate::server::Connection| open.server_open && open.agent == agent;
        self.connections.iter().filter(|(_, open)| of(open)).map(|(number, _)| *number).collect()
    }

    /// Whether the record names the certificate with which a connection was made.
    pub(crate) fn may_enter(&self, connection: u64) -> bool {
        let Some(open) = self.connections.get(&connection) else { return false };
        self.pictured(open.agent)
            .is_some_and(|agent| agent.certificates().contains(&open.held.serial.as_str()))
    }

    /// A session was opened: by nobody whose certificate the record does not name, or had ended as it came.
    pub(crate) fn check_let_in(&mut self, connection: u64) {
        let Some(open) = self.connections.get(&connection) else { return };
        let (at, since, held) = (open.at, open.since, open.held.clone());
        if held.until < since {
            self.fail(format!(
                "agent {at} has a session although its certificate had ended at {}",
                held.until
            ));
        }
        if !self.may_enter(connection) {
            self.fail(format!("agent {at} has a session with a certificate that the record does not name"));
        }
    }

    /// Nobody has a session who is not in the record.
    pub(crate) fn check_sessions(&mut self) {
        let stays = self
            .connections
            .values()
            .find(|open| open.server_open && open.session.is_some() && self.pictured(open.agent).is_none());
        if let Some(open) = stays {
            let at = open.at;
            self.fail(format!("agent {at} was removed and still has a session"));
        }
    }

    // Renewal.

    /// An agent was welcomed: when the certificate with which it came is to be renewed.
    pub(crate) fn await_renewal(&mut self, at: usize, connection: u64) {
        if self.fleet.life_ms.is_none() {
            return;
        }
        let Some(open) = self.connections.get_mut(&connection) else { return };
        // A welcome that comes twice is one welcome.
        if std::mem::replace(&mut open.renews, true) {
            return;
        }
        let (life, due) = (open.held.until.since(open.held.from), open.held.renewal_due());
        let due = self.at(due);
        let early = self.fleet.dice.between(0, life / 30 + 1);
        self.schedule(due.saturating_sub(early), Event::RenewalDue { at, connection });
    }

    /// An agent asks for another certificate, until it has one.
    pub(crate) fn renewal_due(&mut self, at: usize, connection: u64) {
        let renews = self.connections.get(&connection).is_some_and(|open| !open.renewed);
        if self.agents[at].core.is_none() || self.agents[at].connection != Some(connection) || !renews {
            return;
        }
        let again = self.now + self.fleet.dice.between(2_000, 5_000);
        self.schedule(again, Event::RenewalDue { at, connection });
        if self.stormy && self.fleet.dice.chance(80) {
            self.count("server died in a renewal");
            self.crash_planned = 1;
        }
        self.agents[at].renewal += 1;
        let (no, life, when) = (self.agents[at].renewal, self.server_life, self.now + self.delay());
        self.schedule(when, Event::RenewalAsked { connection, life, no });
    }

    /// The server is asked for a certificate on an open session.
    pub(crate) fn renewal_asked(&mut self, connection: u64, no: u64) {
        let Some(open) = self.connections.get(&connection) else { return };
        // A session that was replaced is cut, and what was asked on it is not heard.
        let current = self.drive.as_ref().and_then(|drive| drive.engine().sessions().of(open.agent));
        if !open.server_open || open.session.is_none() || open.session != current {
            return;
        }
        let uses = open.held.serial.clone();
        let Some(agent) = self.pictured(open.agent) else { return };
        let held = self.issue();
        let next = Certificate { serial: held.serial.clone(), until: held.until };
        let ask = self.ask_renewal(&agent, uses, Some(next));
        self.fleet.renewals.insert(ask, Renewing { connection, no, held });
    }

    fn ask_renewal(&mut self, agent: &AgentRecord, uses: String, next: Option<Certificate>) -> AskId {
        let ask = self.next_ask;
        self.next_ask += 1;
        self.tell(|_| format!("agent {} shows {uses} and is to have {next:?}", agent.name));
        self.server_input(Input::Ask(Box::new(Asked {
            ask,
            actor: Actor::Agent { id: agent.id, name: agent.name.clone() },
            key: None,
            wait: false,
            unchanged: None,
            again_of: None,
            request: Request::RenewAgent { agent: agent.id, uses, next },
        })));
        ask
    }

    /// The engine has decided on a renewal: what is durable is told.
    pub(crate) fn renewal_answered(&mut self, renewing: Renewing, answer: Result<JobId, Refusal>) {
        let Renewing { connection, no, held } = renewing;
        let Ok(job) = answer else { return self.count("renewal refused") };
        let job = self.store.reader().and_then(|mut reader| reader.job(job)).ok().flatten();
        let Some(open) = self.connections.get(&connection).filter(|open| open.server_open) else { return };
        if job.is_none_or(|job| !job.object.state.is_success()) {
            return;
        }
        let (at, before) = (open.at, open.held.clone());
        if self.stormy && self.fleet.dice.chance(20) {
            return self.cut(connection, at);
        }
        let when = self.now + self.delay();
        self.schedule(
            when,
            Event::Renewed {
                at,
                connection,
                no,
                papers: Box::new(Papers { newest: held, other: Some(before) }),
            },
        );
    }

    /// An agent has another certificate, in memory alone.
    pub(crate) fn renewed(&mut self, at: usize, connection: u64, no: u64, papers: Papers) {
        let agent = &self.agents[at];
        // Nobody waits any more for what was asked before it was asked once more.
        if agent.core.is_none() || agent.connection != Some(connection) || agent.renewal != no {
            return;
        }
        if let Some(open) = self.connections.get_mut(&connection) {
            open.renewed = true;
        }
        if self.stormy && self.fleet.dice.chance(150) {
            self.count("agent died before its renewed certificate was written");
            return self.crash_agent(at);
        }
        let life = self.agents[at].life;
        let mut written = self.now + self.fleet.dice.between(1, 60);
        if self.mutant == Some(Mutant::RenewedUnwritten) {
            self.agents[at].papers = papers.clone();
            self.reconnect(at);
            written += 2_000;
        }
        self.schedule(written, Event::PapersWritten { at, life, connection, papers: Box::new(papers) });
    }

    /// An agent's other certificate is durable: it connects with it.
    pub(crate) fn papers_written(&mut self, at: usize, connection: u64, papers: Papers) {
        self.count("certificate renewed");
        self.tell(|_| format!("agent {at} has written certificate {}", papers.newest.serial));
        self.agents[at].kept = papers.clone();
        if self.stormy && self.fleet.dice.chance(150) {
            self.count("agent died before its renewed certificate was used");
            return self.crash_agent(at);
        }
        self.agents[at].papers = papers;
        if self.agents[at].connection == Some(connection) {
            self.reconnect(at);
        }
    }

    fn reconnect(&mut self, at: usize) {
        if let Some(connection) = self.agents[at].connection.take() {
            self.server_notices_cut(connection);
        }
        self.agent_hears(at, AgentInput::Cut);
        self.schedule(self.now, Event::AgentDial { at });
    }

    /// An agent was welcomed with this certificate: if it is the renewed one, the one before is good no more.
    pub(crate) fn note_used(&mut self, connection: u64) {
        let Some(open) = self.connections.get(&connection) else { return };
        let serial = open.held.serial.clone();
        let Some(agent) = self.pictured(open.agent).filter(|agent| agent.certificate != serial) else {
            return;
        };
        self.count("renewed certificate used");
        if self.stormy && self.fleet.dice.chance(100) {
            self.count("server died as a renewed certificate was used");
            self.crash_planned = 1;
        }
        self.ask_renewal(&agent, serial, None);
    }
}
