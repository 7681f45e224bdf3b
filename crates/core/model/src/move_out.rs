//! What agents are told of a machine that moves from one to the other, and of each other.

use serde::{Deserialize, Serialize};

use crate::ids::AgentId;

/// An agent at the other end of the data channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Which.
    pub agent: AgentId,
    /// The serial numbers of the certificates with which it is let in, hexadecimal.
    #[serde(default)]
    pub serials: Vec<String>,
    /// Whether what is large (a machine's memory, bases) may travel between the two without encryption. It does only where
    /// both are told so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unencrypted: bool,
}

/// The way to an agent that waits for a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Who waits there.
    pub to: Peer,
    /// Where, an address.
    pub address: String,
    /// At which port.
    pub port: u16,
    /// The move's ticket. It names the move and opens nothing: the door lets in only the certificates of [`Command::Receive`](crate::command::Command::Receive)'s
    /// peer, so whoever reads it in a record or beside a disk has gained nothing.
    pub ticket: String,
}

/// What a machine needs of the host that it is to be moved to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leaving {
    /// Its definition as it runs, libvirt's XML.
    pub definition: String,
    /// Its disk files, beside each of which lies a mark.
    pub files: Vec<String>,
    /// The networks of its adapters.
    pub networks: Vec<String>,
    /// The digests of the bases that its disks stand on.
    pub bases: Vec<String>,
    /// Whether its hypervisor starts it with the host.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub autostart: bool,
}
