//! What is asked of networks.

use std::collections::BTreeMap;

use hostler_model::HostId;
use hostler_model::network::NetworkKind;
use hostler_model::new_network::NetworkSpec;
use hostler_model::request::Request;

use crate::world::World;

impl World {
    /// A network on one host or two, of a kind that needs nothing of a host.
    pub(crate) fn new_network(&mut self) -> Option<Request> {
        let mut network = NetworkSpec { name: self.some_name("net")?.to_string(), ..NetworkSpec::default() };
        if self.dice.chance(500) {
            network.kind = NetworkKind::Private;
        } else {
            network.kind = NetworkKind::Nat;
            network.address = Some("10.20.0.1/24".into());
        }
        let first = self.dice.between(0, self.agents.len() as u64) as usize;
        let mut hosts: Vec<HostId> = vec![self.agents[first].id.into()];
        if self.dice.chance(600) {
            let other = (first + 1) % self.agents.len();
            hosts.push(self.agents[other].id.into());
        }
        hosts.dedup();
        Some(Request::CreateNetwork { network, hosts })
    }

    /// A network that hosts have, from all that have it.
    pub(crate) fn network_to_remove(&mut self) -> Option<Request> {
        let mut by_name: BTreeMap<String, Vec<HostId>> = BTreeMap::new();
        for host in self.drive.as_ref()?.engine().inventory().hosts() {
            for network in &host.facts.host_networks {
                by_name.entry(network.name.clone()).or_default().push(host.id);
            }
        }
        let all: Vec<_> = by_name.into_iter().collect();
        let (name, hosts) = self.dice.pick(&all)?.clone();
        Some(Request::RemoveNetwork { name, hosts })
    }
}
