//! What is said at an enrolment, the one call of a computer that has no certificate yet.

use std::net::IpAddr;

use hostler_model::host::HostFacts;
use hostler_model::{AgentId, InstallationId, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::authority::{Authority, Issued};

/// What the agent sends. The secret itself travels, inside TLS to a server whose authority was checked: the server
/// keeps only its hash, and so proves nothing to anybody who reads its store.
#[derive(Serialize, Deserialize)]
pub(crate) struct EnrolRequest {
    /// The token's secret, base64url.
    pub(crate) token: String,
    /// The public point, base64url.
    pub(crate) point: String,
    /// The proof that the sender holds the key, base64url.
    pub(crate) signature: String,
    /// The agent's version.
    pub(crate) version: String,
    /// What it says of its computer.
    pub(crate) host: HostFacts,
}

/// What the server answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub(crate) enum EnrolReply {
    Enrolled { enrolled: Enrolled },
    Refused { refusal: Refusal },
}

/// A request to enrol, as the server's code gets it. That the sender holds the key has been proven; whether the
/// token is good is for the receiver to find out.
#[derive(Clone, Debug)]
pub struct EnrolAsk {
    /// SHA-256 of the token's secret, 64 hexadecimal digits, as [`EnrolmentToken::sha256`](crate::EnrolmentToken).
    pub token_sha256: String,
    /// The public point for [`Authority::sign_agent`](crate::Authority::sign_agent).
    pub public_point: Vec<u8>,
    /// The agent's version.
    pub version: String,
    /// What it says of its computer, the host name included.
    pub host: HostFacts,
    /// Where it calls from.
    pub remote: IpAddr,
}

/// What an agent gets when it enrols: all it needs to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Its id.
    pub agent: AgentId,
    /// The installation it belongs to.
    pub installation: InstallationId,
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// When that certificate was issued; 0 from a server that does not say it.
    #[serde(default)]
    pub certificate_from: Timestamp,
    /// When that certificate runs out.
    pub certificate_until: Timestamp,
    /// The authority's certificate, PEM.
    pub authority_pem: String,
}

impl Enrolled {
    /// Of what the authority issued.
    pub fn new(agent: AgentId, installation: InstallationId, issued: Issued, authority: &Authority) -> Self {
        Self {
            agent,
            installation,
            certificate_pem: issued.certificate_pem,
            certificate_from: issued.from,
            certificate_until: issued.until,
            authority_pem: authority.certificate_pem().to_owned(),
        }
    }
}
