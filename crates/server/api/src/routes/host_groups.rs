//! Groups of hosts.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::Right;
use hostler_model::body::{FeedEvent, MoveTo, NewHostGroup};
use hostler_model::host_group::{ALL_HOSTS, EditHostGroup, HostGroup};
use hostler_model::request::Request;
use hostler_model::view::{HostGroupView, Page};
use hostler_model::{HostGroupId, Key, Refusal};
use hostler_server::Picture;
use utoipa_axum::routes;

use super::{asked_of, one};
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::Body;
use crate::list::{ListQuery, page};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::rollup::roll_ups;
use crate::routes::vms::history::{HistoryQuery, history};
use crate::tagged::{Holds, tagged};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_host_groups))
        .add(Right::Change, routes!(create_host_group))
        .add(Right::See, routes!(get_host_group))
        .add(Right::Change, routes!(edit_host_group, delete_host_group))
        .add(Right::See, routes!(get_host_group_history))
        .add(Right::Change, routes!(move_host_group))
}

/// List groups of hosts, with the hosts and machines in and below each.
#[utoipa::path(
    get, path = "/host-groups", params(ListQuery), responses((status = 200, body = Page<HostGroupView>))
)]
async fn list_host_groups(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<HostGroupView>>, Problem> {
    let picture = app.picture();
    let sums = roll_ups(&app, &picture);
    Ok(Json(page(
        &picture,
        &query,
        |_: &HostGroup| true,
        |revision, group| sums.view(&picture, revision, group),
    )?))
}

/// Show a group of hosts, with the hosts and machines in and below it.
#[utoipa::path(get, path = "/host-groups/{group}", responses((status = 200, body = HostGroupView)))]
async fn get_host_group(
    State(app): State<App>,
    At(group): At<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let (revision, group) = one::<HostGroup>(&picture, &group)?;
    let view = roll_ups(&app, &picture).view(&picture, revision, group);
    tagged(&headers, picture.head, revision, Holds::Computed, &view)
}

/// Make a group of hosts.
#[utoipa::path(
    post, path = "/host-groups", params(ChangeQuery), request_body = NewHostGroup, responses(Changed)
)]
async fn create_host_group(State(app): State<App>, asking: Asking, body: Body) -> Result<Changed, Problem> {
    let NewHostGroup { name, parent, notes, reserve, unencrypted_transfers } = body.typed()?;
    let parent = parent.map_or(Ok(ALL_HOSTS), |written| meant(&app.picture(), &written))?;
    let parent = Some(parent);
    change(&app, asking, Request::CreateHostGroup { parent, name, notes, reserve, unencrypted_transfers })
        .await
}

/// Change name, notes and settings of a group of hosts; what is absent stays, and null is as in the group above.
#[utoipa::path(
    patch, path = "/host-groups/{group}", params(ChangeQuery), request_body = EditHostGroup, responses(Changed)
)]
async fn edit_host_group(
    State(app): State<App>,
    At(group): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let edit: EditHostGroup = body.typed()?;
    let group = asked_of::<HostGroup, _>(&app, &mut asking, &group)?.id;
    change(&app, asking, Request::EditHostGroup { group, edit }).await
}

/// Put a group of hosts, with all that is in it, into another one. A dry run says what would be in force otherwise.
#[utoipa::path(
    post, path = "/host-groups/{group}/move", params(ChangeQuery), request_body = MoveTo, responses(Changed)
)]
async fn move_host_group(
    State(app): State<App>,
    At(group): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let MoveTo { to } = body.typed()?;
    let group = asked_of::<HostGroup, _>(&app, &mut asking, &group)?.id;
    let to = meant(&app.picture(), &to)?;
    change(&app, asking, Request::MoveHostGroup { group, to }).await
}

/// Delete a group of hosts in which there are neither hosts nor groups.
#[utoipa::path(delete, path = "/host-groups/{group}", params(ChangeQuery), responses(Changed))]
async fn delete_host_group(
    State(app): State<App>,
    At(group): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let group = asked_of::<HostGroup, _>(&app, &mut asking, &group)?.id;
    change(&app, asking, Request::DeleteHostGroup { group }).await
}

/// The versions of a group of hosts, newest first.
#[utoipa::path(
    get, path = "/host-groups/{group}/history", params(HistoryQuery),
    responses((status = 200, body = Page<FeedEvent>))
)]
async fn get_host_group_history(
    State(app): State<App>,
    At(group): At<String>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<Page<FeedEvent>>, Problem> {
    let key = Key::HostGroup(meant(&app.picture(), &group)?);
    history(&app, key, query).await
}

/// The group that is meant by what is written.
pub(super) fn meant(picture: &Picture, written: &str) -> Result<HostGroupId, Refusal> {
    Ok(one::<HostGroup>(picture, written)?.1.id)
}
