//! Jobs, open and ended. Lists read the store: the newest first.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::{Actor, Right, User};
use hostler_model::job::{Job, JobKind, JobState};
use hostler_model::view::{Accepted, JobView, Page, PropertyChangeView};
use hostler_model::{JobId, Key, Kind, Object, Refusal};
use hostler_server::store::{JobFilter, Stored};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::one;
use crate::app::App;
use crate::change::{Changed, rehearsed};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::shown;
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::{list, names, secret, views};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_jobs))
        .add(Right::See, routes!(get_job))
        .add(Right::See, routes!(get_job_changes))
        .add(Right::Change, routes!(cancel_job))
        .add(Right::Change, routes!(abandon_job))
        .add(Right::Change, routes!(run_job_again))
}

/// Which jobs.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct JobsQuery {
    /// In any of these states, joined by `|` or `,`.
    state: Option<String>,
    /// Of any of these kinds, joined by `|` or `,`.
    kind: Option<String>,
    /// About this thing, as in `vm/web-1`.
    about: Option<String>,
    /// Asked by this user; `refresher` and `system` are no users and good, too.
    user: Option<String>,
    /// With this text in what they are about.
    text: Option<String>,
    /// How many at most, 1 to 1,000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

/// List jobs, the newest first.
#[utoipa::path(get, path = "/jobs", params(JobsQuery), responses((status = 200, body = Page<JobView>)))]
async fn list_jobs(
    State(app): State<App>,
    Params(query): Params<JobsQuery>,
) -> Result<Json<Page<JobView>>, Problem> {
    let limit = list::limit(query.limit, 1)?;
    let filter = filter(&app, query)?;
    let mut jobs = app.handle().read(move |reader| reader.jobs(&filter, limit + 1)).await?;
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next = jobs.last().filter(|_| more).map(|last| last.object.id.to_string());
    let picture = app.picture();
    let items =
        jobs.iter().map(|job| views::job(app.handle(), &picture, job.revision.0, &job.object)).collect();
    Ok(Json(Page { items, next, total: None }))
}

fn filter(app: &App, query: JobsQuery) -> Result<JobFilter, Problem> {
    let picture = app.picture();
    let states: Vec<(&str, JobState)> = JobState::ALL.iter().map(|state| (state.word(), *state)).collect();
    let kinds: Vec<(&str, JobKind)> = JobKind::ALL.iter().map(|kind| (kind.word(), *kind)).collect();
    let about = query.about.map(|written| about(app, &written)).transpose()?;
    let actor = match query.user.as_deref() {
        None => None,
        Some("refresher") => Some(Actor::Refresher),
        Some("system") => Some(Actor::System),
        Some(written) => {
            let (_, user) = one::<User>(&picture, written)?;
            Some(Actor::User { id: user.id, name: user.name.clone() })
        }
    };
    let before = query.cursor.map(|cursor| {
        cursor
            .parse()
            .map(JobId)
            .map_err(|_| Refusal::invalid("cursor", "it is not one that this server gave"))
    });
    Ok(JobFilter {
        states: words("state", query.state.as_deref(), &states)?,
        kinds: words("kind", query.kind.as_deref(), &kinds)?,
        about,
        actor,
        text: query.text.filter(|text| !text.is_empty()),
        before: before.transpose()?,
        ..JobFilter::default()
    })
}

fn words<T: Copy>(name: &str, written: Option<&str>, known: &[(&str, T)]) -> Result<Vec<T>, Refusal> {
    let asked = written.unwrap_or_default().split(['|', ',']).map(str::trim).filter(|word| !word.is_empty());
    let read = asked.map(|word| {
        known.iter().find(|(known, _)| *known == word).map(|(_, value)| *value).ok_or_else(|| {
            let all: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            Refusal::invalid(name, format!("there is no \"{}\"", shown(word)))
                .remedy(format!("Use one of: {}", all.join(", ")))
        })
    });
    read.collect()
}

/// The thing that is meant by `vm/web-1`. One that is gone is found by its whole id.
fn about(app: &App, written: &str) -> Result<Key, Refusal> {
    let refused = || {
        Refusal::invalid("about", format!("\"{}\" is not a kind and a name", shown(written)))
            .remedy("Write it as in vm/web-1")
    };
    let (kind, name) = written.split_once('/').ok_or_else(refused)?;
    let kind: Kind = kind.parse().map_err(|()| refused())?;
    match names::find(&app.picture(), kind, name) {
        Ok(stored) => Ok(stored.object.key()),
        Err(refusal) => Key::read(kind, name).ok_or(refusal),
    }
}

/// Show a job.
#[utoipa::path(get, path = "/jobs/{job}", responses((status = 200, body = JobView)))]
async fn get_job(
    State(app): State<App>,
    At(job): At<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = names::job(&job)?;
    let stored = app.handle().read(move |reader| reader.job(id)).await?;
    let stored = stored.ok_or_else(|| Refusal::not_found(format!("job {id}")))?;
    let picture = app.picture();
    let revision = stored.revision.0;
    let view = views::job(app.handle(), &picture, revision, &stored.object);
    tagged(&headers, picture.head, revision, Holds::Computed, &view)
}

/// What a job changed, property by property.
#[utoipa::path(get, path = "/jobs/{job}/changes", responses((status = 200, body = Vec<PropertyChangeView>)))]
async fn get_job_changes(
    State(app): State<App>,
    At(job): At<String>,
) -> Result<Json<Vec<PropertyChangeView>>, Problem> {
    let id = names::job(&job)?;
    let (found, changes) =
        app.handle().read(move |reader| Ok((reader.job(id)?.is_some(), reader.changes_of_job(id)?))).await?;
    if !found {
        return Err(Refusal::not_found(format!("job {id}")).into());
    }
    let picture = app.picture();
    let views = changes.into_iter().map(|change| {
        let kind = change.key.kind();
        let (mut before, mut after) = (change.before, change.after);
        secret::of_kind(kind, &change.property, &mut before);
        secret::of_kind(kind, &change.property, &mut after);
        let names = names::ids_in(&picture, change.key, [&before, &after]);
        PropertyChangeView { object: change.key.to_string(), property: change.property, before, after, names }
    });
    Ok(Json(views.collect()))
}

/// Cancel a job: what it did is taken back.
#[utoipa::path(post, path = "/jobs/{job}/cancel", params(ChangeQuery), responses(Changed))]
async fn cancel_job(
    State(app): State<App>,
    At(job): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    asking.without_dry_run("cancelling")?;
    seen(&app, &mut asking, &job).await?;
    let id = unfinished(&app, &job).await?;
    accepted(app.handle().cancel(id, asking.caller.actor()).await?)
}

/// End a job for its caller, while what a host owes stands.
#[utoipa::path(post, path = "/jobs/{job}/abandon", params(ChangeQuery), responses(Changed))]
async fn abandon_job(
    State(app): State<App>,
    At(job): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    asking.without_dry_run("abandoning")?;
    seen(&app, &mut asking, &job).await?;
    let id = unfinished(&app, &job).await?;
    accepted(app.handle().abandon(id, asking.caller.actor()).await?)
}

/// Run an ended job again, as a new job linked to it.
#[utoipa::path(post, path = "/jobs/{job}/again", params(ChangeQuery), responses(Changed))]
async fn run_job_again(
    State(app): State<App>,
    At(job): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    seen(&app, &mut asking, &job).await?;
    let job = existing(&app, &job).await?;
    if !asking.caller.may(needs(&job)) {
        let cause = "running this job again needs the right to administer";
        return Err(Refusal::new(hostler_model::Code::AccessForbidden, job.label(), cause).into());
    }
    if asking.dry_run {
        let said = rehearsed(&app, job.request.clone()).await;
        return Ok(Changed::DryRun(said.map_err(|refusal| job.in_its_words(refusal))?));
    }
    accepted(app.handle().again(job.id, asking.caller.actor(), asking.key, asking.wait).await?)
}

/// What is needed to run a job again: what was needed to ask for it.
fn needs(job: &Job) -> Right {
    match job.kind {
        JobKind::CreateUser
        | JobKind::EditUser
        | JobKind::DeleteUser
        | JobKind::CreateToken
        | JobKind::RevokeToken
        | JobKind::CreateEnrolment
        | JobKind::SetSettings
        | JobKind::RemoveAgent
        | JobKind::UpgradeAgent
        | JobKind::EnrolAgent
        | JobKind::RenewAgent
        | JobKind::DeclareHostDead
        | JobKind::Refresher
        | JobKind::Unknown => Right::Administer,
        JobKind::CreateVm
        | JobKind::StartVm
        | JobKind::ShutDownVm
        | JobKind::TurnOffVm
        | JobKind::PauseVm
        | JobKind::ResumeVm
        | JobKind::ResetVm
        | JobKind::SaveVm
        | JobKind::DiscardSavedVm
        | JobKind::EditVm
        | JobKind::SetVmHardware
        | JobKind::AttachDisk
        | JobKind::DetachDisk
        | JobKind::SetVmMedia
        | JobKind::MigrateVm
        | JobKind::SettleVm
        | JobKind::DeleteVm
        | JobKind::AdoptVm
        | JobKind::ImportVm
        | JobKind::RefreshVm
        | JobKind::RefreshHost
        | JobKind::RestartHost
        | JobKind::ShutDownHost
        | JobKind::EditHost
        | JobKind::MakeFolder
        | JobKind::MoveHost
        | JobKind::CreateHostGroup
        | JobKind::EditHostGroup
        | JobKind::MoveHostGroup
        | JobKind::DeleteHostGroup
        | JobKind::CreateNetwork
        | JobKind::RemoveNetwork
        | JobKind::SaveView
        | JobKind::DeleteView
        | JobKind::AddShare
        | JobKind::RefreshShare
        | JobKind::RemoveShare
        | JobKind::CreateTemplate
        | JobKind::EditTemplate
        | JobKind::DeleteTemplate => Right::Change,
    }
}

async fn existing(app: &App, written: &str) -> Result<std::sync::Arc<Job>, Problem> {
    Ok(app.handle().job(names::job(written)?).await?)
}

/// Holds `If-Match` against a job. A job moves on by itself, so what is decided rests on its state and not on its version.
async fn seen(app: &App, asking: &mut Asking, written: &str) -> Result<(), Problem> {
    if asking.if_match.is_none() {
        return Ok(());
    }
    let id = names::job(written)?;
    let stored = app.handle().read(move |reader| reader.job(id)).await?;
    let Stored { revision, object } = stored.ok_or_else(|| Refusal::not_found(format!("job {id}")))?;
    asking.of(&app.picture(), &Stored { revision, object: Object::Job(object) })
}

/// A job that can still be stopped.
async fn unfinished(app: &App, written: &str) -> Result<JobId, Problem> {
    let job = existing(app, written).await?;
    match job.has_ended() {
        Some(refusal) => Err(refusal.into()),
        None => Ok(job.id),
    }
}

fn accepted(job: JobId) -> Result<Changed, Problem> {
    Ok(Changed::Accepted(Accepted { job, id: None }))
}
