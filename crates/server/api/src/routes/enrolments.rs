//! Tokens with which computers enrol.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hostler_model::access::Right;
use hostler_model::agent::Enrolment;
use hostler_model::body::{NewEnrolment, TokenMade};
use hostler_model::job::DryRun;
use hostler_model::request::{Request, Secret};
use hostler_model::view::{EnrolmentView, Page};
use hostler_model::{Key, Refusal};
use utoipa_axum::routes;

use super::asked_of;
use super::host_groups::meant;
use super::session::no_store;
use crate::app::App;
use crate::change::{Changed, change, done};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::Body;
use crate::list::{ListQuery, page};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::views;

/// How long a token is good where nothing is said, in seconds: an hour.
const USUAL_LIFE_S: u32 = 3_600;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::Administer, routes!(list_enrolments, create_enrolment))
        .add(Right::Administer, routes!(revoke_enrolment))
}

/// List enrolment tokens.
#[utoipa::path(get, path = "/enrolments", params(ListQuery), responses((status = 200, body = Page<EnrolmentView>)))]
async fn list_enrolments(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<EnrolmentView>>, Problem> {
    Ok(Json(page(&app.picture(), &query, |_: &Enrolment| true, views::enrolment)?))
}

/// Make a token with which one computer can enrol. It is shown this once.
#[utoipa::path(
    post, path = "/enrolments", params(ChangeQuery), request_body = NewEnrolment,
    responses((status = 202, body = TokenMade), (status = 200, body = DryRun))
)]
async fn create_enrolment(State(app): State<App>, asking: Asking, body: Body) -> Result<Response, Problem> {
    let NewEnrolment { roles, host_name, group, valid_s } = body.typed()?;
    let group = group.map(|written| meant(&app.picture(), &written)).transpose()?;
    let valid_ms = u64::from(valid_s.unwrap_or(USUAL_LIFE_S)) * 1_000;
    if asking.dry_run {
        let request =
            Request::CreateEnrolment { sha256: Secret::default(), roles, host_name, group, valid_ms };
        return change(&app, asking, request).await.map(IntoResponse::into_response);
    }
    asking.if_match_was_met()?;
    let actor = asking.caller.actor();
    let (job, token) =
        app.handle().create_enrolment(actor, asking.key.clone(), roles, host_name, group, valid_ms).await?;
    let about = done(&app, job).await?.about.first().copied();
    match (about, token) {
        (Some(Key::Enrolment(id)), Some(token)) => {
            let mut response = (StatusCode::ACCEPTED, Json(TokenMade { job, id, token })).into_response();
            no_store(response.headers_mut());
            Ok(response)
        }
        _ => Err(Refusal::invalid("Idempotency-Key", "its token was made before, and is shown only once")
            .remedy("Revoke that token, and make another with another key")
            .into()),
    }
}

/// Revoke an enrolment token.
#[utoipa::path(delete, path = "/enrolments/{enrolment}", params(ChangeQuery), responses(Changed))]
async fn revoke_enrolment(
    State(app): State<App>,
    At(enrolment): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let token = asked_of::<Enrolment, _>(&app, &mut asking, &enrolment)?.id;
    change(&app, asking, Request::RevokeToken { token }).await
}
