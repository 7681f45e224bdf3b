//! Views that users save: saved, deleted. Only the record changes.

use hostler_model::job::{Lock, Record};
use hostler_model::saved_view::{self, MOST_A_PAGE, SavedView};
use hostler_model::{Code, Key, Name, Object, Refusal, UserId, ViewId};

use crate::plan::{Planned, Planner, View};

fn saved(view: View<'_>, id: ViewId) -> Result<&SavedView, Refusal> {
    view.inv.views.get(&id).map(|saved| &**saved).ok_or_else(|| Refusal::not_found(format!("view {id}")))
}

/// The views that a user saved of a page.
fn of_page<'a>(view: View<'a>, user: UserId, page: &'a str) -> impl Iterator<Item = &'a SavedView> {
    let all = view.inv.views.values().map(|saved| &**saved);
    all.filter(move |saved| saved.user == user && saved.page == page)
}

fn named<'a>(view: View<'a>, user: UserId, page: &'a str, name: &Name) -> Option<&'a SavedView> {
    of_page(view, user, page).find(|saved| saved.name.folded() == name.folded())
}

pub(super) fn admit_save(
    view: View<'_>,
    user: UserId,
    page: &str,
    name: &Name,
    state: &str,
) -> Result<(), Refusal> {
    saved_view::check(page, state)?;
    if !view.inv.users.contains_key(&user) {
        return Err(Refusal::not_found(format!("user {user}")));
    }
    if named(view, user, page, name).is_none() && of_page(view, user, page).count() >= MOST_A_PAGE {
        let cause = format!("{MOST_A_PAGE} views are saved of this page, and no more may be");
        return Err(Refusal::new(Code::ValueInvalid, format!("view {page}/{name}"), cause)
            .remedy("Delete one that is not needed any more"));
    }
    Ok(())
}

pub(super) fn save(user: UserId, page: &str, name: &Name, state: &str, p: &mut Planner<'_>) -> Planned {
    let before: Option<SavedView> =
        p.choose("before", |view, _| Ok(named(view, user, page, name).cloned()))?;
    let id: ViewId = match &before {
        Some(before) => before.id,
        None => p.choose("view", |_, ids| Ok(ViewId::draw(ids)))?,
    };
    p.about(Key::View(id), format!("{page}/{name}"));
    p.lock(Lock::exclusive(Key::View(id)));
    p.lock(Lock::shared(Key::User(user)));
    let created = before.map_or_else(|| p.asked(), |before| before.created);
    let saved =
        SavedView { id, user, page: page.to_owned(), name: name.clone(), state: state.to_owned(), created };
    p.record("record", vec![Record::Put { object: Object::from(saved) }]);
    Ok(())
}

pub(super) fn admit_delete(view: View<'_>, id: ViewId) -> Result<(), Refusal> {
    saved(view, id).map(|_| ())
}

pub(super) fn delete(id: ViewId, p: &mut Planner<'_>) -> Planned {
    let name: String = p.choose("name", |view, _| Ok(saved(view, id)?.called()))?;
    p.about(Key::View(id), name);
    p.lock(Lock::exclusive(Key::View(id)));
    p.record("remove", vec![Record::Gone { key: Key::View(id) }]);
    Ok(())
}
