//! What a domain's XML says, in types.

use std::str::FromStr;

use hostler_model::hardware::{Bus, DiskFormat, Mac};
use hostler_model::seen::{Identity, SeenAdapter, SeenDisk};
use serde::Deserialize;

use super::{SPOOFING_FILTER, identity};
use crate::tree::{Element, Wrong};

/// The channel of the guest's agent.
pub(crate) const AGENT_CHANNEL: &str = "org.qemu.guest_agent.0";

/// A domain, as its XML describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DomainView {
    pub name: String,
    pub title: Option<String>,
    pub identity: Option<Identity>,
    pub cpus: u32,
    pub memory_mib: u64,
    pub disks: Vec<SeenDisk>,
    pub adapters: Vec<SeenAdapter>,
    /// Whether the guest's agent holds its channel open; only a running domain's XML says so.
    pub guest_agent: bool,
}

impl DomainView {
    /// Reads it. What is absent or makes no sense is left at nothing: a found machine is shown as far as it can be.
    pub(crate) fn of(xml: &str) -> Result<Self, Wrong> {
        let tree = Element::parse(xml)?;
        let malformed = |why: quick_xml::DeError| Wrong::Malformed(why.to_string());
        let domain: DomainXml = quick_xml::de::from_str(xml).map_err(malformed)?;
        let devices = domain.devices.unwrap_or_default();
        let mut disks: Vec<SeenDisk> = devices.disk.into_iter().filter_map(DiskXml::seen).collect();
        disks.sort_by(|a, b| a.target.cmp(&b.target));
        Ok(Self {
            name: domain.name.unwrap_or_default(),
            title: domain.title.filter(|title| !title.is_empty()),
            identity: identity::of(&tree),
            cpus: domain.vcpu.map_or(1, |vcpu| number(&vcpu.current).or(number(&vcpu.most)).unwrap_or(1)),
            memory_mib: domain.memory.map_or(0, |memory| memory.mib()),
            disks,
            adapters: devices.interface.into_iter().filter_map(InterfaceXml::seen).collect(),
            guest_agent: devices.channel.iter().any(ChannelXml::agent_is_connected),
        })
    }
}

#[derive(Deserialize)]
struct DomainXml {
    name: Option<String>,
    title: Option<String>,
    memory: Option<AmountXml>,
    vcpu: Option<VcpuXml>,
    devices: Option<DevicesXml>,
}

#[derive(Deserialize)]
struct AmountXml {
    #[serde(rename = "@unit")]
    unit: Option<String>,
    #[serde(rename = "$text")]
    amount: Option<String>,
}

impl AmountXml {
    /// In MiB, rounded up. libvirt writes KiB; other units are what people may write.
    fn mib(&self) -> u64 {
        let Some(amount) = number::<u128>(&self.amount) else { return 0 };
        let unit: u128 = match self.unit.as_deref().unwrap_or("KiB") {
            "b" | "bytes" => 1,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "M" | "MiB" => 1 << 20,
            "G" | "GiB" => 1 << 30,
            "T" | "TiB" => 1 << 40,
            _ => 1 << 10,
        };
        u64::try_from(amount.saturating_mul(unit).div_ceil(1 << 20)).unwrap_or(u64::MAX)
    }
}

#[derive(Deserialize)]
struct VcpuXml {
    #[serde(rename = "@current")]
    current: Option<String>,
    #[serde(rename = "$text")]
    most: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DevicesXml {
    disk: Vec<DiskXml>,
    interface: Vec<InterfaceXml>,
    channel: Vec<ChannelXml>,
}

#[derive(Deserialize)]
struct DiskXml {
    #[serde(rename = "@device")]
    device: Option<String>,
    driver: Option<DriverXml>,
    source: Option<SourceXml>,
    target: Option<TargetXml>,
}

#[derive(Deserialize)]
struct DriverXml {
    #[serde(rename = "@type")]
    format: Option<String>,
}

#[derive(Deserialize)]
struct SourceXml {
    #[serde(rename = "@file")]
    file: Option<String>,
    #[serde(rename = "@dev")]
    dev: Option<String>,
    #[serde(rename = "@dir")]
    dir: Option<String>,
    #[serde(rename = "@pool")]
    pool: Option<String>,
    #[serde(rename = "@volume")]
    volume: Option<String>,
    #[serde(rename = "@protocol")]
    protocol: Option<String>,
    #[serde(rename = "@name")]
    name: Option<String>,
    #[serde(rename = "@network")]
    network: Option<String>,
    #[serde(rename = "@bridge")]
    bridge: Option<String>,
}

#[derive(Deserialize)]
struct TargetXml {
    #[serde(rename = "@dev")]
    dev: Option<String>,
    #[serde(rename = "@bus")]
    bus: Option<String>,
    #[serde(rename = "@name")]
    name: Option<String>,
    #[serde(rename = "@state")]
    state: Option<String>,
}

impl DiskXml {
    /// A hard disk or DVD drive; floppy drives are left out.
    fn seen(self) -> Option<SeenDisk> {
        let target = self.target?;
        let dvd = match self.device.as_deref().unwrap_or("disk") {
            "cdrom" => true,
            "floppy" => return None,
            _ => false,
        };
        let format = self.driver.and_then(|driver| driver.format);
        Some(SeenDisk {
            target: target.dev?,
            file: self.source.and_then(SourceXml::of_disk),
            format: DiskFormat::of_qemu_name(format.as_deref().unwrap_or("raw")),
            bus: match target.bus.as_deref() {
                Some("virtio") => Bus::Virtio,
                Some("scsi") => Bus::Scsi,
                // IDE, USB and others: like SATA every guest knows them and a running machine keeps them.
                _ => Bus::Sata,
            },
            // Not in the XML; who may look at files says it.
            size_bytes: None,
            dvd,
        })
    }
}

impl SourceXml {
    /// A file or block device as its path, another source in words that are no path.
    fn of_disk(self) -> Option<String> {
        let elsewhere = |kind: String, name: Option<String>| format!("{kind}:{}", name.unwrap_or_default());
        self.file
            .or(self.dev)
            .or(self.dir)
            .or_else(|| self.pool.map(|pool| elsewhere(format!("pool {pool}"), self.volume)))
            .or_else(|| self.protocol.map(|protocol| elsewhere(protocol, self.name)))
    }
}

#[derive(Deserialize)]
struct InterfaceXml {
    mac: Option<MacXml>,
    source: Option<SourceXml>,
    vlan: Option<VlanXml>,
    filterref: Option<FilterXml>,
}

#[derive(Deserialize)]
struct FilterXml {
    #[serde(rename = "@filter")]
    filter: Option<String>,
}

#[derive(Deserialize)]
struct VlanXml {
    #[serde(rename = "@trunk")]
    trunk: Option<String>,
    #[serde(default)]
    tag: Vec<TagXml>,
}

#[derive(Deserialize)]
struct TagXml {
    #[serde(rename = "@id")]
    id: Option<u16>,
}

impl VlanXml {
    /// The one VLAN; a trunk of several is none.
    fn one(&self) -> Option<u16> {
        match self.tag.as_slice() {
            [tag] if self.trunk.as_deref() != Some("yes") => tag.id,
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct MacXml {
    #[serde(rename = "@address")]
    address: Option<String>,
}

impl InterfaceXml {
    fn seen(self) -> Option<SeenAdapter> {
        let mac = Mac::from_str(self.mac?.address?.as_str()).ok()?;
        let network = self.source.and_then(|from| from.network.or(from.bridge).or(from.dev).or(from.name));
        let vlan = self.vlan.and_then(|vlan| vlan.one());
        // What another filter holds is not known, so it is not said.
        let filter = self.filterref.and_then(|held| held.filter);
        let spoofing_filter = filter.is_some_and(|filter| filter == SPOOFING_FILTER);
        Some(SeenAdapter { mac, network: network.unwrap_or_default(), vlan, spoofing_filter })
    }
}

#[derive(Deserialize)]
struct ChannelXml {
    target: Option<TargetXml>,
}

impl ChannelXml {
    fn agent_is_connected(&self) -> bool {
        self.target.as_ref().is_some_and(|target| {
            target.name.as_deref() == Some(AGENT_CHANNEL) && target.state.as_deref() == Some("connected")
        })
    }
}

fn number<T: FromStr>(text: &Option<String>) -> Option<T> {
    text.as_deref()?.trim().parse().ok()
}
