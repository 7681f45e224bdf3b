//! What never leaves: hashes of tokens and passwords. Wherever an object goes out, it goes through here.

use std::sync::Arc;

use hostler_model::access::Token;
use hostler_model::agent::Enrolment;
use hostler_model::job::{Job, Record, Undo};
use hostler_model::{Kind, Object};
use serde_json::Value;

/// Members of JSON whose values are blanked, where a body is not read as its type.
const HIDDEN: [&str; 2] = ["sha256", "hash"];

/// A token without its hash.
pub(crate) fn token(token: &Token) -> Token {
    Token { sha256: String::new(), ..token.clone() }
}

/// An enrolment token without its hash.
pub(crate) fn enrolment(enrolment: &Enrolment) -> Enrolment {
    Enrolment { sha256: String::new(), ..enrolment.clone() }
}

/// A job without hashes in what its plan chose and in what would take it back.
pub(crate) fn job(job: &Job) -> Job {
    let mut job = job.clone();
    // Of the key, what the caller sent.
    job.key = job.key.map(|kept| Job::key_and_digest(&kept).0.to_owned());
    for choice in Arc::make_mut(&mut job.choices).values_mut() {
        blank(choice);
    }
    for step in &mut job.steps {
        if let Undo::Record { records } = &mut step.undo {
            records.retain_mut(|record| match record {
                Record::Put { object } => match object {
                    Object::Token(known) => {
                        *object = Object::from(token(known));
                        true
                    }
                    Object::Enrolment(known) => {
                        *object = Object::from(enrolment(known));
                        true
                    }
                    Object::Credential(_) => false,
                    Object::Vm(_)
                    | Object::Host(_)
                    | Object::HostGroup(_)
                    | Object::Agent(_)
                    | Object::Share(_)
                    | Object::Item(_)
                    | Object::Template(_)
                    | Object::User(_)
                    | Object::View(_)
                    | Object::Job(_)
                    | Object::Settings(_) => true,
                },
                Record::Gone { .. } | Record::Withdraw { .. } | Record::Vm { .. } => true,
            });
        }
    }
    job
}

/// An object's body as the feed and history show it; none for what is a secret as a whole.
pub(crate) fn body(object: &Object) -> Option<Value> {
    let value = match object {
        Object::Credential(_) => return None,
        Object::Token(known) => serde_json::to_value(token(known)),
        Object::Enrolment(known) => serde_json::to_value(enrolment(known)),
        Object::Job(known) => serde_json::to_value(job(known)),
        Object::Vm(vm) => serde_json::to_value(&**vm),
        Object::Host(host) => serde_json::to_value(&**host),
        Object::HostGroup(group) => serde_json::to_value(&**group),
        Object::Agent(agent) => serde_json::to_value(&**agent),
        Object::Share(share) => serde_json::to_value(&**share),
        Object::Item(item) => serde_json::to_value(&**item),
        Object::Template(template) => serde_json::to_value(&**template),
        Object::User(user) => serde_json::to_value(&**user),
        Object::View(view) => serde_json::to_value(&**view),
        Object::Settings(settings) => serde_json::to_value(&**settings),
    };
    value.ok()
}

/// Blanks hashes in a value of a kind that holds some.
pub(crate) fn of_kind(kind: Kind, property: &str, value: &mut Value) {
    if !matches!(kind, Kind::Token | Kind::Enrolment | Kind::Credential) {
        return;
    }
    if HIDDEN.contains(&property) || kind == Kind::Credential {
        *value = Value::Null;
    }
    blank(value);
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in HIDDEN {
                members.remove(name);
            }
            members.values_mut().for_each(blank);
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
