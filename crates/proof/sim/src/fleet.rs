//! What befalls whole computers and whole fleets: hosts that are lost and given up, agents that are upgraded while
//! things break, certificates that end, and everybody who comes back at once. With dice of its own, so that the stories
//! without any of it are as they were.

use std::collections::{BTreeMap, BTreeSet};

use hostler_engine::AskId;
use hostler_model::job::{Doer, StepIs, Undo};
use hostler_model::request::Request;
use hostler_model::vm::{Presence, Vm};
use hostler_model::{AgentId, HostId, Key, Ms};

use crate::agent::Fate;
use crate::certificates::Renewing;
use crate::dice::Dice;
use crate::programs::VERSIONS;
use crate::turns::Turns;
use crate::world::{Event, World};

/// The most of these troubles in one story.
const MOST_TROUBLES: u64 = 4;
/// How long after it was given up nothing may wait for a host any more.
const LET_GO_MS: u64 = 5_000;

/// What is kept of the fleet beside its computers.
#[derive(Debug)]
pub struct Fleet {
    /// Chance.
    pub dice: Dice,
    /// How long certificates last; none where they last longer than any story, and nothing of this happens.
    pub life_ms: Option<Ms>,
    /// Certificates issued so far.
    pub issued: u64,
    /// Serial numbers that are let in.
    pub admitted: BTreeMap<String, AgentId>,
    /// Renewals that the engine is to decide on.
    pub renewals: BTreeMap<AskId, Renewing>,
    /// Agents that an administrator has removed, or has asked to.
    pub removed: BTreeSet<AgentId>,
    /// The queue at the door.
    pub turns: Turns,
    /// How many others come back at the next start of the server.
    pub crowd: u32,
}

impl Fleet {
    /// Of a seed, with nothing of this in it.
    pub fn quiet(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed ^ 0xF1EE_7000_0000),
            life_ms: None,
            issued: 0,
            admitted: BTreeMap::new(),
            renewals: BTreeMap::new(),
            removed: BTreeSet::new(),
            turns: Turns::default(),
            crowd: 0,
        }
    }

    /// The same, with certificates that end.
    pub fn set_lives(&mut self) {
        self.life_ms = Some(match self.dice.between(0, 100) {
            0..8 => 80_000,
            8..40 => 240_000,
            _ => 900_000,
        });
    }
}

impl World {
    /// Puts some of these troubles into a story.
    pub(crate) fn trouble_the_fleet(&mut self, from: u64, until: u64) {
        for _ in 0..self.fleet.dice.between(0, MOST_TROUBLES + 1) {
            let when = self.fleet.dice.between(from, until);
            self.schedule(when, Event::FleetTrouble);
        }
    }

    /// One of them.
    pub(crate) fn fleet_trouble(&mut self) {
        if !self.stormy {
            return;
        }
        let at = self.fleet.dice.between(0, self.agents.len() as u64) as usize;
        match self.fleet.dice.between(0, 100) {
            0..20 => self.cut_switch(),
            20..36 => {
                self.tell(|_| "the server is restarted, and a large fleet comes back".into());
                self.count("server restarted under a large fleet");
                self.fleet.crowd = self.crowd_size();
                self.crash_server(usize::MAX);
            }
            36..48 => self.lose_host(at),
            48..60 => self.be_off_until_ended(at),
            60..66 => {
                let agent = self.agents[at].id;
                if !self.agents[at].is_dead() && self.agents[at].anew.is_none() && self.drive.is_some() {
                    self.remove_agent(at, agent);
                }
            }
            _ => {
                let request = self.upgrade_of(at);
                self.count("agent upgraded under fire");
                self.client(request, format!("upgrade-{at}-{}", self.now), true);
                for _ in 0..self.fleet.dice.between(0, 3) {
                    let when = self.now + self.fleet.dice.between(50, 20_000);
                    self.schedule(when, Event::Strike { at });
                }
            }
        }
    }

    /// Another program for an agent: mostly one that comes up.
    pub(crate) fn upgrade_of(&mut self, at: usize) -> Request {
        let version = match self.fleet.life_ms {
            Some(_) => self.fleet.dice.pick(VERSIONS).copied().unwrap_or_default(),
            None => VERSIONS[1],
        };
        Request::UpgradeAgent {
            agent: self.agents[at].id,
            force: false,
            version: version.into(),
            sha256: "2".repeat(64),
            size_bytes: 1 << 20,
        }
    }

    /// Something breaks while a computer's agent is upgraded.
    pub(crate) fn strike(&mut self, at: usize) {
        if !self.stormy {
            return;
        }
        match self.fleet.dice.between(0, 4) {
            0 => self.crash_agent(at),
            1 if !self.agents[at].is_dead() => self.power_off(at, false),
            2 => self.crash_server(usize::MAX),
            _ => {
                if let Some(connection) = self.agents[at].connection {
                    self.cut(connection, at);
                }
            }
        }
    }

    fn crowd_size(&mut self) -> u32 {
        self.fleet.dice.between(200, 5_000) as u32
    }

    /// Everybody's line is cut at once, and everybody comes back at once.
    fn cut_switch(&mut self) {
        self.count("switch cut");
        self.tell(|_| "the network's switch is cut".into());
        let back = self.now + self.fleet.dice.between(500, 15_000);
        for at in 0..self.agents.len() {
            self.off_line_until(at, back);
        }
        let (crowd, life) = (self.crowd_size(), self.server_life);
        self.schedule(back, Event::Crowd { agents: crowd, life });
    }

    /// The server has started: a large fleet that it had comes back within seconds.
    pub(crate) fn crowd_returns(&mut self) {
        let all = std::mem::take(&mut self.fleet.crowd);
        for _ in 0..4_u32.min(all) {
            let when = self.now + self.fleet.dice.between(0, 3_000);
            self.schedule(when, Event::Crowd { agents: all / 4, life: self.server_life });
        }
    }

    /// A computer cannot reach the server until then; its machines and its agent run on.
    fn off_line_until(&mut self, at: usize, until: u64) {
        self.agents[at].online_at = self.agents[at].online_at.max(until);
        if let Some(connection) = self.agents[at].connection {
            self.cut(connection, at);
        }
        if until < u64::MAX {
            let when = until + self.fleet.dice.between(0, 300);
            self.schedule(when, Event::AgentDial { at });
        }
    }

    /// A computer is off, or cannot reach the server, until its certificate has ended.
    fn be_off_until_ended(&mut self, at: usize) {
        let ends = self.at(self.agents[at].kept.newest.until);
        if self.agents[at].is_dead() || ends > self.now + 150_000 {
            return;
        }
        let back = ends + self.fleet.dice.between(1_000, 10_000);
        self.count("computer off until its certificate ended");
        self.tell(|_| format!("host {at} is off until its certificate has ended"));
        if self.fleet.dice.chance(500) {
            return self.off_line_until(at, back);
        }
        self.agents[at].programs.power_failed();
        self.crash_agent(at);
        self.agents[at].host.power_off();
        self.schedule(back, Event::PowerOn { at });
    }

    /// A host is lost to the server while its machines run on. It is given up, and comes back.
    fn lose_host(&mut self, at: usize) {
        if self.agents.iter().any(|agent| agent.is_dead() || agent.anew.is_some()) {
            return;
        }
        self.count("host lost with its machines running");
        self.tell(|_| format!("host {at} is lost to us; its machines run on"));
        self.agents[at].fate = Fate::SeemsDead;
        self.off_line_until(at, u64::MAX);
        let given_up = self.now + self.fleet.dice.between(12_000, 40_000);
        self.schedule(given_up, Event::DeclareDead { at });
        let back = given_up + self.fleet.dice.between(5_000, 60_000);
        self.schedule(back, Event::ComeBack { at });
    }

    /// A host was given up some time ago: nobody waits for it, and nothing on it counts as there.
    pub(crate) fn see_given_up(&mut self, host: HostId) {
        if self.drive.is_none() {
            return self.schedule(self.now + LET_GO_MS, Event::SeeGivenUp { host });
        }
        self.check_given_up(host);
    }

    /// It was committed that a host was given up.
    pub(crate) fn host_given_up(&mut self, host: HostId) {
        self.schedule(self.now + LET_GO_MS, Event::SeeGivenUp { host });
    }

    pub(crate) fn check_given_up(&mut self, host: HostId) {
        let Some(drive) = &self.drive else { return };
        let (engine, agent) = (drive.engine(), AgentId::from(host));
        if engine.inventory().host(host).is_none_or(|host| host.dead_since.is_none()) {
            return;
        }
        let waits = engine.jobs().find_map(|job| {
            let undone_there = |undo: &Undo| matches!(undo, Undo::Agent { agent: by, .. } if *by == agent);
            let step = job.steps.iter().find(|step| {
                step.owed_by() == Some(Doer::Agent(agent))
                    || matches!(step.is, StepIs::UndoWaits { .. }) && undone_there(&step.undo)
            })?;
            Some(format!("{} waits with {} for a host that was given up", job.label(), step.key))
        });
        // What a job is about stands where it belongs once that has ended.
        let at_rest = |vm: &Vm| !engine.jobs().any(|job| job.about.contains(&Key::Vm(vm.id)));
        let here = |vm: &Vm| vm.host == Some(host) && vm.presence == Presence::Here && at_rest(vm);
        let here = engine.inventory().vms().find(|vm| here(vm));
        let here = here.map(|vm| format!("{} counts as there on a host that was given up", vm.spec.name));
        self.count("host given up, looked at");
        if let Some(what) = waits.or(here) {
            self.fail(what);
        }
    }
}
