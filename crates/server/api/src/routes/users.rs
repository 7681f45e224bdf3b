//! Users.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::{Right, User};
use hostler_model::body::{ChangeUser, NewUser};
use hostler_model::request::{Request, Secret};
use hostler_model::view::{Page, UserView};
use utoipa_axum::routes;

use super::{asked_of, one};
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::Body;
use crate::list::{ListQuery, page};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::views;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::Administer, routes!(list_users, create_user))
        .add(Right::Administer, routes!(get_user, edit_user, delete_user))
}

/// List users.
#[utoipa::path(get, path = "/users", params(ListQuery), responses((status = 200, body = Page<UserView>)))]
async fn list_users(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<UserView>>, Problem> {
    Ok(Json(page(&app.picture(), &query, |_: &User| true, views::user)?))
}

/// Show a user.
#[utoipa::path(get, path = "/users/{user}", responses((status = 200, body = UserView)))]
async fn get_user(
    State(app): State<App>,
    At(user): At<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let (revision, user) = one::<User>(&picture, &user)?;
    tagged(&headers, picture.head, revision, Holds::TheObject, &views::user(revision, user))
}

/// Make a user.
#[utoipa::path(post, path = "/users", params(ChangeQuery), request_body = NewUser, responses(Changed))]
async fn create_user(State(app): State<App>, asking: Asking, body: Body) -> Result<Changed, Problem> {
    let NewUser { name, role, password } = body.typed()?;
    let hash = Secret(app.passwords().hash(password).await?);
    change(&app, asking, Request::CreateUser { name, role, hash }).await
}

/// Change a user's role or password, or shut a user out.
#[utoipa::path(patch, path = "/users/{user}", params(ChangeQuery), request_body = ChangeUser, responses(Changed))]
async fn edit_user(
    State(app): State<App>,
    At(user): At<String>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let ChangeUser { role, disabled, password } = body.typed()?;
    let user = asked_of::<User, _>(&app, &mut asking, &user)?.id;
    let hash = match password {
        Some(password) => Some(Secret(app.passwords().hash(password).await?)),
        None => None,
    };
    change(&app, asking, Request::EditUser { user, role, disabled, hash }).await
}

/// Delete a user with their tokens.
#[utoipa::path(delete, path = "/users/{user}", params(ChangeQuery), responses(Changed))]
async fn delete_user(
    State(app): State<App>,
    At(user): At<String>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let user = asked_of::<User, _>(&app, &mut asking, &user)?.id;
    change(&app, asking, Request::DeleteUser { user }).await
}
