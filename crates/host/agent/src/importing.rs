//! Machines on the storage that libvirt does not know: looked for when somebody asks, for a bounded time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hostler_hypervisor::{Disks, Machines, Trouble, import};
use hostler_model::Refusal;
use hostler_model::importable::{ImportablesView, MOST_IMPORTABLE};
use uuid::Uuid;

use crate::folders::Folders;

/// How long is looked: a question is given up after twenty seconds, and then nobody would hear what was found.
const LOOK_LIMIT: Duration = Duration::from_secs(12);

/// The machine whose definition is in this file; or all that are found, without those that the host has.
///
/// # Errors
/// The hypervisor does not answer; of one file, that it is no definition of a machine or lies outside.
pub(crate) fn importable(
    machines: &dyn Machines,
    disks: &dyn Disks,
    folders: &Folders,
    file: Option<&str>,
) -> Result<ImportablesView, Refusal> {
    if let Some(file) = file {
        let found = import::look(machines, disks, file).map_err(|why| why.into_refusal(file))?;
        return Ok(ImportablesView { machines: vec![found], more: false });
    }
    let until = Instant::now() + LOOK_LIMIT;
    let over = || Instant::now() >= until;
    let listed = machines.list().map_err(|why| why.into_refusal("libvirt"))?;
    let known: BTreeSet<Uuid> = listed.iter().map(|seen| seen.domain).collect();
    let (files, more) = folders.definitions(&over);
    let mut view = ImportablesView { machines: Vec::new(), more };
    for file in files {
        if view.machines.len() >= MOST_IMPORTABLE || over() {
            view.more = true;
            break;
        }
        match import::look(machines, disks, &file) {
            Ok(found) if !known.contains(&found.seen.domain) => view.machines.push(found),
            // It runs here, or is no definition of a machine.
            Ok(_) | Err(Trouble::Refused(_) | Trouble::Failed(_)) => {}
            Err(why) => return Err(why.into_refusal("libvirt")),
        }
    }
    view.machines.sort_by(|a, b| (&a.seen.name, &a.file).cmp(&(&b.seen.name, &b.file)));
    Ok(view)
}
