//! What a change of the tree of hosts would have for effects: for which hosts what would be in force otherwise. Found on
//! the committed picture, in the asking thread: the decision thread walks over no hosts.

use hostler_model::host::Host;
use hostler_model::host_group::{self, Above, HostGroup, InForce};
use hostler_model::job::{Effects, InForceChange};
use hostler_model::request::Request;
use hostler_model::{HostGroupId, HostId, Kind, Object};
use hostler_server::Picture;
use serde_json::{Value, json};

/// How many changes are told one by one.
const TOLD: usize = 1_000;

/// The effects of a request; none for one that has none of this kind.
pub(crate) fn effects(picture: &Picture, request: &Request) -> Option<Effects> {
    match request {
        Request::EditHost { host, edit } => {
            let of = |before: &Host| Host { spec: before.spec.edited(edit), ..before.clone() };
            Some(of_host(picture, *host, of))
        }
        Request::MoveHost { host, to } => {
            Some(of_host(picture, *host, |before| Host { group: *to, ..before.clone() }))
        }
        Request::EditHostGroup { group, edit } => {
            Some(of_group(picture, *group, edit.overwrite_below, |before| before.edited(edit)))
        }
        Request::MoveHostGroup { group, to } => {
            let moved = |before: &HostGroup| HostGroup { parent: Some(*to), ..before.clone() };
            Some(of_group(picture, *group, false, moved))
        }
        _ => None,
    }
}

fn of_host(picture: &Picture, id: HostId, change: impl Fn(&Host) -> Host) -> Effects {
    let mut effects = Effects::default();
    if let Some(before) = picture.host(id) {
        let after = change(before);
        add(&mut effects, picture, before, &picture.in_force(before), &picture.in_force(&after));
    }
    effects
}

/// `overwrites`: what is set of reserves below gives way.
fn of_group(
    picture: &Picture,
    id: HostGroupId,
    overwrites: bool,
    change: impl Fn(&HostGroup) -> HostGroup,
) -> Effects {
    let mut effects = Effects::default();
    let Some(changed) = picture.host_group(id).map(change) else { return effects };
    let above = |group: HostGroupId| {
        let then = |at| if at == id { Some(&changed) } else { picture.host_group(at) };
        Above::of(host_group::line(group, then))
    };
    let for_all = overwrites.then(|| above(id).for_group().reserve);
    let after = |host: &Host| {
        let then = above(host.group).for_host(host);
        InForce { reserve: for_all.unwrap_or(then.reserve), ..then }
    };
    for stored in picture.by_name(Kind::Host) {
        let Object::Host(host) = &stored.object else { continue };
        if picture.branch(host.group).is_some_and(|branch| branch.line.contains(&id)) {
            add(&mut effects, picture, host, &picture.in_force(host), &after(host));
        }
    }
    effects
}

fn add(effects: &mut Effects, picture: &Picture, host: &Host, before: &InForce, after: &InForce) {
    effects.hosts += 1;
    effects.machines += picture.usage(host.id).machines;
    for (property, before, after) in differences(before, after) {
        if effects.changes.len() < TOLD {
            let (host, name) = (host.id, host.name.to_string());
            effects.changes.push(InForceChange { host, name, property, before, after });
        } else {
            effects.more += 1;
        }
    }
}

fn differences(before: &InForce, after: &InForce) -> Vec<(String, Value, Value)> {
    let reserves = before.reserve.values().into_iter().zip(after.reserve.values());
    let differ = reserves.filter(|((_, before), (_, after))| before != after);
    let mut found: Vec<_> = differ
        .map(|((word, before), (_, after))| (format!("reserve.{word}"), json!(before), json!(after)))
        .collect();
    if before.unencrypted_transfers != after.unencrypted_transfers {
        let values = (json!(before.unencrypted_transfers), json!(after.unencrypted_transfers));
        found.push(("unencrypted_transfers".to_owned(), values.0, values.1));
    }
    found
}
