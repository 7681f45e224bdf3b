//! One action on many machines.

use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use hostler_model::access::Right;
use hostler_model::action::VmAction;
use hostler_model::bulk::{BulkAction, BulkAnswer, request};
use hostler_model::job::Job;
use hostler_model::{Key, Kind, Refusal};
use hostler_server::{Ask, Picture};
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::{Asking, ChangeQuery};
use crate::json::Body;
use crate::names;
use crate::problem::Problem;
use crate::rights::Routes;

/// How many machines one request may name: more is another request.
const MOST: usize = 1_000;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::Change, routes!(act_on_vms))
}

/// Do one thing to many machines. Each is answered by itself, in the order asked, with its job or with why there is none.
#[utoipa::path(
    post, path = "/vms/bulk", params(ChangeQuery), request_body = BulkAction,
    responses((status = 200, body = Vec<BulkAnswer>))
)]
async fn act_on_vms(
    State(app): State<App>,
    asking: Asking,
    body: Body,
) -> Result<Json<Vec<BulkAnswer>>, Problem> {
    asking.without_dry_run("an action on many machines")?;
    asking.if_match_was_met()?;
    let asked: BulkAction = body.typed()?;
    if !(1..=MOST).contains(&asked.vms.len()) {
        return Err(Refusal::invalid("vms", format!("it does not name 1 to {MOST} machines")).into());
    }
    let picture = app.picture();
    let BulkAction { action, vms } = asked;
    let all = vms.into_iter().map(|written| {
        let ask = one(&picture, &asking, action, &written);
        let handle = app.handle();
        async move {
            let done = match ask {
                Ok(ask) => handle.ask(ask).await,
                Err(refusal) => Err(refusal),
            };
            match done {
                Ok(job) => BulkAnswer { vm: written, job: Some(job), refusal: None },
                Err(refusal) => BulkAnswer { vm: written, job: None, refusal: Some(refusal) },
            }
        }
    });
    Ok(Json(join_all(all).await))
}

/// What is asked for one machine.
fn one(picture: &Picture, asking: &Asking, action: VmAction, written: &str) -> Result<Ask, Refusal> {
    let Key::Vm(vm) = names::find(picture, Kind::Vm, written)?.object.key() else {
        return Err(Refusal::not_found(names::noun(Kind::Vm)));
    };
    let request = request(action, vm).ok_or_else(|| {
        Refusal::invalid("action", format!("{} needs more said than the machine", action.word()))
            .remedy("Ask for each machine by itself")
    })?;
    // One key for all would be one job for all.
    let key = asking.key.as_deref().map(|kept| match Job::key_and_digest(kept) {
        (key, Some(digest)) => Job::key_with_digest(&format!("{key}/{vm}"), digest),
        (key, None) => format!("{key}/{vm}"),
    });
    Ok(Ask { key, wait: asking.wait, ..Ask::new(asking.caller.actor(), request) })
}
