//! The test host itself.

use hostler_testbed::{Ground, Host, Process};

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
