//! The server itself: its settings, its backup, its description, and whether it is alive.

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hostler_model::Refusal;
use hostler_model::access::Right;
use hostler_model::body::{BackupMade, NewBackup};
use hostler_model::request::Request;
use hostler_model::setting::{SETTINGS, SettingView, Settings};
use hostler_model::view::ServerView;
use utoipa_axum::routes;

use crate::app::App;
use crate::change::{Changed, change};
use crate::console;
use crate::extract::{Asking, ChangeQuery};
use crate::json::Body;
use crate::problem::Problem;
use crate::rights::Routes;

/// What is outside of the interface's own path.
pub(super) fn outside(routes: Routes) -> Routes {
    routes.add(Right::Public, routes!(welcome)).add(Right::Public, routes!(is_healthy))
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::Public, routes!(get_document))
        .add(Right::See, routes!(get_server))
        .add(Right::See, routes!(list_settings))
        .add(Right::Administer, routes!(set_settings))
        .add(Right::Administer, routes!(make_backup))
}

/// The console, for who asks for a page; else a text that names the interface.
#[utoipa::path(get, path = "/", responses(
    (status = 200, content((String = "text/plain"), (String = "text/html"))),
    (status = 304, description = "Not modified since the ETag that was sent"),
))]
async fn welcome(State(app): State<App>, headers: HeaderMap) -> Response {
    console::front(app.files(), &headers)
}

/// Whether the server is alive: it answers, and its store can be read.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String, content_type = "text/plain")))]
async fn is_healthy(State(app): State<App>) -> Result<&'static str, Problem> {
    app.handle().read(|reader| reader.head()).await?;
    Ok("ok\n")
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, body = serde_json::Value)))]
async fn get_document(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], app.document()).into_response()
}

/// Show the server and the settings in force.
#[utoipa::path(get, path = "/server", responses((status = 200, body = ServerView)))]
async fn get_server(State(app): State<App>) -> Json<ServerView> {
    let handle = app.handle();
    Json(ServerView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        installation: handle.installation(),
        epoch: handle.epoch(),
        head: app.picture().head.to_string(),
        started: handle.started(),
        memory_mib: resident_mib(),
        settings: handle.settings(),
    })
}

/// What each setting means: unit, range, default and where that comes from, help.
#[utoipa::path(get, path = "/settings-reference", responses((status = 200, body = Vec<SettingView>)))]
async fn list_settings() -> Json<Vec<SettingView>> {
    Json(SETTINGS.iter().map(SettingView::from).collect())
}

/// Change the settings. What is absent stays.
#[utoipa::path(put, path = "/settings", params(ChangeQuery), request_body = Settings, responses(Changed))]
async fn set_settings(
    State(app): State<App>,
    asking: Asking,
    Body(changes): Body,
) -> Result<Changed, Problem> {
    let mut whole = serde_json::to_value(app.handle().settings())
        .map_err(|cause| Problem::internal("settings", cause))?;
    let (Some(known), serde_json::Value::Object(changes)) = (whole.as_object_mut(), changes) else {
        return Err(Refusal::invalid("request body", "an object of settings was expected").into());
    };
    known.extend(changes);
    let settings: Settings = Body(whole).typed()?;
    settings.check()?;
    change(&app, asking, Request::SetSettings { settings }).await
}

/// Write a backup of the store into a new file on the server's computer, while it is in use.
#[utoipa::path(
    post, path = "/backup", params(ChangeQuery), request_body = NewBackup,
    responses((status = 200, body = BackupMade))
)]
async fn make_backup(
    State(app): State<App>,
    asking: Asking,
    body: Body,
) -> Result<Json<BackupMade>, Problem> {
    asking.without_dry_run("a backup")?;
    asking.if_match_was_met()?;
    let NewBackup { file } = body.typed()?;
    let path = PathBuf::from(&file);
    if !path.is_absolute() || file.contains('\0') {
        return Err(Refusal::invalid("file", "it is not an absolute path").into());
    }
    app.handle().backup(path).await?;
    Ok(Json(BackupMade { file }))
}

/// The memory that this process has, in MiB; 0 where the system does not say.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
