//! Virtual machines.

mod actions;
mod consoles;
mod disks;
mod hardware;
pub(super) mod history;
mod look;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::Right;
use hostler_model::request::{CreateVm, EditVm, Request};
use hostler_model::view::{Page, VmView};
use hostler_model::vm::Vm;
use hostler_model::{Key, Kind, Object, Refusal, VmId};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::{asked_of, one};
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::{Body, shown};
use crate::list::{ListQuery, page};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::{names, views};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_vms))
        .add(Right::Change, routes!(create_vm))
        .add(Right::See, routes!(get_vm))
        .add(Right::Change, routes!(edit_vm, delete_vm))
        .with(actions::routes)
        .with(hardware::routes)
        .with(disks::routes)
        .with(look::routes)
        .with(consoles::routes)
        .with(history::routes)
}

/// List virtual machines.
#[utoipa::path(get, path = "/vms", params(ListQuery), responses((status = 200, body = Page<VmView>)))]
async fn list_vms(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<VmView>>, Problem> {
    let picture = app.picture();
    Ok(Json(page(&picture, &query, |_: &Vm| true, |revision, vm| views::vm(&picture, revision, vm))?))
}

/// Which version of a machine.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VmQuery {
    /// As it was: at a time (RFC 3339) or after a revision (a number, or a cursor of the feed).
    as_of: Option<String>,
}

/// Show a virtual machine, now or as it was.
#[utoipa::path(get, path = "/vms/{vm}", params(VmQuery), responses((status = 200, body = VmView)))]
async fn get_vm(
    State(app): State<App>,
    At(written): At<String>,
    Params(query): Params<VmQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let Some(when) = query.as_of else {
        let (revision, vm) = one::<Vm>(&picture, &written)?;
        return tagged(&headers, picture.head, revision, Holds::Computed, &views::vm(&picture, revision, vm));
    };
    let when = history::moment(picture.head, &when)?;
    // A machine that is gone is found by its whole id only.
    let id = match written.parse() {
        Ok(id) => VmId(id),
        Err(_) => one::<Vm>(&picture, &written)?.1.id,
    };
    let was = app.handle().read(move |reader| reader.as_of(Key::Vm(id), when)).await?;
    match was.map(|was| (was.revision.0, was.object)) {
        Some((revision, Object::Vm(vm))) => {
            let view = views::past_vm(&picture, revision, &vm);
            tagged(&headers, picture.head, revision, Holds::TheObject, &view)
        }
        _ => Err(Refusal::not_found(format!("vm \"{}\" as of then", shown(&written))).into()),
    }
}

/// Make a virtual machine: from a template, from a disk of the library, or with an empty disk.
#[utoipa::path(post, path = "/vms", params(ChangeQuery), request_body = CreateVm, responses(Changed))]
async fn create_vm(State(app): State<App>, asking: Asking, body: Body) -> Result<Changed, Problem> {
    let create = creation(&app, body)?;
    change(&app, asking, Request::CreateVm(Box::new(create))).await
}

/// What a body asks to be made, with names resolved.
pub(super) fn creation(app: &App, Body(mut body): Body) -> Result<CreateVm, Problem> {
    if body.get("candidates").is_some() {
        return Err(Refusal::invalid("request body", "there is no member candidates").into());
    }
    let picture = app.picture();
    let places = [("/from/template", Kind::Template), ("/host", Kind::Host)];
    names::resolve(&picture, &mut body, &places)?;
    names::resolve_disk(&picture, &mut body, "/from/item")?;
    Body(body).typed()
}

/// Change name, notes or tags.
#[utoipa::path(patch, path = "/vms/{vm}", params(ChangeQuery), request_body = EditVm, responses(Changed))]
async fn edit_vm(
    State(app): State<App>,
    At(vm): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let edit: EditVm = body.typed()?;
    let vm = meant(&app, &mut asking, &vm)?;
    change(&app, asking, Request::EditVm { vm, edit }).await
}

/// How a machine is deleted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Whether its disks are deleted, too; false forgets it and keeps them. True when absent.
    #[serde(default = "yes")]
    #[param(required = false, default = true)]
    disks: bool,
}

fn yes() -> bool {
    true
}

/// Delete a virtual machine with its disks, or forget it and keep them.
#[utoipa::path(delete, path = "/vms/{vm}", params(ChangeQuery, DeleteQuery), responses(Changed))]
async fn delete_vm(
    State(app): State<App>,
    At(vm): At<String>,
    mut asking: Asking<DeleteQuery>,
) -> Result<Changed, Problem> {
    let (vm, disks) = (meant(&app, &mut asking, &vm)?, asking.more.disks);
    change(&app, asking, Request::DeleteVm { vm, disks }).await
}

/// The machine that a change is asked of.
fn meant<Q>(app: &App, asking: &mut Asking<Q>, written: &str) -> Result<VmId, Problem> {
    Ok(asked_of::<Vm, Q>(app, asking, written)?.id)
}
