//! A small world around an engine: hosts that say what they are told to say, and a record that follows each decision.
//! After every decision what is derived is compared with a fresh load of that record.

use std::collections::BTreeMap;

use hostler_engine::{Asked, Decision, Effect, EndedKey, Engine, Input, Loaded};
use hostler_model::access::{Actor, Role, User};
use hostler_model::agent::{Agent, Roles};
use hostler_model::channel::{Fact, Hello, PROTOCOL, Report, ReportBody, ToAgent};
use hostler_model::command::{Command, Outcome};
use hostler_model::hardware::Hardware;
use hostler_model::host::{Host, HostFacts, HostSpec};
use hostler_model::ids::Ids;
use hostler_model::job::{Doer, Job, JobState, StepIs, Undo};
use hostler_model::request::{CreateVm, Request, VmSource};
use hostler_model::seen::{Identity, Power, Seen};
use hostler_model::vm::{Origin, Presence, StopAction, Vm, VmSpec};
use hostler_model::{
    AgentId, Code, InstallationId, JobId, Key, Name, Object, Refusal, SessionId, StepNo, Timestamp, UserId,
    VmId,
};
use uuid::Uuid;

pub struct Counted(pub u128);

impl Ids for Counted {
    fn draw(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + self.0)
    }
}

pub struct World {
    pub engine: Engine,
    pub now: Timestamp,
    pub record: BTreeMap<Key, Object>,
    pub jobs: BTreeMap<JobId, Job>,
    pub effects: Vec<Effect>,
    ids: Counted,
    epoch: u32,
    restored: bool,
    asks: u64,
    seq: u64,
    sessions: BTreeMap<AgentId, SessionId>,
}

pub const INSTALLATION: InstallationId = InstallationId(Uuid::from_u128(0x1257));

pub fn agent(n: u128) -> AgentId {
    AgentId(Uuid::from_u128(0xA000 + n))
}

pub fn vm_id(n: u128) -> VmId {
    VmId(Uuid::from_u128(0xF000 + n))
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn seen(domain: Uuid, power: Power) -> Seen {
    Seen {
        domain,
        name: format!("dom-{}", domain.as_u128()),
        title: None,
        identity: None,
        power,
        cpus: 1,
        memory_mib: 256,
        disks: Vec::new(),
        adapters: Vec::new(),
        guest_agent: false,
        persistent: true,
        autostart: false,
        snapshots: Vec::new(),
    }
}

/// A machine that bears our mark.
pub fn ours(vm: VmId, power: Power) -> Seen {
    let identity = Identity { vm, domain: vm.0, installation: INSTALLATION };
    Seen { identity: Some(identity), ..seen(vm.0, power) }
}

pub fn facts(n: u128) -> HostFacts {
    HostFacts {
        host_name: format!("host-{n}"),
        cpus: 8,
        memory_mib: 8192,
        libvirt_answers: true,
        vm_folder: "/vms".into(),
        vm_folder_id: "shared".into(),
        address: format!("192.0.2.{}", n + 1),
        ..HostFacts::default()
    }
}

pub fn create(text: &str) -> Request {
    Request::CreateVm(Box::new(CreateVm {
        name: name(text),
        from: VmSource::Empty,
        cpus: None,
        memory_mib: Some(256),
        firmware: None,
        disk_bytes: None,
        host: None,
        path: None,
        start: false,
        notes: String::new(),
        tags: Vec::new(),
        network: None,
        mac: None,
        vlan: None,
        allow_mac_spoofing: None,
        seed: BTreeMap::new(),
        candidates: Vec::new(),
    }))
}

pub fn trouble() -> Refusal {
    Refusal::new(Code::HypervisorFailed, "domain", "it broke")
}

impl World {
    /// Hosts that have no machines, all connected.
    pub fn new(hosts: u128) -> Self {
        Self::with(hosts, Vec::new())
    }

    /// Hosts and these other objects, all hosts connected and showing what the record says of them.
    pub fn with(hosts: u128, more: Vec<Object>) -> Self {
        let at = Timestamp(1_000_000);
        let mut record: BTreeMap<Key, Object> = more.into_iter().map(|o| (o.key(), o)).collect();
        for n in 0..hosts {
            let agent = Agent {
                id: agent(n),
                name: name(&format!("host-{n}")),
                roles: Roles { host: true, library: true },
                version: "1".into(),
                certificate: "aa".into(),
                certificate_until: Timestamp(i64::MAX),
                renewed: None,
                enrolled: at,
            };
            let host = Host {
                id: agent.id.into(),
                name: agent.name.clone(),
                group: hostler_model::host_group::ALL_HOSTS,
                spec: HostSpec::default(),
                facts: facts(n),
                dead_since: None,
                created: at,
            };
            for object in [Object::from(agent), Object::from(host)] {
                record.insert(object.key(), object);
            }
        }
        let mut world = Self {
            engine: load(&record, &BTreeMap::new(), 1, 1, false, at),
            now: at,
            record,
            jobs: BTreeMap::new(),
            effects: Vec::new(),
            ids: Counted(0x1000),
            epoch: 1,
            restored: false,
            asks: 0,
            seq: 100,
            sessions: BTreeMap::new(),
        };
        for n in 0..hosts {
            world.connect(n);
            let shown = world.shown_by(n);
            world.picture(n, shown);
        }
        world
    }

    /// With machines on the first host, of these powers.
    pub fn with_vms(hosts: u128, powers: &[Power]) -> Self {
        let vms = powers.iter().zip(1..).map(|(power, n)| Object::from(machine(n, 0, *power)));
        Self::with(hosts, vms.collect())
    }

    pub fn shown_by(&self, n: u128) -> Vec<Seen> {
        let on = |object: &Object| match object {
            Object::Vm(vm) if vm.host == Some(agent(n).into()) => vm.seen().cloned(),
            _ => None,
        };
        self.record.values().filter_map(on).collect()
    }

    pub fn decide(&mut self, input: Input) {
        let decision = self.engine.decide(self.now, input, &mut self.ids);
        self.take(decision);
        for _ in 0..1_000 {
            if self.engine.next_alarm().is_none_or(|at| at > self.now) && !self.engine.is_restored() {
                break;
            }
            let decision = self.engine.decide(self.now, Input::Time, &mut self.ids);
            self.take(decision);
        }
        assert!(self.engine.next_alarm().is_none_or(|at| at > self.now), "the engine spins");
        let fresh = self.fresh().derived();
        assert_eq!(self.engine.derived(), fresh, "what is derived differs from a fresh load");
    }

    fn take(&mut self, decision: Decision) {
        let keys: Vec<Key> = decision.changes.iter().map(|change| change.key).collect();
        let mut once = keys.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), keys.len(), "an object stands twice in one decision");
        for change in decision.changes {
            match change.object {
                Some(Object::Job(job)) => {
                    self.jobs.insert(job.id, (*job).clone());
                    if job.is_open() {
                        self.record.insert(change.key, Object::Job(job));
                    } else {
                        self.record.remove(&change.key);
                    }
                }
                Some(object) => {
                    self.record.insert(change.key, object);
                }
                None => {
                    self.record.remove(&change.key);
                }
            }
        }
        self.effects.extend(decision.effects);
    }

    fn fresh(&self) -> Engine {
        load(&self.record, &self.jobs, self.epoch, self.engine.next_job(), self.restored, self.now)
    }

    /// The server starts anew on what is recorded; nobody is connected.
    pub fn restart(&mut self, restored: bool) {
        self.epoch += 1;
        self.restored = restored;
        self.engine = self.fresh();
        self.restored = false;
        self.sessions.clear();
        self.decide(Input::Time);
    }

    // Agents.

    pub fn connect(&mut self, n: u128) {
        self.greet(hello(n));
        let found = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Welcome { agent: a, session, .. } if *a == agent(n) => Some(*session),
            _ => None,
        });
        self.sessions.insert(agent(n), found.expect("it is welcome"));
    }

    pub fn greet(&mut self, hello: Hello) {
        self.decide(Input::Connected { connection: 1, hello: Box::new(hello) });
    }

    pub fn lose(&mut self, n: u128) {
        let session = self.sessions.remove(&agent(n)).unwrap();
        self.decide(Input::Lost { agent: agent(n), session });
    }

    fn report(&mut self, n: u128, facts: Vec<Fact>, body: ReportBody) {
        let session = self.sessions[&agent(n)];
        let report = Report { session, journal: Uuid::from_u128(0x70), run: 1, facts, body };
        self.decide(Input::Report { agent: agent(n), report: Box::new(report) });
    }

    /// The computer says that it has changed.
    pub fn computer(&mut self, n: u128, host: HostFacts) {
        self.report(n, Vec::new(), ReportBody::Host { host: Box::new(host) });
    }

    pub fn picture(&mut self, n: u128, shown: Vec<Seen>) {
        let facts = shown.into_iter().map(|seen| self.fact_of(seen.domain, Some(seen))).collect();
        let as_of = self.seq;
        self.report(n, facts, ReportBody::Picture { as_of });
    }

    fn fact_of(&mut self, domain: Uuid, seen: Option<Seen>) -> Fact {
        self.seq += 1;
        Fact { domain, seq: self.seq, seen: seen.map(Box::new) }
    }

    pub fn shows(&mut self, n: u128, seen: Seen) {
        let fact = self.fact_of(seen.domain, Some(seen));
        self.report(n, vec![fact], ReportBody::Facts);
    }

    pub fn shows_gone(&mut self, n: u128, domain: Uuid) {
        let fact = self.fact_of(domain, None);
        self.report(n, vec![fact], ReportBody::Facts);
    }

    /// A fact that was under way for long: it has this place in the order.
    pub fn shows_late(&mut self, n: u128, seen: Seen, seq: u64) {
        let fact = Fact { domain: seen.domain, seq, seen: Some(Box::new(seen)) };
        self.report(n, vec![fact], ReportBody::Facts);
    }

    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Answers a step that is out, or its undo.
    pub fn answer(&mut self, job: JobId, key: &str, outcome: Outcome) {
        self.answer_with(job, key, outcome, None);
    }

    /// Answers a step with the newest word about its machine.
    pub fn answer_with(&mut self, job: JobId, key: &str, outcome: Outcome, seen: Option<Seen>) {
        let step = self.jobs[&job].step(key).unwrap_or_else(|| panic!("no step {key}: {:?}", self.keys(job)));
        let by = step.owed_by().unwrap_or_else(|| panic!("{key} is {:?}", step.is));
        let no = step.no;
        let Doer::Agent(by) = by else { return self.decide(Input::Worked { no, outcome }) };
        let facts = seen.map(|seen| self.fact_of(seen.domain, Some(seen))).into_iter().collect();
        let n = by.0.as_u128() - 0xA000;
        self.report(n, facts, ReportBody::Ended { no, outcome });
    }

    pub fn done(&mut self, job: JobId, key: &str) {
        self.answer(job, key, Outcome::done());
    }

    /// What the server itself does shows progress.
    pub fn own_progress(&mut self, no: StepNo, done: u64) {
        self.decide(Input::Progress { by: Doer::Server, no, done, of: 100 });
    }

    pub fn progress(&mut self, n: u128, no: StepNo, done: u64) {
        self.decide(Input::Progress { by: Doer::Agent(agent(n)), no, done, of: 100 });
    }

    // People.

    pub fn ask(&mut self, request: Request) -> Result<JobId, Refusal> {
        self.ask_with(request, None, false)
    }

    pub fn ask_with(&mut self, request: Request, key: Option<&str>, wait: bool) -> Result<JobId, Refusal> {
        self.asks += 1;
        let ask = self.asks;
        let key = key.map(str::to_owned);
        let asked = Asked { ask, actor: Actor::System, key, wait, unchanged: None, again_of: None, request };
        self.decide(Input::Ask(Box::new(asked)));
        self.reply(ask)
    }

    pub fn ask_if_unchanged(&mut self, request: Request, seen: Object, wait: bool) -> Result<JobId, Refusal> {
        self.asks += 1;
        let ask = self.asks;
        let (key, unchanged) = (None, Some(seen));
        let asked = Asked { ask, actor: Actor::System, key, wait, unchanged, again_of: None, request };
        self.decide(Input::Ask(Box::new(asked)));
        self.reply(ask)
    }

    pub fn cancel(&mut self, job: JobId) -> Result<JobId, Refusal> {
        self.asks += 1;
        self.decide(Input::Cancel { ask: self.asks, job, actor: Actor::System });
        self.reply(self.asks)
    }

    pub fn abandon(&mut self, job: JobId) -> Result<JobId, Refusal> {
        self.asks += 1;
        self.decide(Input::Abandon { ask: self.asks, job, actor: Actor::System });
        self.reply(self.asks)
    }

    fn reply(&self, wanted: u64) -> Result<JobId, Refusal> {
        let found = self.effects.iter().find_map(|effect| match effect {
            Effect::Reply { ask, answer } if *ask == wanted => Some(answer.clone()),
            _ => None,
        });
        found.expect("every asking is answered")
    }

    pub fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        self.decide(Input::Time);
    }

    // What there is to see.

    pub fn state(&self, job: JobId) -> JobState {
        self.jobs[&job].state
    }

    pub fn is(&self, job: JobId, key: &str) -> &StepIs {
        &self.jobs[&job].step(key).unwrap_or_else(|| panic!("no step {key}: {:?}", self.keys(job))).is
    }

    pub fn keys(&self, job: JobId) -> Vec<&str> {
        self.jobs[&job].steps.iter().map(|step| step.key.as_str()).collect()
    }

    pub fn vm(&self, id: VmId) -> &Vm {
        match self.record.get(&Key::Vm(id)) {
            Some(Object::Vm(vm)) => vm,
            _ => panic!("no machine {id}"),
        }
    }

    pub fn vm_of(&self, job: JobId) -> VmId {
        match self.jobs[&job].about[0] {
            Key::Vm(vm) => vm,
            other => panic!("{other} is no machine"),
        }
    }

    /// What was sent to agents since the last look, in words.
    pub fn sent(&mut self) -> Vec<String> {
        let words = |effect: Effect| match effect {
            Effect::Send { message, .. } => match *message {
                ToAgent::Do { command, undo, .. } => {
                    Some(format!("{}{}", if undo { "undo " } else { "" }, command.word()))
                }
                ToAgent::Revoke { .. } => Some("revoke".to_owned()),
                ToAgent::Picture => Some("picture".to_owned()),
                _ => None,
            },
            Effect::Work { work, .. } => Some(format!("do {}", work.word())),
            Effect::StopWork { .. } => Some("stop".to_owned()),
            _ => None,
        };
        let (sends, rest) = std::mem::take(&mut self.effects).into_iter().partition(|effect| {
            matches!(effect, Effect::Send { .. } | Effect::Work { .. } | Effect::StopWork { .. })
        });
        self.effects = rest;
        let sends: Vec<Effect> = sends;
        sends.into_iter().filter_map(words).collect()
    }

    /// The command that takes a step back.
    pub fn undo_of(&self, job: JobId, key: &str) -> Option<Command> {
        match &self.jobs[&job].step(key)?.undo {
            Undo::Agent { command, .. } => Some((**command).clone()),
            _ => None,
        }
    }

    pub fn refreshers(&self) -> usize {
        self.jobs.values().filter(|job| job.actor == Actor::Refresher).count()
    }

    pub fn effect<T>(&self, look: impl Fn(&Effect) -> Option<T>) -> Option<T> {
        self.effects.iter().rev().find_map(look)
    }
}

fn load(
    record: &BTreeMap<Key, Object>,
    jobs: &BTreeMap<JobId, Job>,
    epoch: u32,
    next_job: u64,
    restored: bool,
    now: Timestamp,
) -> Engine {
    let ended = jobs.values().filter(|job| !job.is_open());
    let keys = ended.filter_map(|job| {
        Some(EndedKey { user: job.actor.user(), key: job.key.clone()?, job: job.id, ended: job.ended? })
    });
    let objects = record.values().cloned().collect();
    let keys = keys.collect();
    Engine::load(Loaded { installation: INSTALLATION, objects, keys, epoch, next_job, restored }, now)
}

/// A machine of ours on a host.
pub fn machine(n: u128, host: u128, power: Power) -> Vm {
    let id = vm_id(n);
    Vm {
        id,
        spec: VmSpec {
            name: name(&format!("vm-{n}")),
            notes: String::new(),
            tags: Vec::new(),
            owner: None,
            template: None,
            hardware: Hardware {
                cpus: 1,
                memory_mib: 256,
                firmware: Default::default(),
                disks: Vec::new(),
                dvd: None,
                adapters: Vec::new(),
            },
            stop_action: StopAction::default(),
            detached: Vec::new(),
        },
        domain: id.0,
        host: Some(agent(host).into()),
        origin: Origin::Created,
        presence: Presence::Here,
        observed: Some(hostler_model::seen::Observed {
            seen: ours(id, power),
            gone: false,
            order: hostler_model::seen::Order { journal: Uuid::from_u128(0x70), run: 1, seq: 1 },
            at: Timestamp(1),
        }),
        created: Timestamp(1),
    }
}

/// What an agent says first.
pub fn hello(n: u128) -> Hello {
    Hello {
        protocol: PROTOCOL,
        oldest: PROTOCOL,
        agent: agent(n),
        version: "1".into(),
        installation: INSTALLATION,
        journal: Uuid::from_u128(0x70),
        run: 1,
        host_boot: "boot".into(),
        epoch: 0,
        host: facts(n),
    }
}

pub fn user(n: u128, text: &str, role: Role) -> Object {
    let id = UserId(Uuid::from_u128(0xE000 + n));
    Object::from(User { id, name: name(text), role, disabled: false, created: Timestamp(1) })
}
