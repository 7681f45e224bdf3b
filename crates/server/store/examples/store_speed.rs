//! How fast the store is on this machine: `cargo run --release -p hostler-store --example store_speed [FOLDER]`.
//!
//! Commits of 100 changes (jobs and machines, as a busy batch has them), small commits, and the load of 100,000
//! machines. FOLDER should be on the disk that servers use; the default is the present one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::time::Instant;

use hostler_model::access::Actor;
use hostler_model::job::Job;
use hostler_model::vm::Vm;
use hostler_model::{Change, Object, Timestamp};
use hostler_store::{Commit, Counters, SqliteStore, Store};
use serde_json::json;
use uuid::Uuid;

const MACHINES: u128 = 100_000;

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = tempfile::TempDir::new_in(folder).unwrap();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::open(&path).unwrap();

    let begin = Instant::now();
    for first in (0..MACHINES).step_by(1_000) {
        commit(&mut store, (first..first + 1_000).map(|n| put(vm(n, 0))).collect());
    }
    let body = vm(1, 0).body().unwrap().len();
    println!("{MACHINES} machines of {body} bytes written in {:?}", begin.elapsed());

    times("commits of 1 change", 500, |n| commit(&mut store, vec![put(vm(n, 1))]));
    let mut id = 0;
    let elapsed = times("commits of 100 changes (50 jobs, 50 machines)", 300, |n| {
        let changes = (0..50).flat_map(|k| {
            id += 1;
            [put(job(id, (n * 50 + k) % MACHINES)), put(vm((n * 7_919 + k) % MACHINES, n))]
        });
        commit(&mut store, changes.collect());
    });
    let jobs = 300.0 * 50.0 / 3.0 / elapsed;
    println!("    as jobs of 3 commits each: {jobs:.0} jobs/s");
    drop(store);

    let mut store = SqliteStore::open(&path).unwrap();
    let begin = Instant::now();
    let loaded = store.load().unwrap();
    println!("{} objects loaded in {:?}", loaded.objects.len(), begin.elapsed());
}

fn times(what: &str, count: u128, mut act: impl FnMut(u128)) -> f64 {
    let mut each: Vec<_> = (0..count)
        .map(|n| {
            let begin = Instant::now();
            act(n);
            begin.elapsed()
        })
        .collect();
    let all: f64 = each.iter().map(std::time::Duration::as_secs_f64).sum();
    each.sort();
    let (half, most) = (each[each.len() / 2], each[each.len() * 99 / 100]);
    println!("{what}: {:.0}/s, p50 {half:?}, p99 {most:?}", count as f64 / all);
    all
}

fn commit(store: &mut SqliteStore, changes: Vec<Change>) {
    let counters = Counters { next_job: 1 };
    store.commit(&Commit { at: Timestamp(1), changes, counters, settles_restore: false }).unwrap();
}

fn put(object: Object) -> Change {
    Change { key: object.key(), object: Some(object), job: None, actor: Actor::System }
}

fn vm(n: u128, round: u128) -> Object {
    let id = Uuid::from_u128((n << 64) | 7);
    let vm: Vm = serde_json::from_value(json!({
        "id": id,
        "spec": {
            "name": format!("machine-{n}"),
            "notes": "a machine like many others, with a few words of notes ".repeat(20),
            "hardware": {"cpus": 2, "memory_mib": 1_024 + round as u64}
        },
        "domain": id,
        "origin": "created",
        "presence": {"is": "here"},
        "created": Timestamp(1_000),
    }))
    .unwrap();
    Object::from(vm)
}

fn job(id: u64, n: u128) -> Object {
    let vm = Uuid::from_u128((n << 64) | 7);
    let job: Job = serde_json::from_value(json!({
        "id": id,
        "kind": "start-vm",
        "request": {"ask": "start-vm", "vm": vm},
        "actor": Actor::System,
        "key": format!("key-{id}"),
        "epoch": 1,
        "state": "running",
        "phase": "forward",
        "about": [format!("vm/{vm}")],
        "title": format!("machine-{n} {}", "and what a step of it says ".repeat(40)),
        "created": Timestamp(1_000),
    }))
    .unwrap();
    Object::from(job)
}
