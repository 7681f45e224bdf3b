//! The network between agents and server: what is said is delayed, doubled, lost and cut.

use hostler_agent_core::Input as AgentInput;
use hostler_model::channel::{FromAgent, ToAgent};

use crate::server::Connection;
use crate::world::{Event, World};

impl World {
    /// An agent dials, if it can.
    pub(crate) fn dial(&mut self, at: usize) {
        if self.agents[at].core.is_none() || self.agents[at].connection.is_some() {
            return;
        }
        if self.now < self.agents[at].online_at || !self.agents[at].programs.connects() {
            return;
        }
        if self.drive.is_none() {
            let when = self.now + self.dice.between(500, 2_000);
            self.schedule(when, Event::AgentDial { at });
            return;
        }
        let held = match self.shake_hands(at) {
            Ok(held) => held,
            Err(why) => return self.kept_out(at, why),
        };
        let number = self.next_connection;
        self.next_connection += 1;
        self.connections.insert(
            number,
            Connection {
                at,
                agent: self.agents[at].id,
                held,
                since: self.clock(),
                server_open: true,
                session: None,
                greeted: false,
                waits: false,
                renews: false,
                renewed: false,
                broken: false,
                heard: self.now,
            },
        );
        self.agents[at].connection = Some(number);
        self.check_comes_in(at);
        self.count("agent connected");
        self.agent_hears(at, AgentInput::Connected);
    }

    /// How long a message is under way.
    pub(crate) fn delay(&mut self) -> u64 {
        if self.stormy && self.dice.chance(25) {
            self.count("message late");
            self.dice.between(100, 3_000)
        } else {
            self.dice.between(1, 15)
        }
    }

    /// A message leaves an agent.
    pub fn say_to_server(&mut self, at: usize, message: FromAgent) {
        self.check_answers_once(at, &message);
        let Some(connection) = self.agents[at].connection else { return };
        let life = self.server_life;
        if self.stormy && self.dice.chance(2) {
            return self.lose(connection, at);
        }
        let when = self.now + self.delay();
        if self.played.script.doubled || self.stormy && self.dice.chance(10) {
            self.count("message doubled");
            let again = when + self.dice.between(0, 2_000);
            let message = Box::new(message.clone());
            self.schedule(again, Event::ToServer { connection, life, message });
        }
        self.schedule(when, Event::ToServer { connection, life, message: Box::new(message) });
    }

    /// A message leaves the server.
    pub fn say_to_agent(&mut self, connection: u64, message: ToAgent) {
        let Some(open) = self.connections.get(&connection) else { return };
        let at = open.at;
        if let ToAgent::Do { no, floor, mark, undo, command } = &message {
            let (no, floor, mark, undo, word) = (*no, *floor, mark.clone(), *undo, command.word());
            self.tell(|_| format!("to agent {at}: do {no} ({word}, {mark}, undo {undo}), floor {floor}"));
        }
        if let ToAgent::Revoke { no, floor } = &message {
            let (no, floor) = (*no, *floor);
            self.tell(|_| format!("to agent {at}: revoke {no}, floor {floor}"));
        }
        if self.stormy && self.dice.chance(2) {
            return self.lose(connection, at);
        }
        let when = self.now + self.delay();
        if self.played.script.doubled || self.stormy && self.dice.chance(10) {
            self.count("message doubled");
            let again = when + self.dice.between(0, 2_000);
            let message = Box::new(message.clone());
            self.schedule(again, Event::ToAgent { connection, at, message });
        }
        self.schedule(when, Event::ToAgent { connection, at, message: Box::new(message) });
    }

    /// A message is lost: so, soon, is the connection.
    fn lose(&mut self, connection: u64, at: usize) {
        self.count("message lost");
        self.cut(connection, at);
    }

    /// A connection breaks: each end notices in its own time.
    pub fn cut(&mut self, connection: u64, at: usize) {
        self.count("connection cut");
        if let Some(open) = self.connections.get_mut(&connection) {
            open.broken = true;
        }
        self.server_notices_cut(connection);
        let when = self.now + self.dice.between(0, 9_000);
        self.schedule(when, Event::AgentCut { at, connection: Some(connection) });
    }
}
