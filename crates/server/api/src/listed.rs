//! The kinds of things that lists show, and the fields by which each is filtered and sorted: one table per kind, from
//! which the OpenAPI document takes its words.

use std::borrow::Cow;
use std::sync::Arc;

use hostler_model::access::{Token, User};
use hostler_model::agent::{Agent, Enrolment};
use hostler_model::host::Host;
use hostler_model::host_group::HostGroup;
use hostler_model::library::{Item, Share};
use hostler_model::saved_view::SavedView;
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::template::Template;
use hostler_model::vm::Vm;
use hostler_model::{HostGroupId, Key, Kind, Object, Timestamp};
use hostler_server::Picture;
use serde::{Deserialize, Serialize};

use crate::names::name_in;
use crate::views;

/// What a field of a line holds. In the order of sorting. A list looks at each of many thousands of things: what is in
/// small letters already is not copied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cell<'a> {
    /// Nothing.
    None,
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A text, in small letters.
    Text(Cow<'a, str>),
    /// Several.
    Many(Vec<Cell<'a>>),
}

impl<'a> Cell<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        let is_small = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        Cell::Text(if is_small { text } else { Cow::Owned(text.to_lowercase()) })
    }

    pub(crate) fn some(text: Option<impl Into<Cow<'a, str>>>) -> Self {
        text.map_or(Cell::None, Cell::text)
    }

    /// The same, holding on to nothing.
    pub(crate) fn owned(self) -> Cell<'static> {
        match self {
            Cell::None => Cell::None,
            Cell::Flag(flag) => Cell::Flag(flag),
            Cell::Number(number) => Cell::Number(number),
            Cell::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Cell::Many(cells) => Cell::Many(cells.into_iter().map(Cell::owned).collect()),
        }
    }

    pub(crate) fn number(number: impl TryInto<i64>) -> Self {
        Cell::Number(number.try_into().unwrap_or(i64::MAX))
    }

    pub(crate) fn time(at: Timestamp) -> Self {
        Cell::text(at.to_string())
    }

    fn word(value: &impl Serialize) -> Self {
        Cell::some(serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)))
    }
}

/// What kind of value a field has.
#[derive(Clone, Copy)]
pub(crate) enum Is {
    /// A text.
    Text,
    /// Several texts.
    Texts,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// An instant, RFC 3339 in UTC; `created>=2026-11-21` is good.
    Time,
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
}

/// A field to filter and sort by.
pub(crate) struct Field<T> {
    /// Its name.
    pub(crate) name: &'static str,
    /// What kind of value it has.
    pub(crate) is: Is,
    /// Its value.
    pub(crate) get: for<'a> fn(&'a Picture, &'a T) -> Cell<'a>,
}

/// A kind of thing that lists show.
pub(crate) trait Listed: Sized + 'static {
    /// Its kind.
    const KIND: Kind;
    /// Its fields; by the first one a list is sorted where nothing is said.
    const FIELDS: &'static [Field<Self>];
    /// Whether it is sorted the other way round where nothing is said.
    const NEWEST_FIRST: bool = false;
    /// The thing in an object of its kind.
    fn of(object: &Object) -> Option<&Arc<Self>>;
    /// Its id.
    fn id_text(&self) -> String;

    /// All of them, in no order that matters.
    fn all(picture: &Picture) -> impl Iterator<Item = (Key, &Self)> + '_ {
        picture
            .of_kind(Self::KIND)
            .filter_map(|stored| Some((stored.object.key(), &**Self::of(&stored.object)?)))
    }
}

macro_rules! listed {
    ($($body:ident, $kind:ident { $($name:literal: $is:expr, $get:expr;)* })*) => { $(
        impl Listed for $body {
            const KIND: Kind = Kind::$kind;
            const FIELDS: &'static [Field<Self>] = &[
                $(Field { name: $name, is: $is, get: $get },)*
                Field { name: "id", is: Is::Text, get: |_, thing| Cell::text(thing.id.to_string()) },
            ];
            fn of(object: &Object) -> Option<&Arc<Self>> {
                match object {
                    Object::$kind(body) => Some(body),
                    _ => None,
                }
            }
            fn id_text(&self) -> String {
                self.id.to_string()
            }
        }
    )* };
}

listed! {
    Vm, Vm {
        "name": Is::Text, |_, vm| Cell::text(vm.spec.name.as_str());
        "status": Is::Word(|| VmStatus::ALL.iter().map(|s| s.word()).collect()), |p, vm| Cell::text(p.status(vm).word());
        "host": Is::Text, |p, vm| name(p, vm.host.map(Key::Host));
        "host_group": Is::Text, |p, vm| Cell::some(views::group_of(p, vm));
        "under_host_group": Is::Texts, |p, vm| vm.host.and_then(|h| p.host(h)).map_or(Cell::None, |h| under(p, h.group));
        "owner": Is::Text, |p, vm| name(p, vm.spec.owner.map(Key::User));
        "template": Is::Text, |p, vm| name(p, vm.spec.template.map(Key::Template));
        "tags": Is::Texts, |_, vm| Cell::Many(vm.spec.tags.iter().map(|tag| Cell::text(tag.as_str())).collect());
        "notes": Is::Text, |_, vm| Cell::text(vm.spec.notes.as_str());
        "mac": Is::Texts, |_, vm| Cell::Many(macs(vm).collect());
        "text": Is::Texts, |_, vm| texts_of_vm(vm);
        "cpus": Is::Number, |_, vm| Cell::number(vm.spec.hardware.cpus);
        "memory_mib": Is::Number, |_, vm| Cell::number(vm.spec.hardware.memory_mib);
        "origin": Is::Word(|| vec!["created", "found", "adopted"]), |_, vm| Cell::word(&vm.origin);
        "created": Is::Time, |_, vm| Cell::time(vm.created);
    }
    Host, Host {
        "name": Is::Text, |_, host| Cell::text(host.name.as_str());
        "status": Is::Word(|| HostStatus::ALL.iter().map(|s| s.word()).collect()), |p, host| Cell::text(p.host_status(host).word());
        "host_group": Is::Text, |p, host| Cell::some(p.group_path(host.group));
        "under_host_group": Is::Texts, |p, host| under(p, host.group);
        "answers": Is::Flag, |p, host| Cell::Flag(p.answers(host.id.into()));
        "available": Is::Flag, |_, host| Cell::Flag(host.spec.available);
        "maintenance": Is::Flag, |_, host| Cell::Flag(host.spec.maintenance);
        "text": Is::Texts, |_, host| texts([host.name.as_str().into(), host.id.to_string().into()]);
        "machines": Is::Number, |p, host| Cell::number(p.usage(host.id).machines);
        "cpus": Is::Number, |_, host| Cell::number(host.facts.cpus);
        "memory_mib": Is::Number, |_, host| Cell::number(host.facts.memory_mib);
        "created": Is::Time, |_, host| Cell::time(host.created);
    }
    HostGroup, HostGroup {
        "path": Is::Text, |p, group| Cell::some(p.group_path(group.id));
        "name": Is::Text, |_, group| Cell::text(group.name.as_str());
        "parent": Is::Text, |p, group| Cell::some(group.parent.and_then(|parent| p.group_path(parent)));
        "under_host_group": Is::Texts, |p, group| under(p, group.id);
        "notes": Is::Text, |_, group| Cell::text(group.notes.as_str());
        "text": Is::Texts, |_, group| texts([group.name.as_str().into(), group.id.to_string().into()]);
        "created": Is::Time, |_, group| Cell::time(group.created);
    }
    Agent, Agent {
        "name": Is::Text, |_, agent| Cell::text(agent.name.as_str());
        "answers": Is::Flag, |p, agent| Cell::Flag(p.answers(agent.id));
        "version": Is::Text, |_, agent| Cell::text(agent.version.as_str());
        "host": Is::Flag, |_, agent| Cell::Flag(agent.roles.host);
        "library": Is::Flag, |_, agent| Cell::Flag(agent.roles.library);
        "enrolled": Is::Time, |_, agent| Cell::time(agent.enrolled);
    }
    Enrolment, Enrolment {
        "created": Is::Time, |_, enrolment| Cell::time(enrolment.created);
        "expires": Is::Time, |_, enrolment| Cell::time(enrolment.expires);
        "host_name": Is::Text, |_, enrolment| Cell::some(enrolment.host_name.as_deref());
        "used": Is::Flag, |_, enrolment| Cell::Flag(enrolment.used_by.is_some());
    }
    Share, Share {
        "name": Is::Text, |_, share| Cell::text(share.name.as_str());
        "agent": Is::Text, |p, share| name(p, Some(Key::Agent(share.agent)));
        "folder": Is::Text, |_, share| Cell::text(share.folder.as_str());
        "created": Is::Time, |_, share| Cell::time(share.created);
    }
    Item, Item {
        "name": Is::Text, |_, item| Cell::text(item.name.as_str());
        "share": Is::Text, |p, item| name(p, Some(Key::Share(item.share)));
        "kind": Is::Word(|| vec!["disk", "iso", "floppy", "script", "answer-file", "other"]), |_, item| Cell::word(&item.seen.kind);
        "path": Is::Text, |_, item| Cell::text(item.seen.path.as_str());
        "text": Is::Texts, |_, item| texts([item.name.as_str().into(), item.seen.path.as_str().into(), item.id.to_string().into()]);
        "size_bytes": Is::Number, |_, item| Cell::number(item.seen.size_bytes);
        "missing": Is::Flag, |_, item| Cell::Flag(item.missing_since.is_some());
        "usable": Is::Flag, |_, item| Cell::Flag(item.missing_since.is_none() && item.seen.problem.is_none());
        "created": Is::Time, |_, item| Cell::time(item.created);
    }
    Template, Template {
        "name": Is::Text, |_, template| Cell::text(template.spec.name.as_str());
        "text": Is::Texts, |_, template| texts([template.spec.name.as_str().into(), template.id.to_string().into()]);
        "disk": Is::Text, |p, template| name(p, Some(Key::Item(template.spec.disk)));
        "cpus": Is::Number, |_, template| Cell::number(template.spec.cpus);
        "memory_mib": Is::Number, |_, template| Cell::number(template.spec.memory_mib);
        "created": Is::Time, |_, template| Cell::time(template.created);
    }
    User, User {
        "name": Is::Text, |_, user| Cell::text(user.name.as_str());
        "role": Is::Word(|| vec!["administrator", "read-only"]), |_, user| Cell::word(&user.role);
        "disabled": Is::Flag, |_, user| Cell::Flag(user.disabled);
        "created": Is::Time, |_, user| Cell::time(user.created);
    }
    Token, Token {
        "name": Is::Text, |_, token| Cell::text(token.name.as_str());
        "user": Is::Text, |p, token| name(p, Some(Key::User(token.user)));
        "session": Is::Flag, |_, token| Cell::Flag(token.session);
        "expires": Is::Time, |_, token| token.expires.map_or(Cell::None, Cell::time);
        "created": Is::Time, |_, token| Cell::time(token.created);
    }
    SavedView, View {
        "name": Is::Text, |_, view| Cell::text(view.name.as_str());
        "page": Is::Text, |_, view| Cell::text(view.page.as_str());
        "created": Is::Time, |_, view| Cell::time(view.created);
    }
}

/// The name of a thing that another one speaks of.
fn name(picture: &Picture, key: Option<Key>) -> Cell<'_> {
    Cell::some(key.and_then(|key| name_in(picture, key)))
}

/// All by which somebody may look for a thing who remembers one of them: the field `text`.
fn texts<const N: usize>(texts: [Cow<'_, str>; N]) -> Cell<'_> {
    Cell::Many(texts.into_iter().map(Cell::text).collect())
}

fn texts_of_vm(vm: &Vm) -> Cell<'_> {
    let said = [vm.spec.name.as_str().into(), vm.id.to_string().into(), Cow::from(&vm.spec.notes)];
    let tags = vm.spec.tags.iter().map(|tag| Cell::text(tag.as_str()));
    Cell::Many(said.into_iter().map(Cell::text).chain(tags).chain(macs(vm)).collect())
}

fn macs(vm: &Vm) -> impl Iterator<Item = Cell<'_>> {
    vm.spec.hardware.adapters.iter().map(|adapter| Cell::text(adapter.mac.to_string()))
}

/// A group and all above it, each as its path and its id: what is under one of them is found by that one.
fn under(picture: &Picture, group: HostGroupId) -> Cell<'_> {
    let line = picture.branch(group).map_or(std::slice::from_ref(&group), |branch| &branch.line);
    let both = |id: &HostGroupId| [picture.group_path(*id), Some(id.to_string())].map(Cell::some);
    Cell::Many(line.iter().flat_map(both).collect())
}

/// The names of the fields of a kind.
pub(crate) fn names_of<T: Listed>() -> Vec<&'static str> {
    T::FIELDS.iter().map(|field| field.name).collect()
}
