//! Users, tokens, enrolment tokens, settings. Only the record changes.

use hostler_model::access::{Credential, Role, Token, User};
use hostler_model::agent::{Enrolment, Roles};
use hostler_model::job::{Lock, Record};
use hostler_model::object::Installation;
use hostler_model::request::Secret;
use hostler_model::setting::Settings;
use hostler_model::{
    Code, HostGroupId, InstallationId, Key, Kind, Ms, Name, Object, Refusal, Timestamp, TokenId, UserId,
    ViewId,
};

use crate::plan::{Planned, Planner, View};

/// The longest life of an enrolment token: a day. It lets a computer in, so it should be used while it is remembered.
const LONGEST_ENROLMENT_MS: Ms = 24 * 3_600_000;

fn user(view: View<'_>, id: UserId) -> Result<&User, Refusal> {
    view.inv.users.get(&id).map(|user| &**user).ok_or_else(|| Refusal::not_found(format!("user {id}")))
}

/// Refuses what would leave nobody who may do everything.
fn keep_an_administrator(view: View<'_>, without: UserId) -> Result<(), Refusal> {
    let is_one = |user: &User| user.role == Role::Administrator && !user.disabled;
    let leaving = user(view, without)?;
    if !is_one(leaving) || view.inv.users.values().any(|user| user.id != without && is_one(user)) {
        return Ok(());
    }
    Err(Refusal::new(Code::ObjectInUse, leaving.label(), "it is the last administrator")
        .remedy("Make another administrator first"))
}

pub(super) fn admit_create(view: View<'_>, name: &Name) -> Result<(), Refusal> {
    super::name_free(view, Kind::User, name, None)
}

pub(super) fn create(name: &Name, role: Role, hash: &Secret, p: &mut Planner<'_>) -> Planned {
    let id: UserId = p.choose("user", |_, ids| Ok(UserId::draw(ids)))?;
    p.about(Key::User(id), name.as_str());
    p.lock_name(Kind::User, name);
    let user = User { id, name: name.clone(), role, disabled: false, created: p.asked() };
    let credential = Credential { user: id, hash: hash.0.clone() };
    p.record(
        "record",
        vec![Record::Put { object: Object::from(user) }, Record::Put { object: Object::from(credential) }],
    );
    Ok(())
}

pub(super) fn admit_edit(
    view: View<'_>,
    id: UserId,
    role: Option<Role>,
    disabled: Option<bool>,
) -> Result<(), Refusal> {
    user(view, id)?;
    if role.is_some_and(|role| role != Role::Administrator) || disabled == Some(true) {
        keep_an_administrator(view, id)?;
    }
    Ok(())
}

pub(super) fn edit(
    id: UserId,
    role: Option<Role>,
    disabled: Option<bool>,
    hash: Option<&Secret>,
    p: &mut Planner<'_>,
) -> Planned {
    let before: User = p.choose("user", |view, _| Ok(user(view, id)?.clone()))?;
    p.about(Key::User(id), before.name.as_str());
    p.lock(Lock::exclusive(Key::User(id)));
    let after =
        User { role: role.unwrap_or(before.role), disabled: disabled.unwrap_or(before.disabled), ..before };
    let mut records = vec![Record::Put { object: Object::from(after) }];
    if let Some(hash) = hash {
        let credential = Credential { user: id, hash: hash.0.clone() };
        records.push(Record::Put { object: Object::from(credential) });
        // Who changes a password means to shut out whoever knew the old one.
        let sessions: Vec<TokenId> = p.choose("sessions", |view, _| {
            Ok(view.inv.tokens.values().filter(|t| t.user == id && t.session).map(|t| t.id).collect())
        })?;
        records.extend(sessions.into_iter().map(|id| Record::Gone { key: Key::Token(id) }));
    }
    p.record("record", records);
    Ok(())
}

pub(super) fn admit_delete(view: View<'_>, id: UserId) -> Result<(), Refusal> {
    keep_an_administrator(view, id)
}

pub(super) fn delete(id: UserId, p: &mut Planner<'_>) -> Planned {
    let name: String = p.choose("name", |view, _| Ok(user(view, id)?.name.to_string()))?;
    p.about(Key::User(id), name);
    p.lock(Lock::exclusive(Key::User(id)));
    let tokens: Vec<TokenId> = p.choose("tokens", |view, _| {
        Ok(view.inv.tokens.values().filter(|token| token.user == id).map(|token| token.id).collect())
    })?;
    let views: Vec<ViewId> = p.choose("views", |view, _| {
        Ok(view.inv.views.values().filter(|view| view.user == id).map(|view| view.id).collect())
    })?;
    let mut records: Vec<Record> =
        tokens.into_iter().map(|id| Record::Gone { key: Key::Token(id) }).collect();
    records.extend(views.into_iter().map(|id| Record::Gone { key: Key::View(id) }));
    records.push(Record::Gone { key: Key::Credential(id) });
    records.push(Record::Gone { key: Key::User(id) });
    p.record("remove", records);
    Ok(())
}

pub(super) fn admit_token(view: View<'_>, id: UserId) -> Result<(), Refusal> {
    let user = user(view, id)?;
    if user.disabled {
        return Err(Refusal::new(Code::AccessForbidden, user.label(), "the user is disabled"));
    }
    Ok(())
}

pub(super) fn token(
    user: UserId,
    name: &Name,
    sha256: &Secret,
    expires: Option<Timestamp>,
    session: bool,
    p: &mut Planner<'_>,
) -> Planned {
    let id: TokenId = p.choose("token", |_, ids| Ok(TokenId::draw(ids)))?;
    p.about(Key::Token(id), name.as_str());
    p.lock(Lock::shared(Key::User(user)));
    let created = p.asked();
    let token = Token { id, user, name: name.clone(), sha256: sha256.0.clone(), expires, session, created };
    p.record("record", vec![Record::Put { object: Object::from(token) }]);
    Ok(())
}

pub(super) fn admit_revoke(view: View<'_>, id: TokenId) -> Result<(), Refusal> {
    if view.inv.tokens.contains_key(&id) || view.inv.enrolments.contains_key(&id) {
        return Ok(());
    }
    Err(Refusal::not_found(format!("token {id}")))
}

pub(super) fn revoke(id: TokenId, p: &mut Planner<'_>) -> Planned {
    let enrolment: bool = p.choose("enrolment", |view, _| Ok(view.inv.enrolments.contains_key(&id)))?;
    let key = if enrolment { Key::Enrolment(id) } else { Key::Token(id) };
    p.about(key, id.to_string());
    p.lock(Lock::exclusive(key));
    p.record("remove", vec![Record::Gone { key }]);
    Ok(())
}

pub(super) fn admit_enrolment(
    view: View<'_>,
    group: Option<HostGroupId>,
    valid_ms: Ms,
) -> Result<(), Refusal> {
    if let Some(group) = group {
        super::host_group::group(view, group)?;
    }
    if (1_000..=LONGEST_ENROLMENT_MS).contains(&valid_ms) {
        return Ok(());
    }
    Err(Refusal::invalid("life of the token", "it is not between a second and a day"))
}

pub(super) fn enrolment(
    sha256: &Secret,
    roles: Roles,
    host_name: Option<String>,
    group: Option<HostGroupId>,
    valid_ms: Ms,
    p: &mut Planner<'_>,
) -> Planned {
    let id: TokenId = p.choose("enrolment", |_, ids| Ok(TokenId::draw(ids)))?;
    p.about(Key::Enrolment(id), host_name.clone().unwrap_or_else(|| "any computer".to_owned()));
    let created = p.asked();
    let enrolment = Enrolment {
        id,
        sha256: sha256.0.clone(),
        roles,
        host_name,
        group,
        expires: created.plus(valid_ms),
        used_by: None,
        created,
    };
    p.record("record", vec![Record::Put { object: Object::from(enrolment) }]);
    Ok(())
}

pub(super) fn settings(settings: &Settings, p: &mut Planner<'_>) -> Planned {
    let id: InstallationId = p.choose("installation", |view, _| Ok(view.inv.installation_id()))?;
    p.about(Key::Settings(id), "settings");
    p.lock(Lock::exclusive(Key::Settings(id)));
    p.record(
        "record",
        vec![Record::Put { object: Object::from(Installation { id, settings: settings.clone() }) }],
    );
    Ok(())
}
