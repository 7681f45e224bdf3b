//! A machine that two hosts show: both are asked, and it stays on the one where it runs. On the other its definition is
//! removed, and what of it stands there; never its disks, which the other copy may use.

use hostler_model::action::VmAction;
use hostler_model::command::{Answer, Command};
use hostler_model::job::Record;
use hostler_model::seen::Power;
use hostler_model::vm::{Presence, VmEdit};
use hostler_model::{AgentId, Code, HostId, Refusal, VmId};
use serde::{Deserialize, Serialize};

use super::vm_migrate::is_lost;
use super::vm_power::locate;
use crate::plan::{Planned, Planner, View};

/// The two hosts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Two {
    /// The one to which the record binds it, by name; and whether it never answers again.
    here: String,
    here_lost: bool,
    /// The other one.
    other: AgentId,
    there: String,
    there_lost: bool,
}

pub(super) fn admit(view: View<'_>, id: VmId, keep: Option<HostId>) -> Result<(), Refusal> {
    super::allowed(view, id, VmAction::Settle)?;
    let two = two(view, id)?;
    let vm = super::vm(view, id)?;
    if keep.is_some_and(|keep| Some(keep) != vm.host && keep != two.other.into()) {
        let cause = format!("neither {} nor {} is that host", two.here, two.there);
        return Err(Refusal::invalid("keep", cause).remedy("Name one of the two hosts that show the machine"));
    }
    for (agent, lost) in [(vm.host.map(AgentId::from), two.here_lost), (Some(two.other), two.there_lost)] {
        if let Some(agent) = agent.filter(|_| !lost) {
            super::answers(view, agent, &vm.label())?;
        }
    }
    Ok(())
}

fn two(view: View<'_>, id: VmId) -> Result<Two, Refusal> {
    let vm = super::vm(view, id)?;
    let (Some(here), Presence::Conflict { other }) = (vm.host, vm.presence) else {
        return Err(Refusal::new(Code::VmStateForbids, vm.label(), "no two hosts show it"));
    };
    let name = |host: HostId| {
        view.inv.hosts.get(&host).map_or_else(|| format!("host {host}"), |host| host.name.to_string())
    };
    Ok(Two {
        here: name(here),
        here_lost: is_lost(view, here.into()),
        other: other.into(),
        there: name(other),
        there_lost: is_lost(view, other.into()),
    })
}

pub(super) fn plan(vm: VmId, keep: Option<HostId>, p: &mut Planner<'_>) -> Planned {
    const THEN: [&str; 3] = ["remove", "settled", "read"];
    let at = locate(vm, p)?;
    let domain = at.domain;
    let two: Two = p.choose("two", |view, _| two(view, vm))?;
    p.share_host(two.other.into());
    let ticket: String =
        p.choose("ticket", |_, ids| Ok(format!("{}{}", ids.draw().simple(), ids.draw().simple())))?;
    if !two.here_lost {
        p.step("look-here", at.agent, Command::ReadVm { domain });
    }
    match (two.here_lost, two.there_lost) {
        (_, true) => {}
        (false, false) => _ = p.together("look-there", two.other, Command::ReadVm { domain }),
        (true, false) => _ = p.step("look-there", two.other, Command::ReadVm { domain }),
    }
    // Outer: whether it was looked; inner: whether it is there.
    let power = |p: &Planner<'_>, key: &str, lost: bool| match p.answer(key) {
        _ if lost => Some(None),
        Some(Answer::Vm { seen }) => Some(seen.as_ref().map(|seen| seen.power)),
        _ => None,
    };
    let looked = power(p, "look-here", two.here_lost).zip(power(p, "look-there", two.there_lost));
    let Some((here, there)) = looked else { return p.later(&THEN) };
    let wish = keep.map(|keep| AgentId::from(keep) == two.other);
    let stays_there = verdict(here, there, wish, &two).map_err(|cause| {
        Refusal::new(Code::MigrationUndecided, format!("vm {}", at.name), cause)
            .remedy("Look at it on both hosts, then say which keeps it: --keep HOST")
    })?;

    let (leftover, power) = if stays_there { (at.agent, here) } else { (two.other, there) };
    if let Some(power) = power.filter(|_| !is_gone(leftover, &two, at.agent)) {
        let turned_off = power.is_on() && power != Power::PausedBusy;
        if turned_off {
            p.step("turn-off", leftover, Command::TurnOff { domain });
            p.point_of_no_return();
        }
        // What is still on its way is waited for; what stopped at a hand-over, or is off, is forgotten.
        let remove = match power {
            Power::PausedBusy if !stays_there => Command::NotReceived { domain, ticket: ticket.clone() },
            _ => Command::ForgetMoved { domain, ticket: ticket.clone() },
        };
        p.step("remove", leftover, remove);
        if !turned_off {
            p.point_of_no_return();
        }
    }
    let host = stays_there.then(|| two.other.into());
    let edit = VmEdit { host, presence: Some(Presence::Here), ..VmEdit::default() };
    p.record("settled", vec![Record::Vm { vm, edit: Box::new(edit) }]);
    if !stays_there && here == Some(Power::PausedBusy) {
        p.step("stay", at.agent, Command::Stay { domain, ticket });
    }
    let (stays, lost) = if stays_there { (two.other, two.there_lost) } else { (at.agent, two.here_lost) };
    if !lost {
        p.step("read", stays, Command::ReadVm { domain });
    }
    Ok(())
}

fn is_gone(agent: AgentId, two: &Two, here: AgentId) -> bool {
    if agent == here { two.here_lost } else { two.there_lost }
}

/// Whether it stays on the other host. What stands still at a hand-over is the older copy of what runs.
fn verdict(here: Option<Power>, there: Option<Power>, wish: Option<bool>, two: &Two) -> Result<bool, String> {
    let sure = match (here, there) {
        (_, None) => Some(false),
        (None, Some(there)) => Some(there != Power::PausedBusy),
        (Some(Power::PausedBusy), Some(there)) => Some(there != Power::PausedBusy),
        (Some(_), Some(Power::PausedBusy)) => Some(false),
        (Some(_), Some(_)) => None,
    };
    let Two { here: on_here, there: on_there, .. } = two;
    match (sure, wish, here, there) {
        (Some(sure), Some(wish), ..) if sure != wish => {
            let (has, has_not) = if sure { (on_there, on_here) } else { (on_here, on_there) };
            Err(format!("it can only stay on {has}: {has_not} does not have it whole"))
        }
        (Some(sure), ..) => Ok(sure),
        (None, Some(wish), ..) => Ok(wish),
        (None, None, Some(here), Some(there)) => match (here.is_on(), there.is_on()) {
            (true, false) => Ok(false),
            (false, true) => Ok(true),
            (true, true) => {
                Err(format!("it runs on {on_here} and on {on_there}; one of the two has to be turned off"))
            }
            (false, false) => Err(format!("it is off on {on_here} and on {on_there}")),
        },
        (None, None, ..) => Ok(false),
    }
}
