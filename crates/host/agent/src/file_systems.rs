//! The file systems of this computer, and how much is free on them.

use std::path::{Path, PathBuf};

use hostler_model::host_hardware::FileSystem;
use procfs::process::{MountInfo, Process};

/// Types that lie on other computers.
const REMOTE: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "gfs2",
    "ocfs2",
    "lustre",
    "9p",
    "virtiofs",
];
/// Types that hold people's files without a device of their own.
const WITHOUT_DEVICE: [&str; 5] = ["zfs", "btrfs", "overlay", "bcachefs", "fuse.mergerfs"];

/// The file systems on which files are kept, by path; each once, where it is mounted first. `machines` is the folder of
/// machines' folders.
pub(crate) fn file_systems(machines: &Path) -> Vec<FileSystem> {
    let mounts = Process::myself().and_then(|me| me.mountinfo()).map(|all| all.0).unwrap_or_default();
    let under_machines = mounted_at(&mounts, machines).map(|mount| mount.majmin.clone());
    let mut seen = Vec::new();
    let mut found: Vec<FileSystem> = Vec::new();
    for mount in &mounts {
        if !keeps_files(mount) || seen.contains(&mount.majmin) {
            continue;
        }
        // A server that does not answer would hold this call, and with it all others: it is left out by its silence only
        // where the kernel gives up. Asking is the only way to know.
        let Ok(at) = rustix::fs::statvfs(&mount.mount_point) else { continue };
        if at.f_blocks == 0 {
            continue;
        }
        seen.push(mount.majmin.clone());
        let bytes = |blocks: u64| blocks.saturating_mul(at.f_frsize);
        found.push(FileSystem {
            path: mount.mount_point.to_string_lossy().into_owned(),
            source: mount.mount_source.clone().unwrap_or_default(),
            kind: mount.fs_type.clone(),
            size_bytes: bytes(at.f_blocks),
            free_bytes: bytes(at.f_bavail),
            is_remote: is_remote(&mount.fs_type),
            is_read_only: mount.mount_options.contains_key("ro"),
            has_machines: under_machines.as_ref() == Some(&mount.majmin),
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn is_remote(kind: &str) -> bool {
    REMOTE.contains(&kind)
}

/// Whether files are kept there, other than what the kernel makes up (`proc`, `tmpfs`, what is bound into containers).
fn keeps_files(mount: &MountInfo) -> bool {
    let on_device = mount.mount_source.as_deref().is_some_and(|source| source.starts_with("/dev/"));
    on_device && mount.fs_type != "devtmpfs"
        || is_remote(&mount.fs_type)
        || WITHOUT_DEVICE.contains(&mount.fs_type.as_str())
}

/// The mount on which a path lies: the deepest above it, the newest of those.
fn mounted_at<'a>(mounts: &'a [MountInfo], path: &Path) -> Option<&'a MountInfo> {
    let path: PathBuf = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.mount_point));
    above.max_by_key(|mount| mount.mount_point.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_of_machines_is_told_and_has_a_size() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let found = file_systems(folder.path());
        let theirs: Vec<_> = found.iter().filter(|one| one.has_machines).collect();
        assert_eq!(theirs.len(), 1, "{found:?}");
        assert!(theirs[0].size_bytes > theirs[0].free_bytes, "{theirs:?}");
        assert!(found.iter().all(|one| one.kind != "proc" && one.kind != "tmpfs"), "{found:?}");
    }
}
