//! A computer beneath its agent: what is read of it, what happens on it by itself, its power, and how long commands take.

use hostler_agent_core::Input;
use hostler_hypervisor::Machines;
use hostler_model::Ms;
use hostler_model::command::{Command, DiskContent};
use uuid::Uuid;

use crate::agent::Fate;
use crate::dice::Dice;
use crate::world::{Event, World};

impl World {
    /// Reads a machine and hands the reading in.
    pub fn read_machine(&mut self, at: usize, domain: Uuid) {
        if let Ok(seen) = self.agents[at].host.read(domain) {
            self.agent_hears(at, Input::Observed { domain, seen: seen.map(Box::new) });
        }
    }

    /// Reads what the host is like, as far as that changes here: its networks.
    pub(crate) fn look_at_host(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        agent.facts.host_networks = agent.host.true_networks();
        let active = agent.facts.host_networks.iter().filter(|network| network.active);
        agent.facts.networks = active.map(|network| network.name.clone()).collect();
        let facts = Box::new(agent.facts.clone());
        self.agent_hears(at, Input::HostFacts(facts));
    }

    pub(crate) fn list_now(&mut self, at: usize) {
        if let Ok(all) = self.agents[at].host.list() {
            self.agent_hears(at, Input::Listed(all));
        }
    }

    /// Something may have changed on a host: events are raised, and what is due by itself is noted.
    pub fn host_moved(&mut self, at: usize) {
        let life = self.agents[at].life;
        for domain in self.agents[at].host.take_changed() {
            let when = self.now + self.dice.between(1, 40);
            self.schedule(when, Event::ReadMachine { at, life, domain });
        }
        if let Some(due) = self.agents[at].host.next_due() {
            self.schedule(due.max(self.now + 1), Event::HostTick { at });
        }
    }

    /// The computer's power fails for a while, or for good.
    pub fn power_off(&mut self, at: usize, for_good: bool) {
        self.agents[at].programs.power_failed();
        self.crash_agent(at);
        self.agents[at].host.power_off();
        if for_good {
            self.agents[at].fate = Fate::Dead;
            self.count("host died for good");
        } else {
            self.count("host powered off");
            let when = self.now + self.dice.between(2_000, 30_000);
            self.schedule(when, Event::PowerOn { at });
        }
    }
}

/// How long a command takes before it takes effect. Now and then it straddles the limits.
pub(crate) fn duration(command: &Command, dice: &mut Dice, stormy: bool) -> Ms {
    let heavy = matches!(
        command,
        Command::BringBase { .. }
            | Command::MakeDisk { content: DiskContent::Copy { .. }, .. }
            | Command::Save { .. }
            | Command::SendBases { .. }
            | Command::Migrate { .. }
    );
    match dice.between(if stormy { 0 } else { 40 }, 1000) {
        0..4 => dice.between(110_000, 130_000),
        4..8 => dice.between(320_000, 340_000),
        8..40 => dice.between(3_000, 20_000),
        _ if heavy => dice.between(500, 4_000),
        _ => dice.between(5, 400),
    }
}
