//! On which addresses a server that `hostler up` starts is reached: what is said, else what was said the last time, else
//! the usual ones.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AGENT_LISTEN, LISTEN, here};
use crate::cli::failure::Failure;

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// For browsers and the command line.
    pub listen: SocketAddr,
    /// For agents.
    pub agent_listen: SocketAddr,
}

impl Addresses {
    /// What is said goes before what is kept, and that before the usual.
    ///
    /// # Errors
    /// When both are one and the same, or none at all.
    pub fn meant(
        listen: Option<SocketAddr>,
        agent_listen: Option<SocketAddr>,
        kept: Option<Self>,
    ) -> Result<Self, Failure> {
        let usual = |text: &str| text.parse().ok();
        let listen = listen.or(kept.map(|kept| kept.listen)).or_else(|| usual(LISTEN));
        let agent_listen =
            agent_listen.or(kept.map(|kept| kept.agent_listen)).or_else(|| usual(AGENT_LISTEN));
        match (listen, agent_listen) {
            (Some(listen), Some(agent_listen)) if listen.port() != 0 && agent_listen.port() != 0 => {
                apart(listen, agent_listen).map(|()| Self { listen, agent_listen })
            }
            _ => Err(Failure::usage("port 0 is no port to be found at", "Name the ports, or leave them out")),
        }
    }

    /// What is kept in a file; none where nothing was ever kept.
    ///
    /// # Errors
    /// When it cannot be read as addresses.
    pub fn kept(file: &Path) -> Result<Option<Self>, Failure> {
        let remedy = "Mend it, or remove it and name --listen and --agent-listen";
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(here(file.display(), cause, remedy)),
        };
        let read = toml::from_str(&text).map_err(|cause| here(file.display(), cause.message(), remedy))?;
        Ok(Some(read))
    }

    /// Keeps them for the next time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, file: &Path) -> Result<(), Failure> {
        let failed = |cause: String| here(file.display(), cause, "Look at the rights of the folder");
        let text = toml::to_string(self).map_err(|cause| failed(cause.to_string()))?;
        fs::write(file, text).map_err(|cause| failed(cause.to_string()))
    }

    /// The server as one connects to it from this computer.
    pub fn url(&self) -> String {
        format!("https://{}", dialled(self.listen))
    }

    /// Where this computer's own agent connects.
    pub fn dial(&self) -> String {
        dialled(self.agent_listen).to_string()
    }
}

/// Two listeners cannot have one address.
///
/// # Errors
/// When they would.
pub fn apart(listen: SocketAddr, agent_listen: SocketAddr) -> Result<(), Failure> {
    let (one, other) = (listen.ip(), agent_listen.ip());
    let clash = listen.port() == agent_listen.port()
        && listen.port() != 0
        && (one == other || one.is_unspecified() || other.is_unspecified());
    if !clash {
        return Ok(());
    }
    Err(Failure::usage(
        format!("--listen {listen} and --agent-listen {agent_listen} are one port"),
        "Choose two ports: one for browsers and the command line, one for agents",
    ))
}

fn dialled(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
    }
    address
}

/// Tells this computer's agent where the server is from now on: `server` in its settings, whose other lines stay.
///
/// # Errors
/// When the file cannot be read or written.
pub fn tell_agent(file: &Path, dial: &str) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| here(file.display(), cause, "Look at the rights of the folder");
    let before = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(cause) => return Err(failed(cause)),
    };
    let is_server = |line: &str| {
        line.trim_start().strip_prefix("server").is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut text = format!("server = \"{dial}\"\n");
    for line in before.lines().filter(|line| !is_server(line)) {
        text.push_str(line);
        text.push('\n');
    }
    fs::write(file, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_said_goes_before_what_was_said_and_that_before_the_usual() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("addresses.toml");
        assert_eq!(Addresses::kept(&file).unwrap(), None);
        let usual = Addresses::meant(None, None, None).unwrap();
        assert_eq!(
            (usual.url().as_str(), usual.dial().as_str()),
            ("https://127.0.0.1:8470", "127.0.0.1:8471")
        );
        let said = Addresses::meant(Some(at("0.0.0.0:9000")), Some(at("10.0.0.1:9001")), None).unwrap();
        assert_eq!((said.url().as_str(), said.dial().as_str()), ("https://127.0.0.1:9000", "10.0.0.1:9001"));
        said.keep(&file).unwrap();
        let kept = Addresses::kept(&file).unwrap();
        assert_eq!(Addresses::meant(None, None, kept).unwrap(), said);
        let other = Addresses::meant(Some(at("127.0.0.1:9002")), None, kept).unwrap();
        assert_eq!((other.listen, other.agent_listen), (at("127.0.0.1:9002"), at("10.0.0.1:9001")));
        fs::write(&file, "listen = 7").unwrap();
        assert!(Addresses::kept(&file).is_err());
    }

    #[test]
    fn one_port_for_both_is_refused_as_a_command_that_makes_no_sense() {
        let both = |one: &str, other: &str| Addresses::meant(Some(at(one)), Some(at(other)), None);
        for (one, other) in [
            ("127.0.0.1:9", "127.0.0.1:9"),
            ("0.0.0.0:9", "127.0.0.1:9"),
            ("127.0.0.1:9", "[::]:9"),
            ("127.0.0.1:0", "127.0.0.1:9"),
        ] {
            assert!(matches!(both(one, other), Err(Failure::Usage(..))), "{one} {other}");
        }
        both("127.0.0.1:9", "127.0.0.2:9").unwrap();
    }

    #[test]
    fn an_agent_is_told_and_its_other_settings_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.toml");
        tell_agent(&file, "127.0.0.1:1").unwrap();
        fs::write(&file, "# ours\nserver = \"x:1\"\nname = \"server-1\"\n").unwrap();
        tell_agent(&file, "127.0.0.1:2").unwrap();
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "server = \"127.0.0.1:2\"\n# ours\nname = \"server-1\"\n"
        );
    }
}
