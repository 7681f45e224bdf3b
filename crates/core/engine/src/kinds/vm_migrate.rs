//! Live migration: a running machine moves to another host that sees its disks.
//!
//! The step `migrate` decides. It fails only while the machine runs where it was; then everything is taken back. Else it
//! has left, or nobody at its old host can tell (also one whose libvirt is silent), and the new host is asked: where it runs,
//! that is its host from then on; where it has not arrived and never will, it is let run again where it was. Nothing lets it
//! run again before that.

use hostler_model::action::VmAction;
use hostler_model::command::{Answer, Command, Leaving, Peer, Way};
use hostler_model::host::Host;
use hostler_model::job::Record;
use hostler_model::seen::Power;
use hostler_model::setting::Settings;
use hostler_model::vm::{Presence, VmEdit};
use hostler_model::{AgentId, Code, HostId, Ms, Refusal, VmId};
use hostler_placement::{Need, Weights, explain, lacks, lacks_to_move, rate_one};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::vm_create::candidate;
use super::vm_power::managed;
use crate::plan::{Planned, Planner, Stop, View};

/// How many hosts are looked at when none was named.
const LOOK_AT_MOST: usize = 64;
/// How long a hypervisor may take to take away what was on its way.
const FADE_MS: Ms = 60_000;
/// How long after its own limit a step is asked back.
const GRACE_MS: Ms = 120_000;
/// How long bases may be on their way; a step with progress is asked back when it shows none.
const BASES_MS: Ms = 24 * 3_600_000;

/// Where the machine goes, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct To {
    /// The host's agent.
    pub agent: AgentId,
    /// The host's name.
    pub host: String,
    /// What is kept for the machine there, in MiB.
    pub memory_mib: u64,
    /// And how many processors.
    pub cpus: u32,
    /// Where its agent is reached.
    address: String,
    /// What its disks stand on.
    bases: Vec<String>,
    half_stars: u8,
    reasons: Vec<String>,
}

/// Whose certificates each side lets in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pair {
    from: Peer,
    to: Peer,
}

pub(super) fn admit(view: View<'_>, id: VmId, to: Option<HostId>) -> Result<(), Refusal> {
    super::allowed(view, id, VmAction::Migrate)?;
    let vm = super::vm(view, id)?;
    if to.is_some() && to == vm.host {
        return Err(Refusal::new(Code::MigrationUnsuitable, vm.label(), "it is on that host already")
            .remedy("Choose another host"));
    }
    Ok(())
}

pub(super) fn plan(vm: VmId, to: Option<HostId>, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    let domain = at.domain;
    let to: To = p.choose("to", |view, _| target(view, vm, to))?;
    p.share_host(to.agent.into());
    let pair: Pair = p.choose("pair", |view, _| {
        let hosts = [at.agent, to.agent].map(|agent| view.inv.hosts.get(&agent.into()));
        let unencrypted =
            matches!(hosts, [Some(one), Some(other)] if view.inv.unencrypted_between(one, other));
        Ok(Pair { from: peer(view, at.agent, unencrypted)?, to: peer(view, to.agent, unencrypted)? })
    })?;
    // It names the move and is no secret: what lets an agent in is its certificate, of which `pair` names the serial number.
    let ticket: String =
        p.choose("ticket", |_, ids| Ok(format!("{}{}", ids.draw().simple(), ids.draw().simple())))?;

    p.step("leave", at.agent, Command::Leave { domain, ticket: ticket.clone() })
        .undo(Command::Stay { domain, ticket: ticket.clone() });
    let Some(Answer::Leaving { leaving }) = p.answer("leave") else {
        return p.later(&["receive", "send-bases", "migrate", "look", "arrived", "read", "forget", "close"]);
    };
    let leaving = Box::new(Leaving { bases: to.bases.clone(), ..(**leaving).clone() });
    p.step(
        "receive",
        to.agent,
        Command::Receive { domain, ticket: ticket.clone(), from: pair.from.clone(), leaving },
    )
    .undo(Command::NotReceived { domain, ticket: ticket.clone() });
    let Some(Answer::Receiving { port, lacking }) = p.answer("receive") else {
        return p.later(&["send-bases", "migrate", "look", "arrived", "read", "forget", "close"]);
    };
    let (port, bases) = (*port, lacking.clone());
    let way = Box::new(Way { to: pair.to, address: to.address.clone(), port, ticket: ticket.clone() });
    p.step("send-bases", at.agent, Command::SendBases { domain, way: way.clone(), bases }).limit(BASES_MS);
    let limit_ms: Ms = Settings::ms(p.settings.migration_limit_s);
    let most_rounds = p.settings.migration_most_rounds;
    p.step("migrate", at.agent, Command::Migrate { domain, way, limit_ms, most_rounds })
        .limit(limit_ms + GRACE_MS);
    p.point_of_no_return();
    let Some(Answer::Moved { sure, why }) = p.answer("migrate") else {
        return p.later(&["look", "arrived", "read", "forget", "close"]);
    };
    let (sure, why) = (*sure, why.clone());

    p.step("look", to.agent, Command::SeeArrived { domain, limit_ms: FADE_MS }).limit(FADE_MS + GRACE_MS);
    // Outer: whether the new host said anything; inner: what the machine is there.
    let there = match p.ended("look") {
        None => return p.later(&["arrived", "read", "forget", "close"]),
        Some(Ok(Answer::Vm { seen })) => Some(seen.as_ref().map(|seen| seen.power)),
        Some(_) => None,
    };
    let arrived = match there {
        _ if sure => Some(true),
        None => None,
        Some(None) => Some(false),
        Some(Some(power)) if power.is_on() => Some(true),
        Some(Some(_)) => was_there(at.agent, domain, p)?,
    };
    if arrived == Some(true) {
        let edit = VmEdit { host: Some(to.agent.into()), ..VmEdit::default() };
        p.record("arrived", vec![Record::Vm { vm, edit: Box::new(edit) }]);
        p.step("read", to.agent, Command::ReadVm { domain });
        p.together("forget", at.agent, Command::ForgetMoved { domain, ticket: ticket.clone() });
        p.together("close", to.agent, Command::EndReceive { domain, ticket });
        return Ok(());
    }
    if arrived.is_none() {
        // A host that somebody declared lost for ever answers nothing, and lets nothing run.
        let lost: bool = p.choose("target-lost", |view, _| Ok(is_lost(view, to.agent)))?;
        if !lost {
            return undecided(vm, &at.name, &to, &why, p);
        }
    } else {
        p.step("not-received", to.agent, Command::NotReceived { domain, ticket: ticket.clone() })
            .limit(FADE_MS + GRACE_MS);
        match p.ended("not-received") {
            None => return p.later(&["stay"]),
            Some(Ok(_)) => {}
            Some(Err(())) => return undecided(vm, &at.name, &to, &why, p),
        }
    }
    if old_is_lost(at.agent, p)? {
        return Err(Stop::Undone(
            Refusal::new(
                Code::HostNotResponding,
                format!("vm {}", at.name),
                format!("{why}, and the machine is not known to have arrived on {}", to.host),
            )
            .remedy("Bring the old host back, or make the machine anew from what is kept of it"),
        ));
    }
    p.step("stay", at.agent, Command::Stay { domain, ticket });
    Err(Stop::Undone(
        Refusal::new(
            Code::MigrationFailed,
            format!("vm {}", at.name),
            format!("it did not arrive on {} and stays where it was: {why}", to.host),
        )
        .remedy("Look at the network between the two hosts, then migrate it again"),
    ))
}

/// The new host has it, and it is off there: it arrived and has ended, or its definition came and no more of it. Where it runs
/// on the old host, the latter; where nobody says that it does not, it counts as not known.
fn was_there(old: AgentId, domain: Uuid, p: &mut Planner<'_>) -> Result<Option<bool>, Stop> {
    if old_is_lost(old, p)? {
        return Ok(Some(true));
    }
    p.step("look-back", old, Command::ReadVm { domain });
    match p.ended("look-back") {
        None => p.later(&["arrived", "read", "forget", "close"]),
        Some(Ok(Answer::Vm { seen })) => {
            let power = seen.as_ref().map(|seen| seen.power);
            let runs = power.is_some_and(|power| power.is_on() && power != Power::PausedBusy);
            Ok((!runs).then_some(true))
        }
        Some(_) => Ok(None),
    }
}

fn old_is_lost(old: AgentId, p: &mut Planner<'_>) -> Result<bool, Stop> {
    p.choose("source-lost", |view, _| Ok(is_lost(view, old)))
}

/// Neither host can say where it is: it counts as shown by both, so that nothing starts it on either until it is settled.
fn undecided(vm: VmId, name: &str, to: &To, why: &str, p: &mut Planner<'_>) -> Planned {
    let presence = Some(Presence::Conflict { other: to.agent.into() });
    p.record("undecided", vec![Record::Vm { vm, edit: Box::new(VmEdit { presence, ..VmEdit::default() }) }]);
    let to = &to.host;
    Err(Stop::Undone(
        Refusal::new(
            Code::MigrationUndecided,
            format!("vm {name}"),
            format!(
                "{to} could not say whether it runs there, and where it was it is not known to run: {why}"
            ),
        )
        .remedy(format!(
            "Settle it when {to} answers (hostler vm settle {name}): both hosts are asked, and one keeps it"
        )),
    ))
}

pub(super) fn is_lost(view: View<'_>, agent: AgentId) -> bool {
    view.inv.hosts.get(&agent.into()).is_none_or(|host| host.dead_since.is_some())
}

fn peer(view: View<'_>, agent: AgentId, unencrypted: bool) -> Result<Peer, Refusal> {
    let known = view.inv.agents.get(&agent);
    let known = known.ok_or_else(|| Refusal::not_found(format!("agent {agent}")))?;
    Ok(Peer { agent, serials: known.certificates().into_iter().map(str::to_owned).collect(), unencrypted })
}

/// Chooses the host: the one that was named, else the best rated of the freest that see the machine's folder.
fn target(view: View<'_>, id: VmId, to: Option<HostId>) -> Result<To, Refusal> {
    let vm = super::vm(view, id)?;
    let source = vm.host.and_then(|host| view.inv.hosts.get(&host));
    let source = source.ok_or_else(|| Refusal::not_found("the machine's host"))?;
    let hardware = &vm.spec.hardware;
    let need = Need {
        cpus: hardware.cpus,
        memory_mib: hardware.memory_mib,
        disk_mib: 0,
        network: None,
        vlan: None,
        spoofing_filter: false,
        source: None,
        only: to,
        ..Need::default()
    };
    let bases: Vec<String> = vm.spec.disks().filter_map(|disk| disk.base.clone()).collect();
    let all = |host: &Host| {
        let mut all = lacks(&need, &candidate(view, host));
        all.extend(lacks_to_move(vm, source, host, to.is_some()));
        all
    };
    let chosen = match to {
        Some(to) => {
            let host = super::host(view, to)?;
            let lacking = all(host);
            if !lacking.is_empty() {
                return Err(Refusal::new(Code::PlacementHostUnsuitable, host.label(), lacking.join("; "))
                    .remedy("Choose another host, or let placement choose"));
            }
            (host, rate_one(&need, &candidate(view, host), &Weights::default()))
        }
        None => {
            let mut looked: Vec<_> = view
                .inv
                .freest()
                .filter(|host| host.id != source.id)
                .take(LOOK_AT_MOST)
                .map(|host| {
                    let mut rating = rate_one(&need, &candidate(view, host), &Weights::default());
                    rating.lacks = all(host);
                    (&**host, rating)
                })
                .collect();
            looked
                .sort_by(|(_, a), (_, b)| b.half_stars.cmp(&a.half_stars).then_with(|| a.name.cmp(&b.name)));
            match looked.iter().position(|(_, rating)| rating.lacks.is_empty()) {
                Some(at) => looked.swap_remove(at),
                None => {
                    let ratings: Vec<_> = looked.into_iter().map(|(_, rating)| rating).collect();
                    let cause = format!("no other host suits. {}", explain(&ratings, 5));
                    return Err(Refusal::new(Code::PlacementNoHost, vm.label(), cause)
                        .remedy("Give a host what it lacks, or name the host"));
                }
            }
        }
    };
    let (host, rating) = chosen;
    Ok(To {
        agent: host.id.into(),
        host: host.name.to_string(),
        memory_mib: hardware.memory_mib,
        cpus: hardware.cpus,
        address: host.facts.address.clone(),
        bases,
        half_stars: rating.half_stars,
        reasons: rating.reasons,
    })
}
