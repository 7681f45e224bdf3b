//! What the readers' picture knows beside the objects so that nobody has to walk over all of them: where each group of
//! hosts stands in its tree, and how many machines of each status each host has. Both follow each commit at a price that
//! grows with what it changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use hostler_model::host_group::{ALL_HOSTS, ALL_HOSTS_NAME, HostGroup};
use hostler_model::status::VmStatus;
use hostler_model::{HostGroupId, HostId};
use imbl::{OrdMap, OrdSet};

/// Where a group of hosts stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its path, as in `/All Hosts/Site A`.
    pub path: String,
    /// Itself and the groups above it, the nearest first.
    pub line: Vec<HostGroupId>,
}

/// Where every group stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    branches: OrdMap<HostGroupId, Arc<Branch>>,
    /// Which groups are in which.
    below: OrdSet<(HostGroupId, HostGroupId)>,
}

impl Tree {
    pub(crate) fn branch(&self, group: HostGroupId) -> Option<&Arc<Branch>> {
        self.branches.get(&group)
    }

    /// The groups in a group, not those below them.
    pub(crate) fn groups_in(&self, group: HostGroupId) -> impl Iterator<Item = HostGroupId> {
        let nil = HostGroupId(uuid::Uuid::nil());
        let from = self.below.range((group, nil)..);
        from.take_while(move |(parent, _)| *parent == group).map(|(_, below)| *below)
    }

    /// A group is otherwise than it was. What stands below it is looked at anew where its path is another one.
    pub(crate) fn follow<'a>(
        &mut self,
        before: Option<&HostGroup>,
        after: Option<&HostGroup>,
        group: impl Fn(HostGroupId) -> Option<&'a HostGroup>,
    ) {
        let place = |group: &HostGroup| (group.parent, group.name.clone());
        let Some(id) = after.or(before).map(|group| group.id) else { return };
        if before.map(place) == after.map(place) {
            return;
        }
        if let Some(parent) = before.and_then(|group| group.parent) {
            self.below.remove(&(parent, id));
        }
        if let Some(parent) = after.and_then(|group| group.parent) {
            self.below.insert((parent, id));
        }
        if after.is_none() {
            self.branches.remove(&id);
        }
        // Each once, however the record may be: a circle would be a defect, and no reader shall hang on it.
        let (mut seen, mut open) = (BTreeSet::new(), vec![id]);
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            if let Some(group) = group(id) {
                let above = group.parent.and_then(|parent| self.branches.get(&parent));
                let (path, line) = above.map_or(("", [].as_slice()), |above| (&above.path, &above.line));
                let branch = Branch {
                    path: format!("{path}/{}", group.name),
                    line: std::iter::once(id).chain(line.iter().copied()).collect(),
                };
                self.branches.insert(id, Arc::new(branch));
            }
            open.extend(self.groups_in(id));
        }
    }

    /// The path of a group; of *All Hosts* also where the record does not have it yet.
    pub(crate) fn path(&self, group: HostGroupId) -> Option<String> {
        match self.branches.get(&group) {
            Some(branch) => Some(branch.path.clone()),
            None => (group == ALL_HOSTS).then(|| format!("/{ALL_HOSTS_NAME}")),
        }
    }
}

/// How many machines of each status a host has, as if it answered.
pub(crate) type Tally = [u32; VmStatus::ALL.len()];

/// How many machines of each status each host has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies(OrdMap<HostId, Arc<Tally>>);

impl Tallies {
    pub(crate) fn of(&self, host: HostId) -> Option<&Tally> {
        self.0.get(&host).map(|tally| &**tally)
    }

    /// A machine is on another host, or has another status, than before.
    pub(crate) fn follow(&mut self, before: Option<(HostId, VmStatus)>, after: Option<(HostId, VmStatus)>) {
        if before == after {
            return;
        }
        if let Some((host, status)) = before {
            self.count(host, status, false);
        }
        if let Some((host, status)) = after {
            self.count(host, status, true);
        }
    }

    fn count(&mut self, host: HostId, status: VmStatus, one_more: bool) {
        let mut tally = self.0.get(&host).map(|tally| **tally).unwrap_or_default();
        // The place of a status is that in the list of all.
        if let Some(count) = tally.get_mut(status as usize) {
            *count = if one_more { *count + 1 } else { count.saturating_sub(1) };
        }
        if tally == Tally::default() {
            self.0.remove(&host);
        } else {
            self.0.insert(host, Arc::new(tally));
        }
    }
}
