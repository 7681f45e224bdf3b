//! One seed's story: a fleet is set up, clients ask, faults strike, the storm ends, and at rest everything must be
//! true.

use std::collections::BTreeMap;

use hostler_hypervisor::simulated::{LibraryFile, SharedFolder, SimulatedHost};
use hostler_model::access::{Actor, Role, User};
use hostler_model::agent::{Agent as AgentRecord, Roles};
use hostler_model::hardware::{DiskFormat, GIB};
use hostler_model::host::{Host, HostFacts, HostSpec};
use hostler_model::host_group::HostGroup;
use hostler_model::library::{ImageFacts, Item, ItemKind, SeenItem, Share};
use hostler_model::template::Template;
use hostler_model::{AgentId, Change, ItemId, Name, Object, ShareId, TemplateId, Timestamp, UserId};
use hostler_store::{Commit, Counters, Store};
use uuid::Uuid;

use crate::agent::{Agent, Fate};
use crate::asks::{LIBRARY, SHARES, VMS, template};
use crate::certificates::{Held, Papers};
use crate::mutant::Mutant;
use crate::world::{Event, World};

/// How large a story is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Computers.
    pub hosts: usize,
    /// Requests.
    pub asks: usize,
    /// Faults.
    pub faults: usize,
    /// How long the storm lasts, in milliseconds.
    pub storm_ms: u64,
}

impl Default for Size {
    fn default() -> Self {
        Self { hosts: 5, asks: 50, faults: 30, storm_ms: 300_000 }
    }
}

/// How a story ended.
#[derive(Debug)]
pub struct Ending {
    /// How often things happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first violation.
    pub failure: Option<String>,
    /// The story in words, when it was to be told.
    pub told: Vec<String>,
    /// Events in it.
    pub events: u64,
    /// How long it took in virtual time, in milliseconds.
    pub lasted_ms: u64,
}

/// The longest a world may take to come to rest after the storm: every limit there is, one after another, and some.
const REST_BY_MS: u64 = 3_600_000;
/// How many hosts see a folder of machines of their own. All others share one, so machines can move between them.
pub(crate) const ALONE: usize = 1;
/// How long it must be quiet before it counts as at rest.
const QUIET_MS: u64 = 30_000;

/// Tells the story of a seed.
pub fn run(seed: u64, size: Size, mutant: Option<Mutant>, tell: bool) -> Ending {
    let mut world = World::new(seed, mutant, tell);
    world.fleet.set_lives();
    set_up(&mut world, size.hosts);
    let from = 3_000;
    world.trouble_the_fleet(from, size.storm_ms);
    for _ in 0..size.faults {
        let at = world.dice.between(from, size.storm_ms);
        world.schedule(at, Event::Fault);
    }
    drive_storm(&mut world, size, from);
    let storm_end = size.storm_ms + 1_000;
    world.schedule(storm_end, Event::Calm);
    world.run_until(storm_end);
    settle(&mut world);
    if world.failure.is_none() {
        world.check_at_rest();
    }
    Ending {
        counts: std::mem::take(&mut world.counts),
        failure: world.failure.take(),
        told: world.told.take().unwrap_or_default(),
        events: world.events,
        lasted_ms: world.now,
    }
}

/// Lets clients ask at their times while faults strike at theirs.
pub(crate) fn drive_storm(world: &mut World, size: Size, from: u64) {
    let mut asks: Vec<u64> = (0..size.asks).map(|_| world.dice.between(from, size.storm_ms)).collect();
    asks.sort_unstable();
    for (n, at) in asks.into_iter().enumerate() {
        world.run_until(at);
        if world.failure.is_some() {
            return;
        }
        if let Some(request) = world.some_request() {
            world.count(request.kind().word());
            let wait = world.dice.chance(300);
            world.client(request, format!("key-{n}"), wait);
        }
    }
}

/// Waits until nothing is open and nothing has moved for a while.
pub(crate) fn settle(world: &mut World) {
    let by = world.now + REST_BY_MS;
    while world.failure.is_none() && world.now < by {
        world.run_until(world.now + QUIET_MS);
        let busy = world.drive.as_ref().is_none_or(|drive| drive.engine().jobs().next().is_some());
        let waiting =
            world.clients.iter().any(|client| client.acknowledged.is_none() && client.refused.is_none());
        if busy || waiting || !all_are_in(world) {
            continue;
        }
        // Two pictures, so that what the first one showed has been acted on.
        world.picture_everything();
        world.run_until(world.now + QUIET_MS);
        world.picture_everything();
        world.run_until(world.now + QUIET_MS);
        let busy = world.drive.as_ref().is_none_or(|drive| drive.engine().jobs().next().is_some());
        if !busy && all_are_in(world) {
            return;
        }
    }
}

fn all_are_in(world: &World) -> bool {
    let Some(drive) = &world.drive else { return false };
    world.agents.iter().all(|agent| match agent.fate {
        // A host that comes back after everything was at rest would be judged in the midst of its first words.
        Fate::SeemsDead => false,
        Fate::Dead => true,
        Fate::Lives | Fate::CameBack => drive.engine().sessions().answers(agent.id) && agent.anew.is_none(),
    })
}

pub(crate) fn set_up(world: &mut World, hosts: usize) {
    let at = Timestamp(1_700_000_000_000);
    let mut objects: Vec<Object> = Vec::new();
    let base = LibraryFile {
        item: SeenItem {
            path: "base.qcow2".into(),
            kind: ItemKind::Disk,
            size_bytes: 14 << 20,
            modified: at,
            image: Some(ImageFacts { format: DiskFormat::Qcow2, virtual_size_bytes: GIB }),
            problem: None,
        },
        sha256: "b".repeat(64),
        virtual_size_bytes: GIB,
    };
    let iso = LibraryFile {
        item: SeenItem {
            path: "install.iso".into(),
            kind: ItemKind::Iso,
            size_bytes: 1 << 20,
            modified: at,
            image: None,
            problem: None,
        },
        sha256: "c".repeat(64),
        virtual_size_bytes: 1 << 20,
    };
    let name = |text: &str| Name::mended(text);
    // Made by the server itself where the record does not have it.
    objects.push(Object::from(HostGroup::all_hosts(at)));
    // The first host sees a folder of machines of its own, all others one that they share.
    let shared = SharedFolder::new(128 * GIB);
    for n in 0..hosts {
        let id = AgentId(Uuid::from_u128(0xA000 + n as u128));
        let facts = HostFacts {
            host_name: format!("host-{n}"),
            os: "Debian".into(),
            cpus: 8,
            memory_mib: 8192,
            libvirt: "9.0.0".into(),
            qemu: "7.2.0".into(),
            libvirt_answers: true,
            vm_folder: VMS.into(),
            vm_folder_id: if n < ALONE { format!("own-{n}") } else { "shared".into() },
            address: format!("192.0.2.{}", n + 1),
            base_folder: "/bases".into(),
            boot_id: "boot".into(),
            ..HostFacts::default()
        };
        let host = SimulatedHost::new(n as u64, VMS, 64 * GIB);
        host.set_boot(&facts.boot_id);
        let library = SharedFolder::new(64 * GIB);
        library.put_library_file(&format!("{LIBRARY}/base.qcow2"), base.clone());
        library.put_library_file(&format!("{LIBRARY}/install.iso"), iso.clone());
        host.mount(SHARES, library);
        if n >= ALONE {
            host.mount(VMS, shared.clone());
        }
        world.doors.join(id, &host);
        let papers = first_papers(world, n);
        objects.push(Object::from(AgentRecord {
            id,
            name: name(&facts.host_name),
            roles: Roles { host: true, library: true },
            version: "1.0.0".into(),
            certificate: papers.newest.serial.clone(),
            certificate_until: papers.newest.until,
            renewed: None,
            enrolled: at,
        }));
        objects.push(Object::from(Host {
            id: id.into(),
            name: name(&facts.host_name),
            group: hostler_model::host_group::ALL_HOSTS,
            spec: HostSpec::default(),
            facts: facts.clone(),
            dead_since: None,
            created: at,
        }));
        let share = ShareId(Uuid::from_u128(0xB000 + n as u128));
        objects.push(Object::from(Share {
            id: share,
            name: name(&format!("library-{n}")),
            agent: id,
            folder: LIBRARY.into(),
            notes: String::new(),
            created: at,
        }));
        for (m, file) in [&base, &iso].into_iter().enumerate() {
            objects.push(Object::from(Item {
                id: ItemId(Uuid::from_u128(0xC000 + (n * 2 + m) as u128)),
                share,
                name: name(&file.item.path),
                seen: file.item.clone(),
                missing_since: None,
                created: at,
            }));
        }
        world.agents.push(Agent::new(id, host, facts, papers));
    }
    objects.push(Object::from(Template {
        id: TemplateId(Uuid::from_u128(0xD000)),
        spec: template(name("tiny"), ItemId(Uuid::from_u128(0xC000))),
        created: at,
    }));
    for (n, role) in [Role::Administrator, Role::ReadOnly].into_iter().enumerate() {
        objects.push(Object::from(User {
            id: UserId(Uuid::from_u128(0xE000 + n as u128)),
            name: name(role.words()),
            role,
            disabled: false,
            created: at,
        }));
    }
    let changes = objects
        .into_iter()
        .map(|object| Change { key: object.key(), object: Some(object), job: None, actor: Actor::System })
        .collect();
    let commit = Commit { at, changes, counters: Counters { next_job: 1 }, settles_restore: false };
    if let Err(error) = world.store.clone().commit(&commit) {
        world.fail(format!("the world cannot be set up: {error}"));
    }
    world.start_server();
    for at in 0..world.agents.len() {
        let when = world.dice.between(0, 500);
        world.schedule(when, Event::AgentStart { at });
    }
}

/// The certificate with which a computer begins. Some part of its life is over.
fn first_papers(world: &mut World, n: usize) -> Papers {
    let (serial, now) = (format!("{n:x}"), world.clock());
    let newest = match world.fleet.life_ms {
        None => Held { serial, from: now, until: Timestamp(2_000_000_000_000) },
        Some(life) => {
            let over = world.fleet.dice.between(0, life * 4 / 5);
            let from = Timestamp(now.0 - over as i64);
            Held { serial, from, until: from.plus(life) }
        }
    };
    Papers { newest, other: None }
}
