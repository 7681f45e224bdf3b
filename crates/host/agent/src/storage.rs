//! What is told of the folders of machines: the marks by which hosts tell them apart, and how full they are.
//!
//! A folder may lie on storage that does not answer, and the kernel lets nobody go who asks such a storage. So each look is a
//! thread of its own, one at a time for each folder. Who wants to know waits a moment for it and then takes what was found last:
//! the agent speaks with its server whatever hangs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hostler_model::machine_folder::{FolderSpace, MachineFolder};

use crate::folders::{Folders, mark_of, space_of};

/// How long a look that was just begun is waited for. Storage that answers does so within milliseconds, a busy one in more.
const PATIENCE: Duration = Duration::from_secs(2);

/// A look that may never end, and what the last one found that did.
#[derive(Debug)]
pub(crate) struct Look<T>(Arc<Seen<T>>);

#[derive(Debug)]
struct Seen<T> {
    found: Mutex<Found<T>>,
    ended: Condvar,
}

#[derive(Debug)]
struct Found<T> {
    last: Option<T>,
    under_way: bool,
}

/// A look ends with this, however it ends.
struct UnderWay<T>(Arc<Seen<T>>);

impl<T> Seen<T> {
    fn lock(&self) -> MutexGuard<'_, Found<T>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.0.lock().under_way = false;
        self.0.ended.notify_all();
    }
}

impl<T> Default for Look<T> {
    fn default() -> Self {
        let found = Mutex::new(Found { last: None, under_way: false });
        Self(Arc::new(Seen { found, ended: Condvar::new() }))
    }
}

impl<T: Clone + Send + 'static> Look<T> {
    /// Begins to look, unless somebody looks already. Answers whether it was begun.
    pub(crate) fn begin(&self, look: impl FnOnce() -> T + Send + 'static) -> bool {
        if std::mem::replace(&mut self.0.lock().under_way, true) {
            return false;
        }
        let under_way = UnderWay(Arc::clone(&self.0));
        let looks = move || {
            let found = look();
            under_way.0.lock().last = Some(found);
        };
        // Without a thread what was found last stays.
        thread::Builder::new().name("storage".into()).spawn(looks).is_ok()
    }

    /// Waits until nobody looks any more, and not beyond `until`. Answers whether that has come.
    pub(crate) fn wait(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.0.ended.wait_timeout_while(self.0.lock(), left, |found| found.under_way);
        !waited.unwrap_or_else(PoisonError::into_inner).0.under_way
    }

    /// What was found last; none where no look has ended yet.
    pub(crate) fn last(&self) -> Option<T> {
        self.0.lock().last.clone()
    }
}

/// The folders of machines of one computer.
#[derive(Debug)]
pub(crate) struct Storage(Vec<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// None where it is not there, or has no mark.
    mark: Look<Option<String>>,
    /// None where it is not there.
    space: Look<Option<FolderSpace>>,
}

impl Storage {
    pub(crate) fn new(folders: &Folders) -> Self {
        let folder =
            |path: &Path| Folder { path: path.into(), mark: Look::default(), space: Look::default() };
        Self(folders.all().map(folder).collect())
    }

    /// What is known of them without looking inside, the usual one first. One that is not there, a medium that is not mounted,
    /// is left out, and so is one that has not answered yet.
    pub(crate) fn facts(&self) -> Vec<MachineFolder> {
        self.look(|folder| &folder.mark, mark_of);
        let known = self.0.iter().enumerate().filter_map(|(at, folder)| {
            let id = folder.mark.last().flatten();
            // The usual one counts as nobody else's until it has a mark.
            let id = if at == 0 { id.unwrap_or_default() } else { id? };
            Some(MachineFolder { path: folder.path.to_string_lossy().into_owned(), id })
        });
        known.collect()
    }

    /// How full their file systems are. Of one that does not answer it is told how full it was.
    pub(crate) fn space(&self) -> Vec<FolderSpace> {
        self.look(|folder| &folder.space, space_of);
        self.0.iter().filter_map(|folder| folder.space.last().flatten()).collect()
    }

    /// Looks at all of them at once. Whom an earlier look still waits for, nobody waits for again.
    fn look<T: Clone + Send + 'static>(
        &self,
        of: impl Fn(&Folder) -> &Look<T>,
        look: impl Fn(&Path) -> T + Copy + Send + 'static,
    ) {
        let until = Instant::now() + PATIENCE;
        let begun: Vec<&Folder> = self
            .0
            .iter()
            .filter(|folder| {
                let path = folder.path.clone();
                of(folder).begin(move || look(&path))
            })
            .collect();
        for folder in begun {
            if !of(folder).wait(until) {
                let folder = folder.path.display();
                tracing::warn!(%folder, "the storage of this folder of machines does not answer");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;

    use super::*;
    use crate::config::mark_folder;

    #[test]
    fn a_look_that_hangs_holds_nobody_and_what_was_found_before_stays() {
        let look = Look::default();
        assert!(look.begin(|| 1) && look.wait(Instant::now() + Duration::from_secs(60)));
        let (go_on, hangs) = mpsc::channel();
        assert!(look.begin(move || {
            let _ = hangs.recv();
            2
        }));
        assert!(!look.wait(Instant::now() + Duration::from_millis(20)), "it hangs");
        assert_eq!(look.last(), Some(1));
        for _ in 0..100 {
            assert!(!look.begin(|| 3), "one look at a time, however often it is asked for");
        }
        go_on.send(()).unwrap();
        assert!(look.wait(Instant::now() + Duration::from_secs(60)));
        assert_eq!(look.last(), Some(2));
        assert!(look.begin(|| 4), "it is looked at again");
    }

    #[test]
    fn a_look_that_breaks_down_is_over() {
        let look: Look<u8> = Look::default();
        assert!(look.begin(|| panic!("on purpose")));
        assert!(look.wait(Instant::now() + Duration::from_secs(60)));
        assert_eq!(look.last(), None);
        assert!(look.begin(|| 1));
    }

    #[test]
    fn a_folder_that_hangs_takes_no_other_with_it_and_is_left_out_until_it_answers() {
        let temp = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| temp.path().join(name));
        for folder in [&a, &b] {
            fs::create_dir_all(folder).unwrap();
        }
        let storage = Storage::new(&Folders::new(vec![a.clone(), b.clone()]));
        let (go_on, hangs) = mpsc::channel();
        assert!(storage.0[1].mark.begin(move || {
            let _ = hangs.recv();
            Some("late".into())
        }));
        let begun = Instant::now();
        let known = storage.facts();
        assert!(known.len() == 1 && !known[0].id.is_empty(), "{known:?}");
        assert_eq!(storage.space().len(), 2, "how full it is was not asked of the one that hangs");
        assert!(begun.elapsed() < Duration::from_secs(60));
        go_on.send(()).unwrap();
        assert!(storage.0[1].mark.wait(Instant::now() + Duration::from_secs(60)));
        assert_eq!(storage.0[1].mark.last(), Some(Some("late".into())));
    }

    #[test]
    fn each_folder_that_is_there_has_a_mark_of_its_own_and_keeps_it() {
        let temp = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| temp.path().join(name));
        fs::create_dir_all(&a).unwrap();
        mark_folder(&a).unwrap();
        let storage = Storage::new(&Folders::new(vec![a.clone(), b.clone()]));
        assert_eq!(storage.facts().len(), 1, "what is not there is not told");
        fs::create_dir_all(&b).unwrap();
        let known = storage.facts();
        assert_eq!(known.len(), 2);
        assert!(!known[1].id.is_empty() && known[0].id != known[1].id, "{known:?}");
        assert_eq!(storage.facts(), known);
        let space = storage.space();
        assert!(space.len() == 2 && space.iter().all(|space| space.total_mib >= space.free_mib), "{space:?}");
    }
}
