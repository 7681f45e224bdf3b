//! The WebSocket of a console.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use hostler_model::access::Right;
use hostler_model::console::CONSOLE_PROTOCOL;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::access::{self, Caller};
use crate::app::App;
use crate::consoles::carry;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rights::Routes;

/// The largest message that is taken: what a person pastes.
const LARGEST_MESSAGE: usize = 1 << 20;
/// What waits to be sent, in bytes; beyond it, a browser takes what is shown too slowly.
const UNSENT: usize = 256 * 1024;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::See, routes!(open_console))
}

/// With which ticket.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConsoleQuery {
    /// The ticket, of the same user.
    ticket: String,
}

/// Open a console as a WebSocket (subprotocol `binary`). Binary messages are bytes both ways: RFB 3.8 for `graphics`, what
/// is written and typed for `serial`. On a machine that is off it waits for the next start. It is closed with 4001 when
/// the right to it was taken away, 4002 when the machine is gone, 4003 when its host does not answer, 4004 when the ticket
/// is not good, 4005 when what is shown was taken too slowly, 4006 when the machine was turned off (`graphics`), 4007 when
/// the host refuses; the reason stands beside it in words. With 4003, 4005 and 4006 it is worth asking for a new ticket.
#[utoipa::path(
    get, path = "/console", params(ConsoleQuery),
    responses((status = 101, description = "The console, as a WebSocket"))
)]
async fn open_console(
    State(app): State<App>,
    caller: Caller,
    Params(ConsoleQuery { ticket }): Params<ConsoleQuery>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|refused| {
        Problem::of_status(StatusCode::UPGRADE_REQUIRED, "console", refused.body_text())
    })?;
    // Browsers let pages of other sites open WebSockets, and send the cookie along.
    access::own_page_or_token(&headers, uri.host())?;
    let upgrade = upgrade
        .protocols([CONSOLE_PROTOCOL])
        .max_message_size(LARGEST_MESSAGE)
        .max_frame_size(LARGEST_MESSAGE)
        .write_buffer_size(0)
        .max_write_buffer_size(UNSENT);
    Ok(upgrade.on_upgrade(move |socket| carry(app, caller, ticket, socket)))
}
