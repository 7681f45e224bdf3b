//! The console's files, and its first page for every path that is a place in it. Only what is in the list of files is
//! served: a path is compared with it and never becomes a path on a disk.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use hostler_console::File;
use hostler_model::{Code, Refusal};

use crate::app::App;
use crate::json::shown;
use crate::problem::Problem;

/// Everything comes from this server, and no page of another one shows ours. Pictures may stand in an address (`data:`):
/// the shape of a guest's mouse pointer reaches the browser in no other way.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'; object-src 'none'";
/// What stands at `/` for who asks for no page, and while there is none.
const WELCOME: &str = "Hostler, a virtual machine manager.

This is its REST interface, described at /api/v1/openapi.json.
Sign in with:  hostler login
";
/// What is said besides where the program holds no console.
const NO_CONSOLE: &str = "
This program was built without the console. To have it: npm ci && npm run build in web/, then build the program again,
or let `cargo xtask up` do both.
";

/// What is at `/`.
pub(crate) fn front(files: &'static [File], headers: &HeaderMap) -> Response {
    match page(files).filter(|_| wants_page(headers)) {
        Some(page) => serve(page, headers),
        None if files.is_empty() => format!("{WELCOME}{NO_CONSOLE}").into_response(),
        None => WELCOME.into_response(),
    }
}

/// What no route takes: a file, a place in the console, or nothing.
pub(crate) async fn beyond_routes(State(app): State<App>, request: Request) -> Response {
    let (path, headers) = (request.uri().path(), request.headers());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_ours = path == "/api" || path.starts_with("/api/");
    if !is_read || is_ours {
        return nowhere(path).into_response();
    }
    let files = app.files();
    if let Some(file) = files.iter().find(|file| path.strip_prefix('/') == Some(file.path)) {
        return serve(file, headers);
    }
    if path == "/docs" || path.starts_with("/docs/") {
        return documentation(files, path);
    }
    if path.starts_with("/assets/") || !wants_page(headers) {
        return nowhere(path).into_response();
    }
    match page(files) {
        Some(page) => serve(page, headers),
        None => nowhere(path).into_response(),
    }
}

/// What is named below the documentation and is no file of it: its folder is its first page, and nothing is the console's.
fn documentation(files: &'static [File], path: &str) -> Response {
    if !files.iter().any(|file| file.path == "docs/index.html") {
        return Problem::from(
            Refusal::new(Code::ObjectNotFound, "path", "this program was built without its documentation")
                .remedy("Build it first: cargo xtask site, then cargo xtask up"),
        )
        .into_response();
    }
    match path {
        "/docs" | "/docs/" => Redirect::temporary("/docs/index.html").into_response(),
        _ => nowhere(path).into_response(),
    }
}

fn nowhere(path: &str) -> Problem {
    Refusal::new(Code::ObjectNotFound, "path", format!("there is no {}", shown(path)))
        .remedy("Compare the path with /api/v1/openapi.json")
        .into()
}

fn page(files: &'static [File]) -> Option<&'static File> {
    files.iter().find(|file| file.path == "index.html")
}

/// Whether a browser asks for a page, and no program for whatever there is.
fn wants_page(headers: &HeaderMap) -> bool {
    listed(headers, header::ACCEPT).any(|kind| kind.eq_ignore_ascii_case("text/html"))
}

/// The words of a header that is a list, without their weights; those with weight 0 are not wanted.
fn listed(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|word| {
        let (word, weight) = word.split_once(';').unwrap_or((word, ""));
        let unwanted = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        (!unwanted).then(|| word.trim())
    })
}

fn serve(file: &'static File, headers: &HeaderMap) -> Response {
    let mut known = listed(headers, header::IF_NONE_MATCH);
    let is_known = known.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == file.etag);
    let takes =
        |how: &str| listed(headers, header::ACCEPT_ENCODING).any(|word| word.eq_ignore_ascii_case(how));
    let (bytes, packed) = match (file.brotli, file.gzip) {
        (Some(brotli), _) if takes("br") => (brotli, Some("br")),
        (_, Some(gzip)) if takes("gzip") => (gzip, Some("gzip")),
        _ => (file.plain, None),
    };
    let keep = if file.is_hashed() { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(Bytes::from_static(bytes)))
    };
    let answer = response.headers_mut();
    let mut say = |name, value| answer.insert(name, HeaderValue::from_static(value));
    say(header::ETAG, file.etag);
    say(header::CACHE_CONTROL, keep);
    say(header::VARY, "accept-encoding");
    say(header::CONTENT_SECURITY_POLICY, POLICY);
    if !is_known {
        say(header::CONTENT_TYPE, file.kind());
        if let Some(packed) = packed {
            say(header::CONTENT_ENCODING, packed);
        }
    }
    response
}
