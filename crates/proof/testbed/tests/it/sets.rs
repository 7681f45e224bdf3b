//! Three views of each host, compared as sets: Hostler's list, libvirt's list, the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hostler_model::status::VmStatus;
use hostler_model::view::VmView;
use hostler_testbed::{Host, Result, Site, Trouble, wait_for};

/// What a host has, as one of the views shows it: a domain's UUID and whether it runs.
type Machines = BTreeMap<String, bool>;

/// That Hostler's list, libvirt's list and the machines' folders agree, or come to agree by themselves.
pub fn agree(site: &Site) {
    let mut last = None;
    let settled = wait_for(Duration::from_secs(20), "list, libvirt and folder agree", || {
        let difference = difference(site);
        let agree = matches!(difference, Ok(None));
        last = Some(difference);
        agree.then_some(())
    });
    if let Err(why) = settled {
        panic!("{why}: {}", last.map_or_else(String::new, |last| format!("{last:?}")));
    }
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_stray_file_a_stray_machine_and_a_lost_one_are_differences() {
    let site = Site::with_host().unwrap();
    site.create_empty("web").unwrap();
    agree(&site);
    let host = &site.hosts[0];
    let folder = host.vm_folder();
    let web = machines_folders(&folder).unwrap().remove(0);
    let noticed = |what: &str| {
        let difference = difference(&site).unwrap();
        assert!(difference.is_some(), "{what} is not noticed");
    };
    fs::write(web.join("stray.qcow2"), "").unwrap();
    noticed("a stray file");
    fs::remove_file(web.join("stray.qcow2")).unwrap();
    fs::create_dir(folder.join("left")).unwrap();
    noticed("a folder that was left");
    fs::remove_dir(folder.join("left")).unwrap();
    agree(&site);
    let name = site.vm("web").unwrap().vm.observed.unwrap().seen.name;
    host.virsh(&["start", &name]).unwrap();
    host.virsh(&["undefine", &name]).unwrap();
    host.virsh(&["destroy", &name]).unwrap();
    noticed("a machine that is gone");
}

/// The first difference between the views, of any host.
fn difference(site: &Site) -> Result<Option<String>> {
    let views = site.vms()?;
    let strange = |view: &&VmView| {
        let steady = [VmStatus::Running, VmStatus::Paused, VmStatus::Off, VmStatus::Saved, VmStatus::Crashed];
        !steady.contains(&view.status)
    };
    if let Some(view) = views.iter().find(strange) {
        return Ok(Some(format!("{} is {}", view.vm.spec.name, view.status.word())));
    }
    let mut folders: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for host in &site.hosts {
        let folder = folders.entry(host.vm_folder()).or_default();
        let mut listed = Machines::new();
        for view in views.iter().filter(|view| view.host_name.as_deref() == Some(host.name())) {
            listed.insert(view.vm.domain.to_string(), view.status == VmStatus::Running);
            folder.push(view);
        }
        let defined = libvirt(host)?;
        if listed != defined {
            return Ok(Some(format!("host {}: Hostler lists {listed:?}, libvirt {defined:?}", host.name())));
        }
    }
    for (folder, here) in folders {
        if let Some(difference) = difference_in(&folder, &here)? {
            return Ok(Some(difference));
        }
    }
    let nowhere: Vec<_> = views.iter().filter(|view| view.host_name.is_none()).collect();
    Ok((!nowhere.is_empty()).then(|| format!("on no host: {nowhere:?}")))
}

/// The first difference between a folder and the machines whose folders are in it, on whichever hosts.
fn difference_in(folder: &Path, views: &[&VmView]) -> Result<Option<String>> {
    let files: BTreeSet<_> =
        views.iter().flat_map(|view| view.vm.spec.disks().map(|disk| disk.file.clone())).collect();
    let images = images(folder)?;
    if files != images {
        return Ok(Some(format!("the record names {files:?}, {} holds {images:?}", folder.display())));
    }
    empty_folders(folder, views.len())
}

/// What `virsh list --all` shows.
pub fn libvirt(host: &Host) -> Result<Machines> {
    let all = host.virsh(&["list", "--all", "--uuid"])?;
    let running = host.virsh(&["list", "--state-running", "--uuid"])?;
    let running: BTreeSet<&str> = running.split_whitespace().collect();
    Ok(all.split_whitespace().map(|uuid| (uuid.to_owned(), running.contains(uuid))).collect())
}

/// Disk images below a folder: what has a format's ending.
pub fn images(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for path in below(folder)? {
        let inside = below(&path).unwrap_or_default();
        for file in inside {
            let name = file.to_string_lossy().into_owned();
            // Logs, also the one of the start before, and NVRAM are the machine's too, but no disks.
            if ![".log", ".log.before", ".fd"].iter().any(|other| name.ends_with(other)) {
                found.insert(name);
            }
        }
    }
    Ok(found)
}

/// One folder for each machine, and no other.
fn empty_folders(folder: &Path, machines: usize) -> Result<Option<String>> {
    let folders = machines_folders(folder)?;
    Ok((folders.len() != machines).then(|| format!("{machines} machines, but the folders {folders:?}")))
}

/// What is in the folder of machines, but for the file by which agents know that they share it.
fn machines_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = below(folder)?;
    folders.retain(|path| !path.ends_with(".hostler-folder"));
    Ok(folders)
}

fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(read) => Ok(read.flatten().map(|entry| entry.path()).collect()),
        // A host that never had a machine.
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(Trouble::File { path: folder.into(), cause }),
    }
}

/// The time as the server says it.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
