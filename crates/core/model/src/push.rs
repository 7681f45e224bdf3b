//! A computer is added by SSH: how it is reached, which host key it was seen to have, and what the server does on it. What
//! proves who signs in there is in no job and in no record: requests and steps name it by an id, the server keeps the rest
//! in memory until the job has ended.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::agent::Roles;
use crate::error::{Code, Refusal};
use crate::ids::{AgentId, HostGroupId, TokenId};
use crate::name::Name;
use crate::request::Secret;

/// The port of SSH where nothing else is said.
pub const SSH_PORT: u16 = 22;
/// The longest address, as DNS has it.
const LONGEST_ADDRESS: usize = 253;
/// The longest name of a user on a computer.
const LONGEST_USER: usize = 64;
/// The longest private key, in bytes: RSA keys of 16,384 bits take less.
const LONGEST_KEY: usize = 32 * 1024;
/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 1_024;

/// Which computer's SSH host keys are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskHostKeys {
    /// The computer's name or address.
    pub address: String,
    /// The port of its SSH server; 22 when absent.
    #[serde(default = "ssh_port")]
    pub port: u16,
}

/// A host key that a computer shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct HostKey {
    /// Its kind as SSH calls it: `ssh-ed25519`.
    pub kind: String,
    /// Its fingerprint: `SHA256:` and 43 signs.
    pub fingerprint: String,
    /// The public key, base64.
    pub key: String,
}

/// Add a computer: the server installs the agent on it by SSH, and enrols it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHost {
    /// The computer's name or address, as the server reaches it.
    pub address: String,
    /// The port of its SSH server; 22 when absent.
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// As whom the server signs in there: root, or somebody whom `sudo` lets do all.
    pub user: String,
    /// The fingerprint of the computer's host key, as `POST /host-keys` shows it and its console confirms it:
    /// `SHA256:` and 43 signs. A computer with another key is told nothing.
    pub host_key: String,
    /// What proves who signs in. Used for this job alone, kept in memory until it has ended, shown nowhere.
    pub secrets: SshSecrets,
    /// What the computer serves as; a host when absent.
    #[serde(default = "a_host")]
    pub roles: Roles,
    /// What it is called here; its host name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The group that the host is put into, by path (`/All Hosts/Site A`) or id; *All Hosts* when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where its agent finds this server, as `HOST:PORT`; when absent the address from which the computer sees the server
    /// sign in, and the port for agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// What proves who signs in on a computer. A password or a private key is needed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SshSecrets {
    /// The user's password there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub password: Option<String>,
    /// A private key in OpenSSH's or PEM's form, without a passphrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub private_key: Option<String>,
    /// The password that `sudo` asks for; the user's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub sudo_password: Option<String>,
}

impl fmt::Debug for SshSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is = |secret: &Option<String>| if secret.is_some() { "(secret)" } else { "none" };
        f.debug_struct("SshSecrets")
            .field("password", &is(&self.password))
            .field("private_key", &is(&self.private_key))
            .field("sudo_password", &is(&self.sudo_password))
            .finish()
    }
}

fn ssh_port() -> u16 {
    SSH_PORT
}

fn a_host() -> Roles {
    Roles { host: true, library: false }
}

/// A computer as it is reached by SSH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshTarget {
    /// Its name or address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// The fingerprint of the only host key that is trusted.
    pub host_key: String,
    /// Under which id the server keeps what proves it.
    pub secrets: Uuid,
}

/// Add a computer, as it is asked of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddHost {
    /// How it is reached.
    pub on: SshTarget,
    /// SHA-256 of the token with which it enrols; the server keeps the token in memory.
    pub sha256: Secret,
    /// What it serves as.
    pub roles: Roles,
    /// What it is called; its host name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The group that the host is put into; *All Hosts* when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<HostGroupId>,
    /// Where its agent finds this server; what it sees of it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// What the server does itself as a step of a job. Each can be done again: it looks at what is there first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "work")]
pub enum Work {
    /// Sign in, and see whether the computer lets an agent be installed. Changes nothing.
    CheckComputer {
        /// Which.
        on: SshTarget,
    },
    /// Bring the agent program and its unit there, and see whether it finds libvirt and QEMU.
    InstallAgent {
        /// Where.
        on: SshTarget,
    },
    /// Enrol it with the token.
    EnrolComputer {
        /// Where.
        on: SshTarget,
        /// What it is called; its host name when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Name>,
        /// Where it finds the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// The token's id.
        token: TokenId,
    },
    /// Start it, now and whenever the computer starts.
    StartAgent {
        /// Where.
        on: SshTarget,
    },
    /// Wait until it has connected.
    AwaitAgent {
        /// Which.
        agent: AgentId,
    },
    /// Remove what the job of this step installed there: stop the agent, and remove its program, unit and state.
    RemoveAgent {
        /// Where.
        on: SshTarget,
    },
}

impl Work {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Work::CheckComputer { .. } => "check-computer",
            Work::InstallAgent { .. } => "install-agent",
            Work::EnrolComputer { .. } => "enrol-computer",
            Work::StartAgent { .. } => "start-agent",
            Work::AwaitAgent { .. } => "await-agent",
            Work::RemoveAgent { .. } => "remove-agent",
        }
    }

    /// The computer on which it is done by SSH; none where none is needed.
    pub fn target(&self) -> Option<&SshTarget> {
        match self {
            Work::CheckComputer { on }
            | Work::InstallAgent { on }
            | Work::EnrolComputer { on, .. }
            | Work::StartAgent { on }
            | Work::RemoveAgent { on } => Some(on),
            Work::AwaitAgent { .. } => None,
        }
    }
}

impl SshTarget {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        computer(&self.address, self.port)
    }

    /// Whether every part of it may stand on a command line and in SSH's files.
    ///
    /// # Errors
    /// `value.invalid`, with the part.
    pub fn check(&self) -> Result<(), Refusal> {
        check_address(&self.address, self.port)?;
        let sign = |c: char| c.is_ascii_alphanumeric() || "._-@\\+".contains(c);
        let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.user.len() > LONGEST_USER || !self.user.starts_with(begins) || !self.user.chars().all(sign) {
            return Err(Refusal::invalid("user", "it is no name of a user")
                .remedy("Use letters, digits and . _ - @, and begin with a letter"));
        }
        let digest = self.host_key.strip_prefix("SHA256:").unwrap_or_default();
        let sign = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        if digest.len() != 43 || !digest.chars().all(sign) {
            return Err(Refusal::invalid("host key", "it is no fingerprint: SHA256: and 43 signs")
                .remedy("See which keys the computer shows: hostler host keys ADDRESS"));
        }
        Ok(())
    }
}

/// How people call a computer in messages.
pub fn computer(address: &str, port: u16) -> String {
    if port == SSH_PORT { format!("computer {address}") } else { format!("computer {address} (port {port})") }
}

/// Whether this is a computer's name or address and a port: it comes to stand on a command line.
///
/// # Errors
/// `value.invalid`.
pub fn check_address(address: &str, port: u16) -> Result<(), Refusal> {
    let sign = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    let begins = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let long = address.is_empty() || address.len() > LONGEST_ADDRESS;
    if long || !address.starts_with(begins) || !address.chars().all(sign) {
        return Err(Refusal::invalid("address", "it is neither a computer's name nor an IP address")
            .remedy("Write it as host-b.example.org, 192.0.2.7 or 2001:db8::7, and the port by itself"));
    }
    if port == 0 {
        return Err(Refusal::invalid("port", "it is not between 1 and 65535"));
    }
    Ok(())
}

impl AddHost {
    /// Whether all of it may be used.
    ///
    /// # Errors
    /// `value.invalid`, with the part.
    pub fn check(&self) -> Result<(), Refusal> {
        self.on.check()?;
        if !self.roles.host && !self.roles.library {
            return Err(Refusal::invalid("roles", "it would be neither a host nor a library server"));
        }
        let Some(server) = &self.server else { return Ok(()) };
        let wrong = || {
            Refusal::invalid("server", "it is no name or address with a port")
                .remedy("Write it as manager:8471, the port for agents behind it")
        };
        let (host, port) = server.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse::<u16>().map_err(|_| wrong())?;
        check_address(host, port).map_err(|_| wrong())
    }

    /// What the computer is called before anybody knows its host name.
    pub fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| self.on.address.clone(), ToString::to_string)
    }
}

impl SshSecrets {
    /// Whether one can sign in with them.
    ///
    /// # Errors
    /// `value.invalid`, with the part, and without any of it.
    pub fn check(&self) -> Result<(), Refusal> {
        let of_one_line = |what: &str, secret: &Option<String>| match secret.as_deref() {
            Some("") => Err(Refusal::invalid(what, "it is empty")),
            Some(text) if text.len() > LONGEST_PASSWORD || text.contains(['\n', '\r', '\0']) => {
                Err(Refusal::invalid(
                    what,
                    format!("it has several lines, or more than {LONGEST_PASSWORD} bytes"),
                ))
            }
            _ => Ok(()),
        };
        of_one_line("password", &self.password)?;
        of_one_line("sudo password", &self.sudo_password)?;
        match (&self.password, self.private_key.as_deref()) {
            (None, None) => Err(Refusal::invalid("secrets", "there is neither a password nor a private key")),
            (Some(_), Some(_)) => Err(Refusal::invalid("secrets", "there is a password and a private key")
                .remedy("Give one of them; the password that sudo asks for is sudo_password")),
            (_, Some(key)) if key.len() > LONGEST_KEY || !key.trim_start().starts_with("-----BEGIN ") => {
                Err(Refusal::invalid("private key", "it is none: it does not begin with -----BEGIN")
                    .remedy("Give the file without .pub, as ssh-keygen makes it"))
            }
            _ => Ok(()),
        }
    }

    /// What `sudo` is answered, where it asks.
    pub fn for_sudo(&self) -> Option<&str> {
        self.sudo_password.as_deref().or(self.password.as_deref())
    }
}

/// What proved who signs in is kept no more: the server was started anew since.
pub fn secrets_gone(on: &SshTarget) -> Refusal {
    let cause = "the server was started anew since, and keeps passwords and private keys in memory only";
    Refusal::new(Code::SecretGone, on.label(), cause).remedy("Add the computer again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(address: &str, user: &str, host_key: &str) -> SshTarget {
        let (address, user, host_key) = (address.into(), user.into(), host_key.into());
        SshTarget { address, port: 22, user, host_key, secrets: Uuid::nil() }
    }

    #[test]
    fn what_could_be_an_option_or_more_than_one_word_is_no_address_user_or_key() {
        let key = format!("SHA256:{}", "a".repeat(43));
        for address in ["192.0.2.7", "host-b.example.org", "2001:db8::7", "fe80::1%eth0"] {
            assert_eq!(target(address, "root", &key).check(), Ok(()), "{address}");
        }
        for address in
            ["", "-oProxyCommand=x", "a b", "a;b", "a/b", "[::1]", "a\nb", "$(x)", &"a".repeat(254)]
        {
            assert!(target(address, "root", &key).check().is_err(), "{address}");
        }
        for user in ["", "-l", "a b", "a;b", "a'b", "a\"b", "a\nb", "$HOME", &"a".repeat(65)] {
            assert!(target("host", user, &key).check().is_err(), "{user}");
        }
        for key in ["", "MD5:00", "SHA256:", &format!("SHA256:{}", "a".repeat(42)), &format!("{key} x")] {
            assert!(target("host", "root", key).check().is_err(), "{key}");
        }
    }

    #[test]
    fn one_proof_is_needed_and_none_of_it_is_ever_written_down() {
        let some = |text: &str| Some(text.to_owned());
        let password = SshSecrets { password: some("tr0ub4dor"), ..SshSecrets::default() };
        assert_eq!(password.check(), Ok(()));
        assert_eq!(password.for_sudo(), Some("tr0ub4dor"));
        assert!(!format!("{password:?}").contains("tr0ub4dor"));
        let key =
            SshSecrets { private_key: some("-----BEGIN OPENSSH PRIVATE KEY-----"), ..SshSecrets::default() };
        assert_eq!((key.check(), key.for_sudo()), (Ok(()), None));
        for bad in [
            SshSecrets::default(),
            SshSecrets { password: some("a"), ..key.clone() },
            SshSecrets { password: some("a\nb"), ..SshSecrets::default() },
            SshSecrets { private_key: some("ssh-ed25519 AAAA"), ..SshSecrets::default() },
            SshSecrets { sudo_password: some(""), ..password },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
