//! MAC addresses: given from the pool, never twice; those that people say, checked; given back with their machines; and
//! what is told when few are left or two machines have one.

use std::collections::BTreeSet;

use hostler_model::command::{Command, Outcome};
use hostler_model::hardware::Mac;
use hostler_model::host::{Ability, HostFacts};
use hostler_model::host_hardware::{HostAdapter, HostHardware};
use hostler_model::job::{JobState, StepIs};
use hostler_model::network::{HostNetwork, NetworkKind};
use hostler_model::request::Request;
use hostler_model::seen::{Power, Seen, SeenAdapter};
use hostler_model::setting::Settings;
use hostler_model::{Code, JobId};
use proptest::prelude::*;

use crate::world::{World, agent, create, facts, ours, trouble, vm_id};

fn mac(last: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, last])
}

/// A computer with a network for adapters, and an adapter of its own.
fn computer(n: u128) -> HostFacts {
    let own = HostAdapter { name: "br0".into(), mac: mac(0xb0).to_string(), ..HostAdapter::default() };
    let lan = HostNetwork {
        name: "lan".into(),
        kind: NetworkKind::External,
        bridge: "br0".into(),
        active: true,
        vlan_filtering: Some(true),
        ..HostNetwork::default()
    };
    HostFacts {
        networks: vec!["default".into(), "lan".into()],
        host_networks: vec![lan],
        hardware: HostHardware { adapters: vec![own], ..HostHardware::default() },
        ..facts(n)
    }
}

/// Hosts with networks, machines that are off, and a pool of addresses up to this last byte.
fn world(hosts: u128, vms: usize, first: u8, last: u8) -> World {
    let mut world = World::with_vms(hosts, &vec![Power::Off; vms]);
    for n in 0..hosts {
        world.computer(n, computer(n));
    }
    set_pool(&mut world, first, last);
    world
}

fn set_pool(world: &mut World, first: u8, last: u8) {
    let settings = Settings { mac_pool_first: mac(first), mac_pool_last: mac(last), ..Settings::default() };
    world.ask(Request::SetSettings { settings }).unwrap();
    world.sent();
}

fn asking(name: &str, change: impl FnOnce(&mut hostler_model::request::CreateVm)) -> Request {
    let Request::CreateVm(mut ask) = create(name) else { unreachable!() };
    change(&mut ask);
    Request::CreateVm(ask)
}

fn with_mac(name: &str, mac: Mac) -> Request {
    asking(name, |ask| ask.mac = Some(mac))
}

fn mac_of(world: &World, job: JobId) -> Mac {
    world.vm(world.vm_of(job)).spec.hardware.adapters[0].mac
}

/// A machine of ours as its host shows it, with adapters of these addresses.
fn showing(n: u128, macs: &[Mac]) -> Seen {
    let adapter =
        |mac: &Mac| SeenAdapter { mac: *mac, network: "default".into(), vlan: None, spoofing_filter: false };
    Seen { adapters: macs.iter().map(adapter).collect(), ..ours(vm_id(n), Power::Off) }
}

fn conflicts(world: &World) -> Vec<Mac> {
    world.engine.inventory().macs().conflicts().keys().copied().collect()
}

#[test]
fn machines_made_at_once_get_an_address_each_until_none_is_left_and_that_says_what_helps() {
    let mut world = world(2, 0, 1, 4);
    let jobs: Vec<JobId> = (0..4).map(|n| world.ask(create(&format!("web-{n}"))).unwrap()).collect();
    let given: BTreeSet<Mac> = jobs.iter().map(|job| mac_of(&world, *job)).collect();
    assert_eq!(given, (1..=4).map(mac).collect());
    let refusal = world.ask(create("web-4")).unwrap_err();
    assert_eq!(refusal.code, Code::MacPoolExhausted);
    assert!(refusal.cause.contains("52:54:00:00:00:01 to 52:54:00:00:00:04"), "{refusal:?}");
    assert!(refusal.remedy.contains("mac_pool_last="), "{refusal:?}");
    set_pool(&mut world, 1, 5);
    let job = world.ask(create("web-4")).unwrap();
    assert_eq!(mac_of(&world, job), mac(5), "who has an address keeps it");
}

#[test]
fn an_address_is_given_back_when_its_machine_is_not_made_after_all_and_when_it_is_deleted() {
    let mut world = world(1, 1, 1, 1);
    let job = world.ask(create("web")).unwrap();
    assert_eq!(world.ask(create("other")).unwrap_err().code, Code::MacPoolExhausted);
    world.answer(job, "make-disk", Outcome::Failed { refusal: trouble() });
    assert_eq!(world.ask(create("other")).unwrap_err().code, Code::MacPoolExhausted, "not yet");
    world.done(job, "make-disk");
    assert_eq!(world.state(job), JobState::FailedUndone);
    let job = world.ask(create("other")).unwrap();
    assert_eq!(mac_of(&world, job), mac(1));
    world.answer(job, "make-disk", Outcome::Failed { refusal: trouble() });
    world.done(job, "make-disk");
    // One that its host shows has its address for as long as the record has the machine.
    world.shows(0, showing(1, &[mac(1)]));
    assert_eq!(world.ask(create("third")).unwrap_err().code, Code::MacPoolExhausted);
    let job = world.ask(Request::DeleteVm { vm: vm_id(1), disks: false }).unwrap();
    let open: Vec<String> =
        world.keys(job).iter().filter(|key| **key != "record").map(ToString::to_string).collect();
    for key in open {
        if world.jobs[&job].step(&key).is_some_and(|step| step.owed_by().is_some()) {
            world.done(job, &key);
        }
    }
    assert_eq!(world.state(job), JobState::Completed, "{:?}", world.keys(job));
    assert!(world.ask(create("third")).is_ok());
}

#[test]
fn what_a_host_shows_and_what_its_own_adapters_have_is_given_to_nobody() {
    let mut world = world(1, 1, 0xae, 0xb1);
    world.shows(0, showing(1, &[mac(0xae)]));
    let given: BTreeSet<Mac> = (0..2)
        .map(|n| {
            let job = world.ask(create(&format!("web-{n}"))).unwrap();
            mac_of(&world, job)
        })
        .collect();
    assert_eq!(given, BTreeSet::from([mac(0xaf), mac(0xb1)]));
    assert_eq!(world.ask(create("web-2")).unwrap_err().code, Code::MacPoolExhausted);
}

#[test]
fn an_address_that_somebody_says_is_checked_and_who_has_it_is_named() {
    let mut world = world(1, 1, 1, 0xff);
    world.shows(0, showing(1, &[mac(9)]));
    let refused = |world: &mut World, mac| world.ask(with_mac("web", mac)).unwrap_err();
    let taken = refused(&mut world, mac(9));
    assert_eq!((taken.code, taken.cause.as_str()), (Code::MacTaken, "vm vm-1 has it"));
    let of_host = refused(&mut world, mac(0xb0));
    assert_eq!((of_host.code, of_host.cause.as_str()), (Code::MacTaken, "an adapter of host host-0 has it"));
    assert_eq!(refused(&mut world, Mac([1, 0, 0x5e, 0, 0, 1])).code, Code::ValueInvalid);
    let job = world.ask(with_mac("web", mac(10))).unwrap();
    assert_eq!(mac_of(&world, job), mac(10));
    assert_eq!(world.ask(with_mac("web-2", mac(10))).unwrap_err().cause, "vm web has it");
    let nowhere = asking("web-3", |ask| (ask.mac, ask.network) = (Some(mac(11)), None));
    world.computer(0, HostFacts { networks: Vec::new(), ..computer(0) });
    let refusal = world.ask(nowhere).unwrap_err();
    assert_eq!((refusal.code, refusal.object.as_str()), (Code::ValueInvalid, "network"));
}

#[test]
fn who_takes_one_of_the_last_addresses_is_warned_and_the_machine_is_made() {
    let mut world = world(1, 0, 1, 9);
    let job = world.ask(create("one")).unwrap();
    assert_eq!(world.jobs[&job].warnings, []);
    let job = world.ask(create("two")).unwrap();
    let [warning] = &world.jobs[&job].warnings[..] else { panic!("{:?}", world.jobs[&job].warnings) };
    assert_eq!((warning.code, warning.cause.as_str()), (Code::MacPoolLow, "7 of its 9 addresses are free"));
    world.done(job, "make-disk");
    world.done(job, "define");
    assert_eq!(world.state(job), JobState::CompletedWithWarnings);
    assert_eq!(world.jobs[&job].warnings.len(), 1, "it is told once");
}

#[test]
fn two_machines_that_come_to_have_one_address_are_found_and_forgotten_when_they_differ_again() {
    let mut world = world(2, 2, 1, 0xff);
    world.shows(0, showing(1, &[mac(7), mac(8)]));
    assert!(conflicts(&world).is_empty());
    world.shows(0, showing(2, &[mac(8)]));
    assert_eq!(conflicts(&world), [mac(8)]);
    let who: Vec<_> = world.engine.inventory().macs().conflicts()[&mac(8)].iter().copied().collect();
    assert_eq!(who, [vm_id(1), vm_id(2)]);
    world.shows(0, showing(1, &[mac(7)]));
    assert!(conflicts(&world).is_empty());
}

#[test]
fn a_machine_without_an_adapter_takes_no_address() {
    let mut world = world(1, 0, 1, 1);
    world.computer(0, facts(0));
    for name in ["one", "two"] {
        world.ask(create(name)).unwrap();
    }
    assert_eq!(world.engine.inventory().macs().used(), 0);
}

#[test]
fn a_dry_run_of_a_creation_takes_no_address() {
    let world = world(1, 0, 1, 1);
    for _ in 0..2 {
        assert!(world.engine.dry_run(world.now, &create("web")).is_ok());
    }
    assert_eq!(world.engine.inventory().macs().used(), 0);
}

#[test]
fn an_adapter_is_put_into_a_vlan_only_where_its_host_and_its_bridge_can() {
    let mut world = world(1, 0, 1, 0xff);
    let tagged = |name: &str, vlan, network: Option<&str>| {
        asking(name, |ask| {
            (ask.vlan, ask.network, ask.host) =
                (Some(vlan), network.map(str::to_owned), Some(agent(0).into()));
        })
    };
    let why = |world: &mut World, facts: HostFacts| {
        world.computer(0, facts);
        world.ask(tagged("web", 7, Some("lan"))).unwrap_err().cause
    };
    let able = || HostFacts { adapter_vlans: Ability::Has, ..computer(0) };
    let old = Ability::Lacks { why: "its libvirt is 9.0.0, and only 11.0 and newer can".into() };
    let lacks = why(&mut world, HostFacts { adapter_vlans: old, ..computer(0) });
    assert_eq!(
        lacks,
        "no adapter on network \"lan\" can be in VLAN 7: its libvirt is 9.0.0, and only 11.0 and newer can"
    );
    assert!(why(&mut world, computer(0)).contains("does not say"));
    let mut off = able();
    off.host_networks[0].vlan_filtering = Some(false);
    assert!(why(&mut world, off).contains("br0 filters no VLANs"));
    let mut nat = able();
    nat.host_networks[0].kind = NetworkKind::Nat;
    assert!(why(&mut world, nat).contains("never leaves its host"));
    world.computer(0, able());
    assert_eq!(world.ask(tagged("web", 4095, Some("lan"))).unwrap_err().object, "vlan");
    assert_eq!(world.ask(tagged("web", 7, None)).unwrap_err().object, "vlan");
    let job = world.ask(tagged("web", 7, Some("lan"))).unwrap();
    world.done(job, "make-disk");
    let step = world.jobs[&job].step("define").unwrap().clone();
    let hostler_model::job::Act::Agent { command, .. } = &step.act else { panic!("{step:?}") };
    let Command::Define { definition } = &**command else { panic!("{command:?}") };
    assert_eq!(definition.hardware.adapters[0].vlan, Some(7));
    let job = world.ask(tagged("plain", 0, Some("lan"))).unwrap();
    assert_eq!(world.vm(world.vm_of(job)).spec.hardware.adapters[0].vlan, None);
}

#[test]
fn what_an_adapter_sends_under_another_address_is_dropped_where_the_host_can_unless_it_may() {
    let mut world = world(1, 0, 1, 0xff);
    let asked = |name: &str, spoofing| asking(name, |ask| ask.allow_mac_spoofing = spoofing);
    let filtered = |world: &mut World, name: &str, spoofing| {
        let job = world.ask(asked(name, spoofing)).unwrap();
        let warnings: Vec<Code> = world.jobs[&job].warnings.iter().map(|warning| warning.code).collect();
        (world.vm(world.vm_of(job)).spec.hardware.adapters[0].spoofing_filter, warnings)
    };
    assert_eq!(
        filtered(&mut world, "unknown", None),
        (false, vec![]),
        "an agent of before says nothing of it"
    );
    world.computer(0, HostFacts { spoofing_filter: Ability::Has, ..computer(0) });
    assert_eq!(filtered(&mut world, "usual", None), (true, vec![]));
    assert_eq!(filtered(&mut world, "held", Some(false)), (true, vec![]));
    assert_eq!(filtered(&mut world, "router", Some(true)), (false, vec![]));
    let lacks = Ability::Lacks { why: "ebtables does not work".into() };
    world.computer(0, HostFacts { spoofing_filter: lacks, ..computer(0) });
    let warned = vec![Code::NetworkFilterNotPossible];
    assert_eq!(filtered(&mut world, "unheld", None), (false, warned));
    let refusal = world.ask(asked("strict", Some(false))).unwrap_err();
    assert_eq!(refusal.code, Code::PlacementNoHost);
    assert!(refusal.cause.contains("ebtables does not work"), "{refusal:?}");
}

#[derive(Clone, Debug)]
enum Happens {
    Made,
    MadeWith(u8),
    Fails(usize),
    Shown(u128, Vec<u8>),
    Pool(u8, u8),
    Restart,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        5 => Just(Happens::Made),
        2 => (0..24_u8).prop_map(Happens::MadeWith),
        2 => (0..20_usize).prop_map(Happens::Fails),
        2 => (1..4_u128, prop::collection::vec(0..24_u8, 0..3)).prop_map(|(vm, macs)| Happens::Shown(vm, macs)),
        1 => (0..8_u8, 8..24_u8).prop_map(|(first, last)| Happens::Pool(first, last)),
        1 => Just(Happens::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_nobody_is_given_an_address_that_somebody_has(all in prop::collection::vec(happens(), 1..40)) {
        let mut world = world(1, 3, 2, 14);
        let mut jobs: Vec<JobId> = Vec::new();
        for (n, one) in all.into_iter().enumerate() {
            let before: BTreeSet<Mac> = held(&world);
            let asked = match one {
                Happens::Made => Some((None, world.ask(create(&format!("m-{n}"))))),
                Happens::MadeWith(last) => Some((Some(mac(last)), world.ask(with_mac(&format!("m-{n}"), mac(last))))),
                Happens::Fails(at) => {
                    // What is out fails; what is being taken back is gone.
                    let is_out = |job: &JobId| {
                        world.jobs[job].step("make-disk").is_some_and(|step| step.owed_by().is_some())
                    };
                    let open: Vec<JobId> = jobs.iter().copied().filter(is_out).collect();
                    if let Some(job) = open.get(at % open.len().max(1)) {
                        match world.is(*job, "make-disk") {
                            StepIs::Undoing => world.done(*job, "make-disk"),
                            _ => world.answer(*job, "make-disk", Outcome::Failed { refusal: trouble() }),
                        }
                    }
                    None
                }
                Happens::Shown(vm, macs) => {
                    let macs: Vec<Mac> = macs.into_iter().map(mac).collect();
                    world.shows(0, showing(vm, &macs));
                    None
                }
                Happens::Pool(first, last) => {
                    set_pool(&mut world, first, last);
                    None
                }
                Happens::Restart => {
                    world.restart(false);
                    world.connect(0);
                    world.picture(0, world.shown_by(0));
                    world.computer(0, computer(0));
                    None
                }
            };
            let pool = world.engine.inventory().macs().pool();
            match asked {
                Some((said, Ok(job))) => {
                    let given = mac_of(&world, job);
                    prop_assert!(!before.contains(&given), "{given} was had before");
                    prop_assert!(said.map_or(pool.contains(given), |said| said == given));
                    jobs.push(job);
                }
                Some((Some(said), Err(refusal))) => {
                    prop_assert!(before.contains(&said), "{refusal:?}");
                    prop_assert_eq!(refusal.code, Code::MacTaken);
                }
                Some((None, Err(refusal))) => {
                    prop_assert_eq!(refusal.code, Code::MacPoolExhausted);
                    let free = (0..=255).map(mac).filter(|mac| pool.contains(*mac) && !before.contains(mac)).count();
                    prop_assert_eq!(free, 0);
                }
                None => {}
            }
        }
    }
}

/// Every address that the record has, found by going through it.
fn held(world: &World) -> BTreeSet<Mac> {
    let mut all = BTreeSet::from([mac(0xb0)]);
    for vm in world.engine.inventory().vms() {
        all.extend(vm.spec.hardware.adapters.iter().map(|adapter| adapter.mac));
        all.extend(vm.seen().into_iter().flat_map(|seen| seen.adapters.iter().map(|adapter| adapter.mac)));
    }
    all
}
