//! What a host says about a machine. Facts, not wishes: the host is the truth about the host.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::hardware::{Bus, DiskFormat, Mac};
use crate::ids::{InstallationId, VmId};
use crate::time::Timestamp;

/// A machine as its host shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// The domain's UUID.
    #[schema(value_type = String, format = Uuid)]
    pub domain: Uuid,
    /// The domain's name in libvirt.
    pub name: String,
    /// Its title in libvirt; Hostler writes the machine's name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who says to manage it, from the domain's metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Whether it runs.
    pub power: Power,
    /// Virtual processors, as defined.
    pub cpus: u32,
    /// Memory in MiB, as defined.
    pub memory_mib: u64,
    /// Disks and drives, as defined, ordered by target.
    #[serde(default)]
    pub disks: Vec<SeenDisk>,
    /// Network adapters, as defined.
    #[serde(default)]
    pub adapters: Vec<SeenAdapter>,
    /// Whether the guest's agent holds its channel open.
    #[serde(default)]
    pub guest_agent: bool,
    /// Whether a definition is kept on the host; a transient machine is gone once it is off.
    #[serde(default = "yes")]
    pub persistent: bool,
    /// Whether libvirt starts it with the host. Hostler never asks for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub autostart: bool,
    /// The snapshots that libvirt keeps of it, by name, in order: somebody else made them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Seen {
    /// The machine's id, where the metadata is its own: `virt-clone` copies metadata, so an identity whose domain is
    /// not this domain belongs to the machine that was cloned.
    pub fn vm_id(&self, installation: InstallationId) -> Option<VmId> {
        self.identity.filter(|i| i.domain == self.domain && i.installation == installation).map(|i| i.vm)
    }

    /// Another installation's claim on the machine.
    pub fn claimed_by_other(&self, installation: InstallationId) -> Option<InstallationId> {
        self.identity
            .filter(|i| i.domain == self.domain && i.installation != installation)
            .map(|i| i.installation)
    }
}

/// The three ids that Hostler keeps in a domain's metadata, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The machine.
    pub vm: VmId,
    /// The domain for which it was written.
    #[schema(value_type = String, format = Uuid)]
    pub domain: Uuid,
    /// The installation of Hostler that manages it.
    pub installation: InstallationId,
}

/// A disk or drive as its host shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenDisk {
    /// `vda`, `sda` and so on.
    pub target: String,
    /// The file; none in an empty drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The format named in the definition.
    pub format: DiskFormat,
    /// How it is attached.
    pub bus: Bus,
    /// How large the guest sees it, in bytes; none where the agent cannot tell: it looks only into its own folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Whether it is a DVD drive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dvd: bool,
}

/// A network adapter as its host shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenAdapter {
    /// Its hardware address.
    pub mac: Mac,
    /// The network, bridge or other source it is connected to; empty when none.
    pub network: String,
    /// The VLAN in which it is, 1 to 4094; absent where frames are as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Whether what it sends under another address than its own is dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spoofing_filter: bool,
}

/// Power as the host says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// Its processors run.
    Running,
    /// Paused by somebody.
    Paused,
    /// Paused because a disk's storage is full: free space, then resume.
    PausedStorageFull,
    /// Paused because a disk's storage fails.
    PausedStorageFailing,
    /// Paused while something is under way on the host (a save, a migration, a start).
    PausedBusy,
    /// The guest was asked to shut down and is about it.
    ShuttingDown,
    /// Not running.
    Off,
    /// Not running, its memory saved on the host.
    Saved,
    /// Its process ended by itself or by force from outside.
    Crashed,
    /// Suspended to memory by the guest.
    Suspended,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Power {
    /// Whether a process on the host holds the machine (so that it may not be deleted, nor started elsewhere).
    pub fn is_on(self) -> bool {
        match self {
            Power::Running
            | Power::Paused
            | Power::PausedStorageFull
            | Power::PausedStorageFailing
            | Power::PausedBusy
            | Power::ShuttingDown
            | Power::Suspended
            | Power::Unknown => true,
            Power::Off | Power::Saved | Power::Crashed => false,
        }
    }

    /// Whether a person or the storage paused it.
    pub fn is_paused(self) -> bool {
        matches!(self, Power::Paused | Power::PausedStorageFull | Power::PausedStorageFailing)
    }

    /// The state in words.
    pub fn words(self) -> &'static str {
        match self {
            Power::Running => "running",
            Power::Paused => "paused",
            Power::PausedStorageFull => "paused: storage full",
            Power::PausedStorageFailing => "paused: storage failing",
            Power::PausedBusy => "paused: busy",
            Power::ShuttingDown => "shutting down",
            Power::Off => "off",
            Power::Saved => "saved",
            Power::Crashed => "crashed",
            Power::Suspended => "suspended by the guest",
            Power::Unknown => "unknown",
        }
    }
}

/// Where a fact stands in its agent's history. Of two orders with one journal the greater is the newer; another
/// journal's facts are newer than all of the one before, because an agent gets a new journal only by losing the old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// The agent's journal.
    #[schema(value_type = String, format = Uuid)]
    pub journal: Uuid,
    /// The agent's start, counted in the journal.
    pub run: u64,
    /// The fact, counted within the run.
    pub seq: u64,
}

impl Order {
    /// Whether a fact with this order is older than what is known, so that the record would go back.
    pub fn is_before(self, known: Order) -> bool {
        self.journal == known.journal && (self.run, self.seq) < (known.run, known.seq)
    }
}

/// A fact that was taken into the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Observed {
    /// What was seen last.
    pub seen: Seen,
    /// Whether the host has shown since that it does not have the machine any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Its place in the agent's history.
    pub order: Order,
    /// When the record took it.
    pub at: Timestamp,
}
