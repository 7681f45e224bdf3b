//! Agents.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::Right;
use hostler_model::agent::Agent;
use hostler_model::request::Request;
use hostler_model::view::{AgentView, Page};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::{asked_of, one};
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::list::{ListQuery, page};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::views;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_agents))
        .add(Right::See, routes!(get_agent))
        .add(Right::Administer, routes!(remove_agent))
}

/// List agents.
#[utoipa::path(get, path = "/agents", params(ListQuery), responses((status = 200, body = Page<AgentView>)))]
async fn list_agents(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<AgentView>>, Problem> {
    let picture = app.picture();
    let view = |revision, agent: &Agent| views::agent(app.handle(), &picture, revision, agent);
    Ok(Json(page(&picture, &query, |_| true, view)?))
}

/// Show an agent.
#[utoipa::path(get, path = "/agents/{agent}", responses((status = 200, body = AgentView)))]
async fn get_agent(
    State(app): State<App>,
    At(agent): At<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let (revision, agent) = one::<Agent>(&picture, &agent)?;
    let view = views::agent(app.handle(), &picture, revision, agent);
    tagged(&headers, picture.head, revision, Holds::Computed, &view)
}

/// How an agent is removed.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RemoveQuery {
    /// Whether it may have machines or shares, which the record then forgets.
    force: bool,
}

/// Remove an agent with its host and its shares. Machines on its computer go on.
#[utoipa::path(delete, path = "/agents/{agent}", params(ChangeQuery, RemoveQuery), responses(Changed))]
async fn remove_agent(
    State(app): State<App>,
    At(agent): At<String>,
    mut asking: Asking<RemoveQuery>,
) -> Result<Changed, Problem> {
    let (agent, force) = (asked_of::<Agent, _>(&app, &mut asking, &agent)?.id, asking.more.force);
    change(&app, asking, Request::RemoveAgent { agent, force }).await
}
