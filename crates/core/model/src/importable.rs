//! Machines that lie on a host's storage and that its hypervisor does not know: their definitions, in files below the
//! folders that are allowed. A definition is somebody's text: nothing in it is believed before it was checked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::name::Name;
use crate::seen::Seen;

/// The most machines that are listed in one answer.
pub const MOST_IMPORTABLE: usize = 200;

/// A machine that could be imported, as the definition on the storage describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Importable {
    /// The file with its definition, an absolute path on the host.
    pub file: String,
    /// What the file holds, SHA-256 in hexadecimal: what is imported is what was looked at.
    pub sha256: String,
    /// The machine as it would be seen; it is off.
    pub seen: Seen,
    /// Those of its disks' files that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Why it is not imported as it is, each in words; empty when it can be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// Machines on a host's storage that could be imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ImportablesView {
    /// The machines, by name.
    pub machines: Vec<Importable>,
    /// Whether the folders hold more than was looked at.
    pub more: bool,
}

/// Import a machine from a host's storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportVm {
    /// The file with its definition, an absolute path on the host within an allowed folder.
    pub file: String,
    /// What it is to be called; as its definition says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}
