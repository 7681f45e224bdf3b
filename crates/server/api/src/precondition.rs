//! What a change rests on. `If-Match` names the version of a thing that its caller has seen: has it changed since,
//! nothing is done. It is held against the committed picture here, and the object goes with the request, so that the
//! engine holds it against its own at the moment of deciding: nothing comes in between. And the digest of a request, by
//! which its idempotency key is told from the same key with another one.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use hostler_model::{Key, Object, Refusal};
use hostler_server::Picture;
use hostler_server::store::{Cursor, Revision, Stored};
use ring::digest::{Context, SHA256};
use serde_json::Value;

use crate::json::{LARGEST_BODY, shown};
use crate::names;
use crate::problem::Problem;
use crate::tokens::hex;

/// The longest header, in bytes.
const LONGEST: usize = 4 * 1024;
/// Members of bodies that are secrets: no digest is made of them, as one could be tried out against it.
const SECRET: [&str; 4] = ["password", "current", "new", "secrets"];
/// How many hexadecimal digits of a digest are kept: 128 bits.
const DIGITS: usize = 32;

/// What `If-Match` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Any version, as long as there is one.
    Any,
    /// One of these, as `<history>-<revision>`.
    One(Vec<String>),
}

impl IfMatch {
    /// Reads it, if it is there. What stands behind the dot of an ETag only tells views apart: a status that is computed
    /// is not what a change could overwrite. A weak one means no version, so it never matches.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut versions = Vec::new();
        let mut lines = headers.get_all(header::IF_MATCH).iter().peekable();
        if lines.peek().is_none() {
            return Ok(None);
        }
        for line in lines {
            let line = line.to_str().ok().filter(|line| line.len() <= LONGEST);
            let line = line.ok_or_else(|| malformed("it is no list of ETags"))?;
            for tag in line.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                if tag == "*" {
                    return Ok(Some(IfMatch::Any));
                }
                let (weak, quoted) = tag.strip_prefix("W/").map_or((false, tag), |tag| (true, tag));
                let text = quoted
                    .strip_prefix('"')
                    .and_then(|tag| tag.strip_suffix('"'))
                    .ok_or_else(|| malformed(&format!("{} is not an ETag in quotes", shown(tag))))?;
                if !weak {
                    versions.push(text.split('.').next().unwrap_or(text).to_owned());
                }
            }
        }
        Ok(Some(IfMatch::One(versions)))
    }

    /// Whether a version is among them.
    pub(crate) fn holds(&self, version: Cursor) -> bool {
        match self {
            IfMatch::Any => true,
            IfMatch::One(versions) => versions.contains(&version.to_string()),
        }
    }
}

fn malformed(cause: &str) -> Problem {
    Problem::malformed("If-Match", cause)
}

/// The version of something in a history.
pub(crate) fn version(picture: &Picture, revision: u64) -> Cursor {
    Cursor { history: picture.head.history, revision: Revision(revision) }
}

/// The refusal for a thing that has changed, with its present ETag.
pub(crate) fn stale(picture: &Picture, stored: &Stored) -> Problem {
    let key = stored.object.key();
    let what = match (key, names::called(picture, key)) {
        (Key::Job(id), _) => format!("job {id}"),
        (_, Some(name)) => format!("{} {name}", names::noun(key.kind())),
        (_, None) => names::noun(key.kind()).to_owned(),
    };
    Problem::from(Refusal::stale(what)).etag(version(picture, stored.revision.0))
}

/// A refusal of the engine, with the present ETag where it is one for what has changed.
pub(crate) fn refused(picture: &Picture, seen: Option<Key>, refusal: Refusal) -> Problem {
    match seen.and_then(|key| picture.get(key)) {
        Some(stored) if refusal.code == hostler_model::Code::RevisionStale => stale(picture, stored),
        _ => refusal.into(),
    }
}

/// What a request came with, put beside it before its route reads it.
#[derive(Clone, Debug)]
pub(crate) struct Digest(pub(crate) String);

/// The request again, with its digest: of its method, its target and its body. Only who sent an idempotency key needs it.
pub(crate) async fn digested(request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let bytes = to_bytes(body, LARGEST_BODY).await.map_err(|_| {
        let cause = format!("it is longer than {LARGEST_BODY} bytes, or broke off");
        Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE, "request body", cause)
    })?;
    let mut context = Context::new(&SHA256);
    let target = parts.uri.path_and_query().map_or(parts.uri.path(), |target| target.as_str());
    for part in [parts.method.as_str().as_bytes(), target.as_bytes(), &canonical(&bytes)] {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    let digest = hex(context.finish().as_ref());
    parts.extensions.insert(Digest(digest.chars().take(DIGITS).collect()));
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// A body as it is compared: the same JSON in another spelling is the same, and its secrets are left out.
fn canonical(bytes: &[u8]) -> Vec<u8> {
    let Ok(mut body) = serde_json::from_slice::<Value>(bytes) else { return bytes.to_vec() };
    if let Some(members) = body.as_object_mut() {
        for name in SECRET {
            members.remove(name);
        }
    }
    serde_json::to_vec(&body).unwrap_or_else(|_| bytes.to_vec())
}

/// Whether the object that a request carries is that of the picture.
pub(crate) fn unchanged(stored: &Stored) -> Option<Object> {
    // Jobs move on by themselves; the engine does not hold them as objects.
    (stored.object.key().kind() != hostler_model::Kind::Job).then(|| stored.object.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(lines: &[&'static str]) -> Option<IfMatch> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_static(line));
        }
        IfMatch::of(&headers).unwrap()
    }

    #[test]
    fn if_match_is_read_as_one_a_list_or_any_and_a_weak_tag_never_matches() {
        let one = |versions: &[&str]| Some(IfMatch::One(versions.iter().map(|v| (*v).to_owned()).collect()));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["\"h-1\""]), one(&["h-1"]));
        assert_eq!(read(&["\"h-1.0a1b\" , W/\"h-2\"", "\"h-3\""]), one(&["h-1", "h-3"]));
        assert_eq!(read(&["*"]), Some(IfMatch::Any));
        let mut headers = HeaderMap::new();
        headers.append(header::IF_MATCH, HeaderValue::from_static("h-1"));
        assert!(IfMatch::of(&headers).is_err());
    }

    #[test]
    fn a_password_leaves_no_trace_in_a_digest_and_spelling_does_not_count() {
        assert_eq!(
            canonical(br#"{"name":"bob","password":"a"}"#),
            canonical(br#"{ "password": "b", "name": "bob" }"#)
        );
        assert_ne!(canonical(br#"{"name":"bob"}"#), canonical(br#"{"name":"eve"}"#));
    }
}
