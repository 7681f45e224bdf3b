//! Networks that are to be: what is asked for, and what of it makes sense.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Code, Refusal};
use crate::network::{AddressRange, NetworkKind};

/// The longest name of a network, in characters.
const LONGEST_NAME: usize = 50;
/// The longest name of an adapter: the kernel's bound.
const LONGEST_ADAPTER: usize = 15;
/// On how many hosts a network is made or removed by one job.
pub const MOST_HOSTS: usize = 64;

/// What a network is to be, on each host alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NetworkSpec {
    /// Its name: 1 to 50 letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    pub name: String,
    /// What it connects: `external`, `internal`, `private` or `nat`.
    pub kind: NetworkKind,
    /// The host's own address on it with its network's length, `10.20.0.1/24`: of an internal network and of one with NAT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The addresses that the host gives to machines. Of a network with NAT that says nothing: all behind its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<AddressRange>,
    /// The adapter of the host that leads outside, or a bridge that is there: of an external network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The VLAN of that adapter, 1 to 4094.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
}

/// Make a network on hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewNetwork {
    /// Its name: 1 to 50 letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    pub name: String,
    /// What it connects: `external`, `internal`, `private` or `nat`.
    pub kind: NetworkKind,
    /// On which hosts, 1 to 64.
    pub hosts: Vec<String>,
    /// The host's own address on it with its network's length, `10.20.0.1/24`: of an internal network and of one with NAT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The addresses that the host gives to machines. Of a network with NAT that says nothing: all behind its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<AddressRange>,
    /// The adapter of the host that leads outside, or a bridge that is there: of an external network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The VLAN of that adapter, 1 to 4094.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
}

impl NetworkSpec {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        label(&self.name)
    }

    /// The same with what goes without saying: the addresses that a network with NAT gives.
    ///
    /// # Errors
    /// `value.invalid` where it makes no sense.
    pub fn checked(mut self) -> Result<Self, Refusal> {
        check_name(&self.name)?;
        let is_host_on = matches!(self.kind, NetworkKind::Internal | NetworkKind::Nat);
        let wrong = |field: &str, cause: String| Err(Refusal::invalid(field, cause));
        let word = self.kind.word();
        match self.kind {
            NetworkKind::Other => {
                return wrong("kind", "it is not external, internal, private or nat".into());
            }
            NetworkKind::External if self.adapter.is_none() => {
                return wrong("adapter", "an external network needs the adapter that leads outside".into());
            }
            NetworkKind::Internal | NetworkKind::Nat if self.address.is_none() => {
                let cause = format!("the host needs an address of its own on an {word} network");
                return Err(Refusal::invalid(
                    "address",
                    cause.replace("an nat network", "a network with NAT"),
                )
                .remedy("Say one with the length of its network, such as 10.20.0.1/24"));
            }
            _ => {}
        }
        if self.kind != NetworkKind::External && self.adapter.is_some() {
            return wrong("adapter", format!("no adapter is a part of a network that is {word}"));
        }
        if !is_host_on && (self.address.is_some() || self.dhcp.is_some()) {
            return wrong("address", format!("the host gives no addresses on a network that is {word}"));
        }
        if let Some(adapter) = &self.adapter {
            check_adapter(adapter)?;
        }
        if let Some(vlan) = self.vlan {
            if self.kind != NetworkKind::External {
                let cause = format!("a network that is {word} never leaves its host, so it is in no VLAN");
                return Err(Refusal::invalid("vlan", cause)
                    .remedy("Make one network for each group of machines that is to be apart"));
            }
            if !(1..=4094).contains(&vlan) {
                return wrong("vlan", format!("{vlan} is not between 1 and 4094"));
            }
        }
        if let Some(text) = self.address.take() {
            let own = Own::read(&text)?;
            if self.dhcp.is_none() && self.kind == NetworkKind::Nat {
                self.dhcp = own.all_behind();
            }
            if let Some(range) = &self.dhcp {
                own.check(range)?;
            }
            self.address = Some(own.to_string());
        }
        Ok(self)
    }
}

/// How people call a network in messages.
pub fn label(name: &str) -> String {
    format!("network {name}")
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if begins && name.len() <= LONGEST_NAME && name.chars().all(good) {
        return Ok(());
    }
    let cause = "it is not 1 to 50 letters, digits, \"-\", \"_\" and \".\" that begin with a letter or digit";
    Err(Refusal::new(Code::NameInvalid, "the network's name", cause))
}

fn check_adapter(name: &str) -> Result<(), Refusal> {
    let good = |c: char| c.is_ascii_graphic() && !"/:".contains(c);
    if (1..=LONGEST_ADAPTER).contains(&name.len()) && name.chars().all(good) && !name.starts_with(['.', '-'])
    {
        return Ok(());
    }
    Err(Refusal::invalid("adapter", "that is no adapter's name"))
}

/// A host's own address on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// The address.
    pub address: IpAddr,
    /// How many bits of it are the network's.
    pub length: u8,
}

impl Own {
    /// Reads `10.20.0.1/24`.
    ///
    /// # Errors
    /// `value.invalid`.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let wrong = |cause: &str| {
            Refusal::invalid("address", format!("\"{text}\" {cause}"))
                .remedy("Say an address with the length of its network, such as 10.20.0.1/24")
        };
        let (address, length) = text.split_once('/').ok_or_else(|| wrong("has no length of a network"))?;
        let address: IpAddr = address.parse().map_err(|_| wrong("is no address"))?;
        let length: u8 = length.parse().map_err(|_| wrong("has no length of a network"))?;
        let lengths = if address.is_ipv4() { 8..=30 } else { 16..=126 };
        if !lengths.contains(&length) {
            return Err(wrong("has no length of a network in which there is room"));
        }
        let own = Self { address, length };
        if address.is_multicast() || address.is_loopback() || address.is_unspecified() || own.is_edge() {
            return Err(wrong("is no address that a host can have"));
        }
        Ok(own)
    }

    /// The first and the last number of the network, of IPv4.
    fn bounds(self) -> Option<(u32, u32)> {
        let IpAddr::V4(v4) = self.address else { return None };
        let mask = u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
        Some((u32::from(v4) & !mask, u32::from(v4) | mask))
    }

    /// Whether it is the network's own number or the one for all.
    fn is_edge(self) -> bool {
        let IpAddr::V4(v4) = self.address else { return false };
        self.bounds().is_some_and(|(first, last)| [first, last].contains(&u32::from(v4)))
    }

    /// All addresses behind it; none where there is none.
    fn all_behind(self) -> Option<AddressRange> {
        let (_, last) = self.bounds()?;
        let IpAddr::V4(own) = self.address else { return None };
        let (first, last) = (u32::from(own) + 1, last - 1);
        let text = |number| Ipv4Addr::from(number).to_string();
        (first <= last).then(|| AddressRange { first: text(first), last: text(last) })
    }

    fn check(self, range: &AddressRange) -> Result<(), Refusal> {
        let wrong =
            |cause: &str| Err(Refusal::invalid("dhcp", format!("{} to {} {cause}", range.first, range.last)));
        let (Ok(first), Ok(last)) = (range.first.parse::<Ipv4Addr>(), range.last.parse::<Ipv4Addr>()) else {
            return wrong("are no addresses of IPv4");
        };
        let Some((lowest, highest)) = self.bounds() else {
            return wrong("cannot be given where the host's own address is one of IPv6");
        };
        let (first, last) = (u32::from(first), u32::from(last));
        match first <= last && lowest < first && last < highest {
            false => wrong("is no range within the network of the host's own address"),
            true if matches!(self.address, IpAddr::V4(own) if (first..=last).contains(&u32::from(own))) => {
                wrong("holds the host's own address")
            }
            true => Ok(()),
        }
    }
}

impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: NetworkKind) -> NetworkSpec {
        NetworkSpec { name: "lab".into(), kind, ..NetworkSpec::default() }
    }

    fn nat(address: &str) -> NetworkSpec {
        NetworkSpec { address: Some(address.into()), ..spec(NetworkKind::Nat) }
    }

    fn range(first: &str, last: &str) -> Option<AddressRange> {
        Some(AddressRange { first: first.into(), last: last.into() })
    }

    #[test]
    fn a_network_with_nat_gives_all_addresses_behind_its_hosts_unless_others_are_said() {
        assert_eq!(nat("10.20.0.1/24").checked().unwrap().dhcp, range("10.20.0.2", "10.20.0.254"));
        let said = NetworkSpec { dhcp: range("10.20.0.100", "10.20.0.120"), ..nat("10.20.0.1/24") };
        assert_eq!(said.clone().checked().unwrap(), said);
        let internal = NetworkSpec { kind: NetworkKind::Internal, ..nat("10.20.0.1/24") };
        assert_eq!(internal.checked().unwrap().dhcp, None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_the_field() {
        let refused = |spec: NetworkSpec| spec.checked().unwrap_err().object;
        assert_eq!(refused(spec(NetworkKind::Other)), "kind");
        assert_eq!(refused(spec(NetworkKind::External)), "adapter");
        assert_eq!(refused(spec(NetworkKind::Nat)), "address");
        assert_eq!(refused(NetworkSpec { vlan: Some(7), ..spec(NetworkKind::Private) }), "vlan");
        assert_eq!(refused(NetworkSpec { kind: NetworkKind::Private, ..nat("10.20.0.1/24") }), "address");
        for address in ["10.20.0.0/24", "10.20.0.255/24", "10.20.0.1", "10.20.0.1/31", "127.0.0.1/8", "x/24"]
        {
            assert_eq!(refused(nat(address)), "address", "{address}");
        }
        for (first, last) in
            [("10.20.0.1", "10.20.0.9"), ("10.20.1.2", "10.20.1.3"), ("10.20.0.9", "10.20.0.8")]
        {
            let said = NetworkSpec { dhcp: range(first, last), ..nat("10.20.0.1/24") };
            assert_eq!(refused(said), "dhcp", "{first}");
        }
        let external = |adapter: &str, vlan| NetworkSpec {
            adapter: Some(adapter.into()),
            vlan,
            ..spec(NetworkKind::External)
        };
        assert_eq!(refused(external("../eth0", None)), "adapter");
        assert_eq!(refused(external("eth0", Some(4095))), "vlan");
        assert!(external("eth0", Some(4094)).checked().is_ok());
        for name in ["", "-lab", "a b", "a/b", "ä"] {
            let refused = NetworkSpec { name: name.into(), ..external("eth0", None) }.checked().unwrap_err();
            assert_eq!(refused.code, Code::NameInvalid, "{name}");
        }
    }
}
