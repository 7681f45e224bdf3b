//! Networks: made on several hosts by one job, tried one after the other where they take an adapter, removed only where
//! nobody is connected.

use hostler_model::command::{Command, Outcome};
use hostler_model::hardware::Mac;
use hostler_model::host::HostFacts;
use hostler_model::host_hardware::{AdapterKind, HostAdapter, HostHardware};
use hostler_model::job::JobState;
use hostler_model::network::{AddressRange, HostNetwork, NetworkKind};
use hostler_model::new_network::NetworkSpec;
use hostler_model::request::Request;
use hostler_model::seen::{Power, SeenAdapter};
use hostler_model::{Code, HostId, Refusal};
use uuid::Uuid;

use crate::world::{World, agent, facts, ours, vm_id};

fn hosts(of: &[u128]) -> Vec<HostId> {
    of.iter().map(|n| agent(*n).into()).collect()
}

fn spec(kind: NetworkKind) -> NetworkSpec {
    NetworkSpec { name: "lab".into(), kind, ..NetworkSpec::default() }
}

fn nat() -> NetworkSpec {
    NetworkSpec { address: Some("10.20.0.1/24".into()), ..spec(NetworkKind::Nat) }
}

fn external() -> NetworkSpec {
    NetworkSpec { adapter: Some("eno1".into()), ..spec(NetworkKind::External) }
}

/// A computer with an adapter, and with this network.
fn with(n: u128, network: Option<&str>) -> HostFacts {
    let adapter = |name: &str, kind, part_of: &str| HostAdapter {
        name: name.into(),
        kind,
        part_of: part_of.into(),
        ..HostAdapter::default()
    };
    let adapters = vec![
        adapter("br0", AdapterKind::Bridge, ""),
        adapter("eno1", AdapterKind::Physical, ""),
        adapter("eno2", AdapterKind::Physical, "br0"),
    ];
    let one = |name: &str| HostNetwork {
        name: name.into(),
        id: Uuid::from_u128(0x2E7 + n),
        bridge: "virbr7".into(),
        active: true,
        ..HostNetwork::default()
    };
    HostFacts {
        hardware: HostHardware { adapters, ..HostHardware::default() },
        host_networks: network.map(one).into_iter().collect(),
        ..facts(n)
    }
}

fn world(networks: &[Option<&str>]) -> World {
    let mut world = World::with_vms(networks.len() as u128, &[Power::Off]);
    for (n, network) in networks.iter().enumerate() {
        world.computer(n as u128, with(n as u128, *network));
    }
    world.sent();
    world
}

fn create(network: NetworkSpec, on: &[u128]) -> Request {
    Request::CreateNetwork { network, hosts: hosts(on) }
}

fn remove(from: &[u128]) -> Request {
    Request::RemoveNetwork { name: "lab".into(), hosts: hosts(from) }
}

#[test]
fn a_network_is_made_on_all_hosts_at_once_and_taken_back_from_all_where_one_fails() {
    let mut world = world(&[None, None]);
    let job = world.ask(create(nat(), &[0, 1])).unwrap();
    assert_eq!(world.sent(), ["make network", "make network"]);
    let step = world.jobs[&job].step("make-1").unwrap().clone();
    let hostler_model::job::Act::Agent { command, .. } = &step.act else { panic!("{step:?}") };
    let Command::MakeNetwork { id, network } = &**command else { panic!("{command:?}") };
    // What went without saying is said to the host.
    let range = AddressRange { first: "10.20.0.2".into(), last: "10.20.0.254".into() };
    assert_eq!(network.dhcp, Some(range));
    assert_eq!(world.undo_of(job, "make-1"), Some(Command::RemoveNetwork { id: *id, name: "lab".into() }));
    world.done(job, "make-0");
    let refusal = Refusal::new(Code::NetworkFailed, "network lab", "it broke");
    world.answer(job, "make-1", Outcome::Failed { refusal });
    assert_eq!(world.sent(), ["undo remove network", "undo remove network"]);
    world.done(job, "make-0");
    world.done(job, "make-1");
    assert_eq!(world.state(job), JobState::FailedUndone);
}

#[test]
fn of_what_an_agent_does_not_know_nothing_is_left_and_the_others_are_taken_back() {
    let mut world = world(&[None, None]);
    let job = world.ask(create(nat(), &[0, 1])).unwrap();
    world.sent();
    world.done(job, "make-0");
    let refusal = Refusal::new(Code::AgentUnsupported, "command", "this agent does not know the command");
    world.answer(job, "make-1", Outcome::Refused { refusal });
    assert_eq!(world.sent(), ["undo remove network"], "on the other host alone");
    world.done(job, "make-0");
    assert_eq!(world.state(job), JobState::FailedUndone);
}

#[test]
fn hosts_whose_adapter_is_taken_are_tried_and_confirmed_one_after_the_other() {
    let mut world = world(&[None, None]);
    let job = world.ask(create(external(), &[0, 1])).unwrap();
    assert_eq!(world.sent(), ["make network"]);
    world.done(job, "make-0");
    assert_eq!(world.sent(), ["confirm network"]);
    world.done(job, "confirm-0");
    assert_eq!(world.sent(), ["make network"]);
    world.done(job, "make-1");
    world.sent();
    let refusal = Refusal::new(Code::NetworkRolledBack, "network lab", "it was taken back");
    world.answer(job, "confirm-1", Outcome::Refused { refusal });
    world.done(job, "make-1");
    world.done(job, "make-0");
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::NetworkRolledBack);
}

#[test]
fn what_a_host_cannot_do_is_refused_before_anything_is_sent() {
    let mut world = world(&[None, Some("lab")]);
    let mut refused = |request: Request| world.ask(request).unwrap_err();
    let taken = refused(create(nat(), &[0, 1]));
    assert_eq!((taken.code, taken.cause.contains("host-1")), (Code::NameTaken, true));
    let on = |adapter: &str, vlan| NetworkSpec { adapter: Some(adapter.into()), vlan, ..external() };
    let unknown = refused(create(on("eno9", None), &[0]));
    assert!(unknown.cause.contains("no adapter eno9") && unknown.remedy.contains("eno1"), "{unknown:?}");
    let part = refused(create(on("eno2", None), &[0]));
    assert_eq!((part.code, part.remedy.contains("br0")), (Code::ObjectInUse, true));
    assert_eq!(refused(create(on("br0", Some(7)), &[0])).code, Code::NetworkVlanNotPossible);
    let tagged = NetworkSpec { vlan: Some(7), ..spec(NetworkKind::Private) };
    assert_eq!(refused(create(tagged, &[0])).object, "vlan");
    assert_eq!(refused(create(nat(), &[])).object, "hosts");
    assert_eq!(refused(create(nat(), &[0, 0])).object, "hosts");
    assert_eq!(refused(remove(&[0])).code, Code::ObjectNotFound);
    world.lose(0);
    assert_eq!(world.ask(create(nat(), &[0])).unwrap_err().code, Code::HostNotResponding);
    assert!(world.sent().is_empty());
}

#[test]
fn a_network_to_which_a_machine_is_connected_stays_and_the_machine_is_named() {
    for source in ["lab", "virbr7"] {
        let mut world = world(&[Some("lab")]);
        let adapter = SeenAdapter {
            mac: Mac([0x52, 0x54, 0, 0, 0, 1]),
            network: source.into(),
            vlan: None,
            spoofing_filter: false,
        };
        let mut seen = ours(vm_id(1), Power::Off);
        seen.adapters = vec![adapter];
        world.shows(0, seen);
        let refusal = world.ask(remove(&[0])).unwrap_err();
        assert_eq!((refusal.code, refusal.cause.contains("vm-1")), (Code::ObjectInUse, true), "{refusal:?}");
    }
}

#[test]
fn a_network_that_one_host_keeps_is_made_again_on_the_others() {
    let mut world = world(&[Some("lab"), Some("lab")]);
    let job = world.ask(remove(&[0, 1])).unwrap();
    assert_eq!(world.sent(), ["remove network", "remove network"]);
    world.done(job, "remove-0");
    let refusal = Refusal::new(Code::ObjectInUse, "network lab", "a machine of somebody else is connected");
    world.answer(job, "remove-1", Outcome::Refused { refusal });
    assert!(world.sent().contains(&"undo restore network".to_owned()));
    world.done(job, "remove-0");
    if world.jobs[&job].is_open() {
        world.done(job, "remove-1");
    }
    assert_eq!(world.state(job), JobState::FailedUndone);
}
