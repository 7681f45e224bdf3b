//! Where what `hostler up` makes lies.

use std::path::{Path, PathBuf};

/// Where the server keeps what it keeps.
pub const SERVER_STATE: &str = "/var/lib/hostler";
/// Where the agent keeps what it keeps.
const AGENT_STATE: &str = "/var/lib/hostler-agent";
/// Where the first library share lies.
const LIBRARY: &str = "/var/lib/hostler-library";

/// The folders of an installation on this computer.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The server's.
    pub server: PathBuf,
    /// The agent's.
    pub agent: PathBuf,
    /// The first library share.
    pub library: PathBuf,
}

impl Layout {
    /// Below one folder, or each at its place.
    ///
    /// # Errors
    /// When the folder is not absolute and the current one is not known.
    pub fn new(state: Option<&Path>) -> std::io::Result<Self> {
        Ok(match state {
            None => Self { server: SERVER_STATE.into(), agent: AGENT_STATE.into(), library: LIBRARY.into() },
            Some(below) => {
                let below = std::path::absolute(below)?;
                Self {
                    server: below.join("server"),
                    agent: below.join("agent"),
                    library: below.join("library"),
                }
            }
        })
    }

    /// The pid file of the server.
    pub fn server_pid(&self) -> PathBuf {
        self.server.join("server.pid")
    }

    /// The pid file of the agent.
    pub fn agent_pid(&self) -> PathBuf {
        self.server.join("agent.pid")
    }

    /// The pid file of a libvirtd that `hostler up` started.
    pub fn libvirtd_pid(&self) -> PathBuf {
        self.server.join("libvirtd.pid")
    }

    /// On which addresses the server listens.
    pub fn addresses(&self) -> PathBuf {
        self.server.join("addresses.toml")
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.server.join("pki/authority.crt")
    }

    /// The token by which `hostler up` and `hostler down` speak to their own server; for root alone.
    pub fn token(&self) -> PathBuf {
        self.server.join("up-token")
    }

    /// The first administrator's password, until it is changed.
    pub fn initial_password(&self) -> PathBuf {
        self.server.join("initial-password")
    }
}
