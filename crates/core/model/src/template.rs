//! A template: from what, and with which hardware, machines are made.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Refusal;
use crate::hardware::{Firmware, check_cpus, check_memory};
use crate::ids::{ItemId, TemplateId};
use crate::name::Name;
use crate::time::Timestamp;

/// A template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// What it says.
    pub spec: TemplateSpec,
    /// When it entered the record.
    pub created: Timestamp,
}

impl Template {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("template {}", self.spec.name)
    }
}

/// What a template says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateSpec {
    /// The name people call it.
    pub name: Name,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// The library disk that machines begin with.
    pub disk: ItemId,
    /// Virtual processors.
    #[serde(default = "one")]
    pub cpus: u32,
    /// Memory in MiB.
    #[serde(default = "default_memory")]
    pub memory_mib: u64,
    /// What starts the machine.
    #[serde(default)]
    pub firmware: Firmware,
    /// How the disk gets to the host.
    #[serde(default)]
    pub deploy: Deploy,
}

impl TemplateSpec {
    /// Checks counts and sizes.
    ///
    /// # Errors
    /// `value.invalid`.
    pub fn check(&self) -> Result<(), Refusal> {
        check_cpus(self.cpus)?;
        check_memory(self.memory_mib)
    }
}

fn one() -> u32 {
    1
}

/// Memory of a new machine where nothing else is said: 512 MiB, the old manager's default (S4).
pub fn default_memory() -> u64 {
    512
}

/// How a library disk becomes a machine's disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deploy {
    /// An overlay on an immutable base on the host: at once, thin.
    #[default]
    Overlay,
    /// A sparse copy of its own.
    Copy,
}
