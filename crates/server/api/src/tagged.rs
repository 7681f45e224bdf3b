//! Answers with an ETag. It is `"<history>-<revision>"`; where the view holds what is computed (a status, whether a host
//! answers), which changes without a commit to the object, a digest of the view follows after a dot, so that *not
//! modified* is never said of what has changed.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hostler_server::store::{Cursor, Revision};
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::problem::Problem;
use crate::tokens::hex;

/// Whether a view is more than the object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Only the object and its revision.
    TheObject,
    /// What is computed, too.
    Computed,
}

/// A view with its ETag, or that the caller has it already.
pub(crate) fn tagged(
    asked: &HeaderMap,
    head: Cursor,
    revision: u64,
    holds: Holds,
    view: &impl Serialize,
) -> Result<Response, Problem> {
    let body = serde_json::to_vec(view).map_err(|cause| Problem::internal("answer", cause))?;
    let version = Cursor { history: head.history, revision: Revision(revision) };
    let tag = match holds {
        Holds::TheObject => format!("\"{version}\""),
        Holds::Computed => format!("\"{version}.{}\"", &hex(digest(&SHA256, &body).as_ref())[..12]),
    };
    let header_value = HeaderValue::from_str(&tag).map_err(|cause| Problem::internal("answer", cause))?;
    let mut response = if has(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
    };
    response.headers_mut().insert(header::ETAG, header_value);
    Ok(response)
}

/// Whether the caller has what bears this tag.
pub(crate) fn has(asked: &HeaderMap, tag: &str) -> bool {
    let lines = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
