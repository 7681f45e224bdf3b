//! The XML of a new machine.

use std::path::{Path, PathBuf};

use hostler_model::command::Definition;
use hostler_model::hardware::{Adapter, Bus, Disk, Firmware};

use super::read::AGENT_CHANNEL;
use super::{SPOOFING_FILTER, identity, patch};
use crate::tree::Element;

/// How many disks and adapters can be added to a running machine: each takes a root port, and root ports cannot be
/// added later. More make the firmware's start longer.
const SPARE_ROOT_PORTS: usize = 14;

/// How often the guest's balloon driver reports memory figures.
const BALLOON_PERIOD_S: u32 = 5;

/// The DVD drive's target: behind the letters that disks may have.
const DVD_TARGET: &str = "sdz";

/// What a definition depends on besides itself.
pub(crate) struct Surroundings<'a> {
    /// Whether hardware virtualization works.
    pub kvm: bool,
    /// The versioned machine type behind `q35`.
    pub machine_type: &'a str,
    /// The machine's own folder.
    pub folder: &'a Path,
    /// Whether a name is that of a bridge of the computer, not of a libvirt network.
    pub is_bridge: &'a dyn Fn(&str) -> bool,
}

/// The file that keeps what the guest wrote to its serial port.
pub(crate) fn serial_log(folder: &Path) -> PathBuf {
    folder.join("serial.log")
}

/// The file that keeps what the guest wrote before it was last powered on.
pub(crate) fn log_before(serial_log: &Path) -> PathBuf {
    serial_log.with_extension("log.before")
}

/// The file that keeps a UEFI machine's variables.
pub(crate) fn nvram(folder: &Path) -> PathBuf {
    folder.join("nvram.fd")
}

/// Lets disks be used without a cache of the computer.
pub(crate) fn uncached(element: &mut Element) {
    element.each_mut(&mut |element| {
        if element.name == "disk"
            && element.get("device") == Some("disk")
            && let Some(driver) = element.first_mut("driver")
        {
            driver.set("cache", "none");
        }
    });
}

/// The whole definition.
pub(crate) fn domain(definition: &Definition, around: &Surroundings<'_>) -> Element {
    let hardware = &definition.hardware;
    let mut domain = Element::new("domain")
        .with("type", patch::domain_type(around.kvm))
        .holds(leaf("name", &definition.name))
        .holds(leaf("uuid", definition.identity.domain.to_string()))
        .holds(leaf("title", &definition.title))
        .holds(Element::new("metadata").holds(identity::prefixed(&definition.identity)))
        .holds(leaf("memory", hardware.memory_mib.to_string()).with("unit", "MiB"))
        .holds(leaf("currentMemory", hardware.memory_mib.to_string()).with("unit", "MiB"))
        .holds(leaf("vcpu", hardware.cpus.to_string()).with("placement", "static"))
        .holds(os(hardware.firmware, around))
        .holds(
            Element::new("features")
                .holds(Element::new("acpi"))
                .holds(Element::new("apic"))
                .holds(Element::new("vmport").with("state", "off")),
        )
        .holds(patch::cpu(around.kvm))
        .holds(
            Element::new("clock")
                .with("offset", "utc")
                .holds(Element::new("timer").with("name", "rtc").with("tickpolicy", "catchup"))
                .holds(Element::new("timer").with("name", "pit").with("tickpolicy", "delay"))
                .holds(Element::new("timer").with("name", "hpet").with("present", "no")),
        )
        .holds(leaf("on_poweroff", "destroy"))
        .holds(leaf("on_reboot", "restart"))
        .holds(leaf("on_crash", "destroy"))
        .holds(
            Element::new("pm")
                .holds(Element::new("suspend-to-mem").with("enabled", "no"))
                .holds(Element::new("suspend-to-disk").with("enabled", "no")),
        );
    domain.push(devices(definition, around));
    domain
}

fn os(firmware: Firmware, around: &Surroundings<'_>) -> Element {
    let mut os = Element::new("os")
        .holds(leaf("type", "hvm").with("arch", "x86_64").with("machine", around.machine_type));
    match firmware {
        Firmware::Bios => {}
        Firmware::Uefi => {
            // Without the feature libvirt takes the variant with Microsoft's keys, which boots nothing unsigned.
            let off = Element::new("feature").with("enabled", "no").with("name", "secure-boot");
            os.set("firmware", "efi");
            os.push(Element::new("firmware").holds(off));
            os.push(leaf("nvram", path(&nvram(around.folder))));
        }
    }
    os.push(Element::new("boot").with("dev", "hd"));
    os.push(Element::new("boot").with("dev", "cdrom"));
    os.push(Element::new("boot").with("dev", "network"));
    os
}

fn devices(definition: &Definition, around: &Surroundings<'_>) -> Element {
    let hardware = &definition.hardware;
    let mut devices = Element::new("devices");
    for disk in &hardware.disks {
        devices.push(self::disk(disk));
    }
    devices.push(dvd_drive(hardware.dvd.as_ref().map(|media| media.file.as_str())));
    // The virtio disks and adapters, the controllers for SCSI, serial channels and USB, balloon and random numbers.
    let virtio_disks = hardware.disks.iter().filter(|disk| disk.bus == Bus::Virtio).count();
    let ports = virtio_disks + hardware.adapters.len() + 5 + SPARE_ROOT_PORTS;
    devices
        .push(Element::new("controller").with("type", "pci").with("index", "0").with("model", "pcie-root"));
    for index in 1..=ports {
        devices.push(
            Element::new("controller")
                .with("type", "pci")
                .with("index", index.to_string())
                .with("model", "pcie-root-port")
                .holds(alias(&format!("port-{index}"))),
        );
    }
    for (kind, model, name) in [
        ("scsi", Some("virtio-scsi"), "scsi"),
        ("virtio-serial", None, "virtio-serial"),
        ("usb", Some("qemu-xhci"), "usb"),
    ] {
        let mut controller = Element::new("controller").with("type", kind).with("index", "0");
        if let Some(model) = model {
            controller.set("model", model);
        }
        devices.push(controller.holds(alias(name)));
    }
    for adapter in &hardware.adapters {
        devices.push(self::adapter(adapter, around.is_bridge));
    }
    devices.push(
        Element::new("serial")
            .with("type", "pty")
            .holds(Element::new("log").with("file", path(&serial_log(around.folder))).with("append", "on"))
            .holds(Element::new("target").with("type", "isa-serial").with("port", "0"))
            .holds(alias("serial")),
    );
    devices.push(
        Element::new("channel")
            .with("type", "unix")
            .holds(Element::new("target").with("type", "virtio").with("name", AGENT_CHANNEL))
            .holds(alias("guest-agent")),
    );
    devices.push(Element::new("input").with("type", "tablet").with("bus", "usb").holds(alias("tablet")));
    // No port and no socket file: a viewer's socket comes from libvirt.
    devices.push(
        Element::new("graphics").with("type", "vnc").holds(Element::new("listen").with("type", "none")),
    );
    devices.push(
        Element::new("video")
            .holds(Element::new("model").with("type", "vga").with("vram", "16384").with("heads", "1"))
            .holds(alias("video")),
    );
    devices.push(
        Element::new("memballoon")
            .with("model", "virtio")
            .holds(Element::new("stats").with("period", BALLOON_PERIOD_S.to_string()))
            .holds(alias("balloon")),
    );
    devices.push(
        Element::new("rng")
            .with("model", "virtio")
            .holds(leaf("backend", "/dev/urandom").with("model", "random"))
            .holds(alias("rng")),
    );
    devices
}

/// A hard disk. There is no `<backingStore>` and never may be: libvirt would trust it in place of the images.
pub(crate) fn disk(disk: &Disk) -> Element {
    let bus = match disk.bus {
        Bus::Virtio => "virtio",
        Bus::Scsi => "scsi",
        Bus::Sata => "sata",
    };
    let mut element = Element::new("disk")
        .with("type", "file")
        .with("device", "disk")
        .holds(
            Element::new("driver")
                .with("name", "qemu")
                .with("type", disk.format.qemu_name())
                // A write that storage refuses pauses the machine until somebody helps; the guest would lose data.
                .with("error_policy", "stop")
                .with("rerror_policy", "report")
                .with("discard", "unmap")
                .with("detect_zeroes", "unmap"),
        )
        .holds(Element::new("source").with("file", &*disk.file))
        .holds(Element::new("target").with("dev", disk.target()).with("bus", bus))
        .holds(Element::new("alias").with("name", disk.alias()));
    match disk.bus {
        Bus::Virtio => {}
        Bus::Scsi => element.push(drive_address(0, disk.no, 0)),
        // The DVD drive has the last port of the first controller; disks leave it out.
        Bus::Sata if disk.no < 5 => element.push(drive_address(0, 0, disk.no)),
        Bus::Sata => element.push(drive_address((disk.no + 1) / 6, 0, (disk.no + 1) % 6)),
    }
    element
}

/// The DVD drive, empty or with an ISO image.
fn dvd_drive(file: Option<&str>) -> Element {
    let mut drive = Element::new("disk")
        .with("type", "file")
        .with("device", "cdrom")
        .holds(Element::new("driver").with("name", "qemu").with("type", "raw"));
    if let Some(file) = file {
        drive.push(Element::new("source").with("file", file));
    }
    drive
        .holds(Element::new("target").with("dev", DVD_TARGET).with("bus", "sata"))
        .holds(Element::new("readonly"))
        .holds(alias("dvd"))
        .holds(drive_address(0, 0, 5))
}

fn drive_address(controller: u32, target: u32, unit: u32) -> Element {
    Element::new("address")
        .with("type", "drive")
        .with("controller", controller.to_string())
        .with("bus", "0")
        .with("target", target.to_string())
        .with("unit", unit.to_string())
}

fn adapter(adapter: &Adapter, is_bridge: &dyn Fn(&str) -> bool) -> Element {
    let kind = if is_bridge(&adapter.network) { "bridge" } else { "network" };
    let mut interface = Element::new("interface")
        .with("type", kind)
        .holds(Element::new("mac").with("address", adapter.mac.to_string()))
        .holds(Element::new("source").with(kind, &*adapter.network));
    if let Some(vlan) = adapter.vlan {
        let tag = Element::new("tag").with("id", vlan.to_string());
        interface.push(Element::new("vlan").holds(tag));
    }
    if adapter.spoofing_filter {
        interface.push(Element::new("filterref").with("filter", SPOOFING_FILTER));
    }
    interface.holds(Element::new("model").with("type", "virtio")).holds(alias(&format!("net-{}", adapter.no)))
}

/// libvirt keeps aliases that begin with `ua-`, and takes a device by its alias when it is to be detached.
fn alias(name: &str) -> Element {
    Element::new("alias").with("name", format!("ua-{name}"))
}

fn leaf(name: &str, text: impl Into<String>) -> Element {
    Element::new(name).text_is(text)
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
