//! Templates: made, changed, deleted. Only the record changes.

use hostler_model::job::{Lock, Record};
use hostler_model::library::ItemKind;
use hostler_model::template::{Template, TemplateSpec};
use hostler_model::{Code, Key, Kind, Object, Refusal, TemplateId};

use crate::plan::{Planned, Planner, View};

fn template(view: View<'_>, id: TemplateId) -> Result<&Template, Refusal> {
    view.inv.templates.get(&id).map(|t| &**t).ok_or_else(|| Refusal::not_found(format!("template {id}")))
}

fn check(view: View<'_>, spec: &TemplateSpec) -> Result<(), Refusal> {
    spec.check()?;
    let known = view.inv.items.get(&spec.disk);
    let item = known.ok_or_else(|| Refusal::not_found(format!("library item {}", spec.disk)))?;
    if let Some(problem) = &item.seen.problem {
        return Err(Refusal::new(Code::DiskRejected, item.label(), problem.cause.clone())
            .remedy(problem.remedy.clone()));
    }
    if item.seen.kind != ItemKind::Disk || item.seen.image.is_none() {
        return Err(Refusal::new(Code::DiskRejected, item.label(), "it is not a disk")
            .remedy("Choose a disk from the library"));
    }
    Ok(())
}

pub(super) fn admit_create(view: View<'_>, spec: &TemplateSpec) -> Result<(), Refusal> {
    super::name_free(view, Kind::Template, &spec.name, None)?;
    check(view, spec)
}

pub(super) fn create(spec: &TemplateSpec, p: &mut Planner<'_>) -> Planned {
    let id: TemplateId = p.choose("template", |_, ids| Ok(TemplateId::draw(ids)))?;
    p.about(Key::Template(id), spec.name.as_str());
    p.lock_name(Kind::Template, &spec.name);
    p.lock(Lock::shared(Key::Item(spec.disk)));
    let created = p.asked();
    p.record(
        "record",
        vec![Record::Put { object: Object::from(Template { id, spec: spec.clone(), created }) }],
    );
    Ok(())
}

pub(super) fn admit_edit(view: View<'_>, id: TemplateId, spec: &TemplateSpec) -> Result<(), Refusal> {
    template(view, id)?;
    super::name_free(view, Kind::Template, &spec.name, Some(Key::Template(id)))?;
    check(view, spec)
}

pub(super) fn edit(id: TemplateId, spec: &TemplateSpec, p: &mut Planner<'_>) -> Planned {
    let before: Template = p.choose("template", |view, _| Ok(template(view, id)?.clone()))?;
    p.about(Key::Template(id), before.spec.name.as_str());
    p.lock_name(Kind::Template, &spec.name);
    p.lock(Lock::exclusive(Key::Template(id)));
    p.record("record", vec![Record::Put { object: Object::from(Template { spec: spec.clone(), ..before }) }]);
    Ok(())
}

pub(super) fn admit_delete(view: View<'_>, id: TemplateId) -> Result<(), Refusal> {
    template(view, id).map(|_| ())
}

pub(super) fn delete(id: TemplateId, p: &mut Planner<'_>) -> Planned {
    let name: String = p.choose("name", |view, _| Ok(template(view, id)?.spec.name.to_string()))?;
    p.about(Key::Template(id), name);
    p.lock(Lock::exclusive(Key::Template(id)));
    p.record("remove", vec![Record::Gone { key: Key::Template(id) }]);
    Ok(())
}
