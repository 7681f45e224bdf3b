//! What a person writes for a thing: a full id, a name, `name@host` where names collide, or the last six or more digits
//! of an id. In paths, in queries and in bodies.

use hostler_model::ids::means;
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
    let not_found = || Refusal::not_found(format!("{} \"{}\"", noun(kind), shown(written)));
    if let Ok(id) = written.parse::<Uuid>()
        && let Some(stored) = Key::read(kind, &id.to_string()).and_then(|key| picture.get(key))
    {
        return Ok(stored);
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
    match meant.as_slice() {
        [] => Err(not_found()),
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

/// What people call a thing in sentences.
pub(crate) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Share => "library share",
        Kind::Item => "library item",
        Kind::Settings => "settings",
        Kind::Vm
        | Kind::Host
        | Kind::Agent
        | Kind::Enrolment
        | Kind::Template
        | Kind::User
        | Kind::Credential
        | Kind::Token
        | Kind::Job => kind.word(),
    }
}

/// What people call this thing.
pub(crate) fn called(picture: &Picture, key: Key) -> Option<String> {
    name_of(&picture.get(key)?.object)
}

fn named<'a>(picture: &'a Picture, kind: Kind, written: &str) -> Vec<&'a Stored> {
    Name::new(written).map(|name| picture.named(kind, &name.folded())).unwrap_or_default()
}

fn could_be_digits(written: &str) -> bool {
    let digits = written.bytes().filter(|b| *b != b'-').count();
    (6..=32).contains(&digits) && written.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn is_meant(written: &str, key: Key) -> bool {
    key.id().parse().is_ok_and(|id| means(written, id))
}

fn full(picture: &Picture, stored: &Stored) -> String {
    match (name_of(&stored.object), place_of(picture, &stored.object)) {
        (Some(name), Some(place)) => format!("{name}@{place}"),
        (Some(name), None) => format!("{name} ({})", stored.object.key().id()),
        (None, _) => stored.object.key().id(),
    }
}

fn name_of(object: &Object) -> Option<String> {
    Some(match object {
        Object::Vm(vm) => vm.spec.name.to_string(),
        Object::Host(host) => host.name.to_string(),
        Object::Agent(agent) => agent.name.to_string(),
        Object::Share(share) => share.name.to_string(),
        Object::Item(item) => item.name.to_string(),
        Object::Template(template) => template.spec.name.to_string(),
        Object::User(user) => user.name.to_string(),
        Object::Token(token) => token.name.to_string(),
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
