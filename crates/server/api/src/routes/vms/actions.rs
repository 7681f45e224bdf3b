//! What one does to a virtual machine.

use axum::Json;
use axum::extract::State;
use hostler_model::access::Right;
use hostler_model::body::{Migrate, Settle, ShutDown};
use hostler_model::request::Request;
use hostler_model::view::RatingView;
use hostler_model::{HostId, Kind, Object, Refusal};
use hostler_server::store::Stored;
use utoipa_axum::routes;

use super::meant;
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery};
use crate::json::Body;
use crate::problem::Problem;
use crate::rights::Routes;
use crate::{names, views};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident, $path:literal, $request:ident;)*) => {
        $(
            $(#[$doc])*
            #[utoipa::path(post, path = $path, params(ChangeQuery), responses(Changed))]
            async fn $name(State(app): State<App>, At(vm): At<String>, mut asking: Asking) -> Result<Changed, Problem> {
                let vm = meant(&app, &mut asking, &vm)?;
                change(&app, asking, Request::$request { vm }).await
            }
        )*

        pub(super) fn routes(routes: Routes) -> Routes {
            routes
                .add(Right::Change, routes!(shut_down_vm))
                .add(Right::Change, routes!(migrate_vm))
                .add(Right::See, routes!(migration_targets))
                .add(Right::Change, routes!(settle_vm))
                $(.add(Right::Change, routes!($name)))*
        }
    };
}

actions! {
    /// Start it, or continue from its saved state.
    start_vm, "/vms/{vm}/start", StartVm;
    /// Cut its power.
    turn_off_vm, "/vms/{vm}/turn-off", TurnOffVm;
    /// Pause it.
    pause_vm, "/vms/{vm}/pause", PauseVm;
    /// Resume it.
    resume_vm, "/vms/{vm}/resume", ResumeVm;
    /// Press its reset button.
    reset_vm, "/vms/{vm}/reset", ResetVm;
    /// Save its state and power it off.
    save_vm, "/vms/{vm}/save", SaveVm;
    /// Discard its saved state.
    discard_saved_vm, "/vms/{vm}/discard-saved", DiscardSavedVm;
    /// Take a found machine over.
    adopt_vm, "/vms/{vm}/adopt", AdoptVm;
    /// Read it anew from its host.
    refresh_vm, "/vms/{vm}/refresh", RefreshVm;
}

/// Ask its guest to shut down.
#[utoipa::path(
    post, path = "/vms/{vm}/shut-down", params(ChangeQuery), request_body(content = Option<ShutDown>),
    responses(Changed)
)]
async fn shut_down_vm(
    State(app): State<App>,
    At(vm): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let ShutDown { limit_s } = body.typed_or_empty()?;
    let vm = meant(&app, &mut asking, &vm)?;
    change(&app, asking, Request::ShutDownVm { vm, limit_s }).await
}

/// Move it to another host while it runs. Its disks must lie in a folder that both hosts see.
#[utoipa::path(
    post, path = "/vms/{vm}/migrate", params(ChangeQuery), request_body(content = Option<Migrate>),
    responses(Changed)
)]
async fn migrate_vm(
    State(app): State<App>,
    At(vm): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let Migrate { to } = body.typed_or_empty()?;
    let vm = meant(&app, &mut asking, &vm)?;
    let to = host(&app, to)?;
    change(&app, asking, Request::MigrateVm { vm, to }).await
}

/// Rate every other host for a running machine, best first, with what each lacks for it to move there.
#[utoipa::path(get, path = "/vms/{vm}/migration-targets", responses((status = 200, body = Vec<RatingView>)))]
async fn migration_targets(
    State(app): State<App>,
    At(vm): At<String>,
) -> Result<Json<Vec<RatingView>>, Problem> {
    let picture = app.picture();
    let Stored { object: Object::Vm(vm), .. } = names::find(&picture, Kind::Vm, &vm)? else {
        return Err(Refusal::not_found("vm").into());
    };
    let rated = app.handle().rate_targets(vm.id)?;
    Ok(Json(rated.iter().map(views::rating).collect()))
}

/// Ask two hosts that both show a machine which of them has it, and let it be there alone. Its disks are left as they are.
#[utoipa::path(
    post, path = "/vms/{vm}/settle", params(ChangeQuery), request_body(content = Option<Settle>),
    responses(Changed)
)]
async fn settle_vm(
    State(app): State<App>,
    At(vm): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let Settle { keep } = body.typed_or_empty()?;
    let vm = meant(&app, &mut asking, &vm)?;
    let keep = host(&app, keep)?;
    change(&app, asking, Request::SettleVm { vm, keep }).await
}

/// The host that is meant, if one is.
fn host(app: &App, written: Option<String>) -> Result<Option<HostId>, Problem> {
    let picture = app.picture();
    match written.map(|written| names::find(&picture, Kind::Host, &written)).transpose()? {
        Some(Stored { object: Object::Host(host), .. }) => Ok(Some(host.id)),
        _ => Ok(None),
    }
}
