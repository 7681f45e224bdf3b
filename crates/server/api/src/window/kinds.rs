//! What a window of each kind shows, and what makes it look otherwise.

use std::future::{Future, ready};
use std::sync::Arc;

use hostler_model::access::{Token, User};
use hostler_model::agent::{Agent, Enrolment};
use hostler_model::host::Host;
use hostler_model::host_group::HostGroup;
use hostler_model::library::{Item, Share};
use hostler_model::template::Template;
use hostler_model::view::{
    AgentView, EnrolmentView, HostGroupView, HostView, ItemView, ShareView, TemplateView, TokenView,
    UserView, VmView,
};
use hostler_model::vm::Vm;
use hostler_model::{Key, Kind, Refusal};
use hostler_server::{Differences, Picture};
use serde::Serialize;

use super::Beyond;
use super::pass::Asked;
use crate::access::Caller;
use crate::app::App;
use crate::listed::Listed;
use crate::names::called;
use crate::rollup::roll_ups;
use crate::views;

/// A kind of thing that windows show.
pub(crate) trait Windowed: Listed + Send + Sync {
    /// How one is shown.
    type View: Serialize;
    /// The field by which they are counted.
    const COUNTED: Option<&'static str>;
    /// The kinds of objects that what is shown, filtered and sorted by is taken from.
    const TAKEN_FROM: &'static [Kind];
    /// Whether it shows figures whose change nothing announces.
    const HAS_FIGURES: bool = false;
    /// Whether a row may look otherwise although nothing of the record has changed.
    const ROWS_MOVE: bool = Self::HAS_FIGURES;
    /// Whether windows with one filter and one sorting see the same: not where each knows more than the picture.
    const SHARED: bool = true;

    /// As it is shown.
    fn view(app: &App, picture: &Arc<Picture>, revision: u64, thing: &Self) -> Self::View;

    /// What of the view is worth telling again when it changes; none for all of it.
    fn lasting(_: &Self::View) -> Option<Self::View> {
        None
    }

    /// Whether this caller may see it.
    fn is_shown_to(&self, _: &Caller) -> bool {
        true
    }

    /// What tells callers apart who do not see the same.
    fn sees(caller: &Caller) -> String {
        format!("{:?}", caller.user.role)
    }

    /// Which of them may look, sort or be counted otherwise than in an earlier picture, given what differs.
    fn touched(before: &Picture, now: &Picture, differs: Differences) -> Touched {
        let _ = (before, now);
        let others = |key: &Key| key.kind() != Self::KIND && Self::TAKEN_FROM.contains(&key.kind());
        if differs.objects.iter().any(others) {
            return Touched::All;
        }
        Touched::These(differs.objects.into_iter().filter(|key| key.kind() == Self::KIND).collect())
    }

    /// Whether what is in no commit makes something look otherwise.
    fn looks_otherwise(_: &Picture, _: &Picture) -> bool {
        false
    }

    /// What windows show besides what is in the picture.
    fn beyond(_: &App, _: &Asked<Self>) -> impl Future<Output = Result<Beyond<Self>, Refusal>> + Send {
        ready(Ok(Beyond::new()))
    }

    /// Whether a changed object of this kind is beyond the picture from now on.
    fn is_beyond(&self) -> bool {
        false
    }
}

/// What is to be looked at anew.
pub(crate) enum Touched {
    /// Everything.
    All,
    /// These.
    These(Vec<Key>),
}

/// Whether another set of agents answers.
fn others_answer(before: &Picture, now: &Picture) -> bool {
    !before.volatile.answering.ptr_eq(&now.volatile.answering)
}

impl Windowed for Vm {
    type View = VmView;
    const COUNTED: Option<&'static str> = Some("status");
    const TAKEN_FROM: &'static [Kind] =
        &[Kind::Vm, Kind::Host, Kind::HostGroup, Kind::Job, Kind::User, Kind::Template];

    fn view(_: &App, picture: &Arc<Picture>, revision: u64, vm: &Self) -> VmView {
        views::vm(picture, revision, vm)
    }

    fn touched(before: &Picture, now: &Picture, differs: Differences) -> Touched {
        // What is shown of its host, its owner and its template.
        let spreads = |key: &Key| match key {
            Key::Host(host) => {
                let shown = |picture: &Picture| {
                    let host = picture.host(*host)?;
                    Some((host.name.clone(), host.group, picture.host_status(host)))
                };
                shown(before) != shown(now)
            }
            Key::User(_) | Key::Template(_) | Key::HostGroup(_) => called(before, *key) != called(now, *key),
            _ => false,
        };
        if !differs.answering.is_empty() || differs.objects.iter().any(spreads) {
            return Touched::All;
        }
        let own = differs.objects.into_iter().filter(|key| key.kind() == Kind::Vm);
        Touched::These(own.chain(differs.under.into_iter().map(Key::Vm)).collect())
    }

    fn looks_otherwise(before: &Picture, now: &Picture) -> bool {
        others_answer(before, now)
    }
}

impl Windowed for Host {
    type View = HostView;
    const COUNTED: Option<&'static str> = Some("answers");
    // What a host has given is counted over machines and what jobs reserve.
    const TAKEN_FROM: &'static [Kind] = &[Kind::Host, Kind::HostGroup, Kind::Vm, Kind::Job];
    const HAS_FIGURES: bool = true;

    fn view(app: &App, picture: &Arc<Picture>, revision: u64, host: &Self) -> HostView {
        views::host(app.handle(), picture, revision, host)
    }

    fn touched(_: &Picture, _: &Picture, differs: Differences) -> Touched {
        // A group names and sets something for all hosts below it.
        if differs.objects.iter().any(|key| key.kind() == Kind::HostGroup) {
            return Touched::All;
        }
        let own = differs.objects.into_iter().filter(|key| key.kind() == Kind::Host);
        let answering = differs.answering.into_iter().map(|agent| Key::Host(agent.into()));
        Touched::These(own.chain(answering).chain(differs.usage.into_iter().map(Key::Host)).collect())
    }

    fn looks_otherwise(before: &Picture, now: &Picture) -> bool {
        others_answer(before, now)
    }
}

impl Windowed for HostGroup {
    type View = HostGroupView;
    const COUNTED: Option<&'static str> = None;
    // What is rolled up is counted over hosts, machines and what jobs make of their statuses.
    const TAKEN_FROM: &'static [Kind] = &[Kind::HostGroup, Kind::Host, Kind::Vm, Kind::Job];
    const HAS_FIGURES: bool = true;

    fn view(app: &App, picture: &Arc<Picture>, revision: u64, group: &Self) -> HostGroupView {
        roll_ups(app, picture).view(picture, revision, group)
    }

    fn touched(before: &Picture, now: &Picture, differs: Differences) -> Touched {
        // Where a group stands is part of the path of all below it.
        let moves = |key: &&Key| key.kind() == Kind::HostGroup && called(before, **key) != called(now, **key);
        if differs.objects.iter().find(moves).is_some() {
            return Touched::All;
        }
        Touched::These(differs.objects.into_iter().filter(|key| key.kind() == Kind::HostGroup).collect())
    }

    fn looks_otherwise(before: &Picture, now: &Picture) -> bool {
        others_answer(before, now)
    }
}

impl Windowed for Agent {
    type View = AgentView;
    const COUNTED: Option<&'static str> = Some("answers");
    const TAKEN_FROM: &'static [Kind] = &[Kind::Agent];

    fn view(app: &App, picture: &Arc<Picture>, revision: u64, agent: &Self) -> AgentView {
        views::agent(app.handle(), picture, revision, agent)
    }

    fn touched(_: &Picture, _: &Picture, differs: Differences) -> Touched {
        let own = differs.objects.into_iter().filter(|key| key.kind() == Kind::Agent);
        Touched::These(own.chain(differs.answering.into_iter().map(Key::Agent)).collect())
    }

    // Every heartbeat is a contact.
    fn lasting(view: &AgentView) -> Option<AgentView> {
        Some(AgentView { last_contact: None, ..view.clone() })
    }

    fn looks_otherwise(before: &Picture, now: &Picture) -> bool {
        others_answer(before, now)
    }
}

macro_rules! plain {
    ($($body:ident => $view:ident by $make:ident, counted $counted:expr, from $($from:ident),+;)*) => { $(
        impl Windowed for $body {
            type View = $view;
            const COUNTED: Option<&'static str> = $counted;
            const TAKEN_FROM: &'static [Kind] = &[$(Kind::$from),+];

            fn view(_: &App, _: &Arc<Picture>, revision: u64, thing: &Self) -> $view {
                views::$make(revision, thing)
            }

            fn is_shown_to(&self, caller: &Caller) -> bool {
                plain!(@shown $body, self, caller)
            }

            fn sees(caller: &Caller) -> String {
                plain!(@sees $body, caller)
            }
        }
    )* };
    // One's own, as in the list; those of others are listed by user.
    (@shown Token, $token:ident, $caller:ident) => { $token.user == $caller.user.id };
    (@sees Token, $caller:ident) => { $caller.user.id.to_string() };
    (@sees $body:ident, $caller:ident) => { format!("{:?}", $caller.user.role) };
    (@shown $body:ident, $thing:ident, $caller:ident) => { $caller.may_see(Key::$body($thing.id), None) };
}

plain! {
    Share => ShareView by share, counted None, from Share, Agent;
    Item => ItemView by item, counted Some("kind"), from Item, Share;
    Template => TemplateView by template, counted None, from Template, Item;
    User => UserView by user, counted Some("role"), from User;
    Token => TokenView by token, counted None, from Token, User;
    Enrolment => EnrolmentView by enrolment, counted None, from Enrolment;
}
