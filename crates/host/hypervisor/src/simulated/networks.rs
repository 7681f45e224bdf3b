//! Simulated networks: made, tried, removed and remembered.

use hostler_model::network::HostNetwork;
use hostler_model::new_network::{NetworkSpec, label};
use hostler_model::{Code, Refusal};
use uuid::Uuid;

use super::{SimulatedHost, What};
use crate::Trouble;
use crate::networks::{Networks, TRIAL_MS};

impl SimulatedHost {
    /// The networks as they truly are, by name.
    pub fn true_networks(&self) -> Vec<HostNetwork> {
        self.lock().networks.clone()
    }

    /// Makes a network behind the agent's back.
    pub fn put_network(&self, network: HostNetwork) {
        let mut inner = self.lock();
        inner.networks.retain(|there| there.name != network.name);
        inner.networks.push(network);
        inner.networks.sort_by(|one, other| one.name.cmp(&other.name));
    }
}

impl super::Inner {
    /// Takes back what was not confirmed in time.
    pub(super) fn end_trials(&mut self) {
        let now = self.now;
        let over: Vec<Uuid> =
            self.trials.iter().filter(|(_, until)| **until <= now).map(|(id, _)| *id).collect();
        for id in over {
            self.take_network_back(id);
        }
    }

    /// An agent that starts anew takes back whatever was on trial.
    pub(super) fn take_trials_back(&mut self) {
        for id in self.trials.keys().copied().collect::<Vec<_>>() {
            self.take_network_back(id);
        }
    }

    fn take_network_back(&mut self, id: Uuid) {
        self.trials.remove(&id);
        self.networks.retain(|there| there.id != id);
    }
}

impl Networks for SimulatedHost {
    fn networks(&self) -> Result<Vec<HostNetwork>, Trouble> {
        self.look(|inner| Ok(inner.networks.clone()))
    }

    fn make_network(&self, id: Uuid, network: &NetworkSpec) -> Result<(), Trouble> {
        self.change(What::NetworkMade, &network.name, |inner, _| {
            if inner.networks.iter().any(|there| there.name == network.name) {
                let cause = "operation failed: network already exists";
                return Err(Trouble::Failed(Refusal::new(Code::NetworkFailed, network.label(), cause)));
            }
            inner.networks.push(HostNetwork {
                name: network.name.clone(),
                id,
                kind: network.kind,
                bridge: format!("virbr{}", id.as_bytes()[15]),
                adapter: network.adapter.clone().unwrap_or_default(),
                vlan: network.vlan,
                vlan_filtering: None,
                addresses: network.address.iter().cloned().collect(),
                dhcp: network.dhcp.iter().cloned().collect(),
                active: true,
                autostart: true,
                persistent: true,
            });
            inner.networks.sort_by(|one, other| one.name.cmp(&other.name));
            if network.adapter.is_some() {
                inner.trials.insert(id, inner.now + TRIAL_MS);
            }
            Ok(())
        })
    }

    fn confirm_network(&self, id: Uuid) -> Result<bool, Trouble> {
        let mut inner = self.lock();
        inner.answering()?;
        inner.trials.remove(&id);
        Ok(inner.networks.iter().any(|there| there.id == id))
    }

    fn remove_network(&self, id: Uuid, name: &str) -> Result<(), Trouble> {
        self.change(What::NetworkRemoved, name, |inner, _| {
            inner.trials.remove(&id);
            let Some(at) = inner.networks.iter().position(|there| there.id == id) else {
                return Err(Trouble::Failed(Refusal::not_found(label(name))));
            };
            let was = inner.networks.remove(at);
            inner.removed_networks.insert(id, was);
            Ok(())
        })
    }

    fn restore_network(&self, id: Uuid, name: &str) -> Result<bool, Trouble> {
        self.change(What::NetworkMade, name, |inner, _| {
            let Some(was) = inner.removed_networks.remove(&id) else { return Ok(false) };
            inner.networks.push(was);
            inner.networks.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(true)
        })
    }
}
