//! The unit by which systemd starts the agent, held against what the agent does. systemd itself runs in no test.

const UNIT: &str = include_str!("../../../../../deploy/systemd/hostler-agent.service");

/// All words that a setting is given, in all its lines.
fn words(setting: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| *name == setting);
    lines.flat_map(|(_, value)| value.split_whitespace()).collect()
}

#[test]
fn the_unit_lets_the_agent_write_wherever_its_settings_and_shares_may_lead() {
    // Folders of machines, shares, and the sockets of migrations in /run/libvirt: strict takes all of them away.
    assert_eq!(words("ProtectSystem"), ["full"]);
    for closed in ["ProtectHome", "ReadOnlyPaths", "InaccessiblePaths", "TemporaryFileSystem", "DynamicUser"]
    {
        assert!(words(closed).is_empty(), "{closed}");
    }
}

#[test]
fn the_unit_keeps_what_the_agent_and_the_programs_that_it_calls_need() {
    let has = |setting: &str, all: &[&str]| {
        let words = words(setting);
        for word in all {
            assert!(words.contains(word), "{setting} lacks {word}: {words:?}");
        }
    };
    // `ip` makes bridges; `ebtables` of the older kind asks by a raw socket; qemu-img runs as another account, and is killed.
    has("CapabilityBoundingSet", &["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"]);
    has("CapabilityBoundingSet", &["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER"]);
    has("RestrictAddressFamilies", &["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"]);
    has("SystemCallFilter", &["@system-service", "openat2"]);
    has("DeviceAllow", &["/dev/kvm", "char-pts", "rw"]);
    // With it systemd answers every openat2 as if the kernel had none, and no share can be read.
    assert!(words("RestrictSUIDSGID").is_empty());
    // With it there is no /dev/kvm; with the other QEMU cannot emulate.
    assert!(words("PrivateDevices").is_empty() && words("MemoryDenyWriteExecute").is_empty());
    // The networks of the agent are the computer's, and so is its name.
    for own in ["PrivateNetwork", "ProtectHostname", "PrivateUsers"] {
        assert!(words(own).is_empty(), "{own}");
    }
    // The command that shuts the computer down says how it ended.
    assert_eq!(words("KillMode"), ["mixed"]);
}
