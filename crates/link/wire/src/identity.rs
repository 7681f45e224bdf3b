//! Who an agent is: the files in its `identity` folder.

use std::fs;
use std::path::{Path, PathBuf};

use hostler_model::{AgentId, InstallationId, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::enrol::Enrolled;
use crate::files;
use crate::key::AgentKey;

const KEY: &str = "agent.key";
/// The key before the last renewal: a renewal cut short leaves the old certificate, and this is its key.
const KEY_BEFORE: &str = "agent.key.before";
const CERTIFICATE: &str = "agent.crt";
const AUTHORITY: &str = "authority.crt";
const ABOUT: &str = "agent.json";

/// Why an identity cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is none: the agent has not enrolled.
    #[error("{0}: this computer is not enrolled")]
    None(PathBuf),
    /// A file could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {cause}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
}

/// What stands in `agent.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The agent's id.
    pub agent: AgentId,
    /// The installation it belongs to.
    pub installation: InstallationId,
    /// Where the server is: `host:port`.
    pub server: String,
    /// When the certificate runs out; to be renewed at two thirds of its life.
    pub certificate_until: Timestamp,
}

/// An agent's identity.
#[derive(Debug)]
pub struct Identity {
    /// Who it is, and where its server is.
    pub about: About,
    /// Its key.
    pub key: AgentKey,
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// The certificate of the authority that it trusts, PEM.
    pub authority_pem: String,
}

impl Identity {
    /// Of what an enrolment, or a renewal, brought.
    pub fn new(server: &str, key: AgentKey, enrolled: Enrolled) -> Self {
        Self {
            about: About {
                agent: enrolled.agent,
                installation: enrolled.installation,
                server: server.to_owned(),
                certificate_until: enrolled.certificate_until,
            },
            key,
            certificate_pem: enrolled.certificate_pem,
            authority_pem: enrolled.authority_pem,
        }
    }

    /// Whether `dir` holds an identity.
    pub fn exists(dir: &Path) -> bool {
        dir.join(ABOUT).exists()
    }

    /// Reads the identity in `dir`.
    pub fn load(dir: &Path) -> Result<Self, IdentityError> {
        if !Self::exists(dir) {
            return Err(IdentityError::None(dir.into()));
        }
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|cause| IdentityError::File { path, cause })
        };
        let damaged = |name: &str, cause: String| IdentityError::Damaged { path: dir.join(name), cause };
        let about = serde_json::from_str(&read(ABOUT)?).map_err(|e| damaged(ABOUT, e.to_string()))?;
        let key = AgentKey::from_pem(&read(KEY)?).map_err(|e| damaged(KEY, e.to_string()))?;
        let mut identity =
            Self { about, key, certificate_pem: read(CERTIFICATE)?, authority_pem: read(AUTHORITY)? };
        if !identity.belongs_together().map_err(|e| damaged(CERTIFICATE, e))? {
            let before = read(KEY_BEFORE).ok().and_then(|pem| AgentKey::from_pem(&pem).ok());
            identity.key = before.unwrap_or(identity.key);
        }
        match identity.belongs_together() {
            Ok(true) => Ok(identity),
            _ => Err(damaged(KEY, format!("it is not the key of {CERTIFICATE}"))),
        }
    }

    /// Writes the identity into `dir` (narrowed to 0700; the key's file to 0600).
    pub fn save(&self, dir: &Path) -> Result<(), IdentityError> {
        files::private_dir(dir).map_err(|cause| IdentityError::File { path: dir.into(), cause })?;
        let file = |name: &str, mode, content: &str| {
            files::write(dir, name, mode, content.as_bytes())
                .map_err(|cause| IdentityError::File { path: dir.join(name), cause })
        };
        let key = self.key.to_pem();
        if let Ok(before) = fs::read_to_string(dir.join(KEY))
            && before != key
        {
            file(KEY_BEFORE, 0o600, &before)?;
        }
        file(KEY, 0o600, &key)?;
        file(CERTIFICATE, 0o644, &self.certificate_pem)?;
        file(AUTHORITY, 0o644, &self.authority_pem)?;
        file(ABOUT, 0o644, &serde_json::json!(self.about).to_string())
    }

    /// Whether the certificate is for the key.
    fn belongs_together(&self) -> Result<bool, String> {
        let (certificate, _) = self.certificates()?;
        Ok(certificate.windows(crate::POINT_BYTES).any(|w| w == self.key.public_point()))
    }

    /// The agent's certificate and the authority's.
    pub(crate) fn certificates(&self) -> Result<(CertificateDer<'static>, CertificateDer<'static>), String> {
        let read = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| e.to_string());
        Ok((read(&self.certificate_pem)?, read(&self.authority_pem)?))
    }
}
