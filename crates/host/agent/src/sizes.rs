//! The sizes of machines' disks, which stand in their files. The files may lie on storage that does not answer: then machines are
//! told without waiting for it, with the sizes that were known before.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hostler_model::seen::Seen;
use tokio::task::spawn_blocking;

/// How long all files of a listing may take. Storage that answers takes a part of a millisecond for each.
const LIMIT: Duration = Duration::from_secs(15);

/// A machine with the sizes of its disks; blocks as long as the storage does.
type Look = dyn Fn(Seen) -> Seen + Send + Sync;

/// Looks up sizes.
#[derive(Clone)]
pub(crate) struct Sizes {
    look: Arc<Look>,
    limit: Duration,
    /// By file, as they were known last.
    known: Arc<Mutex<HashMap<String, u64>>>,
    /// Looks that took longer than the limit and have not ended. While there is one, none is begun: each would hold a thread.
    hang: Arc<AtomicUsize>,
}

impl Sizes {
    pub(crate) fn new(look: impl Fn(Seen) -> Seen + Send + Sync + 'static) -> Self {
        Self { look: Arc::new(look), limit: LIMIT, known: Arc::default(), hang: Arc::default() }
    }

    /// The machines with the sizes of their disks.
    pub(crate) async fn of(&self, machines: Vec<Seen>) -> Vec<Seen> {
        if self.hang.load(Ordering::SeqCst) > 0 {
            return self.as_known(machines);
        }
        let (look, plain) = (Arc::clone(&self.look), machines.clone());
        let mut looking =
            spawn_blocking(move || machines.into_iter().map(|seen| look(seen)).collect::<Vec<_>>());
        match tokio::time::timeout(self.limit, &mut looking).await {
            Ok(Ok(sized)) => {
                self.keep(&sized);
                sized
            }
            Ok(Err(why)) => {
                tracing::error!(%why, "the look at disks broke down");
                self.as_known(plain)
            }
            Err(_) => {
                tracing::warn!(
                    "storage with disks of machines does not answer; their sizes are told as they were"
                );
                self.hang.fetch_add(1, Ordering::SeqCst);
                let of = self.clone();
                tokio::spawn(async move {
                    if let Ok(sized) = looking.await {
                        of.keep(&sized);
                    }
                    of.hang.fetch_sub(1, Ordering::SeqCst);
                });
                self.as_known(plain)
            }
        }
    }

    /// All machines, with the sizes of their disks. Of files that are none of theirs nothing is known any more.
    pub(crate) async fn of_all(&self, machines: Vec<Seen>) -> Vec<Seen> {
        let sized = self.of(machines).await;
        let files: HashSet<&String> =
            sized.iter().flat_map(|seen| &seen.disks).filter_map(|disk| disk.file.as_ref()).collect();
        self.lock().retain(|file, _| files.contains(file));
        sized
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, sized: &[Seen]) {
        let mut known = self.lock();
        for disk in sized.iter().flat_map(|seen| &seen.disks) {
            match (&disk.file, disk.size_bytes) {
                (Some(file), Some(bytes)) => drop(known.insert(file.clone(), bytes)),
                (Some(file), None) => drop(known.remove(file)),
                (None, _) => {}
            }
        }
    }

    fn as_known(&self, mut machines: Vec<Seen>) -> Vec<Seen> {
        let known = self.lock();
        for disk in machines.iter_mut().flat_map(|seen| &mut seen.disks).filter(|disk| !disk.dvd) {
            disk.size_bytes = disk.file.as_ref().and_then(|file| known.get(file).copied());
        }
        drop(known);
        machines
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;

    use hostler_model::hardware::{Bus, DiskFormat};
    use hostler_model::seen::{Power, SeenDisk};
    use uuid::Uuid;

    use super::*;

    #[derive(Default)]
    struct Storage {
        hangs: Mutex<bool>,
        told: Condvar,
        looks: AtomicUsize,
    }

    impl Storage {
        fn look(&self, mut seen: Seen) -> Seen {
            self.looks.fetch_add(1, Ordering::SeqCst);
            // Not for ever: a test that fails has to end.
            let limit = Duration::from_secs(60);
            drop(self.told.wait_timeout_while(self.hangs.lock().unwrap(), limit, |hangs| *hangs).unwrap());
            for disk in &mut seen.disks {
                disk.size_bytes = Some(1 << 30);
            }
            seen
        }

        fn hang(&self, hangs: bool) {
            *self.hangs.lock().unwrap() = hangs;
            self.told.notify_all();
        }
    }

    fn machine(file: &str) -> Seen {
        let disk = SeenDisk {
            target: "vda".into(),
            file: Some(file.into()),
            format: DiskFormat::Qcow2,
            bus: Bus::Virtio,
            size_bytes: None,
            dvd: false,
        };
        Seen {
            domain: Uuid::from_u128(1),
            name: "vm-1".into(),
            title: None,
            identity: None,
            power: Power::Off,
            cpus: 1,
            memory_mib: 64,
            disks: vec![disk],
            adapters: Vec::new(),
            guest_agent: false,
            persistent: true,
            autostart: false,
            snapshots: Vec::new(),
        }
    }

    fn size(of: &[Seen]) -> Option<u64> {
        of[0].disks[0].size_bytes
    }

    #[tokio::test]
    async fn machines_are_told_with_the_sizes_of_before_while_storage_does_not_answer() {
        let storage = Arc::new(Storage::default());
        let of = Arc::clone(&storage);
        let mut sizes = Sizes::new(move |seen| of.look(seen));
        assert_eq!(size(&sizes.of(vec![machine("/vms/a")]).await), Some(1 << 30));
        storage.hang(true);
        sizes.limit = Duration::from_millis(20);
        assert_eq!(size(&sizes.of(vec![machine("/vms/a")]).await), Some(1 << 30));
        for _ in 0..100 {
            assert_eq!(size(&sizes.of(vec![machine("/vms/b")]).await), None, "nobody knows it");
        }
        assert_eq!(storage.looks.load(Ordering::SeqCst), 2, "one thread hangs, and no more");
        sizes.of_all(vec![machine("/vms/b")]).await;
        assert_eq!(size(&sizes.of(vec![machine("/vms/a")]).await), None, "its machine is gone");
        storage.hang(false);
        sizes.limit = LIMIT;
        let again = async {
            while size(&sizes.of(vec![machine("/vms/b")]).await).is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), again).await.unwrap();
    }
}
