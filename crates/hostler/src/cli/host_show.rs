//! Hosts as lines of a list, and one as a sheet.

use hostler_model::host::{Ability, HostFacts, Kvm};
use hostler_model::host_hardware::{FileSystem, HostAdapter, NumaNode, PhysicalDisk, Processors};
use hostler_model::status::HostStatus;
use hostler_model::view::{HostView, RatingView};

use crate::cli::format::Columns;
use crate::cli::list::{bytes, mib, short};
use crate::cli::reserve;
use crate::cli::show::{Cell, Tone, brief, cell, number, sheet};
use crate::cli::values::{lasted, shown_mib, shown_size};

pub(super) const RATINGS: Columns = Columns { usual: &["HOST", "STARS", "WHY"], wide: &[], first: "" };

fn status(view: &HostView) -> Cell {
    let tone = match view.status {
        HostStatus::DeclaredDead => Tone::Faint,
        HostStatus::NotResponding | HostStatus::HypervisorNotResponding => Tone::Bad,
        HostStatus::NotAvailable | HostStatus::InMaintenance => Tone::Notable,
        HostStatus::Responding => Tone::Good,
    };
    cell(view.status.words()).tone(tone)
}

fn kvm(view: &HostView) -> Cell {
    match &view.host.facts.kvm {
        Kvm::Works => cell("yes"),
        Kvm::Fails { .. } => cell("no").tone(Tone::Notable),
        Kvm::Untried => cell("?"),
    }
}

pub(super) fn row(view: &HostView) -> Vec<Cell> {
    let (load, facts) = (view.load.as_ref(), &view.host.facts);
    let unknown = || number("-").exact("");
    vec![
        cell(&view.host.name),
        status(view).exact(view.status.word()),
        number(view.machines),
        number(facts.cpus),
        load.map_or_else(unknown, |load| number(format!("{:.0}%", load.cpu_percent)).exact(load.cpu_percent)),
        mib(facts.memory_mib),
        mib(view.memory_given_mib),
        load.map_or_else(unknown, |load| mib(load.disk_free_mib)),
        kvm(view),
        short(view.host.id),
        cell(&view.host_group),
        cell(if view.host.spec.available { "yes" } else { "no" }).exact(view.host.spec.available),
        cell(if view.host.spec.maintenance { "yes" } else { "no" }).exact(view.host.spec.maintenance),
        load.map_or_else(unknown, |load| mib(load.memory_available_mib)),
        cell(&facts.os),
        cell(&facts.kernel),
        cell(&facts.libvirt),
        cell(&facts.qemu),
        cell(brief(&view.host.spec.notes)).exact(&view.host.spec.notes),
        number(view.revision),
    ]
}

pub(super) fn file_system(of: &FileSystem) -> Vec<Cell> {
    let yes = |is: bool| cell(if is { "yes" } else { "" }).exact(is);
    vec![
        cell(&of.path),
        bytes(of.size_bytes),
        bytes(of.free_bytes),
        cell(&of.kind),
        yes(of.has_machines),
        cell(&of.source),
        yes(of.is_remote),
        yes(of.is_read_only),
    ]
}

/// Something of each, one below the other.
fn lines<T>(all: &[T], line: impl Fn(&T) -> String) -> Cell {
    cell(all.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn node(node: &NumaNode) -> String {
    format!("{}: {}, processors {}", node.node, shown_mib(node.memory_mib), node.cpus)
}

fn drive(disk: &PhysicalDisk) -> String {
    let kind = if disk.rotates { "rotates" } else { "solid" };
    [disk.name.as_str(), &shown_size(disk.size_bytes), kind, &disk.model].join(" ").trim_end().to_owned()
}

fn adapter(adapter: &HostAdapter) -> String {
    let mut words = vec![adapter.name.clone(), adapter.kind.words().to_owned()];
    words.push(match (adapter.up, adapter.mbit_s) {
        (false, _) => "no link".to_owned(),
        (true, None) => "link".to_owned(),
        (true, Some(mbit_s)) => format!("{mbit_s} Mbit/s"),
    });
    if !adapter.part_of.is_empty() {
        words.push(format!("part of {}", adapter.part_of));
    }
    words.extend(adapter.addresses.iter().cloned());
    words.join(", ")
}

fn processors(facts: &HostFacts) -> String {
    let Processors { sockets, cores, threads, mhz } = facts.hardware.processors;
    let mut text = format!("{} ({})", facts.cpus, facts.cpu_model);
    if sockets > 0 {
        text.push_str(&format!(": {sockets} sockets × {cores} cores × {threads} threads"));
    }
    if mhz > 0 {
        text.push_str(&format!(", {mhz} MHz"));
    }
    text
}

/// How far a clock is off, where that matters: a second is what certificates and logs can bear.
fn clock(ahead_ms: i64) -> Cell {
    let s = ahead_ms as f64 / 1_000.0;
    match ahead_ms {
        -1_000..=1_000 => cell("as the server's"),
        ahead if ahead > 0 => cell(format!("{s:.1} s ahead of the server's")).tone(Tone::Notable),
        _ => cell(format!("{:.1} s behind the server's", -s)).tone(Tone::Notable),
    }
}

/// Whether a host can do something; empty where its agent does not say.
fn ability(ability: &Ability) -> String {
    match ability {
        Ability::Has => "yes".to_owned(),
        Ability::Lacks { why } => format!("no: {why}"),
        Ability::Unknown => String::new(),
    }
}

pub(super) fn text(view: &HostView, width: Option<u16>) -> String {
    let (host, facts) = (&view.host, &view.host.facts);
    let why = match &facts.kvm {
        Kvm::Works => "works".to_owned(),
        Kvm::Fails { why } => format!("does not work: {why}"),
        Kvm::Untried => "not tried yet".to_owned(),
    };
    let libvirt = if facts.libvirt_answers { facts.libvirt.clone() } else { "does not answer".to_owned() };
    let load = view.load.as_ref().map(|load| {
        (
            format!("{:.0}%", load.cpu_percent),
            format!("{} of {} available", shown_mib(load.memory_available_mib), shown_mib(facts.memory_mib)),
            format!("{} of {} free", shown_mib(load.disk_free_mib), shown_mib(load.disk_total_mib)),
            lasted(load.uptime_s * 1_000),
        )
    });
    let (processor, memory, disk, uptime) = load.unwrap_or_default();
    sheet(
        &[
            ("Name", cell(&host.name)),
            ("Id", cell(host.id)),
            ("Status", status(view)),
            ("Group", cell(&view.host_group)),
            ("Maintenance", cell(if host.spec.maintenance { "yes" } else { "" }).tone(Tone::Notable)),
            ("Machines", cell(view.machines)),
            ("Processors", cell(processors(facts))),
            ("Processor load", cell(processor)),
            ("Memory", cell(shown_mib(facts.memory_mib))),
            ("Memory now", cell(memory)),
            ("Memory given", cell(shown_mib(view.memory_given_mib))),
            ("Disk space", cell(disk)),
            ("Up for", cell(uptime)),
            ("Reserve", cell(reserve::text(&view.in_force))),
            ("Unencrypted transfers", cell(reserve::unencrypted(&view.in_force))),
            ("Clock", view.clock_ahead_ms.map_or_else(|| cell(""), clock)),
            ("KVM", cell(why)),
            ("System", cell(format!("{}, {}", facts.os, facts.kernel))),
            ("libvirt", cell(libvirt)),
            ("QEMU", cell(&facts.qemu)),
            ("Machines' folder", cell(host.vm_path())),
            ("Folders allowed", lines(&facts.allowed_folders(), |folder| folder.path.clone())),
            ("Networks", cell(facts.networks.join(", "))),
            ("VLANs of machines", cell(ability(&facts.adapter_vlans))),
            ("Spoofing filter", cell(ability(&facts.spoofing_filter))),
            ("Confinement", cell(facts.hardware.security.join(", "))),
            ("NUMA nodes", lines(&facts.hardware.numa, node)),
            ("Disks", lines(&facts.hardware.disks, drive)),
            ("Adapters", lines(&facts.hardware.adapters, adapter)),
            ("Notes", cell(&host.spec.notes)),
            ("Created", cell(host.created)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}

pub(super) fn rating(rating: &RatingView) -> Vec<Cell> {
    let tone = if rating.lacks.is_empty() { Tone::Good } else { Tone::Bad };
    let why = if rating.lacks.is_empty() {
        rating.reasons.join("; ")
    } else {
        format!("lacks: {}", rating.lacks.join("; "))
    };
    vec![cell(&rating.name), number(format!("{:.1}", rating.stars)).tone(tone), cell(why)]
}
