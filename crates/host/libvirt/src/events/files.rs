//! The files in which libvirt keeps definitions (`/etc/libvirt/qemu/<name>.xml`) and what it knows of running machines
//! (`/run/libvirt/qemu/<name>.xml`), watched with inotify: a rewritten file is a machine to read anew.

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

/// Which machine each file was about, so that its removal can be told.
pub(super) type Known = HashMap<PathBuf, Uuid>;

/// Tells of changed files until the hub is stopped.
pub(super) fn watch(hub: &Hub, folders: &[PathBuf], known: &mut Known) {
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
fn watch_on(hub: &Hub, queue: &OwnedFd, folders: &[PathBuf], known: &mut Known) {
    let mut watched: HashMap<i32, &Path> = HashMap::new();
    let mut first = true;
    while !hub.is_stopped() {
        for folder in folders {
            if watched.values().any(|one| one == folder) {
                continue;
            }
            let what = WatchFlags::MOVED_TO
                | WatchFlags::MOVED_FROM
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::DELETE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR;
            if let Ok(watch) = inotify::add_watch(queue, folder, what) {
                watched.insert(watch, folder);
                learn(folder, known);
                // What happened in it before it was watched is not known.
                if !first {
                    hub.tell(Changed::Everything);
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
        let read = read(queue, |watch, what, name| {
            if what.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                if what.contains(ReadFlags::MOVE_SELF) {
                    // It is elsewhere now; what is at its place, if anything, is another folder.
                    let _ = inotify::remove_watch(queue, watch);
                }
                watched.remove(&watch);
                changes.insert(Changed::Everything);
            } else if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.insert(Changed::Everything);
            } else if let (Some(folder), Some(name)) = (watched.get(&watch), name) {
                changes.extend(change(&folder.join(name), known));
            }
        });
        for change in changes {
            hub.tell(change);
        }
        if read.is_err() {
            return;
        }
    }
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
        hub.watch(vec![folder.path().into(), later.clone()]).unwrap();
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
}
