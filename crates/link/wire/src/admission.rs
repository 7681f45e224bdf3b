//! Who is let in: exactly the certificates that the server's record names. Asked at each handshake, and again
//! whenever one is struck out while its connection is open.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hostler_model::AgentId;
use hostler_model::agent::CERTIFICATE_NAME;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::session::Kill;
use crate::token::hex;

/// The certificates that are let in, and the connections made with them. Empty at first: nobody is.
#[derive(Debug, Default)]
pub struct Admission {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By serial number.
    allowed: HashMap<String, AgentId>,
    open: HashMap<u64, (Peer, Kill)>,
    counted: u64,
}

/// What a verified certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) agent: AgentId,
    pub(crate) serial: String,
}

impl Peer {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let mut names = parsed.valid_uri_names();
        let agent = names.next()?.strip_prefix(CERTIFICATE_NAME)?.parse().ok()?;
        names.next().is_none().then(|| Self { agent, serial: hex(parsed.serial()) })
    }
}

impl Admission {
    /// Lets nobody in.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Lets an agent in with the certificate of this serial number (32 hexadecimal digits), beside those it has.
    pub fn allow(&self, agent: AgentId, serial: &str) {
        self.write().allowed.insert(serial.to_owned(), agent);
    }

    /// Lets a certificate in no more, and cuts what is open with it.
    pub fn deny(&self, serial: &str) {
        self.strike(|peer| peer.serial == serial);
    }

    /// Lets an agent in no more, with whichever certificate, and cuts what it has open.
    pub fn deny_agent(&self, agent: AgentId) {
        self.strike(|peer| peer.agent == agent);
    }

    /// Lets an agent in with these certificates alone: a renewal has gone a step further. What it has open with another one
    /// stays open: whoever holds the sessions ends it, once nobody looks at a console there any more.
    pub fn allow_only(&self, agent: AgentId, serials: &[&str]) {
        let mut state = self.write();
        state.allowed.retain(|serial, of| *of != agent || serials.contains(&serial.as_str()));
        for serial in serials {
            state.allowed.insert((*serial).to_owned(), agent);
        }
    }

    fn strike(&self, out: impl Fn(&Peer) -> bool) {
        let mut state = self.write();
        state.allowed.retain(|serial, agent| !out(&Peer { agent: *agent, serial: serial.clone() }));
        for (_, kill) in state.open.values().filter(|(peer, _)| out(peer)) {
            kill.cut("its certificate was revoked");
        }
    }

    fn admits(state: &State, peer: &Peer) -> bool {
        state.allowed.get(&peer.serial) == Some(&peer.agent)
    }

    /// Takes a connection in, unless its certificate was struck out since the handshake.
    pub(crate) fn enter(self: &Arc<Self>, peer: &Peer, kill: &Kill) -> Option<Entry> {
        let mut state = self.write();
        if !Self::admits(&state, peer) {
            return None;
        }
        state.counted += 1;
        let number = state.counted;
        state.open.insert(number, (peer.clone(), kill.clone()));
        Some(Entry { admission: self.clone(), number })
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection; forgotten when dropped.
pub(crate) struct Entry {
    admission: Arc<Admission>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.admission.write().open.remove(&self.number);
    }
}

/// Checks a client certificate: first what mathematics and the clock say, then the record.
#[derive(Debug)]
pub(crate) struct AgentVerifier {
    pub(crate) inner: Arc<dyn ClientCertVerifier>,
    pub(crate) admission: Arc<Admission>,
}

impl ClientCertVerifier for AgentVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }
    fn client_auth_mandatory(&self) -> bool {
        // One who has none may enrol.
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let peer = Peer::of(end_entity)
            .ok_or(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))?;
        if Admission::admits(&self.admission.read(), &peer) {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(CertificateError::Revoked))
        }
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
