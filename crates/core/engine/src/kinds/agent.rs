//! Agents that are there: their removal, and another program in their place.

use hostler_model::command::Command;
use hostler_model::job::{Lock, Record};
use hostler_model::setting::Settings;
use hostler_model::{AgentId, Code, Key, Ms, Refusal};

use crate::plan::{Planned, Planner, View};

/// How much longer than the new program may take to come up the whole of an upgrade may take: the present one ends in
/// order, and whichever runs afterwards connects.
const AROUND_MS: Ms = 120_000;

fn agent(view: View<'_>, id: AgentId) -> Result<&hostler_model::agent::Agent, Refusal> {
    let found = view.inv.agents.get(&id).map(|agent| &**agent);
    found.ok_or_else(|| Refusal::not_found(format!("agent {id}")))
}

/// Whether its host was declared dead: nobody expects an answer.
fn is_dead(view: View<'_>, id: AgentId) -> bool {
    view.inv.hosts.get(&id.into()).is_some_and(|host| host.dead_since.is_some())
}

/// What stays of Hostler's on a computer whose agent cannot be asked.
fn stays_behind(view: View<'_>, id: AgentId) -> String {
    let folder = view.inv.hosts.get(&id.into()).and_then(|host| {
        host.facts.vm_folder.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !folder.is_empty())
    });
    let folder = folder.unwrap_or("/var/lib/hostler-agent");
    format!("the agent with its unit, and in {folder} its key and certificate, its journal and its settings")
}

pub(super) fn admit_remove(view: View<'_>, id: AgentId, force: bool, keep: bool) -> Result<(), Refusal> {
    let agent = agent(view, id)?;
    if force {
        return Ok(());
    }
    has_nothing(view, id)?;
    if keep || view.answers(id) || is_dead(view, id) {
        return Ok(());
    }
    let cause =
        format!("it does not answer, so that on its computer there would stay: {}", stays_behind(view, id));
    Err(Refusal::new(Code::HostNotResponding, agent.label(), cause).remedy(
        "Bring it back first, or force the removal (--force) and run \"hostler-agent leave\" on that computer",
    ))
}

/// Refuses where its computer has machines or shares in the record.
fn has_nothing(view: View<'_>, id: AgentId) -> Result<(), Refusal> {
    let vms = view.inv.vms_on(id.into()).count();
    let shares = view.inv.shares.values().filter(|share| share.agent == id).count();
    if vms > 0 || shares > 0 {
        let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        let (vms, shares) = (count(vms, "machine"), count(shares, "library share"));
        let cause = format!("its computer has {vms} and {shares} in the record");
        return Err(Refusal::new(Code::ObjectInUse, agent(view, id)?.label(), cause)
            .remedy("Remove them first, or force the removal (--force): then only their record goes"));
    }
    Ok(())
}

pub(super) fn remove(id: AgentId, force: bool, keep: bool, p: &mut Planner<'_>) -> Planned {
    let name: String = p.choose("name", |view, _| {
        Ok(view.inv.agents.get(&id).map(|agent| agent.name.to_string()).unwrap_or_default())
    })?;
    p.about(Key::Agent(id), name.as_str());
    // None where the agent can be asked to remove what is its own, or is not to.
    let left: Option<String> = p.choose("left", |view, _| {
        let asked = keep || view.answers(id);
        Ok((!asked && !is_dead(view, id)).then(|| stays_behind(view, id)))
    })?;
    let leaves: bool = p.choose("leaves", |view, _| Ok(!keep && view.answers(id)))?;
    // What is at work on a share of an agent that does not answer would never end: it ends with the agent.
    let held: Vec<Key> = p.choose("held", |view, _| {
        let keys = view.inv.keys_of_agent(id).into_iter();
        let library = |key: &Key| matches!(key, Key::Share(_) | Key::Item(_));
        Ok(keys.filter(|key| matches!(key, Key::Vm(_)) || leaves && library(key)).collect())
    })?;
    for key in held {
        p.lock(Lock::exclusive(key));
    }
    p.lock(Lock::exclusive(Key::Host(id.into())));
    p.lock(Lock::exclusive(Key::Agent(id)));
    if let Some(left) = left {
        p.warn(
            Refusal::new(
                Code::HostNotResponding,
                format!("agent {name}"),
                format!("on its computer there stays: {left}"),
            )
            .remedy("When it is there again, run \"hostler-agent leave\" on it"),
        );
    }
    if leaves {
        // It does nothing yet: what decides is that its certificate is good no more.
        p.step("prepare-removal", id, Command::PrepareRemoval).undo(Command::CancelRemoval);
        if p.answer("prepare-removal").is_none() {
            return p.later(&["remove"]);
        }
    }
    // While the agent was asked its computer may have shown machines that nobody knew, and a share may have been added.
    let keys: Vec<Key> = p.choose("keys", |view, _| {
        if !force {
            has_nothing(view, id)?;
        }
        Ok(view.inv.keys_of_agent(id))
    })?;
    p.record("remove", keys.into_iter().map(|key| Record::Gone { key }).collect());
    Ok(())
}

pub(super) fn admit_upgrade(
    view: View<'_>,
    id: AgentId,
    force: bool,
    version: &str,
    sha256: &str,
) -> Result<(), Refusal> {
    let agent = agent(view, id)?;
    if sha256.is_empty() {
        return Err(Refusal::new(Code::ObjectNotFound, "agent program", "this server has none to install")
            .remedy(
                "Install the package hostler-agent beside the server, or name one with --agent-program",
            ));
    }
    if agent.version == version && !force {
        return Err(Refusal::new(
            Code::ValueInvalid,
            agent.label(),
            format!("it has version {version} already"),
        )
        .remedy("Force it (--force) to install the same version again"));
    }
    super::answers(view, id, &agent.label())
}

pub(super) fn upgrade(
    id: AgentId,
    version: &str,
    sha256: &str,
    size_bytes: u64,
    p: &mut Planner<'_>,
) -> Planned {
    let name: String = p.choose("name", |view, _| Ok(agent(view, id)?.name.to_string()))?;
    p.about(Key::Agent(id), name);
    // Whatever else is at work there: it is neither interrupted nor does it meet a host that is gone for a moment.
    p.lock(Lock::exclusive(Key::Host(id.into())));
    p.lock(Lock::exclusive(Key::Agent(id)));
    let (version, sha256) = (version.to_owned(), sha256.to_owned());
    let bring = Command::BringProgram { version: version.clone(), sha256: sha256.clone(), size_bytes };
    p.step("bring-program", id, bring);
    let limit_ms = Settings::ms(p.settings.agent_upgrade_limit_s);
    p.step("upgrade", id, Command::Upgrade { version, sha256, limit_ms }).limit(limit_ms + AROUND_MS);
    Ok(())
}
