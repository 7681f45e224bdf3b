//! The folders in which machines may be kept: what the administrator of this computer allows in `agent.toml`, and nothing
//! else. What lies in them is listed when somebody asks.

use std::fs;
use std::path::{Component, Path, PathBuf};

use hostler_disk::{Error, Rejected, WalkLimits, find_files, is_folder, list_folder, make_folder, read_text};
use hostler_model::machine_folder::{
    self, DEEPEST, FolderListing, FolderSpace, MOST_ENTRIES, SeenFolder, SeenImage, check_path,
};
use hostler_model::{Code, Refusal, Timestamp};

use crate::config::{FOLDER_ID, mark_folder};

/// The rights of a folder of machines: QEMU's account passes through it, and nobody else lists it.
pub(crate) const FOLDER_RIGHTS: u32 = 0o711;

/// The largest definition that is looked at, in bytes: libvirt writes some ten thousand.
const MOST_DEFINITION_BYTES: usize = 1 << 20;
/// How many entries of an allowed folder, and of those in it, are looked at for definitions.
const MOST_LOOKED_AT: usize = 50_000;

/// The allowed folders, the usual one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders(Vec<PathBuf>);

/// Why a folder was not made.
#[derive(Debug)]
pub(crate) enum FolderTrouble {
    /// It is none that is allowed.
    Refused(Refusal),
    /// The disk.
    Disk(Error),
}

impl Folders {
    /// These, absolute paths, the usual one first.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self(folders)
    }

    /// The usual one.
    pub fn usual(&self) -> &Path {
        self.0.first().map_or(Path::new("/"), PathBuf::as_path)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }

    /// All of them, in words.
    pub(crate) fn words(&self) -> String {
        self.0.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The allowed folder in which a path lies by its spelling, the nearest, and the path below it. Whether it stays inside
    /// the kernel says, when it is opened.
    pub(crate) fn place<'p>(&self, path: &'p str) -> Option<(&Path, &'p Path)> {
        check_path(path).ok()?;
        let placed = self.all().filter_map(|root| Some((root, Path::new(path).strip_prefix(root).ok()?)));
        let (root, below) = placed.max_by_key(|(root, _)| root.components().count())?;
        below.components().all(|part| matches!(part, Component::Normal(_))).then_some((root, below))
    }

    pub(crate) fn placed<'p>(&self, path: &'p str) -> Result<(&Path, &'p Path), Refusal> {
        check_path(path)?;
        let paths: Vec<String> = self.all().map(|root| root.to_string_lossy().into_owned()).collect();
        let outside = || {
            machine_folder::outside(path, "the administrator of this host", paths.iter().map(String::as_str))
        };
        self.place(path).ok_or_else(outside)
    }

    /// What lies in a folder.
    pub(crate) fn list(&self, path: &str) -> Result<FolderListing, Refusal> {
        let (root, below) = self.placed(path)?;
        let listed = list_folder(root, below, MOST_ENTRIES).map_err(|why| self.rejected(path, &why))?;
        let folder = |(name, at): (String, i64)| SeenFolder { name, modified: Timestamp(at) };
        let image = |(name, size_bytes, at): (String, u64, i64)| SeenImage {
            name,
            size_bytes,
            modified: Timestamp(at),
        };
        Ok(FolderListing {
            path: path.to_owned(),
            folders: listed.folders.into_iter().map(folder).collect(),
            images: listed.images.into_iter().map(image).collect(),
            more: listed.more,
        })
    }

    /// Whether a folder is there.
    pub(crate) fn has(&self, path: &str) -> Result<bool, Refusal> {
        let (root, below) = self.placed(path)?;
        is_folder(root, below).map_err(|why| self.rejected(path, &why))
    }

    /// Makes a folder; one that is there is left as it is.
    pub(crate) fn make(&self, path: &str) -> Result<(), FolderTrouble> {
        let (root, below) = self.placed(path).map_err(FolderTrouble::Refused)?;
        if below.as_os_str().is_empty() {
            return Ok(());
        }
        if below.components().count() >= DEEPEST {
            let cause = format!("it lies deeper than {} folders below {}", DEEPEST - 1, root.display());
            return Err(FolderTrouble::Refused(Refusal::new(Code::PathForbidden, path, cause)));
        }
        match make_folder(root, below, FOLDER_RIGHTS) {
            Ok(_) => Ok(()),
            Err(Error::Rejected { why, .. }) => Err(FolderTrouble::Refused(self.rejected(path, &why))),
            Err(why) => Err(FolderTrouble::Disk(why)),
        }
    }

    /// The files that may be definitions, by path, and whether there are more than were looked at.
    pub(crate) fn definitions(&self, stopped: &dyn Fn() -> bool) -> (Vec<String>, bool) {
        let limits = WalkLimits { depth: DEEPEST, entries: MOST_LOOKED_AT };
        let (mut found, mut more) = (Vec::new(), false);
        for root in self.all() {
            let Ok((files, cut)) = find_files(root, "xml", limits, stopped) else { continue };
            more |= cut;
            let text = |file: PathBuf| root.join(file).into_os_string().into_string().ok();
            found.extend(files.into_iter().filter_map(text));
        }
        // One folder may lie in another.
        found.sort();
        found.dedup();
        (found, more)
    }

    /// A definition on the storage.
    pub(crate) fn definition(&self, file: &str) -> Result<String, Refusal> {
        let (root, below) = self.placed(file)?;
        read_text(root, below, MOST_DEFINITION_BYTES).map_err(|why| self.rejected(file, &why))
    }

    fn rejected(&self, path: &str, why: &Rejected) -> Refusal {
        match why {
            // A link, or a folder that was exchanged for one.
            Rejected::LeavesShare => {
                let cause = format!("it leads out of the folders that are allowed: {}", self.words());
                Refusal::new(Code::PathForbidden, path, cause)
                    .remedy("Name one of these folders or one below them")
            }
            Rejected::Absent => {
                Refusal::new(Code::ObjectNotFound, path, "there is no such folder on the host")
                    .remedy("Make it first, or the folder above it: hostler host make-folder HOST PATH")
            }
            why => Refusal::new(Code::DiskRejected, path, why.cause()).remedy(why.remedy()),
        }
    }
}

/// What tells a folder of machines from others; none where it is not there, or has no mark and takes none.
pub(crate) fn mark_of(root: &Path) -> Option<String> {
    // One whose medium comes later, or that was full, is marked as soon as it can be.
    if let Err(why) = mark_folder(root) {
        tracing::debug!(%why, "a folder of machines cannot be used");
    }
    Some(fs::read_to_string(root.join(FOLDER_ID)).ok()?.trim().to_owned())
}

/// How full the file system of a folder is; none where that is not there.
pub(crate) fn space_of(root: &Path) -> Option<FolderSpace> {
    let at = rustix::fs::statvfs(root).ok()?;
    let mib = |blocks: u64| blocks.saturating_mul(at.f_frsize) >> 20;
    Some(FolderSpace {
        path: root.to_string_lossy().into_owned(),
        total_mib: mib(at.f_blocks),
        free_mib: mib(at.f_bavail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_refused_with_the_folders_that_are_allowed() {
        let temp = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| temp.path().join(name));
        fs::create_dir_all(a.join("tier1")).unwrap();
        fs::create_dir_all(&b).unwrap();
        std::os::unix::fs::symlink("/etc", b.join("out")).unwrap();
        let folders = Folders::new(vec![a.clone(), b.clone(), temp.path().join("not-mounted")]);
        let listed = folders.list(&a.display().to_string()).unwrap();
        assert_eq!(listed.folders.iter().map(|folder| folder.name.as_str()).collect::<Vec<_>>(), ["tier1"]);
        for outside in ["/etc".to_owned(), temp.path().display().to_string(), format!("{}/out", b.display())]
        {
            let refusal = folders.list(&outside).unwrap_err();
            assert_eq!(refusal.code, Code::PathForbidden, "{outside}");
            assert!(refusal.cause.contains(&a.display().to_string()), "{refusal}");
        }
        for malformed in ["", "/", "relative", &format!("{}/../b", a.display())] {
            assert_eq!(folders.list(malformed).unwrap_err().code, Code::PathForbidden, "{malformed:?}");
        }
        let absent = folders.list(&format!("{}/none", a.display())).unwrap_err();
        assert_eq!(absent.code, Code::ObjectNotFound);
    }
}
