//! Hosts.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::Right;
use hostler_model::body::{DeclareDead, FeedEvent, MoveTo};
use hostler_model::channel::Query;
use hostler_model::host::{EditHost, Host};
use hostler_model::host_hardware::FileSystem;
use hostler_model::performance::Performance;
use hostler_model::push::{AddHost, NewHost, SshTarget};
use hostler_model::request::{Request, Secret};
use hostler_model::view::{Accepted, HostView, Page};
use hostler_model::{HostId, Key};
use hostler_server::Ask;
use utoipa_axum::routes;

use super::{asked_of, host_groups, one};
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::Body;
use crate::list::{ListQuery, page};
use crate::performance::{PerformanceQuery, performance};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::routes::vms::history::{HistoryQuery, history};
use crate::tagged::{Holds, tagged};
use crate::told::told;
use crate::views;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_hosts))
        .add(Right::Administer, routes!(add_host))
        .add(Right::See, routes!(get_host))
        .add(Right::Change, routes!(edit_host))
        .add(Right::See, routes!(get_host_history))
        .add(Right::See, routes!(get_host_performance))
        .add(Right::Change, routes!(move_host))
        .add(Right::See, routes!(list_host_file_systems))
        .add(Right::Change, routes!(refresh_host))
        .add(Right::Change, routes!(restart_host))
        .add(Right::Change, routes!(shut_down_host))
        .add(Right::Administer, routes!(declare_host_dead))
}

/// List hosts.
#[utoipa::path(get, path = "/hosts", params(ListQuery), responses((status = 200, body = Page<HostView>)))]
async fn list_hosts(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<HostView>>, Problem> {
    let picture = app.picture();
    let view = |revision, host: &Host| views::host(app.handle(), &picture, revision, host);
    Ok(Json(page(&picture, &query, |_| true, view)?))
}

/// Add a host: the server signs in on the computer by SSH, installs the agent there, lets it enrol with a token of its own, and
/// starts it. The job is done when the agent has connected. Passwords and keys are kept in memory until then, and shown
/// nowhere.
#[utoipa::path(
    post, path = "/hosts", params(ChangeQuery), request_body = NewHost, responses(Changed)
)]
async fn add_host(State(app): State<App>, asking: Asking, body: Body) -> Result<Changed, Problem> {
    let NewHost { address, port, user, host_key, secrets, roles, name, group, server } = body.typed()?;
    let group = group.map(|written| host_groups::meant(&app.picture(), &written)).transpose()?;
    // Under which id they are kept is the server's business.
    let on = SshTarget { address, port, user, host_key, secrets: Default::default() };
    let sha256 = Secret::default();
    let request = Request::AddHost(Box::new(AddHost { on, sha256, roles, name, group, server }));
    if asking.dry_run {
        return change(&app, asking, request).await;
    }
    asking.if_match_was_met()?;
    let ask = Ask {
        actor: asking.caller.actor(),
        key: asking.key.clone(),
        wait: asking.wait,
        unchanged: None,
        again_of: None,
        request,
    };
    let job = app.handle().add_host(ask, secrets).await?;
    Ok(Changed::Accepted(Accepted { job, id: None }))
}

/// Show a host.
#[utoipa::path(get, path = "/hosts/{host}", responses((status = 200, body = HostView)))]
async fn get_host(
    State(app): State<App>,
    At(host): At<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let (revision, host) = one::<Host>(&picture, &host)?;
    let view = views::host(app.handle(), &picture, revision, host);
    tagged(&headers, picture.head, revision, Holds::Computed, &view)
}

/// The versions of a host, newest first.
#[utoipa::path(
    get, path = "/hosts/{host}/history", params(HistoryQuery),
    responses((status = 200, body = Page<FeedEvent>))
)]
async fn get_host_history(
    State(app): State<App>,
    At(host): At<String>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<Page<FeedEvent>>, Problem> {
    let key = Key::Host(meant(&app, &host)?);
    history(&app, key, query).await
}

/// How a host was loaded over the last day, as its agent remembers it.
#[utoipa::path(
    get, path = "/hosts/{host}/performance", params(PerformanceQuery),
    responses((status = 200, body = Performance))
)]
async fn get_host_performance(
    State(app): State<App>,
    At(host): At<String>,
    Params(query): Params<PerformanceQuery>,
) -> Result<Json<Performance>, Problem> {
    let host = meant(&app, &host)?;
    Ok(Json(performance(&app, host.into(), None, query).await?))
}

/// The file systems of a host, and how much is free on them now: the host itself is asked.
#[utoipa::path(get, path = "/hosts/{host}/file-systems", responses((status = 200, body = Vec<FileSystem>)))]
async fn list_host_file_systems(
    State(app): State<App>,
    At(host): At<String>,
) -> Result<Json<Vec<FileSystem>>, Problem> {
    let host = meant(&app, &host)?;
    Ok(Json(told(&app, host.into(), Query::FileSystems).await?))
}

/// Set availability, reserve and notes of a host; what is absent stays, and null is as in its group.
#[utoipa::path(patch, path = "/hosts/{host}", params(ChangeQuery), request_body = EditHost, responses(Changed))]
async fn edit_host(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let edit: EditHost = body.typed()?;
    let host = asked_of::<Host, _>(&app, &mut asking, &host)?.id;
    change(&app, asking, Request::EditHost { host, edit }).await
}

/// Put a host into another group. A dry run says what would be in force otherwise.
#[utoipa::path(
    post, path = "/hosts/{host}/move", params(ChangeQuery), request_body = MoveTo, responses(Changed)
)]
async fn move_host(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let MoveTo { to } = body.typed()?;
    let host = asked_of::<Host, _>(&app, &mut asking, &host)?.id;
    let to = host_groups::meant(&app.picture(), &to)?;
    change(&app, asking, Request::MoveHost { host, to }).await
}

/// Read a host anew.
#[utoipa::path(post, path = "/hosts/{host}/refresh", params(ChangeQuery), responses(Changed))]
async fn refresh_host(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let host = asked_of::<Host, _>(&app, &mut asking, &host)?.id;
    change(&app, asking, Request::RefreshHost { host }).await
}

/// Stop a host's machines as each says, restart it, and start again what was stopped.
#[utoipa::path(post, path = "/hosts/{host}/restart", params(ChangeQuery), responses(Changed))]
async fn restart_host(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let host = asked_of::<Host, _>(&app, &mut asking, &host)?.id;
    change(&app, asking, Request::RestartHost { host }).await
}

/// Stop a host's machines as each says, and shut it down.
#[utoipa::path(post, path = "/hosts/{host}/shut-down", params(ChangeQuery), responses(Changed))]
async fn shut_down_host(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let host = asked_of::<Host, _>(&app, &mut asking, &host)?.id;
    change(&app, asking, Request::ShutDownHost { host }).await
}

/// Declare that a host will never return.
#[utoipa::path(
    post, path = "/hosts/{host}/declare-dead", params(ChangeQuery), request_body = DeclareDead, responses(Changed)
)]
async fn declare_host_dead(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let DeclareDead { confirm } = body.typed()?;
    let host = asked_of::<Host, _>(&app, &mut asking, &host)?.id;
    change(&app, asking, Request::DeclareHostDead { host, confirm }).await
}

fn meant(app: &App, written: &str) -> Result<HostId, Problem> {
    Ok(one::<Host>(&app.picture(), written)?.1.id)
}
