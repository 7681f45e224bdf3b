//! How long it takes to sum up a large fleet by its groups, and what it costs a commit that the picture counts machines by
//! status: 10,000 hosts in 111 groups, 250,000 machines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Benches measure with a real clock.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Instant;

use hostler_drive::Drive;
use hostler_model::access::Actor;
use hostler_model::host::{Host, HostFacts, HostSpec};
use hostler_model::host_group::{ALL_HOSTS, HostGroup};
use hostler_model::status::VmStatus;
use hostler_model::vm::Vm;
use hostler_model::{Change, HostGroupId, HostId, InstallationId, Kind, Name, Object, Timestamp, VmId};
use hostler_store::{Commit, Counters, HistoryId, MemoryStore, Store};
use uuid::Uuid;

const HOSTS: u128 = 10_000;
const MACHINES: u128 = 250_000;

fn group(n: u128) -> HostGroupId {
    if n == 0 { ALL_HOSTS } else { HostGroupId(Uuid::from_u128(0xC000_0000 + n)) }
}

fn main() {
    let at = Timestamp(0);
    let name = |text: String| Name::new(&text).unwrap();
    let change =
        |object: Object| Change { key: object.key(), object: Some(object), job: None, actor: Actor::System };
    // Ten sites with ten racks each.
    let mut changes: Vec<Change> = vec![change(Object::from(HostGroup::all_hosts(at)))];
    for n in 1..=110_u128 {
        let parent = Some(if n <= 10 { ALL_HOSTS } else { group((n - 1) / 10) });
        let made =
            HostGroup { id: group(n), parent, name: name(format!("g{n}")), ..HostGroup::all_hosts(at) };
        changes.push(change(Object::from(made)));
    }
    for n in 0..HOSTS {
        changes.push(change(Object::from(Host {
            id: HostId(Uuid::from_u128(n)),
            name: name(format!("host-{n}")),
            group: group(11 + n % 100),
            spec: HostSpec::default(),
            facts: HostFacts { cpus: 32, memory_mib: 262_144, libvirt_answers: true, ..HostFacts::default() },
            dead_since: None,
            created: at,
        })));
    }
    let text = r#"{"id":"00000000-0000-0000-0000-000000000000","domain":"00000000-0000-0000-0000-000000000000",
        "origin":"created","presence":{"is":"here"},"spec":{"name":"x","hardware":{"cpus":1,"memory_mib":512}},"created":"2026-11-01T00:00:00Z"}"#;
    let vm: Vm = serde_json::from_str(text).unwrap();
    let machine = |n: u128| {
        let mut it = vm.clone();
        it.id = VmId(Uuid::from_u128(n));
        it.spec.name = name(format!("vm-{n}"));
        it.host = Some(HostId(Uuid::from_u128(n % HOSTS)));
        change(Object::from(it))
    };
    changes.extend((0..MACHINES).map(machine));
    let mut store = MemoryStore::new(InstallationId(Uuid::nil()), HistoryId(1));
    let commit = Commit { at, changes, counters: Counters { next_job: 1 }, settles_restore: false };
    store.commit(&commit).unwrap();
    let began = Instant::now();
    let picture = Drive::start(store, at).unwrap().picture().load_full();
    println!("{HOSTS} hosts and {MACHINES} machines loaded: {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    let mut times: Vec<f64> = (0..20)
        .map(|_| {
            let began = Instant::now();
            let mut sums: BTreeMap<HostGroupId, BTreeMap<VmStatus, u64>> = BTreeMap::new();
            for stored in picture.of_kind(Kind::Host) {
                let Object::Host(host) = &stored.object else { continue };
                assert!(picture.in_force(host).reserve.memory_mib > 0);
                for (status, count) in picture.machines_by_status(host) {
                    *sums.entry(host.group).or_default().entry(status).or_default() += u64::from(count);
                }
            }
            let all: u64 = sums.values().flat_map(|by_status| by_status.values()).sum();
            assert_eq!(u128::from(all), MACHINES);
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("summed up: median {:.2} ms, worst {:.2} ms", times[10], times[19]);
}
