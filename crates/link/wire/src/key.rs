//! An agent's key. It never leaves the agent: the server gets the public point and a signature that proves that
//! the sender holds the other half.

use std::sync::Arc;

use hostler_model::AgentId;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use crate::authority::AuthorityError;
use crate::token::sha256;

/// Length of an uncompressed P-256 point: 4, x, y.
pub const POINT_BYTES: usize = 65;

/// What is signed begins with this, so that the signature is good for nothing else.
const CONTEXT: &[u8] = b"hostler key possession 1";

/// The key was not shown to be the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sender did not prove that it holds the key")]
pub struct PossessionError;

/// The operating system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// A P-256 key pair.
#[derive(Clone)]
pub struct AgentKey(Arc<KeyPair>);

impl AgentKey {
    /// Makes a new one.
    pub fn generate() -> Result<Self, AuthorityError> {
        Ok(Self(Arc::new(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)))
    }

    /// The public half, uncompressed: [`POINT_BYTES`] bytes.
    pub fn public_point(&self) -> &[u8] {
        self.0.public_key_raw()
    }

    /// Proves possession. `binding` is what both sides know and no earlier proof was made for.
    pub fn prove(&self, binding: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.0.sign(&proof_text(self.public_point(), binding))?)
    }

    /// The pair as PEM (PKCS #8). A secret.
    pub fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// Reads what [`to_pem`](Self::to_pem) wrote.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        Ok(Self(Arc::new(KeyPair::from_pem(pem)?)))
    }

    pub(crate) fn der(&self) -> &[u8] {
        self.0.serialized_der()
    }
}

impl std::fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgentKey")
    }
}

/// Checks that whoever sent `point` holds its private half and made the proof for this `binding`.
pub fn verify_possession(point: &[u8], binding: &[u8], signature: &[u8]) -> Result<(), PossessionError> {
    if point.len() != POINT_BYTES || point.first() != Some(&4) {
        return Err(PossessionError);
    }
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(&proof_text(point, binding), signature)
        .map_err(|_| PossessionError)
}

/// Each part has a fixed length, so that no two (point, binding) share a text.
fn proof_text(point: &[u8], binding: &[u8]) -> Vec<u8> {
    [CONTEXT, &sha256(binding), &sha256(point)].concat()
}

/// What an enrolment's proof is bound to: the token, and the TLS connection on which it is made.
pub(crate) fn enrolment_binding(token_sha256: &str, connection: &[u8; 32]) -> Vec<u8> {
    [token_sha256.as_bytes(), connection].concat()
}

/// What a renewal's proof is bound to: the agent, and the TLS connection on which it is made. Never as long as what an
/// enrolment's is bound to, so that neither proof is good for the other.
pub(crate) fn renewal_binding(agent: AgentId, connection: &[u8; 32]) -> Vec<u8> {
    [b"renewal".as_slice(), agent.0.as_bytes(), connection].concat()
}

/// A public point as `rcgen` wants it, without a parser for certificate requests.
pub(crate) struct RawP256(pub(crate) Vec<u8>);

impl rcgen::PublicKeyData for RawP256 {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }
    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_proof_is_good_for_its_key_and_its_binding_only() {
        let (key, other) = (AgentKey::generate().unwrap(), AgentKey::generate().unwrap());
        let proof = key.prove(b"this connection").unwrap();
        assert_eq!(verify_possession(key.public_point(), b"this connection", &proof), Ok(()));
        assert_eq!(verify_possession(key.public_point(), b"another", &proof), Err(PossessionError));
        assert_eq!(verify_possession(other.public_point(), b"this connection", &proof), Err(PossessionError));
        assert_eq!(verify_possession(b"", b"this connection", &proof), Err(PossessionError));
    }
}
