//! The disk files of this computer, over crate `disk`: confined to the folders that the agent was given.
//!
//! A machine's file is `<machine's id>/<name>` in a folder that the administrator allows or in one below it, and nothing
//! else; a library file lies inside the folder of the
//! share that the command names. What is made bears mark and owner, what is deleted is looked at as it is deleted.

mod library;
pub(crate) mod refused;
mod seed;

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hostler_disk::{
    Deletion, Format, Rejected, Stamp, check_foreign, confine, create_blank, create_copy, create_overlay,
    create_seed, delete_marked, find_base, inspect_as, is_file, make_folder, read_stamp, remove_empty_folder,
};
use hostler_hypervisor::{DefinitionFile, DiskFile, Disks, NewDisk, Trouble, Watch};
use hostler_model::command::{Base, DiskContent};
use hostler_model::hardware::DiskFormat;
use hostler_model::library::SeenItem;
use hostler_model::machine_folder::DEEPEST;
use hostler_model::{Code, Refusal, VmId};
use sha2::{Digest, Sha256};

use self::library::library_file;
use self::refused::{disguised, failed, invalid, rejected, trouble};
use self::seed::seed;
use crate::folders::{FOLDER_RIGHTS, FolderTrouble, Folders};

/// How many library files' contents are remembered.
const MOST_KNOWN: usize = 1_024;
/// How long a file must have been left alone before its times say that it is still the same.
const SETTLED: Duration = Duration::from_secs(2);

/// The disk files of one computer.
#[derive(Debug)]
pub struct AgentDisks {
    folders: Folders,
    bases: PathBuf,
    /// What library files hold, so that one that has not changed is not read again for each machine.
    known: Mutex<HashMap<Source, String>>,
    /// Library files that are being brought.
    brought: Mutex<HashSet<(u64, u64)>>,
    done: Condvar,
    /// Machines' folders in which files are being made, and how many: such a folder is not removed, empty as it may be.
    making: Mutex<HashMap<PathBuf, usize>>,
}

/// Where a machine's file lies.
struct MachineFile<'d> {
    /// The allowed folder.
    root: &'d Path,
    /// The machine's folder below it.
    folder: PathBuf,
    /// The name of that: the machine's id, where Hostler made it.
    machine: String,
    /// The file's name in it.
    name: OsString,
}

/// Which file, in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    format: Format,
}

impl AgentDisks {
    /// With machines' folders below `vms`, and bases in `bases`. Both are absolute paths and must be there.
    pub fn new(vms: PathBuf, bases: PathBuf) -> Self {
        Self {
            folders: Folders::new(vec![vms]),
            bases,
            known: Mutex::default(),
            brought: Mutex::default(),
            done: Condvar::new(),
            making: Mutex::default(),
        }
    }

    /// With machines' folders below any of these.
    #[must_use]
    pub fn within(mut self, folders: Folders) -> Self {
        self.folders = folders;
        self
    }

    /// A machine's file: in which allowed folder, in which folder below that, and its name.
    fn machine_file(&self, file: &str) -> Result<MachineFile<'_>, Trouble> {
        let forbidden = || {
            let cause = format!("it is not a file in a machine's folder below {}", self.folders.words());
            Trouble::Refused(Refusal::new(Code::PathForbidden, file, cause))
        };
        let (root, below) = self.folders.place(file).ok_or_else(forbidden)?;
        let (folder, name) = below.parent().zip(below.file_name()).ok_or_else(forbidden)?;
        let machine = folder.file_name().and_then(OsStr::to_str).ok_or_else(forbidden)?.to_owned();
        // No machine's folder lies in another's.
        let is_machines =
            |part: Component<'_>| part.as_os_str().to_str().is_some_and(|name| name.parse::<VmId>().is_ok());
        let above = folder.parent().unwrap_or(Path::new(""));
        if folder.components().count() > DEEPEST || above.components().any(is_machines) {
            return Err(forbidden());
        }
        Ok(MachineFile { root, folder: folder.into(), machine, name: name.into() })
    }

    /// The real path of a machine's file; none when its folder is not there.
    fn real(&self, file: &str) -> Result<Option<PathBuf>, Trouble> {
        let MachineFile { root, folder, name, .. } = self.machine_file(file)?;
        match confine(root, &folder.join(name)) {
            Ok(path) => Ok(Some(path)),
            Err(Rejected::Absent) => Ok(None),
            Err(why) => Err(rejected(file, &why)),
        }
    }

    /// The real path of a machine's file to be made, in its folder, which is made. The folder above that must be there.
    fn to_be_made(&self, wanted: &NewDisk<'_>) -> Result<PathBuf, Trouble> {
        let MachineFile { root, folder, machine, .. } = self.machine_file(wanted.file)?;
        if machine != wanted.owner.to_string() {
            let cause = format!("it is not in the folder of machine {}", wanted.owner);
            return Err(Trouble::Refused(Refusal::new(Code::PathForbidden, wanted.file, cause)));
        }
        make_folder(root, &folder, FOLDER_RIGHTS).map_err(|why| match why {
            hostler_disk::Error::Rejected { why: Rejected::Absent, path } => {
                let above = path.parent().unwrap_or(&path).display();
                let refusal =
                    Refusal::new(Code::DiskFailed, wanted.file, format!("there is no folder {above}"));
                Trouble::Refused(refusal.remedy("Make the folder first: hostler host make-folder HOST PATH"))
            }
            why => trouble(wanted.file, why),
        })?;
        let absent = || failed(wanted.file, "its folder is gone again".into());
        self.real(wanted.file)?.ok_or_else(absent)
    }

    /// Removes a machine's folder if nothing is in it, nor about to be. Of folders only those are removed that bear an id:
    /// others are people's.
    fn remove_if_empty(&self, file: &str) {
        if let Ok(MachineFile { root, folder, machine, .. }) = self.machine_file(file) {
            let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if machine.parse::<VmId>().is_ok() && !making.contains_key(&root.join(&folder)) {
                // Whatever is in it stays, and then so does the folder.
                remove_empty_folder(root, &folder);
            }
        }
    }

    /// Keeps a machine's folder while a file is made in it.
    fn keep_folder(&self, file: &str, keep: bool) {
        let Ok(MachineFile { root, folder, .. }) = self.machine_file(file) else { return };
        let folder = root.join(folder);
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let count = making.entry(folder.clone()).or_default();
        *count = if keep { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            making.remove(&folder);
        }
    }

    /// Whether an image stands on a base of ours and on nothing else.
    fn stands_on_base(&self, root: &Path, below: &Path) -> bool {
        let Ok(path) = confine(root, below) else { return false };
        let Ok(image) = inspect_as(&path, Format::Qcow2) else { return false };
        let Some(backing) = image.backing else { return false };
        let base = Path::new(&backing.name);
        let named = base.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let sha256 = named.split('.').next().unwrap_or_default();
        base.parent() == Some(self.bases.as_path())
            && image.encryption.is_none()
            && find_base(&self.bases, sha256).is_ok_and(|found| found.is_some_and(|found| found.path == base))
    }

    fn fill(&self, path: &Path, wanted: &NewDisk<'_>, watch: &dyn Watch) -> Result<u64, Trouble> {
        let stamp = Stamp::new(wanted.mark, Some(wanted.owner.to_string()));
        let format = format_of(wanted.format, wanted.file)?;
        let size_bytes = wanted.size_bytes;
        let made = match wanted.content {
            DiskContent::Blank => create_blank(path, format, size_bytes, &stamp),
            DiskContent::Overlay { base } => {
                if format != Format::Qcow2 {
                    return Err(invalid(wanted.file, "a disk that stands on a base is qcow2"));
                }
                let found = find_base(&self.bases, base).map_err(|why| trouble(wanted.file, why))?;
                let Some(base) = found else {
                    let cause = format!("this host does not have the base {base}");
                    let refusal = Refusal::new(Code::DiskFailed, wanted.file, cause);
                    return Err(Trouble::Failed(
                        refusal.remedy("Ask for the job again: it brings the base first"),
                    ));
                };
                create_overlay(&base.path, Format::Qcow2, path, Some(size_bytes), &stamp)
            }
            DiskContent::Copy { folder, path: from, format: from_format } => {
                let from_format = format_of(*from_format, from)?;
                let from = library_file(folder, from)?;
                create_copy(
                    (&from, from_format),
                    (path, format),
                    Some(size_bytes),
                    &stamp,
                    &mut |done, of| step(watch, done, of),
                )
            }
            DiskContent::Seed { text } => {
                if format != Format::Raw {
                    return Err(invalid(wanted.file, "a seed is raw"));
                }
                create_seed(path, &seed(wanted.file, text, size_bytes)?, &stamp)
            }
        };
        made.map(|image| image.virtual_size_bytes).map_err(|why| trouble(wanted.file, why))
    }

    /// Waits until nobody else brings this library file.
    fn turn(&self, file: (u64, u64), watch: &dyn Watch) -> Result<Turn<'_>, Trouble> {
        let mut brought = lock(&self.brought);
        while !brought.insert(file) {
            if watch.aborted() {
                return Err(Trouble::Aborted);
            }
            let waited = self.done.wait_timeout(brought, Duration::from_millis(100));
            brought = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(Turn { disks: self, file })
    }
}

/// The right to bring a library file; given back when dropped.
struct Turn<'d> {
    disks: &'d AgentDisks,
    file: (u64, u64),
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.disks.brought).remove(&self.file);
        self.disks.done.notify_all();
    }
}

impl Disks for AgentDisks {
    fn make(&self, wanted: &NewDisk<'_>, watch: &dyn Watch) -> Result<u64, Trouble> {
        self.keep_folder(wanted.file, true);
        let made = self.to_be_made(wanted).and_then(|path| self.fill(&path, wanted, watch));
        self.keep_folder(wanted.file, false);
        if made.is_err() {
            self.remove_if_empty(wanted.file);
        }
        made
    }

    fn look(&self, file: &str) -> Result<Option<DiskFile>, Trouble> {
        let Some(path) = self.real(file)? else { return Ok(None) };
        let stamp = match read_stamp(&path) {
            Ok(stamp) => stamp,
            Err(hostler_disk::Error::Rejected { why: Rejected::Absent, .. }) => return Ok(None),
            Err(why) => return Err(trouble(file, why)),
        };
        // By name, never by content: a guest can write any header it likes into a raw disk.
        let format = match Format::from_extension(&path) {
            Some(Format::Qcow2) => Format::Qcow2,
            _ => Format::Raw,
        };
        // One that is damaged can still be told apart and deleted.
        let size_bytes = inspect_as(&path, format).map_or(0, |image| image.virtual_size_bytes);
        let (mark, owner) = match stamp {
            Some(Stamp { mark, owner }) => (Some(mark), owner.and_then(|owner| owner.parse().ok())),
            None => (None, None),
        };
        Ok(Some(DiskFile { mark, owner, size_bytes }))
    }

    fn delete(&self, file: &str) -> Result<(), Trouble> {
        let Some(path) = self.real(file)? else { return Ok(()) };
        let stamp = match read_stamp(&path) {
            Ok(stamp) => stamp,
            Err(hostler_disk::Error::Rejected { why: Rejected::Absent, .. }) => None,
            Err(why) => return Err(trouble(file, why)),
        };
        let deletion = match stamp {
            Some(stamp) => delete_marked(&path, &stamp.mark).map_err(|why| trouble(file, why))?,
            None if path.symlink_metadata().is_err() => Deletion::Absent,
            None => Deletion::NotOurs,
        };
        match deletion {
            Deletion::Deleted | Deletion::Absent => {
                self.remove_if_empty(file);
                Ok(())
            }
            Deletion::NotOurs => {
                let refusal =
                    Refusal::new(Code::GuardRefused, file, "the file bears no mark, or another by now");
                Err(Trouble::Refused(refusal.remedy("Delete the file by hand if nothing needs it")))
            }
            Deletion::InUse => {
                let refusal =
                    Refusal::new(Code::DiskInUse, file, "a process on this host has it open as a disk");
                Err(Trouble::Refused(refusal.remedy("Shut down what uses it, then ask again")))
            }
        }
    }

    fn sweep(&self, file: &str, mark: &str) -> Result<(), Trouble> {
        let Some(path) = self.real(file)? else { return Ok(()) };
        // What is whole stays: only what is unfinished is swept.
        if matches!(read_stamp(&path), Ok(Some(stamp)) if stamp.mark == mark) {
            return Ok(());
        }
        match delete_marked(&path, mark) {
            Ok(Deletion::InUse) => {
                Err(failed(file, "another attempt of the same step is at work on it".into()))
            }
            Ok(_) => {
                self.remove_if_empty(file);
                Ok(())
            }
            Err(why) => Err(trouble(file, why)),
        }
    }

    fn bring_base(
        &self,
        folder: &str,
        path: &str,
        format: DiskFormat,
        watch: &dyn Watch,
    ) -> Result<Base, Trouble> {
        let format = format_of(format, path)?;
        let file = library_file(folder, path)?;
        let source = source(&file, format)?;
        let _turn = self.turn((source.device, source.inode), watch)?;
        let known = lock(&self.known).get(&source).cloned();
        if let Some(sha256) = known
            && let Ok(Some(base)) = find_base(&self.bases, &sha256)
        {
            return Ok(Base { sha256: base.sha256, virtual_size_bytes: base.virtual_size_bytes });
        }
        let brought =
            hostler_disk::bring_base(&file, format, &self.bases, &mut |done, of| step(watch, done, of));
        let base = brought.map_err(|why| trouble(path, why))?;
        if self::source(&file, format)? == source && source.is_settled() {
            let mut known = lock(&self.known);
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(source, base.sha256.clone());
        }
        Ok(Base { sha256: base.sha256, virtual_size_bytes: base.virtual_size_bytes })
    }

    fn make_folder(&self, path: &str) -> Result<(), Trouble> {
        self.folders.make(path).map_err(|why| match why {
            FolderTrouble::Refused(refusal) => Trouble::Refused(refusal),
            FolderTrouble::Disk(why) => trouble(path, why),
        })
    }

    fn has_folder(&self, path: &str) -> Result<bool, Trouble> {
        self.folders.has(path).map_err(Trouble::Refused)
    }

    fn definition(&self, file: &str) -> Result<DefinitionFile, Trouble> {
        let text = self.folders.definition(file).map_err(Trouble::Refused)?;
        let sum = Sha256::digest(text.as_bytes());
        Ok(DefinitionFile { sha256: sum.iter().map(|byte| format!("{byte:02x}")).collect(), text })
    }

    fn check_image(&self, file: &str, format: DiskFormat) -> Result<bool, Trouble> {
        let (root, below) = self.folders.placed(file).map_err(Trouble::Refused)?;
        match is_file(root, below) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(why) => return Err(rejected(file, &why)),
        }
        match format {
            // Whatever is in it is the guest's: QEMU reads no header.
            DiskFormat::Raw => Ok(true),
            DiskFormat::Qcow2 => match check_foreign(below, root) {
                Ok(image) if image.format == Format::Qcow2 => Ok(true),
                Ok(_) => Err(rejected(file, &disguised())),
                // One that Hostler made stands on a base, which lies beside the folders and is nobody's to change.
                Err(Rejected::BackingOutside { .. }) if self.stands_on_base(root, below) => Ok(true),
                Err(why) => Err(rejected(file, &why)),
            },
            other => {
                let cause = format!("a disk of format {other:?} is not imported, only qcow2 and raw");
                Err(Trouble::Refused(Refusal::new(Code::DiskRejected, file, cause)))
            }
        }
    }

    fn scan(&self, folder: &str) -> Result<Vec<SeenItem>, Trouble> {
        library::scan(folder)
    }
}

impl Source {
    /// Whether a later change would show in its times.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(self.changed.0).unwrap_or(0));
        now > changed + SETTLED
    }
}

fn source(file: &Path, format: Format) -> Result<Source, Trouble> {
    let meta = fs::metadata(file).map_err(|why| failed(&file.to_string_lossy(), why.to_string()))?;
    Ok(Source {
        device: meta.dev(),
        inode: meta.ino(),
        len: meta.len(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
        format,
    })
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn step(watch: &dyn Watch, done: u64, of: u64) -> ControlFlow<()> {
    watch.progress(done, of);
    if watch.aborted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn format_of(format: DiskFormat, object: &str) -> Result<Format, Trouble> {
    Ok(match format {
        DiskFormat::Qcow2 => Format::Qcow2,
        DiskFormat::Raw => Format::Raw,
        DiskFormat::Vmdk => Format::Vmdk,
        DiskFormat::Vhd => Format::Vhd,
        DiskFormat::Vhdx => Format::Vhdx,
        DiskFormat::Unknown => {
            let refusal =
                Refusal::new(Code::AgentUnsupported, object, "this agent does not know the disk's format");
            return Err(Trouble::Refused(refusal.remedy("Upgrade the agent")));
        }
    })
}
