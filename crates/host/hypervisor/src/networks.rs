//! Networks of a host: what a driver can do for them ([`Networks`]), and how the commands about them are carried out over
//! it.
//!
//! A network that takes an adapter may cut the very line over which it was asked for. So it is made on trial: whoever
//! stands behind [`Networks`] takes it back by itself unless it is confirmed in time, and after a death as well.

use hostler_model::command::Command;
use hostler_model::network::HostNetwork;
use hostler_model::new_network::{NetworkSpec, label};
use hostler_model::{Code, Refusal};
use uuid::Uuid;

use crate::Trouble;
use crate::perform::{Part, Step, World, done, refused};

/// How long a network that takes an adapter is on trial, in milliseconds.
pub const TRIAL_MS: u64 = 30_000;
/// How many machines are named that are connected.
const NAMED: usize = 5;

/// The networks of one host. Calls block until they have ended; each acts and checks nothing that is checked here.
pub trait Networks: Send + Sync {
    /// Every network, by name.
    fn networks(&self) -> Result<Vec<HostNetwork>, Trouble>;
    /// Makes a network that the host does not have, with this id, active and started with the host: whole or not at all.
    /// One that takes an adapter is on trial from then on.
    fn make_network(&self, id: Uuid, network: &NetworkSpec) -> Result<(), Trouble>;
    /// Ends the trial of a network well. False when there is none of this id, or when it is being taken back.
    fn confirm_network(&self, id: Uuid) -> Result<bool, Trouble>;
    /// Removes a network, and remembers it as it was. Of one that is gone it removes what is left.
    fn remove_network(&self, id: Uuid, name: &str) -> Result<(), Trouble>;
    /// Whether something is left of a network that libvirt does not have: a bridge over an adapter.
    fn is_left(&self, _id: Uuid) -> bool {
        false
    }
    /// Makes a network again that was removed. False when nothing is remembered of it.
    fn restore_network(&self, id: Uuid, name: &str) -> Result<bool, Trouble>;
}

/// A host on which networks cannot be changed.
pub struct NoNetworks;

impl NoNetworks {
    fn none<T>() -> Result<T, Trouble> {
        let refusal = Refusal::new(Code::AgentUnsupported, "networks", "this agent does not change any");
        Err(Trouble::Refused(refusal))
    }
}

impl Networks for NoNetworks {
    fn networks(&self) -> Result<Vec<HostNetwork>, Trouble> {
        Ok(Vec::new())
    }
    fn make_network(&self, _: Uuid, _: &NetworkSpec) -> Result<(), Trouble> {
        Self::none()
    }
    fn confirm_network(&self, _: Uuid) -> Result<bool, Trouble> {
        Self::none()
    }
    fn remove_network(&self, _: Uuid, _: &str) -> Result<(), Trouble> {
        Self::none()
    }
    fn restore_network(&self, _: Uuid, _: &str) -> Result<bool, Trouble> {
        Self::none()
    }
}

fn named(world: &World<'_>, name: &str) -> Result<Option<HostNetwork>, Trouble> {
    Ok(world.networks.networks()?.into_iter().find(|network| network.name == name))
}

impl Step<'_> {
    /// The commands about networks.
    pub(crate) fn begin_network(&self) -> Part {
        let networks = self.world.networks;
        match self.command {
            Command::MakeNetwork { id, network } => match named(self.world, &network.name)? {
                Some(there) if there.id == *id => done(),
                Some(_) => refused(
                    Refusal::new(Code::NameTaken, network.label(), "the host has another one of this name")
                        .remedy("Choose another name, or remove that one from the host first"),
                ),
                None => networks.make_network(*id, network).and_then(|()| done()),
            },
            Command::ConfirmNetwork { id, name } => match networks.confirm_network(*id)? {
                true => done(),
                false => refused(rolled_back(name)),
            },
            Command::RemoveNetwork { id, name } => self.remove_network(*id, name),
            Command::RestoreNetwork { id, name } => match named(self.world, name)? {
                Some(_) => done(),
                None if networks.restore_network(*id, name)? => done(),
                None => refused(
                    Refusal::new(Code::NetworkFailed, label(name), "the host does not remember what it was")
                        .remedy("Make it anew"),
                ),
            },
            _ => done(),
        }
    }

    fn remove_network(&self, id: Uuid, name: &str) -> Part {
        // What bears another id is not what was meant: as far as this goes, nothing is there.
        let Some(network) = named(self.world, name)?.filter(|there| there.id == id) else {
            // An earlier attempt may have been cut short.
            return match self.world.networks.is_left(id) {
                true => self.world.networks.remove_network(id, name).and_then(|()| done()),
                false => done(),
            };
        };
        let mut connected = Vec::new();
        for seen in self.world.machines.list()? {
            if seen.adapters.iter().any(|adapter| network.is_source(&adapter.network)) {
                connected.push(seen.title.unwrap_or(seen.name));
            }
        }
        if connected.is_empty() {
            return self.world.networks.remove_network(id, name).and_then(|()| done());
        }
        let kept = if self.undo { "kept: " } else { "" };
        refused(
            Refusal::new(Code::ObjectInUse, label(name), format!("{kept}{}", in_use(&connected)))
                .remedy("Connect the machines to another network, or delete them"),
        )
    }
}

/// Who is connected, in words.
fn in_use(machines: &[String]) -> String {
    let first: Vec<&str> = machines.iter().take(NAMED).map(String::as_str).collect();
    let more = machines.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("these machines are connected: {}{more}", first.join(", "))
}

fn rolled_back(name: &str) -> Refusal {
    let cause = format!(
        "the host was not reached over it within {} s, and has taken it back by itself",
        TRIAL_MS / 1_000
    );
    Refusal::new(Code::NetworkRolledBack, label(name), cause).remedy(
        "See whether the adapter leads where the server is, and whether its switch lets a bridge through",
    )
}

/// Whether a command about networks took effect.
pub(crate) fn probe_network(command: &Command, world: &World<'_>) -> Result<bool, Trouble> {
    Ok(match command {
        Command::MakeNetwork { id, network } => {
            named(world, &network.name)?.is_some_and(|there| there.id == *id)
        }
        Command::ConfirmNetwork { id, .. } => world.networks.confirm_network(*id)?,
        Command::RemoveNetwork { id, name } => {
            named(world, name)?.is_none_or(|there| there.id != *id) && !world.networks.is_left(*id)
        }
        Command::RestoreNetwork { name, .. } => named(world, name)?.is_some(),
        _ => false,
    })
}
