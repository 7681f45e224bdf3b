//! Networks of real hosts: what they have, put together by name.

use std::time::Duration;

use hostler_client::{Changed, ClientError, How};
use hostler_model::hardware::Mac;
use hostler_model::job::JobState;
use hostler_model::network::{MismatchKind, NetworkDetail, NetworkKind};
use hostler_model::new_network::NewNetwork;
use hostler_model::request::{CreateVm, VmSource};
use hostler_model::status::VmStatus;
use hostler_model::{Code, JobId, TemplateId};
use hostler_testbed::{Host, Site, create, empty, taken};

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
    // Virsh defines a network first and starts it then; in between it is not active, and said to be so.
    let active = |view: &NetworkDetail| view.network.hosts.iter().filter(|on| on.network.active).count();
    let view = shown(&site, "lab", "active on both", |view| active(view) == 2).network;
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
    guest_that(site, template, name, None);
}

/// The same, of which it is said whether it may send under other addresses than its own.
fn guest_that(site: &Site, template: TemplateId, name: &str, spoofing: Option<bool>) {
    let mut ask = with_seed(create(name, VmSource::Template { template }).unwrap());
    ask.allow_mac_spoofing = spoofing;
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
    assert!(hears(&site, "one", "10.78.0.2"));
    // The bridge has no address of the host's.
    let bridge = shown(&site, "lab", "there", |_| true).network.hosts[0].network.bridge.clone();
    assert_eq!(site.hosts[0].shell(&format!("ip -4 -o addr show dev {bridge}")).unwrap().trim(), "");
}

fn mac(last: u8) -> Mac {
    Mac([0x00, 0x15, 0x5d, 0x00, 0x61, last])
}

/// Asks for machines on the network, all at once.
fn asked_at_once(site: &Site, machines: Vec<CreateVm>) -> Vec<JobId> {
    let jobs: Vec<_> = machines
        .into_iter()
        .map(|ask| {
            let client = site.client().clone();
            site.spawn(async move { client.create_vm(&ask, &How::default()).await })
        })
        .collect();
    jobs.into_iter().map(|asked| taken(site.run(asked).unwrap().unwrap()).unwrap().job).collect()
}

#[test]
#[ignore = "needs root and libvirt"]
fn machines_made_at_once_have_an_address_each_and_two_that_come_to_share_one_are_named() {
    let site = Site::with_hosts(2).unwrap();
    made(&site, &lab(NetworkKind::Private, &["a", "b"]));
    shown(&site, "lab", "on both", |view| view.network.hosts.len() == 2);
    let range = serde_json::json!({ "mac_pool_first": mac(1), "mac_pool_last": mac(3) });
    site.change(site.client().set_settings(&range, &How::default())).unwrap();
    let on = |name: &str, host: usize| {
        let id = site.run(site.client().host(["a", "b"][host])).unwrap().host.id;
        CreateVm { network: Some("lab".into()), host: Some(id), ..empty(name).unwrap() }
    };
    let all = (0..3).map(|n| on(&format!("web-{n}"), n % 2)).collect();
    for job in asked_at_once(&site, all) {
        site.done(job).unwrap();
    }
    // As libvirt has them, whatever the record says.
    let defined = |host: &Host| {
        let all = host.virsh(&["list", "--all", "--name"]).unwrap();
        let xml = all.split_whitespace().map(|name| host.virsh(&["dumpxml", name]).unwrap());
        xml.collect::<String>()
    };
    let xml = site.hosts.iter().map(defined).collect::<String>();
    for last in 1..=3 {
        assert_eq!(xml.matches(&mac(last).to_string()).count(), 1, "{xml}");
    }
    let refusal =
        |ask: &CreateVm| site.run(site.client().create_vm(ask, &How::default())).unwrap_err().to_string();
    assert!(refusal(&on("web-3", 0)).contains("each of its 3 addresses is used"));
    let first =
        site.vms().unwrap().into_iter().find(|vm| vm.vm.spec.hardware.adapters[0].mac == mac(1)).unwrap();
    let said = refusal(&CreateVm { mac: Some(mac(1)), ..on("web-3", 0) });
    assert!(said.contains(&format!("vm {} has it", first.vm.spec.name)), "{said}");
    site.change(site.client().create_vm(&CreateVm { mac: Some(mac(9)), ..on("web-3", 1) }, &How::default()))
        .unwrap();

    // Behind Hostler's back: another machine with the address of the first.
    let domain = "<domain type='qemu'><name>copied</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>\
                  <interface type='network'><mac address='00:15:5d:00:61:01'/><source network='lab'/></interface>\
                  </devices></domain>";
    site.hosts[0]
        .shell(&format!("echo \"{domain}\" > /run/copied.xml && virsh -q define /run/copied.xml"))
        .unwrap();
    let pool = site.until("the conflict is shown", SEEN, async |client| {
        Ok(Some(client.mac_pool().await?).filter(|pool| pool.conflicting > 0))
    });
    let pool = pool.unwrap();
    let names: Vec<&str> = pool.conflicts[0].machines.iter().map(|user| user.name.as_str()).collect();
    assert_eq!((pool.conflicts[0].mac, names), (mac(1), vec!["copied", first.vm.spec.name.as_str()]));
    assert_eq!((pool.size, pool.used, pool.free, pool.low), (3, 3, 0, true));
    let said = site.command_line(&["network", "mac-pool"], "").unwrap();
    assert!(
        said.contains("00:15:5d:00:61:01") && said.contains("copied") && said.contains("Needs attention"),
        "{said}"
    );
    // Who is missing may come back, and counts for as long as the record has it.
    site.hosts[0].virsh(&["undefine", "copied"]).unwrap();
    site.becomes("copied", VmStatus::Missing).unwrap();
    site.change(site.client().delete_vm("copied", false, &How::default())).unwrap();
    let gone = site.until("the conflict is gone", SEEN, async |client| {
        Ok(Some(client.mac_pool().await?).filter(|pool| pool.conflicting == 0))
    });
    gone.unwrap();

    // libvirt of these hosts puts no adapter into a VLAN, and that is said before anything is made.
    let said = refusal(&CreateVm { vlan: Some(7), mac: Some(mac(10)), ..on("web-4", 0) });
    assert!(said.contains("VLAN 7") && said.contains("only 11.0 and newer can"), "{said}");
}

/// Whether a guest is answered by another one, of which the address is said. What a guest remembers of another's MAC
/// address holds for a minute, so who has changed its own asks: its link went down, and it remembers nothing.
fn hears(site: &Site, guest: &str, other: &str) -> bool {
    let script = format!(
        "for n in $(seq 6); do ping -c 1 -W 1 {other} > /dev/null && {{ echo heard; exit; }}; done; echo silent"
    );
    match guest_runs(site, guest, &script).as_str() {
        "heard" => true,
        "silent" => false,
        said => panic!("{guest} says neither: {said}"),
    }
}

/// Has a guest send under an address that its adapter does not have, or under its own again.
fn sends_under(site: &Site, guest: &str, address: &str, last: u8) {
    let script = format!(
        "ip link set eth0 down; ip link set eth0 address {address}; ip link set eth0 up; \
         ip addr add 10.78.0.{last}/24 dev eth0 2> /dev/null; cat /sys/class/net/eth0/address"
    );
    assert_eq!(guest_runs(site, guest, &script), address);
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_guest_that_sends_under_another_address_is_not_heard_unless_it_may() {
    let mut site = Site::with_host().unwrap();
    let template = library(&mut site);
    made(&site, &lab(NetworkKind::Private, &["a"]));
    for (name, last, allowed) in [("held", 1, None), ("free", 2, Some(true))] {
        guest_that(&site, template, name, allowed);
        read_token(&site, name);
        guest_runs(&site, name, &format!("ip addr add 10.78.0.{last}/24 dev eth0; ip link set eth0 up"));
    }
    let own = site.vm("held").unwrap().vm.spec.hardware.adapters[0].mac.to_string();
    assert!(hears(&site, "free", "10.78.0.1"), "under its own address it is heard");
    sends_under(&site, "held", "02:00:00:00:00:01", 1);
    assert!(!hears(&site, "held", "10.78.0.2"), "under another one it is not");
    sends_under(&site, "held", &own, 1);
    assert!(hears(&site, "held", "10.78.0.2"), "nothing of it stays");
    sends_under(&site, "free", "02:00:00:00:00:02", 2);
    assert!(hears(&site, "free", "10.78.0.1"), "one that may is heard under any address");

    let host = &site.hosts[0];
    let xml = |name: &str| host.virsh(&["dumpxml", &site.vm(name).unwrap().vm.domain.to_string()]).unwrap();
    assert!(xml("held").contains("<filterref filter='hostler-no-mac-spoofing'/>"));
    assert!(!xml("free").contains("filterref"));
    // What ARP says inside of a frame is looked at, too.
    let rules = host.shell("ebtables -t nat -L").unwrap();
    assert!(rules.contains("--arp-mac-src"), "{rules}");
    let said = site.command_line(&["vm", "show", "held"], "").unwrap();
    assert!(said.contains("no MAC spoofing"), "{said}");
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
