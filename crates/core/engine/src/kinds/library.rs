//! Library shares: adding, reading anew, removing. What a share's folder shows becomes items; what has vanished from
//! it is marked missing and comes back when it does.

use std::collections::BTreeMap;

use hostler_model::command::{Answer, Command};
use hostler_model::job::{Lock, Record};
use hostler_model::library::{Item, SeenItem, Share};
use hostler_model::{AgentId, Code, ItemId, Key, Kind, Name, Object, Refusal, ShareId};

use crate::plan::{Planned, Planner, View};

fn share(view: View<'_>, id: ShareId) -> Result<&Share, Refusal> {
    view.inv
        .shares
        .get(&id)
        .map(|share| &**share)
        .ok_or_else(|| Refusal::not_found(format!("library share {id}")))
}

pub(super) fn admit_add(view: View<'_>, name: &Name, agent: AgentId, folder: &str) -> Result<(), Refusal> {
    super::name_free(view, Kind::Share, name, None)?;
    let known = view.inv.agents.get(&agent).ok_or_else(|| Refusal::not_found(format!("agent {agent}")))?;
    if !known.roles.library {
        return Err(Refusal::new(Code::ValueInvalid, known.label(), "it does not serve as a library server")
            .remedy("Enrol it with the role of a library server"));
    }
    let parts = folder.split('/').skip(1).collect::<Vec<_>>();
    let bad = |part: &&str| part.is_empty() || *part == "." || *part == "..";
    if !folder.starts_with('/')
        || folder.len() > 4000
        || folder != "/" && parts.iter().any(bad)
        || folder.chars().any(char::is_control)
    {
        return Err(Refusal::new(
            Code::PathForbidden,
            format!("folder {folder:?}"),
            "it is not an absolute, plain path",
        )
        .remedy("Name the folder by its full path, such as /srv/library"));
    }
    if is_system_folder(folder) {
        let cause = "it belongs to the computer's system, and a share shows and serves everything in it";
        return Err(Refusal::new(Code::PathForbidden, format!("folder {folder}"), cause)
            .remedy("Name a folder of its own, such as /srv/library"));
    }
    let shares = || view.inv.shares.values().filter(|share| share.agent == agent);
    if let Some(other) = shares().find(|share| share.folder == folder) {
        return Err(Refusal::new(Code::NameTaken, other.label(), "it is this folder already"));
    }
    // Everything in the inner one would be in the record twice.
    if let Some(other) = shares().find(|share| lies_in(folder, &share.folder)) {
        let cause = format!("it lies in the folder of {}, {}", other.label(), other.folder);
        return Err(Refusal::new(Code::PathForbidden, format!("folder {folder}"), cause)
            .remedy(format!("Use {}, which shows it already, or remove that share first", other.label())));
    }
    if let Some(other) = shares().find(|share| lies_in(&share.folder, folder)) {
        let cause = format!("the folder of {}, {}, lies in it", other.label(), other.folder);
        return Err(Refusal::new(Code::PathForbidden, format!("folder {folder}"), cause)
            .remedy("Remove that share first, or name another folder"));
    }
    super::answers(view, agent, &known.label())
}

/// Folders that hold the computer's system or everything: nobody keeps disks right in them.
const TOO_WIDE: [&str; 9] = ["/", "/home", "/mnt", "/opt", "/run", "/tmp", "/usr", "/var", "/var/lib"];
/// Folders of the system, with all that lies in them.
const SYSTEM: [&str; 13] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
];

fn is_system_folder(folder: &str) -> bool {
    TOO_WIDE.contains(&folder) || SYSTEM.iter().any(|of| folder == *of || lies_in(folder, of))
}

/// Whether one plain path is below another.
fn lies_in(folder: &str, above: &str) -> bool {
    folder.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn add(name: &Name, agent: AgentId, folder: &str, p: &mut Planner<'_>) -> Planned {
    let id: ShareId = p.choose("share", |_, ids| Ok(ShareId::draw(ids)))?;
    p.about(Key::Share(id), name.as_str());
    p.lock_name(Kind::Share, name);
    p.lock(Lock::exclusive(Key::Share(id)));
    p.step("scan", agent, Command::ScanShare { share: id, folder: folder.to_owned() });
    let Some(Answer::Share { items }) = p.answer("scan").cloned() else {
        return p.later(&["record"]);
    };
    let share = Share {
        id,
        name: name.clone(),
        agent,
        folder: folder.to_owned(),
        notes: String::new(),
        created: p.asked(),
    };
    let mut records = vec![Record::Put { object: Object::from(share) }];
    records.extend(items_of(id, items, p)?);
    p.record("record", records);
    Ok(())
}

pub(super) fn admit_refresh(view: View<'_>, id: ShareId) -> Result<(), Refusal> {
    let share = share(view, id)?;
    super::answers(view, share.agent, &share.label())
}

pub(super) fn refresh(id: ShareId, p: &mut Planner<'_>) -> Planned {
    let known: Share = p.choose("share", |view, _| Ok(share(view, id)?.clone()))?;
    p.about(Key::Share(id), known.name.as_str());
    p.lock(Lock::exclusive(Key::Share(id)));
    p.step("scan", known.agent, Command::ScanShare { share: id, folder: known.folder });
    let Some(Answer::Share { items }) = p.answer("scan").cloned() else {
        return p.later(&["record"]);
    };
    let records = items_of(id, items, p)?;
    p.record("record", records);
    Ok(())
}

/// The difference between what a share shows and its items in the record.
fn items_of(
    share: ShareId,
    seen: Vec<SeenItem>,
    p: &mut Planner<'_>,
) -> Result<Vec<Record>, crate::plan::Stop> {
    let now = p.asked();
    let items: Vec<Item> = p.choose("items", |view, ids| {
        let mut known: BTreeMap<String, Item> =
            view.inv.items_of(share).map(|item| (item.seen.path.clone(), (**item).clone())).collect();
        let mut changed = Vec::new();
        for seen in seen {
            match known.remove(&seen.path) {
                Some(item) if item.seen == seen && item.missing_since.is_none() => {}
                Some(item) => changed.push(Item { seen, missing_since: None, ..item }),
                None => {
                    let file = seen.path.rsplit('/').next().unwrap_or(&seen.path);
                    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
                    let name = Name::mended(stem);
                    changed.push(Item {
                        id: ItemId::draw(ids),
                        share,
                        name,
                        seen,
                        missing_since: None,
                        created: now,
                    });
                }
            }
        }
        let vanished = known.into_values().filter(|item| item.missing_since.is_none());
        changed.extend(vanished.map(|item| Item { missing_since: Some(now), ..item }));
        Ok(changed)
    })?;
    Ok(items.into_iter().map(|item| Record::Put { object: Object::from(item) }).collect())
}

pub(super) fn admit_remove(view: View<'_>, id: ShareId) -> Result<(), Refusal> {
    let share = share(view, id)?;
    let used = view
        .inv
        .templates
        .values()
        .find(|template| view.inv.items.get(&template.spec.disk).is_some_and(|item| item.share == id));
    match used {
        Some(template) => Err(Refusal::new(
            Code::ObjectInUse,
            share.label(),
            format!("{} uses a disk of it", template.label()),
        )
        .remedy("Delete the template first")),
        None => Ok(()),
    }
}

pub(super) fn remove(id: ShareId, p: &mut Planner<'_>) -> Planned {
    let name: String = p.choose("name", |view, _| Ok(share(view, id)?.name.to_string()))?;
    p.about(Key::Share(id), name);
    p.lock(Lock::exclusive(Key::Share(id)));
    let items: Vec<ItemId> =
        p.choose("items", |view, _| Ok(view.inv.items_of(id).map(|item| item.id).collect()))?;
    for item in &items {
        p.lock(Lock::exclusive(Key::Item(*item)));
    }
    let mut records: Vec<Record> =
        items.into_iter().map(|item| Record::Gone { key: Key::Item(item) }).collect();
    records.push(Record::Gone { key: Key::Share(id) });
    p.record("remove", records);
    Ok(())
}
