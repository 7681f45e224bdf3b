//! Passwords: argon2id, for passwords only. Slow on purpose (about 20 ms a core and 19 MiB): call from a thread that
//! may block.

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// The longest password, in characters. More would let anyone spend our time.
pub const MOST_PASSWORD_CHARS: usize = 256;
/// The shortest password, in characters. Length is the only rule; words from a dictionary are not looked for.
const LEAST_PASSWORD_CHARS: usize = 8;

/// Why a password cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has {LEAST_PASSWORD_CHARS} to {MOST_PASSWORD_CHARS} characters")]
    Length,
    /// It could not be hashed.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

/// The argon2id hash of a new password, in PHC form.
///
/// # Errors
/// When the password is too short or too long, or the system has no randomness.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if !(LEAST_PASSWORD_CHARS..=MOST_PASSWORD_CHARS).contains(&password.chars().count()) {
        return Err(PasswordError::Length);
    }
    hashed(password)
}

fn hashed(password: &str) -> Result<String, PasswordError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|e| PasswordError::Hash(e.to_string()))
}

/// Whether a password belongs to a hash. Without a hash (there is no such user) the same work is done for nothing, so
/// that the time taken does not tell who exists.
pub fn verify_password(password: &str, hash: Option<&str>) -> bool {
    if password.chars().count() > MOST_PASSWORD_CHARS {
        return false;
    }
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(nobodys())) else { return false };
    let same = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    same && hash.is_some()
}

/// What a password is tried against where there is no such user.
fn nobodys() -> &'static str {
    static NOBODY: OnceLock<String> = OnceLock::new();
    NOBODY.get_or_init(|| hashed("nobody's").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_and_another_is_not() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password("correct horse", Some(&hash)));
        assert!(!verify_password("correct house", Some(&hash)));
        assert_ne!(hash, hash_password("correct horse").unwrap(), "salted");
    }

    #[test]
    fn nobody_has_a_password_and_is_not_told_apart_by_the_time_that_takes() {
        assert!(!verify_password("nobody's", None));
        let hash = hash_password("correct horse").unwrap();
        // As much work: the clock is not asked, which tells what else the computer does.
        let work = |hash| {
            let parsed = PasswordHash::new(hash).unwrap();
            (parsed.algorithm.to_string(), parsed.version, parsed.params.to_string())
        };
        assert_eq!(work(nobodys()), work(&hash));
    }

    #[test]
    fn a_short_or_endless_password_is_refused() {
        assert_eq!(hash_password("short"), Err(PasswordError::Length));
        assert_eq!(hash_password(&"x".repeat(257)), Err(PasswordError::Length));
        assert!(!verify_password(&"x".repeat(100_000), None));
    }
}
