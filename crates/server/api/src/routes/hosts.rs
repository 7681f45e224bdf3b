//! Hosts.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::Right;
use hostler_model::body::{DeclareDead, FeedEvent};
use hostler_model::host::{Host, HostSpec};
use hostler_model::performance::Performance;
use hostler_model::request::Request;
use hostler_model::view::{HostView, Page};
use hostler_model::{Code, HostId, Key, Object};
use utoipa_axum::routes;

use super::{asked_of, one};
use crate::app::App;
use crate::change::{Changed, change, change_again};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::Body;
use crate::list::{ListQuery, page};
use crate::performance::{PerformanceQuery, performance};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::routes::vms::history::{HistoryQuery, history};
use crate::tagged::{Holds, tagged};
use crate::views;

/// How often what is laid over a version that has changed meanwhile is laid over the newer one.
const TRIES: u32 = 10;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_hosts))
        .add(Right::See, routes!(get_host))
        .add(Right::Change, routes!(edit_host))
        .add(Right::See, routes!(get_host_history))
        .add(Right::See, routes!(get_host_performance))
        .add(Right::Change, routes!(refresh_host))
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

/// Set availability, reserve and notes of a host.
#[utoipa::path(patch, path = "/hosts/{host}", params(ChangeQuery), request_body = HostSpec, responses(Changed))]
async fn edit_host(
    State(app): State<App>,
    At(host): At<String>,
    mut asking: Asking,
    Body(changes): Body,
) -> Result<Changed, Problem> {
    // Who names no version must still not overwrite what another has just set: one's own is laid over that, then.
    let names_none = asking.if_match.is_none() && !asking.wait;
    let mut tries = 1;
    loop {
        let known = asked_of::<Host, _>(&app, &mut asking, &host)?;
        if names_none {
            asking.unchanged = Some(Object::Host(known.clone()));
        }
        // What is absent stays: the changes are laid over what is.
        let mut whole =
            serde_json::to_value(&known.spec).map_err(|cause| Problem::internal("host", cause))?;
        lay_over(&mut whole, changes.clone())?;
        let spec: HostSpec = Body(whole).typed()?;
        match change_again(&app, &asking, Request::EditHost { host: known.id, spec }).await {
            Err(problem) if names_none && problem.code() == Code::RevisionStale && tries < TRIES => {
                tries += 1
            }
            answer => return answer,
        }
    }
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

/// Lays the members of one object over another's, at every depth.
fn lay_over(whole: &mut serde_json::Value, changes: serde_json::Value) -> Result<(), Problem> {
    match (whole, changes) {
        (serde_json::Value::Object(whole), serde_json::Value::Object(changes)) => {
            for (name, value) in changes {
                match whole.get_mut(&name) {
                    Some(known) if known.is_object() => lay_over(known, value)?,
                    _ => drop(whole.insert(name, value)),
                }
            }
            Ok(())
        }
        (whole, value) if !whole.is_object() => {
            *whole = value;
            Ok(())
        }
        _ => Err(hostler_model::Refusal::invalid("request body", "an object was expected").into()),
    }
}
