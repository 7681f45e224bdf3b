//! Hosts: enrolment with the agent, what administrators set, reading anew, and declaring dead.

use hostler_model::agent::{Agent, Certificate, Roles};
use hostler_model::command::Command;
use hostler_model::host::{EditHost, Host, HostSpec};
use hostler_model::host_group::ALL_HOSTS;
use hostler_model::job::{Lock, Record};
use hostler_model::request::EnrolAgent;
use hostler_model::vm::{Presence, VmEdit};
use hostler_model::{AgentId, Code, HostGroupId, HostId, Key, Kind, Name, Object, Refusal, Timestamp};

use crate::plan::{Planned, Planner, View};

pub(super) fn admit_refresh(view: View<'_>, id: HostId) -> Result<(), Refusal> {
    let host = super::host(view, id)?;
    super::answers(view, id.into(), &host.label())
}

pub(super) fn refresh(id: HostId, p: &mut Planner<'_>) -> Planned {
    let name: String = p.choose("name", |view, _| Ok(super::host(view, id)?.name.to_string()))?;
    p.about(Key::Host(id), name);
    p.share_host(id);
    p.step("read", id.into(), Command::ReadHost);
    Ok(())
}

pub(super) fn admit_edit(view: View<'_>, id: HostId, edit: &EditHost) -> Result<(), Refusal> {
    let host = super::host(view, id)?;
    if let Some(Some(path)) = &edit.vm_path {
        host.check_folder(path)?;
    }
    host.spec.edited(edit).check()
}

pub(super) fn admit_folder(view: View<'_>, id: HostId, path: &str) -> Result<(), Refusal> {
    let host = super::host(view, id)?;
    host.check_folder(path)?;
    super::answers(view, id.into(), &host.label())
}

pub(super) fn make_folder(id: HostId, path: &str, p: &mut Planner<'_>) -> Planned {
    let name: String = p.choose("name", |view, _| Ok(super::host(view, id)?.name.to_string()))?;
    p.about(Key::Host(id), name);
    p.share_host(id);
    p.step("make-folder", id.into(), Command::MakeFolder { path: path.to_owned() });
    Ok(())
}

// What is edited is the host as it is when this is decided: of two edits at once neither takes back the other.
pub(super) fn edit(id: HostId, edit: &EditHost, p: &mut Planner<'_>) -> Planned {
    let host: Host = p.choose("host", |view, _| Ok(super::host(view, id)?.clone()))?;
    p.about(Key::Host(id), host.name.as_str());
    p.lock(Lock::exclusive(Key::Host(id)));
    p.record(
        "edit",
        vec![Record::Put { object: Object::from(Host { spec: host.spec.edited(edit), ..host }) }],
    );
    Ok(())
}

pub(super) fn admit_dead(view: View<'_>, id: HostId, confirm: &str) -> Result<(), Refusal> {
    let host = super::host(view, id)?;
    if confirm != host.name.as_str() {
        return Err(Refusal::invalid(host.label(), "the name was not typed to confirm")
            .remedy(format!("Confirm with the host's name: {}", host.name)));
    }
    if view.sessions.of(id.into()).is_some() {
        return Err(Refusal::new(Code::ObjectInUse, host.label(), "its agent answers, so it is not dead")
            .remedy("Remove the agent instead"));
    }
    Ok(())
}

pub(super) fn dead(id: HostId, p: &mut Planner<'_>) -> Planned {
    let host: Host = p.choose("host", |view, _| Ok(super::host(view, id)?.clone()))?;
    let since: Timestamp = p.choose("since", |view, _| Ok(view.now))?;
    p.about(Key::Host(id), host.name.as_str());
    let mut records = vec![Record::Put { object: Object::from(Host { dead_since: Some(since), ..host }) }];
    let vms: Vec<hostler_model::VmId> = p.choose("vms", |view, _| {
        Ok(view.inv.vms_on(id).filter(|vm| vm.presence == Presence::Here).map(|vm| vm.id).collect())
    })?;
    records.extend(vms.into_iter().map(|vm| {
        let edit = VmEdit { presence: Some(Presence::Missing { since }), ..VmEdit::default() };
        Record::Vm { vm, edit: Box::new(edit) }
    }));
    p.record("dead", records);
    Ok(())
}

pub(super) fn admit_enrol(view: View<'_>, ask: &EnrolAgent) -> Result<(), Refusal> {
    let refused = |cause: &str| {
        Err(Refusal::new(Code::EnrolmentRefused, format!("computer {}", ask.facts.host_name), cause)
            .remedy("Make a new enrolment token and try again"))
    };
    let Some(enrolment) = view.inv.enrolments.get(&ask.token) else {
        return refused("the token is not known");
    };
    if enrolment.used_by.is_some_and(|agent| agent != ask.agent) {
        return refused("the token was used already");
    }
    if enrolment.expires <= view.now {
        return refused("the token has run out");
    }
    if enrolment.host_name.as_ref().is_some_and(|name| *name != ask.facts.host_name) {
        return refused("the token is for a computer of another name");
    }
    Ok(())
}

pub(super) fn enrol(ask: &EnrolAgent, p: &mut Planner<'_>) -> Planned {
    let name = Name::mended(&ask.facts.host_name);
    p.about(Key::Agent(ask.agent), name.as_str());
    p.lock(Lock::exclusive(Key::Agent(ask.agent)));
    let used = p.choose("enrolment", |view, _| {
        let known = view.inv.enrolments.get(&ask.token);
        known.map(|e| (**e).clone()).ok_or_else(|| Refusal::not_found(format!("enrolment {}", ask.token)))
    })?;
    // Two computers may have one name: the second gets a number.
    let name: Name = p.choose("name", |view, _| free_name(view, &name))?;
    let (roles, group): (Roles, Option<HostGroupId>) = (used.roles, used.group);
    let at = p.asked();
    let mut used = used;
    used.used_by = Some(ask.agent);
    let agent = Agent {
        id: ask.agent,
        name: name.clone(),
        roles,
        version: ask.version.clone(),
        certificate: ask.certificate.clone(),
        certificate_until: ask.certificate_until,
        renewed: None,
        enrolled: at,
    };
    let mut records =
        vec![Record::Put { object: Object::from(used) }, Record::Put { object: Object::from(agent) }];
    if roles.host {
        // The group that the token names may be gone by now.
        let group: HostGroupId = p.choose("group", |view, _| {
            let known = group.filter(|group| view.inv.host_group(*group).is_some());
            Ok(known.unwrap_or(ALL_HOSTS))
        })?;
        let host = Host {
            group,
            id: ask.agent.into(),
            name,
            spec: HostSpec::default(),
            facts: ask.facts.clone(),
            dead_since: None,
            created: at,
        };
        records.push(Record::Put { object: Object::from(host) });
    }
    p.record("enrol", records);
    Ok(())
}

/// The agent that shows a certificate, if the record knows both.
fn shows<'a>(view: View<'a>, id: AgentId, serial: &str) -> Result<&'a Agent, Refusal> {
    let agent = view.inv.agents.get(&id).ok_or_else(|| Refusal::not_found(format!("agent {id}")))?;
    if agent.certificates().contains(&serial) {
        return Ok(agent);
    }
    let cause = "the certificate that it shows is not the one that it was given last";
    Err(Refusal::new(Code::EnrolmentRefused, agent.label(), cause).remedy("Enrol its computer anew"))
}

pub(super) fn admit_renewal(view: View<'_>, id: AgentId, uses: &str) -> Result<(), Refusal> {
    shows(view, id, uses).map(|_| ())
}

pub(super) fn renew(id: AgentId, uses: &str, next: Option<&Certificate>, p: &mut Planner<'_>) -> Planned {
    let mut agent: Agent = p.choose("agent", |view, _| shows(view, id, uses).cloned())?;
    p.about(Key::Agent(id), agent.name.as_str());
    p.lock(Lock::exclusive(Key::Agent(id)));
    agent.uses(uses);
    if let Some(next) = next {
        agent.renewed = Some(next.clone());
    }
    p.record("renew", vec![Record::Put { object: Object::from(agent) }]);
    Ok(())
}

fn free_name(view: View<'_>, wanted: &Name) -> Result<Name, Refusal> {
    let mut name = wanted.clone();
    let mut n = 2;
    while super::name_free(view, Kind::Agent, &name, None).is_err() {
        name = Name::mended(&format!("{wanted} ({n})"));
        n += 1;
    }
    Ok(name)
}
