//! Hosts and machines of each group of hosts, rolled up: counted from the committed picture and the newest loads in one
//! pass over the hosts, of which each brings its own counts. All who ask of one picture share the pass, for as long as
//! loads may be old.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hostler_model::host_group::{Above, HostGroup};
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::view::{HostGroupView, RollUp};
use hostler_model::{HostGroupId, Kind, Object};
use hostler_server::{Handle, Picture};

use crate::app::App;

/// How old the loads in a sum may be. They come with heartbeats, every few seconds.
const AGE: Duration = Duration::from_secs(1);

/// What is in a group: in itself, or with all below it.
#[derive(Clone, Debug, Default)]
struct Sum {
    hosts: u32,
    hosts_by_status: [u32; HostStatus::ALL.len()],
    machines_by_status: [u32; VmStatus::ALL.len()],
    of: RollUp,
    /// Σ load in percent × logical processors, of the hosts whose load is known.
    busy: f64,
    /// Their logical processors.
    cpus_known: u64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.hosts += other.hosts;
        let (own, theirs) = (&mut self.of, &other.of);
        own.cpus += theirs.cpus;
        own.cpus_given += theirs.cpus_given;
        own.memory_mib += theirs.memory_mib;
        own.memory_reserved_mib += theirs.memory_reserved_mib;
        own.memory_given_mib += theirs.memory_given_mib;
        own.disk_total_mib += theirs.disk_total_mib;
        own.disk_used_mib += theirs.disk_used_mib;
        own.loads_known += theirs.loads_known;
        for (own, theirs) in self.hosts_by_status.iter_mut().zip(&other.hosts_by_status) {
            *own += theirs;
        }
        for (own, theirs) in self.machines_by_status.iter_mut().zip(&other.machines_by_status) {
            *own += theirs;
        }
        self.busy += other.busy;
        self.cpus_known += other.cpus_known;
    }

    fn view(&self) -> RollUp {
        let there = |counts: &[u32], word: &dyn Fn(usize) -> &'static str| -> BTreeMap<String, u32> {
            let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            counted.map(|(at, count)| (word(at).to_owned(), *count)).collect()
        };
        RollUp {
            hosts: self.hosts,
            hosts_by_status: there(&self.hosts_by_status, &|at| HostStatus::ALL[at].word()),
            machines: self.machines_by_status.iter().sum(),
            machines_by_status: there(&self.machines_by_status, &|at| VmStatus::ALL[at].word()),
            cpu_percent: (self.cpus_known > 0).then(|| (self.busy / self.cpus_known as f64).round() as u32),
            ..self.of.clone()
        }
    }
}

/// The sums of all groups, as of a picture.
pub(crate) struct RollUps {
    own: HashMap<HostGroupId, Sum>,
    with_below: HashMap<HostGroupId, Sum>,
}

impl RollUps {
    fn of(handle: &Handle, picture: &Picture) -> Self {
        let mut own: HashMap<HostGroupId, (Above, Sum)> = HashMap::new();
        for stored in picture.of_kind(Kind::Host) {
            let Object::Host(host) = &stored.object else { continue };
            let group = own.entry(host.group);
            let (above, sum) = group.or_insert_with(|| (picture.above(host.group), Sum::default()));
            let (usage, load) = (picture.usage(host.id), handle.load(host.id));
            sum.hosts += 1;
            sum.hosts_by_status[picture.host_status(host) as usize] += 1;
            for (status, count) in picture.machines_by_status(host) {
                sum.machines_by_status[status as usize] += count;
            }
            let cpus = u64::from(host.facts.cpus);
            sum.of.cpus += cpus;
            sum.of.cpus_given += u64::from(usage.cpus);
            sum.of.memory_mib += host.facts.memory_mib;
            sum.of.memory_reserved_mib += above.for_host(host).reserve.memory_mib.min(host.facts.memory_mib);
            sum.of.memory_given_mib += usage.memory_mib;
            if let Some(load) = load {
                sum.of.disk_total_mib += load.disk_total_mib;
                sum.of.disk_used_mib += load.disk_total_mib.saturating_sub(load.disk_free_mib);
                sum.of.loads_known += 1;
                sum.busy += f64::from(load.cpu_percent) * cpus as f64;
                sum.cpus_known += cpus;
            }
        }
        let own: HashMap<_, _> = own.into_iter().map(|(group, (_, sum))| (group, sum)).collect();
        let mut with_below: HashMap<HostGroupId, Sum> = HashMap::new();
        for (group, sum) in &own {
            let line = picture.branch(*group).map_or(std::slice::from_ref(group), |branch| &branch.line);
            for above in line {
                with_below.entry(*above).or_default().add(sum);
            }
        }
        Self { own, with_below }
    }

    /// A group as it is shown.
    pub(crate) fn view(&self, picture: &Picture, revision: u64, group: &HostGroup) -> HostGroupView {
        let nothing = Sum::default();
        HostGroupView {
            group: group.clone(),
            revision,
            path: picture.group_path(group.id).unwrap_or_default(),
            in_force: picture.in_force_from(group.id, None),
            groups: u32::try_from(picture.groups_in(group.id).count()).unwrap_or(u32::MAX),
            own_hosts: self.own.get(&group.id).map_or(0, |sum| sum.hosts),
            total: self.with_below.get(&group.id).unwrap_or(&nothing).view(),
        }
    }
}

/// The newest sums.
#[derive(Default)]
pub(crate) struct Newest(Mutex<Option<Made>>);

/// Sums, with what they were made of and when.
struct Made {
    of: Arc<Picture>,
    at: Instant,
    sums: Arc<RollUps>,
}

/// The sums as of this picture, with loads that are a second old at most.
pub(crate) fn roll_ups(app: &App, picture: &Arc<Picture>) -> Arc<RollUps> {
    let mut newest = app.newest_roll_ups().0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = &*newest
        && Arc::ptr_eq(&made.of, picture)
        && made.at.elapsed() < AGE
    {
        return made.sums.clone();
    }
    let sums = Arc::new(RollUps::of(app.handle(), picture));
    *newest = Some(Made { of: picture.clone(), at: Instant::now(), sums: sums.clone() });
    sums
}
