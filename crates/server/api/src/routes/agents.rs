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
        .add(Right::Administer, routes!(upgrade_agent))
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
    /// Whether it may have machines or shares, which the record then forgets, or be silent: then what is the agent's stays on
    /// its computer.
    force: bool,
    /// Whether what is the agent's (its key and certificate, its journal, its settings) stays on its computer.
    keep: bool,
}

/// Remove an agent with its host and its shares. It removes what is its own on its computer, where machines and their disks
/// stay as they are.
#[utoipa::path(delete, path = "/agents/{agent}", params(ChangeQuery, RemoveQuery), responses(Changed))]
async fn remove_agent(
    State(app): State<App>,
    At(agent): At<String>,
    mut asking: Asking<RemoveQuery>,
) -> Result<Changed, Problem> {
    let agent = asked_of::<Agent, _>(&app, &mut asking, &agent)?.id;
    let RemoveQuery { force, keep } = asking.more;
    change(&app, asking, Request::RemoveAgent { agent, force, keep }).await
}

/// Which agents are upgraded.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UpgradeQuery {
    /// Whether also one that has the version already.
    force: bool,
}

/// Put the server's agent program in the place of the one that an agent is. Machines run on. A program that does not come up
/// within the setting `agent_upgrade_limit_s` is given up for the one before it.
#[utoipa::path(post, path = "/agents/{agent}/upgrade", params(ChangeQuery, UpgradeQuery), responses(Changed))]
async fn upgrade_agent(
    State(app): State<App>,
    At(agent): At<String>,
    mut asking: Asking<UpgradeQuery>,
) -> Result<Changed, Problem> {
    let agent = asked_of::<Agent, _>(&app, &mut asking, &agent)?.id;
    let force = asking.more.force;
    let program = app.handle().newest_agent_program().await;
    let (version, sha256, size_bytes) = program
        .map(|program| (program.version.clone(), program.sha256.clone(), program.size_bytes))
        .unwrap_or_default();
    change(&app, asking, Request::UpgradeAgent { agent, force, version, sha256, size_bytes }).await
}
