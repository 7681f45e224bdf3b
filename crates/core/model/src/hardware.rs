//! The hardware of a virtual machine: what it is asked to have, in the words of its users.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::error::{Code, Refusal};

/// One gibibyte in bytes.
pub const GIB: u64 = 1 << 30;
/// One mebibyte in bytes.
pub const MIB: u64 = 1 << 20;

/// How much memory a machine may have, in MiB: below 64 no firmware starts, above 12 TiB QEMU's q35 does not map it.
pub const MEMORY_MIB: std::ops::RangeInclusive<u64> = 64..=12 * 1024 * 1024;
/// How many virtual processors a machine may have: libvirt 9.0's bound for q35 without an interrupt remapper is 255.
pub const CPUS: std::ops::RangeInclusive<u32> = 1..=255;
/// How many disks a machine may have, those detached counted: one letter each on the virtio bus.
pub const MOST_DISKS: usize = 24;
/// The largest disk that may be made, in bytes: 64 TiB, beyond which qcow2's tables no longer fit in memory.
pub const LARGEST_DISK_BYTES: u64 = 64 << 40;

/// What a machine is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hardware {
    /// Virtual processors, 1 to 255.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// What starts the machine.
    #[serde(default)]
    pub firmware: Firmware,
    /// Hard disks, in order of their numbers.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// The one DVD drive's medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dvd: Option<Media>,
    /// Network adapters.
    #[serde(default)]
    pub adapters: Vec<Adapter>,
}

impl Hardware {
    /// Checks counts and sizes.
    ///
    /// # Errors
    /// `value.invalid`, naming the field and its range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_cpus(self.cpus)?;
        check_memory(self.memory_mib)?;
        if self.disks.len() > MOST_DISKS {
            return Err(Refusal::invalid("disks", format!("a machine has at most {MOST_DISKS} disks")));
        }
        Ok(())
    }

    /// What the machine's disks may grow to together, in bytes; those of unknown size count as nothing.
    pub fn disk_bytes(&self) -> u64 {
        self.disks.iter().fold(0, |sum, disk| sum.saturating_add(disk.size_bytes))
    }
}

/// Checks a number of processors.
///
/// # Errors
/// `value.invalid`.
pub fn check_cpus(cpus: u32) -> Result<(), Refusal> {
    if CPUS.contains(&cpus) {
        return Ok(());
    }
    Err(Refusal::invalid("processors", format!("{cpus} is not between {} and {}", CPUS.start(), CPUS.end())))
}

/// Checks an amount of memory.
///
/// # Errors
/// `value.invalid`.
pub fn check_memory(memory_mib: u64) -> Result<(), Refusal> {
    if MEMORY_MIB.contains(&memory_mib) {
        return Ok(());
    }
    Err(Refusal::invalid(
        "memory",
        format!("{memory_mib} MiB is not between {} and {} MiB", MEMORY_MIB.start(), MEMORY_MIB.end()),
    ))
}

/// Checks the size of a disk to be made.
///
/// # Errors
/// `value.invalid`.
pub fn check_disk_size(size_bytes: u64) -> Result<(), Refusal> {
    if (MIB..=LARGEST_DISK_BYTES).contains(&size_bytes) && size_bytes.is_multiple_of(512) {
        return Ok(());
    }
    Err(Refusal::invalid(
        "disk size",
        format!("{size_bytes} bytes is not a multiple of 512 between 1 MiB and 64 TiB"),
    ))
}

/// What starts a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// SeaBIOS.
    #[default]
    Bios,
    /// OVMF without secure boot, with the machine's own NVRAM file.
    Uefi,
}

/// A hard disk of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Disk {
    /// Its number within the machine, from 0: the guest finds disk 0 first.
    pub no: u32,
    /// The file on the host, an absolute path.
    pub file: String,
    /// The file's format.
    pub format: DiskFormat,
    /// How large the guest sees it, in bytes; 0 where that is not known, as of a found machine's disk that lies outside
    /// the folders of its host's agent.
    pub size_bytes: u64,
    /// How it is attached.
    #[serde(default)]
    pub bus: Bus,
    /// The content (SHA-256, hexadecimal) of the base under an overlay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Whether this is the small seed disk that creation wrote.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seed: bool,
}

impl Disk {
    /// The name under which libvirt and the guest know it: `vda` for disk 0 on the virtio bus.
    pub fn target(&self) -> String {
        let letter = char::from(b'a' + (self.no % 26) as u8);
        match self.bus {
            Bus::Virtio => format!("vd{letter}"),
            Bus::Scsi | Bus::Sata => format!("sd{letter}"),
        }
    }

    /// The alias that Hostler gives the device, by which it is detached.
    pub fn alias(&self) -> String {
        format!("ua-disk-{}", self.no)
    }
}

/// A disk image's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFormat {
    /// QEMU's own.
    Qcow2,
    /// Plain bytes.
    Raw,
    /// VMware's.
    Vmdk,
    /// Virtual PC's and Hyper-V's first.
    Vhd,
    /// Hyper-V's second.
    Vhdx,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl DiskFormat {
    /// The word that QEMU uses.
    pub fn qemu_name(self) -> &'static str {
        match self {
            DiskFormat::Qcow2 => "qcow2",
            DiskFormat::Raw | DiskFormat::Unknown => "raw",
            DiskFormat::Vmdk => "vmdk",
            DiskFormat::Vhd => "vpc",
            DiskFormat::Vhdx => "vhdx",
        }
    }

    /// The format that QEMU calls by this word.
    pub fn of_qemu_name(name: &str) -> Self {
        match name {
            "qcow2" => DiskFormat::Qcow2,
            "raw" => DiskFormat::Raw,
            "vmdk" => DiskFormat::Vmdk,
            "vpc" => DiskFormat::Vhd,
            "vhdx" => DiskFormat::Vhdx,
            _ => DiskFormat::Unknown,
        }
    }
}

/// How a disk is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bus {
    /// The fastest; a driver is needed in Windows guests.
    #[default]
    Virtio,
    /// virtio-scsi.
    Scsi,
    /// AHCI, which every guest knows; not hot-pluggable.
    Sata,
}

/// What lies in the DVD drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Media {
    /// The ISO image on the host, an absolute path.
    pub file: String,
    /// The library item it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<crate::ItemId>,
}

/// A network adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adapter {
    /// Its number within the machine, from 0.
    pub no: u32,
    /// Its hardware address.
    pub mac: Mac,
    /// The libvirt network or bridge it is connected to.
    pub network: String,
    /// The VLAN in which it is, 1 to 4094; absent where frames are as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Whether what it sends under another address than its own is dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spoofing_filter: bool,
}

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, example = "52:54:00:12:34:56")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// An address of the usual pool, taken from drawn bits, whoever has it.
    pub fn drawn(bits: uuid::Uuid) -> Self {
        crate::mac_pool::MacPool::default().begin(bits)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let wrong = || {
            Refusal::new(Code::ValueInvalid, "MAC address", format!("\"{text}\" is not one"))
                .remedy("Write six bytes in hexadecimal, as 52:54:00:12:34:56")
        };
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part =
                parts.next().filter(|part| part.len() == 2 && !part.starts_with('+')).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() { Err(wrong()) } else { Ok(Self(bytes)) }
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
