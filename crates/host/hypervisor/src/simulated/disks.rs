//! Disk files of a simulated host.

use std::collections::BTreeSet;

use hostler_model::command::{Base, DiskContent};
use hostler_model::hardware::DiskFormat;
use hostler_model::library::SeenItem;
use hostler_model::{Code, Refusal};

use super::folder::File;
use super::{CrashWhen, Inner, LibraryFile, SimulatedHost, What, failed};
use crate::{DefinitionFile, DiskFile, Disks, NewDisk, Trouble, Watch};

/// What an empty image, an overlay or a seed takes on disk, in bytes.
const EMPTY_IMAGE_BYTES: u64 = 256 * 1024;

impl Inner {
    fn library_file(&self, folder: &str, path: &str) -> Result<LibraryFile, Trouble> {
        let file = format!("{}/{path}", folder.trim_end_matches('/'));
        let found = self.folder(&file)?.lock().library.get(&file).cloned();
        found.ok_or_else(|| failed(Code::DiskFailed, file, "no such file"))
    }

    /// Size as the guest sees it, and bytes taken on disk.
    fn sizes(&self, wanted: &NewDisk<'_>) -> Result<(u64, u64), Trouble> {
        Ok(match wanted.content {
            DiskContent::Blank | DiskContent::Seed { .. } => (wanted.size_bytes, EMPTY_IMAGE_BYTES),
            DiskContent::Overlay { base } => match self.bases.get(base) {
                Some(base) => (wanted.size_bytes.max(base.virtual_size_bytes), EMPTY_IMAGE_BYTES),
                None => {
                    return Err(failed(
                        Code::DiskFailed,
                        wanted.file,
                        format!("the host has no base {base}"),
                    ));
                }
            },
            DiskContent::Copy { folder, path, .. } => {
                let source = self.library_file(folder, path)?;
                (wanted.size_bytes.max(source.virtual_size_bytes), source.item.size_bytes)
            }
        })
    }
}

impl Disks for SimulatedHost {
    fn make(&self, wanted: &NewDisk<'_>, watch: &dyn Watch) -> Result<u64, Trouble> {
        self.change(What::DiskMade, wanted.file, |inner, crash| {
            let folder = inner.folder(wanted.file)?;
            let mut content = folder.lock();
            if content.files.contains_key(wanted.file) {
                let refusal = Refusal::new(Code::DiskFailed, wanted.file, "the file exists");
                return Err(Trouble::Refused(refusal));
            }
            if matches!(wanted.content, DiskContent::Copy { .. }) && watch.aborted() {
                return Err(Trouble::Aborted);
            }
            drop(content);
            let (size_bytes, allocated_bytes) = inner.sizes(wanted)?;
            content = folder.lock();
            if crash == Some(CrashWhen::Halfway) {
                content.partials.insert((wanted.file.to_owned(), wanted.mark.to_owned()));
                return Err(super::died());
            }
            if content.used_bytes().saturating_add(allocated_bytes) > content.capacity_bytes {
                return Err(failed(Code::DiskFull, wanted.file, "the file system is full"));
            }
            let disk = DiskFile { mark: Some(wanted.mark.to_owned()), owner: Some(wanted.owner), size_bytes };
            content.put(wanted.file, File { disk, allocated_bytes, open: BTreeSet::new() });
            watch.progress(allocated_bytes, allocated_bytes);
            Ok(size_bytes)
        })
    }

    fn look(&self, file: &str) -> Result<Option<DiskFile>, Trouble> {
        self.look_at_disks(|inner| {
            let folder = inner.folder(file)?;
            let content = folder.lock();
            Ok(content.files.get(file).map(|file| file.disk.clone()))
        })
    }

    fn delete(&self, file: &str) -> Result<(), Trouble> {
        self.change(What::DiskDeleted, file, |inner, _| {
            inner.folder(file)?.lock().remove(file);
            Ok(())
        })
    }

    fn sweep(&self, file: &str, mark: &str) -> Result<(), Trouble> {
        self.look_at_disks(|inner| {
            inner.folder(file)?.lock().partials.remove(&(file.to_owned(), mark.to_owned()));
            Ok(())
        })
    }

    fn bring_base(
        &self,
        folder: &str,
        path: &str,
        _format: DiskFormat,
        watch: &dyn Watch,
    ) -> Result<Base, Trouble> {
        self.change(What::BaseBrought, format!("{folder}/{path}"), |inner, crash| {
            let source = inner.library_file(folder, path)?;
            if watch.aborted() {
                return Err(Trouble::Aborted);
            }
            let base = Base { sha256: source.sha256.clone(), virtual_size_bytes: source.virtual_size_bytes };
            if crash != Some(CrashWhen::Halfway) {
                inner.bases.insert(source.sha256, base.clone());
                watch.progress(source.item.size_bytes, source.item.size_bytes);
            }
            Ok(base)
        })
    }

    fn make_folder(&self, path: &str) -> Result<(), Trouble> {
        self.change(What::FolderMade, path, |inner, _| {
            inner.folder(path)?.lock().folders.insert(path.to_owned());
            Ok(())
        })
    }

    fn has_folder(&self, path: &str) -> Result<bool, Trouble> {
        self.look_at_disks(|inner| Ok(inner.folder(path)?.lock().folders.contains(path)))
    }

    fn definition(&self, file: &str) -> Result<DefinitionFile, Trouble> {
        self.look_at_disks(|inner| {
            let found = inner.folder(file)?.lock().definitions.get(file).cloned();
            let found = found.ok_or_else(|| failed(Code::ObjectNotFound, file, "there is no such file"))?;
            let text =
                serde_json::to_string(&found).map_err(|why| failed(Code::Internal, file, why.to_string()))?;
            // No digest, and as good as one here: another text is another machine.
            Ok(DefinitionFile { sha256: format!("{:064x}", found.identity.domain.as_u128()), text })
        })
    }

    fn check_image(&self, file: &str, _format: DiskFormat) -> Result<bool, Trouble> {
        self.look_at_disks(|inner| Ok(inner.folder(file)?.lock().files.contains_key(file)))
    }

    fn scan(&self, folder: &str) -> Result<Vec<SeenItem>, Trouble> {
        self.look_at_disks(|inner| {
            let beginning = format!("{}/", folder.trim_end_matches('/'));
            let held = inner.folder(&beginning)?;
            let content = held.lock();
            let below = content.library.iter().filter(|(path, _)| path.starts_with(&beginning));
            Ok(below.map(|(_, file)| file.item.clone()).collect())
        })
    }
}

impl SimulatedHost {
    /// A look at the disks, which is possible while libvirt does not answer.
    fn look_at_disks<T>(&self, act: impl FnOnce(&Inner) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let inner = self.lock();
        if inner.crashed || !inner.up {
            return Err(super::died());
        }
        act(&inner)
    }
}
