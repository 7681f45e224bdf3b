//! Library items.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hostler_model::access::Right;
use hostler_model::library::{Item, ItemKind, Share};
use hostler_model::view::{ItemView, Page};
use hostler_model::{Kind, Refusal};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::one;
use crate::app::App;
use crate::extract::{At, Params};
use crate::list::{ListQuery, page};
use crate::listed::Listed;
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::{names, views};

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Right::See, routes!(list_items)).add(Right::See, routes!(get_item))
}

/// Which items.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ItemsQuery {
    /// Of this share only.
    share: Option<String>,
    /// How many at most, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Only what all of these terms hold for.
    filter: Option<String>,
    /// By which fields; by name when absent.
    sort: Option<String>,
}

/// List library items.
#[utoipa::path(get, path = "/library-items", params(ItemsQuery), responses((status = 200, body = Page<ItemView>)))]
async fn list_items(
    State(app): State<App>,
    Params(query): Params<ItemsQuery>,
) -> Result<Json<Page<ItemView>>, Problem> {
    let picture = app.picture();
    let ItemsQuery { share, limit, cursor, filter, sort } = query;
    let share =
        share.map(|written| one::<Share>(&picture, &written).map(|(_, share)| share.id)).transpose()?;
    let query = ListQuery { limit, cursor, filter, sort };
    let of_share = |item: &Item| share.is_none_or(|share| item.share == share);
    Ok(Json(page(&picture, &query, of_share, views::item)?))
}

/// Which of those that are called so.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ItemQuery {
    /// Look first among those that are this and can be used.
    usable_as: Option<ItemKind>,
}

/// Show a library item.
#[utoipa::path(
    get, path = "/library-items/{item}", params(ItemQuery), responses((status = 200, body = ItemView))
)]
async fn get_item(
    State(app): State<App>,
    At(written): At<String>,
    Params(query): Params<ItemQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let stored = match query.usable_as {
        Some(wanted) => names::usable(&picture, wanted, &written)?,
        None => names::find(&picture, Kind::Item, &written)?,
    };
    let item = Item::of(&stored.object).ok_or_else(|| Refusal::not_found(names::noun(Kind::Item)))?;
    let revision = stored.revision.0;
    tagged(&headers, picture.head, revision, Holds::TheObject, &views::item(revision, item))
}
