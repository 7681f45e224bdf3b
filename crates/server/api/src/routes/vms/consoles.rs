//! Consoles of a machine: tickets for them, and who has one open.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hostler_model::access::Right;
use hostler_model::console::{CONSOLE_TICKET_MS, ConsoleTicket, ConsoleViewer, NewConsoleTicket};
use hostler_model::vm::Vm;
use hostler_model::{Code, Refusal};
use utoipa_axum::routes;

use crate::access::Caller;
use crate::app::App;
use crate::consoles;
use crate::extract::At;
use crate::json::Body;
use crate::problem::Problem;
use crate::rights::Routes;
use crate::routes::one;
use crate::routes::session::no_store;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::See, routes!(create_console_ticket)).add(Right::See, routes!(list_console_viewers))
}

/// Ask for a ticket with which a console of it can be opened, once, within 30 seconds. To use the console needs the right
/// to change the machine; only to look, the right to see it.
#[utoipa::path(
    post, path = "/vms/{vm}/console-tickets", request_body = NewConsoleTicket,
    responses((status = 201, body = ConsoleTicket))
)]
async fn create_console_ticket(
    State(app): State<App>,
    At(vm): At<String>,
    caller: Caller,
    body: Body,
) -> Result<Response, Problem> {
    let wanted: NewConsoleTicket = body.typed()?;
    let picture = app.picture();
    let (_, vm) = one::<Vm>(&picture, &vm)?;
    if !caller.may(consoles::right(wanted.view_only)) {
        let cause = format!("the role {} lets you only look", caller.user.role.words());
        let refusal = Refusal::new(Code::AccessForbidden, vm.label(), cause);
        return Err(refusal.remedy("Open the console with view_only").into());
    }
    let nowhere = || Refusal::new(Code::HostNotResponding, vm.label(), "it is on no host yet");
    vm.host.ok_or_else(nowhere)?;
    let ticket = app.consoles().give(caller, vm.id, wanted)?;
    let given = ConsoleTicket {
        kind: wanted.kind,
        view_only: wanted.view_only,
        url: format!("/api/v1/console?ticket={ticket}"),
        ticket,
        expires: app.handle().now().plus(CONSOLE_TICKET_MS),
    };
    let mut response = (StatusCode::CREATED, Json(given)).into_response();
    no_store(response.headers_mut());
    Ok(response)
}

/// Who has a console of it open.
#[utoipa::path(
    get, path = "/vms/{vm}/console-viewers",
    responses((status = 200, body = Vec<ConsoleViewer>))
)]
async fn list_console_viewers(
    State(app): State<App>,
    At(vm): At<String>,
) -> Result<Json<Vec<ConsoleViewer>>, Problem> {
    let picture = app.picture();
    let (_, vm) = one::<Vm>(&picture, &vm)?;
    Ok(Json(app.consoles().viewers(vm.id)))
}
