//! The versions of an object.

use axum::Json;
use axum::extract::State;
use hostler_model::access::Right;
use hostler_model::body::FeedEvent;
use hostler_model::view::Page;
use hostler_model::vm::Vm;
use hostler_model::{Key, Refusal, Timestamp};
use hostler_server::store::{As, Cursor, Revision};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::{At, Params};
use crate::feed::told;
use crate::list;
use crate::problem::Problem;
use crate::rights::Routes;
use crate::routes::one;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::See, routes!(get_vm_history))
}

/// Which versions.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// How many at most, 1 to 1,000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

/// The versions of a virtual machine, newest first.
#[utoipa::path(
    get, path = "/vms/{vm}/history", params(HistoryQuery), responses((status = 200, body = Page<FeedEvent>))
)]
async fn get_vm_history(
    State(app): State<App>,
    At(vm): At<String>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<Page<FeedEvent>>, Problem> {
    let key = Key::Vm(one::<Vm>(&app.picture(), &vm)?.1.id);
    history(&app, key, query).await
}

/// A page of an object's versions.
pub(crate) async fn history(
    app: &App,
    key: Key,
    query: HistoryQuery,
) -> Result<Json<Page<FeedEvent>>, Problem> {
    let limit = list::limit(query.limit, 1)?;
    let refused = || Refusal::invalid("cursor", "it is not one that this server gave");
    let before =
        query.cursor.map(|cursor| cursor.parse().map(Revision).map_err(|_| refused())).transpose()?;
    // One more than asked for tells whether there is another page.
    let mut events = app.handle().read(move |reader| reader.history(key, before, limit + 1)).await?;
    let more = events.len() > limit;
    events.truncate(limit);
    // Versions of one commit stay together: the next page begins with the commit before.
    let next = events.last().filter(|_| more).map(|last| last.revision.to_string());
    Ok(Json(Page { items: events.iter().map(told).collect(), next, total: None }))
}

/// A moment as it is written: a time, a revision, or a place in the feed.
pub(crate) fn moment(head: Cursor, written: &str) -> Result<As, Refusal> {
    if let Ok(revision) = written.parse() {
        return Ok(As::Of(Revision(revision)));
    }
    if let Ok(cursor) = written.parse::<Cursor>() {
        let other = || Refusal::not_found("history").remedy("The store was restored since: ask for a time");
        return if cursor.history == head.history { Ok(As::Of(cursor.revision)) } else { Err(other()) };
    }
    let time = written.parse::<Timestamp>().map(As::At);
    time.map_err(|_| Refusal::invalid("as_of", "it is neither a time (RFC 3339) nor a revision"))
}
