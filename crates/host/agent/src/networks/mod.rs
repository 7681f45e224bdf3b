//! The networks of this computer: what the kernel knows of them beside libvirt, and how they are changed.

mod bridge;
mod kept;

use std::fs;
use std::path::Path;

use hostler_model::host_hardware::{AdapterKind, HostAdapter};
use hostler_model::network::{HostNetwork, NetworkKind};

pub(crate) use kept::HostNetworks;

/// Where the kernel tells of VLANs.
const VLANS: &str = "/proc/net/vlan";

/// Networks as libvirt has them, with what the kernel shows of their bridges: the adapter that leads outside, and its VLAN.
pub(crate) fn as_wired(networks: Vec<HostNetwork>, adapters: &[HostAdapter]) -> Vec<HostNetwork> {
    networks.into_iter().map(|network| wired(network, adapters, Path::new(VLANS))).collect()
}

fn wired(mut network: HostNetwork, adapters: &[HostAdapter], vlans: &Path) -> HostNetwork {
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
    network
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
        assert_eq!(wired(external("br0"), &adapters, nowhere).adapter, "eno1");
        assert_eq!(wired(external("br1"), &adapters, nowhere).adapter, "");
        assert_eq!(wired(external(""), &adapters, nowhere).adapter, "", "no adapter is a part of nothing");
    }

    #[test]
    fn a_vlan_below_the_bridge_is_the_networks_and_its_adapter_the_one_that_can_be_touched() {
        let folder = tempfile::tempdir().unwrap();
        let told = "eno1.7  VID: 7\t REORDER_HDR: 1  dev->priv_flags: 1021\n  total frames received  0\nDevice: eno1\n";
        fs::write(folder.path().join("eno1.7"), told).unwrap();
        let found = wired(external("br7"), &[adapter("eno1.7", AdapterKind::Vlan, "br7")], folder.path());
        assert_eq!((found.vlan, found.adapter.as_str()), (Some(7), "eno1"));
    }
}
