//! What each status of a machine allows.

use axum::Json;
use hostler_model::access::Right;
use hostler_model::possible::{PossibleActions, table};
use utoipa_axum::routes;

use crate::rights::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::See, routes!(list_vm_actions))
}

/// List for each status of a machine which actions it allows, and why not and what to do where it does not.
#[utoipa::path(get, path = "/vm-actions", responses((status = 200, body = Vec<PossibleActions>)))]
async fn list_vm_actions() -> Json<Vec<PossibleActions>> {
    Json(table())
}
