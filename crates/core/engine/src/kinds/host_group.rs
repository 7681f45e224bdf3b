//! Groups of hosts: made, changed, moved, deleted; and hosts moved between them. Only the record changes, and that of what
//! is below only where it is said to give way: what is in force there is found by going up the tree.

use std::cmp::max;
use std::sync::Arc;

use hostler_model::host::Host;
use hostler_model::host_group::{ALL_HOSTS, ALL_HOSTS_NAME, DEEPEST, EditHostGroup, HostGroup, is_fixed};
use hostler_model::job::{Lock, LockOn, Record};
use hostler_model::reserve::OwnReserve;
use hostler_model::{Code, HostGroupId, HostId, Key, Kind, Name, Object, Refusal};

use crate::plan::{Planned, Planner, View};

/// How many things that are in a group are named in a refusal.
const NAMED: usize = 5;

/// A group, or that there is none.
pub(super) fn group(view: View<'_>, id: HostGroupId) -> Result<&HostGroup, Refusal> {
    let known = view.inv.host_group(id).map(|group| &**group);
    known.ok_or_else(|| Refusal::not_found(format!("host group {id}")))
}

/// How many groups stand above each other from this one to *All Hosts*, both counted.
fn depth(view: View<'_>, id: HostGroupId) -> usize {
    view.inv.line_of(id).count()
}

/// How many groups stand below each other from this one on, itself counted. No tree is deeper than [`DEEPEST`].
fn height(view: View<'_>, id: HostGroupId, most: usize) -> usize {
    if most == 0 {
        return 0;
    }
    1 + view.inv.groups_in(id).fold(0, |high, below| max(high, height(view, below.id, most - 1)))
}

fn name_free(
    view: View<'_>,
    parent: HostGroupId,
    name: &Name,
    except: Option<HostGroupId>,
) -> Result<(), Refusal> {
    match view.inv.group_named_like(parent, name).filter(|taken| Some(*taken) != except) {
        None => Ok(()),
        Some(_) => {
            let parent = group(view, parent)?;
            let cause = format!("another group in {} has this name, or one that looks like it", parent.name);
            Err(Refusal::new(Code::NameTaken, format!("host group {name}"), cause)
                .remedy("Choose another name"))
        }
    }
}

fn not_too_deep(view: View<'_>, name: &Name, parent: HostGroupId, height: usize) -> Result<(), Refusal> {
    let deep = depth(view, parent) + height;
    if deep <= DEEPEST {
        return Ok(());
    }
    let cause = format!("{deep} groups would stand below each other, and no more than {DEEPEST} may");
    Err(Refusal::new(Code::HostGroupTooDeep, format!("host group {name}"), cause)
        .remedy("Put it into a group further up"))
}

/// Holds a name within a group.
fn lock_name(p: &mut Planner<'_>, parent: HostGroupId, name: &Name) {
    let skeleton = format!("{parent}/{}", name.skeleton());
    p.lock(Lock { on: LockOn::Name { kind: Kind::HostGroup, skeleton }, shared: false });
}

pub(super) fn admit_create(
    view: View<'_>,
    parent: Option<HostGroupId>,
    name: &Name,
    notes: &str,
    reserve: &OwnReserve,
) -> Result<(), Refusal> {
    let Some(parent) = parent else {
        return match view.inv.host_group(ALL_HOSTS) {
            Some(_) => Err(is_fixed("made a second time")),
            None if name.as_str() != ALL_HOSTS_NAME => Err(is_fixed("called otherwise")),
            None => Ok(()),
        };
    };
    group(view, parent)?;
    name_free(view, parent, name, None)?;
    not_too_deep(view, name, parent, 1)?;
    let made = HostGroup { notes: notes.to_owned(), reserve: *reserve, ..HostGroup::all_hosts(view.now) };
    made.check()
}

pub(super) fn create(
    parent: Option<HostGroupId>,
    name: &Name,
    notes: &str,
    reserve: OwnReserve,
    unencrypted_transfers: Option<bool>,
    p: &mut Planner<'_>,
) -> Planned {
    let id: HostGroupId = match parent {
        None => ALL_HOSTS,
        Some(_) => p.choose("group", |_, ids| Ok(HostGroupId::draw(ids)))?,
    };
    p.about(Key::HostGroup(id), name.as_str());
    p.lock(Lock::exclusive(Key::HostGroup(id)));
    if let Some(parent) = parent {
        lock_name(p, parent, name);
        p.lock(Lock::shared(Key::HostGroup(parent)));
    }
    let (name, notes, created) = (name.clone(), notes.to_owned(), p.asked());
    let made = HostGroup { id, parent, name, notes, reserve, unencrypted_transfers, created };
    p.record("record", vec![Record::Put { object: Object::from(made) }]);
    Ok(())
}

pub(super) fn admit_edit(view: View<'_>, id: HostGroupId, edit: &EditHostGroup) -> Result<(), Refusal> {
    let group = group(view, id)?;
    if let Some(name) = &edit.name {
        match group.parent {
            None if *name != group.name => return Err(is_fixed("renamed")),
            None => {}
            Some(parent) => name_free(view, parent, name, Some(id))?,
        }
    }
    group.edited(edit).check()
}

pub(super) fn edit(id: HostGroupId, edit: &EditHostGroup, p: &mut Planner<'_>) -> Planned {
    let before: HostGroup = p.choose("before", |view, _| Ok(group(view, id)?.clone()))?;
    p.about(Key::HostGroup(id), before.name.as_str());
    p.lock(Lock::exclusive(Key::HostGroup(id)));
    if let (Some(parent), Some(name)) = (before.parent, &edit.name) {
        lock_name(p, parent, name);
    }
    let mut records = vec![Record::Put { object: Object::from(before.edited(edit)) }];
    if edit.overwrite_below {
        let below: Vec<Object> = p.choose("below", |view, _| Ok(setting_below(view, id, DEEPEST)))?;
        for mut object in below {
            p.about(object.key(), "");
            p.lock(Lock::exclusive(object.key()));
            match &mut object {
                Object::HostGroup(group) => Arc::make_mut(group).reserve = OwnReserve::default(),
                Object::Host(host) => Arc::make_mut(host).spec.reserve = OwnReserve::default(),
                _ => continue,
            }
            records.push(Record::Put { object });
        }
    }
    p.record("edit", records);
    Ok(())
}

/// The groups and hosts below a group that set reserves themselves.
fn setting_below(view: View<'_>, id: HostGroupId, most: usize) -> Vec<Object> {
    let hosts = view.inv.hosts_in(id).filter(|host| !host.spec.reserve.is_empty());
    let mut found: Vec<Object> = hosts.map(|host| Object::Host(host.clone())).collect();
    for group in view.inv.groups_in(id).take_while(|_| most > 1) {
        if !group.reserve.is_empty() {
            found.push(Object::HostGroup(group.clone()));
        }
        found.extend(setting_below(view, group.id, most - 1));
    }
    found
}

pub(super) fn admit_move(view: View<'_>, id: HostGroupId, to: HostGroupId) -> Result<(), Refusal> {
    let moved = group(view, id)?;
    if moved.parent.is_none() {
        return Err(is_fixed("moved"));
    }
    let into = group(view, to)?;
    if view.inv.line_of(to).any(|above| above.id == id) {
        let cause = match to == id {
            true => "it cannot be in itself".to_owned(),
            false => format!("{} is below it", into.name),
        };
        return Err(Refusal::new(Code::HostGroupCycle, moved.label(), cause)
            .remedy("Move it into a group that is not below it"));
    }
    name_free(view, to, &moved.name, Some(id))?;
    not_too_deep(view, &moved.name, to, height(view, id, DEEPEST))
}

pub(super) fn move_to(id: HostGroupId, to: HostGroupId, p: &mut Planner<'_>) -> Planned {
    let before: HostGroup = p.choose("before", |view, _| Ok(group(view, id)?.clone()))?;
    p.about(Key::HostGroup(id), before.name.as_str());
    p.lock(Lock::exclusive(Key::HostGroup(id)));
    p.lock(Lock::shared(Key::HostGroup(to)));
    lock_name(p, to, &before.name);
    p.record("move", vec![Record::Put { object: Object::from(HostGroup { parent: Some(to), ..before }) }]);
    Ok(())
}

pub(super) fn admit_delete(view: View<'_>, id: HostGroupId) -> Result<(), Refusal> {
    let group = group(view, id)?;
    if group.parent.is_none() {
        return Err(is_fixed("deleted"));
    }
    let hosts = || view.inv.hosts_in(id).map(|host| host.label());
    let groups = || view.inv.groups_in(id).map(|group| group.label());
    let mut named: Vec<String> = groups().chain(hosts()).take(NAMED + 1).collect();
    if named.is_empty() {
        return Ok(());
    }
    if named.len() > NAMED {
        named.truncate(NAMED);
        named.push("more".to_owned());
    }
    Err(Refusal::new(Code::ObjectInUse, group.label(), format!("in it are {}", named.join(", ")))
        .remedy("Move them into another group first"))
}

pub(super) fn delete(id: HostGroupId, p: &mut Planner<'_>) -> Planned {
    let name: String = p.choose("name", |view, _| Ok(group(view, id)?.name.to_string()))?;
    p.about(Key::HostGroup(id), name);
    p.lock(Lock::exclusive(Key::HostGroup(id)));
    p.record("remove", vec![Record::Gone { key: Key::HostGroup(id) }]);
    Ok(())
}

pub(super) fn admit_move_host(view: View<'_>, id: HostId, to: HostGroupId) -> Result<(), Refusal> {
    super::host(view, id)?;
    group(view, to).map(|_| ())
}

pub(super) fn move_host(id: HostId, to: HostGroupId, p: &mut Planner<'_>) -> Planned {
    let host: Host = p.choose("host", |view, _| Ok(super::host(view, id)?.clone()))?;
    p.about(Key::Host(id), host.name.as_str());
    // Shared: work on its machines need not wait for it, nor it for that.
    p.share_host(id);
    p.lock(Lock::shared(Key::HostGroup(to)));
    p.record("move", vec![Record::Put { object: Object::from(Host { group: to, ..host }) }]);
    Ok(())
}
