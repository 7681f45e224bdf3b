//! Tokens of the REST interface: drawn, hashed, and found by their hash without walking all of them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hostler_model::access::Token;
use hostler_model::{Key, Kind, Object, TokenId};
use hostler_server::Picture;
use hostler_server::store::Cursor;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::problem::Problem;

/// What every token begins with, so that people and scanners for leaked secrets know one when they see it.
const PREFIX: &str = "hsa1_";

/// A new token: 256 random bits.
pub(crate) fn draw() -> Result<String, Problem> {
    Ok(format!("{PREFIX}{}", random()?))
}

/// 256 random bits, base64url.
pub(crate) fn random() -> Result<String, Problem> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}

/// Random bytes, as unforeseeable as a key.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map_err(|_| Problem::internal("randomness", "the system has none"))?;
    Ok(bytes)
}

/// What the record keeps of a token.
pub(crate) fn sha256(token: &str) -> String {
    hex(digest(&SHA256, token.as_bytes()).as_ref())
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which token has which hash. What is found is checked against the picture, so the index may be old; what is not found
/// makes it look through the picture again, once per commit at most.
#[derive(Default)]
pub(crate) struct Tokens(RwLock<Index>);

#[derive(Default)]
struct Index {
    built: Option<Cursor>,
    ids: HashMap<String, TokenId>,
}

impl Tokens {
    /// The token with this hash, as it is in the picture.
    pub(crate) fn find(&self, picture: &Picture, sha256: &str) -> Option<Arc<Token>> {
        {
            let index = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(token) = index.ids.get(sha256).and_then(|id| kept(picture, *id, sha256)) {
                return Some(token);
            }
            if index.built.is_some_and(|built| built == picture.head) {
                return None;
            }
        }
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        index.ids.clear();
        for stored in picture.of_kind(Kind::Token) {
            if let Object::Token(token) = &stored.object {
                index.ids.insert(token.sha256.clone(), token.id);
            }
        }
        index.built = Some(picture.head);
        index.ids.get(sha256).and_then(|id| kept(picture, *id, sha256))
    }
}

fn kept(picture: &Picture, id: TokenId, sha256: &str) -> Option<Arc<Token>> {
    match &picture.get(Key::Token(id))?.object {
        Object::Token(token) if token.sha256 == sha256 => Some(token.clone()),
        _ => None,
    }
}
