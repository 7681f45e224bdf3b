//! Networks: what each host has, and the logical networks that they are together. Networks of one name on several hosts
//! are one network: a machine that names it may be on any of them, so what differs between them is named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Refusal;
use crate::hardware::Mac;
use crate::ids::{HostId, VmId};
use crate::time::Timestamp;
use crate::vm::Vm;

/// What kind of network something is: whom it connects.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// Machines, their host, and whatever an adapter of the host leads to.
    External,
    /// Machines of one host, and the host itself.
    Internal,
    /// Machines of one host, and nobody else.
    Private,
    /// Machines of one host, which reach outside under the host's address; nobody reaches them.
    Nat,
    /// Something else that somebody set up.
    #[default]
    #[serde(other)]
    Other,
}

impl NetworkKind {
    /// Every kind.
    pub const ALL: [NetworkKind; 5] = [
        NetworkKind::External,
        NetworkKind::Internal,
        NetworkKind::Private,
        NetworkKind::Nat,
        NetworkKind::Other,
    ];

    /// The word used in JSON and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            NetworkKind::External => "external",
            NetworkKind::Internal => "internal",
            NetworkKind::Private => "private",
            NetworkKind::Nat => "nat",
            NetworkKind::Other => "other",
        }
    }
}

/// A network of a host, as libvirt and the kernel show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HostNetwork {
    /// Its name, by which adapters of machines are connected.
    pub name: String,
    /// libvirt's id of it.
    #[schema(value_type = String, format = Uuid)]
    pub id: Uuid,
    /// What it connects.
    pub kind: NetworkKind,
    /// The bridge to which machines are connected; empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bridge: String,
    /// The adapter that leads outside, of an external network; empty where none does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub adapter: String,
    /// The VLAN in which it is, 1 to 4094; absent where frames are as they come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Whether its bridge keeps VLANs apart, of an external network; absent where the kernel does not say, or cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_filtering: Option<bool>,
    /// The host's own addresses on it as libvirt sets them, with their networks' lengths: `192.168.122.1/24`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Addresses that the host gives to machines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dhcp: Vec<AddressRange>,
    /// Whether it is active: adapters can be connected to it.
    pub active: bool,
    /// Whether libvirt makes it active when it starts.
    pub autostart: bool,
    /// Whether a definition is kept; one of which none is, is gone once it is not active.
    pub persistent: bool,
}

/// Addresses from one to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddressRange {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
}

impl HostNetwork {
    /// Whether an adapter that names this source is connected to it: by its name, or straight to its bridge.
    pub fn is_source(&self, source: &str) -> bool {
        source == self.name || (!self.bridge.is_empty() && source == self.bridge)
    }

    /// What this network of one host and one of the same name on another are, where that is not the same: first this one,
    /// then the other.
    pub fn unlike(&self, other: &HostNetwork) -> Option<(String, String)> {
        if self.kind != other.kind {
            return Some((self.kind.word().to_owned(), other.kind.word().to_owned()));
        }
        (self.vlan != other.vlan).then(|| (in_vlan(self.vlan), in_vlan(other.vlan)))
    }
}

/// The sources of a machine's adapters with their addresses: as its host shows them, as asked for until it has.
pub fn adapters_of(vm: &Vm) -> Vec<(Mac, &str)> {
    match vm.seen() {
        Some(seen) => seen.adapters.iter().map(|adapter| (adapter.mac, adapter.network.as_str())).collect(),
        None => {
            let asked = vm.spec.hardware.adapters.iter();
            asked.map(|adapter| (adapter.mac, adapter.network.as_str())).collect()
        }
    }
}

/// A logical network: the networks of one name on all hosts that have one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkView {
    /// Its name.
    pub name: String,
    /// What it is on most hosts.
    pub kind: NetworkKind,
    /// The VLAN in which it is on most hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The hosts that have it, by name.
    pub hosts: Vec<NetworkOnHost>,
    /// How many machines are connected to it.
    pub machines: u32,
    /// Where hosts differ about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<NetworkMismatch>,
}

/// A logical network with the machines that are connected to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkDetail {
    /// The network.
    #[serde(flatten)]
    pub network: NetworkView,
    /// The machines that are connected to it, by name.
    pub connected: Vec<ConnectedVm>,
}

/// A logical network on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkOnHost {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// Whether the host answers: if not, this is what it last said.
    pub answers: bool,
    /// The network there.
    pub network: HostNetwork,
    /// How many machines are connected to it there.
    pub machines: u32,
}

/// A machine's adapter that is connected to a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectedVm {
    /// The machine.
    pub vm: VmId,
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: HostId,
    /// The host's name.
    pub host_name: String,
    /// The adapter's address.
    pub mac: Mac,
}

/// A host on which a network is not what it is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkMismatch {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// What differs.
    pub what: MismatchKind,
    /// In words.
    pub words: String,
}

/// What of a network differs from other hosts, or from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MismatchKind {
    /// It is of another kind than on most hosts.
    Kind,
    /// It is in another VLAN than on most hosts.
    Vlan,
    /// It is not active: no machine that is connected to it can be started there.
    Inactive,
    /// It is external, and no adapter leads outside.
    NoAdapter,
    /// A mismatch that this version does not know.
    #[serde(other)]
    Unknown,
}

/// An address that a host gave to somebody on a network of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// To which hardware address.
    pub mac: String,
    /// The address.
    pub address: String,
    /// How whoever has it calls itself; empty where it does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub calls_itself: String,
    /// When it runs out; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An address that a host gave, with the machine that has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseView {
    /// The host that gave it.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// What was given.
    #[serde(flatten)]
    pub lease: Lease,
    /// The machine with this hardware address on that host, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<VmId>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_name: Option<String>,
}

/// The addresses that hosts gave on a logical network, as the hosts say now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeasesView {
    /// By host and address.
    pub leases: Vec<LeaseView>,
    /// The hosts that did not say, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<SilentHost>,
}

/// A host that did not answer a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilentHost {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// Why.
    pub why: Refusal,
}

/// A logical network without its machines: the hosts come with how many each has.
pub fn logical(name: &str, mut hosts: Vec<NetworkOnHost>) -> NetworkView {
    hosts.sort_by(|one, other| (&one.host_name, one.host).cmp(&(&other.host_name, other.host)));
    let kind = usual(hosts.iter().map(|on| on.network.kind)).unwrap_or_default();
    // VLANs are compared among those that are of one kind.
    let vlan = usual(hosts.iter().filter(|on| on.network.kind == kind).map(|on| on.network.vlan)).flatten();
    let machines = hosts.iter().map(|on| on.machines).sum();
    let mismatches = hosts.iter().flat_map(|on| mismatches(on, kind, vlan)).collect();
    NetworkView { name: name.to_owned(), kind, vlan, hosts, machines, mismatches }
}

fn mismatches(on: &NetworkOnHost, kind: NetworkKind, vlan: Option<u16>) -> Vec<NetworkMismatch> {
    let it = &on.network;
    let mut found = Vec::new();
    let mut is = |what, words: String| {
        found.push(NetworkMismatch { host: on.host, host_name: on.host_name.clone(), what, words });
    };
    let host = &on.host_name;
    if it.kind != kind {
        is(MismatchKind::Kind, format!("on host {host} it is {}, elsewhere {}", it.kind.word(), kind.word()));
    } else if it.vlan != vlan {
        let (here, elsewhere) = (in_vlan(it.vlan), in_vlan(vlan));
        is(MismatchKind::Vlan, format!("on host {host} it is {here}, elsewhere {elsewhere}"));
    }
    if !it.active {
        is(MismatchKind::Inactive, format!("on host {host} it is not active"));
    }
    if it.kind == NetworkKind::External && it.active && it.adapter.is_empty() {
        let words = format!("on host {host} no adapter leads outside: bridge {} has none", it.bridge);
        is(MismatchKind::NoAdapter, words);
    }
    found
}

fn in_vlan(vlan: Option<u16>) -> String {
    vlan.map_or("in no VLAN".to_owned(), |id| format!("in VLAN {id}"))
}

/// What occurs most; of two that do, the lower.
fn usual<T: Ord + Copy>(all: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(one, _)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(host: &str, kind: NetworkKind, vlan: Option<u16>, active: bool) -> NetworkOnHost {
        let network = HostNetwork {
            name: "lab".into(),
            kind,
            vlan,
            active,
            bridge: "br0".into(),
            adapter: "eno1".into(),
            ..HostNetwork::default()
        };
        let id = HostId(Uuid::from_u128(host.bytes().map(u128::from).sum()));
        NetworkOnHost { host: id, host_name: host.into(), answers: true, network, machines: 1 }
    }

    #[test]
    fn a_network_is_what_it_is_on_most_hosts_and_each_host_that_differs_is_named() {
        let view = logical(
            "lab",
            vec![
                on("c", NetworkKind::External, None, true),
                on("a", NetworkKind::External, Some(7), true),
                on("b", NetworkKind::External, Some(7), false),
                on("d", NetworkKind::Nat, None, true),
            ],
        );
        assert_eq!((view.kind, view.vlan, view.machines), (NetworkKind::External, Some(7), 4));
        let words: Vec<&str> = view.mismatches.iter().map(|one| one.words.as_str()).collect();
        assert_eq!(
            words,
            [
                "on host b it is not active",
                "on host c it is in no VLAN, elsewhere in VLAN 7",
                "on host d it is nat, elsewhere external",
            ]
        );
    }

    #[test]
    fn of_two_halves_that_differ_one_is_taken_always_the_same() {
        let (a, b) = (on("a", NetworkKind::Nat, None, true), on("b", NetworkKind::Internal, None, true));
        let one = logical("lab", vec![a.clone(), b.clone()]);
        assert_eq!(one, logical("lab", vec![b, a]));
        assert_eq!((one.kind, one.mismatches.len()), (NetworkKind::Internal, 1));
    }

    #[test]
    fn a_machine_on_the_bridge_itself_is_connected_to_its_network() {
        let network = on("a", NetworkKind::External, None, true).network;
        assert!(network.is_source("lab") && network.is_source("br0"));
        assert!(!network.is_source("other") && !network.is_source(""));
    }
}
