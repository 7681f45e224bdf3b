//! What it costs to rate 10,000 hosts: figures, by hand.
//! `cargo run --release -p hostler-placement --example rate_speed`

#![allow(clippy::unwrap_used, missing_docs)]
// The clock is what is measured here; what rates has none.
#![allow(clippy::disallowed_types)]

use std::time::Instant;

use hostler_model::host::{Host, HostFacts, HostSpec};
use hostler_model::host_group::ALL_HOSTS;
use hostler_model::reserve::Reserve;
use hostler_model::{HostId, Name, Timestamp};
use hostler_placement::{Candidate, Need, Usage, Weights, rate};
use uuid::Uuid;

fn main() {
    let host = |n: u128| Host {
        id: HostId(Uuid::from_u128(n)),
        name: Name::new(&format!("host-{n:05}")).unwrap(),
        group: ALL_HOSTS,
        spec: HostSpec::default(),
        facts: HostFacts { cpus: 8, memory_mib: 8192, libvirt_answers: true, ..HostFacts::default() },
        dead_since: None,
        created: Timestamp(0),
    };
    let hosts: Vec<Host> = (0..10_000).map(host).collect();
    let reserve = Reserve::default();
    let answering = |host| Candidate { host, reserve, answers: true, usage: Usage::default(), load: None };
    let need = Need { cpus: 1, memory_mib: 256, ..Need::default() };
    let mut times: Vec<f64> = (0..20)
        .map(|_| {
            let began = Instant::now();
            let ratings = rate(&need, hosts.iter().map(answering), &Weights::default());
            assert_eq!(ratings.len(), 10_000);
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("rating 10,000 hosts: median {:.2} ms, worst {:.2} ms", times[10], times[19]);
}
