//! Errors as RFC 9457 writes them, with the four things that each error of Hostler says. Whatever a route, an
//! extractor or axum itself refuses leaves in this form.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hostler_model::{Code, Refusal};
use hostler_server::store::Cursor;
use serde::Serialize;
use utoipa::ToSchema;

/// After how many seconds to ask again where the cause is load or the store: most such troubles are over by then.
const RETRY_AFTER_S: u64 = 1;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    refusal: Refusal,
    status: Option<StatusCode>,
    retry_after_s: Option<u64>,
    etag: Option<Box<Cursor>>,
}

/// An error in the form of RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// What kind of error it is: a URN of the code.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: String,
    /// The kind of error in words: the same for all errors of one code.
    title: String,
    /// The HTTP status.
    status: u16,
    /// Object and cause in one sentence.
    detail: String,
    /// The stable code, `noun.aspect.problem`.
    code: Code,
    /// What it is about, as a person would name it.
    object: String,
    /// Why.
    cause: String,
    /// What to do about it; empty when nothing can be done.
    remedy: String,
}

impl Problem {
    /// The request is not what the interface describes.
    pub(crate) fn malformed(object: &str, cause: impl Into<String>) -> Self {
        Refusal::new(Code::RequestMalformed, object, cause)
            .remedy("Compare the request with /api/v1/openapi.json")
            .into()
    }

    /// As [`Problem::malformed`], with another status than 400.
    pub(crate) fn of_status(status: StatusCode, object: &str, cause: impl Into<String>) -> Self {
        Self { status: Some(status), ..Self::malformed(object, cause) }
    }

    /// A defect of ours: the caller is told that it is one, the log gets the rest.
    pub(crate) fn internal(what: &str, cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, what, "a request could not be answered");
        Refusal::new(Code::Internal, what, "a defect in Hostler; the server's log says more").into()
    }

    /// Too many tries, or too many at once.
    pub(crate) fn too_many(object: &str, cause: &str, retry_after_s: u64) -> Self {
        let refusal = Refusal::new(Code::TooManyRequests, object, cause)
            .remedy(format!("Try again in {retry_after_s} s"));
        Self { refusal, status: None, retry_after_s: Some(retry_after_s), etag: None }
    }

    /// The same with the present ETag of what it is about.
    pub(crate) fn etag(self, version: Cursor) -> Self {
        Self { etag: Some(Box::new(version)), ..self }
    }

    /// The status it leaves with.
    pub(crate) fn status(&self) -> StatusCode {
        let of_code = || StatusCode::from_u16(self.refusal.code.http_status()).ok();
        self.status.or_else(of_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let busy =
            matches!(refusal.code, Code::StoreUnavailable | Code::ServerOverloaded | Code::ServerStopping);
        Self { refusal, status: None, retry_after_s: busy.then_some(RETRY_AFTER_S), etag: None }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let Refusal { code, object, cause, remedy } = self.refusal;
        let body = ProblemBody {
            kind: format!("urn:hostler:error:{code}"),
            title: title(code),
            status: status.as_u16(),
            detail: format!("{object}: {cause}"),
            code,
            object,
            cause,
            remedy,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(etag) =
            self.etag.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok())
        {
            headers.insert(header::ETAG, etag);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The code in words: `vm.state.forbids` is "Vm state forbids".
fn title(code: Code) -> String {
    let words = code.text().replace('.', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
