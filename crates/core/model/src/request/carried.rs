//! What larger requests carry, and what they carry in secret.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::hardware::{Firmware, Mac};
use crate::host::HostFacts;
use crate::ids::{AgentId, HostId, ItemId, TemplateId, TokenId};
use crate::name::Name;
use crate::template::Deploy;
use crate::time::Timestamp;
use crate::vm::StopAction;

/// Make a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateVm {
    /// Its name.
    pub name: Name,
    /// What it begins with.
    pub from: VmSource,
    /// Virtual processors; the template's, else 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory in MiB; the template's, else 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// What starts it; the template's, else BIOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    /// The size of its first disk in bytes: at least the image's, which is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// The host; placement chooses when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The folder in which its own is made, within those that its host allows; the host's usual one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether it is started.
    #[serde(default)]
    pub start: bool,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
    /// The network of its adapter; libvirt's `default` where the host has it active, else no adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The address of its adapter; one of the pool when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The VLAN of its adapter, 1 to 4094; none when absent or 0. The network has to be external there, and its host able.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Whether its adapter may send under other addresses than its own. False takes a host that can drop that; where
    /// absent it is dropped if the host can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_mac_spoofing: Option<bool>,
    /// Keys and values that the guest finds on a small seed disk.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seed: BTreeMap<String, String>,
    /// The best hosts as rated before the request was queued, best first. Filled by the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(ignore)]
    pub candidates: Vec<Candidate>,
}

/// A host as it was rated for a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Which.
    pub host: HostId,
    /// Half stars, 1 to 10.
    pub half_stars: u8,
    /// Why, in words.
    pub reasons: Vec<String>,
}

/// What a machine begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "is", deny_unknown_fields)]
pub enum VmSource {
    /// A template.
    Template {
        /// Which.
        template: TemplateId,
    },
    /// A disk in the library.
    Disk {
        /// Which.
        item: ItemId,
        /// How the disk gets to the host.
        #[serde(default)]
        deploy: Deploy,
    },
    /// An empty disk.
    Empty,
}

/// Change name, notes, tags; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EditVm {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Free text, at most 10,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Words to find it by, at most 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Name>>,
    /// What becomes of it when its host is shut down or restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_action: Option<StopAction>,
}

/// Let an agent in that came with a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrolAgent {
    /// The agent's id, drawn with its certificate.
    pub agent: AgentId,
    /// The token it came with.
    pub token: TokenId,
    /// The agent's version.
    pub version: String,
    /// The serial number of its certificate, hexadecimal.
    pub certificate: String,
    /// When the certificate runs out.
    pub certificate_until: Timestamp,
    /// What it says of its computer.
    pub facts: HostFacts,
}

/// A text that no job, log or interface holds: it is read, never written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;
    use crate::request::Request;

    #[test]
    fn a_secret_is_read_but_never_written() {
        let ask = Request::CreateUser {
            name: Name::new("bob").unwrap(),
            role: Role::ReadOnly,
            hash: Secret("$argon2id$very-secret".into()),
        };
        assert!(!serde_json::to_string(&ask).unwrap().contains("very-secret"));
        assert!(!format!("{ask:?}").contains("very-secret"));
        let read: Secret = serde_json::from_str("\"x\"").unwrap();
        assert_eq!(read.0, "x");
    }
}
