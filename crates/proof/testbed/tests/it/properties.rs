//! What is known of a host, against what the host itself says.

use std::time::Duration;

use hostler_client::How;
use hostler_model::host_hardware::HostAdapter;
use hostler_model::view::HostView;
use hostler_testbed::{Site, taken, wait_for};

fn shown(site: &Site) -> HostView {
    site.run(site.client().host("a")).unwrap()
}

fn refresh(site: &Site) {
    let asked = site.run(site.client().refresh_host("a", &How::default())).unwrap();
    site.done(taken(asked).unwrap().job).unwrap();
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_host_says_what_it_is_made_of_and_a_refresh_shows_what_has_changed() {
    let mut site = Site::with_host().unwrap();
    let view = shown(&site);
    let facts = &view.host.facts;
    let of = facts.hardware.processors;
    assert_eq!(of.sockets * of.cores * of.threads, facts.cpus, "{of:?}");
    let nodes: u64 = facts.hardware.numa.iter().map(|node| node.memory_mib).sum();
    assert!(nodes > facts.memory_mib / 2, "{:?}", facts.hardware.numa);
    // Each heartbeat tells what the clock says; one that was long on its way seems to say less.
    let together = || shown(&site).clock_ahead_ms.filter(|ahead| ahead.abs() <= 1_000);
    wait_for(Duration::from_secs(60), "both have one clock", together).unwrap();

    let address = site.host().address().to_owned();
    let adapter = |view: &HostView| -> HostAdapter {
        view.host.facts.hardware.adapters.iter().find(|adapter| adapter.name == "eth0").unwrap().clone()
    };
    let before = adapter(&view);
    assert_eq!((before.up, before.mtu), (true, 1_500));
    assert_eq!(before.addresses, [format!("{address}/24")]);
    site.host().shell("ip link set eth0 mtu 1400; ip link add br7 type bridge; ip link set br7 up").unwrap();
    refresh(&site);
    let view = shown(&site);
    assert_eq!(adapter(&view).mtu, 1_400);
    let bridge = view.host.facts.hardware.adapters.iter().find(|adapter| adapter.name == "br7").unwrap();
    assert_eq!(bridge.kind.words(), "bridge");

    let file_systems = site.run(site.client().host_file_systems("a")).unwrap();
    let theirs: Vec<_> = file_systems.iter().filter(|one| one.has_machines).collect();
    assert_eq!(theirs.len(), 1, "{file_systems:?}");
    let df = format!("stat -f -c '%b %S' {}", site.host().vm_folder().display());
    let said = site.host().shell(&df).unwrap();
    let (blocks, bytes) = said.trim().split_once(' ').unwrap();
    let size = blocks.parse::<u64>().unwrap() * bytes.parse::<u64>().unwrap();
    assert_eq!(theirs[0].size_bytes, size);

    site.host().agent_kill().unwrap();
    let asked = site.run(site.client().host_file_systems("a"));
    assert!(asked.is_err(), "who does not answer says nothing");
}
