//! The readers' picture: every committed object, in order, shared and never changed in place. Who holds one sees one
//! moment for as long as they like and blocks nobody. It is fed by committed changes only, by the same code on the
//! deciding server and on one that follows the feed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hint::black_box;
use std::sync::Arc;

use hostler_engine::{Engine, Progress};
use hostler_model::hardware::Mac;
use hostler_model::host::Host;
use hostler_model::host_group::{self, Above, HostGroup, InForce, InForceView};
use hostler_model::job::{Job, LockOn};
use hostler_model::mac_pool::MacPool;
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::vm::Vm;
use hostler_model::{
    AgentId, Change, HostGroupId, HostId, JobId, Key, Kind, Name, Object, StepNo, VmId, status,
};
use hostler_placement::Usage;
use hostler_store::{Cursor, Revision, Stored};
use imbl::ordmap::DiffItem as Differs;
use imbl::ordset::DiffItem as SetDiffers;
use imbl::{OrdMap, OrdSet};

use crate::tree::{Branch, Tallies, Tree};

/// A moment of the committed inventory.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The commit that it shows.
    pub head: Cursor,
    /// What is beside the record: who answers, how far steps are.
    pub volatile: Arc<Volatile>,
    objects: OrdMap<Key, Stored>,
    names: OrdMap<(Kind, String, Key), ()>,
    /// The job at work on each machine.
    under: OrdMap<VmId, JobId>,
    /// Where each group of hosts stands.
    tree: Tree,
    /// How many machines of each status each host has.
    tallies: Tallies,
}

/// What is never in the record.
#[derive(Clone, Debug, Default)]
pub struct Volatile {
    /// The agents that answer.
    pub answering: OrdSet<AgentId>,
    /// How far the steps that are out have come.
    pub progress: BTreeMap<StepNo, Progress>,
    /// What machines on each host have been given.
    pub usage: OrdMap<HostId, Usage>,
    /// The addresses that adapters of machines are given, and how many of these somebody has.
    pub mac_pool: (MacPool, u64),
    /// The addresses that more than one machine has.
    pub mac_conflicts: OrdMap<Mac, OrdSet<VmId>>,
}

impl Volatile {
    pub(crate) fn of(engine: &Engine) -> Self {
        let macs = engine.inventory().macs();
        Self {
            answering: engine.sessions().answering().clone(),
            progress: engine.progress().clone(),
            usage: engine.inventory().usages().clone(),
            mac_pool: (macs.pool(), macs.used()),
            mac_conflicts: macs.conflicts().clone(),
        }
    }
}

/// What is otherwise in one picture than in another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Objects that were put or are gone.
    pub objects: Vec<Key>,
    /// Machines that came under another job, or under none.
    pub under: Vec<VmId>,
    /// Agents that began or ceased to answer.
    pub answering: Vec<AgentId>,
    /// Hosts whose machines have been given more or less.
    pub usage: Vec<HostId>,
}

impl Picture {
    /// What is otherwise than in an earlier picture. What both share is passed over whole: the work grows with what has
    /// changed, not with what there is.
    pub fn since(&self, before: &Picture) -> Differences {
        let (was, is) = (&before.volatile, &self.volatile);
        let one = |differs: SetDiffers<'_, '_, AgentId>| match differs {
            SetDiffers::Add(agent) | SetDiffers::Remove(agent) => *agent,
        };
        Differences {
            objects: before.objects.diff(&self.objects).map(key_of).collect(),
            under: before.under.diff(&self.under).map(key_of).collect(),
            answering: was.answering.diff(&is.answering).map(one).collect(),
            usage: was.usage.diff(&is.usage).map(key_of).collect(),
        }
    }

    pub(crate) fn empty(head: Cursor) -> Self {
        Self {
            head,
            volatile: Arc::default(),
            objects: OrdMap::new(),
            names: OrdMap::new(),
            under: OrdMap::new(),
            tree: Tree::default(),
            tallies: Tallies::default(),
        }
    }

    pub(crate) fn take(&mut self, objects: &[Stored]) {
        for stored in objects {
            self.put(stored.revision, &stored.object);
        }
    }

    /// Follows a commit.
    pub fn apply(&mut self, revision: Revision, changes: &[Change]) {
        for change in changes {
            match &change.object {
                Some(object) => self.put(revision, object),
                None => self.remove(change.key),
            }
        }
        self.head.revision = revision;
    }

    fn put(&mut self, revision: Revision, object: &Object) {
        let key = object.key();
        if let Object::Job(job) = object {
            return self.put_job(revision, job);
        }
        let stored = Stored { revision, object: object.clone() };
        let before = match object {
            Object::Vm(vm) => self.counted(vm.id, |picture| picture.objects.insert(key, stored)),
            _ => self.objects.insert(key, stored),
        };
        if let Object::HostGroup(group) = object {
            self.grown(before.as_ref().map(|stored| &stored.object), Some(group));
        }
        let (before, after) = (before.as_ref().and_then(|old| name_of(&old.object)), name_of(object));
        // To fold a name costs more than all the rest, and hardly any change is a change of name.
        if before != after {
            if let Some(before) = before {
                self.names.remove(&(key.kind(), before.folded(), key));
            }
            if let Some(after) = after {
                self.names.insert((key.kind(), after.folded(), key), ());
            }
        }
    }

    fn remove(&mut self, key: Key) {
        if let Key::Job(id) = key {
            return self.replace_job(id, None);
        }
        let removed = match key {
            Key::Vm(vm) => self.counted(vm, |picture| picture.objects.remove(&key)),
            _ => self.objects.remove(&key),
        };
        let Some(old) = removed else { return };
        if let Object::HostGroup(_) = &old.object {
            self.grown(Some(&old.object), None);
        }
        if let Some(name) = name_of(&old.object) {
            self.names.remove(&(key.kind(), name.folded(), key));
        }
    }

    fn put_job(&mut self, revision: Revision, job: &Arc<Job>) {
        // Ended jobs are read from the store: they would fill the memory.
        let open = job.is_open().then(|| Stored { revision, object: Object::Job(job.clone()) });
        match (open, self.job(job.id)) {
            // Hardly any change of a job is one of what it holds.
            (Some(stored), Some(before)) if held(before).eq(held(job)) => {
                self.objects.insert(Key::Job(job.id), stored);
            }
            (open, _) => self.replace_job(job.id, open),
        }
    }

    /// Puts a job in the place of what it was, with the machines that come under it or are under it no more.
    fn replace_job(&mut self, id: JobId, after: Option<Stored>) {
        let machines = |object: Option<&Object>| match object {
            Some(Object::Job(job)) => held(job).collect(),
            _ => Vec::new(),
        };
        let before: Vec<VmId> = machines(self.objects.get(&Key::Job(id)).map(|stored| &stored.object));
        let now: Vec<VmId> = machines(after.as_ref().map(|stored| &stored.object));
        let counted: Vec<VmId> =
            before.iter().chain(&now).copied().collect::<BTreeSet<_>>().into_iter().collect();
        self.counted_all(&counted, |picture| {
            for vm in before {
                if picture.under.get(&vm) == Some(&id) {
                    picture.under.remove(&vm);
                }
            }
            match after {
                Some(after) => picture.objects.insert(Key::Job(id), after),
                None => picture.objects.remove(&Key::Job(id)),
            };
            for vm in now {
                picture.under.insert(vm, id);
            }
        });
    }

    /// Changes something by which a machine may be on another host, or have another status.
    fn counted<T>(&mut self, vm: VmId, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.counts_as(vm);
        let changed = change(self);
        let after = self.counts_as(vm);
        self.tallies.follow(before, after);
        changed
    }

    /// As [`Picture::counted`], of several machines.
    fn counted_all(&mut self, vms: &[VmId], change: impl FnOnce(&mut Self)) {
        let before: Vec<_> = vms.iter().map(|vm| self.counts_as(*vm)).collect();
        change(self);
        for (vm, before) in vms.iter().zip(before) {
            let after = self.counts_as(*vm);
            self.tallies.follow(before, after);
        }
    }

    /// The host on which a machine counts, and as what if that answers.
    fn counts_as(&self, id: VmId) -> Option<(HostId, VmStatus)> {
        let vm = self.vm(id)?;
        Some((vm.host?, status::of_answering(vm, self.job_on(id).map(|job| job.kind))))
    }

    /// A group of hosts is otherwise than it was.
    fn grown(&mut self, before: Option<&Object>, after: Option<&HostGroup>) {
        let before = match before {
            Some(Object::HostGroup(group)) => Some(&**group),
            _ => None,
        };
        let objects = &self.objects;
        self.tree.follow(before, after, |id| host_group_in(objects, id));
    }

    /// An object.
    pub fn get(&self, key: Key) -> Option<&Stored> {
        self.objects.get(&key)
    }

    /// Every object of a kind, in the order of names where it has one, else of keys.
    pub fn by_name(&self, kind: Kind) -> impl Iterator<Item = &Stored> {
        self.names
            .range((kind, String::new(), first_key(kind))..)
            .take_while(move |((k, _, _), ())| *k == kind)
            .filter_map(|((_, _, key), ())| self.objects.get(key))
    }

    /// The objects of a kind that have exactly this name, compared as names are.
    pub fn named(&self, kind: Kind, folded: &str) -> Vec<&Stored> {
        self.names
            .range((kind, folded.to_owned(), first_key(kind))..)
            .take_while(|((k, name, _), ())| *k == kind && name == folded)
            .filter_map(|((_, _, key), ())| self.objects.get(key))
            .collect()
    }

    /// Every object of a kind, in the order of ids.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Stored> {
        let kept = self.objects.range(first_key(kind)..).take_while(move |(key, _)| key.kind() == kind);
        ahead(kept.map(|(_, stored)| stored))
    }

    /// A machine.
    pub fn vm(&self, id: VmId) -> Option<&Arc<Vm>> {
        match self.get(Key::Vm(id)).map(|stored| &stored.object) {
            Some(Object::Vm(vm)) => Some(vm),
            _ => None,
        }
    }

    /// A host.
    pub fn host(&self, id: HostId) -> Option<&Arc<Host>> {
        match self.get(Key::Host(id)).map(|stored| &stored.object) {
            Some(Object::Host(host)) => Some(host),
            _ => None,
        }
    }

    /// A group of hosts.
    pub fn host_group(&self, id: HostGroupId) -> Option<&HostGroup> {
        host_group_in(&self.objects, id)
    }

    /// Where a group of hosts stands.
    pub fn branch(&self, group: HostGroupId) -> Option<&Branch> {
        self.tree.branch(group).map(|branch| &**branch)
    }

    /// The path of a group of hosts, as in `/All Hosts/Site A`.
    pub fn group_path(&self, group: HostGroupId) -> Option<String> {
        self.tree.path(group)
    }

    /// The groups in a group of hosts, not those below them.
    pub fn groups_in(&self, group: HostGroupId) -> impl Iterator<Item = HostGroupId> {
        self.tree.groups_in(group)
    }

    /// What the groups from this one up to *All Hosts* set.
    pub fn above(&self, group: HostGroupId) -> Above {
        Above::of(host_group::line(group, |id| self.host_group(id)))
    }

    /// What is in force for a host of what it and the groups above it set.
    pub fn in_force(&self, host: &Host) -> InForce {
        self.above(host.group).for_host(host)
    }

    /// What is in force in a group, for a host in it or for one that sets nothing itself, with who set it.
    pub fn in_force_from(&self, group: HostGroupId, host: Option<&Host>) -> InForceView {
        let line: Vec<&HostGroup> = host_group::line(group, |id| self.host_group(id)).collect();
        host_group::in_force_with_sources(host, &line, &|id| self.group_path(id).unwrap_or_default())
    }

    /// How many machines of each status a host has. What is not there is left out.
    pub fn machines_by_status(&self, host: &Host) -> impl Iterator<Item = (VmStatus, u32)> {
        let through = self.host_status(host);
        let tally = self.tallies.of(host.id).into_iter().flatten().zip(VmStatus::ALL);
        tally
            .filter(|(count, _)| **count > 0)
            .map(move |(count, status)| (status::seen_through(*status, through), *count))
    }

    /// An open job.
    fn job(&self, id: JobId) -> Option<&Arc<Job>> {
        match self.get(Key::Job(id)).map(|stored| &stored.object) {
            Some(Object::Job(job)) => Some(job),
            _ => None,
        }
    }

    /// The open jobs, by number.
    pub fn open_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.of_kind(Kind::Job).filter_map(|stored| match &stored.object {
            Object::Job(job) => Some(job),
            _ => None,
        })
    }

    /// The job at work on a machine.
    pub fn job_on(&self, vm: VmId) -> Option<&Arc<Job>> {
        self.job(*self.under.get(&vm)?)
    }

    /// Whether an agent answers.
    pub fn answers(&self, agent: AgentId) -> bool {
        self.volatile.answering.contains(&agent)
    }

    /// A machine's status.
    pub fn status(&self, vm: &Vm) -> status::VmStatus {
        let host = vm.host.and_then(|host| self.host(host));
        let host = host.map_or(HostStatus::NotResponding, |host| self.host_status(host));
        status::of(vm, self.job_on(vm.id).map(|job| job.kind), host)
    }

    /// A host's status.
    pub fn host_status(&self, host: &Host) -> HostStatus {
        status::of_host(host, self.answers(host.id.into()))
    }

    /// What machines on a host have been given.
    pub fn usage(&self, host: HostId) -> Usage {
        self.volatile.usage.get(&host).copied().unwrap_or_default()
    }
}

fn host_group_in(objects: &OrdMap<Key, Stored>, id: HostGroupId) -> Option<&HostGroup> {
    match objects.get(&Key::HostGroup(id)).map(|stored| &stored.object) {
        Some(Object::HostGroup(group)) => Some(group),
        _ => None,
    }
}

/// Of what something differs.
fn key_of<K: Copy, V>(differs: Differs<'_, '_, K, V>) -> K {
    match differs {
        Differs::Add(key, _) | Differs::Remove(key, _) => *key,
        Differs::Update { new: (key, _), .. } => *key,
    }
}

/// The machines that a job holds for itself.
fn held(job: &Job) -> impl Iterator<Item = VmId> {
    job.locks.iter().filter(|lock| !lock.shared).filter_map(|lock| match lock.on {
        LockOn::Object { key: Key::Vm(vm) } => Some(vm),
        _ => None,
    })
}

/// What an object is ordered and found by.
fn name_of(object: &Object) -> Option<&Name> {
    match object {
        Object::Vm(vm) => Some(&vm.spec.name),
        Object::Host(host) => Some(&host.name),
        Object::HostGroup(group) => Some(&group.name),
        Object::Agent(agent) => Some(&agent.name),
        Object::Share(share) => Some(&share.name),
        Object::Item(item) => Some(&item.name),
        Object::Template(template) => Some(&template.spec.name),
        Object::User(user) => Some(&user.name),
        Object::Token(token) => Some(&token.name),
        Object::View(view) => Some(&view.name),
        Object::Enrolment(_) | Object::Credential(_) | Object::Job(_) | Object::Settings(_) => None,
    }
}

/// The lowest key of a kind.
fn first_key(kind: Kind) -> Key {
    use hostler_model::{InstallationId, ItemId, ShareId, TemplateId, TokenId, UserId, ViewId};
    let nil = uuid::Uuid::nil();
    match kind {
        Kind::Vm => Key::Vm(VmId(nil)),
        Kind::Host => Key::Host(HostId(nil)),
        Kind::HostGroup => Key::HostGroup(HostGroupId(nil)),
        Kind::Agent => Key::Agent(AgentId(nil)),
        Kind::Enrolment => Key::Enrolment(TokenId(nil)),
        Kind::Share => Key::Share(ShareId(nil)),
        Kind::Item => Key::Item(ItemId(nil)),
        Kind::Template => Key::Template(TemplateId(nil)),
        Kind::User => Key::User(UserId(nil)),
        Kind::Credential => Key::Credential(UserId(nil)),
        Kind::Token => Key::Token(TokenId(nil)),
        Kind::View => Key::View(ViewId(nil)),
        Kind::Job => Key::Job(JobId(0)),
        Kind::Settings => Key::Settings(InstallationId(nil)),
    }
}

/// How many objects are asked of memory at a time.
const AHEAD: usize = 32;

/// The same, with what is looked at first asked of memory some objects ahead. One that has lived for long has neighbours
/// in a list that are none in memory: taken one by one, each is waited for in turn, which is most of what a long list
/// takes.
fn ahead<'a>(mut objects: impl Iterator<Item = &'a Stored>) -> impl Iterator<Item = &'a Stored> {
    let mut next = VecDeque::with_capacity(AHEAD);
    std::iter::from_fn(move || {
        if next.is_empty() {
            next.extend(objects.by_ref().take(AHEAD));
            for stored in &next {
                touch(stored);
            }
        }
        next.pop_front()
    })
}

/// Reads what lists look at: a machine's own fields, which lie far apart.
fn touch(stored: &Stored) {
    if let Object::Vm(vm) = &stored.object {
        let power = vm.observed.as_ref().map(|observed| observed.seen.power);
        let begins = |name: &Name| name.as_str().as_bytes().first().copied();
        let (name, tag) = (begins(&vm.spec.name), vm.spec.tags.first().and_then(begins));
        black_box((vm.id, vm.host, power, vm.spec.hardware.memory_mib, name, tag));
    }
}
