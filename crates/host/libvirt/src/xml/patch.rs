//! Changes to a definition that may be another tool's: as little as possible is touched.

use crate::tree::Element;

/// The processor under emulation: what current distributions ask for at least (x86-64-v2), all of which QEMU emulates.
const EMULATED_CPU: &str = "Nehalem";

/// libvirt's word for how machines run.
pub(crate) fn domain_type(kvm: bool) -> &'static str {
    if kvm { "kvm" } else { "qemu" }
}

/// The processor of a machine of ours.
pub(crate) fn cpu(kvm: bool) -> Element {
    let mut cpu = Element::new("cpu");
    write_cpu(&mut cpu, kvm);
    cpu
}

fn write_cpu(cpu: &mut Element, kvm: bool) {
    cpu.remove(|child| matches!(&*child.name, "model" | "feature" | "vendor"));
    cpu.unset("migratable");
    if kvm {
        cpu.set("mode", "host-model");
        cpu.unset("match");
        cpu.set("check", "partial");
    } else {
        cpu.set("mode", "custom");
        cpu.set("match", "exact");
        cpu.set("check", "none");
        cpu.push(Element::new("model").with("fallback", "allow").text_is(EMULATED_CPU));
    }
}

/// Makes a definition run with hardware virtualization, or under emulation where there is none. Answers whether
/// anything changed. Other types of domain than QEMU's two stay as they are.
pub(crate) fn set_kvm(domain: &mut Element, kvm: bool) -> bool {
    let now = domain.get("type").unwrap_or_default().to_owned();
    if !matches!(&*now, "kvm" | "qemu") || now == domain_type(kvm) {
        return false;
    }
    domain.set("type", domain_type(kvm));
    if let Some(cpu) = domain.first_mut("cpu") {
        let host_s = matches!(cpu.get("mode"), Some("host-model" | "host-passthrough"));
        let ours = cpu.first("model").is_some_and(|model| model.text() == EMULATED_CPU);
        // Emulation has no host's processor, and a processor chosen for emulation is poor where there is one.
        if (!kvm && host_s) || (kvm && ours) {
            write_cpu(cpu, kvm);
        }
    }
    true
}

/// Writes processors and memory.
///
/// # Errors
/// In words, where the definition divides them among several NUMA cells.
pub(crate) fn set_hardware(domain: &mut Element, cpus: u32, memory_mib: u64) -> Result<(), String> {
    if let Some(cpu) = domain.first_mut("cpu") {
        if let Some(numa) = cpu.first_mut("numa") {
            if numa.all("cell").count() > 1 {
                return Err("its processors and memory are divided among several NUMA cells".into());
            }
            if let Some(cell) = numa.first_mut("cell") {
                cell.set("cpus", if cpus == 1 { "0".into() } else { format!("0-{}", cpus - 1) });
                cell.set("memory", memory_mib.to_string());
                cell.set("unit", "MiB");
            }
        }
        if let Some(topology) = cpu.first_mut("topology") {
            write_topology(topology, cpus);
        }
    }
    let vcpu = domain.need("vcpu");
    vcpu.set_text(cpus.to_string());
    vcpu.unset("current");
    // Which of them are enabled is a list by number, which the new number may not match.
    domain.remove(|child| child.name == "vcpus");
    for name in ["memory", "currentMemory"] {
        let amount = domain.need(name);
        amount.set_text(memory_mib.to_string());
        amount.set("unit", "MiB");
    }
    if let Some(most) = domain.first_mut("maxMemory") {
        // What hot-plugged memory may reach: slots stay, the bound is lifted where it would be passed.
        let kib = most.text().trim().parse::<u64>().unwrap_or(0);
        if most.get("unit").unwrap_or("KiB") != "KiB" || kib < memory_mib.saturating_mul(1024) {
            most.set_text(memory_mib.to_string());
            most.set("unit", "MiB");
        }
    }
    Ok(())
}

/// Keeps cores and threads where the number can be divided by them, else makes each processor a socket.
fn write_topology(topology: &mut Element, cpus: u32) {
    let count = |name: &str| topology.get(name).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1).max(1);
    let per_socket = ["dies", "clusters", "cores", "threads"]
        .iter()
        .fold(1_u32, |product, name| product.saturating_mul(count(name)));
    if cpus.is_multiple_of(per_socket) {
        topology.set("sockets", (cpus / per_socket).to_string());
    } else {
        topology.unset("dies");
        topology.unset("clusters");
        topology.set("sockets", cpus.to_string());
        topology.set("cores", "1");
        topology.set("threads", "1");
    }
}

/// Removes what libvirt noted about the layers below disks: in a definition it would be trusted, and what it names may
/// have changed.
pub(crate) fn drop_backing(domain: &mut Element) {
    domain.each_mut(&mut |element| {
        if element.name == "disk" || element.name == "mirror" {
            element.remove(|child| child.name == "backingStore");
        }
    });
}

/// The disk or drive at a target.
pub(crate) fn disk_at<'d>(domain: &'d Element, target: &str) -> Option<&'d Element> {
    disks(domain).find(|disk| disk.first("target").and_then(|at| at.get("dev")) == Some(target))
}

/// The first DVD drive.
pub(crate) fn dvd_drive(domain: &Element) -> Option<&Element> {
    disks(domain).find(|disk| disk.get("device") == Some("cdrom"))
}

fn disks(domain: &Element) -> impl Iterator<Item = &Element> {
    domain.first("devices").into_iter().flat_map(|devices| devices.all("disk"))
}

/// The file of a disk.
pub(crate) fn file_of(disk: &Element) -> Option<&str> {
    let source = disk.first("source")?;
    source.get("file").or_else(|| source.get("dev"))
}

/// Files that a domain's disks and drives name.
pub(crate) fn files(domain: &Element) -> impl Iterator<Item = &str> {
    disks(domain).filter_map(file_of)
}

/// The alias of a device, where it was chosen by whoever defined it (libvirt's own change with each start).
pub(crate) fn own_alias(device: &Element) -> Option<&str> {
    device.first("alias")?.get("name").filter(|name| name.starts_with("ua-"))
}

/// A drive with another medium, or none.
pub(crate) fn with_medium(drive: &Element, file: Option<&str>) -> Element {
    let mut drive = drive.clone();
    drive.set("type", "file");
    drive.remove(|child| matches!(&*child.name, "source" | "backingStore"));
    drive.need("driver").set("type", "raw");
    drive.need("driver").set("name", "qemu");
    if let Some(file) = file {
        drive.push(Element::new("source").with("file", file));
    }
    drive
}

/// What is needed to detach a disk that has no alias of its own: its target and source.
pub(crate) fn for_detaching(disk: &Element) -> Element {
    let mut disk = disk.clone();
    disk.remove(|child| matches!(&*child.name, "backingStore" | "mirror" | "alias"));
    disk
}

/// The canonical, versioned machine type behind `q35`, from the host's capabilities.
pub(crate) fn canonical_q35(capabilities: &Element) -> Option<String> {
    let arch = capabilities
        .all("guest")
        .filter(|guest| guest.first("os_type").is_some_and(|os| os.text() == "hvm"))
        .filter_map(|guest| guest.first("arch"))
        .find(|arch| arch.get("name") == Some("x86_64"))?;
    // Domain types may list machines of their own; those of the architecture hold for all of them.
    let q35 = arch.all("machine").find(|machine| machine.text() == "q35")?;
    Some(q35.get("canonical").unwrap_or("q35").to_owned())
}
