//! Tokens: one's own, and, for who administers, those of others.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hostler_model::access::{Right, Token};
use hostler_model::body::{NewToken, TokenMade};
use hostler_model::job::DryRun;
use hostler_model::request::{Request, Secret};
use hostler_model::view::{Page, TokenView};
use hostler_model::{Code, Key, Kind, Object, Refusal, TokenId};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::session::no_store;
use crate::access::Caller;
use crate::app::App;
use crate::change::{Changed, ask, change, done};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::{Body, shown};
use crate::list::{ListQuery, page};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::{names, tokens, views};

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::Own, routes!(list_tokens, create_token)).add(Right::Own, routes!(revoke_token))
}

/// Which tokens.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TokensQuery {
    /// Whose; one's own when absent. Those of others need the right to administer.
    user: Option<String>,
    /// How many at most, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Only what all of these terms hold for.
    filter: Option<String>,
    /// By which fields; by name when absent.
    sort: Option<String>,
}

/// List one's tokens, or another user's.
#[utoipa::path(get, path = "/tokens", params(TokensQuery), responses((status = 200, body = Page<TokenView>)))]
async fn list_tokens(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<TokensQuery>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let picture = app.picture();
    let whose = match &query.user {
        None => caller.user.id,
        Some(written) => match names::find(&picture, Kind::User, written).map(|stored| stored.object.key()) {
            Ok(Key::User(id)) if id == caller.user.id || caller.may(Right::Administer) => id,
            Err(refusal) if caller.may(Right::Administer) => return Err(refusal.into()),
            _ => return Err(Refusal::not_found(format!("user \"{}\"", shown(written))).into()),
        },
    };
    let TokensQuery { limit, cursor, filter, sort, .. } = query;
    let list = ListQuery { limit, cursor, filter, sort };
    Ok(Json(page(&picture, &list, |token: &Token| token.user == whose, views::token)?))
}

/// Make a token for oneself. It is shown this once.
#[utoipa::path(
    post, path = "/tokens", params(ChangeQuery), request_body = NewToken,
    responses((status = 202, body = TokenMade), (status = 200, body = DryRun))
)]
async fn create_token(State(app): State<App>, asking: Asking, body: Body) -> Result<Response, Problem> {
    let NewToken { name, expires } = body.typed()?;
    let token = tokens::draw()?;
    let sha256 = tokens::sha256(&token);
    let user = asking.caller.user.id;
    let request =
        Request::CreateToken { user, name, sha256: Secret(sha256.clone()), expires, session: false };
    if asking.dry_run {
        return change(&app, asking, request).await.map(IntoResponse::into_response);
    }
    let job = ask(&app, &asking, request).await?;
    let about = done(&app, job).await?.about.first().copied();
    let stored = about.and_then(|key| Some(app.picture().get(key)?.object.clone()));
    match stored {
        Some(Object::Token(made)) if made.sha256 == sha256 => {
            let mut response =
                (StatusCode::ACCEPTED, Json(TokenMade { job, id: made.id, token })).into_response();
            no_store(response.headers_mut());
            Ok(response)
        }
        // The same idempotency key again: the token of that time is known to nobody any more.
        _ => Err(Refusal::new(
            Code::ValueInvalid,
            "Idempotency-Key",
            "its token was made before, and is shown only once",
        )
        .remedy("Revoke that token, and make another with another key")
        .into()),
    }
}

/// Revoke a token.
#[utoipa::path(delete, path = "/tokens/{token}", params(ChangeQuery), responses(Changed))]
async fn revoke_token(
    State(app): State<App>,
    At(written): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let token = own_or_any(&app, &asking.caller, &written)?;
    let picture = app.picture();
    if let Some(stored) = picture.get(Key::Token(token)) {
        asking.of(&picture, stored)?;
    }
    change(&app, asking, Request::RevokeToken { token }).await
}

/// The token that is meant: of one's own those first, so that names of others do not get in the way.
fn own_or_any(app: &App, caller: &Caller, written: &str) -> Result<TokenId, Refusal> {
    let picture = app.picture();
    let own = format!("{written}@{}", caller.user.name);
    let found = match names::find(&picture, Kind::Token, written) {
        Err(refusal) if refusal.code == Code::NameAmbiguous => names::find(&picture, Kind::Token, &own),
        found => found,
    };
    let not_found = || Refusal::not_found(format!("token \"{}\"", shown(written)));
    match found {
        Ok(stored) if caller.may_see(stored.object.key(), Some(&stored.object)) => {
            match stored.object.key() {
                Key::Token(id) => Ok(id),
                _ => Err(not_found()),
            }
        }
        Err(refusal) if caller.may(Right::Administer) => Err(refusal),
        _ => Err(not_found()),
    }
}
