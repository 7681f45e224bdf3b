//! The test host itself.

use hostler_model::action::VmAction;
use hostler_model::seen::Power;
use hostler_model::status::{HostStatus, VmStatus};
use hostler_testbed::{Ground, Host, Process, Site};

use crate::sets::agree;

#[test]
#[ignore = "needs root and libvirt"]
fn a_host_has_a_libvirt_of_its_own_and_its_power_can_be_cut() {
    let ground = Ground::claim().unwrap();
    let mut host = Host::start(&ground, "a", 2).unwrap();
    assert_eq!(host.shell("hostname").unwrap().trim(), "a");
    assert_eq!(host.virsh(&["list", "--all", "--name"]).unwrap().trim(), "");
    host.shell("echo kept > /etc/libvirt/kept; echo lost > /run/lost").unwrap();

    host.libvirtd_kill().unwrap();
    assert!(host.virsh(&["list"]).is_err());
    host.libvirtd_start().unwrap();

    let libvirtd = host.process("libvirtd").unwrap();
    host.power_off().unwrap();
    assert!(!libvirtd.lives());
    assert!(host.shell("true").is_err());
    host.power_on().unwrap();
    assert_eq!(host.shell("cat /etc/libvirt/kept; test ! -e /run/lost").unwrap().trim(), "kept");

    let (first, folder) = (host.first().unwrap(), ground.folder().to_owned());
    drop(host);
    drop(ground);
    assert!(!first.lives() && !folder.exists());
    assert!(Process::me().lives());
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_host_whose_libvirtd_died_is_told_from_one_that_is_silent_and_is_back_when_libvirtd_is() {
    let mut site = Site::with_host().unwrap();
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let status = |site: &Site| site.run(site.client().host("a")).unwrap().status;
    assert_eq!(status(&site), HostStatus::Responding);
    site.host().libvirtd_kill().unwrap();
    let web = site.becomes("web", VmStatus::HypervisorNotResponding).unwrap();
    assert_eq!(web.vm.power(), Power::Running, "the last known state is kept beside");
    assert_eq!(status(&site), HostStatus::HypervisorNotResponding);
    let refused = site.act("web", VmAction::TurnOff).unwrap_err().to_string();
    assert!(refused.contains("hypervisor"), "{refused}");
    site.host().libvirtd_start().unwrap();
    // Two seconds are promised; a busy computer is given five times as much.
    site.becomes_within(std::time::Duration::from_secs(10), "web", VmStatus::Running).unwrap();
    assert_eq!(status(&site), HostStatus::Responding);
    agree(&site);
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_host_whose_power_was_cut_does_not_answer_and_comes_back_with_its_machines_off() {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mut site = Site::with_host().unwrap();
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    site.host().power_off().unwrap();
    site.becomes("web", VmStatus::HostNotResponding).unwrap();
    site.host().boot().unwrap();
    site.host_answers("a").unwrap();
    site.until("the machine is seen off", std::time::Duration::from_secs(20), async |client| {
        let status = client.vm("web", None).await?.status;
        Ok(matches!(status, VmStatus::Off | VmStatus::Crashed).then_some(()))
    })
    .unwrap();
    site.doing("web", VmAction::Start).unwrap();
    agree(&site);
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap(), boot);
}
