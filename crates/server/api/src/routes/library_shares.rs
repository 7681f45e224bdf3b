//! Library shares.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::ShareId;
use hostler_model::access::Right;
use hostler_model::agent::Agent;
use hostler_model::body::NewShare;
use hostler_model::library::Share;
use hostler_model::request::Request;
use hostler_model::view::{Page, ShareView};
use utoipa_axum::routes;

use super::{asked_of, one};
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::Body;
use crate::list::{ListQuery, page};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::views;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_shares))
        .add(Right::Change, routes!(add_share))
        .add(Right::See, routes!(get_share))
        .add(Right::Change, routes!(remove_share))
        .add(Right::Change, routes!(refresh_share))
}

/// List library shares.
#[utoipa::path(get, path = "/library-shares", params(ListQuery), responses((status = 200, body = Page<ShareView>)))]
async fn list_shares(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<ShareView>>, Problem> {
    Ok(Json(page(&app.picture(), &query, |_: &Share| true, views::share)?))
}

/// Show a library share.
#[utoipa::path(get, path = "/library-shares/{share}", responses((status = 200, body = ShareView)))]
async fn get_share(
    State(app): State<App>,
    At(share): At<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let (revision, share) = one::<Share>(&picture, &share)?;
    tagged(&headers, picture.head, revision, Holds::TheObject, &views::share(revision, share))
}

/// Add a folder on an agent's computer as a library share.
#[utoipa::path(post, path = "/library-shares", params(ChangeQuery), request_body = NewShare, responses(Changed))]
async fn add_share(State(app): State<App>, asking: Asking, body: Body) -> Result<Changed, Problem> {
    let NewShare { name, agent, folder } = body.typed()?;
    let agent = one::<Agent>(&app.picture(), &agent)?.1.id;
    change(&app, asking, Request::AddShare { name, agent, folder }).await
}

/// Remove a library share from the record; its files stay.
#[utoipa::path(delete, path = "/library-shares/{share}", params(ChangeQuery), responses(Changed))]
async fn remove_share(
    State(app): State<App>,
    At(share): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let share = meant(&app, &mut asking, &share)?;
    change(&app, asking, Request::RemoveShare { share }).await
}

/// Read a library share anew.
#[utoipa::path(post, path = "/library-shares/{share}/refresh", params(ChangeQuery), responses(Changed))]
async fn refresh_share(
    State(app): State<App>,
    At(share): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let share = meant(&app, &mut asking, &share)?;
    change(&app, asking, Request::RefreshShare { share }).await
}

fn meant(app: &App, asking: &mut Asking, written: &str) -> Result<ShareId, Problem> {
    Ok(asked_of::<Share, _>(app, asking, written)?.id)
}
