//! Deletion: with its disks, or only forgotten.

use hostler_model::action::VmAction;
use hostler_model::command::Command;
use hostler_model::job::{Lock, Record};
use hostler_model::vm::Origin;
use hostler_model::{AgentId, Code, Key, Refusal, VmId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::plan::{Planned, Planner, View};

/// Where the machine is, and what of it may be deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remains {
    name: String,
    domain: Uuid,
    /// None when its host is dead or was removed: then only the record goes.
    agent: Option<AgentId>,
    files: Vec<String>,
}

pub(super) fn admit(view: View<'_>, id: VmId, disks: bool) -> Result<(), Refusal> {
    let vm = super::vm(view, id)?;
    let lost =
        vm.host.is_none_or(|host| view.inv.hosts.get(&host).is_none_or(|host| host.dead_since.is_some()));
    if lost {
        return Ok(());
    }
    if disks && vm.origin == Origin::Found {
        return Err(Refusal::new(
            Code::VmStateForbids,
            vm.label(),
            "it was found and is not managed, so its disks bear no sign of being its own",
        )
        .remedy("Forget it, or delete its disks on the host"));
    }
    super::allowed(view, id, if disks { VmAction::Delete } else { VmAction::Forget })
}

pub(super) fn plan(vm: VmId, disks: bool, p: &mut Planner<'_>) -> Planned {
    let it: Remains = p.choose("remains", |view, _| remains(view, vm, disks))?;
    p.about(Key::Vm(vm), it.name.clone());
    p.lock_vm(vm);
    if let Some(agent) = it.agent {
        p.lock(Lock::shared(Key::Host(agent.into())));
        p.step("undefine", agent, Command::Undefine { domain: it.domain });
        p.point_of_no_return();
        for (n, file) in it.files.iter().enumerate() {
            let delete = Command::DeleteDisk { file: file.clone(), owner: vm };
            p.nth_together(n, format!("delete-disk-{n}"), agent, delete);
        }
    }
    p.record("forget", vec![Record::Gone { key: Key::Vm(vm) }]);
    Ok(())
}

fn remains(view: View<'_>, id: VmId, disks: bool) -> Result<Remains, Refusal> {
    let vm = super::vm(view, id)?;
    let host = vm.host.and_then(|host| view.inv.hosts.get(&host)).filter(|host| host.dead_since.is_none());
    let files = match host {
        Some(_) if disks => vm.spec.disks().map(|disk| disk.file.clone()).collect(),
        _ => Vec::new(),
    };
    Ok(Remains {
        name: vm.spec.name.to_string(),
        domain: vm.domain,
        agent: host.map(|host| host.id.into()),
        files,
    })
}
