//! The SSH host keys of a computer that is to be added.

use axum::Json;
use axum::extract::State;
use hostler_model::access::Right;
use hostler_model::push::{AskHostKeys, HostKey};
use utoipa_axum::routes;

use crate::app::App;
use crate::json::Body;
use crate::problem::Problem;
use crate::rights::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::Administer, routes!(ask_host_keys))
}

/// Show which SSH host keys a computer has, best first, so that one of them can be confirmed before it is added. The server
/// asks the computer, and signs in nowhere. Takes 15 s at most.
#[utoipa::path(
    post, path = "/host-keys", request_body = AskHostKeys, responses((status = 200, body = Vec<HostKey>))
)]
async fn ask_host_keys(State(app): State<App>, body: Body) -> Result<Json<Vec<HostKey>>, Problem> {
    let asked: AskHostKeys = body.typed()?;
    Ok(Json(app.handle().host_keys(&asked).await?))
}
