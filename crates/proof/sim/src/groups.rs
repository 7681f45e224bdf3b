//! The tree of host groups: what is asked of it, and what must hold of it at every moment. Everything that the product
//! derives or looks up is found here once more, by walking over everything.

use std::collections::{BTreeMap, BTreeSet};

use hostler_model::host_group::{ALL_HOSTS, DEEPEST, EditHostGroup, HostGroup, InForce};
use hostler_model::job::JobKind;
use hostler_model::request::Request;
use hostler_model::reserve::{EditReserve, OwnReserve, Reserve};
use hostler_model::status::{VmStatus, of};
use hostler_model::{HostGroupId, Kind, Name, Object};

use crate::world::World;

/// A set of parts so small that they are often set to the same.
const SIZES: [u64; 4] = [0, 256, 512, 1024];

impl World {
    fn groups(&self) -> Vec<HostGroup> {
        let groups = |object: &Object| match object {
            Object::HostGroup(group) => Some((**group).clone()),
            _ => None,
        };
        self.record().iter().filter_map(groups).collect()
    }

    /// A request of a kind that is about groups of hosts. In a storm some cannot be granted.
    pub(crate) fn group_request_of(&mut self, kind: JobKind) -> Option<Request> {
        let groups = self.groups();
        let any = |world: &mut Self| world.dice.pick(&groups).map(|group| group.id);
        let others: Vec<&HostGroup> = groups.iter().filter(|group| group.id != ALL_HOSTS).collect();
        let reckless = self.stormy && self.dice.chance(300);
        Some(match kind {
            JobKind::MoveHost => Request::MoveHost { host: self.some_host()?, to: any(self)? },
            JobKind::CreateHostGroup => {
                let fits = |group: &&HostGroup| reckless || depth(&groups, group) < DEEPEST;
                let parents: Vec<HostGroupId> = groups.iter().filter(fits).map(|group| group.id).collect();
                let parent = Some(*self.dice.pick(&parents)?);
                let name = if reckless { Name::new("rack").ok()? } else { self.some_name("rack")? };
                let mut reserve = OwnReserve::default();
                if self.dice.chance(500) {
                    reserve.memory_mib = self.dice.pick(&SIZES).copied();
                }
                let unencrypted_transfers = self.dice.chance(300).then_some(true);
                let notes = String::new();
                Request::CreateHostGroup { parent, name, notes, reserve, unencrypted_transfers }
            }
            JobKind::EditHostGroup => {
                let group = any(self)?;
                let rename = self.dice.chance(300) && (reckless || group != ALL_HOSTS);
                let name = if rename { self.some_name("rack") } else { None };
                let memory_mib = Some(self.dice.pick(&SIZES).copied().filter(|size| *size > 0));
                let reserve = match self.dice.between(0, 3) {
                    0 => EditReserve::inherit(),
                    _ => EditReserve { memory_mib, network_percent: Some(Some(5)), ..EditReserve::default() },
                };
                let unencrypted = [None, Some(None), Some(Some(true)), Some(Some(false))];
                let unencrypted_transfers = self.dice.pick(&unencrypted).copied().flatten();
                let notes = Some("seen to".into());
                let overwrite_below = self.dice.chance(300);
                Request::EditHostGroup {
                    group,
                    edit: EditHostGroup { name, notes, reserve, unencrypted_transfers, overwrite_below },
                }
            }
            JobKind::MoveHostGroup => {
                let moved = self.dice.pick(&others).copied()?;
                let fits = |to: &&HostGroup| {
                    let below = line(&groups, to).iter().any(|above| above.id == moved.id);
                    let named = |other: &HostGroup| {
                        other.parent == Some(to.id) && other.id != moved.id && other.name == moved.name
                    };
                    let deep = depth(&groups, to) + height(&groups, moved);
                    reckless || (!below && !groups.iter().any(named) && deep <= DEEPEST)
                };
                let into: Vec<HostGroupId> = groups.iter().filter(fits).map(|group| group.id).collect();
                Request::MoveHostGroup { group: moved.id, to: *self.dice.pick(&into)? }
            }
            JobKind::DeleteHostGroup => {
                let hosts: BTreeSet<HostGroupId> = (self.record().iter())
                    .filter_map(|object| match object {
                        Object::Host(host) => Some(host.group),
                        _ => None,
                    })
                    .collect();
                let empty = |group: &&&HostGroup| {
                    let filled = hosts.contains(&group.id);
                    reckless || (!filled && !groups.iter().any(|below| below.parent == Some(group.id)))
                };
                let empty: Vec<HostGroupId> = others.iter().filter(empty).map(|group| group.id).collect();
                Request::DeleteHostGroup { group: *self.dice.pick(&empty)? }
            }
            _ => return None,
        })
    }

    /// The groups are one tree with every host in it, what is in force is what a walk up the tree finds, and the readers'
    /// picture says the same.
    pub(crate) fn check_groups(&mut self) {
        let Some(drive) = &self.drive else { return };
        let (inv, picture) = (drive.engine().inventory(), drive.picture().load_full());
        let groups: Vec<HostGroup> = inv.host_groups().map(|group| (**group).clone()).collect();
        let mut wrong = None;
        for group in &groups {
            let line = line(&groups, group);
            let top = line.last().map(|group| group.id);
            if top != Some(ALL_HOSTS) || line.len() > DEEPEST {
                wrong = Some(format!("{} does not lead up to All Hosts: {line:?}", group.name));
            }
            let twin = |other: &HostGroup| {
                other.id != group.id
                    && other.parent == group.parent
                    && other.name.folded() == group.name.folded()
            };
            if groups.iter().any(twin) {
                wrong = Some(format!("two groups beside each other are called {}", group.name));
            }
            let path: String = line.iter().rev().map(|group| format!("/{}", group.name)).collect();
            let shown = picture.group_path(group.id);
            // The picture may be behind by what is not committed yet; the same group has the same path.
            if picture.host_group(group.id) == Some(group)
                && line.iter().all(|above| picture.host_group(above.id) == Some(above))
                && shown.as_ref() != Some(&path)
            {
                wrong = Some(format!("readers see {shown:?} where {path} stands"));
            }
        }
        for host in inv.hosts() {
            let Some(group) = groups.iter().find(|group| group.id == host.group) else {
                wrong = Some(format!("host {} is in a group that is not there", host.name));
                continue;
            };
            let line = line(&groups, group);
            let found = in_force(host.spec.reserve, &line);
            if inv.in_force(host) != found {
                wrong = Some(format!(
                    "{:?} is in force for host {}, and should be {found:?}",
                    inv.in_force(host),
                    host.name
                ));
            }
        }
        for stored in picture.of_kind(Kind::Host) {
            let Object::Host(host) = &stored.object else { continue };
            let mut counted: BTreeMap<VmStatus, u32> = BTreeMap::new();
            for stored in picture.of_kind(Kind::Vm) {
                if let Object::Vm(vm) = &stored.object
                    && vm.host == Some(host.id)
                {
                    let under = picture.job_on(vm.id).map(|job| job.kind);
                    *counted.entry(of(vm, under, picture.host_status(host))).or_default() += 1;
                }
            }
            let mut shown: BTreeMap<VmStatus, u32> = BTreeMap::new();
            for (status, count) in picture.machines_by_status(host) {
                *shown.entry(status).or_default() += count;
            }
            if shown != counted {
                wrong = Some(format!(
                    "machines of host {} are counted as {shown:?} and are {counted:?}",
                    host.name
                ));
            }
        }
        let deep = groups.iter().map(|group| depth(&groups, group)).max().unwrap_or_default();
        self.count("tree of groups compared");
        if deep > 3 {
            self.count("tree of groups deeper than three");
        }
        if let Some(what) = wrong {
            self.fail(what);
        }
    }
}

/// A group and those above it; of a circle each once.
fn line<'a>(groups: &'a [HostGroup], of: &'a HostGroup) -> Vec<&'a HostGroup> {
    let mut line = vec![of];
    while let Some(parent) = line.last().and_then(|group| group.parent)
        && let Some(next) = groups.iter().find(|group| group.id == parent)
        && !line.iter().any(|seen| seen.id == next.id)
    {
        line.push(next);
    }
    line
}

fn depth(groups: &[HostGroup], group: &HostGroup) -> usize {
    line(groups, group).len()
}

fn height(groups: &[HostGroup], group: &HostGroup) -> usize {
    let below = groups.iter().filter(|below| below.parent == Some(group.id));
    1 + below.map(|below| height(groups, below)).max().unwrap_or_default()
}

/// What is in force for what sets this itself, field by field.
fn in_force(own: OwnReserve, line: &[&HostGroup]) -> InForce {
    let mut reserve = Reserve::default();
    let mut unencrypted_transfers = false;
    let sets = line.iter().rev().map(|group| (group.reserve, group.unencrypted_transfers));
    for (set, unencrypted) in sets.chain([(own, None)]) {
        reserve = Reserve {
            cpu_percent: set.cpu_percent.unwrap_or(reserve.cpu_percent),
            memory_mib: set.memory_mib.unwrap_or(reserve.memory_mib),
            disk_mib: set.disk_mib.unwrap_or(reserve.disk_mib),
            disk_operations_per_s: set.disk_operations_per_s.unwrap_or(reserve.disk_operations_per_s),
            network_percent: set.network_percent.unwrap_or(reserve.network_percent),
        };
        unencrypted_transfers = unencrypted.unwrap_or(unencrypted_transfers);
    }
    InForce { reserve, unencrypted_transfers }
}
