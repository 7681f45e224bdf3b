//! What is taken of a definition that somebody left on the storage, and what is not.
//!
//! The file may come from anywhere, and what it says would be carried out by libvirt with the computer's rights. So
//! nothing passes that is not named here: elements, where they stand, and the attributes that decide what is opened. What
//! is refused is named. Which files may be used is the caller's business: they are handed out ([`Taken::files`],
//! the disks of the view).

use std::path::{Component, Path};

use hostler_model::seen::Identity;

use super::identity;
use super::patch;
use super::read::DomainView;
use crate::tree::{Element, Wrong};

/// The largest definition that is looked at, in bytes: libvirt writes some ten thousand.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// Elements of a definition that say nothing about files, devices of the host or programs, whatever is in them.
const HARMLESS: [&str; 18] = [
    "name",
    "uuid",
    "genid",
    "title",
    "description",
    "memory",
    "currentMemory",
    "maxMemory",
    "vcpu",
    "vcpus",
    "cpu",
    "clock",
    "features",
    "on_poweroff",
    "on_reboot",
    "on_crash",
    "pm",
    "iothreads",
];
/// Devices that are only the guest's, whatever is in them.
const HARMLESS_DEVICES: [&str; 7] =
    ["controller", "video", "sound", "memballoon", "watchdog", "panic", "hub"];
/// What may stand in a disk.
const IN_DISK: [&str; 15] = [
    "driver",
    "source",
    "target",
    "readonly",
    "serial",
    "wwn",
    "vendor",
    "product",
    "boot",
    "alias",
    "address",
    "iotune",
    "blockio",
    "geometry",
    "backingStore",
];
/// What a disk's driver may be told: nothing that leads to another file.
const IN_DRIVER: [&str; 13] = [
    "name",
    "type",
    "cache",
    "io",
    "error_policy",
    "rerror_policy",
    "discard",
    "detect_zeroes",
    "iothread",
    "queues",
    "queue_size",
    "copy_on_read",
    "discard_no_unref",
];
/// What may stand in an adapter.
const IN_INTERFACE: [&str; 9] =
    ["mac", "source", "model", "target", "alias", "address", "boot", "link", "mtu"];
/// Folders of firmware that distributions install.
const FIRMWARE: &str = "/usr/share/";

/// What is taken of a definition.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The machine as it describes itself.
    pub view: DomainView,
    /// Files of its own that are no disks: UEFI variables.
    pub files: Vec<String>,
    /// What in it is refused, each in words.
    pub refused: Vec<String>,
    /// The definition without what only a running machine has.
    tree: Element,
}

impl Taken {
    /// Reads a definition.
    ///
    /// # Errors
    /// It is no definition of a machine, or hostile XML.
    pub(crate) fn of(text: &str) -> Result<Self, Wrong> {
        if text.len() > MOST_BYTES {
            return Err(Wrong::Large);
        }
        let mut tree = Element::parse(text)?;
        if tree.name != "domain" {
            return Err(Wrong::Malformed("it is no definition of a machine".into()));
        }
        // A CDATA section is text to libvirt and not to us: what was checked is all that is written again.
        tree.drop_verbatim();
        let mut check = Check::default();
        check.domain(&tree);
        clean(&mut tree);
        let view = DomainView::of(&tree.to_xml())?;
        check.refused.dedup();
        Ok(Self { view, files: check.files, refused: check.refused, tree })
    }

    /// The definition as it is to be made: marked as ours, for this computer's QEMU, with the log only where it is its own.
    pub(crate) fn prepared(self, who: &Identity, title: &str, kvm: bool, own_log: bool) -> Element {
        let mut tree = self.tree;
        tree.need("title").set_text(title);
        let ours = identity::prefixed(who);
        let metadata = tree.need("metadata");
        metadata.remove(is_ours);
        metadata.push(ours);
        patch::set_kvm(&mut tree, kvm);
        if !own_log && let Some(devices) = tree.first_mut("devices") {
            devices.each_mut(&mut |element| {
                if matches!(&*element.name, "serial" | "console") {
                    element.remove(|child| child.name == "log");
                }
            });
        }
        tree
    }

    /// The definition's own UUID, where it has one.
    pub(crate) fn domain(&self) -> Option<uuid::Uuid> {
        self.tree.first("uuid")?.text().trim().parse().ok()
    }

    /// The tree, to look into.
    pub(crate) fn tree(&self) -> &Element {
        &self.tree
    }
}

/// Whether an element of the metadata is Hostler's, whatever prefix it bears.
fn is_ours(element: &Element) -> bool {
    let (_, name) = element.name.split_once(':').unwrap_or(("", &element.name));
    name == "machine"
}

/// Takes away what libvirt writes of a running machine, and what it would trust.
fn clean(domain: &mut Element) {
    domain.unset("id");
    domain.remove(|child| matches!(&*child.name, "seclabel" | "resource"));
    patch::drop_backing(domain);
    let Some(devices) = domain.first_mut("devices") else { return };
    // libvirt takes this computer's program where none is named.
    devices.remove(|child| child.name == "emulator");
    devices.each_mut(&mut |element| match &*element.name {
        "source" => {
            for live in ["index", "portid", "path", "mode"] {
                element.unset(live);
            }
            if element.get("network").is_some() {
                element.unset("bridge");
            }
        }
        "interface" => element.remove(|child| child.name == "target"),
        "serial" | "console" => element.unset("tty"),
        "graphics" => {
            let kind = element.get("type").unwrap_or("vnc").to_owned();
            *element = Element::new("graphics")
                .with("type", kind)
                .holds(Element::new("listen").with("type", "none"));
        }
        _ => {}
    });
    // Channels and terminals are made anew at each start.
    devices.each_mut(&mut |element| {
        if matches!(&*element.name, "serial" | "console" | "channel") {
            element.remove(|child| child.name == "source");
        }
    });
}

#[derive(Default)]
struct Check {
    refused: Vec<String>,
    files: Vec<String>,
}

impl Check {
    fn no(&mut self, what: impl Into<String>) {
        let what: String = what.into().chars().filter(|c| !c.is_control()).take(200).collect();
        if self.refused.len() < 50 {
            self.refused.push(what);
        }
    }

    /// Whether an element has nothing but these elements in it; others are refused.
    fn only(&mut self, element: &Element, allowed: &[&str]) {
        for child in element.elements() {
            if !allowed.contains(&&*child.name) {
                self.no(format!("<{}> in <{}>", child.name, element.name));
            }
        }
    }

    /// Elements that libvirt might read another one of than we did.
    fn once(&mut self, element: &Element) {
        let mut names: Vec<&str> = element.elements().map(|child| child.name.as_str()).collect();
        names.sort_unstable();
        for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.no(format!("<{}> stands twice in <{}>", pair[0], element.name));
        }
    }

    fn domain(&mut self, domain: &Element) {
        if !matches!(domain.get("type"), Some("kvm" | "qemu")) {
            self.no(format!(
                "<domain type=\"{}\">: only kvm and qemu",
                domain.get("type").unwrap_or_default()
            ));
        }
        self.once(domain);
        self.namespaces(domain);
        for child in domain.elements() {
            match &*child.name {
                // Only ours is read, and that is written anew.
                name if HARMLESS.contains(&name) || name == "metadata" => {
                    if matches!(name, "cpu" | "features" | "clock" | "pm") {
                        self.harmless(child);
                    }
                }
                "os" => self.os(child),
                "devices" => self.devices(child),
                // As libvirt writes it of a running machine; it is made anew.
                "resource" => {}
                "seclabel" if child.get("type") == Some("dynamic") && child.first("baselabel").is_none() => {}
                other => self.no(format!("<{other}>")),
            }
        }
        if domain.first("uuid").is_none_or(|uuid| uuid.text().trim().parse::<uuid::Uuid>().is_err()) {
            self.no("it has no UUID");
        }
        if domain.first("name").is_none_or(|name| name.text().trim().is_empty()) {
            self.no("it has no name");
        }
    }

    /// A namespace of one's own makes another element of one that is named as usual.
    fn namespaces(&mut self, element: &Element) {
        if element.get("xmlns").is_some() {
            self.no(format!("<{}> is in a namespace of its own", element.name));
        }
        for child in element.elements().filter(|child| child.name != "metadata") {
            self.namespaces(child);
        }
    }

    fn os(&mut self, os: &Element) {
        for child in os.elements() {
            match &*child.name {
                "type" | "boot" | "bootmenu" | "smbios" | "bios" | "firmware" => {}
                "loader" => {
                    let path = child.text();
                    if !is_installed(path.trim()) {
                        self.no(format!(
                            "<loader>: firmware {} is none that is installed in {FIRMWARE}",
                            path.trim()
                        ));
                    }
                }
                "nvram" => {
                    if child.elements().next().is_some()
                        || matches!(child.get("type"), Some(kind) if kind != "file")
                    {
                        self.no("<nvram> that is no file");
                    }
                    if child.get("template").is_some_and(|template| !is_installed(template)) {
                        self.no("<nvram>: its template is none that is installed");
                    }
                    match child.text().trim() {
                        "" => self.no("<nvram> without a file"),
                        file => self.files.push(file.to_owned()),
                    }
                }
                other => self.no(format!("<{other}> in <os>")),
            }
        }
    }

    fn devices(&mut self, devices: &Element) {
        for device in devices.elements() {
            let kind = device.get("type").unwrap_or_default();
            match &*device.name {
                name if HARMLESS_DEVICES.contains(&name) => self.harmless(device),
                // This computer's is taken.
                "emulator" => {}
                "disk" => self.disk(device),
                "interface" => self.interface(device),
                "input" if matches!(kind, "mouse" | "tablet" | "keyboard") => self.harmless(device),
                "graphics" if matches!(kind, "vnc" | "spice") => {}
                "audio" if matches!(kind, "none" | "spice") => {}
                "serial" | "console" if kind == "pty" => {
                    self.only(device, &["source", "target", "log", "alias", "address"]);
                }
                "channel" if matches!(kind, "unix" | "spicevmc") => {
                    self.only(device, &["source", "target", "alias", "address"]);
                    if device.first("target").is_none_or(|target| target.get("type") != Some("virtio")) {
                        self.no("<channel> that is none of virtio");
                    }
                }
                "rng" => self.rng(device),
                other if kind.is_empty() => self.no(format!("<{other}>")),
                other => self.no(format!("<{other} type=\"{kind}\">")),
            }
        }
    }

    /// A device of the guest's alone: it names no file, no socket and no device of the host, however deep.
    fn harmless(&mut self, device: &Element) {
        if device.get("type") == Some("vhost-user") || device.get("model") == Some("vhost-user") {
            self.no(format!("<{}> of a program of its own", device.name));
        }
        for child in device.elements() {
            let is_path = child.attributes().any(|(_, value)| value.starts_with('/'))
                || child.text().trim_start().starts_with('/');
            if is_path || matches!(&*child.name, "source" | "backend" | "log" | "rom") {
                self.no(format!("<{}> in <{}>", child.name, device.name));
            }
            if child.attributes().any(|(_, value)| matches!(value, "vhostuser" | "vhost-user")) {
                self.no(format!("<{}> of a program of its own", device.name));
            }
            self.harmless(child);
        }
    }

    fn disk(&mut self, disk: &Element) {
        let target = disk.first("target").and_then(|target| target.get("dev")).unwrap_or("?").to_owned();
        self.once(disk);
        self.only(disk, &IN_DISK);
        let kind = disk.get("type").unwrap_or_default();
        if kind != "file" {
            return self.no(format!("disk {target} of type {kind}: only files"));
        }
        if !matches!(disk.get("device").unwrap_or("disk"), "disk" | "cdrom") {
            self.no(format!("disk {target}: only disks and DVD drives"));
        }
        for (name, _) in disk.attributes() {
            if !matches!(name, "type" | "device" | "model") {
                self.no(format!("disk {target}: {name}"));
            }
        }
        if let Some(driver) = disk.first("driver") {
            if driver.get("name").is_some_and(|name| name != "qemu") || driver.elements().next().is_some() {
                self.no(format!("disk {target}: its driver"));
            }
            if !matches!(driver.get("type"), None | Some("raw" | "qcow2")) {
                self.no(format!("disk {target}: only raw and qcow2"));
            }
            for (name, _) in driver.attributes().filter(|(name, _)| !IN_DRIVER.contains(name)) {
                self.no(format!("disk {target}: {name} of its driver"));
            }
        }
        if let Some(source) = disk.first("source") {
            // An alias or a label of its own, encryption, reservations, slices.
            if source.elements().next().is_some() {
                self.only(source, &[]);
            }
            for (name, _) in
                source.attributes().filter(|(name, _)| !matches!(*name, "file" | "index" | "startupPolicy"))
            {
                self.no(format!("disk {target}: {name} of its source"));
            }
            if source.get("file").is_none_or(|file| !is_plain(file)) {
                self.no(format!("disk {target}: its file is no absolute path"));
            }
        }
    }

    fn interface(&mut self, adapter: &Element) {
        self.once(adapter);
        self.only(adapter, &IN_INTERFACE);
        let kind = adapter.get("type").unwrap_or_default();
        if !matches!(kind, "network" | "bridge") {
            self.no(format!("<interface type=\"{kind}\">: only networks and bridges"));
        }
        if let Some(source) = adapter.first("source")
            && source.elements().next().is_some()
        {
            self.only(source, &[]);
        }
    }

    fn rng(&mut self, device: &Element) {
        self.only(device, &["backend", "rate", "alias", "address", "driver"]);
        for backend in device.all("backend") {
            let random = backend.get("model") == Some("random")
                && matches!(backend.text().trim(), "" | "/dev/urandom" | "/dev/random");
            if !(random || backend.get("model") == Some("builtin")) || backend.elements().next().is_some() {
                self.no("<rng>: only /dev/urandom and /dev/random");
            }
        }
    }
}

/// Firmware that a distribution installed.
fn is_installed(path: &str) -> bool {
    path.starts_with(FIRMWARE) && is_plain(path)
}

fn is_plain(path: &str) -> bool {
    let parts = Path::new(path).components();
    path.starts_with('/') && parts.skip(1).all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests;
