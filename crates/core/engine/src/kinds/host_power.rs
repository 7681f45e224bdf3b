//! A host that is restarted or shut down: its machines are stopped, each as its stop action says, then the computer goes. After
//! a restart those that were stopped are started again. What fails before the computer has begun is taken back: the
//! machines that were stopped already are started.

use hostler_model::command::Command;
use hostler_model::seen::Power;
use hostler_model::setting::Settings;
use hostler_model::vm::{Presence, StopAction, Vm};
use hostler_model::{AgentId, Code, HostId, Key, Refusal, job::Lock};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::plan::{Planned, Planner, View};

/// What is stopped, and which start of the computer ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Going {
    boot: String,
    machines: Vec<Stopped>,
}

/// A machine that is stopped, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stopped {
    domain: Uuid,
    action: StopAction,
}

pub(super) fn admit(view: View<'_>, id: HostId) -> Result<(), Refusal> {
    let host = super::host(view, id)?;
    super::answers(view, id.into(), &host.label())?;
    going(view, id).map(drop)
}

fn going(view: View<'_>, id: HostId) -> Result<Going, Refusal> {
    let host = super::host(view, id)?;
    let on = view.inv.vms_on(id).filter(|vm| vm.power().is_on());
    let machines = on.map(|vm| stopped(vm)).collect::<Result<_, _>>()?;
    Ok(Going { boot: host.facts.boot_id.clone(), machines })
}

fn stopped(vm: &Vm) -> Result<Stopped, Refusal> {
    let refused =
        |cause: &str, remedy: &str| Err(Refusal::new(Code::VmStateForbids, vm.label(), cause).remedy(remedy));
    match vm.presence {
        Presence::Here => {}
        Presence::Elsewhere { .. } => {
            return refused("another installation manages it, and it runs", "Stop it where it is managed");
        }
        _ => return refused("it is not known to be on this host alone, and it runs", "Refresh the host"),
    }
    let action = match (vm.power(), vm.spec.stop_action) {
        (Power::Running, action) => action,
        // A guest that stands still hears no button, and only saved it stands still again.
        (Power::Paused, _) => StopAction::Save,
        (power, _) => {
            let cause = format!("it is {}: it can be neither saved nor shut down", power.words());
            return refused(&cause, "Turn it off, or wait until it runs or is off");
        }
    };
    Ok(Stopped { domain: vm.domain, action })
}

/// The steps that follow the reading, as far as can be told before it.
fn keys(restart: bool, machines: usize) -> Vec<String> {
    let each = |what: &'static str| (1..=machines).map(move |n| format!("{what}-{n}"));
    let goes: &[&str] = if restart { &["restart", "see-restarted"] } else { &["shut-down"] };
    let starts = each("start").filter(|_| restart);
    each("stop").chain(goes.iter().map(|key| (*key).to_owned())).chain(starts).collect()
}

pub(super) fn plan(id: HostId, restart: bool, p: &mut Planner<'_>) -> Planned {
    let agent = AgentId::from(id);
    let name: String = p.choose("name", |view, _| Ok(super::host(view, id)?.name.to_string()))?;
    p.about(Key::Host(id), name);
    // Nothing else is done on the host meanwhile, and placement does not choose it.
    p.lock(Lock::exclusive(Key::Host(id)));
    // What was done before this job began may not be in the record yet.
    p.step("read", agent, Command::ReadHost);
    if p.ended("read").is_none() {
        let expected: usize = p.choose("expected", |view, _| Ok(going(view, id)?.machines.len()))?;
        return p.later(&keys(restart, expected));
    }
    let Going { boot, machines } = p.choose("going", |view, _| going(view, id))?;
    let limit_ms = Settings::ms(p.settings.shut_down_limit_s);
    let start_ms = Settings::ms(p.settings.start_limit_s);
    for (n, Stopped { domain, action }) in machines.iter().enumerate() {
        let (domain, key) = (*domain, format!("stop-{}", n + 1));
        let command = match action {
            StopAction::Save => Command::Save { domain },
            StopAction::ShutDown => Command::ShutDown { domain, limit_ms },
            StopAction::TurnOff => Command::TurnOff { domain },
        };
        let step = p.nth_together(n, key, agent, command);
        step.undo(Command::Start { domain });
        if *action == StopAction::ShutDown {
            step.limit(limit_ms + 60_000);
        }
    }
    if !restart {
        p.step("shut-down", agent, Command::ShutDownHost { boot });
        p.point_of_no_return();
        return Ok(());
    }
    p.step("restart", agent, Command::RestartHost { boot: boot.clone() });
    p.point_of_no_return();
    let restarts_ms = Settings::ms(p.settings.host_restart_limit_s);
    p.step("see-restarted", agent, Command::SeeRestarted { boot }).limit(restarts_ms);
    for (n, Stopped { domain, .. }) in machines.iter().enumerate() {
        let (command, key) = (Command::Start { domain: *domain }, format!("start-{}", n + 1));
        p.nth_together(n, key, agent, command).limit(start_ms);
    }
    Ok(())
}
