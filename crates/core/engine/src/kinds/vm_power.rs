//! Power: start, shut down, turn off, pause, resume, reset, save, discard saved state; and reading a machine anew.

use hostler_model::action::VmAction;
use hostler_model::command::Command;
use hostler_model::job::Record;
use hostler_model::seen::Identity;
use hostler_model::setting::Settings;
use hostler_model::vm::{Origin, Presence, VmEdit};
use hostler_model::{AgentId, Code, Key, Ms, Refusal, VmId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::plan::{Planned, Planner, Stop, View};

/// Where a machine is, and what must happen before it is managed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct At {
    pub agent: AgentId,
    pub domain: Uuid,
    pub name: String,
    /// Not none when the machine was found and nobody manages it yet: the first managing action marks it.
    pub mark: Option<Identity>,
}

/// Chooses where a machine is, holds it, and marks it if it was only found.
pub(super) fn managed(vm: VmId, p: &mut Planner<'_>) -> Result<At, Stop> {
    let at = locate(vm, p)?;
    if let Some(identity) = at.mark {
        p.step("adopt", at.agent, Command::Adopt { identity });
        let edit = VmEdit { origin: Some(Origin::Adopted), ..VmEdit::default() };
        // Never taken back: the host bears our mark from now on, whatever becomes of the action.
        p.record("adopted", vec![Record::Vm { vm, edit: Box::new(edit) }]).undo_record(Vec::new());
    }
    Ok(at)
}

/// Chooses where a machine is and holds it.
pub(super) fn locate(vm: VmId, p: &mut Planner<'_>) -> Result<At, Stop> {
    let at: At = p.choose("at", |view, _| at(view, vm))?;
    p.about(Key::Vm(vm), at.name.clone());
    p.lock_vm(vm);
    p.share_host(at.agent.into());
    Ok(at)
}

fn at(view: View<'_>, id: VmId) -> Result<At, Refusal> {
    let vm = super::vm(view, id)?;
    let host = vm.host.ok_or_else(|| {
        Refusal::new(Code::VmStateForbids, vm.label(), "it is on no host")
            .remedy("Delete it and create it anew")
    })?;
    let installation = view.inv.installation_id();
    let mark = (vm.origin == Origin::Found && vm.presence == Presence::Here).then_some(Identity {
        vm: id,
        domain: vm.domain,
        installation,
    });
    Ok(At { agent: host.into(), domain: vm.domain, name: vm.spec.name.to_string(), mark })
}

pub(super) fn admit_shut_down(view: View<'_>, vm: VmId, limit_s: Option<u32>) -> Result<(), Refusal> {
    if limit_s.is_some_and(|s| !(5..=86_400).contains(&s)) {
        return Err(Refusal::invalid("limit", "it is not between 5 and 86400 seconds"));
    }
    super::allowed(view, vm, VmAction::ShutDown)
}

pub(super) fn start(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    let limit = Settings::ms(p.settings.start_limit_s);
    p.step("start", at.agent, Command::Start { domain: at.domain }).limit(limit);
    Ok(())
}

pub(super) fn shut_down(vm: VmId, limit_s: Option<u32>, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    let chosen: Ms = Settings::ms(limit_s.unwrap_or(p.settings.shut_down_limit_s));
    let limit_ms: Ms = p.choose("limit-ms", |_, _| Ok(chosen))?;
    // The agent ends the step itself when the guest has had its time; the engine asks only well after that.
    p.step("shut-down", at.agent, Command::ShutDown { domain: at.domain, limit_ms }).limit(limit_ms + 60_000);
    Ok(())
}

pub(super) fn turn_off(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    p.step("turn-off", at.agent, Command::TurnOff { domain: at.domain });
    Ok(())
}

pub(super) fn pause(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    p.step("pause", at.agent, Command::Pause { domain: at.domain });
    Ok(())
}

pub(super) fn resume(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    p.step("resume", at.agent, Command::Resume { domain: at.domain });
    Ok(())
}

pub(super) fn reset(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    p.step("reset", at.agent, Command::Reset { domain: at.domain });
    Ok(())
}

pub(super) fn save(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    p.step("save", at.agent, Command::Save { domain: at.domain });
    Ok(())
}

pub(super) fn discard_saved(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    p.step("discard-saved", at.agent, Command::DiscardSaved { domain: at.domain });
    Ok(())
}

pub(super) fn refresh(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = locate(vm, p)?;
    p.step("read", at.agent, Command::ReadVm { domain: at.domain });
    Ok(())
}
