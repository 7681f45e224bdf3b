//! Views that the caller saved. Those of others are there for nobody else, whatever their rights.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::Right;
use hostler_model::body::SaveView;
use hostler_model::request::Request;
use hostler_model::saved_view::SavedView;
use hostler_model::view::{Page, SavedViewView};
use hostler_model::{Kind, Name, Object, Refusal};
use hostler_server::Picture;
use hostler_server::store::Stored;
use utoipa_axum::routes;

use crate::access::Caller;
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery, Params};
use crate::json::{Body, shown};
use crate::list::{ListQuery, page};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::views;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::Own, routes!(list_my_views))
        .add(Right::Own, routes!(get_my_view, save_my_view, delete_my_view))
}

/// List the views that one saved.
#[utoipa::path(get, path = "/me/views", params(ListQuery), responses((status = 200, body = Page<SavedViewView>)))]
async fn list_my_views(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<SavedViewView>>, Problem> {
    let own = |view: &SavedView| view.user == caller.user.id;
    Ok(Json(page(&app.picture(), &query, own, views::saved_view)?))
}

/// Show a view that one saved.
#[utoipa::path(get, path = "/me/views/{page}/{name}", responses((status = 200, body = SavedViewView)))]
async fn get_my_view(
    State(app): State<App>,
    At((page, name)): At<(String, String)>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let (stored, view) = own(&picture, &caller, &page, &name)?.ok_or_else(|| missing(&page, &name))?;
    let revision = stored.revision.0;
    tagged(&headers, picture.head, revision, Holds::TheObject, &views::saved_view(revision, view))
}

/// Save a view of a page of the console, in the place of the one that has this name.
#[utoipa::path(
    put, path = "/me/views/{page}/{name}", params(ChangeQuery), request_body = SaveView, responses(Changed)
)]
async fn save_my_view(
    State(app): State<App>,
    At((page, name)): At<(String, String)>,
    mut asking: Asking,
    body: Body,
) -> Result<Changed, Problem> {
    let SaveView { state } = body.typed()?;
    let picture = app.picture();
    if let Some((stored, _)) = own(&picture, &asking.caller, &page, &name)? {
        asking.of(&picture, stored)?;
    } else if asking.if_match.is_some() {
        return Err(missing(&page, &name).into());
    }
    let user = asking.caller.user.id;
    change(&app, asking, Request::SaveView { user, page, name: Name::new(&name)?, state }).await
}

/// Delete a view that one saved.
#[utoipa::path(delete, path = "/me/views/{page}/{name}", params(ChangeQuery), responses(Changed))]
async fn delete_my_view(
    State(app): State<App>,
    At((page, name)): At<(String, String)>,
    mut asking: Asking,
) -> Result<Changed, Problem> {
    let picture = app.picture();
    let (stored, view) = own(&picture, &asking.caller, &page, &name)?.ok_or_else(|| missing(&page, &name))?;
    asking.of(&picture, stored)?;
    change(&app, asking, Request::DeleteView { view: view.id }).await
}

/// The caller's view of this page and name.
fn own<'a>(
    picture: &'a Picture,
    caller: &Caller,
    page: &str,
    name: &str,
) -> Result<Option<(&'a Stored, &'a SavedView)>, Refusal> {
    let Ok(name) = Name::new(name) else { return Ok(None) };
    let named = picture.named(Kind::View, &name.folded()).into_iter();
    let mut own = named.filter_map(|stored| match &stored.object {
        Object::View(view) if view.user == caller.user.id && view.page == page => Some((stored, &**view)),
        _ => None,
    });
    Ok(own.next())
}

fn missing(page: &str, name: &str) -> Refusal {
    Refusal::not_found(format!("view \"{}/{}\"", shown(page), shown(name)))
}
