//! The server of the simulation: the loop that the product runs, over a store that may lose its unsynced end, dying
//! between inputs, inside a commit, and between commit and release.

use hostler_agent_core::Input as AgentInput;
use hostler_drive::Drive;
use hostler_engine::{Effect, Engine, Input, Loaded};
use hostler_model::channel::{FromAgent, Query, ReportBody, ToAgent};
use hostler_model::command::Outcome;
use hostler_model::job::Doer;
use hostler_model::refresher::RefresherKind;
use hostler_model::seen::Order;
use hostler_model::{AgentId, Key, Timestamp};
use hostler_store::{Store, StoreError};

use crate::certificates::Held;
use crate::forgetful::Forgetful;
use crate::mutant::Mutant;
use crate::turns::Turns;
use crate::world::{Event, World};

/// A connection between an agent and the server.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Which computer dialled.
    pub at: usize,
    /// As which agent.
    pub agent: AgentId,
    /// With which certificate.
    pub held: Held,
    /// When it shook hands.
    pub since: Timestamp,
    /// Whether the server still has it open.
    pub server_open: bool,
    /// Its session, once there is one.
    pub session: Option<hostler_model::SessionId>,
    /// Whether hello was said on it: the server hears only the first, as its session code reads only one.
    pub greeted: bool,
    /// Whether it waits for its turn to come in.
    pub waits: bool,
    /// Whether its agent sees to the renewal of its certificate.
    pub renews: bool,
    /// Whether its agent was given another certificate on it.
    pub renewed: bool,
    /// Whether the line is cut, though an end may not have noticed.
    pub broken: bool,
    /// When the agent was last heard on it.
    pub heard: u64,
}

impl World {
    /// The time of day.
    pub fn clock(&self) -> Timestamp {
        Timestamp(1_700_000_000_000 + self.now as i64)
    }

    /// What a time of day is in this world's time.
    pub fn at(&self, time: Timestamp) -> u64 {
        u64::try_from(time.0.saturating_sub(1_700_000_000_000)).unwrap_or(0)
    }

    /// Starts the server on what its store holds.
    pub fn start_server(&mut self) {
        if self.drive.is_some() {
            return;
        }
        self.server_life += 1;
        let store = Forgetful { inner: self.store.clone(), mutant: self.mutant };
        match Drive::start(store, self.clock()) {
            Ok(drive) => {
                self.allow_as_stored();
                self.drive = Some(drive);
            }
            Err(error) => self.fail(format!("the server does not start: {error}")),
        }
        self.inbox.clear();
        self.server_wakes = None;
        self.fleet.turns = Turns::default();
        self.admit_all();
        self.crowd_returns();
        self.count("server started");
        self.wake_server(self.now);
        self.schedule(self.now + 3_000, Event::ServerBeat { life: self.server_life });
    }

    /// The server dies. Of what was not synced the first `keep` commits survive.
    pub fn crash_server(&mut self, keep: usize) {
        if self.drive.take().is_none() {
            return;
        }
        self.store = self.store.crash(keep);
        self.works.die();
        self.check_readers();
        self.inbox.clear();
        self.fleet.renewals.clear();
        self.count("server crashed");
        for connection in self.connections.values_mut() {
            connection.server_open = false;
        }
        for at in 0..self.agents.len() {
            let when = self.now + self.dice.between(0, 3_000);
            self.schedule(when, Event::AgentCut { at, connection: self.agents[at].connection });
        }
        let wait = self.dice.between(50, 6_000);
        self.schedule(self.now + wait, Event::ServerStart);
    }

    /// Gives the server something to decide on.
    pub fn server_input(&mut self, input: Input) {
        if self.drive.is_none() {
            return;
        }
        self.inbox.push(input);
        let when = self.now + self.dice.between(0, 3);
        self.wake_server(when);
    }

    /// Lets the server have a turn at this time.
    pub fn wake_server(&mut self, when: u64) {
        let when = when.max(self.now);
        if self.server_wakes.is_none_or(|at| when < at) {
            self.server_wakes = Some(when);
            self.schedule(when, Event::ServerTurn { life: self.server_life });
        }
    }

    /// A turn of the loop, with the dangerous moments in it.
    pub fn server_turn(&mut self) {
        self.server_wakes = None;
        let inputs: Vec<Input> = std::mem::take(&mut self.inbox);
        let clock = self.clock();
        let Some(mut drive) = self.drive.take() else { return };
        self.store.hold();
        let turned = drive.turn(clock, inputs, &mut self.ids);
        self.drive = Some(drive);
        self.turns += 1;
        if let Some(trouble) = &turned.trouble {
            let word = match trouble {
                StoreError::Unknown { .. } => "commit of unknown fate",
                _ => "commit failed",
            };
            self.count(word);
        }
        let effects = turned.effects;
        if self.mutant == Some(Mutant::ReaderAhead) {
            self.readers_look();
        }
        if self.mutant == Some(Mutant::EffectsBeforeCommit) {
            for effect in effects.clone() {
                self.release(effect);
            }
        }
        if self.crash_planned > 0 && turned.revision.is_some() {
            self.crash_planned -= 1;
            if self.crash_planned == 0 {
                for change in &turned.changes {
                    self.tell(|_| format!("about to be lost, perhaps: {} of {:?}", change.key, change.job));
                }
                return self.crash_around_commit(effects);
            }
        }
        self.store.sync();
        self.readers_look();
        if let Some(client) = self.played.cancels(turned.revision.is_some()) {
            self.schedule(self.now, Event::CancelAsk { client });
        }
        if let Some(revision) = turned.revision {
            self.follow(revision, &turned.changes);
        }
        let agents_changed = turned.changes.iter().any(|change| matches!(change.key, Key::Agent(_)));
        if agents_changed {
            self.admission_follows(&turned.changes);
        }
        if turned.reloaded {
            if turned.trouble.is_none() && !self.restored {
                self.fail("the server takes its store for restored from a backup, and it is not".into());
            }
            self.fleet.renewals.clear();
            self.admit_all();
            self.count("server loaded anew");
            self.allow_as_stored();
            self.cut_all();
        }
        if self.mutant != Some(Mutant::EffectsBeforeCommit) {
            for effect in effects {
                self.release(effect);
            }
        }
        if agents_changed {
            self.check_sessions();
        }
        if self.dice.chance(8) {
            self.check_derived();
        }
        if let Some(at) = self.drive.as_ref().and_then(Drive::next_alarm) {
            let at = self.at(at);
            self.wake_server(at.max(self.now + 1));
        }
    }

    /// Dies inside the commit, right after it, or in the midst of the release.
    fn crash_around_commit(&mut self, effects: Vec<Effect>) {
        let how = self.played.script.how.unwrap_or_else(|| self.dice.between(0, 3));
        match how {
            0 => {
                self.count("server crashed inside a commit");
                let keep = self.dice.between(0, self.store.unsynced() as u64 + 1) as usize;
                self.crash_server(keep);
            }
            1 => {
                self.count("server crashed between commit and release");
                self.store.sync();
                self.crash_server(0);
            }
            _ => {
                self.count("server crashed in the midst of release");
                self.store.sync();
                let some = self.dice.between(0, effects.len() as u64 + 1) as usize;
                for effect in effects.into_iter().take(some) {
                    self.release(effect);
                }
                self.crash_server(0);
            }
        }
    }

    fn release(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { ask, answer } => self.reply(ask, answer),
            Effect::Welcome { connection, session, epoch, agent } => {
                let now = self.now;
                let open = self.connections.get_mut(&connection).filter(|open| open.server_open);
                let Some(open) = open else {
                    // Decided on too late: the session is over before it began.
                    return self.server_input(Input::Lost { agent, session });
                };
                (open.session, open.heard) = (Some(session), now);
                self.say_to_agent(connection, ToAgent::Welcome { session, epoch });
                self.cut_older(agent, connection);
                self.check_let_in(connection);
                self.note_used(connection);
            }
            Effect::Reject { connection, .. } => {
                self.count("connection rejected");
                self.close(connection);
            }
            Effect::Send { session, message, .. } => {
                let found =
                    self.connections.iter().find(|(_, c)| c.session == Some(session) && c.server_open);
                let Some(connection) = found.map(|(number, _)| *number) else { return };
                self.check_limit_is_asked(&message);
                self.say_to_agent(connection, *message);
            }
            Effect::Work { no, job, work } => self.begin_work(no, job, *work),
            Effect::StopWork { no } => self.stop_work(no),
            Effect::OlderThanFleet { .. } => {}
        }
    }

    /// An agent's message has arrived.
    pub fn server_hears(&mut self, connection: u64, message: FromAgent) {
        let now = self.now;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        if !open.server_open || self.drive.is_none() {
            return;
        }
        open.heard = now;
        let (agent, session) = (open.agent, open.session);
        match message {
            FromAgent::Hello(_) if std::mem::replace(&mut open.greeted, true) => {}
            FromAgent::Hello(hello) => self.greeted(connection, hello),
            FromAgent::Report(mut report) => {
                match self.mutant {
                    Some(Mutant::PictureTooNew) => {
                        if let ReportBody::Picture { as_of } = &mut report.body {
                            *as_of += 1_000_000;
                        }
                    }
                    Some(Mutant::FactsWithoutOrder) => {
                        let (journal, run) = (report.journal, report.run);
                        for fact in &mut report.facts {
                            self.fake_order += 1;
                            let fake = 1_000_000 + self.fake_order;
                            self.true_orders.insert(fake, Order { journal, run, seq: fact.seq });
                            fact.seq = fake;
                        }
                        if let ReportBody::Picture { as_of } = &mut report.body {
                            self.fake_order += 1;
                            let fake = 1_000_000 + self.fake_order;
                            self.true_orders.insert(fake, Order { journal, run, seq: *as_of });
                            *as_of = fake;
                        }
                    }
                    _ => {}
                }
                self.server_input(Input::Report { agent, report });
            }
            FromAgent::Progress { no, done, of } => {
                self.server_input(Input::Progress { by: Doer::Agent(agent), no, done, of });
            }
            FromAgent::Heartbeat { .. } | FromAgent::Answer { .. } | FromAgent::Unknown => {}
            FromAgent::Bye { .. } => {
                if let Some(session) = session {
                    self.server_input(Input::Lost { agent, session });
                }
                self.close(connection);
            }
        }
    }

    /// The server notices that a connection is gone, at once or only by silence.
    pub fn server_notices_cut(&mut self, connection: u64) {
        let when = self.now
            + if self.dice.chance(500) { self.dice.between(0, 50) } else { self.dice.between(50, 9_000) };
        self.schedule(when, Event::ServerCut { connection });
    }

    /// The server's end of a connection is closed.
    pub fn close(&mut self, connection: u64) {
        let Some(open) = self.connections.get_mut(&connection) else { return };
        if !open.server_open {
            return;
        }
        open.server_open = false;
        let (at, agent, session) = (open.at, open.agent, open.session);
        if let Some(session) = session {
            self.server_input(Input::Lost { agent, session });
        }
        let when = self.now + self.dice.between(0, 2_000);
        self.schedule(when, Event::AgentCut { at, connection: Some(connection) });
    }

    /// An agent's newest session takes the place of the one before. It need not be on its newest connection: of two
    /// hellos, the one on a connection that the agent has given up may arrive last.
    fn cut_older(&mut self, agent: AgentId, newest: u64) {
        let older = |number: u64, open: &Connection| {
            number != newest && open.server_open && open.session.is_some() && open.agent == agent
        };
        let older = self.connections.iter().find(|(number, open)| older(**number, open));
        if let Some(number) = older.map(|(number, _)| *number) {
            self.count("session replaced by a newer one");
            self.close(number);
        }
    }

    fn cut_all(&mut self) {
        let open: Vec<u64> =
            self.connections.iter().filter(|(_, c)| c.server_open).map(|(n, _)| *n).collect();
        for connection in open {
            self.close(connection);
        }
    }

    /// Heartbeats, silence, and the refresher's pictures.
    pub fn server_beat(&mut self) {
        if self.drive.is_none() {
            return;
        }
        self.beats += 1;
        let picture = self.beats.is_multiple_of(40);
        let open: Vec<(u64, u64, bool)> = (self.connections.iter())
            .filter(|(_, c)| c.server_open)
            .map(|(n, c)| (*n, c.heard, c.waits))
            .collect();
        for (connection, heard, waits) in open {
            if waits {
                if self.mutant != Some(Mutant::WaitsUnheard) {
                    self.say_to_agent(connection, ToAgent::Heartbeat);
                }
                continue;
            }
            if self.now > heard + 10_000 {
                self.count("agent silent");
                self.close(connection);
                continue;
            }
            if self.connections.get(&connection).is_some_and(|c| c.session.is_some()) {
                let message = match (picture, self.beats.is_multiple_of(80)) {
                    (false, _) => ToAgent::Heartbeat,
                    // As a server of before the refreshers asked.
                    (true, true) => ToAgent::Picture,
                    (true, false) => {
                        let query = Query::Refresh { refresher: RefresherKind::VmLight };
                        ToAgent::Ask { question: self.beats, query }
                    }
                };
                self.say_to_agent(connection, message);
            }
        }
        self.connections.retain(|_, c| c.server_open);
        self.schedule(self.now + 3_000, Event::ServerBeat { life: self.server_life });
    }

    /// A message of the server has arrived at an agent.
    pub fn agent_receives(&mut self, connection: u64, at: usize, message: ToAgent) {
        if self.agents[at].connection != Some(connection) {
            return;
        }
        if let ToAgent::Do { no, .. } = &message {
            self.agents[at].met.insert(*no);
        }
        match (self.mutant, &message) {
            (Some(Mutant::NoTombstone), ToAgent::Revoke { no, .. }) if !self.agents[at].met.contains(no) => {
                self.answer_revoked(connection, at, *no);
            }
            (Some(Mutant::DeliveredTwice), ToAgent::Do { no, mark, undo, command, .. }) => {
                // Begun again under another number, as an agent without memory of numbers would.
                let again = hostler_model::StepNo(no.0 + (1 << 39));
                let second = ToAgent::Do {
                    no: again,
                    floor: hostler_model::StepNo(0),
                    mark: mark.clone(),
                    undo: *undo,
                    command: command.clone(),
                };
                self.agent_hears(at, AgentInput::FromServer(message.clone()));
                self.agent_hears(at, AgentInput::FromServer(second));
            }
            (Some(Mutant::LimitIsFailure), ToAgent::Revoke { no, .. }) => {
                // Concluded on the spot: the agent is not asked.
                self.answer_revoked(connection, at, *no);
            }
            (_, ToAgent::Welcome { .. }) => {
                self.agents[at].in_vain = 0;
                self.agent_hears(at, AgentInput::FromServer(message));
                self.await_renewal(at, connection);
                self.trial_welcomed(at);
            }
            _ => self.agent_hears(at, AgentInput::FromServer(message)),
        }
    }

    /// Under a planted fault: the answer that a step was revoked, of which its agent knows nothing.
    fn answer_revoked(&mut self, connection: u64, at: usize, no: hostler_model::StepNo) {
        let agent = self.agents[at].id;
        let session = self.connections.get(&connection).and_then(|c| c.session);
        if let (Some(session), Some(core)) = (session, self.agents[at].core.as_ref()) {
            let report = hostler_model::channel::Report {
                session,
                journal: core.journal(),
                run: core.run(),
                facts: Vec::new(),
                body: ReportBody::Ended { no, outcome: Outcome::Revoked },
            };
            self.server_input(Input::Report { agent, report: Box::new(report) });
        }
    }

    /// A fresh engine from what is durable.
    pub fn fresh_engine(&self) -> Result<Engine, StoreError> {
        let mut store = self.store.clone();
        let loaded = store.load()?;
        let keys = loaded
            .ended
            .into_iter()
            .map(|job| hostler_engine::EndedKey {
                user: job.actor.user(),
                key: job.key,
                job: job.id,
                ended: job.ended,
            })
            .collect();
        Ok(Engine::load(
            Loaded {
                installation: loaded.installation,
                objects: loaded.objects.into_iter().map(|stored| stored.object).collect(),
                keys,
                epoch: loaded.epoch,
                next_job: loaded.counters.next_job,
                restored: loaded.restored,
            },
            self.clock(),
        ))
    }
}
