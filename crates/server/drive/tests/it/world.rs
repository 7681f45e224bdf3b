//! A loop on a memory store with a host, a machine, a template and a first administrator.

use hostler_drive::{Drive, Turned};
use hostler_engine::{Asked, Effect, Input};
use hostler_model::access::{Actor, Role, User};
use hostler_model::agent::{Agent, Roles};
use hostler_model::channel::{Fact, Hello, PROTOCOL, Report, ReportBody};
use hostler_model::hardware::{DiskFormat, GIB, Hardware};
use hostler_model::host::{Host, HostFacts, HostSpec};
use hostler_model::ids::Ids;
use hostler_model::library::{ImageFacts, Item, ItemKind, SeenItem, Share};
use hostler_model::request::Request;
use hostler_model::seen::{Identity, Power, Seen};
use hostler_model::template::{Deploy, Template, TemplateSpec};
use hostler_model::vm::{Origin, Presence, StopAction, Vm, VmSpec};
use hostler_model::{
    AgentId, Change, InstallationId, ItemId, JobId, Name, Object, Refusal, SessionId, ShareId, TemplateId,
    Timestamp, UserId, VmId,
};
use hostler_store::{Commit, Counters, HistoryId, MemoryStore, Store};
use uuid::Uuid;

pub const AGENT: AgentId = AgentId(Uuid::from_u128(0xA));
pub const VM: VmId = VmId(Uuid::from_u128(0xF));
pub const TEMPLATE: TemplateId = TemplateId(Uuid::from_u128(0xD));
pub const ITEM: ItemId = ItemId(Uuid::from_u128(0xC));
pub const ROOT: UserId = UserId(Uuid::from_u128(0xE));

struct Counted(u128);

impl Ids for Counted {
    fn draw(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + self.0)
    }
}

pub struct World {
    pub drive: Drive<MemoryStore>,
    pub store: MemoryStore,
    pub now: Timestamp,
    ids: Counted,
    asks: u64,
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn template(text: &str) -> TemplateSpec {
    TemplateSpec {
        name: name(text),
        notes: String::new(),
        disk: ITEM,
        cpus: 1,
        memory_mib: 256,
        firmware: Default::default(),
        deploy: Deploy::Overlay,
    }
}

impl World {
    pub fn new() -> Self {
        let mut store = MemoryStore::new(InstallationId(Uuid::from_u128(1)), HistoryId(7));
        let at = Timestamp(1_000);
        let changes = objects(at)
            .into_iter()
            .map(|object| Change { key: object.key(), object: Some(object), job: None, actor: Actor::System })
            .collect();
        store
            .commit(&Commit { at, changes, counters: Counters { next_job: 1 }, settles_restore: false })
            .unwrap();
        let drive = Drive::start(store.clone(), at).unwrap();
        Self { drive, store, now: at, ids: Counted(0x1000), asks: 0 }
    }

    pub fn turn(&mut self, inputs: Vec<Input>) -> Turned {
        self.now = self.now.plus(10);
        self.drive.turn(self.now, inputs, &mut self.ids)
    }

    pub fn asked(&mut self, request: Request, key: Option<&str>) -> Input {
        self.asks += 1;
        Input::Ask(Box::new(Asked {
            ask: self.asks,
            actor: Actor::System,
            key: key.map(str::to_owned),
            wait: false,
            unchanged: None,
            again_of: None,
            request,
        }))
    }

    /// Asks in a turn of its own.
    pub fn ask(&mut self, request: Request, key: Option<&str>) -> (Turned, Result<JobId, Refusal>) {
        let input = self.asked(request, key);
        let turned = self.turn(vec![input]);
        let answer = replies(&turned).pop().expect("every asking is answered");
        (turned, answer)
    }

    pub fn connect(&mut self) -> SessionId {
        let turned = self.turn(vec![Input::Connected { connection: 1, hello: Box::new(hello()) }]);
        let session = turned.effects.iter().find_map(|effect| match effect {
            Effect::Welcome { session, .. } => Some(*session),
            _ => None,
        });
        let session = session.unwrap();
        let facts = vec![Fact { domain: VM.0, seq: 1, seen: Some(Box::new(seen())) }];
        let picture = Report { facts, ..words(session, ReportBody::Picture { as_of: 1 }) };
        self.turn(vec![Input::Report { agent: AGENT, report: Box::new(picture) }]);
        session
    }
}

pub fn report(session: SessionId, body: ReportBody) -> Input {
    Input::Report { agent: AGENT, report: Box::new(words(session, body)) }
}

fn words(session: SessionId, body: ReportBody) -> Report {
    Report { session, journal: Uuid::from_u128(2), run: 1, facts: Vec::new(), body }
}

/// The machine as its host shows it.
fn seen() -> Seen {
    Seen {
        domain: VM.0,
        name: "web".into(),
        title: None,
        identity: Some(Identity { vm: VM, domain: VM.0, installation: InstallationId(Uuid::from_u128(1)) }),
        power: Power::Off,
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

pub fn replies(turned: &Turned) -> Vec<Result<JobId, Refusal>> {
    let replies = turned.effects.iter().filter_map(|effect| match effect {
        Effect::Reply { answer, .. } => Some(answer.clone()),
        _ => None,
    });
    replies.collect()
}

fn facts() -> HostFacts {
    HostFacts {
        host_name: "a".into(),
        cpus: 8,
        memory_mib: 8192,
        libvirt_answers: true,
        vm_folder: "/vms".into(),
        ..HostFacts::default()
    }
}

fn objects(at: Timestamp) -> Vec<Object> {
    let share = ShareId(Uuid::from_u128(0xB));
    vec![
        Object::from(Agent {
            id: AGENT,
            name: name("a"),
            roles: Roles { host: true, library: true },
            version: "1".into(),
            certificate: "aa".into(),
            certificate_until: Timestamp(i64::MAX),
            renewed: None,
            enrolled: at,
        }),
        Object::from(Host {
            id: AGENT.into(),
            name: name("a"),
            group: hostler_model::host_group::ALL_HOSTS,
            spec: HostSpec::default(),
            facts: facts(),
            dead_since: None,
            created: at,
        }),
        Object::from(Share {
            id: share,
            name: name("library"),
            agent: AGENT,
            folder: "/srv/library".into(),
            notes: String::new(),
            created: at,
        }),
        Object::from(Item {
            id: ITEM,
            share,
            name: name("base"),
            seen: SeenItem {
                path: "base.qcow2".into(),
                kind: ItemKind::Disk,
                size_bytes: 1,
                modified: at,
                image: Some(ImageFacts { format: DiskFormat::Qcow2, virtual_size_bytes: GIB }),
                problem: None,
            },
            missing_since: None,
            created: at,
        }),
        Object::from(Template { id: TEMPLATE, spec: template("tiny"), created: at }),
        Object::from(User {
            id: ROOT,
            name: name("root"),
            role: Role::Administrator,
            disabled: false,
            created: at,
        }),
        Object::from(Vm {
            id: VM,
            spec: VmSpec {
                name: name("web"),
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
            domain: VM.0,
            host: Some(AGENT.into()),
            origin: Origin::Created,
            presence: Presence::Here,
            observed: None,
            created: at,
        }),
    ]
}

/// What the agent says first.
pub fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        oldest: PROTOCOL,
        agent: AGENT,
        version: "1".into(),
        installation: InstallationId(Uuid::from_u128(1)),
        journal: Uuid::from_u128(2),
        run: 1,
        host_boot: "boot".into(),
        epoch: 0,
        host: facts(),
    }
}
