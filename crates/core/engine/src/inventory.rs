//! The inventory: every managed object in memory, with what is derived from them. Plans see it through recorded
//! choices only. No work here grows with the number of hosts or machines but the walk that a caller asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hostler_model::access::{Credential, Token, User};
use hostler_model::agent::{Agent, Enrolment};
use hostler_model::host::Host;
use hostler_model::host_group::{self, Above, HostGroup};
use hostler_model::library::{Item, Share};
use hostler_model::object::Installation;
use hostler_model::saved_view::SavedView;
use hostler_model::setting::Settings;
use hostler_model::template::Template;
use hostler_model::vm::{Presence, Vm};
use hostler_model::{
    AgentId, HostGroupId, HostId, InstallationId, ItemId, Key, Kind, Name, Object, ShareId, TemplateId,
    TokenId, UserId, ViewId, VmId,
};
use hostler_placement::Usage;
use imbl::OrdMap;
use uuid::Uuid;

use crate::macs::{self, Macs};

/// Every managed object but the jobs, and what is derived from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    pub(crate) installation_id: InstallationId,
    pub(crate) installation: Option<Arc<Installation>>,
    pub(crate) vms: BTreeMap<VmId, Arc<Vm>>,
    pub(crate) hosts: BTreeMap<HostId, Arc<Host>>,
    pub(crate) groups: BTreeMap<HostGroupId, Arc<HostGroup>>,
    pub(crate) agents: BTreeMap<AgentId, Arc<Agent>>,
    pub(crate) enrolments: BTreeMap<TokenId, Arc<Enrolment>>,
    pub(crate) shares: BTreeMap<ShareId, Arc<Share>>,
    pub(crate) items: BTreeMap<ItemId, Arc<Item>>,
    pub(crate) templates: BTreeMap<TemplateId, Arc<Template>>,
    pub(crate) users: BTreeMap<UserId, Arc<User>>,
    pub(crate) credentials: BTreeMap<UserId, Arc<Credential>>,
    pub(crate) tokens: BTreeMap<TokenId, Arc<Token>>,
    pub(crate) views: BTreeMap<ViewId, Arc<SavedView>>,
    // Derived from the objects above.
    names: BTreeMap<(Kind, String), BTreeSet<Key>>,
    domains: BTreeMap<Uuid, BTreeSet<VmId>>,
    by_host: BTreeMap<HostId, BTreeSet<VmId>>,
    by_share: BTreeMap<ShareId, BTreeSet<ItemId>>,
    by_group: BTreeMap<HostGroupId, BTreeSet<HostId>>,
    groups_in: BTreeMap<HostGroupId, BTreeSet<HostGroupId>>,
    // Names of groups are taken once within the group that they are in.
    group_names: BTreeMap<(Option<HostGroupId>, String), BTreeSet<HostGroupId>>,
    // Persistent, because each published picture takes a copy.
    usage: OrdMap<HostId, Usage>,
    // By what is kept on the host's own account alone: what a group sets may be set for thousands at once.
    by_free: BTreeSet<(u64, HostId)>,
    conflicts: BTreeMap<HostId, BTreeSet<VmId>>,
    // Machines that a job is about to turn on, so that their memory counts before their host shows them running.
    starting: BTreeSet<VmId>,
    macs: Macs,
}

impl Inventory {
    /// An inventory without objects.
    pub(crate) fn empty(installation_id: InstallationId) -> Self {
        Self {
            installation_id,
            installation: None,
            vms: BTreeMap::new(),
            hosts: BTreeMap::new(),
            groups: BTreeMap::new(),
            agents: BTreeMap::new(),
            enrolments: BTreeMap::new(),
            shares: BTreeMap::new(),
            items: BTreeMap::new(),
            templates: BTreeMap::new(),
            users: BTreeMap::new(),
            credentials: BTreeMap::new(),
            tokens: BTreeMap::new(),
            views: BTreeMap::new(),
            names: BTreeMap::new(),
            domains: BTreeMap::new(),
            by_host: BTreeMap::new(),
            by_share: BTreeMap::new(),
            by_group: BTreeMap::new(),
            groups_in: BTreeMap::new(),
            group_names: BTreeMap::new(),
            usage: OrdMap::new(),
            by_free: BTreeSet::new(),
            conflicts: BTreeMap::new(),
            starting: BTreeSet::new(),
            macs: Macs::default(),
        }
    }

    /// The installation's id.
    pub fn installation_id(&self) -> InstallationId {
        self.installation_id
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.installation.as_ref().map(|i| i.settings.clone()).unwrap_or_default()
    }

    /// A machine.
    pub fn vm(&self, id: VmId) -> Option<&Arc<Vm>> {
        self.vms.get(&id)
    }

    /// A host.
    pub fn host(&self, id: HostId) -> Option<&Arc<Host>> {
        self.hosts.get(&id)
    }

    /// Every host, by id.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.hosts.values()
    }

    /// A group of hosts.
    pub fn host_group(&self, id: HostGroupId) -> Option<&Arc<HostGroup>> {
        self.groups.get(&id)
    }

    /// Every group of hosts, by id.
    pub fn host_groups(&self) -> impl Iterator<Item = &Arc<HostGroup>> {
        self.groups.values()
    }

    /// A group and those above it, the nearest first.
    pub fn line_of(&self, group: HostGroupId) -> impl Iterator<Item = &HostGroup> {
        host_group::line(group, |id| self.groups.get(&id).map(|group| &**group))
    }

    /// What is in force for a host of what it and the groups above it set.
    pub fn in_force(&self, host: &Host) -> host_group::InForce {
        Above::of(self.line_of(host.group)).for_host(host)
    }

    /// Whether what travels between two hosts need not be encrypted: it is in force for both, and for the nearest group
    /// that both are in. Of a network between two groups only a group above them can speak.
    pub fn unencrypted_between(&self, one: &Host, other: &Host) -> bool {
        let above: Vec<HostGroupId> = self.line_of(other.group).map(|group| group.id).collect();
        let shared = self.line_of(one.group).find(|group| above.contains(&group.id));
        let says = |above: Above| above.for_group().unencrypted_transfers;
        shared.is_some_and(|shared| says(Above::of(self.line_of(shared.id))))
            && [one, other].iter().all(|host| self.in_force(host).unencrypted_transfers)
    }

    /// The hosts in a group, not those in groups below it.
    pub(crate) fn hosts_in(&self, group: HostGroupId) -> impl Iterator<Item = &Arc<Host>> {
        self.by_group.get(&group).into_iter().flatten().filter_map(|id| self.hosts.get(id))
    }

    /// The groups in a group, not those below them.
    pub(crate) fn groups_in(&self, group: HostGroupId) -> impl Iterator<Item = &Arc<HostGroup>> {
        self.groups_in.get(&group).into_iter().flatten().filter_map(|id| self.groups.get(id))
    }

    /// The group in `parent` whose name is, or looks, like this one.
    pub(crate) fn group_named_like(&self, parent: HostGroupId, name: &Name) -> Option<HostGroupId> {
        let named = self.group_names.get(&(Some(parent), name.skeleton()))?;
        named.first().copied()
    }

    /// Every machine, by id.
    pub fn vms(&self) -> impl Iterator<Item = &Arc<Vm>> {
        self.vms.values()
    }

    /// The machines with this domain; more than one only while two hosts show it.
    pub(crate) fn vm_of_domain(&self, domain: Uuid) -> Option<&Arc<Vm>> {
        self.domains.get(&domain).and_then(|ids| ids.first()).and_then(|id| self.vms.get(id))
    }

    /// The machines bound to a host.
    pub(crate) fn vms_on(&self, host: HostId) -> impl Iterator<Item = &Arc<Vm>> {
        self.by_host.get(&host).into_iter().flatten().filter_map(|id| self.vms.get(id))
    }

    /// The machines that this host shows although they are bound to another.
    pub(crate) fn conflicts_with(&self, host: HostId) -> impl Iterator<Item = &Arc<Vm>> {
        self.conflicts.get(&host).into_iter().flatten().filter_map(|id| self.vms.get(id))
    }

    /// The items of a share.
    pub(crate) fn items_of(&self, share: ShareId) -> impl Iterator<Item = &Arc<Item>> {
        self.by_share.get(&share).into_iter().flatten().filter_map(|id| self.items.get(id))
    }

    /// Who has which MAC address, and which are free.
    pub fn macs(&self) -> &Macs {
        &self.macs
    }

    /// An agent, with all that the record knows of its computer.
    pub(crate) fn keys_of_agent(&self, agent: AgentId) -> Vec<Key> {
        let mut keys: Vec<Key> = self.vms_on(agent.into()).map(|vm| Key::Vm(vm.id)).collect();
        for share in self.shares.values().filter(|share| share.agent == agent) {
            keys.extend(self.items_of(share.id).map(|item| Key::Item(item.id)));
            keys.push(Key::Share(share.id));
        }
        keys.extend(self.hosts.contains_key(&agent.into()).then_some(Key::Host(agent.into())));
        keys.extend(self.agents.contains_key(&agent).then_some(Key::Agent(agent)));
        keys
    }

    /// What machines on a host have been given.
    pub fn usage(&self, host: HostId) -> Usage {
        self.usage.get(&host).copied().unwrap_or_default()
    }

    /// What machines on each host have been given.
    pub fn usages(&self) -> &OrdMap<HostId, Usage> {
        &self.usage
    }

    /// Hosts with the most free memory first.
    pub(crate) fn freest(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.by_free.iter().rev().filter_map(|(_, id)| self.hosts.get(id))
    }

    /// Who has a name that is, or looks, like this one.
    pub(crate) fn named_like(&self, kind: Kind, name: &Name) -> Option<Key> {
        self.names.get(&(kind, name.skeleton())).and_then(|keys| keys.first()).copied()
    }

    /// Takes an object in, in place of what had its key.
    pub(crate) fn put(&mut self, object: &Object) {
        let key = object.key();
        // What names are found by costs more than all the rest, and hardly any change is a change of name.
        let (before, after) = (self.name_of(key).cloned(), name_in(object));
        if before.as_ref() != after {
            if let Some(before) = before {
                self.unname(key, &before);
            }
            if let Some(after) = after {
                self.names.entry((key.kind(), after.skeleton())).or_default().insert(key);
            }
        }
        self.address(key, Some(object));
        self.take_out(key);
        match object {
            Object::Vm(vm) => {
                self.domains.entry(vm.domain).or_default().insert(vm.id);
                if let Presence::Conflict { other } = vm.presence {
                    self.conflicts.entry(other).or_default().insert(vm.id);
                }
                if let Some(host) = vm.host {
                    self.by_host.entry(host).or_default().insert(vm.id);
                    self.weigh(host, vm, true);
                }
                self.vms.insert(vm.id, vm.clone());
            }
            Object::Host(host) => {
                self.by_group.entry(host.group).or_default().insert(host.id);
                self.hosts.insert(host.id, host.clone());
                self.by_free.insert((self.free(host), host.id));
            }
            Object::HostGroup(group) => {
                if let Some(parent) = group.parent {
                    self.groups_in.entry(parent).or_default().insert(group.id);
                }
                let name = (group.parent, group.name.skeleton());
                self.group_names.entry(name).or_default().insert(group.id);
                self.groups.insert(group.id, group.clone());
            }
            Object::Agent(agent) => {
                self.agents.insert(agent.id, agent.clone());
            }
            Object::Enrolment(enrolment) => {
                self.enrolments.insert(enrolment.id, enrolment.clone());
            }
            Object::Share(share) => {
                self.shares.insert(share.id, share.clone());
            }
            Object::Item(item) => {
                self.by_share.entry(item.share).or_default().insert(item.id);
                self.items.insert(item.id, item.clone());
            }
            Object::Template(template) => {
                self.templates.insert(template.id, template.clone());
            }
            Object::User(user) => {
                self.users.insert(user.id, user.clone());
            }
            Object::Credential(credential) => {
                self.credentials.insert(credential.user, credential.clone());
            }
            Object::Token(token) => {
                self.tokens.insert(token.id, token.clone());
            }
            Object::View(view) => {
                self.views.insert(view.id, view.clone());
            }
            Object::Settings(installation) => self.installation = Some(installation.clone()),
            Object::Job(_) => {}
        }
    }

    /// Forgets an object.
    pub(crate) fn remove(&mut self, key: Key) {
        if let Some(name) = self.name_of(key).cloned() {
            self.unname(key, &name);
        }
        self.address(key, None);
        self.take_out(key);
    }

    /// Notes which addresses an object has from now on, and sets the pool where the settings do.
    fn address(&mut self, key: Key, after: Option<&Object>) {
        if let (Key::Vm(id), Some(Object::Vm(after))) = (key, after)
            && self.vms.get(&id).is_some_and(|before| macs::same(before, after))
        {
            return;
        }
        let before = match key {
            Key::Vm(id) => self.vms.get(&id).map(|vm| macs::of_vm(vm)),
            Key::Host(id) => self.hosts.get(&id).map(|host| macs::of_host(host)),
            Key::Settings(_) => {
                let Some(Object::Settings(installation)) = after else { return };
                return self.macs.set_pool(installation.settings.mac_pool());
            }
            _ => return,
        };
        let after = match after {
            Some(Object::Vm(vm)) => macs::of_vm(vm),
            Some(Object::Host(host)) => macs::of_host(host),
            _ => BTreeSet::new(),
        };
        self.macs.change(key, &before.unwrap_or_default(), &after);
    }

    /// The name by which an object is looked up, of those kinds whose names are taken once.
    fn name_of(&self, key: Key) -> Option<&Name> {
        match key {
            Key::Vm(id) => self.vms.get(&id).map(|vm| &vm.spec.name),
            Key::Host(id) => self.hosts.get(&id).map(|host| &host.name),
            Key::Agent(id) => self.agents.get(&id).map(|agent| &agent.name),
            Key::Share(id) => self.shares.get(&id).map(|share| &share.name),
            Key::Template(id) => self.templates.get(&id).map(|template| &template.spec.name),
            Key::User(id) => self.users.get(&id).map(|user| &user.name),
            // Within its group only: see `group_names`.
            Key::HostGroup(_)
            | Key::Enrolment(_)
            | Key::Item(_)
            | Key::Credential(_)
            | Key::Token(_)
            | Key::View(_)
            | Key::Settings(_)
            | Key::Job(_) => None,
        }
    }

    /// Takes an object out, and out of every index but that of names.
    fn take_out(&mut self, key: Key) {
        match key {
            Key::Vm(id) => {
                if let Some(vm) = self.vms.remove(&id) {
                    drop_from(&mut self.domains, &vm.domain, &id);
                    if let Presence::Conflict { other } = vm.presence {
                        drop_from(&mut self.conflicts, &other, &id);
                    }
                    if let Some(host) = vm.host {
                        drop_from(&mut self.by_host, &host, &id);
                        self.weigh(host, &vm, false);
                    }
                }
            }
            Key::Host(id) => {
                if let Some(host) = self.hosts.remove(&id) {
                    drop_from(&mut self.by_group, &host.group, &id);
                    self.by_free.remove(&(self.free(&host), id));
                }
            }
            Key::HostGroup(id) => {
                if let Some(group) = self.groups.remove(&id) {
                    if let Some(parent) = &group.parent {
                        drop_from(&mut self.groups_in, parent, &id);
                    }
                    drop_from(&mut self.group_names, &(group.parent, group.name.skeleton()), &id);
                }
            }
            Key::Agent(id) => {
                self.agents.remove(&id);
            }
            Key::Enrolment(id) => {
                self.enrolments.remove(&id);
            }
            Key::Share(id) => {
                self.shares.remove(&id);
            }
            Key::Item(id) => {
                if let Some(item) = self.items.remove(&id) {
                    drop_from(&mut self.by_share, &item.share, &id);
                }
            }
            Key::Template(id) => {
                self.templates.remove(&id);
            }
            Key::User(id) => {
                self.users.remove(&id);
            }
            Key::Credential(id) => {
                self.credentials.remove(&id);
            }
            Key::Token(id) => {
                self.tokens.remove(&id);
            }
            Key::View(id) => {
                self.views.remove(&id);
            }
            Key::Settings(_) => self.installation = None,
            Key::Job(_) => {}
        }
    }

    /// The object with this key.
    pub(crate) fn get(&self, key: Key) -> Option<Object> {
        Some(match key {
            Key::Vm(id) => Object::Vm(self.vms.get(&id)?.clone()),
            Key::Host(id) => Object::Host(self.hosts.get(&id)?.clone()),
            Key::HostGroup(id) => Object::HostGroup(self.groups.get(&id)?.clone()),
            Key::Agent(id) => Object::Agent(self.agents.get(&id)?.clone()),
            Key::Enrolment(id) => Object::Enrolment(self.enrolments.get(&id)?.clone()),
            Key::Share(id) => Object::Share(self.shares.get(&id)?.clone()),
            Key::Item(id) => Object::Item(self.items.get(&id)?.clone()),
            Key::Template(id) => Object::Template(self.templates.get(&id)?.clone()),
            Key::User(id) => Object::User(self.users.get(&id)?.clone()),
            Key::Credential(id) => Object::Credential(self.credentials.get(&id)?.clone()),
            Key::Token(id) => Object::Token(self.tokens.get(&id)?.clone()),
            Key::View(id) => Object::View(self.views.get(&id)?.clone()),
            Key::Settings(_) => Object::Settings(self.installation.clone()?),
            Key::Job(_) => return None,
        })
    }

    /// Says that a job is about to turn a machine on, or that none is any more.
    pub(crate) fn set_starting(&mut self, id: VmId, starting: bool) {
        let Some(vm) = self.vms.get(&id).cloned() else {
            if starting {
                self.starting.insert(id);
            } else {
                self.starting.remove(&id);
            }
            return;
        };
        if let Some(host) = vm.host {
            self.weigh(host, &vm, false);
        }
        if starting {
            self.starting.insert(id);
        } else {
            self.starting.remove(&id);
        }
        if let Some(host) = vm.host {
            self.weigh(host, &vm, true);
        }
    }

    /// Keeps room on a host for a machine that is being moved there, or no longer.
    pub(crate) fn expect(&mut self, host: HostId, memory_mib: u64, cpus: u32, expected: bool) {
        let known = self.hosts.get(&host).cloned();
        if let Some(known) = &known {
            self.by_free.remove(&(self.free(known), host));
        }
        let mut usage = self.usage(host);
        if expected {
            usage.memory_mib += memory_mib;
            usage.cpus += cpus;
        } else {
            usage.memory_mib = usage.memory_mib.saturating_sub(memory_mib);
            usage.cpus = usage.cpus.saturating_sub(cpus);
        }
        if usage == Usage::default() {
            self.usage.remove(&host);
        } else {
            self.usage.insert(host, usage);
        }
        if let Some(known) = &known {
            self.by_free.insert((self.free(known), host));
        }
    }

    /// Counts a machine in or out of what its host has given away.
    fn weigh(&mut self, host: HostId, vm: &Vm, count: bool) {
        let on = vm.power().is_on() || vm.presence == Presence::Planned || self.starting.contains(&vm.id);
        let known = self.hosts.get(&host).cloned();
        if let Some(known) = &known {
            self.by_free.remove(&(self.free(known), host));
        }
        let mut usage = self.usage(host);
        let (memory, cpus) = if on { (vm.spec.hardware.memory_mib, vm.spec.hardware.cpus) } else { (0, 0) };
        if count {
            usage.machines += 1;
            usage.memory_mib += memory;
            usage.cpus += cpus;
        } else {
            usage.machines -= 1;
            usage.memory_mib -= memory;
            usage.cpus -= cpus;
        }
        if usage == Usage::default() {
            self.usage.remove(&host);
        } else {
            self.usage.insert(host, usage);
        }
        if let Some(known) = &known {
            self.by_free.insert((self.free(known), host));
        }
    }

    fn free(&self, host: &Host) -> u64 {
        let kept = host.spec.reserve.in_force();
        host.usable_memory_mib(&kept).saturating_sub(self.usage(host.id).memory_mib)
    }

    fn unname(&mut self, key: Key, name: &Name) {
        drop_from(&mut self.names, &(key.kind(), name.skeleton()), &key);
    }
}

/// As [`Inventory::name_of`], of an object that is not in yet.
fn name_in(object: &Object) -> Option<&Name> {
    match object {
        Object::Vm(vm) => Some(&vm.spec.name),
        Object::Host(host) => Some(&host.name),
        Object::Agent(agent) => Some(&agent.name),
        Object::Share(share) => Some(&share.name),
        Object::Template(template) => Some(&template.spec.name),
        Object::User(user) => Some(&user.name),
        Object::HostGroup(_)
        | Object::Enrolment(_)
        | Object::Item(_)
        | Object::Credential(_)
        | Object::Token(_)
        | Object::View(_)
        | Object::Settings(_)
        | Object::Job(_) => None,
    }
}

fn drop_from<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = index.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            index.remove(key);
        }
    }
}
