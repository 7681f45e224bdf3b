//! The networks of this computer: what the kernel knows of them beside libvirt, and how they are changed.

mod bridge;
mod kept;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use hostler_model::host::Ability;
use hostler_model::host_hardware::{AdapterKind, HostAdapter};
use hostler_model::network::{HostNetwork, NetworkKind};

pub(crate) use kept::HostNetworks;

use crate::equipment::SYS;

/// Where the kernel tells of VLANs.
const VLANS: &str = "/proc/net/vlan";

/// Networks as libvirt has them, with what the kernel shows of their bridges: the adapter that leads outside, and its VLAN.
pub(crate) fn as_wired(networks: Vec<HostNetwork>, adapters: &[HostAdapter]) -> Vec<HostNetwork> {
    let sys = Path::new(SYS);
    networks.into_iter().map(|network| wired(network, adapters, Path::new(VLANS), sys)).collect()
}

fn wired(mut network: HostNetwork, adapters: &[HostAdapter], vlans: &Path, sys: &Path) -> HostNetwork {
    if network.kind != NetworkKind::External {
        return network;
    }
    let parts = adapters.iter().filter(|one| !network.bridge.is_empty() && one.part_of == network.bridge);
    if let Some(port) = parts.min_by_key(|one| rank(one.kind)) {
        network.adapter.clone_from(&port.name);
    }
    if let Some((vlan, below)) = vlan_of(&network.adapter, vlans) {
        (network.vlan, network.adapter) = (Some(vlan), below);
    }
    network.vlan_filtering = filters_vlans(&network.bridge, sys);
    network
}

/// Whether a bridge keeps VLANs apart; none where the kernel cannot.
fn filters_vlans(bridge: &str, sys: &Path) -> Option<bool> {
    if bridge.is_empty() || bridge.contains('/') {
        return None;
    }
    let told = fs::read_to_string(sys.join("class/net").join(bridge).join("bridge/vlan_filtering")).ok()?;
    Some(told.trim() == "1")
}

/// Whether this libvirt puts adapters of machines into VLANs on the kernel's own bridges: it does so from 11.0 on, and
/// those before refuse the machine when it starts.
pub(crate) fn adapter_vlans(libvirt: &str) -> Ability {
    let first = libvirt.split('.').next().and_then(|first| first.parse::<u32>().ok());
    match first {
        Some(11..) => Ability::Has,
        Some(_) => Ability::Lacks { why: format!("its libvirt is {libvirt}, and only 11.0 and newer can") },
        None => Ability::Unknown,
    }
}

/// Which of a bridge's parts leads outside, the lowest first: ends of pairs may lead to containers.
fn rank(kind: AdapterKind) -> u8 {
    match kind {
        AdapterKind::Physical => 0,
        AdapterKind::Bond => 1,
        AdapterKind::Vlan => 2,
        AdapterKind::Bridge => 3,
        AdapterKind::Other => 4,
    }
}

/// The number of a VLAN that is used as an adapter, and the adapter on which it is.
fn vlan_of(adapter: &str, vlans: &Path) -> Option<(u16, String)> {
    if adapter.is_empty() || adapter.contains('/') {
        return None;
    }
    let told = fs::read_to_string(vlans.join(adapter)).ok()?;
    let after = |word: &str| told.split_once(word).and_then(|(_, rest)| rest.split_whitespace().next());
    Some((after("VID:")?.parse().ok()?, after("Device:")?.to_owned()))
}

/// Whether frames can be filtered by the source: libvirt calls `ebtables` for that, so it is tried. Its answer holds as
/// long as the agent runs, once it is good: a tool that is installed meanwhile is found.
pub(crate) fn spoofing_filter(libvirt: Ability) -> Ability {
    static WORKS: AtomicBool = AtomicBool::new(false);
    if libvirt != Ability::Has || WORKS.load(Ordering::Relaxed) {
        return libvirt;
    }
    let why = match Command::new("ebtables").args(["-t", "nat", "-L"]).stdin(Stdio::null()).output() {
        Ok(tried) if tried.status.success() => {
            WORKS.store(true, Ordering::Relaxed);
            return Ability::Has;
        }
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).trim().to_owned(),
        Err(why) => why.to_string(),
    };
    Ability::Lacks { why: format!("ebtables does not work: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, kind: AdapterKind, part_of: &str) -> HostAdapter {
        HostAdapter { name: name.into(), kind, part_of: part_of.into(), ..HostAdapter::default() }
    }

    fn external(bridge: &str) -> HostNetwork {
        HostNetwork { kind: NetworkKind::External, bridge: bridge.into(), ..HostNetwork::default() }
    }

    #[test]
    fn the_adapter_of_an_external_network_is_the_part_of_its_bridge_that_leads_outside_most_likely() {
        let adapters = [
            adapter("br0", AdapterKind::Bridge, ""),
            adapter("container", AdapterKind::Other, "br0"),
            adapter("eno1", AdapterKind::Physical, "br0"),
            adapter("eno2", AdapterKind::Physical, ""),
        ];
        let nowhere = Path::new("/nowhere");
        assert_eq!(wired(external("br0"), &adapters, nowhere, nowhere).adapter, "eno1");
        assert_eq!(wired(external("br1"), &adapters, nowhere, nowhere).adapter, "");
        assert_eq!(
            wired(external(""), &adapters, nowhere, nowhere).adapter,
            "",
            "no adapter is a part of nothing"
        );
    }

    #[test]
    fn a_vlan_below_the_bridge_is_the_networks_and_its_adapter_the_one_that_can_be_touched() {
        let folder = tempfile::tempdir().unwrap();
        let told = "eno1.7  VID: 7\t REORDER_HDR: 1  dev->priv_flags: 1021\n  total frames received  0\nDevice: eno1\n";
        fs::write(folder.path().join("eno1.7"), told).unwrap();
        let found = wired(
            external("br7"),
            &[adapter("eno1.7", AdapterKind::Vlan, "br7")],
            folder.path(),
            folder.path(),
        );
        assert_eq!((found.vlan, found.adapter.as_str()), (Some(7), "eno1"));
    }

    #[test]
    fn a_bridge_says_whether_it_keeps_vlans_apart_and_a_kernel_that_cannot_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let bridge = |name: &str, told: Option<&str>| {
            let at = folder.path().join("class/net").join(name).join("bridge");
            fs::create_dir_all(&at).unwrap();
            if let Some(told) = told {
                fs::write(at.join("vlan_filtering"), told).unwrap();
            }
            wired(external(name), &[], folder.path(), folder.path()).vlan_filtering
        };
        assert_eq!(bridge("br0", Some("1\n")), Some(true));
        assert_eq!(bridge("br1", Some("0\n")), Some(false));
        assert_eq!(bridge("br2", None), None);
        assert_eq!(filters_vlans("../br0", folder.path()), None);
    }

    #[test]
    fn libvirt_puts_adapters_into_vlans_from_version_11_on() {
        assert_eq!(adapter_vlans("11.0.0"), Ability::Has);
        assert_eq!(adapter_vlans("12.3.0"), Ability::Has);
        assert!(matches!(adapter_vlans("9.0.0"), Ability::Lacks { why } if why.contains("9.0.0")));
        assert_eq!(adapter_vlans(""), Ability::Unknown);
    }
}
