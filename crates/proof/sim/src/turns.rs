//! Agents that come all at once: after a restart of the server, or a cut of the network's heart. They are let in at a
//! bounded rate, first come, first served.
//!
//! As in the server (`turns.rs`, and `session::await_turn`): whoever says hello takes the next turn, of which there are so
//! many a second as the setting says; until then nothing of it reaches the engine, and it hears heartbeats, since it
//! takes a silent server for dead. A story has few computers; the rest of a fleet of thousands is played by the turns that it takes
//! before them.

use std::collections::VecDeque;

use hostler_engine::Input;
use hostler_model::channel::Hello;

use crate::mutant::Mutant;
use crate::world::{Event, World};

/// How often an agent may come without being let in while nothing breaks: what broke before may still be on its way.
const MOST_IN_VAIN: u32 = 10;

/// The queue at the door. All times in microseconds.
#[derive(Debug, Default)]
pub struct Turns {
    next_us: u64,
    /// The turns of the last second.
    taken_us: VecDeque<u64>,
    /// The highest rate that was in force since the server started.
    most_per_s: u32,
}

impl World {
    /// Takes the next turn, in milliseconds.
    fn take_turn(&mut self) -> u64 {
        let now_us = self.now * 1_000;
        let per_s =
            self.drive.as_ref().map_or(1, |d| d.engine().inventory().settings().agent_admissions_per_s);
        let turns = &mut self.fleet.turns;
        turns.most_per_s = turns.most_per_s.max(per_s);
        let mut turn_us = turns.next_us.max(now_us);
        if self.mutant == Some(Mutant::AllAtOnce) {
            turn_us = now_us;
        }
        turns.next_us = turn_us + 1_000_000 / u64::from(per_s.max(1));
        while turns.taken_us.front().is_some_and(|taken| taken + 1_000_000 <= turn_us) {
            turns.taken_us.pop_front();
        }
        turns.taken_us.push_back(turn_us);
        let (taken, most) = (turns.taken_us.len(), turns.most_per_s as usize);
        // One more than the rate where a second begins and ends with a turn.
        if taken > most + 1 {
            self.fail(format!("{taken} agents are let in within a second, and {most} may be"));
        }
        turn_us.div_ceil(1_000)
    }

    /// The rest of a large fleet comes back.
    pub(crate) fn crowd(&mut self, agents: u32) {
        if self.drive.is_none() {
            return;
        }
        self.count("crowd came back");
        self.tell(|_| format!("{agents} other agents come back"));
        for _ in 0..agents {
            self.take_turn();
        }
    }

    /// An agent has said hello: it waits for its turn.
    pub(crate) fn greeted(&mut self, connection: u64, hello: Box<Hello>) {
        let agent = self.connections.get(&connection).map(|open| open.agent);
        if !self.may_enter(connection) || agent != Some(hello.agent) {
            self.count("certificate struck out between handshake and hello");
            return self.close(connection);
        }
        let turn = self.take_turn();
        if turn <= self.now {
            return self.come_in(connection, hello);
        }
        self.count("agent waits to be let in");
        if let Some(open) = self.connections.get_mut(&connection) {
            open.waits = true;
        }
        self.schedule(turn, Event::ComeIn { connection, life: self.server_life, hello });
    }

    /// It is an agent's turn.
    pub(crate) fn come_in(&mut self, connection: u64, mut hello: Box<Hello>) {
        let now = self.now;
        let Some(open) = self.connections.get_mut(&connection).filter(|open| open.server_open) else {
            return;
        };
        (open.waits, open.heard) = (false, now);
        let Some(drive) = &self.drive else { return };
        let host = drive.engine().inventory().host(hello.agent.into());
        let given_up = host.is_some_and(|host| host.dead_since.is_some());
        if !self.may_enter(connection) || given_up && self.mutant == Some(Mutant::GivenUpKeptOut) {
            return self.close(connection);
        }
        if self.mutant == Some(Mutant::RestoreUnmarked) {
            hello.epoch = 0;
        }
        self.server_input(Input::Connected { connection, hello });
    }

    /// An agent has come with a good certificate: once nothing breaks any more, it is let in.
    pub(crate) fn check_comes_in(&mut self, at: usize) {
        if !self.stormy {
            self.agents[at].in_vain += 1;
        }
        if self.agents[at].in_vain > MOST_IN_VAIN {
            self.fail(format!("agent {at} comes again and again and is not let in"));
        }
    }

    /// An agent gives up on a connection: never on one where it waits for its turn and nothing is cut.
    pub(crate) fn check_patience(&mut self, at: usize) {
        let connection = self.agents[at].connection.and_then(|number| self.connections.get(&number));
        if connection.is_some_and(|open| open.server_open && open.waits && !open.broken) {
            self.fail(format!("agent {at} waited for its turn, heard nothing and gave up"));
        }
    }
}
