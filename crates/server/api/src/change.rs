//! A change: asked of the engine, answered with its job; or shown as a plan and not done.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hostler_model::command_line::command_line;
use hostler_model::job::{DryRun, Job};
use hostler_model::request::Request;
use hostler_model::view::Accepted;
use hostler_model::{Code, JobId, Object, Refusal};
use hostler_server::Ask;
use utoipa::IntoResponses;

use crate::app::App;
use crate::effects::effects;
use crate::extract::Asking;
use crate::names::called;
use crate::precondition;
use crate::problem::Problem;

/// The answer to a change.
#[derive(IntoResponses)]
#[allow(clippy::large_enum_variant, reason = "made once for an answer and consumed at once")]
pub(crate) enum Changed {
    /// It was taken on: this job carries it out.
    #[response(status = 202)]
    Accepted(#[to_schema] Accepted),
    /// What would be done (with `dry_run=true`). Nothing was.
    #[response(status = 200)]
    DryRun(#[to_schema] DryRun),
}

impl IntoResponse for Changed {
    fn into_response(self) -> Response {
        match self {
            Changed::Accepted(accepted) => (StatusCode::ACCEPTED, Json(accepted)).into_response(),
            Changed::DryRun(plan) => Json(plan).into_response(),
        }
    }
}

/// Asks for a change, or shows its plan.
pub(crate) async fn change<T>(app: &App, asking: Asking<T>, request: Request) -> Result<Changed, Problem> {
    let makes = makes_something(&request);
    if asking.dry_run {
        asking.if_match_was_met()?;
        return Ok(Changed::DryRun(rehearsed(app, request).await?));
    }
    let job = ask(app, &asking, request).await?;
    let id = if makes { made(app, job).await? } else { None };
    Ok(Changed::Accepted(Accepted { job, id }))
}

/// What a request would do, with the command line that asks for it.
pub(crate) async fn rehearsed(app: &App, request: Request) -> Result<DryRun, Refusal> {
    let picture = app.picture();
    let command = command_line(&request, &|key| called(&picture, key));
    let effects = effects(&picture, &request);
    Ok(DryRun { command, effects, ..app.handle().dry_run(request).await? })
}

/// Asks, and answers with the job.
pub(crate) async fn ask<T>(app: &App, asking: &Asking<T>, request: Request) -> Result<JobId, Problem> {
    asking.if_match_was_met()?;
    let seen = asking.unchanged.as_ref().map(Object::key);
    let ask = Ask {
        actor: asking.caller.actor(),
        key: asking.key.clone(),
        wait: asking.wait,
        unchanged: asking.unchanged.clone(),
        again_of: None,
        request,
    };
    let asked = app.handle().ask(ask).await;
    asked.map_err(|refusal| precondition::refused(&app.picture(), seen, refusal))
}

/// Asks for a change of the record alone, which is done when its job is, and answers with that job; what failed is an
/// error here.
pub(crate) async fn done(app: &App, job: JobId) -> Result<std::sync::Arc<Job>, Problem> {
    let job = app.handle().wait_for_job(job, std::time::Duration::from_secs(10)).await?;
    match &job.error {
        Some(error) => Err(error.clone().into()),
        None if job.state.is_success() => Ok(job),
        None => Err(Refusal::new(Code::ObjectBusy, job.label(), "it has not ended yet").into()),
    }
}

async fn made(app: &App, job: JobId) -> Result<Option<String>, Problem> {
    let job = app.handle().job(job).await?;
    Ok(job.about.first().map(|key| key.id()))
}

/// Whether the first thing that its job is about is made by it.
fn makes_something(request: &Request) -> bool {
    matches!(
        request,
        Request::CreateVm(_)
            | Request::CreateHostGroup { .. }
            | Request::AddShare { .. }
            | Request::CreateTemplate { .. }
            | Request::CreateUser { .. }
            | Request::CreateToken { .. }
            | Request::CreateEnrolment { .. }
            | Request::SaveView { .. }
    )
}
