//! The XML of networks: read as what a network is.

use std::net::IpAddr;

use hostler_model::network::{AddressRange, HostNetwork, NetworkKind};
use hostler_model::new_network::{NetworkSpec, Own};
use uuid::Uuid;

use crate::tree::{Element, Wrong};

/// What this XML says of a network. Whether it is active, and what the kernel knows of its bridge, is not in it.
pub(crate) fn read(xml: &str) -> Result<HostNetwork, Wrong> {
    let tree = Element::parse(xml)?;
    let text = |name: &str| tree.first(name).map(Element::text).unwrap_or_default().trim().to_owned();
    let addresses: Vec<String> = tree.all("ip").filter_map(address).collect();
    let bridge = tree.first("bridge").and_then(|bridge| bridge.get("name")).unwrap_or_default();
    let forward = tree.first("forward");
    let adapter = forward.and_then(|forward| {
        let first = forward.first("interface").and_then(|interface| interface.get("dev"));
        first.or_else(|| forward.get("dev"))
    });
    // Without a word libvirt takes NAT.
    let kind = match forward.map(|forward| forward.get("mode").unwrap_or("nat")) {
        None if addresses.is_empty() => NetworkKind::Private,
        None => NetworkKind::Internal,
        Some("nat") => NetworkKind::Nat,
        Some("bridge") => NetworkKind::External,
        Some(_) => NetworkKind::Other,
    };
    let vlan = tree.first("vlan").filter(|vlan| vlan.get("trunk") != Some("yes"));
    let tag = vlan.and_then(|vlan| vlan.first("tag")).and_then(|tag| tag.get("id"));
    Ok(HostNetwork {
        name: text("name"),
        id: text("uuid").parse().unwrap_or(Uuid::nil()),
        kind,
        bridge: bridge.to_owned(),
        adapter: adapter.filter(|_| kind == NetworkKind::External).unwrap_or_default().to_owned(),
        vlan: tag.and_then(|id| id.parse().ok()),
        dhcp: tree.all("ip").filter_map(|ip| ip.first("dhcp")).flat_map(ranges).collect(),
        addresses,
        ..HostNetwork::default()
    })
}

/// The XML of a network that is to be, over this bridge where it is external.
pub(crate) fn write(id: Uuid, network: &NetworkSpec, bridge: Option<&str>) -> String {
    let mut tree = Element::new("network")
        .holds(Element::new("name").text_is(&*network.name))
        .holds(Element::new("uuid").text_is(id.to_string()));
    let forward = |mode: &str| Element::new("forward").with("mode", mode);
    match (network.kind, bridge) {
        (NetworkKind::External, bridge) => {
            tree.push(forward("bridge"));
            tree.push(Element::new("bridge").with("name", bridge.unwrap_or_default()));
            return tree.to_xml();
        }
        (NetworkKind::Nat, _) => tree.push(forward("nat")),
        _ => {}
    }
    // Nothing of it leaves the host, so there is no loop to be found, and nobody need wait until none was.
    tree.push(Element::new("bridge").with("stp", "off").with("delay", "0"));
    if let Some(own) = network.address.as_deref().and_then(|text| Own::read(text).ok()) {
        let mut ip = Element::new("ip");
        if own.address.is_ipv6() {
            ip.set("family", "ipv6");
        }
        ip.set("address", own.address.to_string());
        ip.set("prefix", own.length.to_string());
        if let Some(range) = &network.dhcp {
            let range = Element::new("range").with("start", &*range.first).with("end", &*range.last);
            ip.push(Element::new("dhcp").holds(range));
        }
        tree.push(ip);
    }
    tree.to_xml()
}

fn ranges(dhcp: &Element) -> Vec<AddressRange> {
    let of = |range: &Element| {
        Some(AddressRange { first: range.get("start")?.to_owned(), last: range.get("end")?.to_owned() })
    };
    dhcp.all("range").filter_map(of).collect()
}

/// An address with the length of its network, which may be written as a mask.
fn address(ip: &Element) -> Option<String> {
    let address: IpAddr = ip.get("address")?.parse().ok()?;
    let written = ip.get("prefix").and_then(|prefix| prefix.parse::<u32>().ok());
    let mask = || match ip.get("netmask")?.parse().ok()? {
        IpAddr::V4(mask) => Some(u32::from(mask).leading_ones()),
        IpAddr::V6(mask) => Some(u128::from(mask).leading_ones()),
    };
    // As libvirt takes it where nothing is written: by the old classes.
    let class = || match address {
        IpAddr::V4(v4) => match v4.octets()[0] {
            0..=127 => 8,
            128..=191 => 16,
            _ => 24,
        },
        IpAddr::V6(_) => 64,
    };
    Some(format!("{address}/{}", written.or_else(mask).unwrap_or_else(class)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inside: &str) -> HostNetwork {
        let uuid = "<uuid>0196f0f0-0000-7000-8000-000000000001</uuid>";
        read(&format!("<network connections='1'><name>lab</name>{uuid}{inside}</network>")).unwrap()
    }

    #[test]
    fn a_network_is_told_by_what_it_forwards_and_whether_its_host_has_an_address() {
        let kind = |inside: &str| of(inside).kind;
        assert_eq!(kind("<bridge name='virbr1' stp='on'/>"), NetworkKind::Private);
        assert_eq!(kind("<ip address='10.7.0.1' prefix='24'/>"), NetworkKind::Internal);
        assert_eq!(kind("<forward/><ip address='10.7.0.1' prefix='24'/>"), NetworkKind::Nat);
        assert_eq!(kind("<forward mode='nat'/><ip address='10.7.0.1' prefix='24'/>"), NetworkKind::Nat);
        assert_eq!(kind("<forward mode='bridge'/><bridge name='br0'/>"), NetworkKind::External);
        assert_eq!(kind("<forward mode='route'/><ip address='10.7.0.1' prefix='24'/>"), NetworkKind::Other);
        let direct =
            of("<forward dev='eno1' mode='bridge'><interface dev='eno1' connections='1'/></forward>");
        assert_eq!((direct.kind, direct.adapter.as_str()), (NetworkKind::External, "eno1"));
    }

    #[test]
    fn what_is_written_reads_as_what_was_asked_for() {
        let id = Uuid::from_u128(7);
        for (kind, address) in [
            (NetworkKind::Nat, Some("10.20.0.1/24")),
            (NetworkKind::Internal, Some("fd00::1/64")),
            (NetworkKind::Private, None),
            (NetworkKind::External, None),
        ] {
            let adapter = (kind == NetworkKind::External).then(|| "eno1".to_owned());
            let address = address.map(str::to_owned);
            let asked = NetworkSpec { name: "a<b".into(), kind, address, adapter, ..NetworkSpec::default() };
            let mut asked = NetworkSpec { name: "lab".into(), ..asked }.checked().unwrap();
            asked.name = "a<b".into();
            let seen = read(&write(id, &asked, Some("br-lab"))).unwrap();
            assert_eq!((seen.name.as_str(), seen.id, seen.kind), ("a<b", id, kind));
            assert_eq!(seen.addresses, asked.address.clone().into_iter().collect::<Vec<_>>());
            assert_eq!(seen.dhcp, asked.dhcp.into_iter().collect::<Vec<_>>());
            assert_eq!(seen.bridge == "br-lab", kind == NetworkKind::External);
        }
    }

    #[test]
    fn addresses_ranges_and_vlan_are_read_however_they_are_written() {
        let read = of("<forward mode='nat'/><bridge name='virbr0'/>
            <ip address='192.168.122.1' netmask='255.255.254.0'><dhcp>
              <range start='192.168.122.2' end='192.168.122.254'/><host mac='52:54:00:00:00:01' ip='192.168.122.9'/>
            </dhcp></ip><ip family='ipv6' address='fd00::1' prefix='64'/><vlan><tag id='42'/></vlan>");
        assert_eq!(read.addresses, ["192.168.122.1/23", "fd00::1/64"]);
        let range = AddressRange { first: "192.168.122.2".into(), last: "192.168.122.254".into() };
        assert_eq!((read.dhcp, read.vlan, read.bridge.as_str()), (vec![range], Some(42), "virbr0"));
        let id: Uuid = "0196f0f0-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(read.id, id);
        assert_eq!(of("<vlan trunk='yes'><tag id='42'/><tag id='43'/></vlan>").vlan, None);
    }
}
