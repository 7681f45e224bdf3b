//! `hostler host folders`: where a host may keep machines, and what lies there.

use hostler_client::Client;
use hostler_model::importable::Importable;
use hostler_model::machine_folder::{AllowedFolder, SeenFolder, SeenImage};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{ago, bytes, mib};
use crate::cli::show::{Cell, Tone, cell, note, number};
use crate::cli::values::now;

const ALLOWED: Columns =
    Columns { usual: &["PATH", "DEFAULT", "SIZE", "FREE", "SHARED WITH"], wide: &[], first: "" };
const CONTENT: Columns = Columns { usual: &["NAME", "KIND", "SIZE", "MODIFIED"], wide: &[], first: "" };

const IMPORTABLE: Columns =
    Columns { usual: &["NAME", "UUID", "CPUS", "MEMORY", "DISKS", "STATE", "FILE"], wide: &[], first: "" };

/// What lies in a folder.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
enum Entry<'l> {
    Folder(&'l SeenFolder),
    Image(&'l SeenImage),
}

/// Lists the folders that are allowed, or what lies in one of them or below.
///
/// # Errors
/// As they cannot be had.
pub(super) async fn show(
    here: &Here,
    client: &Client,
    host: &str,
    path: Option<&str>,
) -> Result<(), Failure> {
    let view = client.host_folders(host, path).await?;
    let Some(listing) = &view.listing else {
        here.list(&view.allowed, ALLOWED, allowed)?;
        if here.is_for_people() && !view.allowed.iter().any(|folder| folder.path == view.vm_path) {
            note(format!("new machines are made in {}", view.vm_path));
        }
        return Ok(());
    };
    let folders = listing.folders.iter().map(Entry::Folder);
    let all: Vec<Entry<'_>> = folders.chain(listing.images.iter().map(Entry::Image)).collect();
    here.list(&all, CONTENT, entry)?;
    if listing.more {
        note(format!("{} holds more than is listed", listing.path));
    }
    Ok(())
}

/// Lists machines on the storage that the hypervisor does not know.
///
/// # Errors
/// As they cannot be had.
pub(super) async fn importable(here: &Here, client: &Client, host: &str) -> Result<(), Failure> {
    let view = client.host_importable(host).await?;
    here.list(&view.machines, IMPORTABLE, machine)?;
    if view.more {
        note("there is more on the storage than was looked at");
    }
    Ok(())
}

fn machine(of: &Importable) -> Vec<Cell> {
    let disks = of.seen.disks.iter().filter(|disk| !disk.dvd).count();
    let state = match (of.refused.as_slice(), of.missing.is_empty()) {
        ([], _) => cell("can be imported").tone(Tone::Good),
        (_, false) => cell(format!("missing: {}", of.missing.join(", "))).tone(Tone::Bad),
        (why, true) => cell(why.join("; ")).tone(Tone::Bad),
    };
    vec![
        cell(&of.seen.name),
        cell(of.seen.domain),
        number(of.seen.cpus),
        mib(of.seen.memory_mib),
        number(disks),
        state,
        cell(&of.file),
    ]
}

fn allowed(folder: &AllowedFolder) -> Vec<Cell> {
    let space = |known: Option<u64>| known.map_or_else(|| number("-").exact(""), mib);
    vec![
        cell(&folder.path),
        cell(if folder.is_default { "yes" } else { "" }).exact(folder.is_default),
        space(folder.total_mib),
        space(folder.free_mib),
        cell(folder.shared_with.join(", ")),
    ]
}

fn entry(entry: &Entry<'_>) -> Vec<Cell> {
    match entry {
        Entry::Folder(folder) => {
            let modified = ago(folder.modified, now());
            vec![cell(&folder.name), cell("folder"), cell("").exact(""), modified]
        }
        Entry::Image(image) => {
            let modified = ago(image.modified, now());
            vec![cell(&image.name), cell("image"), bytes(image.size_bytes), modified]
        }
    }
}
