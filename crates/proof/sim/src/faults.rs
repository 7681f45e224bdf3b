//! What goes wrong: crashes at the dangerous moments, cuts, hosts that lose power or die, administrators with `virsh`,
//! full disks, deaf guests, a store that fails. And how it all ends, so that the world can come to rest.

use hostler_hypervisor::perform::LOOK_UP_LIMIT_MS;
use hostler_hypervisor::simulated::{CrashWhen, Manners, Outside};
use hostler_model::VmId;
use hostler_model::channel::ToAgent;
use hostler_model::command::{Command, Definition};
use hostler_model::hardware::Hardware;
use hostler_model::ids::Ids;
use hostler_model::job::JobKind;
use hostler_model::request::Request;
use hostler_model::seen::{Identity, Power};
use hostler_store::Fault;

use crate::agent::Fate;
use crate::clients::Client;
use crate::world::{Event, World};

impl World {
    /// A fault strikes.
    pub fn fault(&mut self) {
        if !self.stormy {
            return;
        }
        let at = self.dice.between(0, self.agents.len() as u64) as usize;
        match self.dice.between(0, 100) {
            0..12 => {
                // Soon, at a commit: the dangerous moments.
                self.crash_planned = 1 + self.dice.between(0, 3) as u32;
                self.tell(|_| "the server is about to crash around a commit".into());
            }
            12..17 => {
                self.tell(|_| "the server crashes".into());
                self.count("server crashed between inputs");
                self.crash_server(usize::MAX);
            }
            17..24 => {
                self.tell(|_| format!("agent {at} crashes"));
                self.crash_agent(at);
            }
            24..36 => {
                let nth = 1 + self.dice.between(0, 3) as u32;
                let when = self.moment();
                self.tell(|_| format!("agent {at} will crash in call {nth}, {when:?}"));
                self.agents[at].host.crash_at(nth, when);
            }
            36..44 => {
                let nth = 1 + self.dice.between(0, 3) as u32;
                let when = self.moment();
                self.count("libvirt connection broken in a call");
                self.agents[at].host.interrupt_at(nth, when);
            }
            44..52 => {
                if let Some(connection) = self.agents[at].connection {
                    self.tell(|_| format!("the connection of agent {at} is cut"));
                    self.cut(connection, at);
                }
            }
            52..56 => {
                self.tell(|_| format!("libvirt of host {at} hangs"));
                self.count("libvirt silent");
                self.agents[at].host.set_answers(false);
                let when = self.now + self.dice.between(500, 20_000);
                self.schedule(when, Event::Heal { at });
            }
            56..60 => {
                self.tell(|_| format!("host {at} loses power"));
                self.power_off(at, false);
            }
            60..62 => {
                if self.agents.iter().all(|agent| !agent.is_dead()) {
                    self.tell(|_| format!("host {at} dies for good"));
                    self.power_off(at, true);
                    let when = self.now + self.dice.between(20_000, 60_000);
                    self.schedule(when, Event::DeclareDead { at });
                    // By the clock and not by the dice: every other one, and the stories' dice fall as they fell.
                    if self.now.is_multiple_of(2) {
                        self.agents[at].fate = Fate::SeemsDead;
                        self.schedule(self.now + 100_000, Event::ComeBack { at });
                    }
                }
            }
            62..66 => {
                let fault = [Fault::Failed, Fault::Full, Fault::UnknownLost, Fault::UnknownKept];
                if let Some(fault) = self.dice.pick(&fault).copied() {
                    self.store.fail_next(fault);
                }
            }
            66..70 => {
                self.count("events lost");
                self.agents[at].host.set_loses_events(true);
                let when = self.now + self.dice.between(5_000, 60_000);
                self.schedule(when, Event::Heal { at });
            }
            70..74 => {
                self.count("disk full");
                self.tell(|_| format!("the disk of host {at} is full"));
                if let Some(folder) = self.agents[at].host.folder("/vms/x") {
                    folder.fill();
                }
                self.agents[at].host.tick(self.now);
                self.host_moved(at);
                let when = self.now + self.dice.between(2_000, 30_000);
                self.schedule(when, Event::Heal { at });
            }
            74..78 => {
                self.count("deaf guests");
                self.agents[at].host.set_default_manners(Manners::DEAF);
                let when = self.now + self.dice.between(20_000, 90_000);
                self.schedule(when, Event::Heal { at });
            }
            78..79 => {
                if self.backup.is_none() {
                    self.backup = Some(self.store.copy());
                    self.count("backup made");
                }
            }
            79..80 => {
                if let Some(backup) = self.backup.take() {
                    self.tell(|_| "the store is restored from a backup".into());
                    self.count("backup restored");
                    self.crash_server(usize::MAX);
                    if self.mutant != Some(crate::mutant::Mutant::RestoreUnmarked) {
                        backup.restored();
                    }
                    // A restored record goes back: that is what it is for.
                    self.read_head = 0;
                    self.orders.clear();
                    self.store = backup;
                    self.restored = true;
                }
            }
            _ => self.meddle(at),
        }
    }

    /// Lets libvirt fall silent in some hand-overs. By the clock and not by the dice: the stories' dice fall as they fell.
    pub(crate) fn silence_hand_over(&mut self, at: usize, command: &Command) -> bool {
        if !self.stormy || !self.now.is_multiple_of(8) || !matches!(command, Command::Migrate { .. }) {
            return false;
        }
        let when = match self.now / 8 % 3 {
            0 => CrashWhen::Before,
            1 => CrashWhen::Halfway,
            _ => CrashWhen::After,
        };
        let host = &self.agents[at].host;
        let answers = host.answers();
        host.silence_in_move(Some(when).filter(|_| answers));
        answers
    }

    /// What fell silent in a hand-over answers again only when its agent has looked in vain for as long as it does.
    pub(crate) fn heal_hand_over(&mut self, at: usize) {
        self.agents[at].host.silence_in_move(None);
        if !self.agents[at].host.answers() {
            self.tell(|_| format!("libvirt of host {at} hangs in a hand-over"));
            self.count("libvirt silent in a hand-over");
            let when = self.now + LOOK_UP_LIMIT_MS + 5_000 + self.now % 20_000;
            self.schedule(when, Event::Heal { at });
        }
    }

    fn moment(&mut self) -> CrashWhen {
        let moments = [CrashWhen::Before, CrashWhen::Halfway, CrashWhen::After, CrashWhen::After];
        self.dice.pick(&moments).copied().unwrap_or(CrashWhen::After)
    }

    /// An administrator does something with `virsh`, or a guest by itself.
    fn meddle(&mut self, at: usize) {
        let all = self.agents[at].host.truth();
        let some = self.dice.pick(&all).map(|seen| (seen.domain, seen.power));
        let what = match (self.dice.between(0, 12), some) {
            (0, _) => {
                let id = self.ids.draw();
                let identity = Identity { vm: VmId(id), domain: id, installation: self.installation };
                let name = format!("virsh-{}", self.dice.between(0, 10_000));
                let hardware = Hardware {
                    cpus: 1,
                    memory_mib: 128,
                    firmware: Default::default(),
                    disks: Vec::new(),
                    dvd: None,
                    adapters: Vec::new(),
                };
                let definition = Definition { identity, name: name.clone(), title: name, hardware };
                Outside::Define(Box::new(definition), false)
            }
            (1, Some((domain, Power::Off))) if self.dice.chance(300) => {
                self.let_go.insert(VmId(domain));
                Outside::Undefine(domain)
            }
            (2 | 3, Some((domain, Power::Off | Power::Saved))) => Outside::Start(domain),
            (4, Some((domain, Power::Running))) => Outside::TurnOff(domain),
            (5, Some((domain, Power::Running))) => Outside::Pause(domain),
            (5, Some((domain, Power::Paused))) => Outside::Resume(domain),
            (6, Some((domain, Power::Running))) => Outside::Save(domain),
            (7, Some((domain, _))) => {
                let cpus = 1 + self.dice.between(0, 4) as u32;
                Outside::SetHardware { domain, cpus, memory_mib: 192 }
            }
            (8, Some((domain, Power::Running))) => {
                let after = self.dice.between(10, 5_000);
                Outside::GuestShutsDown(domain, after)
            }
            (9, Some((domain, Power::Running))) => Outside::GuestAgent(domain, true),
            (10, Some((domain, Power::Running))) => Outside::Crash(domain),
            (11, Some((of, _))) if self.dice.chance(200) => {
                let domain = self.ids.draw();
                Outside::Clone { of, domain, name: format!("clone-{}", self.dice.between(0, 10_000)) }
            }
            _ => return,
        };
        if self.agents[at].host.is_up() && self.agents[at].host.outside(&what).is_ok() {
            if let Outside::Undefine(domain) = &what {
                self.taken_away.insert((at, domain.to_string()));
            }
            self.count("meddled behind the manager's back");
            self.tell(|_| format!("on host {at}, behind our back: {what:?}"));
            self.host_moved(at);
        }
    }

    /// What a fault began is over on a host.
    pub fn heal(&mut self, at: usize) {
        let host = &self.agents[at].host;
        host.set_answers(true);
        host.set_loses_events(false);
        host.set_default_manners(Manners::GOOD);
        if let Some(folder) = host.folder("/vms/x") {
            folder.free_up();
        }
    }

    /// An administrator gives a host up: its jobs are abandoned, the host is declared dead.
    pub fn declare_dead(&mut self, at: usize) {
        if !self.agents[at].is_dead() {
            return;
        }
        let host = self.agents[at].id.into();
        if let Some(request) = self.request_of(JobKind::DeclareHostDead) {
            self.count("host declared dead");
            self.client(request, format!("dead-{host}-{}", self.now), false);
        }
        let known = self
            .drive
            .as_ref()
            .is_some_and(|d| d.engine().inventory().host(host).is_some_and(|h| h.dead_since.is_some()));
        if !known {
            self.schedule(self.now + 20_000, Event::DeclareDead { at });
        }
    }

    /// A new client that asks at once.
    pub fn client(&mut self, request: Request, key: String, wait: bool) {
        let cancels = self.stormy && self.dice.chance(120);
        self.clients.push(Client { request, key, wait, acknowledged: None, refused: None, cancels });
        let client = self.clients.len() - 1;
        self.schedule(self.now, Event::Ask { client });
    }

    /// Faults are over: everything that can, gets well.
    pub fn calm(&mut self) {
        self.tell(|_| "the storm is over".into());
        self.stormy = false;
        self.crash_planned = 0;
        for at in 0..self.agents.len() {
            self.heal(at);
            self.agents[at].host.crash_at(u32::MAX, CrashWhen::After);
            if !self.agents[at].is_dead() {
                self.agents[at].host.power_on();
                self.start_agent(at);
            }
        }
        self.start_server();
    }

    /// Asks every agent for a full picture.
    pub fn picture_everything(&mut self) {
        let open: Vec<u64> =
            self.connections.iter().filter(|(_, c)| c.server_open).map(|(n, _)| *n).collect();
        for connection in open {
            self.say_to_agent(connection, ToAgent::Picture);
        }
    }
}
