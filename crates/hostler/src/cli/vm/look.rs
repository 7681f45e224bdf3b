//! Looking at machines.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use hostler_client::Word;
use hostler_model::Kind;
use hostler_model::hardware::{Disk, Hardware};
use hostler_model::status::VmStatus;
use hostler_model::view::VmView;

use crate::cli::failure::{Failure, REFUSED};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{Part, ago, all, mib, short};
use crate::cli::show::{Cell, Tone, brief, cell, note, number, out, sheet};
use crate::cli::values::{now, shown_mib, shown_size};

const COLUMNS: Columns = Columns {
    usual: &["NAME", "STATUS", "HOST", "CPUS", "MEMORY", "DISK", "CREATED", "ID"],
    wide: &["FIRMWARE", "JOB", "GUEST AGENT", "TAGS", "NOTES", "ORIGIN", "DIFFERENCES", "REVISION"],
    first: "hostler vm create",
};

pub(super) async fn list(here: &Here, part: &Part) -> Result<(), Failure> {
    let client = here.client()?;
    let vms = all(part, async |query| client.vms(query).await).await?;
    let now = now();
    here.list(&vms, COLUMNS, |view| row(view, now))
}

pub(super) fn row(view: &VmView, now: hostler_model::Timestamp) -> Vec<Cell> {
    let (vm, hardware) = (&view.vm, &view.vm.spec.hardware);
    let origin = serde_json::to_value(vm.origin).unwrap_or_default();
    let host = view.host_name.as_deref();
    vec![
        cell(&vm.spec.name),
        status_cell(view).exact(view.status.word()),
        cell(host.unwrap_or("-")).exact(host.unwrap_or_default()),
        number(hardware.cpus),
        mib(hardware.memory_mib),
        number(disk_space(hardware)).exact(hardware.disk_bytes()),
        ago(vm.created, now),
        short(vm.id),
        cell(firmware(hardware)),
        number(view.job.map(|job| job.to_string()).unwrap_or_default()),
        cell(guest_agent(view)),
        cell(tags(view)),
        cell(brief(&vm.spec.notes)).exact(&vm.spec.notes),
        cell(origin.as_str().unwrap_or_default()),
        cell(brief(&view.differences.join("; "))).exact(view.differences.join("; ")),
        number(view.revision),
    ]
}

fn firmware(hardware: &Hardware) -> String {
    format!("{:?}", hardware.firmware).to_uppercase()
}

fn guest_agent(view: &VmView) -> &'static str {
    view.vm.seen().map(|seen| if seen.guest_agent { "answers" } else { "silent" }).unwrap_or_default()
}

fn tags(view: &VmView) -> String {
    let tags: Vec<&str> = view.vm.spec.tags.iter().map(|tag| tag.as_str()).collect();
    tags.join(", ")
}

/// What its disks may grow to together, as far as that is known.
fn disk_space(hardware: &Hardware) -> String {
    let known = hardware.disk_bytes();
    match hardware.disks.iter().any(|disk| disk.size_bytes == 0) {
        true if known == 0 => "?".to_owned(),
        true => format!("{} + ?", shown_size(known)),
        false => shown_size(known),
    }
}

fn status_cell(view: &VmView) -> Cell {
    let tone = match view.status {
        VmStatus::Running => Tone::Good,
        VmStatus::Off | VmStatus::Saved | VmStatus::Suspended => Tone::Plain,
        VmStatus::Crashed
        | VmStatus::CreationFailed
        | VmStatus::Missing
        | VmStatus::Conflict
        | VmStatus::HostNotResponding
        | VmStatus::HypervisorNotResponding
        | VmStatus::PausedStorageFull
        | VmStatus::PausedStorageFailing => Tone::Bad,
        VmStatus::Elsewhere | VmStatus::Unknown => Tone::Faint,
        VmStatus::Paused
        | VmStatus::PausedBusy
        | VmStatus::ShuttingDown
        | VmStatus::Creating
        | VmStatus::Starting
        | VmStatus::Restoring
        | VmStatus::TurningOff
        | VmStatus::Pausing
        | VmStatus::Resuming
        | VmStatus::Resetting
        | VmStatus::Saving
        | VmStatus::Discarding
        | VmStatus::Changing
        | VmStatus::Migrating
        | VmStatus::Deleting => Tone::Notable,
    };
    cell(view.status.words()).tone(tone)
}

pub(super) async fn show(here: &Here, vms: &[String], as_of: Option<&str>) -> Result<(), Failure> {
    let client = here.client()?;
    let mut views = Vec::new();
    for vm in vms {
        views.push(client.vm(vm, as_of).await?);
    }
    let now = now();
    here.each(&views, COLUMNS, |view| row(view, now), |view| text(view, here.width))
}

fn text(view: &VmView, width: Option<u16>) -> String {
    let (vm, hardware) = (&view.vm, &view.vm.spec.hardware);
    let mut lines = vec![
        ("Name", cell(&vm.spec.name)),
        ("Id", cell(vm.id)),
        ("Status", status_cell(view)),
        ("Last seen", cell(last_seen(view))),
        ("Job", cell(view.job.map(|job| job.to_string()).unwrap_or_default())),
        ("Host", cell(view.host_name.as_deref().unwrap_or_default())),
        ("Processors", cell(hardware.cpus)),
        ("Memory", cell(shown_mib(hardware.memory_mib))),
        ("Firmware", cell(firmware(hardware))),
    ];
    lines.extend(hardware.disks.iter().map(|disk| ("Disk", disk_cell(disk))));
    lines.extend(vm.spec.detached.iter().map(|disk| ("Detached disk", disk_cell(disk))));
    if let Some(dvd) = &hardware.dvd {
        lines.push(("DVD", cell(&dvd.file)));
    }
    for adapter in &hardware.adapters {
        let vlan = adapter.vlan.map_or_else(String::new, |vlan| format!(", VLAN {vlan}"));
        let held = if adapter.spoofing_filter { ", no MAC spoofing" } else { "" };
        let said = format!("{}: {} on {}{vlan}{held}", adapter.no, adapter.mac, adapter.network);
        lines.push(("Adapter", cell(said)));
    }
    if let Some(seen) = vm.seen() {
        if seen.autostart {
            lines.push(("Autostart", cell("libvirt starts it with the host").tone(Tone::Notable)));
        }
        if !seen.snapshots.is_empty() {
            lines.push(("Snapshots of libvirt", cell(seen.snapshots.join(", "))));
        }
    }
    lines.extend([
        ("Guest agent", cell(guest_agent(view))),
        ("Tags", cell(tags(view))),
        ("Stop action", cell(view.vm.spec.stop_action.word())),
        ("Notes", cell(&vm.spec.notes)),
        ("Created", cell(vm.created)),
        ("Revision", cell(view.revision)),
    ]);
    for difference in &view.differences {
        lines.push(("Differs", cell(difference).tone(Tone::Bad)));
    }
    sheet(&lines, width)
}

/// How its host last showed it, while that is not what it is called.
fn last_seen(view: &VmView) -> String {
    match (view.status, &view.vm.observed) {
        (VmStatus::HostNotResponding | VmStatus::HypervisorNotResponding, Some(observed)) => {
            format!("{}, {}", observed.seen.power.words(), observed.at)
        }
        _ => String::new(),
    }
}

fn disk_cell(disk: &Disk) -> Cell {
    let base = if disk.base.is_some() { ", overlay" } else { "" };
    let seed = if disk.seed { ", seed" } else { "" };
    let size = if disk.size_bytes == 0 { "size unknown".to_owned() } else { shown_size(disk.size_bytes) };
    cell(format!("{}: {size}{base}{seed}, {}", disk.no, disk.file))
}

pub(super) async fn screenshot(
    here: &Here,
    vm: &str,
    file: Option<PathBuf>,
    width: Option<u32>,
) -> Result<(), Failure> {
    let bytes = here.client()?.vm_screenshot(vm, width).await?;
    if file.as_deref() == Some(Path::new("-")) {
        return out(bytes);
    }
    // A name never leads out of this folder: it holds no "/", and what was typed may be no name at all.
    let file = file.unwrap_or_else(|| PathBuf::from(format!("{}.png", vm.replace(['/', '\\'], "_"))));
    std::fs::write(&file, bytes).map_err(|cause| Failure::Here(format!("{}: {cause}", file.display())))?;
    here.say(format!("Written to {}.", file.display()));
    Ok(())
}

/// A status, by its word.
pub(super) fn status(written: &str) -> Result<VmStatus, String> {
    VmStatus::ALL.iter().copied().find(|status| status.word() == written).ok_or_else(|| {
        let words: Vec<&str> = VmStatus::ALL.iter().map(|status| status.word()).collect();
        format!("there is no status \"{written}\"; there are {}", words.join(", "))
    })
}

pub(super) async fn wait(
    here: &Here,
    vms: &[String],
    status: VmStatus,
    limit_s: Option<u32>,
) -> Result<(), Failure> {
    let client = here.client()?;
    let until_all = async {
        for vm in vms {
            // Watched before it is looked at, so that nothing happens in between; who answers is not in the feed, so
            // it is looked at now and then whatever the feed says.
            let mut feed = client.watch(None, &[Kind::Vm, Kind::Job]);
            loop {
                match feed.next().await {
                    Some(Ok(Word::Flows | Word::Lost { .. })) | None => break,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(Failure::from(error)),
                }
            }
            while client.vm(vm, None).await?.status != status {
                let _ = tokio::time::timeout(Duration::from_secs(1), feed.next()).await;
            }
        }
        Ok(())
    };
    let waited = match limit_s {
        None => Ok(until_all.await),
        Some(seconds) => tokio::time::timeout(Duration::from_secs(u64::from(seconds)), until_all).await,
    };
    match waited {
        Ok(ended) => ended,
        Err(_) => {
            note(format!(
                "error: {}: not \"{}\" within {} s",
                vms.join(", "),
                status.words(),
                limit_s.unwrap_or(0)
            ));
            Err(Failure::Said(REFUSED))
        }
    }
}
