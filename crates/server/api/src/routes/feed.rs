//! The live feed.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use hostler_model::access::Right;
use hostler_model::body::FeedEvent;
use hostler_model::{Kind, Refusal};
use hostler_server::store::Cursor;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::access::Caller;
use crate::app::App;
use crate::extract::Params;
use crate::feed::follow;
use crate::json::shown;
use crate::problem::Problem;
use crate::rights::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::See, routes!(follow_feed))
}

/// Which events.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FeedQuery {
    /// After this place; from now on when absent. The header `Last-Event-ID` goes before it.
    after: Option<String>,
    /// Of these kinds only, joined by `,`.
    kinds: Option<String>,
}

/// Follow changes as they happen, as server-sent events. Each `change` holds a commit's change to one object; the last
/// of a commit bears its place as id. `resync` says that the place is no longer kept: read everything anew, and go on
/// from the id that stands beside it.
#[utoipa::path(
    get, path = "/feed", params(FeedQuery),
    responses((status = 200, body = FeedEvent, content_type = "text/event-stream"))
)]
async fn follow_feed(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<FeedQuery>,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?").to_owned());
    let after = last.or(query.after).filter(|after| !after.is_empty()).map(|after| {
        after.parse::<Cursor>().map_err(|_| {
            let cause = format!("\"{}\" is not a place in the feed", shown(&after));
            Refusal::invalid("after", cause).remedy("Leave it out to follow from now on")
        })
    });
    let after = after.transpose()?;
    let words =
        query.kinds.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let kinds: Result<BTreeSet<Kind>, Refusal> = words.map(kind).collect();
    Ok(Sse::new(follow(app, caller, after, kinds?)).into_response())
}

fn kind(word: &str) -> Result<Kind, Refusal> {
    let known = || Kind::ALL.iter().copied().filter(|kind| !kind.is_secret());
    known().find(|kind| kind.word() == word).ok_or_else(|| {
        let words: Vec<&str> = known().map(Kind::word).collect();
        Refusal::invalid("kinds", format!("there is no kind \"{}\"", shown(word)))
            .remedy(format!("Use some of: {}", words.join(", ")))
    })
}
