//! What happens behind Hostler's back, while any part of it is dead: the picture is right again soon after libvirtd
//! answers, and says how it came to be.

use std::time::{Duration, Instant};

use hostler_client::JobsQuery;
use hostler_model::action::VmAction;
use hostler_model::status::VmStatus;
use hostler_model::vm::Origin;
use hostler_testbed::{Site, wait_for};

/// Two seconds is what is promised; the rest is for a busy computer.
const SOON: Duration = Duration::from_secs(2 * 5);
/// Without events a listing finds it: every half minute.
const LATER: Duration = Duration::from_secs(90);

/// A machine that nobody made through Hostler.
const FOREIGN: &str = "<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
    <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>";

/// Machines that are about to be changed by others.
fn site() -> Site {
    let site = Site::with_host().unwrap();
    for (name, on) in
        [("stopped", true), ("runs", true), ("crashed", true), ("undefined", false), ("changed", false)]
    {
        site.create_empty(name).unwrap();
        if on {
            site.doing(name, VmAction::Start).unwrap();
        }
    }
    site
}

/// Changes of all kinds, with `virsh` and without.
fn behind_its_back(site: &Site) -> Back {
    let name = |vm: &str| site.vm(vm).unwrap().vm.observed.unwrap().seen.name;
    let (stopped, undefined, changed, crashed) =
        (name("stopped"), name("undefined"), name("changed"), name("crashed"));
    let host = &site.hosts[0];
    let definition = host.virsh(&["dumpxml", &undefined]).unwrap();
    Back { stopped, undefined, changed, crashed, definition }
}

/// Names in libvirt, read while all was well.
struct Back {
    stopped: String,
    undefined: String,
    changed: String,
    crashed: String,
    definition: String,
}

impl Back {
    fn happens(&self, site: &Site) {
        let host = &site.hosts[0];
        host.virsh(&["destroy", &self.stopped]).unwrap();
        host.virsh(&["undefine", &self.undefined]).unwrap();
        host.virsh(&["setvcpus", &self.changed, "3", "--config", "--maximum"]).unwrap();
        host.virsh(&["setvcpus", &self.changed, "3", "--config"]).unwrap();
        host.shell(&format!("cat > /run/foreign.xml <<'X'\n{FOREIGN}\nX\nvirsh -q define /run/foreign.xml"))
            .unwrap();
        host.shell(&format!("kill -9 $(cat /run/libvirt/qemu/{}.pid)", self.crashed)).unwrap();
    }

    fn comes_back(&self, site: &Site) {
        let xml = &self.definition;
        site.hosts[0]
            .shell(&format!("cat > /run/back.xml <<'X'\n{xml}\nX\nvirsh -q define /run/back.xml"))
            .unwrap();
    }
}

/// What is not yet as it should be.
fn wrong(site: &Site) -> Option<String> {
    let vms = match site.vms() {
        Ok(vms) => vms,
        Err(why) => return Some(why.to_string()),
    };
    let status =
        |name: &str| vms.iter().find(|view| view.vm.spec.name.as_str() == name).map(|view| view.status);
    let expected = [
        ("stopped", VmStatus::Off),
        ("runs", VmStatus::Running),
        ("undefined", VmStatus::Missing),
        ("changed", VmStatus::Off),
        ("foreign", VmStatus::Off),
    ];
    for (name, expected) in expected {
        if status(name) != Some(expected) {
            return Some(format!("{name} is {:?}", status(name)));
        }
    }
    if !matches!(status("crashed"), Some(VmStatus::Crashed | VmStatus::Off)) {
        return Some(format!("crashed is {:?}", status("crashed")));
    }
    let changed = vms.iter().find(|view| view.vm.spec.name.as_str() == "changed")?;
    match changed.vm.seen().map(|seen| seen.cpus) {
        Some(3) if !changed.differences.is_empty() || changed.vm.spec.hardware.cpus == 3 => None,
        cpus => Some(format!("changed has {cpus:?} processors, differences {:?}", changed.differences)),
    }
}

/// Waits until the picture is right, and answers how long that took.
fn right_within(site: &Site, limit: Duration) -> Duration {
    let begun = Instant::now();
    let right = wait_for(limit, "the picture is right", || wrong(site).is_none().then_some(()));
    if let Err(why) = right {
        panic!("{why}: {:?}", wrong(site));
    }
    begun.elapsed()
}

/// What came of it: the audit says so, and what was found and lost can be worked with.
fn told(site: &Site, back: &Back) {
    let query = JobsQuery { kind: Some("refresher".into()), limit: Some(200), ..JobsQuery::default() };
    let jobs = site.run(site.client().jobs(&query)).unwrap().items;
    for vm in ["stopped", "undefined", "foreign"] {
        assert!(jobs.iter().any(|job| job.job.title.contains(vm)), "no refresher job tells of {vm}");
    }
    let foreign = site.vm("foreign").unwrap();
    assert_eq!(foreign.vm.origin, Origin::Found);
    site.doing("foreign", VmAction::Start).unwrap();
    let managed = site.vm("foreign").unwrap();
    assert_eq!((managed.status, managed.vm.origin), (VmStatus::Running, Origin::Adopted));

    back.comes_back(site);
    site.becomes("undefined", VmStatus::Off).unwrap();
    site.doing("undefined", VmAction::Start).unwrap();
    assert_eq!(site.vm("runs").unwrap().status, VmStatus::Running);
}

#[test]
#[ignore = "needs root and libvirt"]
fn with_everything_alive_a_change_behind_its_back_is_seen_at_once() {
    let site = site();
    let back = behind_its_back(&site);
    back.happens(&site);
    let took = right_within(&site, SOON);
    println!("right after {took:?}");
    told(&site, &back);
}

#[test]
#[ignore = "needs root and libvirt"]
fn what_happened_while_server_agent_and_libvirtd_were_dead_is_seen_soon_after_libvirtd_answers() {
    let mut site = site();
    let back = behind_its_back(&site);
    site.host().agent_kill().unwrap();
    site.server.kill_it().unwrap();
    back.happens(&site);
    site.host().libvirtd_kill().unwrap();
    site.restart_server_after_kill().unwrap();
    site.host().agent_start().unwrap();
    site.until("the agent is heard", SOON, async |client| Ok(client.agent("a").await?.last_contact)).unwrap();
    // Without libvirtd nothing is known, and nothing may be called lost.
    assert!(site.vms().unwrap().iter().all(|view| view.status == VmStatus::HostNotResponding));
    site.host().libvirtd_start().unwrap();
    let took = right_within(&site, SOON);
    println!("right {took:?} after libvirtd answers");
    told(&site, &back);
}

#[test]
#[ignore = "needs root and libvirt"]
fn without_any_event_the_same_is_found_only_later() {
    let mut site = site();
    let back = behind_its_back(&site);
    site.host().agent_kill().unwrap();
    site.host().agent_set("events = false").unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    back.happens(&site);
    let took = right_within(&site, LATER);
    println!("right after {took:?} without events");
    told(&site, &back);
}
