//! Which SSH host keys a computer shows, found out with `ssh-keyscan`: nobody signs in for that.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hostler_model::push::{HostKey, computer};
use hostler_model::{Code, Refusal};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::remote::unreachable;

/// How long a computer may take to show its keys.
const LIMIT: Duration = Duration::from_secs(15);
/// The kinds that are asked for, best first. DSA is broken.
const KINDS: &str = "ed25519,ecdsa,rsa";

/// The keys that a computer shows, best first.
pub(super) async fn shown(address: &str, port: u16) -> Result<Vec<HostKey>, Refusal> {
    let object = computer(address, port);
    let port = port.to_string();
    let mut scan = Command::new("ssh-keyscan");
    scan.args(["-T", "5", "-p", &port, "-t", KINDS, "--", address]);
    scan.env_clear().env("PATH", super::ssh::PATH).env("LC_ALL", "C");
    scan.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, scan.output()).await;
    let output = output
        .map_err(|_| {
            unreachable(&object, &format!("it did not show its SSH host keys within {} s", LIMIT.as_secs()))
        })?
        .map_err(|why| super::ssh::no_ssh("ssh-keyscan", &why))?;
    let mut keys: Vec<HostKey> = String::from_utf8_lossy(&output.stdout).lines().filter_map(read).collect();
    let rank = |key: &HostKey| KINDS.split(',').position(|kind| key.kind.contains(kind));
    keys.sort_by_key(|key| (rank(key), key.kind.clone()));
    keys.dedup();
    if keys.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        // Its own words are better than none; lines that begin with # are what it tried.
        let said = said.lines().rfind(|line| !line.starts_with('#') && !line.is_empty());
        return Err(unreachable(&object, said.unwrap_or("nothing there speaks SSH")));
    }
    Ok(keys)
}

/// A line of `ssh-keyscan`: the computer, the kind, the key.
fn read(line: &str) -> Option<HostKey> {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let (_, kind, key) = (words.next().filter(|word| *word != "#")?, words.next()?, words.next()?);
    let blob = STANDARD.decode(key).ok()?;
    let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob)));
    Some(HostKey { kind: kind.into(), fingerprint, key: key.into() })
}

/// The key that was confirmed, if it is shown.
pub(super) fn confirmed(object: &str, keys: &[HostKey], fingerprint: &str) -> Result<HostKey, Refusal> {
    if let Some(key) = keys.iter().find(|key| key.fingerprint == fingerprint) {
        return Ok(key.clone());
    }
    let shown: Vec<String> = keys.iter().map(|key| format!("{} ({})", key.fingerprint, key.kind)).collect();
    let cause = format!("the host key {fingerprint} was confirmed, and it shows {}", shown.join(", "));
    Err(differs(object, cause))
}

pub(super) fn differs(object: &str, cause: impl Into<String>) -> Refusal {
    Refusal::new(Code::SshHostKeyDiffers, object, cause)
        .remedy("See on the computer itself which keys it has (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub). If it was installed anew, confirm the new one; otherwise somebody else answers there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_by_the_fingerprint_that_ssh_shows_and_only_the_confirmed_one_is_taken() {
        // What ssh-keygen -lf says of it.
        let line = "[192.0.2.7]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPghlJ5RPmAgPyCBZoLhYrzFs+sb7ZYrmY9pTTk/Luwk";
        let key = read(line).unwrap();
        assert_eq!(key.kind, "ssh-ed25519");
        assert_eq!(key.fingerprint, "SHA256:unQnmorDifaILA66my6G/h79RNQMZfELTLfWEzifatc");
        for none in ["", "# 192.0.2.7:22 SSH-2.0-OpenSSH_9.2p1", "host ssh-ed25519", "host ssh-ed25519 ~~~"] {
            assert_eq!(read(none), None, "{none}");
        }
        let other = HostKey { fingerprint: format!("SHA256:{}", "b".repeat(43)), ..key.clone() };
        assert_eq!(confirmed("computer a", &[other.clone(), key.clone()], &key.fingerprint), Ok(key.clone()));
        let differs = confirmed("computer a", &[other], &key.fingerprint).unwrap_err();
        assert_eq!(differs.code, Code::SshHostKeyDiffers);
    }
}
