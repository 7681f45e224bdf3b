//! The guest that counts, and what follows from its counting: that a machine ran on two hosts at once is found, and that
//! one that only moved is not accused.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hostler_testbed::counting::{Count, Evidence, How, PORT, Said, Watch, check};
use hostler_testbed::{Ground, Host, wait_for};

use crate::world::{BOOTS, tiny_linux};

const UUID: &str = "6f1c1f0a-55a8-4b1c-9a3e-6e4d5a1b2c3d";

/// A machine of this disk, with a seed that lets its guest count, as libvirt is told.
fn domain(disk: &Path, seed: &Path) -> String {
    format!(
        "<domain type='qemu'><name>web</name><uuid>{UUID}</uuid><memory unit='MiB'>128</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>\
         <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>\
         <target dev='vda' bus='virtio'/></disk>\
         <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vdb' bus='virtio'/><readonly/></disk>\
         <serial type='null'/><memballoon model='none'/></devices></domain>",
        disk.display(),
        seed.display()
    )
}

/// What a machine has said on a host.
fn said_on(ground: &Ground, host: &Host) -> Vec<Count> {
    Said::of(ground.folder())
        .0
        .remove(UUID)
        .and_then(|mut hosts| hosts.remove(host.name()))
        .unwrap_or_default()
}

/// Waits until a machine has said some more on a host.
fn counts_on(ground: &Ground, host: &Host) {
    let before = said_on(ground, host).len();
    let more = || (said_on(ground, host).len() >= before + 15).then_some(());
    wait_for(BOOTS, &format!("the guest counts on {}", host.name()), more).unwrap();
}

fn start(host: &Host, xml: &str) {
    let file = host.folder().join("web.xml");
    std::fs::write(&file, xml).unwrap();
    host.virsh(&["create", &file.display().to_string()]).unwrap();
}

/// Boots a host whose libvirt another host of its testbed reaches at a socket in the folder that both see.
fn reachable(host: &mut Host) -> PathBuf {
    let sockets = host.shared().join(format!("libvirt-of-{}", host.name()));
    std::fs::create_dir(&sockets).unwrap();
    host.power_off().unwrap();
    host.power_on().unwrap();
    host.shell(&format!("mount --bind {} /run/libvirt", sockets.display())).unwrap();
    host.libvirtd_start().unwrap();
    sockets.join("libvirt-sock")
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_machine_on_two_hosts_at_once_is_found_and_one_that_moved_is_not_accused() {
    let ground = Ground::claim().unwrap();
    let [a, mut b] = [("a", 3), ("b", 4)].map(|(name, n)| Host::start_observed(&ground, name, n).unwrap());
    let (disk, seed) = (ground.shared().join("web.qcow2"), ground.shared().join("seed"));
    std::fs::copy(tiny_linux(), &disk).unwrap();
    let mut text = format!("HOSTLER-SEED\nhostname=web\ncount={PORT}\n").into_bytes();
    text.resize(4096, 0);
    std::fs::write(&seed, text).unwrap();
    let there = reachable(&mut b);

    // It moves while it runs, and is then started where it was before, all from one disk.
    let watch = Watch::begin(&ground);
    start(&a, &domain(&disk, &seed));
    counts_on(&ground, &a);
    let uri = format!("qemu+unix:///system?socket={}", there.display());
    let memory = ground.shared().join("memory");
    std::fs::create_dir(&memory).unwrap();
    std::fs::set_permissions(&memory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let by = format!("unix://{}/socket", memory.display());
    a.virsh(&["migrate", UUID, &uri, "--live", "--p2p", "--unsafe", "--migrateuri", &by]).unwrap();
    counts_on(&ground, &b);
    b.virsh(&["destroy", UUID]).unwrap();
    let moved = [said_on(&ground, &a), said_on(&ground, &b)];
    start(&a, &domain(&disk, &seed));
    counts_on(&ground, &a);
    let evidence = watch.end();
    assert_eq!(check(&evidence), []);
    let (first, then) = (moved[0].last().unwrap(), &moved[1][0]);
    assert_eq!(then.boot, first.boot, "it was not started anew");
    assert!(
        (1..=2).contains(&(then.number - first.number)),
        "at most the torn line is missing: {first:?} {then:?}"
    );
    let again = &said_on(&ground, &a)[moved[0].len()];
    assert!(again.number > moved[1].last().unwrap().number, "it counts on from its disk: {again:?}");
    assert_ne!(again.boot, first.boot);
    for host in ["a", "b"] {
        let seen = seen_on(&evidence, host);
        assert!(seen.iter().all(|times| *times > 3), "seen {seen:?} times on {host}");
    }

    // A copy of its disk, as of this moment, is started on the other host by hand.
    let copy = ground.shared().join("copy.qcow2");
    std::fs::copy(&disk, &copy).unwrap();
    let watch = Watch::begin(&ground);
    start(&b, &domain(&copy, &seed));
    counts_on(&ground, &b);
    counts_on(&ground, &a);
    let found = check(&watch.end());
    for each in &found {
        println!("{each}");
    }
    assert!(found.iter().all(|each| each.hosts == ["a", "b"].map(String::from).into()));
    let by = |which: fn(&How) -> bool| found.iter().any(|each| which(&each.how));
    assert!(by(|how| matches!(how, How::Number { .. })), "{found:?}");
    // On a busy computer the two may count too seldom to be heard by turns; that their processors run is seen then.
    assert!(by(|how| matches!(how, How::Heard { .. } | How::Used { .. })), "{found:?}");
}

/// How often the machine was heard, and its processors seen to run, on a host.
fn seen_on(evidence: &Evidence, host: &str) -> [usize; 2] {
    [&evidence.heard, &evidence.used].map(|all| {
        let all = all.get(UUID).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|sighting| sighting.host == host).count()
    })
}
