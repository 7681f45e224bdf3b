//! Networks of real hosts: what they have, put together by name.

use std::time::Duration;

use hostler_client::{Changed, ClientError, How};
use hostler_model::job::JobState;
use hostler_model::network::{MismatchKind, NetworkDetail, NetworkKind};
use hostler_model::new_network::NewNetwork;
use hostler_model::request::VmSource;
use hostler_model::{Code, TemplateId};
use hostler_testbed::{Host, Site, create, taken};

use crate::world::{BOOTS, guest_runs, library, read_token, with_seed};

/// A change is seen within seconds; a busy computer takes longer.
const SEEN: Duration = Duration::from_secs(60);

/// Waits until a network is shown like that.
fn shown(site: &Site, name: &str, what: &str, is: impl Fn(&NetworkDetail) -> bool) -> NetworkDetail {
    let looked = site.until(&format!("network {name}: {what}"), SEEN, async |client| {
        let known = client.networks().await?.items.iter().any(|network| network.name == name);
        match known {
            true => Ok(Some(client.network(name).await?).filter(|detail| is(detail))),
            false => Ok(None),
        }
    });
    looked.unwrap()
}

/// Makes a network with virsh, and starts it.
fn made_by_hand(host: &Host, name: &str, inside: &str) {
    let xml = format!("<network><name>{name}</name>{inside}</network>");
    host.shell(&format!(
        "echo \"{xml}\" > /run/{name}.xml && virsh -q net-define /run/{name}.xml && virsh -q net-start {name}"
    ))
    .unwrap();
}

#[test]
#[ignore = "needs root and libvirt"]
fn networks_of_one_name_are_one_and_where_hosts_differ_is_named() {
    let site = Site::with_hosts(2).unwrap();
    let (a, b) = (&site.hosts[0], &site.hosts[1]);
    let lab = "<bridge name='virbr70'/><ip address='10.70.0.1' prefix='24'/>";
    made_by_hand(a, "lab", lab);
    made_by_hand(b, "lab", "<bridge name='virbr70'/>");
    let view = shown(&site, "lab", "on both", |view| view.network.hosts.len() == 2).network;
    let kinds: Vec<_> = view.hosts.iter().map(|on| (on.host_name.as_str(), on.network.kind)).collect();
    assert_eq!(kinds, [("a", NetworkKind::Internal), ("b", NetworkKind::Private)]);
    assert_eq!(view.hosts[0].network.addresses, ["10.70.0.1/24"]);
    let words: Vec<&str> = view.mismatches.iter().map(|one| one.words.as_str()).collect();
    assert_eq!(words, ["on host b it is private, elsewhere internal"]);

    // The same on both now, and then stopped on one: libvirt's own tool is enough for that to be known.
    b.shell("virsh -q net-destroy lab && virsh -q net-undefine lab").unwrap();
    made_by_hand(b, "lab", lab);
    shown(&site, "lab", "alike", |view| view.network.hosts.len() == 2 && view.network.mismatches.is_empty());
    b.virsh(&["net-destroy", "lab"]).unwrap();
    let view = shown(&site, "lab", "stopped on b", |view| !view.network.mismatches.is_empty()).network;
    assert_eq!(
        (view.mismatches[0].what, view.mismatches[0].host_name.as_str()),
        (MismatchKind::Inactive, "b")
    );
    b.virsh(&["net-autostart", "lab"]).unwrap();
    shown(&site, "lab", "started with b", |view| view.network.hosts[1].network.autostart);
    b.virsh(&["net-undefine", "lab"]).unwrap();
    shown(&site, "lab", "gone from b", |view| view.network.hosts.len() == 1);
}

fn lab(kind: NetworkKind, hosts: &[&str]) -> NewNetwork {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    NewNetwork { name: "lab".into(), kind, hosts, ..NewNetwork::default() }
}

fn made(site: &Site, network: &NewNetwork) {
    site.change(site.client().create_network(network, &How::default())).unwrap();
}

/// Asks for the removal of a network, from all hosts that have it.
fn removal(site: &Site, name: &str) -> Result<Changed, ClientError> {
    site.run(site.client().remove_network(name, &[], &How::default()))
}

/// A tiny Linux on the first host, connected to the network.
fn guest(site: &Site, template: TemplateId, name: &str) {
    let mut ask = with_seed(create(name, VmSource::Template { template }).unwrap());
    ask.network = Some("lab".into());
    ask.start = true;
    site.change(site.client().create_vm(&ask, &How::default())).unwrap();
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_network_with_nat_gives_a_guest_an_address_and_stays_while_the_guest_is_connected() {
    let mut site = Site::with_hosts(2).unwrap();
    let template = library(&mut site);
    let address = Some("10.77.7.1/24".into());
    made(&site, &NewNetwork { address, ..lab(NetworkKind::Nat, &["a", "b"]) });
    let view = shown(&site, "lab", "on both", |view| view.network.hosts.len() == 2).network;
    assert!(view.mismatches.is_empty(), "{view:?}");
    assert!(view.hosts.iter().all(|on| on.network.active && on.network.autostart), "{view:?}");
    assert_eq!((view.kind, view.hosts[0].network.dhcp[0].last.as_str()), (NetworkKind::Nat, "10.77.7.254"));

    guest(&site, template, "web");
    let lease = site.until("the guest has an address", BOOTS, async |client| {
        Ok(client.network_leases("lab").await?.leases.into_iter().next())
    });
    let lease = lease.unwrap();
    assert_eq!((lease.vm_name.as_deref(), lease.host_name.as_str()), (Some("web"), "a"), "{lease:?}");
    assert!(lease.lease.address.starts_with("10.77.7.") && lease.lease.until.is_some(), "{lease:?}");
    let detail = site.run(site.client().network("lab")).unwrap();
    assert_eq!(detail.connected[0].name, "web");

    let refusal = removal(&site, "lab").unwrap_err();
    assert!(refusal.to_string().contains("web"), "{refusal}");
    site.change(site.client().remove_network("lab", &["b".into()], &How::default())).unwrap();
    let view = shown(&site, "lab", "gone from b", |view| view.network.hosts.len() == 1).network;
    assert_eq!(view.hosts[0].host_name, "a");
    assert!(!site.hosts[1].virsh(&["net-list", "--all", "--name"]).unwrap().contains("lab"));
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn two_guests_reach_each_other_on_a_private_network_and_their_host_does_not() {
    let mut site = Site::with_host().unwrap();
    let template = library(&mut site);
    made(&site, &lab(NetworkKind::Private, &["a"]));
    for (name, last) in [("one", 1), ("two", 2)] {
        guest(&site, template, name);
        read_token(&site, name);
        guest_runs(&site, name, &format!("ip addr add 10.78.0.{last}/24 dev eth0; ip link set eth0 up"));
    }
    guest_runs(&site, "one", "ping -c 3 -w 60 10.78.0.2");
    // The bridge has no address of the host's.
    let bridge = shown(&site, "lab", "there", |_| true).network.hosts[0].network.bridge.clone();
    assert_eq!(site.hosts[0].shell(&format!("ip -4 -o addr show dev {bridge}")).unwrap().trim(), "");
}

fn external() -> NewNetwork {
    NewNetwork { adapter: Some("eth0".into()), ..lab(NetworkKind::External, &["a"]) }
}

/// Where the host has its own address.
fn has_address(site: &Site, on: &str) -> bool {
    let host = &site.hosts[0];
    host.shell(&format!("ip -4 -o addr show dev {on}")).is_ok_and(|said| said.contains(host.address()))
}

#[test]
#[ignore = "needs root and libvirt"]
fn an_external_network_takes_the_adapter_of_the_session_that_asks_and_the_session_stays() {
    let mut site = Site::with_host().unwrap();
    made(&site, &external());
    let on = shown(&site, "lab", "there", |_| true).network.hosts[0].clone();
    assert_eq!((on.network.kind, on.network.adapter.as_str()), (NetworkKind::External, "eth0"));
    assert!(on.answers && has_address(&site, "br-lab") && !has_address(&site, "eth0"));
    // Nobody takes back what was confirmed: neither an agent that starts anew, nor one whose computer forgot the bridge.
    site.host().agent_kill().unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    assert!(has_address(&site, "br-lab"));
    let address = site.hosts[0].address().to_owned();
    site.host().agent_kill().unwrap();
    site.hosts[0].shell(&format!("ip link del br-lab; ip addr add {address}/24 dev eth0")).unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    assert!(has_address(&site, "br-lab") && !has_address(&site, "eth0"));

    let asked = removal(&site, "lab");
    site.done(taken(asked.unwrap()).unwrap().job).unwrap();
    assert!(has_address(&site, "eth0"));
    site.host_answers("a").unwrap();
}

#[test]
#[ignore = "needs root and libvirt"]
fn an_external_network_over_which_the_server_does_not_reach_the_host_is_taken_back_by_the_host_itself() {
    let site = Site::with_host().unwrap();
    // A switch that lets nothing through as soon as a bridge stands there.
    site.hosts[0].shell("iptables -I OUTPUT -o br-lab -j DROP; iptables -I INPUT -i br-lab -j DROP").unwrap();
    let asked = site.run(site.client().create_network(&external(), &How::default())).unwrap();
    let job = taken(asked).unwrap().job;
    // The line is dead for half a minute, and is found again some time after.
    let ended = site.until("the job has ended", 5 * SEEN, async |client| {
        Ok(Some(client.job(job).await?).filter(|view| view.job.ended.is_some()))
    });
    let job = ended.unwrap();
    assert_eq!(job.job.state, JobState::FailedUndone, "{job:?}");
    assert_eq!(job.job.error.unwrap().code, Code::NetworkRolledBack);
    assert!(has_address(&site, "eth0") && !has_address(&site, "br-lab"));
    assert!(!site.hosts[0].virsh(&["net-list", "--all", "--name"]).unwrap().contains("lab"));
}
