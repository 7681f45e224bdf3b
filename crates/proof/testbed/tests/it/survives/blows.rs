//! What is done to the fleet, and how it is mended.

use std::fmt;
use std::time::Duration;

use hostler_testbed::{Dice, Result, Site, Slow};

/// A blow, to a host by its place in the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The host's cable is pulled.
    Cut(usize),
    /// The host's cable is bad.
    Slow(usize),
    /// Two hosts do not reach each other.
    Apart(usize, usize),
    /// The host stands still, with its machines.
    Freeze(usize),
    /// The server stands still.
    FreezeServer,
    /// The host's libvirtd is killed.
    Libvirtd(usize),
    /// The host's agent is killed.
    Agent(usize),
    /// The server is killed.
    Server,
    /// The processes of the host's machines are killed.
    Machines(usize),
    /// All that runs on the host is killed.
    All(usize),
    /// The host's power is cut.
    Power(usize),
}

/// What the bad cable is like: what a person would still take for a network.
const BAD: Slow = Slow { delay_ms: 150, rate_kbit_s: 2_000, loss_percent: 5 };

impl Blow {
    /// The next blow.
    pub fn drawn(dice: &mut Dice, hosts: usize) -> Self {
        let host = dice.below(hosts);
        match dice.below(14) {
            0 | 1 => Self::Cut(host),
            2 => Self::Slow(host),
            3 => Self::Apart(host, (host + 1) % hosts),
            4 | 5 => Self::Freeze(host),
            6 => Self::FreezeServer,
            7 => Self::Libvirtd(host),
            8 => Self::Agent(host),
            9 => Self::Server,
            10 => Self::Machines(host),
            11 => Self::All(host),
            _ => Self::Power(host),
        }
    }

    /// Strikes.
    pub fn strike(self, site: &mut Site) -> Result<()> {
        match self {
            Self::Cut(host) => site.hosts[host].cut(),
            Self::Slow(host) => site.hosts[host].slow(BAD),
            Self::Apart(one, other) => site.hosts[one].cut_from(&site.hosts[other]),
            Self::Freeze(host) => site.hosts[host].freeze(),
            Self::FreezeServer => site.server.freeze(),
            Self::Libvirtd(host) => site.hosts[host].libvirtd_kill(),
            Self::Agent(host) => site.hosts[host].agent_kill(),
            Self::Server => site.server.kill_it(),
            Self::Machines(host) => site.hosts[host].qemus_kill(),
            Self::All(host) => site.hosts[host].all_kill(),
            Self::Power(host) => site.hosts[host].power_off(),
        }
    }

    /// Mends what it struck; what was killed by it and nobody starts by himself stays dead.
    pub fn mend(self, site: &mut Site) -> Result<()> {
        match self {
            Self::Cut(host) | Self::Slow(host) => site.hosts[host].heal(),
            Self::Apart(one, other) => site.hosts[one].heal_with(&site.hosts[other]),
            Self::Freeze(host) => site.hosts[host].thaw(),
            Self::FreezeServer => site.server.thaw(),
            Self::Libvirtd(host) => site.hosts[host].libvirtd_start(),
            Self::Agent(host) => site.hosts[host].agent_start(),
            Self::Server => site.restart_server_after_kill(),
            Self::Machines(_) => Ok(()),
            Self::All(host) => {
                site.hosts[host].libvirtd_start()?;
                site.hosts[host].agent_start()
            }
            Self::Power(host) => site.hosts[host].boot(),
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |host: &usize| char::from(b'a' + u8::try_from(*host).unwrap_or_default());
        match self {
            Self::Cut(host) => write!(f, "host {} is cut off", name(host)),
            Self::Slow(host) => write!(f, "host {} has a bad cable", name(host)),
            Self::Apart(one, other) => write!(f, "hosts {} and {} are cut apart", name(one), name(other)),
            Self::Freeze(host) => write!(f, "host {} freezes", name(host)),
            Self::FreezeServer => write!(f, "the server freezes"),
            Self::Libvirtd(host) => write!(f, "libvirtd of host {} is killed", name(host)),
            Self::Agent(host) => write!(f, "the agent of host {} is killed", name(host)),
            Self::Server => write!(f, "the server is killed"),
            Self::Machines(host) => write!(f, "the machines of host {} are killed", name(host)),
            Self::All(host) => write!(f, "all on host {} is killed", name(host)),
            Self::Power(host) => write!(f, "host {} loses its power", name(host)),
        }
    }
}

/// How long a blow lasts: mostly a moment, now and then longer than a host may be silent.
pub fn lasts(dice: &mut Dice) -> Duration {
    let most_ms = if dice.below(5) == 0 { 20_000 } else { 3_000 };
    Duration::from_millis(dice.below(most_ms) as u64)
}
