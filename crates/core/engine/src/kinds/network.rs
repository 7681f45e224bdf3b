//! Networks: made on hosts and removed from them. There is no object of a network: what a host has is a fact of the host,
//! and its own word about it, which comes with the end of each step, is all that the record knows.

use hostler_model::command::Command;
use hostler_model::host::Host;
use hostler_model::host_hardware::AdapterKind;
use hostler_model::job::{Lock, LockOn};
use hostler_model::network::{HostNetwork, NetworkKind, adapters_of};
use hostler_model::new_network::{MOST_HOSTS, NetworkSpec, label};
use hostler_model::{AgentId, Code, HostId, Key, Kind, Name, Refusal};
use uuid::Uuid;

use crate::plan::{Planned, Planner, View};

/// How many machines are named that are connected.
const NAMED: usize = 5;

fn of_host<'a>(host: &'a Host, name: &str) -> Option<&'a HostNetwork> {
    host.facts.host_networks.iter().find(|network| network.name == name)
}

/// The hosts of a request: some, none twice, all of which answer.
fn check_hosts(view: View<'_>, hosts: &[HostId]) -> Result<(), Refusal> {
    if hosts.is_empty() || hosts.len() > MOST_HOSTS {
        let cause = format!("{} hosts are named, and 1 to {MOST_HOSTS} may be", hosts.len());
        return Err(Refusal::invalid("hosts", cause));
    }
    for (at, id) in hosts.iter().enumerate() {
        let host = super::host(view, *id)?;
        if hosts[..at].contains(id) {
            return Err(Refusal::invalid("hosts", format!("{} is named twice", host.label())));
        }
        super::answers(view, (*id).into(), &host.label())?;
    }
    Ok(())
}

pub(super) fn admit_create(view: View<'_>, network: &NetworkSpec, hosts: &[HostId]) -> Result<(), Refusal> {
    network.clone().checked()?;
    check_hosts(view, hosts)?;
    for id in hosts {
        let host = super::host(view, *id)?;
        if of_host(host, &network.name).is_some() {
            let cause = format!("{} has a network of this name", host.label());
            return Err(Refusal::new(Code::NameTaken, network.label(), cause)
                .remedy("Choose another name, or remove that one from the host first"));
        }
        if let Some(adapter) = &network.adapter {
            check_adapter(host, network, adapter)?;
        }
    }
    Ok(())
}

/// Whether a host has this adapter, and can give it away.
fn check_adapter(host: &Host, network: &NetworkSpec, name: &str) -> Result<(), Refusal> {
    let adapters = &host.facts.hardware.adapters;
    let Some(adapter) = adapters.iter().find(|adapter| adapter.name == name) else {
        let known: Vec<&str> = adapters.iter().map(|adapter| adapter.name.as_str()).collect();
        let refusal = Refusal::invalid("adapter", format!("{} has no adapter {name}", host.label()));
        return Err(match known.is_empty() {
            true => refusal,
            false => refusal.remedy(format!("It has: {}", known.join(", "))),
        });
    };
    if adapter.kind == AdapterKind::Bridge && network.vlan.is_some() {
        let cause =
            format!("adapter {name} of {} is a bridge already, and has no VLAN of its own", host.label());
        return Err(Refusal::new(Code::NetworkVlanNotPossible, network.label(), cause)
            .remedy("Name the adapter below the bridge, or make the bridge on a VLAN by hand"));
    }
    // A VLAN of it can have a bridge of its own.
    if network.vlan.is_none() && !adapter.part_of.is_empty() {
        let cause = format!("adapter {name} of {} is a part of {}", host.label(), adapter.part_of);
        return Err(Refusal::new(Code::ObjectInUse, network.label(), cause)
            .remedy(format!("Name {} as the adapter: its network is used as it is then", adapter.part_of)));
    }
    Ok(())
}

/// Holds a network's name on a host, and the adapter that it takes.
fn lock_on(p: &mut Planner<'_>, host: HostId, what: &str, name: &str) {
    // No name of a host holds a "/".
    let skeleton = format!("{host}/{what}/{name}");
    p.lock(Lock { on: LockOn::Name { kind: Kind::Host, skeleton }, shared: false });
}

pub(super) fn create(network: &NetworkSpec, hosts: &[HostId], p: &mut Planner<'_>) -> Planned {
    let network: NetworkSpec = p.choose("network", |_, _| network.clone().checked())?;
    let ids: Vec<Uuid> = p.choose("ids", |_, ids| Ok(hosts.iter().map(|_| ids.draw()).collect()))?;
    for host in hosts {
        p.about(Key::Host(*host), &*network.name);
        p.share_host(*host);
        lock_on(p, *host, "network", &network.name);
        if let Some(adapter) = &network.adapter {
            lock_on(p, *host, "adapter", adapter);
        }
    }
    for (at, (host, id)) in hosts.iter().zip(&ids).enumerate() {
        let (agent, name): (AgentId, _) = ((*host).into(), network.name.clone());
        let make = Command::MakeNetwork { id: *id, network: Box::new(network.clone()) };
        let remove = Command::RemoveNetwork { id: *id, name: name.clone() };
        let key = format!("make-{at}");
        if network.kind == NetworkKind::External {
            // One host after the other: each is confirmed within its time, however slow another is.
            p.step(key, agent, make).undo(remove);
            p.step(format!("confirm-{at}"), agent, Command::ConfirmNetwork { id: *id, name });
        } else {
            p.nth_together(at, key, agent, make).undo(remove);
        }
    }
    Ok(())
}

pub(super) fn admit_remove(view: View<'_>, name: &str, hosts: &[HostId]) -> Result<(), Refusal> {
    check_hosts(view, hosts)?;
    ids_of(view, name, hosts).map(drop)
}

/// libvirt's id of the network on each host, where nobody is connected to it.
fn ids_of(view: View<'_>, name: &str, hosts: &[HostId]) -> Result<Vec<Uuid>, Refusal> {
    let mut ids = Vec::new();
    let mut connected: Vec<&Name> = Vec::new();
    for id in hosts {
        let host = super::host(view, *id)?;
        let Some(network) = of_host(host, name) else {
            return Err(Refusal::not_found(format!("{} on {}", label(name), host.label())));
        };
        ids.push(network.id);
        let on = view.inv.vms_on(*id);
        let uses = on.filter(|vm| adapters_of(vm).iter().any(|(_, source)| network.is_source(source)));
        connected.extend(uses.map(|vm| &vm.spec.name));
    }
    if connected.is_empty() {
        return Ok(ids);
    }
    connected.sort_by_key(|name| name.as_str());
    let first: Vec<&str> = connected.iter().take(NAMED).map(|name| name.as_str()).collect();
    let more = connected.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let cause = format!("these machines are connected: {}{more}", first.join(", "));
    Err(Refusal::new(Code::ObjectInUse, label(name), cause)
        .remedy("Connect the machines to another network, or delete them"))
}

pub(super) fn remove(name: &str, hosts: &[HostId], p: &mut Planner<'_>) -> Planned {
    let ids: Vec<Uuid> = p.choose("ids", |view, _| ids_of(view, name, hosts))?;
    for host in hosts {
        p.about(Key::Host(*host), name);
        // Whoever is about to connect a machine shares the host.
        p.lock(Lock::exclusive(Key::Host(*host)));
        lock_on(p, *host, "network", name);
    }
    for (at, (host, id)) in hosts.iter().zip(&ids).enumerate() {
        let name = name.to_owned();
        let command = Command::RemoveNetwork { id: *id, name: name.clone() };
        let restore = Command::RestoreNetwork { id: *id, name };
        let (key, agent): (_, AgentId) = (format!("remove-{at}"), (*host).into());
        p.nth_together(at, key, agent, command).undo(restore);
    }
    Ok(())
}
