//! How hosts rate for a machine.

use axum::Json;
use axum::extract::State;
use hostler_model::access::Right;
use hostler_model::request::CreateVm;
use hostler_model::view::RatingView;
use utoipa_axum::routes;

use crate::app::App;
use crate::json::Body;
use crate::problem::Problem;
use crate::rights::Routes;
use crate::views;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::See, routes!(rate_hosts))
}

/// Rate every host for a machine, best first, without making it.
#[utoipa::path(post, path = "/ratings", request_body = CreateVm, responses((status = 200, body = Vec<RatingView>)))]
async fn rate_hosts(State(app): State<App>, body: Body) -> Result<Json<Vec<RatingView>>, Problem> {
    let create = super::vms::creation(&app, body)?;
    let rated = app.handle().rate(&create).await?;
    Ok(Json(rated.iter().map(views::rating).collect()))
}
