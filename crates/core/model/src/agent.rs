//! An agent, and so a managed computer: what serves as host, library server, or both.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{AgentId, HostGroupId, TokenId};
use crate::name::Name;
use crate::time::Timestamp;

/// What stands before an agent's id in the name that its certificate gives it: the server's authority writes it, and
/// server and other agents tell by it whom they speak with.
pub const CERTIFICATE_NAME: &str = "hostler:agent:";

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The computer's name.
    pub name: Name,
    /// What the computer serves as.
    pub roles: Roles,
    /// The agent's version.
    pub version: String,
    /// The serial number (hexadecimal) of the certificate that it uses. No other is let in, but for the renewed one.
    pub certificate: String,
    /// When that certificate runs out.
    pub certificate_until: Timestamp,
    /// The certificate that it was given in place of that one and has not used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<Certificate>,
    /// When it was enrolled.
    pub enrolled: Timestamp,
}

/// A certificate of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// When it runs out.
    pub until: Timestamp,
}

impl Agent {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("agent {}", self.name)
    }

    /// The serial numbers of the certificates with which it is let in: one, and another between a renewal and the first
    /// use of what came of it.
    pub fn certificates(&self) -> Vec<&str> {
        let renewed = self.renewed.iter().map(|renewed| renewed.serial.as_str());
        std::iter::once(self.certificate.as_str()).chain(renewed).collect()
    }

    /// Its renewed certificate becomes the one that it uses, if this is its serial number; from then on the one before is
    /// good no more.
    pub fn uses(&mut self, serial: &str) {
        if let Some(renewed) = self.renewed.take_if(|renewed| renewed.serial == serial) {
            (self.certificate, self.certificate_until) = (renewed.serial, renewed.until);
        }
    }
}

/// What a managed computer serves as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Roles {
    /// Runs machines.
    pub host: bool,
    /// Serves library shares.
    pub library: bool,
}

/// A token that lets one computer enrol once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Enrolment {
    /// Its id.
    pub id: TokenId,
    /// SHA-256 of the token, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// What the computer may serve as.
    pub roles: Roles,
    /// The only host name it is good for; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The group that the host is put into; *All Hosts* when absent, and when the group is gone by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<HostGroupId>,
    /// When it runs out: an hour after it was made.
    pub expires: Timestamp,
    /// Which agent used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<AgentId>,
    /// When it was made.
    pub created: Timestamp,
}
