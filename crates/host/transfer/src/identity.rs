//! Who the two ends are. Agents' certificates are made for dialling the server, so both ends check the other's as that
//! of a client, and then that it names the one agent that the ticket names.

use std::fmt;
use std::sync::Arc;

use hostler_model::AgentId;
use hostler_model::agent::CERTIFICATE_NAME;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme,
};

use crate::ALPN;
use crate::error::TransferError;

/// An agent's certificate with its key, and the authority that it trusts.
#[derive(Clone)]
pub struct Credentials {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM.
    pub key_pem: String,
    /// The authority's certificate, PEM.
    pub authority_pem: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The agent at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which.
    pub agent: AgentId,
    /// The serial numbers, in hexadecimal digits, of the certificates with which the server lets it in: a revoked one is
    /// not among them. Empty where the server did not say.
    pub serials: Vec<String>,
}

impl Credentials {
    fn parts(
        &self,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>, Arc<RootCertStore>), TransferError> {
        let bad = |what: &str, why: String| TransferError::Credentials(format!("{what}: {why}"));
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
        let own = certificate(&self.certificate_pem).map_err(|e| bad("certificate", e.to_string()))?;
        let authority = certificate(&self.authority_pem).map_err(|e| bad("authority", e.to_string()))?;
        let key =
            PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(|e| bad("key", e.to_string()))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority).map_err(|e| bad("authority", e.to_string()))?;
        Ok((own, key, Arc::new(roots)))
    }

    pub(crate) fn of_listener(&self, peer: &Peer) -> Result<ServerConfig, TransferError> {
        let (own, key, roots) = self.parts()?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .and_then(|config| {
                config
                    .with_client_cert_verifier(Arc::new(Named::new(roots, peer)?))
                    .with_single_cert(vec![own], key)
            });
        let mut config = config.map_err(|e| TransferError::Credentials(e.to_string()))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed connection would pass the check of its certificate by.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    pub(crate) fn of_dialler(&self, peer: &Peer) -> Result<ClientConfig, TransferError> {
        let (own, key, roots) = self.parts()?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .and_then(|config| {
                config
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Named::new(roots, peer)?))
                    .with_client_auth_cert(vec![own], key)
            });
        let mut config = config.map_err(|e| TransferError::Credentials(e.to_string()))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Takes the certificates of one agent, from one authority, and no other.
#[derive(Debug)]
struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    peer: Peer,
}

impl Named {
    fn new(roots: Arc<RootCertStore>, peer: &Peer) -> Result<Self, Error> {
        let inner = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
        let inner = inner.map_err(|e| Error::General(e.to_string()))?;
        Ok(Self { inner, peer: peer.clone() })
    }

    fn check(
        &self,
        shown: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        self.inner.verify_client_cert(shown, rest, now)?;
        let (agent, serial) = named(shown)
            .ok_or(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))?;
        if agent != self.peer.agent {
            return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
        }
        if !self.peer.serials.is_empty() && !self.peer.serials.contains(&serial) {
            return Err(Error::InvalidCertificate(CertificateError::Revoked));
        }
        Ok(())
    }
}

/// The one agent that a certificate names, and its serial number.
fn named(certificate: &CertificateDer<'_>) -> Option<(AgentId, String)> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut names = parsed.valid_uri_names();
    let agent = names.next()?.strip_prefix(CERTIFICATE_NAME)?.parse().ok()?;
    let serial = parsed.serial().iter().map(|byte| format!("{byte:02x}")).collect();
    names.next().is_none().then_some((agent, serial))
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }
    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(shown, rest, now).map(|()| ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(shown, rest, now).map(|()| ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
