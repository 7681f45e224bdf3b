//! Files that arrive in library shares piece by piece. They pass through here and are kept nowhere on the way; what has
//! arrived, the share's agent knows alone.

use std::time::Duration;

use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use hostler_model::access::Right;
use hostler_model::channel::{Query, StreamKind};
use hostler_model::library::Share;
use hostler_model::request::Request;
use hostler_model::upload::{Arrival, NewUpload, PieceEnd, UploadAsk, UploadView};
use hostler_model::{Code, Key, Object, Refusal, ShareId};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::one;
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::{Body, shown};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tokens;
use crate::told::told;

/// How long the sender may take for the next bytes, and the agent for its answer once it has all.
const SLOW: Duration = Duration::from_secs(30);
/// The longest answer of an agent at the end of a piece.
const LONGEST_END: u64 = 64 * 1024;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::Change, routes!(begin_upload))
        .add(Right::Change, routes!(get_upload, put_upload, remove_upload))
        .add(Right::Change, routes!(finish_upload))
}

/// Begin to upload a file into a library share; or continue, where a file of the same content to the same path has begun
/// to arrive.
#[utoipa::path(
    post, path = "/library-shares/{share}/uploads", request_body = NewUpload,
    responses((status = 201, body = UploadView, description = "Send its content from `received_bytes` on"))
)]
async fn begin_upload(
    State(app): State<App>,
    At(share): At<String>,
    body: Body,
) -> Result<Response, Problem> {
    let file: NewUpload = body.typed()?;
    if let Some(sum) = &file.sha256
        && !(sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        return Err(Refusal::invalid("sha256", "it is not 64 hexadecimal digits").into());
    }
    let picture = app.picture();
    let (_, share) = one::<Share>(&picture, &share)?;
    let keep_s = u64::from(app.handle().settings().upload_keep_h) * 3_600;
    // Random, since who began it alone knows it.
    let upload = uuid::Builder::from_random_bytes(tokens::bytes()?).into_uuid();
    let ask = UploadAsk::Begin { upload, file, keep_s };
    let view = shown_as(share.id, arrival(&app, share, ask).await?);
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Show how far an upload is.
#[utoipa::path(get, path = "/uploads/{upload}", responses((status = 200, body = UploadView)))]
async fn get_upload(State(app): State<App>, At(id): At<String>) -> Result<Json<UploadView>, Problem> {
    let (share, upload) = meant(&app, &id)?;
    Ok(Json(shown_as(share.id, arrival(&app, &share, UploadAsk::Look { upload }).await?)))
}

/// Where a piece belongs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PieceQuery {
    /// Where in the file the piece begins: at `received_bytes` of the upload.
    offset: u64,
}

/// Send a piece of an upload: as much as one likes, 8 MiB is a good size. What has arrived of a piece that was cut off
/// stays: ask how far the upload is, and go on from there.
#[utoipa::path(
    put, path = "/uploads/{upload}", params(PieceQuery),
    request_body(content = inline(Vec<u8>), content_type = "application/octet-stream"),
    responses((status = 200, body = UploadView))
)]
async fn put_upload(
    State(app): State<App>,
    At(id): At<String>,
    Params(PieceQuery { offset }): Params<PieceQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<UploadView>, Problem> {
    let (share, upload) = meant(&app, &id)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length =
        length.ok_or_else(|| Problem::malformed("Content-Length", "a piece says how many bytes it has"))?;
    let piece = StreamKind::Upload { folder: share.folder.clone(), upload, offset, length };
    // Its disk may be slow.
    let stream = app.handle().open_stream(share.agent, piece).await?.with_stall(SLOW);
    let (mut from_agent, mut to_agent) = tokio::io::split(stream);
    let end = async {
        let mut end = Vec::new();
        let read = (&mut from_agent).take(LONGEST_END).read_to_end(&mut end).await;
        read.ok().and_then(|_| serde_json::from_slice::<PieceEnd>(&end).ok())
    };
    let send = async {
        let mut pieces = body.into_data_stream();
        while let Some(bytes) = next(pieces.next()).await? {
            // An agent that takes no more has said why, or is gone.
            if to_agent.write_all(&bytes).await.is_err() {
                break;
            }
        }
        Ok::<(), Problem>(())
    };
    tokio::pin!(end);
    let end = tokio::select! {
        biased;
        end = &mut end => end,
        sent = send => {
            sent?;
            tokio::time::timeout(SLOW, end).await.unwrap_or_default()
        }
    };
    match end {
        Some(PieceEnd::Taken { arrival }) => Ok(Json(shown_as(share.id, arrival))),
        Some(PieceEnd::Refused { refusal }) => Err(refusal.into()),
        None => {
            let refusal = Refusal::new(
                Code::HostNotResponding,
                share.label(),
                "its agent was lost before it had all of the piece",
            );
            Err(refusal.remedy("Ask how far the upload is, and go on from there").into())
        }
    }
}

/// The next bytes of a body, within a time.
async fn next<T, E: std::fmt::Display>(
    next: impl Future<Output = Option<Result<T, E>>>,
) -> Result<Option<T>, Problem> {
    match tokio::time::timeout(SLOW, next).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
        Ok(Some(Err(cause))) => Err(Problem::malformed("request body", shown(&cause.to_string()))),
        Err(_) => {
            let cause = format!("nothing came for {} s", SLOW.as_secs());
            Err(Problem::of_status(StatusCode::REQUEST_TIMEOUT, "request body", cause))
        }
    }
}

/// Give up an upload and delete what has arrived. A file that has its name stays.
#[utoipa::path(delete, path = "/uploads/{upload}", responses((status = 204, description = "It is gone")))]
async fn remove_upload(State(app): State<App>, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (share, upload) = meant(&app, &id)?;
    answered(&app, &share, UploadAsk::Remove { upload }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give an upload that has arrived its name in the share, and read the share anew. Where a SHA-256 was announced, the
/// content is checked before: that can take long, and is answered with `upload.verifying` then.
#[utoipa::path(post, path = "/uploads/{upload}/finish", params(ChangeQuery), responses(Changed))]
async fn finish_upload(
    State(app): State<App>,
    At(id): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    asking.without_dry_run("an upload")?;
    let (share, upload) = meant(&app, &id)?;
    answered(&app, &share, UploadAsk::Finish { upload }).await?;
    // The file is there whatever the share is busy with.
    asking.wait = true;
    change(&app, asking, Request::RefreshShare { share: share.id }).await
}

/// Asks the agent of a share.
async fn answered(app: &App, share: &Share, ask: UploadAsk) -> Result<Vec<u8>, Refusal> {
    app.handle().query(share.agent, Query::Upload { folder: share.folder.clone(), ask }).await
}

/// Asks the agent of a share how far an upload is.
async fn arrival(app: &App, share: &Share, ask: UploadAsk) -> Result<Arrival, Refusal> {
    told(app, share.agent, Query::Upload { folder: share.folder.clone(), ask }).await
}

fn shown_as(share: ShareId, arrival: Arrival) -> UploadView {
    let Arrival { upload, path, size_bytes, received_bytes, sha256, begun, kept_until, finished } = arrival;
    UploadView {
        id: format!("{}-{}", share.0.simple(), upload.simple()),
        share,
        path,
        size_bytes,
        received_bytes,
        sha256,
        begun,
        kept_until,
        finished,
    }
}

/// The share of an upload and its id there: both stand in what it is called, so that a server that was started again
/// knows whom to ask.
fn meant(app: &App, written: &str) -> Result<(Share, Uuid), Refusal> {
    let not_found = || Refusal::not_found(format!("upload \"{}\"", shown(written)));
    let (share, upload) = written.split_once('-').ok_or_else(not_found)?;
    let share = Uuid::try_parse(share).map_err(|_| not_found())?;
    let upload = Uuid::try_parse(upload).map_err(|_| not_found())?;
    match app.picture().get(Key::Share(ShareId(share))).map(|stored| &stored.object) {
        Some(Object::Share(share)) => Ok(((**share).clone(), upload)),
        _ => Err(not_found()),
    }
}
