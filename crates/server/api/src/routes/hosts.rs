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
use hostler_model::importable::{ImportVm, ImportablesView};
use hostler_model::machine_folder::{FolderListing, FoldersView, NewFolder};
use hostler_model::performance::Performance;
use hostler_model::request::Request;
use hostler_model::view::{HostView, Page};
use hostler_model::{Code, HostId, Key, Refusal};
use serde::Deserialize;
use utoipa::IntoParams;
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
        .add(Right::See, routes!(get_host))
        .add(Right::Change, routes!(edit_host))
        .add(Right::See, routes!(get_host_history))
        .add(Right::See, routes!(get_host_performance))
        .add(Right::Change, routes!(move_host))
        .add(Right::See, routes!(list_host_file_systems))
        .add(Right::See, routes!(list_host_folders))
        .add(Right::Change, routes!(make_host_folder))
        .add(Right::See, routes!(list_host_importable))
        .add(Right::Change, routes!(import_vm))
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

/// Which folder.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FolderQuery {
    /// The folder to be listed, an absolute path within one that is allowed. Without it no host is asked.
    path: Option<String>,
}

/// The folders in which a host may keep machines, and what lies in one of them or below: the host itself is asked. What
/// its administrator does not allow is never listed.
#[utoipa::path(
    get, path = "/hosts/{host}/folders", params(FolderQuery), responses((status = 200, body = FoldersView))
)]
async fn list_host_folders(
    State(app): State<App>,
    At(host): At<String>,
    Params(query): Params<FolderQuery>,
) -> Result<Json<FoldersView>, Problem> {
    let picture = app.picture();
    let (_, host) = one::<Host>(&picture, &host)?;
    let listing: Option<FolderListing> = match query.path {
        None => None,
        Some(path) => {
            // The agent confines it too, and has the last word: this names the host in the refusal.
            host.check_folder(&path)?;
            Some(told(&app, host.id.into(), Query::Folder { path }).await?)
        }
    };
    Ok(Json(views::folders(app.handle(), &picture, host, listing)))
}

/// Make a folder on a host, within one that its administrator allows. One that is there already is left as it is.
#[utoipa::path(
    post, path = "/hosts/{host}/folders", params(ChangeQuery), request_body = NewFolder, responses(Changed)
)]
async fn make_host_folder(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let NewFolder { path } = body.typed()?;
    let host = asked_of::<Host, _>(&app, &mut asking, &host)?.id;
    change(&app, asking, Request::MakeFolder { host, path }).await
}

/// Machines whose definitions lie in the folders that a host allows, and which its hypervisor does not know: the host itself
/// looks, for some seconds at most.
#[utoipa::path(get, path = "/hosts/{host}/importable", responses((status = 200, body = ImportablesView)))]
async fn list_host_importable(
    State(app): State<App>,
    At(host): At<String>,
) -> Result<Json<ImportablesView>, Problem> {
    let host = meant(&app, &host)?;
    Ok(Json(told(&app, host.into(), Query::Importable { file: None }).await?))
}

/// Define a machine that lies on a host's storage, and manage it. Nothing of the host, no program and no file outside the
/// folders that it allows is taken from the definition.
#[utoipa::path(
    post, path = "/hosts/{host}/import", params(ChangeQuery), request_body = ImportVm, responses(Changed)
)]
async fn import_vm(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let ImportVm { file, name } = body.typed()?;
    let host = asked_of::<Host, _>(&app, &mut asking, &host)?.id;
    let told: ImportablesView =
        told(&app, host.into(), Query::Importable { file: Some(file.clone()) }).await?;
    let found = told.machines.into_iter().next();
    let found =
        found.ok_or_else(|| Refusal::new(Code::ImportRefused, file, "the host found no machine in it"))?;
    change(&app, asking, Request::ImportVm { host, found: Box::new(found), name }).await
}

/// Set availability, reserve, default path and notes of a host; what is absent stays, and null is as in its group.
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
