//! Folders of disk files and library files, seen by one host or by several.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hostler_model::VmId;
use hostler_model::command::Definition;
use hostler_model::library::SeenItem;
use uuid::Uuid;

use crate::DiskFile;

/// A folder. A clone is the same folder seen by somebody else.
#[derive(Clone)]
pub struct SharedFolder(Arc<Mutex<Content>>);

/// A file of a library share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryFile {
    /// As a scan shows it; its path is below the share's folder.
    pub item: SeenItem,
    /// Its content.
    pub sha256: String,
    /// How large a guest would see it, in bytes.
    pub virtual_size_bytes: u64,
}

#[derive(Default)]
pub(super) struct Content {
    pub(super) capacity_bytes: u64,
    /// What lies there besides, put by [`SharedFolder::fill`].
    ballast_bytes: u64,
    /// What the files take together.
    files_bytes: u64,
    pub(super) files: BTreeMap<String, File>,
    /// Unfinished files, by the file they were to be and the mark.
    pub(super) partials: BTreeSet<(String, String)>,
    pub(super) library: BTreeMap<String, LibraryFile>,
    /// Definitions that lie there, by file.
    pub(super) definitions: BTreeMap<String, Definition>,
    /// Folders that were made.
    pub(super) folders: BTreeSet<String>,
    /// Marks of moves, by the file beside which they lie and the ticket.
    pub(super) marks: BTreeSet<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) disk: DiskFile,
    pub(super) allocated_bytes: u64,
    /// Which hosts' machines have it open.
    pub(super) open: BTreeSet<(u64, Uuid)>,
}

impl SharedFolder {
    /// An empty folder.
    pub fn new(capacity_bytes: u64) -> Self {
        Self(Arc::new(Mutex::new(Content { capacity_bytes, ..Content::default() })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills the folder to its brim, as somebody else's files would.
    pub fn fill(&self) {
        let mut content = self.lock();
        let free = content.capacity_bytes.saturating_sub(content.used_bytes());
        content.ballast_bytes += free;
    }

    /// Takes away what [`SharedFolder::fill`] put there.
    pub fn free_up(&self) {
        self.lock().ballast_bytes = 0;
    }

    /// Whether nothing more fits in.
    pub fn is_full(&self) -> bool {
        self.lock().is_full()
    }

    /// Free space in bytes.
    pub fn free_bytes(&self) -> u64 {
        let content = self.lock();
        content.capacity_bytes.saturating_sub(content.used_bytes())
    }

    /// Puts a file into the library; its path is absolute here.
    pub fn put_library_file(&self, path: &str, file: LibraryFile) {
        self.lock().library.insert(path.to_owned(), file);
    }

    /// Takes a file out of the library.
    pub fn remove_library_file(&self, path: &str) {
        self.lock().library.remove(path);
    }

    /// Puts a disk file there behind everybody's back.
    pub fn put_file(&self, path: &str, owner: Option<VmId>, size_bytes: u64) {
        let disk = DiskFile { mark: None, owner, size_bytes };
        let file = File { disk, allocated_bytes: 0, open: BTreeSet::new() };
        self.lock().put(path, file);
    }

    /// Deletes a disk file behind everybody's back.
    pub fn lose_file(&self, path: &str) {
        self.lock().remove(path);
    }

    /// Every disk file.
    pub fn files(&self) -> Vec<(String, DiskFile)> {
        self.lock().files.iter().map(|(path, file)| (path.clone(), file.disk.clone())).collect()
    }

    /// Puts the definition of a machine there, as somebody leaves one behind.
    pub fn put_definition(&self, path: &str, definition: Definition) {
        self.lock().definitions.insert(path.to_owned(), definition);
    }

    /// Every folder that was made.
    pub fn folders(&self) -> Vec<String> {
        self.lock().folders.iter().cloned().collect()
    }

    /// Unfinished files: what each was to be, and its mark.
    pub fn partials(&self) -> Vec<(String, String)> {
        self.lock().partials.iter().cloned().collect()
    }

    /// Marks of moves: beside which file, and of which ticket.
    pub fn marks(&self) -> Vec<(String, String)> {
        self.lock().marks.iter().cloned().collect()
    }

    /// Whether both are one folder.
    pub fn is(&self, other: &SharedFolder) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Files that more than one machine has open at this moment: each is data being destroyed.
    pub fn opened_twice(&self) -> Vec<String> {
        let content = self.lock();
        content.files.iter().filter(|(_, file)| file.open.len() > 1).map(|(path, _)| path.clone()).collect()
    }
}

impl Content {
    pub(super) fn used_bytes(&self) -> u64 {
        self.ballast_bytes.saturating_add(self.files_bytes)
    }

    pub(super) fn put(&mut self, path: &str, file: File) {
        self.remove(path);
        self.files_bytes = self.files_bytes.saturating_add(file.allocated_bytes);
        self.files.insert(path.to_owned(), file);
    }

    pub(super) fn remove(&mut self, path: &str) {
        if let Some(file) = self.files.remove(path) {
            self.files_bytes = self.files_bytes.saturating_sub(file.allocated_bytes);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.used_bytes() >= self.capacity_bytes
    }
}
