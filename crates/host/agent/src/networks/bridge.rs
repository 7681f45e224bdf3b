//! A bridge over an adapter: the adapter becomes a part of it, and the adapter's addresses and routes move to it, by one
//! call of `ip` each way, so that what uses them waits for milliseconds. What was moved is known before anything is.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use hostler_model::new_network::NetworkSpec;
use hostler_model::{Code, Refusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::equipment::SYS;

/// The longest name that the kernel takes.
const LONGEST: usize = 15;
/// How `ip` writes a time that does not end.
const FOR_EVER: u64 = u32::MAX as u64;

/// A bridge over an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bridge {
    /// Its name.
    pub name: String,
    /// What becomes a part of it: the adapter, or a VLAN of it.
    port: String,
    /// The VLAN that is made for it.
    vlan: Option<Vlan>,
    /// The adapter's hardware address, by which its neighbours know the computer.
    mac: String,
    /// What is moved.
    moved: Config,
}

/// A VLAN that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vlan {
    on: String,
    id: u16,
}

/// Addresses and routes, as words for `ip` without what they are on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Config {
    addresses: Vec<String>,
    /// Each before and behind the place of the adapter. Those without a gateway first: the others stand on them.
    routes: Vec<(String, String)>,
}

fn refused(network: &NetworkSpec, code: Code, cause: String) -> Refusal {
    Refusal::new(code, network.label(), cause)
}

/// What `ip` says when it fails.
fn failed(cause: String) -> Refusal {
    Refusal::new(Code::NetworkFailed, "ip", cause)
        .remedy("See whether iproute2 is installed on the host, and what the adapter is used for")
}

pub(super) fn exists(adapter: &str) -> bool {
    Path::new(SYS).join("class/net").join(adapter).exists()
}

impl Bridge {
    /// The bridge that a network needs; none where its adapter is a bridge already. Nothing is changed.
    ///
    /// # Errors
    /// There is no such adapter, it is a part of something else, its address is lent, or `ip` does not say what is on it.
    pub(super) fn plan(network: &NetworkSpec, id: Uuid) -> Result<Option<Self>, Refusal> {
        let adapter = network.adapter.clone().unwrap_or_default();
        let at = Path::new(SYS).join("class/net").join(&adapter);
        if adapter.is_empty() || !at.exists() {
            return Err(refused(network, Code::ValueInvalid, format!("there is no adapter {adapter}")));
        }
        if at.join("bridge").exists() {
            return match network.vlan {
                None => Ok(None),
                Some(_) => {
                    let cause = format!("{adapter} is a bridge already, and has no VLAN of its own");
                    Err(refused(network, Code::NetworkVlanNotPossible, cause))
                }
            };
        }
        let (port, vlan) = match network.vlan {
            None => (adapter, None),
            Some(id) => {
                let port = vlan_name(&adapter, id);
                (port.clone(), Some(Vlan { on: adapter, id }).filter(|_| !exists(&port)))
            }
        };
        if let Ok(master) = std::fs::read_link(Path::new(SYS).join("class/net").join(&port).join("master")) {
            let of = master.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(refused(network, Code::ObjectInUse, format!("adapter {port} is a part of {of}")));
        }
        let mac_of = vlan.as_ref().map_or(&port, |vlan| &vlan.on);
        let mac = std::fs::read_to_string(Path::new(SYS).join("class/net").join(mac_of).join("address"));
        let mac = mac.map_err(|why| failed(format!("{mac_of}: {why}")))?.trim().to_owned();
        let moved = if vlan.is_some() { Config::default() } else { movable(&port)? };
        Ok(Some(Self { name: bridge_name(&network.name, id), port, vlan, mac, moved }))
    }

    /// Makes it and moves everything to it. When it fails some of that may have been done.
    ///
    /// # Errors
    /// What `ip` says. `network.vlan.not.possible` where the kernel has no VLANs: then nothing was done.
    pub(super) fn up(&self) -> Result<(), Refusal> {
        let Self { name, port, mac, .. } = self;
        if let Some(Vlan { on, id }) = &self.vlan {
            let made = batch(&[format!("link add link {on} name {port} type vlan id {id}")], false);
            made.map_err(|why| {
                let cause = format!("the kernel of this host makes no VLAN {id} on {on}: {}", why.cause);
                Refusal::new(Code::NetworkVlanNotPossible, format!("VLAN {id}"), cause)
                    .remedy("Load the module 8021q on the host, or make the network without a VLAN")
            })?;
        }
        let mut lines = vec![
            format!("link add name {name} type bridge stp_state 0 forward_delay 0"),
            format!("link set dev {name} address {mac}"),
            format!("link set dev {port} up"),
            format!("link set dev {port} master {name}"),
        ];
        lines.extend(
            self.moved.addresses.iter().map(|address| {
                format!("addr del {} dev {port}", address.split(' ').next().unwrap_or_default())
            }),
        );
        lines.push(format!("link set dev {name} up"));
        lines.extend(self.moved.on(name));
        batch(&lines, false)
    }

    /// Whether it is there.
    pub(super) fn is_there(&self) -> bool {
        exists(&self.name)
    }

    /// The same bridge with what is on its adapter now: after the computer was started, everything is there again.
    ///
    /// # Errors
    /// What `ip` says, or that the adapter's address is lent by now.
    pub(super) fn anew(&self) -> Result<Self, Refusal> {
        let is_vlan = self.vlan.is_some();
        let moved = if is_vlan { Config::default() } else { movable(&self.port)? };
        Ok(Self { moved, ..self.clone() })
    }

    /// Removes it and gives the adapter everything back: what was moved to it (`as_it_was`), or what is on it now.
    /// Goes on over what cannot be done: some of it may never have been.
    pub(super) fn down(&self, as_it_was: bool) {
        let now = if as_it_was || !self.is_there() { None } else { config(&self.name).ok() };
        let back = now.as_ref().unwrap_or(&self.moved);
        let Self { name, port, .. } = self;
        let mut lines = vec![format!("link set dev {port} nomaster"), format!("link del dev {name}")];
        if self.vlan.is_some() {
            lines.push(format!("link del dev {port}"));
        } else {
            lines.extend(back.on(port));
        }
        if let Err(why) = batch(&lines, true) {
            tracing::debug!(bridge = name, cause = why.cause, "some of a bridge was not there to be removed");
        }
    }
}

/// A bridge's name: as readable as fifteen letters allow, and nobody else's.
fn bridge_name(network: &str, id: Uuid) -> String {
    let readable: String = network.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = format!("br-{readable}");
    if !readable.is_empty() && name.len() <= LONGEST && !exists(&name) {
        return name;
    }
    format!("br-{}", &id.simple().to_string()[24..])
}

fn vlan_name(adapter: &str, id: u16) -> String {
    let usual = format!("{adapter}.{id}");
    if usual.len() <= LONGEST { usual } else { format!("v{id}-{}", &adapter[adapter.len() - 8..]) }
}

impl Config {
    /// What puts it on an adapter.
    fn on<'a>(&'a self, adapter: &'a str) -> impl Iterator<Item = String> + 'a {
        let addresses =
            self.addresses.iter().map(move |address| format!("addr replace {address} dev {adapter}"));
        let routes = self.routes.iter();
        addresses.chain(
            routes
                .map(move |(to, rest)| format!("route replace {to} dev {adapter} {rest}").trim().to_owned()),
        )
    }

    fn of(links: &[Link], four: Vec<Route>, six: Vec<Route>) -> Self {
        let addresses = links.iter().flat_map(|link| &link.addr_info).filter_map(Address::words).collect();
        let four = four.into_iter().map(|route| (route.gateway.is_some(), route.words("0.0.0.0/0")));
        let six = six.into_iter().map(|route| (route.gateway.is_some(), route.words("::/0")));
        let mut routes: Vec<_> =
            four.chain(six).filter_map(|(behind, words)| Some((behind, words?))).collect();
        routes.sort_by_key(|(behind, _)| *behind);
        Self { addresses, routes: routes.into_iter().map(|(_, words)| words).collect() }
    }
}

/// What is on an adapter and can be moved to a bridge.
fn movable(adapter: &str) -> Result<Config, Refusal> {
    not_lent(&links(adapter)?, adapter)?;
    config(adapter)
}

/// Refuses an adapter with an address that DHCP lends to it: whoever asked for that goes on asking on the adapter, hears nothing
/// there any more, and the host is not reached once the time is over, long after somebody has confirmed the bridge. What
/// routers announce (IPv6) the kernel renews on the bridge.
fn not_lent(links: &[Link], adapter: &str) -> Result<(), Refusal> {
    let lent = |address: &&Address| {
        address.family == "inet" && address.valid_life_time.is_some_and(|left| left < FOR_EVER)
    };
    let Some(lent) = links.iter().flat_map(|link| &link.addr_info).find(lent) else { return Ok(()) };
    let (address, left) = (&lent.local, lent.valid_life_time.unwrap_or_default());
    let cause =
        format!("its address {address} comes from DHCP and ends in {left} s: on a bridge nobody renews it");
    Err(Refusal::new(Code::ObjectInUse, format!("adapter {adapter}"), cause).remedy(
        "Let what asks for the address (NetworkManager, systemd-networkd) make the bridge, and name the bridge as the \
         adapter; or give the adapter a fixed address",
    ))
}

fn links(adapter: &str) -> Result<Vec<Link>, Refusal> {
    told(&["-j", "addr", "show", "dev", adapter])
}

/// What is on an adapter.
fn config(adapter: &str) -> Result<Config, Refusal> {
    let links = links(adapter)?;
    let routes = |family| told(&[family, "-j", "route", "show", "table", "main", "dev", adapter]);
    Ok(Config::of(&links, routes("-4")?, routes("-6")?))
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    family: String,
    local: String,
    prefixlen: u8,
    #[serde(default)]
    broadcast: Option<String>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    noprefixroute: bool,
    #[serde(default)]
    valid_life_time: Option<u64>,
    #[serde(default)]
    preferred_life_time: Option<u64>,
}

impl Address {
    /// As `ip` takes it; nothing for what each adapter has by itself.
    fn words(&self) -> Option<String> {
        if self.scope == "link" && self.family == "inet6" {
            return None;
        }
        let mut words = format!("{}/{}", self.local, self.prefixlen);
        if let Some(broadcast) = &self.broadcast {
            words += &format!(" broadcast {broadcast}");
        }
        if !matches!(self.scope.as_str(), "" | "global") {
            words += &format!(" scope {}", self.scope);
        }
        let left = self.valid_life_time.zip(self.preferred_life_time);
        if let Some((valid, preferred)) = left.filter(|(valid, _)| *valid < FOR_EVER) {
            words += &format!(" valid_lft {valid} preferred_lft {}", preferred.min(valid));
        }
        if self.noprefixroute {
            words += " noprefixroute";
        }
        // It was its own a moment ago: nobody has to be asked whether it is free.
        if self.family == "inet6" {
            words += " nodad";
        }
        Some(words)
    }
}

#[derive(Deserialize)]
struct Route {
    dst: String,
    #[serde(default)]
    gateway: Option<String>,
    #[serde(default)]
    protocol: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    prefsrc: Option<String>,
    #[serde(default)]
    metric: Option<u64>,
    #[serde(default)]
    flags: Vec<String>,
}

impl Route {
    /// As `ip` takes it, around the place of the adapter; nothing for what comes with an address by itself.
    fn words(&self, every: &str) -> Option<(String, String)> {
        if self.protocol == "kernel" || self.dst.starts_with("fe80:") || self.dst.starts_with("ff00:") {
            return None;
        }
        let mut to = if self.dst == "default" { every.to_owned() } else { self.dst.clone() };
        if let Some(gateway) = &self.gateway {
            to += &format!(" via {gateway}");
        }
        let mut rest = Vec::new();
        let mut say =
            |word: &str, value: Option<String>| rest.extend(value.map(|value| format!("{word} {value}")));
        say("proto", Some(self.protocol.clone()).filter(|word| !word.is_empty()));
        say("scope", self.scope.clone());
        say("src", self.prefsrc.clone());
        say("metric", self.metric.map(|metric| metric.to_string()));
        if self.flags.iter().any(|flag| flag == "onlink") {
            rest.push("onlink".to_owned());
        }
        Some((to, rest.join(" ")))
    }
}

/// What `ip` answers.
fn told<T: DeserializeOwned>(words: &[&str]) -> Result<Vec<T>, Refusal> {
    let output = Command::new("ip").args(words).output().map_err(|why| failed(format!("ip: {why}")))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    // Of no route at all nothing is said.
    if output.stdout.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&output.stdout).map_err(|why| failed(format!("ip {}: {why}", words.join(" "))))
}

/// Does several things by one call of `ip`, in order; `on` goes on over what fails.
fn batch(lines: &[String], on: bool) -> Result<(), Refusal> {
    let mut ip = Command::new("ip");
    if on {
        ip.arg("-force");
    }
    ip.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = ip.spawn().map_err(|why| failed(format!("ip: {why}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended early says why.
        let _ = stdin.write_all((lines.join("\n") + "\n").as_bytes());
    }
    let output = child.wait_with_output().map_err(|why| failed(format!("ip: {why}")))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_whose_address_is_lent_by_dhcp_does_not_become_a_part_of_a_bridge() {
        let on = |family: &str, left: &str| -> Vec<Link> {
            let links = format!(
                r#"[{{"ifname":"eno1","addr_info":[
                    {{"family":"{family}","local":"10.0.0.2","prefixlen":24,"scope":"global"{left}}}]}}]"#
            );
            serde_json::from_str(&links).unwrap()
        };
        let lent = r#","dynamic":true,"valid_life_time":900,"preferred_life_time":900"#;
        let refused = not_lent(&on("inet", lent), "eno1").unwrap_err();
        assert_eq!((refused.code, refused.object.as_str()), (Code::ObjectInUse, "adapter eno1"));
        assert!(refused.cause.contains("10.0.0.2 comes from DHCP"), "{}", refused.cause);
        assert!(refused.remedy.contains("name the bridge"));
        for kept in ["", r#","valid_life_time":4294967295,"preferred_life_time":4294967295"#] {
            not_lent(&on("inet", kept), "eno1").unwrap();
        }
        // Routers announce these anew, on the bridge as well.
        not_lent(&on("inet6", lent), "eno1").unwrap();
    }

    #[test]
    fn addresses_and_routes_move_with_all_that_is_said_of_them_and_what_comes_by_itself_does_not() {
        let links: Vec<Link> = serde_json::from_str(
            r#"[{"ifname":"eth0","addr_info":[
                {"family":"inet","local":"10.0.0.2","prefixlen":24,"broadcast":"10.0.0.255","scope":"global",
                 "label":"eth0","valid_life_time":4294967295,"preferred_life_time":4294967295},
                {"family":"inet","local":"10.9.0.2","prefixlen":16,"scope":"link"},
                {"family":"inet6","local":"fd00::2","prefixlen":64,"scope":"global"},
                {"family":"inet6","local":"2001:db8::2","prefixlen":64,"scope":"global","valid_life_time":900,
                 "preferred_life_time":1800},
                {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]}]"#,
        )
        .unwrap();
        let four: Vec<Route> = serde_json::from_str(
            r#"[{"dst":"default","gateway":"10.0.0.1","protocol":"static","metric":100,"flags":["onlink"]},
                {"dst":"10.0.0.0/24","protocol":"kernel","scope":"link","prefsrc":"10.0.0.2","flags":[]},
                {"dst":"10.5.0.0/16","protocol":"boot","scope":"link","flags":[]}]"#,
        )
        .unwrap();
        let six: Vec<Route> =
            serde_json::from_str(r#"[{"dst":"default","gateway":"fd00::1","protocol":"static","flags":[]}]"#)
                .unwrap();
        let lines: Vec<String> = Config::of(&links, four, six).on("br0").collect();
        assert_eq!(
            lines,
            [
                "addr replace 10.0.0.2/24 broadcast 10.0.0.255 dev br0",
                "addr replace 10.9.0.2/16 scope link dev br0",
                "addr replace fd00::2/64 nodad dev br0",
                "addr replace 2001:db8::2/64 valid_lft 900 preferred_lft 900 nodad dev br0",
                "route replace 10.5.0.0/16 dev br0 proto boot scope link",
                "route replace 0.0.0.0/0 via 10.0.0.1 dev br0 proto static metric 100 onlink",
                "route replace ::/0 via fd00::1 dev br0 proto static",
            ]
        );
    }

    #[test]
    fn bridges_and_vlans_have_names_that_the_kernel_takes() {
        let id = Uuid::from_u128(0x1234_5678);
        assert_eq!(bridge_name("Lab_2", id), "br-lab2");
        assert_eq!(bridge_name("a-network-with-a-long-name", id), "br-12345678");
        assert_eq!(bridge_name("---", id), "br-12345678");
        assert_eq!(vlan_name("eno1", 4094), "eno1.4094");
        assert_eq!(vlan_name("enp0s31f6np1abc", 4094), "v4094-f6np1abc");
    }
}
