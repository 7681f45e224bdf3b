//! The kinds of job: for each, whether it may begin now ([`admit`]) and what it does ([`plan`]). The registry is the
//! two `match`es below; a new kind of request makes the compiler ask for both.

mod access;
mod agent;
mod host;
mod host_group;
mod host_power;
mod library;
mod network;
mod push;
mod template;
mod view;
mod vm_create;

mod vm_delete;
mod vm_hardware;
mod vm_import;
pub(crate) mod vm_migrate;
mod vm_power;
mod vm_settle;

use hostler_model::action::{self, VmAction};
use hostler_model::request::Request;
use hostler_model::status::HostStatus;
use hostler_model::vm::Vm;
use hostler_model::{AgentId, Code, HostId, Key, Kind, Name, Refusal, VmId, status};

use crate::plan::{Planned, Planner, Stop, View};
pub(crate) use vm_create::need_of;

/// Whether a request may begin now. Asked once.
pub(crate) fn admit(request: &Request, view: View<'_>) -> Result<(), Refusal> {
    match request {
        Request::CreateVm(ask) => vm_create::admit(ask, view),
        Request::StartVm { vm } => allowed(view, *vm, VmAction::Start),
        Request::ShutDownVm { vm, limit_s } => vm_power::admit_shut_down(view, *vm, *limit_s),
        Request::TurnOffVm { vm } => allowed(view, *vm, VmAction::TurnOff),
        Request::PauseVm { vm } => allowed(view, *vm, VmAction::Pause),
        Request::ResumeVm { vm } => allowed(view, *vm, VmAction::Resume),
        Request::ResetVm { vm } => allowed(view, *vm, VmAction::Reset),
        Request::SaveVm { vm } => allowed(view, *vm, VmAction::Save),
        Request::DiscardSavedVm { vm } => allowed(view, *vm, VmAction::DiscardSaved),
        Request::EditVm { vm, edit } => vm_hardware::admit_edit(view, *vm, edit),
        Request::SetVmHardware { vm, cpus, memory_mib } => {
            vm_hardware::admit_hardware(view, *vm, *cpus, *memory_mib)
        }
        Request::AttachDisk { vm, size_bytes } => vm_hardware::admit_attach(view, *vm, *size_bytes),
        Request::ReattachDisk { vm, disk } => vm_hardware::admit_reattach(view, *vm, *disk),
        Request::DetachDisk { vm, disk, delete } => vm_hardware::admit_detach(view, *vm, *disk, *delete),
        Request::SetVmMedia { vm, item } => vm_hardware::admit_media(view, *vm, *item),
        Request::MigrateVm { vm, to } => vm_migrate::admit(view, *vm, *to),
        Request::SettleVm { vm, keep } => vm_settle::admit(view, *vm, *keep),
        Request::DeleteVm { vm, disks } => vm_delete::admit(view, *vm, *disks),
        Request::AdoptVm { vm } => vm_hardware::admit_adopt(view, *vm),
        Request::ImportVm { host, found, name } => vm_import::admit(view, *host, found, name.as_ref()),
        Request::RefreshVm { vm } => allowed(view, *vm, VmAction::Refresh),
        Request::RefreshHost { host } => host::admit_refresh(view, *host),
        Request::RestartHost { host } | Request::ShutDownHost { host } => host_power::admit(view, *host),
        Request::EditHost { host, edit } => host::admit_edit(view, *host, edit),
        Request::MakeFolder { host, path } => host::admit_folder(view, *host, path),
        Request::MoveHost { host, to } => host_group::admit_move_host(view, *host, *to),
        Request::CreateHostGroup { parent, name, notes, reserve, .. } => {
            host_group::admit_create(view, *parent, name, notes, reserve)
        }
        Request::EditHostGroup { group, edit } => host_group::admit_edit(view, *group, edit),
        Request::MoveHostGroup { group, to } => host_group::admit_move(view, *group, *to),
        Request::DeleteHostGroup { group } => host_group::admit_delete(view, *group),
        Request::CreateNetwork { network, hosts } => network::admit_create(view, network, hosts),
        Request::RemoveNetwork { name, hosts } => network::admit_remove(view, name, hosts),
        Request::DeclareHostDead { host, confirm } => host::admit_dead(view, *host, confirm),
        Request::AddHost(ask) => push::admit_add(view, ask),
        Request::EnrolAgent(ask) => host::admit_enrol(view, ask),
        Request::RenewAgent { agent, uses, .. } => host::admit_renewal(view, *agent, uses),
        Request::RemoveAgent { agent, force, keep } => agent::admit_remove(view, *agent, *force, *keep),
        Request::UpgradeAgent { agent, force, version, sha256, .. } => {
            agent::admit_upgrade(view, *agent, *force, version, sha256)
        }
        Request::AddShare { name, agent, folder } => library::admit_add(view, name, *agent, folder),
        Request::RefreshShare { share } => library::admit_refresh(view, *share),
        Request::RemoveShare { share } => library::admit_remove(view, *share),
        Request::CreateTemplate { spec } => template::admit_create(view, spec),
        Request::EditTemplate { template, spec } => template::admit_edit(view, *template, spec),
        Request::DeleteTemplate { template } => template::admit_delete(view, *template),
        Request::CreateUser { name, .. } => access::admit_create(view, name),
        Request::EditUser { user, role, disabled, .. } => access::admit_edit(view, *user, *role, *disabled),
        Request::DeleteUser { user } => access::admit_delete(view, *user),
        Request::CreateToken { user, .. } => access::admit_token(view, *user),
        Request::RevokeToken { token } => access::admit_revoke(view, *token),
        Request::CreateEnrolment { group, valid_ms, .. } => access::admit_enrolment(view, *group, *valid_ms),
        Request::SaveView { user, page, name, state } => view::admit_save(view, *user, page, name, state),
        Request::DeleteView { view: id } => view::admit_delete(view, *id),
        Request::SetSettings { settings } => settings.check(),
        Request::Refresher { .. } | Request::Unknown => {
            Err(Refusal::new(Code::RequestMalformed, "request", "this cannot be asked"))
        }
    }
}

/// What a request does.
pub(crate) fn plan(request: &Request, p: &mut Planner<'_>) -> Planned {
    match request {
        Request::CreateVm(ask) => vm_create::plan(ask, p),
        Request::StartVm { vm } => vm_power::start(*vm, p),
        Request::ShutDownVm { vm, limit_s } => vm_power::shut_down(*vm, *limit_s, p),
        Request::TurnOffVm { vm } => vm_power::turn_off(*vm, p),
        Request::PauseVm { vm } => vm_power::pause(*vm, p),
        Request::ResumeVm { vm } => vm_power::resume(*vm, p),
        Request::ResetVm { vm } => vm_power::reset(*vm, p),
        Request::SaveVm { vm } => vm_power::save(*vm, p),
        Request::DiscardSavedVm { vm } => vm_power::discard_saved(*vm, p),
        Request::EditVm { vm, edit } => vm_hardware::edit(*vm, edit, p),
        Request::SetVmHardware { vm, cpus, memory_mib } => vm_hardware::hardware(*vm, *cpus, *memory_mib, p),
        Request::AttachDisk { vm, size_bytes } => vm_hardware::attach(*vm, *size_bytes, p),
        Request::ReattachDisk { vm, disk } => vm_hardware::reattach(*vm, *disk, p),
        Request::DetachDisk { vm, disk, delete } => vm_hardware::detach(*vm, *disk, *delete, p),
        Request::SetVmMedia { vm, item } => vm_hardware::media(*vm, *item, p),
        Request::MigrateVm { vm, to } => vm_migrate::plan(*vm, *to, p),
        Request::SettleVm { vm, keep } => vm_settle::plan(*vm, *keep, p),
        Request::DeleteVm { vm, disks } => vm_delete::plan(*vm, *disks, p),
        Request::AdoptVm { vm } => vm_hardware::adopt(*vm, p),
        Request::ImportVm { host, found, name } => vm_import::plan(*host, found, name.as_ref(), p),
        Request::RefreshVm { vm } => vm_power::refresh(*vm, p),
        Request::RefreshHost { host } => host::refresh(*host, p),
        Request::RestartHost { host } => host_power::plan(*host, true, p),
        Request::ShutDownHost { host } => host_power::plan(*host, false, p),
        Request::EditHost { host, edit } => host::edit(*host, edit, p),
        Request::MakeFolder { host, path } => host::make_folder(*host, path, p),
        Request::MoveHost { host, to } => host_group::move_host(*host, *to, p),
        Request::CreateHostGroup { parent, name, notes, reserve, unencrypted_transfers } => {
            host_group::create(*parent, name, notes, *reserve, *unencrypted_transfers, p)
        }
        Request::EditHostGroup { group, edit } => host_group::edit(*group, edit, p),
        Request::MoveHostGroup { group, to } => host_group::move_to(*group, *to, p),
        Request::DeleteHostGroup { group } => host_group::delete(*group, p),
        Request::CreateNetwork { network, hosts } => network::create(network, hosts, p),
        Request::RemoveNetwork { name, hosts } => network::remove(name, hosts, p),
        Request::DeclareHostDead { host, .. } => host::dead(*host, p),
        Request::AddHost(ask) => push::add(ask, p),
        Request::EnrolAgent(ask) => host::enrol(ask, p),
        Request::RenewAgent { agent, uses, next } => host::renew(*agent, uses, next.as_ref(), p),
        Request::RemoveAgent { agent, force, keep } => agent::remove(*agent, *force, *keep, p),
        Request::UpgradeAgent { agent, version, sha256, size_bytes, .. } => {
            agent::upgrade(*agent, version, sha256, *size_bytes, p)
        }
        Request::AddShare { name, agent, folder } => library::add(name, *agent, folder, p),
        Request::RefreshShare { share } => library::refresh(*share, p),
        Request::RemoveShare { share } => library::remove(*share, p),
        Request::CreateTemplate { spec } => template::create(spec, p),
        Request::EditTemplate { template, spec } => template::edit(*template, spec, p),
        Request::DeleteTemplate { template } => template::delete(*template, p),
        Request::CreateUser { name, role, hash } => access::create(name, *role, hash, p),
        Request::EditUser { user, role, disabled, hash } => {
            access::edit(*user, *role, *disabled, hash.as_ref(), p)
        }
        Request::DeleteUser { user } => access::delete(*user, p),
        Request::CreateToken { user, name, sha256, expires, session } => {
            access::token(*user, name, sha256, *expires, *session, p)
        }
        Request::RevokeToken { token } => access::revoke(*token, p),
        Request::CreateEnrolment { sha256, roles, host_name, group, valid_ms } => {
            access::enrolment(sha256, *roles, host_name.clone(), *group, *valid_ms, p)
        }
        Request::SaveView { user, page, name, state } => view::save(*user, page, name, state, p),
        Request::DeleteView { view } => view::delete(*view, p),
        Request::SetSettings { settings } => access::settings(settings, p),
        Request::Refresher { .. } | Request::Unknown => {
            Err(Stop::Refusal(Refusal::new(Code::RequestMalformed, "request", "this cannot be planned")))
        }
    }
}

/// A machine, or that there is none.
fn vm(view: View<'_>, id: VmId) -> Result<&Vm, Refusal> {
    view.inv.vms.get(&id).map(|vm| &**vm).ok_or_else(|| Refusal::not_found(format!("vm {id}")))
}

/// Whether a machine's status, with no job at work on it, allows an action.
fn allowed(view: View<'_>, id: VmId, act: VmAction) -> Result<(), Refusal> {
    let vm = vm(view, id)?;
    action::check(act, status::of(vm, None, host_of(view, vm)), &vm.label())
}

/// The status of a machine's host; of none, and of one that was removed, that it does not respond.
fn host_of(view: View<'_>, vm: &Vm) -> HostStatus {
    let host = vm.host.and_then(|host| view.inv.hosts.get(&host));
    host.map_or(HostStatus::NotResponding, |host| status::of_host(host, view.answers(host.id.into())))
}

/// A host, or that there is none.
fn host(view: View<'_>, id: HostId) -> Result<&hostler_model::host::Host, Refusal> {
    view.inv.hosts.get(&id).map(|host| &**host).ok_or_else(|| Refusal::not_found(format!("host {id}")))
}

/// Whether an agent answers.
fn answers(view: View<'_>, agent: AgentId, object: &str) -> Result<(), Refusal> {
    if view.answers(agent) {
        return Ok(());
    }
    Err(Refusal::new(Code::HostNotResponding, object, "its agent does not answer")
        .remedy("Bring the computer and its agent back, then try again"))
}

/// Whether a name is free among the things of a kind, but for one that may keep it.
fn name_free(view: View<'_>, kind: Kind, name: &Name, except: Option<Key>) -> Result<(), Refusal> {
    match view.inv.named_like(kind, name) {
        Some(key) if Some(key) != except => {
            let code = if kind == Kind::Vm { Code::VmNameTaken } else { Code::NameTaken };
            Err(Refusal::new(
                code,
                format!("{} {name}", kind.word()),
                "another one has this name, or one that looks like it",
            )
            .remedy("Choose another name"))
        }
        _ => Ok(()),
    }
}
