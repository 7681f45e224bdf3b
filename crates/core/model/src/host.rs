//! A host: a computer that runs virtual machines, as its agent describes it and as administrators set it up.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::HostId;
use crate::name::Name;
use crate::time::Timestamp;

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Host {
    /// Its id, the same value as its agent's.
    pub id: HostId,
    /// The name people call it: at first its host name.
    pub name: Name,
    /// What administrators set.
    pub spec: HostSpec,
    /// What its agent last said of it.
    pub facts: HostFacts,
    /// An administrator declared that it will never return, at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_since: Option<Timestamp>,
    /// When it entered the record.
    pub created: Timestamp,
}

impl Host {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("host {}", self.name)
    }

    /// Memory that machines may use, in MiB.
    pub fn usable_memory_mib(&self) -> u64 {
        self.facts.memory_mib.saturating_sub(self.spec.reserve.memory_mib)
    }
}

/// What administrators set for a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostSpec {
    /// Whether placement may choose it.
    #[serde(default = "yes")]
    pub available: bool,
    /// What is kept for the host itself.
    #[serde(default)]
    pub reserve: Reserve,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

fn yes() -> bool {
    true
}

impl Default for HostSpec {
    fn default() -> Self {
        Self { available: true, reserve: Reserve::default(), notes: String::new() }
    }
}

/// What is kept for a host itself, so that placement does not give it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Reserve {
    // The defaults are the old manager's, memory as its host view shows it (V-021).
    /// Processor, percent of the whole host. Default 20.
    pub cpu_percent: u32,
    /// Memory in MiB. Default 512.
    pub memory_mib: u64,
    /// Disk space in MiB. Default 100.
    pub disk_mib: u64,
}

impl Default for Reserve {
    fn default() -> Self {
        Self { cpu_percent: 20, memory_mib: 512, disk_mib: 100 }
    }
}

/// What an agent says of its computer. Nothing in it changes from second to second: load is not a fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HostFacts {
    /// The computer's name.
    pub host_name: String,
    /// The operating system in words.
    pub os: String,
    /// The kernel's version.
    pub kernel: String,
    /// The processor's model.
    pub cpu_model: String,
    /// Logical processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Whether hardware virtualization works.
    pub kvm: Kvm,
    /// libvirt's version; empty when it does not answer.
    pub libvirt: String,
    /// QEMU's version; empty when it is not installed.
    pub qemu: String,
    /// Whether libvirt answers.
    pub libvirt_answers: bool,
    /// The folder in which machines' folders are made.
    pub vm_folder: String,
    /// The folder in which bases are kept.
    pub base_folder: String,
    /// Networks to which adapters can be connected now.
    pub networks: Vec<String>,
    /// The kernel's boot id.
    pub boot_id: String,
}

/// Whether hardware virtualization works: tried by booting, not believed from a device file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Kvm {
    /// A probe booted through the firmware.
    Works,
    /// It does not: machines run under emulation, slowly.
    Fails {
        /// Why, in words.
        why: String,
    },
    /// Not tried yet.
    #[default]
    #[serde(other)]
    Untried,
}

/// A host's load at a moment. Volatile: kept beside the record, never in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Load {
    /// Processor use, percent of the whole host, over the last heartbeat interval.
    pub cpu_percent: f32,
    /// Memory that could be given away now, in MiB.
    pub memory_available_mib: u64,
    /// Size of the file system of the machines' folder, in MiB.
    pub disk_total_mib: u64,
    /// Free space there, in MiB.
    pub disk_free_mib: u64,
    /// How long the computer has been up, in seconds.
    pub uptime_s: u64,
}
