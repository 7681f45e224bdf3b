//! The built-in authority: one P-256 key that signs the server's certificate and the agents'. What it puts into a
//! certificate is decided here and by its caller; nothing of what an agent sent enters one but its public point.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use hostler_model::agent::CERTIFICATE_NAME;
use hostler_model::time::Ms;
use hostler_model::{AgentId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::key::{NoRandomness, POINT_BYTES, PossessionError, RawP256, random};
use crate::token::{Fingerprint, hex, sha256};

const DAY: Duration = Duration::from_secs(86_400);
/// An authority outlives every disk it is kept on; replacing one is a procedure of its own.
const AUTHORITY_DAYS: u32 = 7_300;
/// Browsers refuse more than 398 days; renewal needs no hand, so shorter costs nothing.
const SERVER_DAYS: u32 = 90;
/// A month: long enough for a computer that is off for a while, short enough that what was copied from one is soon
/// worth nothing.
pub(crate) const AGENT_LIFE_MS: Ms = 30 * 86_400_000;
/// Certificates begin a little earlier than now: agents' clocks are not the server's.
const CLOCK_SKEW: Duration = Duration::from_secs(3_600);

const KEY: &str = "authority.key";
const CERTIFICATE: &str = "authority.crt";
const SERVER_KEY: &str = "server.key";
const SERVER_CERTIFICATE: &str = "server.crt";
const SERVER_FACTS: &str = "server.json";

/// Why the authority cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// There is an authority already; making another would lock out every agent.
    #[error("{0} exists already: an authority is made once")]
    Exists(PathBuf),
    /// Key and certificate do not belong together, or are damaged.
    #[error("{path}: {cause}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A key or certificate could not be made or read.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS does not take a key or certificate.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The public point is none.
    #[error("public point: {0}")]
    Point(#[from] PossessionError),
    /// The system has no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// A certificate as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its serial number, 32 hexadecimal digits.
    pub serial: String,
    /// When it was issued.
    pub from: Timestamp,
    /// When it runs out.
    pub until: Timestamp,
}

/// The authority of one installation.
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    /// How long agents' certificates last, in milliseconds.
    agent_life_ms: AtomicU64,
}

impl Authority {
    /// Makes an authority in `dir` (narrowed to 0700; the key's file to 0600). Refused where one is.
    pub fn create(dir: &Path) -> Result<Self, AuthorityError> {
        let at = |name: &str| dir.join(name);
        files::private_dir(dir).map_err(|cause| AuthorityError::File { path: dir.into(), cause })?;
        for name in [KEY, CERTIFICATE] {
            if at(name).exists() {
                return Err(AuthorityError::Exists(at(name)));
            }
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = authority_params(&key);
        span(&mut params, SystemTime::now() - DAY, in_days(AUTHORITY_DAYS));
        params.serial_number = Some(SerialNumber::from_slice(&serial()?));
        let pem = params.self_signed(&key)?.pem();
        let file = |name, mode, text: &str| {
            files::write(dir, name, mode, text.as_bytes())
                .map_err(|cause| AuthorityError::File { path: at(name), cause })
        };
        // The certificate last: where it is, all is.
        file(KEY, 0o600, &key.serialize_pem())?;
        file(CERTIFICATE, 0o644, &pem)?;
        Self::open(dir)
    }

    /// Opens the authority that is in `dir`.
    pub fn open(dir: &Path) -> Result<Self, AuthorityError> {
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|cause| AuthorityError::File { path, cause })
        };
        let damaged = |name: &str, cause: String| AuthorityError::Damaged { path: dir.join(name), cause };
        let certificate_pem = read(CERTIFICATE)?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|e| damaged(CERTIFICATE, e.to_string()))?;
        let key = KeyPair::from_pem(&read(KEY)?).map_err(|e| damaged(KEY, e.to_string()))?;
        // The point stands in the certificate as it is: no parser needed to see whether they belong together.
        if !certificate.windows(POINT_BYTES).any(|w| w == key.public_key_raw()) {
            return Err(damaged(KEY, format!("it is not the key of {CERTIFICATE}")));
        }
        let issuer = Issuer::new(authority_params(&key), key);
        let agent_life_ms = AtomicU64::new(AGENT_LIFE_MS);
        Ok(Self { dir: dir.into(), issuer, certificate, certificate_pem, agent_life_ms })
    }

    /// Whether `dir` holds an authority.
    pub fn exists(dir: &Path) -> bool {
        dir.join(CERTIFICATE).exists()
    }

    /// SHA-256 of the authority's certificate: what a person compares, and what a token carries.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// The authority's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Signs an agent's client certificate: 30 days, its id as the only name, a random serial number. The caller has
    /// seen the proof that the sender holds the key.
    pub fn sign_agent(&self, agent: AgentId, public_point: &[u8]) -> Result<Issued, AuthorityError> {
        let now = SystemTime::now();
        let life = Duration::from_millis(self.agent_life_ms.load(Ordering::Relaxed));
        self.sign_agent_for(agent, public_point, now - CLOCK_SKEW, now + life)
    }

    /// How long agents' certificates last from now on: what tests of renewal need.
    #[doc(hidden)]
    pub fn set_agent_life(&self, ms: Ms) {
        self.agent_life_ms.store(ms, Ordering::Relaxed);
    }

    /// As [`sign_agent`](Self::sign_agent), for a span that the caller chooses: what tests of expiry need.
    #[doc(hidden)]
    pub fn sign_agent_for(
        &self,
        agent: AgentId,
        public_point: &[u8],
        from: SystemTime,
        until: SystemTime,
    ) -> Result<Issued, AuthorityError> {
        if public_point.len() != POINT_BYTES || public_point.first() != Some(&4) {
            return Err(PossessionError.into());
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&format!("agent {agent}"));
        params.subject_alt_names = vec![SanType::URI(agent_uri(agent).try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, &RawP256(public_point.to_vec()), from, until)
    }

    /// The server's certificate for both its ports: the one kept beside the authority while it has a third of its
    /// life left and bears these names (host names or IP addresses), else a new one with a new key.
    pub fn server_certificate(&self, names: &[String]) -> Result<Arc<ServerCertificate>, AuthorityError> {
        Ok(Arc::new(ServerCertificate { current: RwLock::new(self.server_key(names)?) }))
    }

    /// Looks again, and puts a new certificate in the place of one that is soon to run out. Open connections keep
    /// the old one. Cheap when nothing is due.
    pub fn renew_server_certificate(
        &self,
        certificate: &ServerCertificate,
        names: &[String],
    ) -> Result<(), AuthorityError> {
        *certificate.current.write().unwrap_or_else(PoisonError::into_inner) = self.server_key(names)?;
        Ok(())
    }

    fn server_key(&self, names: &[String]) -> Result<Arc<CertifiedKey>, AuthorityError> {
        if let Some((key, pem)) = self.kept_server_key(names) {
            match self.certified(&pem, key) {
                Ok(certified) => return Ok(certified),
                Err(e) => {
                    tracing::warn!(why = %e, "the kept server certificate is not usable; a new one is made")
                }
            }
        }
        let file = |name, mode, content: &[u8]| {
            files::write(&self.dir, name, mode, content)
                .map_err(|cause| AuthorityError::File { path: self.dir.join(name), cause })
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Hostler server");
        params.subject_alt_names = vec![SanType::DnsName(crate::SERVER_NAME.try_into()?)];
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issued = self.issue(params, &key, SystemTime::now() - CLOCK_SKEW, in_days(SERVER_DAYS))?;
        let facts = ServerFacts {
            names: names.to_vec(),
            until: issued.until,
            authority: self.fingerprint().to_string(),
        };
        // The facts go first and come back last: a half-written set is never taken for a whole one.
        let _ = fs::remove_file(self.dir.join(SERVER_FACTS));
        file(SERVER_KEY, 0o600, key.serialize_pem().as_bytes())?;
        file(SERVER_CERTIFICATE, 0o644, issued.certificate_pem.as_bytes())?;
        file(SERVER_FACTS, 0o644, serde_json::json!(facts).to_string().as_bytes())?;
        self.certified(&issued.certificate_pem, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn kept_server_key(&self, names: &[String]) -> Option<(PrivateKeyDer<'static>, String)> {
        let read = |name| fs::read_to_string(self.dir.join(name)).ok();
        let facts: ServerFacts = serde_json::from_str(&read(SERVER_FACTS)?).ok()?;
        let third = DAY * SERVER_DAYS / 3;
        let good = facts.names == names
            && facts.authority == self.fingerprint().to_string()
            && timestamp(SystemTime::now() + third) < facts.until;
        let key = PrivateKeyDer::from_pem_slice(read(SERVER_KEY)?.as_bytes()).ok()?;
        let pem = read(SERVER_CERTIFICATE)?;
        good.then_some((key, pem))
    }

    fn certified(&self, pem: &str, key: PrivateKeyDer<'static>) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| AuthorityError::Damaged {
            path: self.dir.join(SERVER_CERTIFICATE),
            cause: e.to_string(),
        })?;
        // The authority's own certificate goes along: a new agent knows only its fingerprint.
        let chain = vec![leaf, self.certificate.clone()];
        let key = rustls::crypto::ring::sign::any_supported_type(&key)?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match()?;
        Ok(Arc::new(certified))
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        key: &impl rcgen::PublicKeyData,
        from: SystemTime,
        until: SystemTime,
    ) -> Result<Issued, AuthorityError> {
        let serial = serial()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        span(&mut params, from, until);
        let certificate_pem = params.signed_by(key, &self.issuer)?.pem();
        let from = timestamp(SystemTime::now());
        Ok(Issued { certificate_pem, serial: hex(&serial), from, until: timestamp(until) })
    }
}

/// What is kept beside the server's certificate, so that nobody must parse it.
#[derive(Serialize, Deserialize)]
struct ServerFacts {
    names: Vec<String>,
    until: Timestamp,
    authority: String,
}

/// The server's current certificate and key. The next handshake takes what was put in last.
#[derive(Debug)]
pub struct ServerCertificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerCertificate {
    /// The TLS configuration of the HTTPS port: TLS 1.3, ring, this certificate, these application protocols
    /// (`h2`, `http/1.1`), no client certificates.
    pub fn https_config(
        self: &Arc<Self>,
        alpn: &[&str],
    ) -> Result<Arc<rustls::ServerConfig>, AuthorityError> {
        Ok(Arc::new(crate::tls::https(self.clone(), alpn)?))
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The name by which a certificate says whose it is.
pub(crate) fn agent_uri(agent: AgentId) -> String {
    format!("{CERTIFICATE_NAME}{agent}")
}

/// The name is made of the key, so that two installations' authorities never bear one name, and so that opening an
/// authority needs no parser.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name =
        name(&format!("Hostler authority {}", hex(&sha256(key.public_key_raw())[..8])));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// 16 random bytes. The upper bits are 01: a positive number of the full length, written without padding.
fn serial() -> Result<[u8; 16], NoRandomness> {
    let mut bytes = random::<16>()?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(bytes)
}

fn in_days(days: u32) -> SystemTime {
    SystemTime::now() + DAY * days
}

fn since_1970(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    // Certificates know whole seconds.
    Timestamp(i64::try_from(since_1970(at).as_secs()).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000))
}

fn span(params: &mut CertificateParams, from: SystemTime, until: SystemTime) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(since_1970(from).as_secs());
    params.not_after = epoch + Duration::from_secs(since_1970(until).as_secs());
}
