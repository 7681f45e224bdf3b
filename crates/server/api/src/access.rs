//! Who is it, and may they: asked once, before every route. Denied is what nobody allowed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hostler_model::access::{Actor, Right, Token, User, may};
use hostler_model::{Code, Key, Object, Refusal};
use hostler_server::Picture;

use crate::app::App;
use crate::console;
use crate::extract::KEY;
use crate::fields::Fields;
use crate::json::{LARGEST_BODY, shown};
use crate::precondition;
use crate::problem::Problem;
use crate::rights::{Needs, Table};
use crate::tokens;

/// The cookie that holds a browser's token. The prefix makes browsers keep it to this host, this path, and TLS.
pub(crate) const COOKIE: &str = "__Host-hostler";
/// The header that a change by cookie must carry, with any value: a page of another site cannot set it without asking,
/// and asking is answered no.
pub(crate) const CSRF: &str = "x-hostler-csrf";

/// What answers that are no page of the console may do in a browser that takes them for one.
const NOTHING_FROM_HERE: &str = "default-src 'none'; frame-ancestors 'none'";

/// Where a connection comes from. Put into each request by whoever accepts connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote(pub(crate) SocketAddr);

/// Who asks.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) user: Arc<User>,
    /// The token they showed.
    pub(crate) token: Arc<Token>,
}

impl Caller {
    /// As the cause of changes.
    pub(crate) fn actor(&self) -> Actor {
        Actor::User { id: self.user.id, name: self.user.name.clone() }
    }

    /// Whether they hold a right.
    pub(crate) fn may(&self, right: Right) -> bool {
        may(self.user.role, right)
    }

    /// Whether they may see an object. Everybody sees the inventory; accounts of others, their tokens, and what lets
    /// agents in, only who administers; what proves who somebody is, nobody.
    pub(crate) fn may_see(&self, key: Key, object: Option<&Object>) -> bool {
        match key {
            Key::Credential(_) => false,
            Key::Enrolment(_) => self.may(Right::Administer),
            Key::User(id) => id == self.user.id || self.may(Right::Administer),
            Key::Token(id) => {
                let own = match object {
                    Some(Object::Token(token)) => token.user == self.user.id,
                    _ => id == self.token.id,
                };
                own || self.may(Right::Administer)
            }
            // Of one that is gone only that is told: its job says as much to everybody.
            Key::View(_) => match object {
                Some(Object::View(view)) => view.user == self.user.id,
                _ => true,
            },
            Key::Vm(_)
            | Key::Host(_)
            | Key::HostGroup(_)
            | Key::Agent(_)
            | Key::Share(_)
            | Key::Item(_)
            | Key::Template(_)
            | Key::Job(_)
            | Key::Settings(_) => true,
        }
    }

    /// The same caller as of now; none when the token is gone, has run out, or the user is shut out.
    pub(crate) fn again(&self, app: &App) -> Option<Self> {
        of_token(app, &app.picture(), &self.token.sha256)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(not_signed_in)
    }
}

/// The address that a request came from.
pub(crate) struct Address(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let remote = parts.extensions.get::<Remote>().map(|remote| remote.0.ip());
        Ok(Self(remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

/// What the middleware decides by.
#[derive(Clone)]
struct Gate {
    app: App,
    table: Arc<Table>,
    fields: Arc<Fields>,
}

/// The routes with the gate before every one of them, and everything else refused in the same form.
pub(crate) fn guarded(router: Router<App>, app: App, table: Table, fields: Fields) -> Router {
    let gate = Gate { app: app.clone(), table: Arc::new(table), fields: Arc::new(fields) };
    router
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(gate, pass))
        .fallback(console::beyond_routes)
        .layer(from_fn(headers))
        .with_state(app)
}

/// On every answer: a browser takes it for what it says it is, and shows it inside nothing.
async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING_FROM_HERE));
    response
}

async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let needs = gate.table.needs(path.as_deref().unwrap_or_default(), request.method());
    let right = match needs {
        Needs::Right(right) => right,
        Needs::OtherMethod(methods) => return other_method(request.method(), &methods),
        Needs::Nobody => {
            return Problem::from(forbidden("path", "no right is declared for it")).into_response();
        }
    };
    if right != Right::Public {
        match caller(&gate.app, request.headers(), request.method(), request.uri().host()) {
            Err(problem) => return problem.into_response(),
            Ok(caller) if !caller.may(right) => {
                let cause = format!("the role {} does not allow it", caller.user.role.words());
                let refusal = forbidden(&caller.user.label(), &cause).remedy("Ask an administrator to do it");
                return Problem::from(refusal).into_response();
            }
            Ok(caller) => {
                request.extensions_mut().insert(caller);
            }
        }
    }
    if request.headers().contains_key(KEY) && !request.method().is_safe() {
        match precondition::digested(request).await {
            Ok(digested) => request = digested,
            Err(problem) => return problem.into_response(),
        }
    }
    match gate.fields.asked(path.as_deref().unwrap_or_default(), &mut request) {
        Err(problem) => problem.into_response(),
        Ok(None) => next.run(request).await,
        Ok(Some(part)) => part.of(next.run(request).await).await,
    }
}

fn other_method(method: &Method, methods: &str) -> Response {
    let cause = format!("it does not take {}, but {methods}", shown(method.as_str()));
    let mut response = Problem::of_status(StatusCode::METHOD_NOT_ALLOWED, "path", cause).into_response();
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

fn forbidden(object: &str, cause: &str) -> Refusal {
    Refusal::new(Code::AccessForbidden, object, cause)
}

pub(crate) fn not_signed_in() -> Problem {
    Refusal::new(Code::AccessNotSignedIn, "request", "nobody is signed in, or the sign-in has run out")
        .remedy("Sign in, or send a token as \"Authorization: Bearer …\"")
        .into()
}

fn caller(app: &App, headers: &HeaderMap, method: &Method, host: Option<&str>) -> Result<Caller, Problem> {
    let picture = app.picture();
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let token = authorization.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let sha256 = tokens::sha256(token.ok_or_else(not_signed_in)?);
        return of_token(app, &picture, &sha256).ok_or_else(not_signed_in);
    }
    let token = cookie(headers).ok_or_else(not_signed_in)?;
    let caller = of_token(app, &picture, &tokens::sha256(token)).ok_or_else(not_signed_in)?;
    if !matches!(*method, Method::GET | Method::HEAD) {
        same_site(headers, host)?;
    }
    Ok(caller)
}

/// Whose token that is, when it is good now.
fn of_token(app: &App, picture: &Picture, sha256: &str) -> Option<Caller> {
    let token = app.tokens().find(picture, sha256)?;
    if token.expires.is_some_and(|expires| expires <= app.handle().now()) {
        return None;
    }
    match &picture.get(Key::User(token.user))?.object {
        Object::User(user) if !user.disabled => Some(Caller { user: user.clone(), token }),
        _ => None,
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// A change by cookie comes from our own pages: browsers send the cookie whoever asks, but not these two headers.
fn same_site(headers: &HeaderMap, host: Option<&str>) -> Result<(), Problem> {
    let refused = |cause: &str| {
        Problem::from(
            forbidden("request", cause).remedy("Send a token as \"Authorization: Bearer …\" instead"),
        )
    };
    if !headers.contains_key(CSRF) {
        return Err(refused("a change by cookie needs the header X-Hostler-CSRF"));
    }
    if own_page(headers, host) {
        return Ok(());
    }
    Err(refused("a change by cookie must come from this server's own pages"))
}

/// A WebSocket is opened with a token, or by a page of our own: browsers open it for any page, and send the cookie.
pub(crate) fn own_page_or_token(headers: &HeaderMap, host: Option<&str>) -> Result<(), Problem> {
    if headers.contains_key(header::AUTHORIZATION) || own_page(headers, host) {
        return Ok(());
    }
    let cause = "a WebSocket by cookie must be opened by this server's own pages";
    let refusal = forbidden("request", cause);
    Err(refusal.remedy("Send a token as \"Authorization: Bearer …\" instead").into())
}

/// Whether the page that asks is of this server.
fn own_page(headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.strip_prefix("https://"));
    // HTTP/2 has the host in the request's target, HTTP/1.1 in a header; with another port it is another origin.
    match (origin, text(header::HOST), host) {
        (Some(origin), Some(asked), _) => origin.eq_ignore_ascii_case(asked),
        (Some(origin), None, Some(asked)) => host_of(origin).eq_ignore_ascii_case(asked),
        _ => false,
    }
}

fn host_of(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) { host } else { authority }
    })
}
