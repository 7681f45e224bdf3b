//! What a host is made of, as its agent finds it: processors, NUMA nodes, disks, adapters; and its file systems, which
//! are asked for when somebody looks, because what is free on them changes at every moment.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a host is made of. What is not known is 0, empty or absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HostHardware {
    /// How its logical processors come about.
    pub processors: Processors,
    /// Memory and the processors near to it, by node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numa: Vec<NumaNode>,
    /// Disks of the computer itself, by name; not what lies on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<PhysicalDisk>,
    /// Adapters, bridges, bonds and VLANs, by name; not the ends of machines' adapters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<HostAdapter>,
    /// What confines machines, as libvirt names it: `apparmor`, `selinux`; empty where nothing but accounts does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<String>,
}

/// How a host's logical processors come about: sockets × cores × threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Processors {
    /// Sockets.
    pub sockets: u32,
    /// Cores of a socket.
    pub cores: u32,
    /// Threads of a core.
    pub threads: u32,
    /// The highest clock that the computer says they have, MHz.
    pub mhz: u32,
}

/// A part of a host's memory with the processors near to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NumaNode {
    /// Its number.
    pub node: u32,
    /// Its memory in MiB.
    pub memory_mib: u64,
    /// Its logical processors, as the kernel writes them: `0-15,32-47`.
    pub cpus: String,
}

/// A disk of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PhysicalDisk {
    /// The kernel's name of it: `sda`, `nvme0n1`.
    pub name: String,
    /// Its model, as it says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Whether it turns; one that does not is solid, or somebody else's.
    pub rotates: bool,
    /// Whether it can be taken out.
    #[serde(skip_serializing_if = "is_false")]
    pub removable: bool,
    /// Whether it cannot be written.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
}

/// An adapter of a host, or something that is used as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HostAdapter {
    /// The kernel's name of it: `eno1`, `br0`.
    pub name: String,
    /// What it is.
    pub kind: AdapterKind,
    /// Its MAC address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Whether there is a link.
    pub up: bool,
    /// How fast the link is, in Mbit/s, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mbit_s: Option<u32>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// The bridge or bond that it is a part of.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub part_of: String,
    /// Its addresses with their networks' lengths: `192.0.2.7/24`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// What kind of adapter something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterKind {
    /// One that can be touched.
    Physical,
    /// A switch in the kernel: adapters of the host and of machines are its parts.
    Bridge,
    /// Several that act as one.
    Bond,
    /// A VLAN of another one.
    Vlan,
    /// Something else: one end of a pair, a tunnel.
    #[default]
    #[serde(other)]
    Other,
}

/// A file system of a host, as it is at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FileSystem {
    /// Where it is mounted.
    pub path: String,
    /// What is mounted there: a device, or a server's folder.
    pub source: String,
    /// Its type: `ext4`, `nfs4`.
    pub kind: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// What programs without privileges may still write, in bytes.
    pub free_bytes: u64,
    /// Whether it lies on another computer, so that several hosts may see the same.
    pub is_remote: bool,
    /// Whether it cannot be written.
    pub is_read_only: bool,
    /// Whether machines' folders lie on it.
    pub has_machines: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(is: &bool) -> bool {
    !is
}

impl AdapterKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            AdapterKind::Physical => "physical",
            AdapterKind::Bridge => "bridge",
            AdapterKind::Bond => "bond",
            AdapterKind::Vlan => "VLAN",
            AdapterKind::Other => "other",
        }
    }
}
