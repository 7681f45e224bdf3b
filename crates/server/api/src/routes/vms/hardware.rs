//! A machine's processors, memory, and what lies in its DVD drive.

use axum::extract::State;
use hostler_model::Object;
use hostler_model::access::Right;
use hostler_model::body::{ChangeDvd, ChangeHardware};
use hostler_model::library::ItemKind;
use hostler_model::request::Request;
use hostler_server::store::Stored;
use utoipa_axum::routes;

use super::meant;
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery};
use crate::json::Body;
use crate::names;
use crate::problem::Problem;
use crate::rights::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::Change, routes!(set_vm_hardware)).add(Right::Change, routes!(set_vm_dvd))
}

/// Change processors or memory.
#[utoipa::path(
    patch, path = "/vms/{vm}/hardware", params(ChangeQuery), request_body = ChangeHardware, responses(Changed)
)]
async fn set_vm_hardware(
    State(app): State<App>,
    At(vm): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let ChangeHardware { cpus, memory_mib } = body.typed()?;
    let vm = meant(&app, &mut asking, &vm)?;
    change(&app, asking, Request::SetVmHardware { vm, cpus, memory_mib }).await
}

/// Put an ISO image of the library into the DVD drive, or empty it.
#[utoipa::path(put, path = "/vms/{vm}/dvd", params(ChangeQuery), request_body = ChangeDvd, responses(Changed))]
async fn set_vm_dvd(
    State(app): State<App>,
    At(vm): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let ChangeDvd { item } = body.typed()?;
    let vm = meant(&app, &mut asking, &vm)?;
    let picture = app.picture();
    let item = match item.map(|written| names::usable(&picture, ItemKind::Iso, &written)).transpose()? {
        Some(Stored { object: Object::Item(item), .. }) => Some(item.id),
        _ => None,
    };
    change(&app, asking, Request::SetVmMedia { vm, item }).await
}
