//! What this computer is made of, read from the kernel's own folders: disks and adapters.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hostler_model::host_hardware::{AdapterKind, HostAdapter, PhysicalDisk};

/// How long a sector is, in bytes, wherever the kernel counts in sectors, whatever the disk's own are.
pub(crate) const SECTOR_BYTES: u64 = 512;

/// Where the kernel shows its devices.
pub(crate) const SYS: &str = "/sys";

/// The disks of the computer itself, by name. What lies on others (partitions, volumes, loops) is not among them.
pub(crate) fn disks(sys: &Path) -> Vec<PhysicalDisk> {
    let disks = folders(&sys.join("block")).into_iter().filter(|(_, at)| at.join("device").exists());
    disks
        .map(|(name, at)| PhysicalDisk {
            name: name.replace('!', "/"),
            model: text(&at.join("device/model")),
            size_bytes: number(&at.join("size")).unwrap_or(0).saturating_mul(SECTOR_BYTES),
            rotates: is_on(&at.join("queue/rotational")),
            removable: is_on(&at.join("removable")),
            read_only: is_on(&at.join("ro")),
        })
        // An empty card reader is no disk.
        .filter(|disk| disk.size_bytes > 0)
        .collect()
}

/// The adapters of the computer, by name, with these addresses. The ends of machines' adapters come and go with the
/// machines and are not among them, nor is the loop back.
pub(crate) fn adapters(sys: &Path, addresses: &BTreeMap<String, Vec<String>>) -> Vec<HostAdapter> {
    let all = folders(&sys.join("class/net")).into_iter();
    all.filter(|(name, at)| name != "lo" && !at.join("tun_flags").exists())
        .map(|(name, at)| HostAdapter {
            kind: kind(&at),
            mac: text(&at.join("address")),
            up: is_on(&at.join("carrier")),
            // -1, or no answer at all, where there is no link.
            mbit_s: number(&at.join("speed")).and_then(|speed| u32::try_from(speed).ok()).filter(|n| *n > 0),
            mtu: number(&at.join("mtu")).and_then(|mtu| u32::try_from(mtu).ok()).unwrap_or(0),
            part_of: part_of(&at),
            addresses: addresses.get(&name).cloned().unwrap_or_default(),
            name,
        })
        .collect()
}

/// The addresses of each adapter, those that hold on its own line only left out: every adapter has one.
pub(crate) fn addresses() -> BTreeMap<String, Vec<String>> {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    for one in all.into_iter().filter(|one| !one.is_link_local()) {
        let length = match &one.addr {
            if_addrs::IfAddr::V4(v4) => v4.prefixlen,
            if_addrs::IfAddr::V6(v6) => v6.prefixlen,
        };
        by_name.entry(one.name.clone()).or_default().push(format!("{}/{length}", one.ip()));
    }
    by_name.values_mut().for_each(|all| all.sort());
    by_name
}

/// The highest clock of the first processor, MHz; 0 where the kernel does not say.
pub(crate) fn mhz(sys: &Path) -> u32 {
    let khz = number(&sys.join("devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")).unwrap_or(0);
    u32::try_from(khz / 1_000).unwrap_or(0)
}

fn kind(at: &Path) -> AdapterKind {
    let has = |name: &str| at.join(name).exists();
    let is_vlan = || text_of(&at.join("uevent"), "DEVTYPE=").is_some_and(|kind| kind == "vlan");
    match () {
        () if has("bridge") => AdapterKind::Bridge,
        () if has("bonding") => AdapterKind::Bond,
        () if is_vlan() => AdapterKind::Vlan,
        () if has("device") => AdapterKind::Physical,
        () => AdapterKind::Other,
    }
}

fn part_of(at: &Path) -> String {
    let master = fs::read_link(at.join("master")).unwrap_or_default();
    master.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What is in a folder, by name; nothing where it cannot be read.
fn folders(of: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn text_of(path: &Path, key: &str) -> Option<String> {
    text(path).lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned)
}

fn number(path: &Path) -> Option<u64> {
    text(path).parse().ok()
}

fn is_on(path: &Path) -> bool {
    text(path) == "1"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up computer: a folder like the kernel's.
    fn sys(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_disk_is_told_from_what_lies_on_it_and_from_an_empty_slot() {
        let sys = sys(&[
            ("block/sda/device/model", "Fast disk  \n"),
            ("block/sda/size", "2048\n"),
            ("block/sda/queue/rotational", "0\n"),
            ("block/sdb/device/model", "Card reader\n"),
            ("block/sdb/size", "0\n"),
            ("block/dm-0/size", "2048\n"),
            ("block/cciss!c0d0/device/model", "\n"),
            ("block/cciss!c0d0/size", "4096\n"),
            ("block/cciss!c0d0/queue/rotational", "1\n"),
        ]);
        let found = disks(sys.path());
        let short: Vec<_> =
            found.iter().map(|d| (d.name.as_str(), d.model.as_str(), d.size_bytes, d.rotates)).collect();
        assert_eq!(short, [("cciss/c0d0", "", 2 << 20, true), ("sda", "Fast disk", 1 << 20, false)]);
    }

    #[test]
    fn adapters_are_what_they_are_and_those_of_machines_are_left_out() {
        let sys = sys(&[
            ("class/net/lo/address", "00:00:00:00:00:00\n"),
            ("class/net/eno1/device/vendor", "0x8086\n"),
            ("class/net/eno1/address", "52:54:00:00:00:01\n"),
            ("class/net/eno1/carrier", "1\n"),
            ("class/net/eno1/speed", "10000\n"),
            ("class/net/eno1/mtu", "9000\n"),
            ("class/net/eno2/device/vendor", "0x8086\n"),
            ("class/net/eno2/speed", "-1\n"),
            ("class/net/br0/bridge/stp_state", "0\n"),
            ("class/net/eno1.7/uevent", "DEVTYPE=vlan\nINTERFACE=eno1.7\n"),
            ("class/net/bond0/bonding/mode", "802.3ad 4\n"),
            ("class/net/vnet3/tun_flags", "0x1002\n"),
        ]);
        std::os::unix::fs::symlink("../br0", sys.path().join("class/net/eno1/master")).unwrap();
        let addresses = BTreeMap::from([("br0".to_owned(), vec!["192.0.2.7/24".to_owned()])]);
        let found = adapters(sys.path(), &addresses);
        let short: Vec<_> = found.iter().map(|a| (a.name.as_str(), a.kind, a.up, a.mbit_s)).collect();
        assert_eq!(
            short,
            [
                ("bond0", AdapterKind::Bond, false, None),
                ("br0", AdapterKind::Bridge, false, None),
                ("eno1", AdapterKind::Physical, true, Some(10_000)),
                ("eno1.7", AdapterKind::Vlan, false, None),
                ("eno2", AdapterKind::Physical, false, None),
            ]
        );
        assert_eq!((found[2].part_of.as_str(), found[2].mtu), ("br0", 9_000));
        assert_eq!(found[1].addresses, ["192.0.2.7/24"]);
    }
}
