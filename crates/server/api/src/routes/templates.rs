//! Templates.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::TemplateId;
use hostler_model::access::Right;
use hostler_model::request::Request;
use hostler_model::template::{Template, TemplateSpec};
use hostler_model::view::{Page, TemplateView};
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
use crate::{names, views};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_templates))
        .add(Right::Change, routes!(create_template))
        .add(Right::See, routes!(get_template))
        .add(Right::Change, routes!(edit_template, delete_template))
}

/// List templates.
#[utoipa::path(get, path = "/templates", params(ListQuery), responses((status = 200, body = Page<TemplateView>)))]
async fn list_templates(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<TemplateView>>, Problem> {
    Ok(Json(page(&app.picture(), &query, |_: &Template| true, views::template)?))
}

/// Show a template.
#[utoipa::path(get, path = "/templates/{template}", responses((status = 200, body = TemplateView)))]
async fn get_template(
    State(app): State<App>,
    At(template): At<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let (revision, template) = one::<Template>(&picture, &template)?;
    tagged(&headers, picture.head, revision, Holds::TheObject, &views::template(revision, template))
}

/// Make a template.
#[utoipa::path(post, path = "/templates", params(ChangeQuery), request_body = TemplateSpec, responses(Changed))]
async fn create_template(State(app): State<App>, asking: Asking, body: Body) -> Result<Changed, Problem> {
    let spec = spec(&app, body)?;
    change(&app, asking, Request::CreateTemplate { spec }).await
}

/// Put another specification in the place of a template's.
#[utoipa::path(
    put, path = "/templates/{template}", params(ChangeQuery), request_body = TemplateSpec, responses(Changed)
)]
async fn edit_template(
    State(app): State<App>,
    At(template): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let spec = spec(&app, body)?;
    let template = meant(&app, &mut asking, &template)?;
    change(&app, asking, Request::EditTemplate { template, spec }).await
}

/// Delete a template. Machines made from it stay.
#[utoipa::path(delete, path = "/templates/{template}", params(ChangeQuery), responses(Changed))]
async fn delete_template(
    State(app): State<App>,
    At(template): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let template = meant(&app, &mut asking, &template)?;
    change(&app, asking, Request::DeleteTemplate { template }).await
}

fn meant(app: &App, asking: &mut Asking, written: &str) -> Result<TemplateId, Problem> {
    Ok(asked_of::<Template, _>(app, asking, written)?.id)
}

fn spec(app: &App, Body(mut body): Body) -> Result<TemplateSpec, Problem> {
    names::resolve_disk(&app.picture(), &mut body, "/disk")?;
    Body(body).typed()
}
