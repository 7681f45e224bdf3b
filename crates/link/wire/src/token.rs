//! The text that lets one computer enrol once: 256 random bits, and the fingerprint of the authority that the
//! computer is to trust. How long it is good, and for what, is known to the server alone.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

/// What every token begins with; the digit is the format's version.
const PREFIX: &str = "hst1_";
const SECRET_BYTES: usize = 32;
const FINGERPRINT_BYTES: usize = 32;
/// Enough that a mistyped or truncated token is told from a wrong one.
const CHECK_BYTES: usize = 4;

/// SHA-256 of an authority's certificate (DER). Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        Self(sha256(der))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Why a text is not an enrolment token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin as a token does.
    #[error("this is not an enrolment token: it does not begin with hst1_")]
    Prefix,
    /// Characters are missing or were changed.
    #[error("the enrolment token is incomplete or was mistyped")]
    Damaged,
}

/// An enrolment token. `Debug` does not show the secret; `Display` does, for the one time it is handed out.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentToken {
    secret: [u8; SECRET_BYTES],
    authority: Fingerprint,
}

impl EnrolmentToken {
    /// A new one for an authority. Fails only where the system has no randomness.
    pub fn new(authority: Fingerprint) -> Result<Self, crate::key::NoRandomness> {
        Ok(Self { secret: crate::key::random()?, authority })
    }

    /// Reads what [`Display`](fmt::Display) wrote; white space around it is passed over.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Damaged)?;
        let bytes: &[u8; SECRET_BYTES + FINGERPRINT_BYTES + CHECK_BYTES] =
            bytes.as_slice().try_into().map_err(|_| TokenError::Damaged)?;
        let (content, check) = bytes.split_at(SECRET_BYTES + FINGERPRINT_BYTES);
        if sha256(content)[..CHECK_BYTES] != *check {
            return Err(TokenError::Damaged);
        }
        let mut token = Self { secret: [0; SECRET_BYTES], authority: Fingerprint([0; FINGERPRINT_BYTES]) };
        token.secret.copy_from_slice(&content[..SECRET_BYTES]);
        token.authority.0.copy_from_slice(&content[SECRET_BYTES..]);
        Ok(token)
    }

    /// What the server keeps of it: SHA-256 of the secret, 64 hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&sha256(&self.secret))
    }

    /// The authority to trust.
    pub fn authority(&self) -> Fingerprint {
        self.authority
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Display for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [self.secret, self.authority.0].concat();
        let check = sha256(&bytes);
        bytes.extend_from_slice(&check[..CHECK_BYTES]);
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrolmentToken(for {})", self.authority)
    }
}

impl FromStr for EnrolmentToken {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        for nibble in [b >> 4, b & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn token() -> EnrolmentToken {
        EnrolmentToken::new(Fingerprint([7; 32])).unwrap()
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = token();
        let text = token.to_string();
        assert!(text.starts_with("hst1_"));
        assert_eq!(EnrolmentToken::parse(&format!(" {text}\n")).unwrap(), token);
        assert_eq!(token.sha256().len(), 64);
    }

    #[test]
    fn a_changed_or_shortened_token_is_recognised_as_damaged() {
        let text = token().to_string();
        for at in PREFIX.len()..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(EnrolmentToken::parse(&changed), Err(TokenError::Damaged), "changed at {at}");
            assert_eq!(EnrolmentToken::parse(&text[..at]), Err(TokenError::Damaged), "cut at {at}");
        }
        assert_eq!(EnrolmentToken::parse("password"), Err(TokenError::Prefix));
    }

    #[test]
    fn a_log_line_does_not_show_the_secret() {
        let token = token();
        assert!(!format!("{token:?}").contains(&hex(token.secret())));
    }
}
