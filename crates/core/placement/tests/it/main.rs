//! What a rating promises, whatever the host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// Benches measure with a real clock.
#![allow(clippy::disallowed_types)]

use hostler_model::host::{Host, HostFacts, HostSpec, Kvm, Load};
use hostler_model::host_group::ALL_HOSTS;
use hostler_model::machine_folder::{FolderSpace, MachineFolder};
use hostler_model::reserve::OwnReserve;
use hostler_model::{HostId, Name, Timestamp};
use hostler_placement::{Candidate, Need, Usage, Weights, explain, lacks, rate, rate_one};
use proptest::prelude::*;
use uuid::Uuid;

fn host(n: u128) -> Host {
    Host {
        id: HostId(Uuid::from_u128(n)),
        name: Name::new(&format!("host-{n:05}")).unwrap(),
        group: ALL_HOSTS,
        spec: HostSpec::default(),
        facts: HostFacts { cpus: 8, memory_mib: 8192, libvirt_answers: true, ..HostFacts::default() },
        dead_since: None,
        created: Timestamp(0),
    }
}

fn answering(host: &Host) -> Candidate<'_> {
    Candidate {
        host,
        reserve: host.spec.reserve.in_force(),
        answers: true,
        usage: Usage::default(),
        load: None,
    }
}

prop_compose! {
    fn hosts()(
        cpus in 1..64_u32,
        memory_mib in 256..65_536_u64,
        reserve_mib in 0..4_096_u64,
        available in prop::bool::weighted(0.9),
        libvirt_answers in prop::bool::weighted(0.9),
        dead in prop::bool::weighted(0.1),
        networks in prop::sample::subsequence(vec!["default".to_owned(), "lab".to_owned()], 0..=2),
    ) -> Host {
        let mut it = host(1);
        it.facts = HostFacts { cpus, memory_mib, libvirt_answers, networks, ..it.facts };
        it.spec.available = available;
        it.spec.reserve = OwnReserve { memory_mib: Some(reserve_mib), ..OwnReserve::default() };
        it.dead_since = dead.then_some(Timestamp(1));
        it
    }
}

prop_compose! {
    fn needs()(
        cpus in 1..32_u32,
        memory_mib in 64..32_768_u64,
        disk_mib in 0..100_000_u64,
        network in prop::option::of(prop::sample::select(vec!["default".to_owned(), "lab".to_owned()])),
        only in prop::option::weighted(0.2, 1..3_u128),
        source in prop::option::weighted(0.2, 1..3_u128),
    ) -> Need {
        Need {
            cpus,
            memory_mib,
            disk_mib,
            network,
            vlan: None,
            spoofing_filter: false,
            only: only.map(|n| HostId(Uuid::from_u128(n))),
            source: source.map(|n| (HostId(Uuid::from_u128(n)), "library".to_owned())),
            ..Need::default()
        }
    }
}

prop_compose! {
    fn loads()(cpu_percent in 0.0..100.0_f32, disk_free_mib in 0..200_000_u64, more in 0..200_000_u64) -> Load {
        Load { cpu_percent, disk_free_mib, disk_total_mib: disk_free_mib + more, ..Load::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_host_has_no_star_exactly_when_something_lacks(
        host in hosts(), need in needs(), load in prop::option::of(loads()), answers in prop::bool::weighted(0.9),
        memory_mib in 0..16_384_u64,
    ) {
        let usage = Usage { memory_mib, ..Usage::default() };
        let candidate = Candidate { answers, usage, load, ..answering(&host) };
        let rating = rate_one(&need, &candidate, &Weights::default());
        prop_assert_eq!(rating.half_stars == 0, !rating.lacks.is_empty());
        prop_assert!(rating.half_stars <= 10);
        prop_assert_eq!(&rating.lacks, &lacks(&need, &candidate));
        if rating.half_stars > 0 {
            for counter in ["processor", "memory", "disk space", "disk operations", "network"] {
                prop_assert!(rating.reasons.iter().any(|why| why.starts_with(counter)), "{:?}", rating.reasons);
            }
        }
        prop_assert_eq!(&rating, &rate_one(&need, &candidate, &Weights::default()));
    }

    #[test]
    fn more_free_memory_never_rates_lower(
        host in hosts(), need in needs(), load in prop::option::of(loads()),
        memory_mib in 0..16_384_u64, less in 0..16_384_u64,
    ) {
        let given = |memory_mib| {
            let usage = Usage { memory_mib, ..Usage::default() };
            let load = load.clone();
            rate_one(&need, &Candidate { usage, load, ..answering(&host) }, &Weights::default()).half_stars
        };
        prop_assert!(given(memory_mib.saturating_sub(less)) >= given(memory_mib));
    }

    #[test]
    fn a_smaller_need_never_rates_lower(host in hosts(), need in needs(), load in prop::option::of(loads())) {
        let mut smaller = need.clone();
        smaller.cpus = need.cpus.div_ceil(2);
        smaller.memory_mib = need.memory_mib / 2;
        smaller.disk_mib = need.disk_mib / 2;
        let candidate = Candidate { load, ..answering(&host) };
        let stars = |need: &Need| rate_one(need, &candidate, &Weights::default()).half_stars;
        prop_assert!(stars(&smaller) >= stars(&need));
    }

    #[test]
    fn the_order_in_which_hosts_come_does_not_matter_and_ties_go_by_name(seed in 0..1_000_u64) {
        let hosts: Vec<Host> = (0..20).map(|n| {
            let mut it = host(n);
            it.facts.memory_mib = 2048 << (n % 3);
            it
        }).collect();
        let need = Need { cpus: 1, memory_mib: 256, ..Need::default() };
        let mut shuffled: Vec<&Host> = hosts.iter().collect();
        shuffled.rotate_left((seed % 20) as usize);
        let one = rate(&need, hosts.iter().map(answering), &Weights::default());
        let other = rate(&need, shuffled.into_iter().map(answering), &Weights::default());
        prop_assert_eq!(&one, &other);
        for pair in one.windows(2) {
            let order = |r: &hostler_placement::Rating| (std::cmp::Reverse(r.half_stars), r.name.clone());
            prop_assert!(order(&pair[0]) < order(&pair[1]));
        }
    }
}

#[test]
fn an_unknown_counter_counts_as_half_and_says_so() {
    let host = host(1);
    let need = Need { cpus: 1, memory_mib: 256, ..Need::default() };
    let rating = rate_one(&need, &answering(&host), &Weights::default());
    let unknown = rating.reasons.iter().filter(|why| why.contains("not known, counted as half free")).count();
    assert_eq!(unknown, 4, "{:?}", rating.reasons);
    let only_unknown =
        Weights { processor: 0.5, disk_space: 0.5, memory: 0.0, disk_operations: 0.0, network: 0.0 };
    assert_eq!(rate_one(&need, &answering(&host), &only_unknown).half_stars, 5);
}

#[test]
fn slow_emulation_is_a_reason_and_no_lack() {
    let mut host = host(1);
    host.facts.kvm = Kvm::Fails { why: "no processor extension".into() };
    let need = Need { cpus: 1, memory_mib: 256, ..Need::default() };
    let rating = rate_one(&need, &answering(&host), &Weights::default());
    assert!(rating.half_stars > 0);
    assert!(rating.reasons.iter().any(|why| why.contains("slow emulation: no processor extension")));
}

#[test]
fn where_no_host_suits_a_few_are_named_and_the_rest_counted() {
    let hosts: Vec<Host> = (0..8).map(host).collect();
    let need = Need { cpus: 9, memory_mib: 256, ..Need::default() };
    let ratings = rate(&need, hosts.iter().map(answering), &Weights::default());
    let words = explain(&ratings, 3);
    assert!(words.starts_with("host-00000: processors: 9 needed, 8 there"), "{words}");
    assert!(words.ends_with("and 5 more"), "{words}");
    assert_eq!(explain(&[], 3), "there is no host");
}

#[test]
fn space_is_that_of_the_folder_in_which_the_machine_would_be_made() {
    let mut it = host(1);
    it.facts.vm_folder = "/vms".into();
    it.facts.machine_folders =
        ["/vms", "/srv/big"].map(|path| MachineFolder { path: path.into(), id: path.into() }).into();
    let space = |path: &str, free_mib| FolderSpace { path: path.into(), total_mib: 1_000, free_mib };
    let load = Load { folders: vec![space("/vms", 10), space("/srv/big", 900)], ..Load::default() };
    let of = |host: &Host, folder: Option<&str>| {
        let need = Need { disk_mib: 500, is_new: true, folder: folder.map(str::to_owned), ..Need::default() };
        lacks(&need, &Candidate { load: Some(load.clone()), ..answering(host) })
    };
    assert!(of(&it, None)[0].contains("MiB free in /vms"), "{:?}", of(&it, None));
    assert!(of(&it, Some("/srv/big/tier1")).is_empty());
    assert!(of(&it, Some("/srv/other"))[0].contains("/srv/other cannot take it"));
    it.spec.vm_path = Some("/srv/big".into());
    assert!(of(&it, None).is_empty());
}
