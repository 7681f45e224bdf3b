//! A machine's hard disks.

use axum::extract::State;
use hostler_model::access::Right;
use hostler_model::body::NewDisk;
use hostler_model::request::Request;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::meant;
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery};
use crate::json::Body;
use crate::problem::Problem;
use crate::rights::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::Change, routes!(attach_disk)).add(Right::Change, routes!(detach_disk))
}

/// Attach a new disk, or again one that was detached.
#[utoipa::path(post, path = "/vms/{vm}/disks", params(ChangeQuery), request_body = NewDisk, responses(Changed))]
async fn attach_disk(
    State(app): State<App>,
    At(vm): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let disk: NewDisk = body.typed()?;
    let vm = meant(&app, &mut asking, &vm)?;
    change(&app, asking, disk.request(vm)?).await
}

/// How a disk is detached.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DetachQuery {
    /// Whether its file is deleted.
    delete: bool,
}

/// Detach a disk, and delete its file if so asked; or delete the file of one that was detached before.
#[utoipa::path(delete, path = "/vms/{vm}/disks/{no}", params(ChangeQuery, DetachQuery), responses(Changed))]
async fn detach_disk(
    State(app): State<App>,
    At((vm, disk)): At<(String, u32)>,
    mut asking: Asking<DetachQuery>,
) -> Result<Changed, Problem> {
    let (vm, delete) = (meant(&app, &mut asking, &vm)?, asking.more.delete);
    change(&app, asking, Request::DetachDisk { vm, disk, delete }).await
}
