//! What is asked of a machine's host at this moment, and recorded nowhere.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hostler_model::access::Right;
use hostler_model::channel::Query;
use hostler_model::performance::Performance;
use hostler_model::view::GuestAddress;
use hostler_model::vm::Vm;
use hostler_model::{AgentId, Code, Refusal};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::extract::{At, Params};
use crate::performance::{PerformanceQuery, performance};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::routes::one;
use crate::screens;
use crate::told::told;

/// The longest path of a file in a guest, in bytes: Linux's own limit.
const LONGEST_PATH: usize = 4_096;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(get_vm_screenshot))
        .add(Right::See, routes!(get_vm_performance))
        .add(Right::See, routes!(get_vm_definition))
        .add(Right::Change, routes!(get_vm_guest_file))
        .add(Right::See, routes!(list_vm_addresses))
}

/// How a picture is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ScreenshotQuery {
    /// How many pixels wide at most: it is scaled down to the next of 80, 160, 240, 320, 480, 640, 960, 1280 and 1920. As
    /// wide as the screen when absent, unless such a picture had more than 2 MiB.
    #[param(required = false, minimum = 80)]
    width: Option<u32>,
}

/// A picture of its screen, not older than a second: all who look share it.
#[utoipa::path(
    get, path = "/vms/{vm}/screenshot", params(ScreenshotQuery),
    responses(
        (status = 200, body = inline(Vec<u8>), content_type = "image/png"),
        (status = 304, description = "It is still the picture of the ETag that was sent"),
    )
)]
async fn get_vm_screenshot(
    State(app): State<App>,
    At(vm): At<String>,
    Params(query): Params<ScreenshotQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let width = query.width.map(screens::width).transpose()?;
    let picture = app.picture();
    let (_, vm) = one::<Vm>(&picture, &vm)?;
    let host = host_of(vm)?;
    if let Some(seen) = vm.seen()
        && !seen.power.is_on()
    {
        let cause = format!("its screen is dark: it is {}", seen.power.words());
        return Err(Refusal::new(Code::VmStateForbids, vm.label(), cause).remedy("Start it").into());
    }
    let take = app.handle().query(host, Query::Screenshot { domain: vm.domain, width });
    app.screens().newest(vm.id, width, take).await?.answer(&headers)
}

/// How it was loaded over the last day, as its host remembers it.
#[utoipa::path(
    get, path = "/vms/{vm}/performance", params(PerformanceQuery),
    responses((status = 200, body = Performance))
)]
async fn get_vm_performance(
    State(app): State<App>,
    At(vm): At<String>,
    Params(query): Params<PerformanceQuery>,
) -> Result<Json<Performance>, Problem> {
    let picture = app.picture();
    let (_, vm) = one::<Vm>(&picture, &vm)?;
    Ok(Json(performance(&app, host_of(vm)?, Some(vm.domain), query).await?))
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

/// The agent of the host that a machine is on.
fn host_of(vm: &Vm) -> Result<AgentId, Refusal> {
    let nowhere = || Refusal::new(Code::HostNotResponding, vm.label(), "it is on no host yet");
    Ok(vm.host.ok_or_else(nowhere)?.into())
}

/// The addresses that its guest has, as the guest's agent tells.
#[utoipa::path(get, path = "/vms/{vm}/addresses", responses((status = 200, body = Vec<GuestAddress>)))]
async fn list_vm_addresses(
    State(app): State<App>,
    At(vm): At<String>,
) -> Result<Json<Vec<GuestAddress>>, Problem> {
    let (agent, domain) = at(&app, &vm)?;
    Ok(Json(told(&app, agent, Query::GuestAddresses { domain }).await?))
}

/// Where a machine is, and as what.
fn at(app: &App, written: &str) -> Result<(AgentId, Uuid), Problem> {
    let picture = app.picture();
    let (_, vm) = one::<Vm>(&picture, written)?;
    Ok((host_of(vm)?, vm.domain))
}

async fn ask(
    app: &App,
    written: &str,
    kind: &'static str,
    query: impl FnOnce(Uuid) -> Query,
) -> Result<Response, Problem> {
    let (agent, domain) = at(app, written)?;
    let bytes = app.handle().query(agent, query(domain)).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // What comes out of a guest is no page of ours.
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
    ];
    Ok((headers, bytes).into_response())
}
