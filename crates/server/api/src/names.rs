//! What a person writes for a thing: a full id, a name, `name@host` where names collide, or the last six or more digits
//! of an id; for a library item also its path, and for a group of hosts the path in their tree (`/All Hosts/Site A`). In paths, in queries and in bodies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hostler_model::ids::means;
use hostler_model::library::ItemKind;
use hostler_model::{Code, JobId, Key, Kind, Name, Object, Refusal};
use hostler_server::Picture;
use hostler_server::store::Stored;
use serde_json::Value;
use uuid::Uuid;

use crate::json::shown;

/// How many of several meanings are listed in a refusal.
const LISTED: usize = 10;

/// The thing of a kind that is meant.
pub(crate) fn find<'a>(picture: &'a Picture, kind: Kind, written: &str) -> Result<&'a Stored, Refusal> {
    let meant = all(picture, kind, written);
    only(picture, kind, written, &meant)
}

/// The library item that is meant where a usable one of a kind is wanted: one that is not, or is missing, does not get in
/// the way of one that is.
pub(crate) fn usable<'a>(
    picture: &'a Picture,
    wanted: ItemKind,
    written: &str,
) -> Result<&'a Stored, Refusal> {
    let meant = all(picture, Kind::Item, written);
    let good: Vec<&Stored> = meant
        .iter()
        .copied()
        .filter(|stored| match &stored.object {
            Object::Item(item) => {
                item.seen.kind == wanted && item.missing_since.is_none() && item.seen.problem.is_none()
            }
            _ => false,
        })
        .collect();
    // One alone that is not usable is told why by who would use it.
    let meant = if good.is_empty() { meant } else { good };
    only(picture, Kind::Item, written, &meant)
}

/// All things of a kind that may be meant.
fn all<'a>(picture: &'a Picture, kind: Kind, written: &str) -> Vec<&'a Stored> {
    if let Ok(id) = written.parse::<Uuid>()
        && let Some(stored) = Key::read(kind, &id.to_string()).and_then(|key| picture.get(key))
    {
        return vec![stored];
    }
    let mut meant = named(picture, kind, written);
    if meant.is_empty()
        && let Some((name, place)) = written.rsplit_once('@')
    {
        meant = named(picture, kind, name);
        meant.retain(|stored| {
            place_of(picture, &stored.object).is_some_and(|at| at.eq_ignore_ascii_case(place))
        });
    }
    // Only what can be digits of an id is worth a walk over all of them.
    if meant.is_empty() && could_be_digits(written) {
        meant = picture.of_kind(kind).filter(|stored| is_meant(written, stored.object.key())).collect();
    }
    meant
}

fn only<'a>(
    picture: &Picture,
    kind: Kind,
    written: &str,
    meant: &[&'a Stored],
) -> Result<&'a Stored, Refusal> {
    match meant {
        [] => Err(Refusal::not_found(format!("{} \"{}\"", noun(kind), shown(written)))),
        [one] => Ok(one),
        several => {
            let mut listed: Vec<String> = several.iter().take(LISTED).map(|s| full(picture, s)).collect();
            if several.len() > LISTED {
                listed.push("…".to_owned());
            }
            let cause = format!("it means more than one: {}", listed.join(", "));
            Err(Refusal::new(Code::NameAmbiguous, format!("{} \"{}\"", noun(kind), shown(written)), cause)
                .remedy("Write one of these, or its id"))
        }
    }
}

/// The number of a job as it is written.
pub(crate) fn job(written: &str) -> Result<JobId, Refusal> {
    let digits = !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit());
    let id = if digits { written.parse().ok() } else { None };
    id.ok_or_else(|| Refusal::not_found(format!("job \"{}\"", shown(written))))
}

/// Puts ids in the place of what is written in a body, at these places, so that it can be read as its type. What is
/// absent, or no text, is left to the reading.
pub(crate) fn resolve(picture: &Picture, body: &mut Value, places: &[(&str, Kind)]) -> Result<(), Refusal> {
    for (place, kind) in places {
        if let Some(Value::String(written)) = body.pointer_mut(place) {
            *written = find(picture, *kind, written)?.object.key().id();
        }
    }
    Ok(())
}

/// As [`resolve`], for one place that names a disk of the library.
pub(crate) fn resolve_disk(picture: &Picture, body: &mut Value, place: &str) -> Result<(), Refusal> {
    if let Some(Value::String(written)) = body.pointer_mut(place) {
        *written = usable(picture, ItemKind::Disk, written)?.object.key().id();
    }
    Ok(())
}

/// What people call a thing in sentences.
pub(crate) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Share => "library share",
        Kind::Item => "library item",
        Kind::HostGroup => "host group",
        Kind::Settings => "settings",
        Kind::Vm
        | Kind::Host
        | Kind::Agent
        | Kind::Enrolment
        | Kind::Template
        | Kind::User
        | Kind::Credential
        | Kind::Token
        | Kind::View
        | Kind::Job => kind.word(),
    }
}

/// What people call this thing.
pub(crate) fn called(picture: &Picture, key: Key) -> Option<String> {
    name_in(picture, key).map(Cow::into_owned)
}

/// The same, not copied where it stands in the picture as it is.
pub(crate) fn name_in(picture: &Picture, key: Key) -> Option<Cow<'_, str>> {
    match key {
        // Names repeat in other groups: the path says which.
        Key::HostGroup(group) => picture.group_path(group).map(Cow::Owned),
        _ => name_of(&picture.get(key)?.object),
    }
}

/// What is called so. A library item is also called by its path in its share, a group of hosts by its path in the tree.
fn named<'a>(picture: &'a Picture, kind: Kind, written: &str) -> Vec<&'a Stored> {
    if let (Kind::HostGroup, Some((_, last))) = (kind, written.rsplit_once('/')) {
        let mut named = named(picture, kind, last);
        let parts = |path: &str| -> Vec<String> {
            let parts = path.strip_prefix('/').unwrap_or(path).split('/');
            parts.map(|part| Name::new(part).map(|name| name.folded()).unwrap_or_default()).collect()
        };
        let meant = parts(written);
        named.retain(|stored| called(picture, stored.object.key()).is_some_and(|path| parts(&path) == meant));
        return named;
    }
    let named: Vec<&Stored> =
        Name::new(written).map(|name| picture.named(kind, &name.folded())).unwrap_or_default();
    // A path has an ending or a folder: only what can be one is worth a walk over all of them.
    if !named.is_empty() || kind != Kind::Item || !written.contains(['.', '/']) {
        return named;
    }
    let is_there =
        |stored: &&Stored| matches!(&stored.object, Object::Item(item) if item.seen.path == written);
    picture.of_kind(kind).filter(is_there).collect()
}

/// What the ids are called that stand as values of a property, and the object itself.
pub(crate) fn ids_in(picture: &Picture, of: Key, values: [&Value; 2]) -> BTreeMap<String, String> {
    let kinds = [
        Kind::Vm,
        Kind::Host,
        Kind::HostGroup,
        Kind::Agent,
        Kind::Share,
        Kind::Item,
        Kind::Template,
        Kind::User,
    ];
    let ids = values.into_iter().filter_map(Value::as_str).filter(|text| text.parse::<Uuid>().is_ok());
    let in_values = ids.filter_map(|id| {
        let called = kinds.iter().find_map(|kind| called(picture, Key::read(*kind, id)?))?;
        Some((id.to_owned(), called))
    });
    in_values.chain(called(picture, of).map(|name| (of.id(), name))).collect()
}

fn could_be_digits(written: &str) -> bool {
    let digits = written.bytes().filter(|b| *b != b'-').count();
    (6..=32).contains(&digits) && written.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn is_meant(written: &str, key: Key) -> bool {
    key.id().parse().is_ok_and(|id| means(written, id))
}

fn full(picture: &Picture, stored: &Stored) -> String {
    let name = match &stored.object {
        Object::Item(item) => Some(item.seen.path.as_str().into()),
        Object::HostGroup(group) => return picture.group_path(group.id).unwrap_or_default(),
        other => name_of(other),
    };
    match (name, place_of(picture, &stored.object)) {
        (Some(name), Some(place)) => format!("{name}@{place}"),
        (Some(name), None) => format!("{name} ({})", stored.object.key().id()),
        (None, _) => stored.object.key().id(),
    }
}

fn name_of(object: &Object) -> Option<Cow<'_, str>> {
    Some(match object {
        Object::Vm(vm) => vm.spec.name.as_str().into(),
        Object::Host(host) => host.name.as_str().into(),
        Object::HostGroup(group) => group.name.as_str().into(),
        Object::Agent(agent) => agent.name.as_str().into(),
        Object::Share(share) => share.name.as_str().into(),
        Object::Item(item) => item.name.as_str().into(),
        Object::Template(template) => template.spec.name.as_str().into(),
        Object::User(user) => user.name.as_str().into(),
        Object::Token(token) => token.name.as_str().into(),
        Object::View(view) => view.called().into(),
        Object::Enrolment(_) | Object::Credential(_) | Object::Job(_) | Object::Settings(_) => return None,
    })
}

/// What tells things of one name apart: a machine's host, an item's share, a token's user.
fn place_of(picture: &Picture, object: &Object) -> Option<String> {
    let place = match object {
        Object::Vm(vm) => Key::Host(vm.host?),
        Object::Item(item) => Key::Share(item.share),
        Object::Token(token) => Key::User(token.user),
        _ => return None,
    };
    called(picture, place)
}
