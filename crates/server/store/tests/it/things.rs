//! Objects and commits to store, and the two kinds of disk to store them on.

use std::cell::RefCell;

use hostler_model::access::{Actor, Credential, Role, User};
use hostler_model::job::{Job, JobState, Phase};
use hostler_model::request::Request;
use hostler_model::vm::Vm;
use hostler_model::{Change, InstallationId, JobId, Key, Name, Object, Timestamp, UserId, VmId};
use hostler_store::{Commit, Counters, HistoryId, MemoryStore, SqliteStore, Store};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

/// Where a store can be opened, again and again.
pub trait Disk {
    fn open(&self) -> Box<dyn Store>;
}

pub struct InMemory(RefCell<MemoryStore>);

impl InMemory {
    pub fn new() -> Self {
        Self(RefCell::new(MemoryStore::new(InstallationId(Uuid::from_u128(77)), HistoryId(5))))
    }
}

impl Disk for InMemory {
    fn open(&self) -> Box<dyn Store> {
        let store = self.0.borrow().crash(0);
        self.0.replace(store.clone());
        Box::new(store)
    }
}

pub struct InFile(pub TempDir);

impl InFile {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

impl Disk for InFile {
    fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::open(&self.0.path().join("store.db")).unwrap())
    }
}

pub fn vm_key(n: u128) -> Key {
    Key::Vm(VmId(Uuid::from_u128(n)))
}

pub fn vm(n: u128, name: &str, memory_mib: u64) -> Object {
    let id = Uuid::from_u128(n);
    let vm: Vm = serde_json::from_value(json!({
        "id": id,
        "spec": {"name": name, "hardware": {"cpus": 1, "memory_mib": memory_mib}},
        "domain": id,
        "origin": "created",
        "presence": {"is": "planned"},
        "created": Timestamp(1_000),
    }))
    .unwrap();
    Object::from(vm)
}

pub fn user(n: u128, name: &str) -> Object {
    let id = UserId(Uuid::from_u128(n));
    let name = Name::new(name).unwrap();
    Object::from(User { id, name, role: Role::Administrator, disabled: false, created: Timestamp(1_000) })
}

pub fn credential(n: u128, hash: &str) -> Object {
    Object::from(Credential { user: UserId(Uuid::from_u128(n)), hash: hash.to_owned() })
}

pub fn bob() -> Actor {
    Actor::User { id: UserId(Uuid::from_u128(0xb0b)), name: Name::new("bob").unwrap() }
}

/// A job to start a machine. Written as JSON, so that a new field with a default changes nothing here.
pub fn job(id: u64, n: u128) -> Job {
    serde_json::from_value(json!({
        "id": id,
        "kind": "start-vm",
        "request": Request::StartVm { vm: VmId(Uuid::from_u128(n)) },
        "actor": bob(),
        "key": format!("key-{id}"),
        "epoch": 1,
        "state": "running",
        "phase": "forward",
        "about": [vm_key(n)],
        "title": format!("Web-{n}"),
        "created": Timestamp(10 * id as i64),
    }))
    .unwrap()
}

/// The same job, completed.
pub fn ended(mut job: Job, at: i64) -> Job {
    job.phase = Phase::Ended;
    job.state = JobState::Completed;
    job.ended = Some(Timestamp(at));
    job
}

pub fn put(object: impl Into<Object>) -> Change {
    let object = object.into();
    Change { key: object.key(), object: Some(object), job: None, actor: bob() }
}

pub fn gone(key: Key) -> Change {
    Change { key, object: None, job: None, actor: bob() }
}

pub fn under(job: u64, change: Change) -> Change {
    Change { job: Some(JobId(job)), ..change }
}

pub fn commit(at: i64, changes: Vec<Change>) -> Commit {
    Commit { at: Timestamp(at), changes, counters: Counters { next_job: 1 }, settles_restore: false }
}
