//! What is asked of a machine's host at this moment, and recorded nowhere.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hostler_model::access::Right;
use hostler_model::channel::Query;
use hostler_model::vm::Vm;
use hostler_model::{Code, Refusal};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::extract::{At, Params};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::routes::one;

/// The longest path of a file in a guest, in bytes: Linux's own limit.
const LONGEST_PATH: usize = 4_096;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(get_vm_screenshot))
        .add(Right::See, routes!(get_vm_definition))
        .add(Right::Change, routes!(get_vm_guest_file))
}

/// A picture of its screen.
#[utoipa::path(
    get, path = "/vms/{vm}/screenshot",
    responses((status = 200, body = inline(Vec<u8>), content_type = "image/png"))
)]
async fn get_vm_screenshot(State(app): State<App>, At(vm): At<String>) -> Result<Response, Problem> {
    ask(&app, &vm, "image/png", |domain| Query::Screenshot { domain }).await
}

/// Its libvirt definition.
#[utoipa::path(
    get, path = "/vms/{vm}/definition",
    responses((status = 200, body = String, content_type = "application/xml"))
)]
async fn get_vm_definition(State(app): State<App>, At(vm): At<String>) -> Result<Response, Problem> {
    ask(&app, &vm, "application/xml", |domain| Query::DefinitionXml { domain }).await
}

/// Which file.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GuestFileQuery {
    /// The file in the guest, an absolute path.
    path: String,
}

/// Read a file inside its guest, at most 64 KiB, by the guest's agent.
#[utoipa::path(
    get, path = "/vms/{vm}/guest-file", params(GuestFileQuery),
    responses((status = 200, body = inline(Vec<u8>), content_type = "application/octet-stream"))
)]
async fn get_vm_guest_file(
    State(app): State<App>,
    At(vm): At<String>,
    Params(GuestFileQuery { path }): Params<GuestFileQuery>,
) -> Result<Response, Problem> {
    if path.is_empty() || path.len() > LONGEST_PATH || path.chars().any(char::is_control) {
        return Err(Refusal::invalid("path", "it is not the path of a file in a guest").into());
    }
    ask(&app, &vm, "application/octet-stream", move |domain| Query::GuestFile { domain, path }).await
}

async fn ask(
    app: &App,
    written: &str,
    kind: &'static str,
    query: impl FnOnce(Uuid) -> Query,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let (_, vm) = one::<Vm>(&picture, written)?;
    let nowhere = || Refusal::new(Code::HostNotResponding, vm.label(), "it is on no host yet");
    let host = vm.host.ok_or_else(nowhere)?;
    let bytes = app.handle().query(host.into(), query(vm.domain)).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // What comes out of a guest is no page of ours.
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
    ];
    Ok((headers, bytes).into_response())
}
