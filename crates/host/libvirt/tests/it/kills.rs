//! libvirt dies, hangs and comes back, and many ask at once.

use std::time::{Duration, Instant};

use hostler_hypervisor::{Machines, Trouble};
use hostler_libvirt::Changed;
use hostler_model::seen::Power;

use crate::host::{Host, SOON, await_notice};

#[test]
fn after_libvirt_was_killed_calls_are_interrupted_and_all_works_again_when_it_is_back() {
    let host = Host::new();
    let vm = host.define(1);
    host.driver.start(vm).unwrap();
    let changes = host.driver.subscribe();
    for _ in 0..5 {
        host.signal_libvirt("-9");
        await_notice(&changes, Changed::Lost);
        assert!(matches!(host.driver.read(vm), Err(Trouble::Interrupted(_))));
        assert!(matches!(host.driver.pause(vm), Err(Trouble::Interrupted(_))));
        assert!(matches!(host.driver.statistics(), Err(Trouble::Interrupted(_))));
        host.start_libvirt();
        let answered = Instant::now();
        await_notice(&changes, Changed::Back);
        await_notice(&changes, Changed::Everything);
        assert_eq!(host.power(vm), Power::Running, "it ran on");
        host.virsh(&["suspend", &vm.to_string()]);
        await_notice(&changes, Changed::Domain(vm));
        assert!(answered.elapsed() < Duration::from_secs(10), "{:?}", answered.elapsed());
        assert_eq!(host.driver.statistics().unwrap().len(), 1);
        host.driver.resume(vm).unwrap();
    }
}

#[test]
fn a_driver_that_was_there_before_libvirt_finds_it() {
    let host = Host::without_libvirt();
    let changes = host.driver.subscribe();
    assert!(matches!(host.driver.list(), Err(Trouble::Interrupted(_))));
    host.start_libvirt();
    await_notice(&changes, Changed::Back);
    assert_eq!(host.driver.list().unwrap(), []);
}

#[test]
fn a_libvirt_that_hangs_stops_nobody_for_long() {
    let host = Host::without_libvirt();
    let changes = host.driver.subscribe();
    host.start_libvirt();
    // Until it is listened to nobody can lose it.
    await_notice(&changes, Changed::Back);
    let vm = host.define(1);
    assert_eq!(host.power(vm), Power::Off);
    host.signal_libvirt("-STOP");
    let begun = Instant::now();
    let read = host.driver.read(vm);
    assert!(matches!(read, Err(Trouble::Interrupted(_))), "{read:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    await_notice(&changes, Changed::Lost);
    host.signal_libvirt("-CONT");
    let waking = Instant::now();
    while host.driver.read(vm).is_err() {
        assert!(waking.elapsed() < SOON, "it answers again and is not asked");
        std::thread::sleep(Duration::from_millis(50));
    }
    await_notice(&changes, Changed::Back);
}

#[test]
fn many_threads_ask_at_once_and_each_gets_its_answer() {
    let host = Host::new();
    let vms: Vec<_> = (1..=8).map(|no| host.define(no)).collect();
    std::thread::scope(|scope| {
        for vm in &vms {
            let host = &host;
            scope.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(host.seen(*vm).domain, *vm);
                    assert_eq!(host.driver.list().unwrap().len(), 8);
                }
                host.driver.retitle(*vm, &format!("title of {vm}")).unwrap();
                host.driver.set_hardware(*vm, 2, 96).unwrap();
            });
        }
    });
    for vm in vms {
        let seen = host.seen(vm);
        assert_eq!((seen.title, seen.cpus), (Some(format!("title of {vm}")), 2));
    }
}
