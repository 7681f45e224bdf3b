//! How long `hostler vm list` of 1,000 machines takes, whole process, against a server in another process' place: run
//! with `cargo run --release -p hostler --example vm_list_speed`. Prints median and 95th percentile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hostler_model::access::Actor;
use hostler_model::{Change, Object, Timestamp};
use hostler_server::store::{Commit, Counters, SqliteStore, Store};
use hostler_server::{Config, Server};

const MACHINES: u32 = 1_000;
const RUNS: usize = 40;

fn machine(no: u32) -> Object {
    let text = format!(
        r#"{{"id":"0190aaaa-0000-7000-8000-{no:012x}","domain":"0190aaaa-0000-7000-8000-{no:012x}",
            "spec":{{"name":"vm-{no}","notes":"machine {no} of the bench","tags":["bench","web"],
              "hardware":{{"cpus":2,"memory_mib":2048,
                "disks":[{{"no":0,"file":"/var/lib/hostler-agent/vms/{no}/disk-0.qcow2","format":"qcow2","size_bytes":21474836480}}],
                "adapters":[{{"no":0,"mac":"52:54:00:00:00:01","network":"default"}}]}}}},
            "origin":"created","presence":{{"is":"here"}},
            "observed":{{"order":{{"journal":"0190aaaa-0000-7000-8000-000000000001","run":1,"seq":{no}}},"at":"2026-11-21T09:00:00Z",
              "seen":{{"domain":"0190aaaa-0000-7000-8000-{no:012x}","name":"vm-{no}","power":"running","cpus":2,"memory_mib":2048,
                "disks":[{{"target":"vda","file":"/var/lib/hostler-agent/vms/{no}/disk-0.qcow2","format":"qcow2","bus":"virtio"}}],
                "adapters":[{{"mac":"52:54:00:00:00:01","network":"default"}}]}}}},
            "created":"2026-11-21T09:00:00Z"}}"#
    );
    Object::read(hostler_model::Kind::Vm, &text).unwrap()
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    let changes = (0..MACHINES).map(machine).map(|object| Change {
        key: object.key(),
        object: Some(object),
        job: None,
        actor: Actor::System,
    });
    let at = Timestamp(1_763_716_800_000);
    let commit =
        Commit { at, changes: changes.collect(), counters: Counters::default(), settles_restore: false };
    store.commit(&commit).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config {
        state_dir: folder.path().join("state"),
        agent_listen: "127.0.0.1:0".parse().unwrap(),
        server_names: vec!["127.0.0.1".into()],
        agent_program: None,
    };
    let (server, address) = runtime.block_on(async {
        let server = Server::start_on(config, store, None).await.unwrap();
        let api = hostler_api::Api::new(server.handle.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = server.certificate.https_config(&["h2", "http/1.1"]).unwrap();
        tokio::spawn(hostler_api::serve(listener, tls, api, std::future::pending()));
        (server, address)
    });
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, server.authority.certificate_pem()).unwrap();
    let binary = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("hostler");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(arguments).env_clear().env("HOME", folder.path()).stdout(Stdio::piped());
        let begun = Instant::now();
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (begun.elapsed(), output.stdout.iter().filter(|byte| **byte == b'\n').count())
    };
    let (url, password) = (format!("https://{address}"), server.initial_password.clone().unwrap());
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    run(&["login", &url, "--ca", &path(&ca), "--user", "administrator", "--password-file", &path(&password)]);
    for arguments in [&["--version"][..], &["user", "show"], &["vm", "list"], &["vm", "list", "-o", "json"]] {
        let mut times: Vec<Duration> = (0..RUNS).map(|_| run(arguments).0).collect();
        times.sort();
        let lines = run(arguments).1;
        let ms = |at: usize| times[at].as_secs_f64() * 1_000.0;
        println!(
            "{:24} {lines:6} lines: median {:.1} ms, p95 {:.1} ms",
            arguments.join(" "),
            ms(RUNS / 2),
            ms(RUNS * 95 / 100)
        );
    }
}
