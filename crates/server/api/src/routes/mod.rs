//! The tree of URLs: a path tells the file. Each file adds its routes, each with the right that it needs.

mod agents;
mod console;
mod enrolments;
mod feed;
mod host_groups;
mod host_keys;
mod hosts;
mod jobs;
mod library_items;
mod library_shares;
mod me_views;
mod networks;
mod ratings;
mod refreshers;
mod server;
mod session;
mod templates;
mod tokens;
mod uploads;
mod users;
mod vm_actions;
mod vms;
mod vms_bulk;
mod windows;

use std::sync::Arc;

use hostler_model::Refusal;
use hostler_server::Picture;

use crate::app::App;
use crate::extract::Asking;
use crate::listed::Listed;
use crate::names;
use crate::problem::Problem;
use crate::rights::Routes;

/// All routes.
pub(crate) fn all() -> Routes {
    Routes::new()
        .with(server::outside)
        .below("/api/v1")
        .with(server::routes)
        .with(session::routes)
        .with(tokens::routes)
        .with(me_views::routes)
        .with(users::routes)
        .with(vms::routes)
        .with(vms_bulk::routes)
        .with(hosts::routes)
        .with(host_keys::routes)
        .with(host_groups::routes)
        .with(library_shares::routes)
        .with(library_items::routes)
        .with(uploads::routes)
        .with(templates::routes)
        .with(jobs::routes)
        .with(ratings::routes)
        .with(refreshers::routes)
        .with(networks::routes)
        .with(agents::routes)
        .with(enrolments::routes)
        .with(feed::routes)
        .with(windows::routes)
        .with(console::routes)
        .with(vm_actions::routes)
}

/// The thing of a kind that is meant by what is written in a path, with its revision.
fn one<'a, T: Listed>(picture: &'a Picture, written: &str) -> Result<(u64, &'a T), Refusal> {
    let stored = names::find(picture, T::KIND, written)?;
    let thing = T::of(&stored.object).ok_or_else(|| Refusal::not_found(names::noun(T::KIND)))?;
    Ok((stored.revision.0, thing))
}

/// The thing that a change is asked of, when it is the version that its caller has seen.
fn asked_of<T: Listed, Q>(app: &App, asking: &mut Asking<Q>, written: &str) -> Result<Arc<T>, Problem> {
    let picture = app.picture();
    let stored = names::find(&picture, T::KIND, written)?;
    asking.of(&picture, stored)?;
    let thing = T::of(&stored.object).ok_or_else(|| Refusal::not_found(names::noun(T::KIND)))?;
    Ok(thing.clone())
}
