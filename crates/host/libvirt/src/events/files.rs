//! The files in which libvirt keeps definitions (`/etc/libvirt/qemu/<name>.xml`), what it knows of running machines
//! (`/run/libvirt/qemu/<name>.xml`), which machines it starts with the host, saved memory, snapshots, and active networks,
//! watched with inotify: a rewritten file is a machine to read anew.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use uuid::Uuid;

use super::{Changed, Hub};

/// How often the thread looks whether it should end, and whether a folder that was missing is there.
const LOOK: Duration = Duration::from_millis(500);
/// How long after a change others are gathered: libvirt rewrites a running machine's file several times in a row.
const GATHER: Duration = Duration::from_millis(20);
/// How much of a file is searched for the UUID, which libvirt writes near the top.
const MOST_READ_BYTES: u64 = 256 * 1024;

/// A folder of libvirt's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Where it is; it need not be there.
    pub(crate) path: PathBuf,
    /// What lies in it.
    pub(crate) holds: Holds,
}

/// What lies in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A file for each machine, written beside and renamed.
    Machines,
    /// A link for each machine that starts with the host, named like its definition in this folder.
    Links {
        /// Where the definitions are.
        definitions: PathBuf,
    },
    /// Saved memory, named like the machine's definition in this folder.
    Saved {
        /// Where the definitions are.
        definitions: PathBuf,
    },
    /// A folder for each machine that has any, named like its definition in this folder.
    Snapshots {
        /// Where the definitions are.
        definitions: PathBuf,
    },
    /// The snapshots of one machine.
    SnapshotsOf {
        /// The machine's definition.
        definition: PathBuf,
    },
    /// A file for each network: for each that is active, or for the definition of each.
    Networks,
    /// A link for each network that starts with libvirt.
    NetworkLinks,
}

impl Holds {
    /// What of it is waited for.
    fn flags(&self) -> WatchFlags {
        let usual = WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        match self {
            // A link is made and never written; of a file that is made nothing is known before it is written.
            Holds::Links { .. } | Holds::Snapshots { .. } | Holds::NetworkLinks => usual | WatchFlags::CREATE,
            _ => usual,
        }
    }
}

/// Which machine each file was about, so that its removal can be told.
pub(super) type Known = HashMap<PathBuf, Uuid>;

/// Tells of changed files until the hub is stopped.
pub(super) fn watch(hub: &Hub, folders: &[Folder], known: &mut Known) {
    while !hub.is_stopped() {
        match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(queue) => watch_on(hub, &queue, folders, known),
            Err(why) => {
                tracing::warn!(%why, "libvirt's files cannot be watched; tried again");
                std::thread::sleep(LOOK);
            }
        }
    }
}

/// Watches until the hub is stopped or the queue fails.
fn watch_on(hub: &Hub, queue: &OwnedFd, folders: &[Folder], known: &mut Known) {
    let mut watched: HashMap<i32, Folder> = HashMap::new();
    let mut first = true;
    while !hub.is_stopped() {
        for folder in folders {
            if watched.values().any(|one| one == folder) {
                continue;
            }
            if let Ok(watch) = inotify::add_watch(queue, &folder.path, folder.holds.flags()) {
                watched.insert(watch, folder.clone());
                match &folder.holds {
                    Holds::Machines => learn(&folder.path, known),
                    Holds::Snapshots { definitions } => {
                        for inside in folder.path.read_dir().into_iter().flatten().flatten() {
                            watch_snapshots(queue, &inside.path(), definitions, &mut watched);
                        }
                    }
                    Holds::Links { .. }
                    | Holds::Saved { .. }
                    | Holds::SnapshotsOf { .. }
                    | Holds::Networks
                    | Holds::NetworkLinks => {}
                }
                // What happened in it before it was watched is not known.
                if !first {
                    hub.tell(if matches!(folder.holds, Holds::Networks | Holds::NetworkLinks) {
                        Changed::Host
                    } else {
                        Changed::Everything
                    });
                }
            }
        }
        first = false;
        match readable(queue, LOOK) {
            Ok(false) => continue,
            Ok(true) => std::thread::sleep(GATHER),
            Err(_) => return,
        }
        let mut changes = HashSet::new();
        let mut appeared = Vec::new();
        let read = read(queue, |watch, what, name| {
            if what.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                if what.contains(ReadFlags::MOVE_SELF) {
                    // It is elsewhere now; what is at its place, if anything, is another folder.
                    let _ = inotify::remove_watch(queue, watch);
                }
                if let Some(Folder { holds: Holds::SnapshotsOf { definition }, .. }) = watched.remove(&watch)
                {
                    changes.extend(about(&definition, known));
                } else {
                    changes.insert(Changed::Everything);
                }
            } else if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.insert(Changed::Everything);
            } else if let (Some(folder), Some(name)) = (watched.get(&watch), name) {
                changes.extend(folder.change(name, known));
                if let Holds::Snapshots { definitions } = &folder.holds
                    && what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO)
                {
                    appeared.push((folder.path.join(name), definitions.clone()));
                }
            }
        });
        // What lies in it already is told with the folder itself.
        for (folder, definitions) in appeared {
            watch_snapshots(queue, &folder, &definitions, &mut watched);
        }
        for change in changes {
            hub.tell(change);
        }
        if read.is_err() {
            return;
        }
    }
}

/// Watches the folder with the snapshots of one machine.
fn watch_snapshots(queue: &OwnedFd, folder: &Path, definitions: &Path, watched: &mut HashMap<i32, Folder>) {
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { return };
    let holds = Holds::SnapshotsOf { definition: definitions.join(format!("{name}.xml")) };
    // One that is gone again has nothing to tell.
    if let Ok(watch) = inotify::add_watch(queue, folder, holds.flags()) {
        watched.insert(watch, Folder { path: folder.to_owned(), holds });
    }
}

impl Folder {
    /// What a change of a file in it means; nothing where it is of no interest.
    fn change(&self, name: &str, known: &mut Known) -> Option<Changed> {
        match &self.holds {
            Holds::Machines => change(&self.path.join(name), known),
            Holds::Links { definitions } => about(&definitions.join(name), known),
            Holds::Saved { definitions } => {
                about(&definitions.join(format!("{}.xml", name.strip_suffix(".save")?)), known)
            }
            Holds::Snapshots { definitions } => about(&definitions.join(format!("{name}.xml")), known),
            Holds::SnapshotsOf { definition } => name.ends_with(".xml").then(|| about(definition, known))?,
            Holds::Networks | Holds::NetworkLinks => name.ends_with(".xml").then_some(Changed::Host),
        }
    }
}

/// The machine with this definition; anything, where it is not known.
fn about(definition: &Path, known: &Known) -> Option<Changed> {
    let uuid = known.get(definition).copied().or_else(|| uuid_in(definition));
    Some(uuid.map_or(Changed::Everything, Changed::Domain))
}

/// What a change of this file means; nothing where it is no machine's.
fn change(path: &Path, known: &mut Known) -> Option<Changed> {
    if path.extension().is_none_or(|extension| extension != "xml") {
        return None;
    }
    match (uuid_in(path), known.get(path).copied()) {
        (Some(uuid), _) => {
            known.insert(path.to_path_buf(), uuid);
            Some(Changed::Domain(uuid))
        }
        (None, Some(uuid)) => {
            if !path.exists() {
                known.remove(path);
            }
            Some(Changed::Domain(uuid))
        }
        (None, None) => Some(Changed::Everything),
    }
}

/// Notes which machines the files of a folder are about.
fn learn(folder: &Path, known: &mut Known) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "xml")
            && let Some(uuid) = uuid_in(&path)
        {
            known.insert(path, uuid);
        }
    }
}

/// The UUID that a definition names. libvirt's own files are searched, not parsed: their content is not used.
fn uuid_in(path: &Path) -> Option<Uuid> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MOST_READ_BYTES).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_, rest) = text.split_once("<uuid>")?;
    rest.split_once("</uuid>")?.0.trim().parse().ok()
}

fn readable(queue: &OwnedFd, limit: Duration) -> io::Result<bool> {
    let limit = Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
    let mut fds = [PollFd::new(queue, PollFlags::IN)];
    match poll(&mut fds, Some(&limit)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(why) => Err(why.into()),
    }
}

/// Reads what is there.
fn read(queue: &OwnedFd, mut on: impl FnMut(i32, ReadFlags, Option<&str>)) -> io::Result<()> {
    let mut room = [MaybeUninit::uninit(); 8192];
    let mut reader = Reader::new(queue.as_fd(), &mut room);
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().and_then(|name| name.to_str().ok());
                on(event.wd(), event.events(), name);
            }
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const VM: &str = "0196f0f0-0000-7000-8000-000000000001";

    fn next(changes: &std::sync::mpsc::Receiver<Changed>) -> Changed {
        changes.recv_timeout(Duration::from_secs(5)).unwrap()
    }

    #[test]
    fn a_definition_written_and_removed_is_told_as_its_machine() {
        let folder = tempfile::tempdir().unwrap();
        let later = folder.path().join("later");
        let hub = Arc::new(Hub::default());
        let changes = hub.subscribe();
        let machines = |path: &Path| Folder { path: path.into(), holds: Holds::Machines };
        hub.watch(vec![machines(folder.path()), machines(&later)]).unwrap();
        std::thread::sleep(Duration::from_millis(100));

        // As libvirt does it: written beside and renamed.
        let (new, file) = (folder.path().join("vm.xml.new"), folder.path().join("vm.xml"));
        std::fs::write(&new, format!("<domain>\n  <uuid>{VM}</uuid></domain>")).unwrap();
        std::fs::rename(&new, &file).unwrap();
        let vm = Changed::Domain(VM.parse().unwrap());
        assert_eq!(next(&changes), vm);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(next(&changes), vm);

        std::fs::create_dir(&later).unwrap();
        assert_eq!(next(&changes), Changed::Everything, "a folder that appears may hold anything");
        std::fs::write(later.join("vm.xml"), format!("<domstatus><domain><uuid>{VM}</uuid>")).unwrap();
        assert_eq!(next(&changes), vm);
        hub.stop();
    }

    #[test]
    fn what_libvirt_keeps_beside_the_definition_is_told_as_its_machine_and_networks_as_the_host() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["etc", "etc/autostart", "save", "snapshot", "network", "network-autostart"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("etc/vm.xml"), format!("<uuid>{VM}</uuid>")).unwrap();
        let vm = Changed::Domain(VM.parse().unwrap());
        let hub = Arc::new(Hub::default());
        let changes = hub.subscribe();
        let watched = |name: &str, holds| Folder { path: at(name), holds };
        hub.watch(vec![
            watched("etc", Holds::Machines),
            watched("etc/autostart", Holds::Links { definitions: at("etc") }),
            watched("save", Holds::Saved { definitions: at("etc") }),
            watched("snapshot", Holds::Snapshots { definitions: at("etc") }),
            watched("network", Holds::Networks),
            watched("network-autostart", Holds::NetworkLinks),
        ])
        .unwrap();
        std::thread::sleep(Duration::from_millis(100));

        std::os::unix::fs::symlink(at("etc/vm.xml"), at("etc/autostart/vm.xml")).unwrap();
        assert_eq!(next(&changes), vm);
        std::fs::remove_file(at("etc/autostart/vm.xml")).unwrap();
        assert_eq!(next(&changes), vm);
        std::fs::write(at("save/vm.save"), "memory").unwrap();
        assert_eq!(next(&changes), vm);
        std::fs::remove_file(at("save/vm.save")).unwrap();
        assert_eq!(next(&changes), vm);
        std::fs::create_dir(at("snapshot/vm")).unwrap();
        assert_eq!(next(&changes), vm);
        std::fs::write(at("snapshot/vm/first.xml"), "<domainsnapshot/>").unwrap();
        assert_eq!(next(&changes), vm);
        std::fs::write(at("network/default.xml"), "<networkstatus/>").unwrap();
        assert_eq!(next(&changes), Changed::Host);
        std::os::unix::fs::symlink(at("network/default.xml"), at("network-autostart/default.xml")).unwrap();
        assert_eq!(next(&changes), Changed::Host);
        hub.stop();
    }
}
