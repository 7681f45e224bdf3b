//! Whom a client trusts: the one authority of its installation.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring as ring_provider, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::error::ClientError;

/// The name in every server's certificate, whatever address leads to it: an alias, a tunnel, a forwarded port.
const SERVER_NAME: &str = "server.hostler.internal";

/// The certificate of the authority that a client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(CertificateDer<'static>);

impl Authority {
    /// Reads it from PEM.
    ///
    /// # Errors
    /// When there is no certificate in it.
    pub fn from_pem(pem: &str) -> Result<Self, ClientError> {
        CertificateDer::from_pem_slice(pem.as_bytes()).map(|der| Self(der.into_owned())).map_err(|cause| {
            ClientError::Config(format!("the authority's certificate cannot be read: {cause}"))
        })
    }

    /// SHA-256 of the certificate as 64 hexadecimal digits: what people compare.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }

    /// As PEM.
    pub fn to_pem(&self) -> String {
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for (at, c) in STANDARD.encode(&self.0).chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(c);
        }
        pem.push_str("\n-----END CERTIFICATE-----\n");
        pem
    }
}

/// SHA-256 of a certificate (DER) as 64 hexadecimal digits.
pub fn fingerprint(der: &[u8]) -> String {
    digest(&SHA256, der).as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring_provider::default_provider())
}

fn config(server: Server) -> Result<ClientConfig, ClientError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|cause| ClientError::Config(cause.to_string()))?;
    let verifier = Arc::new(Verifier { server, algorithms: provider().signature_verification_algorithms });
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS that trusts this authority alone.
pub(crate) fn trusting(authority: &Authority) -> Result<ClientConfig, ClientError> {
    let failed =
        |cause: String| ClientError::Config(format!("the authority's certificate is of no use: {cause}"));
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.clone()).map_err(|cause| failed(cause.to_string()))?;
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    config(Server::Of(inner.map_err(|cause| failed(cause.to_string()))?))
}

/// The authority that a server has shown.
pub(crate) type Seen = Arc<Mutex<Option<Authority>>>;

/// TLS that takes down whose certificate a server shows, and trusts nobody: the connection ends before anything is sent.
pub(crate) fn looking(seen: &Seen) -> Result<ClientConfig, ClientError> {
    config(Server::Looked(seen.clone()))
}

/// What is made of a server's certificate.
#[derive(Debug)]
enum Server {
    /// Trusted is what this authority signed for a server, under the address that was dialled or under the name that every
    /// server of Hostler has. Agents' certificates are no servers' and have neither.
    Of(Arc<WebPkiServerVerifier>),
    /// It is only looked at.
    Looked(Seen),
}

/// What rustls asks. Signatures are checked as it checks them itself.
#[derive(Debug)]
struct Verifier {
    server: Server,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let inner = match &self.server {
            Server::Of(inner) => inner,
            Server::Looked(seen) => {
                // Servers send their authority's certificate last.
                let authority = intermediates.last().unwrap_or(end_entity).clone().into_owned();
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Authority(authority));
                return Err(Error::General("only looking".to_owned()));
            }
        };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => {
                let own =
                    ServerName::try_from(SERVER_NAME).map_err(|cause| Error::General(cause.to_string()))?;
                inner.verify_server_cert(end_entity, intermediates, &own, ocsp, now)
            }
            verified => verified,
        }
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_comes_back_as_it_was_written() {
        let authority = Authority(CertificateDer::from(vec![7_u8; 200]));
        assert_eq!(Authority::from_pem(&authority.to_pem()).unwrap(), authority);
        assert_eq!(authority.fingerprint().len(), 64);
        assert!(Authority::from_pem("nothing of the kind").is_err());
    }
}
