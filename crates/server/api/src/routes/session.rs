//! Signing in and out, and one's own account.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hostler_model::access::{Right, User};
use hostler_model::body::{ChangePassword, SignIn, SignedIn};
use hostler_model::request::{Request, Secret};
use hostler_model::view::UserView;
use hostler_model::{Code, Key, Kind, Name, Object, Refusal};
use hostler_server::{Ask, Picture};
use utoipa_axum::routes;

use crate::access::{Address, COOKIE, Caller};
use crate::app::App;
use crate::change::{Changed, ask, change, done};
use crate::extract::{Asking, ChangeQuery};
use crate::json::Body;
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::{names, tokens, views};

/// How long a sign-in lasts, in seconds: a working day. Longer leaves forgotten browsers open.
const SESSION_S: u64 = 12 * 3_600;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::Public, routes!(sign_in))
        .add(Right::Own, routes!(sign_out))
        .add(Right::Own, routes!(get_me))
        .add(Right::Own, routes!(change_my_password))
}

/// Sign in with name and password.
#[utoipa::path(post, path = "/sign-in", request_body = SignIn, responses((status = 200, body = SignedIn)))]
async fn sign_in(State(app): State<App>, Address(from): Address, body: Body) -> Result<Response, Problem> {
    let SignIn { user: written, password, cookie } = body.typed()?;
    let picture = app.picture();
    let known = user(&picture, &written);
    let hash = known.as_ref().and_then(|user| hash_of(&picture, user));
    let account: String = written.chars().take(hostler_model::name::LONGEST).collect();
    let good = app.passwords().verify(&account, from, password, hash).await?;
    // One answer for all three, so that nobody learns which names exist.
    let user = known.filter(|user| good && !user.disabled).ok_or_else(|| {
        Refusal::new(
            Code::AccessSignInFailed,
            "sign-in",
            "the user name or the password is wrong, or the user is disabled",
        )
        .remedy("Try again, or ask an administrator for a new password")
    })?;
    let actor = hostler_model::access::Actor::User { id: user.id, name: user.name.clone() };
    let token = tokens::draw()?;
    let expires = app.handle().now().plus(SESSION_S * 1_000);
    let request = Request::CreateToken {
        user: user.id,
        name: Name::mended(&format!("signed in from {from}")),
        sha256: Secret(tokens::sha256(&token)),
        expires: Some(expires),
        session: true,
    };
    // Another sign-in of the same user at this moment holds nothing that this one needs exclusively.
    let job = app.handle().ask(Ask::new(actor, request)).await?;
    done(&app, job).await?;
    let revision = picture.get(Key::User(user.id)).map_or(0, |stored| stored.revision.0);
    let shown = views::user(revision, &user);
    let in_cookie = cookie.then(|| cookie_of(&token, SESSION_S)).transpose()?;
    let signed_in = SignedIn { token: (!cookie).then_some(token), expires, user: shown };
    let mut response = Json(signed_in).into_response();
    no_store(response.headers_mut());
    if let Some(cookie) = in_cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Sign out: the token that was sent is good no more.
#[utoipa::path(post, path = "/sign-out", responses((status = 204, description = "Signed out")))]
async fn sign_out(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let request = Request::RevokeToken { token: caller.token.id };
    let job = app.handle().ask(Ask::new(caller.actor(), request)).await?;
    done(&app, job).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie_of("", 0)?)]).into_response())
}

/// Who am I.
#[utoipa::path(get, path = "/me", responses((status = 200, body = UserView)))]
async fn get_me(State(app): State<App>, headers: HeaderMap, caller: Caller) -> Result<Response, Problem> {
    let picture = app.picture();
    let stored =
        picture.get(Key::User(caller.user.id)).ok_or_else(|| Refusal::not_found(caller.user.label()))?;
    let revision = stored.revision.0;
    tagged(&headers, picture.head, revision, Holds::TheObject, &views::user(revision, &caller.user))
}

/// Change one's own password. All sessions of the user end, this one too.
#[utoipa::path(put, path = "/me/password", params(ChangeQuery), request_body = ChangePassword, responses(Changed))]
async fn change_my_password(
    State(app): State<App>,
    Address(from): Address,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let ChangePassword { current, new } = body.typed()?;
    let user = asking.caller.user.clone();
    let picture = app.picture();
    if let Some(stored) = picture.get(Key::User(user.id)) {
        asking.of(&picture, stored)?;
    }
    let hash = hash_of(&picture, &user);
    if !app.passwords().verify(user.name.as_str(), from, current, hash).await? {
        let refusal = Refusal::new(Code::AccessSignInFailed, "password", "the current password is wrong");
        return Err(refusal.into());
    }
    let hash = Some(Secret(app.passwords().hash(new).await?));
    let request = Request::EditUser { user: user.id, role: None, disabled: None, hash };
    if asking.dry_run {
        return change(&app, asking, request).await;
    }
    let job = ask(&app, &asking, request).await?;
    Ok(Changed::Accepted(hostler_model::view::Accepted { job, id: None }))
}

fn user(picture: &Picture, written: &str) -> Option<User> {
    match &names::find(picture, Kind::User, written).ok()?.object {
        // By name only: an id is not what one signs in with.
        Object::User(user) if Name::new(written).is_ok_and(|name| name.folded() == user.name.folded()) => {
            Some((**user).clone())
        }
        _ => None,
    }
}

fn hash_of(picture: &Picture, user: &User) -> Option<String> {
    match &picture.get(Key::Credential(user.id))?.object {
        Object::Credential(credential) => Some(credential.hash.clone()),
        _ => None,
    }
}

fn cookie_of(token: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    let cookie = format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&cookie).map_err(|cause| Problem::internal("cookie", cause))
}

/// Nothing on the way may keep an answer with a secret in it.
pub(super) fn no_store(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
