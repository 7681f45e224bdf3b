//! What routes read of a request besides its body, with refusals in our form.

use axum::extract::{FromRequestParts, Path, RawQuery};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use hostler_model::job::Job;
use hostler_model::{Code, Object, Refusal};
use hostler_server::Picture;
use hostler_server::store::Stored;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::access::Caller;
use crate::json::shown;
use crate::precondition::{self, Digest, IfMatch};
use crate::problem::Problem;

/// The header with the idempotency key.
pub(crate) const KEY: &str = "idempotency-key";
/// The longest idempotency key, in characters.
const LONGEST_KEY: usize = 128;
/// The longest query string, in bytes: a filter with many names fits.
const LONGEST_QUERY: usize = 16 * 1024;

/// The parameters in a path.
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(read)| Self(read))
            .map_err(|refused| Problem::malformed("path", shown(&refused.body_text())))
    }
}

/// The parameters in a query string. One that is not described is refused.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        read(pairs(parts, state).await?).map(Self)
    }
}

/// How a change is asked for, beside what is asked.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read pair by pair in Asking; this is its description")]
pub(crate) struct ChangeQuery {
    /// Answer what would be done, and do nothing.
    dry_run: bool,
    /// Queue behind a job that is in the way, rather than be refused.
    wait: bool,
}

/// Who asks for a change, and how; with further parameters of its route.
pub(crate) struct Asking<T = Nothing> {
    pub(crate) caller: Caller,
    /// The idempotency key, with the digest of this request behind it.
    pub(crate) key: Option<String>,
    pub(crate) if_match: Option<IfMatch>,
    /// The object that the change is asked of, as it was when `If-Match` was held against it.
    pub(crate) unchanged: Option<Object>,
    /// Whether `If-Match` was held against something.
    met: bool,
    pub(crate) wait: bool,
    pub(crate) dry_run: bool,
    pub(crate) more: T,
}

/// No further parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asking<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let digest = parts.extensions.get::<Digest>().map(|digest| digest.0.as_str()).unwrap_or_default();
        let key = idempotency_key(&parts.headers)?.map(|key| Job::key_with_digest(&key, digest));
        let if_match = IfMatch::of(&parts.headers)?;
        let (mut wait, mut dry_run) = (false, false);
        let mut rest = Vec::new();
        for (name, value) in pairs(parts, state).await? {
            match name.as_str() {
                "wait" => wait = flag(&name, &value)?,
                "dry_run" => dry_run = flag(&name, &value)?,
                _ => rest.push((name, value)),
            }
        }
        let more = read(rest)?;
        Ok(Self { caller, key, if_match, unchanged: None, met: false, wait, dry_run, more })
    }
}

impl<T> Asking<T> {
    /// Says of what the change is asked: it must be what `If-Match` names. From then on the request rests on it.
    pub(crate) fn of(&mut self, picture: &Picture, stored: &Stored) -> Result<(), Problem> {
        let Some(if_match) = &self.if_match else { return Ok(()) };
        if !if_match.holds(precondition::version(picture, stored.revision.0)) {
            return Err(precondition::stale(picture, stored));
        }
        // Whatever version there is, is good: there is nothing that may not change.
        if *if_match != IfMatch::Any {
            self.unchanged = precondition::unchanged(stored);
        }
        self.met = true;
        Ok(())
    }

    /// Refuses `If-Match` where it was held against nothing: who sends it must not believe that it was.
    pub(crate) fn if_match_was_met(&self) -> Result<(), Problem> {
        if self.if_match.is_none() || self.met {
            return Ok(());
        }
        Err(Problem::malformed("If-Match", "what is asked here is not asked of one thing with a version"))
    }

    /// Refuses a dry run where there is no plan to show.
    pub(crate) fn without_dry_run(&self, object: &str) -> Result<(), Problem> {
        if !self.dry_run {
            return Ok(());
        }
        let refusal = Refusal::invalid("dry_run", format!("{object} has no plan that could be shown"));
        Err(refusal.remedy("Leave dry_run out").into())
    }
}

async fn pairs<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<(String, String)>, Problem> {
    let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or(RawQuery(None));
    let query = query.unwrap_or_default();
    if query.len() > LONGEST_QUERY {
        return Err(Problem::malformed("query", format!("it is longer than {LONGEST_QUERY} bytes")));
    }
    serde_urlencoded::from_str(&query).map_err(|cause| Problem::malformed("query", shown(&cause.to_string())))
}

fn read<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T, Problem> {
    let refused = |cause: String| Problem::malformed("query", shown(&cause));
    let text = serde_urlencoded::to_string(&pairs).map_err(|cause| refused(cause.to_string()))?;
    serde_urlencoded::from_str(&text).map_err(|cause| refused(cause.to_string()))
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    let cause = || format!("{name} is true or false, not \"{}\"", shown(value));
    value.parse().map_err(|_| Problem::malformed("query", cause()))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(key.to_owned()))
        }
        _ => {
            let cause = format!("it is not 1 to {LONGEST_KEY} visible ASCII characters");
            Err(Refusal::new(Code::ValueInvalid, "Idempotency-Key", cause).into())
        }
    }
}
