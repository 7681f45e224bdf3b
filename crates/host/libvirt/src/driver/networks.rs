//! The networks of the host, as libvirt has them.

use hostler_hypervisor::Trouble;
use hostler_model::network::{HostNetwork, Lease};
use hostler_model::new_network::{NetworkSpec, label};
use hostler_model::{Code, Refusal, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Driver;
use crate::raw::{Connection, Error, Network};
use crate::xml::network;

/// Every network, by name. One that is taken away meanwhile, or whose definition makes no sense, is left out.
pub(super) fn networks(connection: &Connection) -> Result<Vec<HostNetwork>, Error> {
    let mut found = Vec::new();
    for one in connection.networks()? {
        match seen(&one) {
            Ok(network) => found.push(network),
            Err(why) if why.is_lost() => return Err(why),
            Err(why) => tracing::debug!(network = one.name(), %why, "a network cannot be read"),
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn seen(network: &Network<'_>) -> Result<HostNetwork, Error> {
    Ok(HostNetwork {
        active: network.is_active()?,
        autostart: network.autostart()?,
        persistent: network.is_persistent()?,
        ..network::read(&network.xml()?)?
    })
}

/// A network as it was when it was looked at, to be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptNetwork {
    name: String,
    xml: String,
    active: bool,
    autostart: bool,
}

impl Driver {
    /// Every network, by name.
    ///
    /// # Errors
    /// `Interrupted` when libvirt does not answer.
    pub fn networks(&self) -> Result<Vec<HostNetwork>, Trouble> {
        self.on_host(networks)
    }

    /// Makes a network that is not there: kept, active, and started with libvirt; or nothing at all. An external one stands
    /// on a bridge that is there.
    ///
    /// # Errors
    /// `network.failed` with what libvirt says.
    pub fn make_network(&self, id: Uuid, network: &NetworkSpec, bridge: Option<&str>) -> Result<(), Trouble> {
        let xml = network::write(id, network, bridge);
        self.on_network(&network.name, |connection| defined(connection, &xml, true, true))
    }

    /// Makes a network active that is not.
    ///
    /// # Errors
    /// As libvirt says. One that is not there is none.
    pub fn start_network(&self, name: &str) -> Result<(), Trouble> {
        self.on_network(name, |connection| match connection.network(name)? {
            Some(network) if !network.is_active()? => network.start(),
            _ => Ok(()),
        })
    }

    /// What makes the network with this id and name again; none where there is none.
    ///
    /// # Errors
    /// As libvirt says.
    pub fn kept_network(&self, id: Uuid, name: &str) -> Result<Option<KeptNetwork>, Trouble> {
        self.on_network(name, |connection| {
            let Some(network) = with_id(connection, id, name)? else { return Ok(None) };
            let (active, autostart) = (network.is_active()?, network.autostart()?);
            Ok(Some(KeptNetwork { name: name.to_owned(), xml: network.defined_xml()?, active, autostart }))
        })
    }

    /// Stops the network with this id and name and removes its definition. Absent is done.
    ///
    /// # Errors
    /// As libvirt says.
    pub fn remove_network(&self, id: Uuid, name: &str) -> Result<(), Trouble> {
        self.on_network(name, |connection| {
            let Some(network) = with_id(connection, id, name)? else { return Ok(()) };
            let persistent = network.is_persistent()?;
            if network.is_active()? {
                network.stop()?;
            }
            if persistent { network.undefine() } else { Ok(()) }
        })
    }

    /// Makes a network again that was removed.
    ///
    /// # Errors
    /// As libvirt says.
    pub fn put_network(&self, kept: &KeptNetwork) -> Result<(), Trouble> {
        self.on_network(&kept.name, |connection| defined(connection, &kept.xml, kept.active, kept.autostart))
    }

    fn on_network<T>(
        &self,
        name: &str,
        call: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        self.on_host(call).map_err(|trouble| match trouble {
            Trouble::Failed(why) => Trouble::Failed(
                Refusal::new(Code::NetworkFailed, label(name), why.cause)
                    .remedy("See what libvirt says of it on the host: virsh net-list --all"),
            ),
            other => other,
        })
    }

    /// The addresses that the host has given on a network of its own, by address.
    ///
    /// # Errors
    /// `object.not.found` where there is no such network.
    pub fn leases(&self, network: &str) -> Result<Vec<Lease>, Trouble> {
        let found = self.on_host(|connection| match connection.network(network)? {
            // One that is not active gives none, and libvirt does not take the question.
            Some(network) if network.is_active()? => network.leases().map(Some),
            Some(_) => Ok(Some(Vec::new())),
            None => Ok(None),
        })?;
        let found =
            found.ok_or_else(|| Trouble::Refused(Refusal::not_found(format!("network {network}"))))?;
        let mut leases: Vec<Lease> = found
            .into_iter()
            .map(|lease| Lease {
                mac: lease.mac,
                address: lease.address,
                calls_itself: lease.host_name,
                until: (lease.until_s > 0).then(|| Timestamp(lease.until_s.saturating_mul(1_000))),
            })
            .collect();
        leases.sort_by(|one, other| {
            (parsed(&one.address), &one.mac).cmp(&(parsed(&other.address), &other.mac))
        });
        Ok(leases)
    }
}

/// Defines a network, and sets it as it is to be; or takes the definition away again.
fn defined(connection: &Connection, xml: &str, active: bool, autostart: bool) -> Result<(), Error> {
    let network = connection.define_network(xml)?;
    let set = network.set_autostart(autostart).and_then(|()| if active { network.start() } else { Ok(()) });
    if set.is_err() {
        // What it is refused for is told, not that it could not be taken away either.
        let _ = network.undefine();
    }
    set
}

fn with_id<'c>(connection: &'c Connection, id: Uuid, name: &str) -> Result<Option<Network<'c>>, Error> {
    let Some(network) = connection.network(name)? else { return Ok(None) };
    Ok(if network.uuid()? == id { Some(network) } else { None })
}

/// As addresses are ordered, those that are none first.
fn parsed(address: &str) -> Option<std::net::IpAddr> {
    address.parse().ok()
}
