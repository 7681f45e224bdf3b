//! Who an agent is: the file in its `identity` folder. Key and certificate stand in one file, so that no death and no
//! loss of power ever leaves one of them without the other.

use std::fs;
use std::path::{Path, PathBuf};

use hostler_model::{AgentId, InstallationId, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::enrol::Enrolled;
use crate::files;
use crate::key::AgentKey;
use crate::renewal::Renewed;

const FILE: &str = "agent.json";

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

/// What anybody may know of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The agent's id.
    pub agent: AgentId,
    /// The installation it belongs to.
    pub installation: InstallationId,
    /// Where the server is: `host:port`.
    pub server: String,
    /// When the certificate was issued; 0 from a server that did not say it.
    #[serde(default)]
    pub certificate_from: Timestamp,
    /// When the certificate runs out.
    pub certificate_until: Timestamp,
}

/// An agent's identity.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who it is, and where its server is.
    pub about: About,
    /// Its key.
    pub key: AgentKey,
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// The certificate of the authority that it trusts, PEM.
    pub authority_pem: String,
    other: Option<Pair>,
    folder: Option<PathBuf>,
}

/// The other certificate of an identity, with its key: the one before the last renewal.
#[derive(Clone, Debug)]
struct Pair {
    key: AgentKey,
    certificate_pem: String,
    from: Timestamp,
    until: Timestamp,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    about: About,
    key: String,
    certificate: String,
    authority: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<KeptPair>,
}

#[derive(Serialize, Deserialize)]
struct KeptPair {
    key: String,
    certificate: String,
    from: Timestamp,
    until: Timestamp,
}

impl Identity {
    /// Of what an enrolment brought.
    pub fn new(server: &str, key: AgentKey, enrolled: Enrolled) -> Self {
        Self {
            about: About {
                agent: enrolled.agent,
                installation: enrolled.installation,
                server: server.to_owned(),
                certificate_from: enrolled.certificate_from,
                certificate_until: enrolled.certificate_until,
            },
            key,
            certificate_pem: enrolled.certificate_pem,
            authority_pem: enrolled.authority_pem,
            other: None,
            folder: None,
        }
    }

    /// With what a renewal brought; what it had until now becomes its other certificate.
    pub(crate) fn renewed(&self, key: AgentKey, renewed: Renewed) -> Result<Self, String> {
        let pair = Pair {
            key,
            certificate_pem: renewed.certificate_pem,
            from: renewed.certificate_from,
            until: renewed.certificate_until,
        };
        let identity = self.with(pair);
        match identity.belongs_together()? {
            true => Ok(identity),
            false => Err("the server's certificate is for another key".into()),
        }
    }

    /// With its other certificate, if it has one: a server whose record was restored knows the certificate before the
    /// last renewal, and not the newest.
    pub fn with_other(&self) -> Option<Self> {
        self.other.clone().map(|other| self.with(other))
    }

    fn with(&self, pair: Pair) -> Self {
        let mut identity = self.clone();
        identity.other = Some(Pair {
            key: std::mem::replace(&mut identity.key, pair.key),
            certificate_pem: std::mem::replace(&mut identity.certificate_pem, pair.certificate_pem),
            from: std::mem::replace(&mut identity.about.certificate_from, pair.from),
            until: std::mem::replace(&mut identity.about.certificate_until, pair.until),
        });
        identity
    }

    /// Whether `folder` holds an identity.
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Where it was read from or last saved; none for one that is only in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Reads the identity in `folder`.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn load(folder: &Path) -> Result<Self, IdentityError> {
        if !Self::exists(folder) {
            return Err(IdentityError::None(folder.into()));
        }
        let path = folder.join(FILE);
        let text =
            fs::read_to_string(&path).map_err(|cause| IdentityError::File { path: path.clone(), cause })?;
        let damaged = |cause: String| IdentityError::Damaged { path: path.clone(), cause };
        let key = |pem: &str| AgentKey::from_pem(pem).map_err(|e| damaged(e.to_string()));
        let kept: Kept = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        let other = match kept.before {
            Some(before) => Some(Pair {
                key: key(&before.key)?,
                certificate_pem: before.certificate,
                from: before.from,
                until: before.until,
            }),
            None => None,
        };
        let identity = Self {
            about: kept.about,
            key: key(&kept.key)?,
            certificate_pem: kept.certificate,
            authority_pem: kept.authority,
            other,
            folder: Some(folder.into()),
        };
        match identity.belongs_together().map_err(damaged)? {
            true => Ok(identity),
            false => Err(damaged("its key is not the key of its certificate".into())),
        }
    }

    /// Writes the identity into `folder` (narrowed to 0700; the file to 0600): wholly, or not at all.
    ///
    /// # Errors
    /// The folder or the file cannot be written; what was there is as it was.
    pub fn save(&mut self, folder: &Path) -> Result<(), IdentityError> {
        files::private_dir(folder).map_err(|cause| IdentityError::File { path: folder.into(), cause })?;
        let kept = Kept {
            about: self.about.clone(),
            key: self.key.to_pem(),
            certificate: self.certificate_pem.clone(),
            authority: self.authority_pem.clone(),
            before: self.other.as_ref().map(|other| KeptPair {
                key: other.key.to_pem(),
                certificate: other.certificate_pem.clone(),
                from: other.from,
                until: other.until,
            }),
        };
        files::write(folder, FILE, 0o600, serde_json::json!(kept).to_string().as_bytes())
            .map_err(|cause| IdentityError::File { path: folder.join(FILE), cause })?;
        self.folder = Some(folder.into());
        Ok(())
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
