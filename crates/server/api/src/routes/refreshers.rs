//! Refreshers: what looks at hosts and library shares by the clock, how far each is, and *look now*.

use axum::Json;
use axum::extract::State;
use hostler_model::access::Right;
use hostler_model::host::Host;
use hostler_model::library::Share;
use hostler_model::refresher::{
    LookView, RefresherKind, RefresherRun, RefresherView, RunRefresher, VmLookView,
};
use hostler_model::view::Page;
use hostler_model::vm::Vm;
use hostler_model::{Code, Refusal};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::one;
use crate::app::App;
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::{Body, shown};
use crate::list::limit;
use crate::problem::Problem;
use crate::rights::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_refreshers))
        .add(Right::See, routes!(list_looks))
        .add(Right::Change, routes!(run_refresher))
        .add(Right::See, routes!(list_host_looks))
        .add(Right::See, routes!(get_vm_look))
}

/// List the refreshers: how often each looks, at how much, and at how much its last look failed.
#[utoipa::path(get, path = "/refreshers", responses((status = 200, body = Vec<RefresherView>)))]
async fn list_refreshers(State(app): State<App>) -> Json<Vec<RefresherView>> {
    Json(app.handle().refreshers())
}

/// Which looks.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LooksQuery {
    /// Only those that failed.
    failing: bool,
    /// How many at most, 1 to 1,000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// How far a refresher is with each host or library share: those that failed first, else by name.
#[utoipa::path(
    get, path = "/refreshers/{refresher}/looks", params(LooksQuery),
    responses((status = 200, body = Page<LookView>))
)]
async fn list_looks(
    State(app): State<App>,
    At(refresher): At<String>,
    Params(query): Params<LooksQuery>,
) -> Result<Json<Page<LookView>>, Problem> {
    let limit = limit(query.limit, 1)?;
    let mut looks = app.handle().looks_of(known(&refresher)?);
    looks.retain(|look| !query.failing || look.error.is_some());
    let total = Some(looks.len() as u64);
    looks.truncate(limit);
    Ok(Json(Page { items: looks, next: None, total }))
}

/// Let a refresher look now: at one host or library share, also one in maintenance, or at all that are not. What it
/// changes is a job; where it changes nothing there is none.
#[utoipa::path(
    post, path = "/refreshers/{refresher}/run", params(ChangeQuery), request_body = RunRefresher,
    responses((status = 200, body = RefresherRun))
)]
async fn run_refresher(
    State(app): State<App>,
    At(refresher): At<String>,
    asking: Asking,
    body: Body,
) -> Result<Json<RefresherRun>, Problem> {
    asking.without_dry_run("a look")?;
    asking.if_match_was_met()?;
    let RunRefresher { at } = body.typed()?;
    let kind = known(&refresher)?;
    let picture = app.picture();
    let Some(at) = at else { return Ok(Json(app.handle().run_refresher(kind, None))) };
    let id = match kind.is_of_shares() {
        true => one::<Share>(&picture, &at)?.1.id.0,
        false => one::<Host>(&picture, &at)?.1.id.0,
    };
    let run = app.handle().run_refresher(kind, Some(id));
    if run.asked == 0 {
        return Err(
            Refusal::new(Code::HostNotResponding, format!("host {at}"), "it was declared dead").into()
        );
    }
    Ok(Json(run))
}

/// How far the refreshers are with a host and the library shares on it.
#[utoipa::path(get, path = "/hosts/{host}/looks", responses((status = 200, body = Vec<LookView>)))]
async fn list_host_looks(
    State(app): State<App>,
    At(host): At<String>,
) -> Result<Json<Vec<LookView>>, Problem> {
    let host = one::<Host>(&app.picture(), &host)?.1.id;
    Ok(Json(app.handle().looks_at(host)))
}

/// When a machine was last read as a whole, what was wrong then, and how loaded it was when its host was asked.
#[utoipa::path(get, path = "/vms/{vm}/look", responses((status = 200, body = VmLookView)))]
async fn get_vm_look(State(app): State<App>, At(vm): At<String>) -> Result<Json<VmLookView>, Problem> {
    let picture = app.picture();
    let vm = one::<Vm>(&picture, &vm)?.1;
    Ok(Json(app.handle().look_at_vm(vm)))
}

/// The refresher that is meant.
fn known(written: &str) -> Result<RefresherKind, Refusal> {
    let found = RefresherKind::ALL.into_iter().find(|kind| kind.word() == written);
    found.ok_or_else(|| {
        let all: Vec<&str> = RefresherKind::ALL.iter().map(|kind| kind.word()).collect();
        Refusal::not_found(format!("refresher {}", shown(written)))
            .remedy(format!("Use one of: {}", all.join(", ")))
    })
}
