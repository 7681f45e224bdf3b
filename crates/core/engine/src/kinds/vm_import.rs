//! A machine that lies on a host's storage: defined by its agent after strict checks, and managed from then on.

use hostler_model::command::Command;
use hostler_model::host::Host;
use hostler_model::importable::Importable;
use hostler_model::job::Record;
use hostler_model::machine_folder;
use hostler_model::seen::Identity;
use hostler_model::vm::{Origin, Presence, StopAction, Vm, VmEdit, VmSpec};
use hostler_model::{Code, HostId, Key, Kind, Name, Object, Refusal, VmId};
use serde::{Deserialize, Serialize};

use crate::follow::hardware_of;
use crate::plan::{Planned, Planner, View};

/// Who the machine is: one that the record knows, and its host has lost, or a new one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Who {
    identity: Identity,
    name: Name,
    known: bool,
}

pub(super) fn admit(
    view: View<'_>,
    id: HostId,
    found: &Importable,
    name: Option<&Name>,
) -> Result<(), Refusal> {
    let host = super::host(view, id)?;
    check_file(host, &found.file)?;
    super::answers(view, id.into(), &host.label())?;
    if !found.refused.is_empty() {
        return Err(Refusal::new(Code::ImportRefused, &found.file, found.refused.join("; ")).remedy(
            "Take out of the file what is not taken, and put the disks into a folder that the host allows",
        ));
    }
    who(view, id, found, name, VmId(found.seen.domain)).map(|_| ())
}

fn check_file(host: &Host, file: &str) -> Result<(), Refusal> {
    let allowed = host.facts.allowed_folders();
    if machine_folder::within(&allowed, file).is_some() {
        return Ok(());
    }
    machine_folder::check_path(file)?;
    let whose = format!("the administrator of {}", host.label());
    Err(machine_folder::outside(file, &whose, allowed.iter().map(|folder| folder.path.as_str())))
}

/// Who it is to be; `fresh` where nobody knows it.
fn who(
    view: View<'_>,
    host: HostId,
    found: &Importable,
    name: Option<&Name>,
    fresh: VmId,
) -> Result<Who, Refusal> {
    let installation = view.inv.installation_id();
    let domain = found.seen.domain;
    let of = |vm: VmId| Identity { vm, domain, installation };
    if let Some(vm) = view.inv.vm_of_domain(domain) {
        let lost = vm.host == Some(host) && matches!(vm.presence, Presence::Missing { .. });
        if !lost {
            return Err(Refusal::new(
                Code::ObjectInUse,
                &found.file,
                format!("its UUID is that of {}, which the record knows", vm.label()),
            )
            .remedy(
                "Look whether it is the same machine; if it is not, give the one in the file another UUID",
            ));
        }
        if let Some(name) = name {
            super::name_free(view, Kind::Vm, name, Some(Key::Vm(vm.id)))?;
        }
        let name = name.unwrap_or(&vm.spec.name).clone();
        return Ok(Who { identity: of(vm.id), name, known: true });
    }
    // Its own metadata outlives our record: the same machine, with the id that its disks bear.
    let own = found.seen.vm_id(installation).filter(|id| view.inv.vm(*id).is_none());
    let title = found.seen.title.as_deref().filter(|title| own.is_some() && !title.is_empty());
    let name = match name {
        Some(name) => name.clone(),
        None => Name::mended(title.unwrap_or(&found.seen.name)),
    };
    super::name_free(view, Kind::Vm, &name, None)
        .map_err(|refusal| refusal.remedy("Give it another name (--name)"))?;
    Ok(Who { identity: of(own.unwrap_or(fresh)), name, known: false })
}

pub(super) fn plan(host: HostId, found: &Importable, name: Option<&Name>, p: &mut Planner<'_>) -> Planned {
    let who: Who = p.choose("who", |view, ids| who(view, host, found, name, VmId::draw(ids)))?;
    let Who { identity, name, known } = who;
    let vm = identity.vm;
    p.about(Key::Vm(vm), name.as_str());
    p.lock_name(Kind::Vm, &name);
    p.lock_vm(vm);
    p.share_host(host);
    if !known {
        let record = Vm {
            id: vm,
            spec: VmSpec {
                name: name.clone(),
                notes: String::new(),
                tags: Vec::new(),
                owner: None,
                template: None,
                hardware: hardware_of(&found.seen),
                stop_action: StopAction::default(),
                detached: Vec::new(),
            },
            domain: identity.domain,
            host: Some(host),
            origin: if vm.0 == identity.domain { Origin::Created } else { Origin::Adopted },
            presence: Presence::Planned,
            observed: None,
            created: p.asked(),
        };
        p.record("record", vec![Record::Put { object: Object::from(record) }])
            .undo_record(vec![Record::Gone { key: Key::Vm(vm) }]);
    }
    let (file, sha256) = (found.file.clone(), found.sha256.clone());
    p.step("import", host.into(), Command::Import { file, sha256, identity, title: name.to_string() })
        .undo(Command::TakeBackImport { identity });
    p.point_of_no_return();
    let name = Some(name).filter(|_| known);
    let edit = VmEdit { name, presence: Some(Presence::Here), ..VmEdit::default() };
    p.record("imported", vec![Record::Vm { vm, edit: Box::new(edit) }]);
    Ok(())
}
