//! Folders of machines: nothing outside the root is listed, made or removed, whatever is named or exchanged meanwhile.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hostler_disk::{Error, Rejected, is_folder, list_folder, make_folder, remove_empty_folder};
use tempfile::TempDir;

use crate::support::folder;

/// A root with a folder and images in it, and something beside it that is nobody's business.
fn place() -> (TempDir, std::path::PathBuf) {
    let temp = folder();
    let root = temp.path().join("root");
    fs::create_dir_all(root.join("tier1/inner")).unwrap();
    fs::create_dir_all(temp.path().join("secret/below")).unwrap();
    fs::write(temp.path().join("secret/disk.qcow2"), "x").unwrap();
    for file in ["tier1/a.qcow2", "tier1/b.iso", "tier1/notes.txt", "tier1/.hidden.qcow2"] {
        fs::write(root.join(file), "12345").unwrap();
    }
    (temp, root)
}

fn names(root: &Path, relative: &str) -> (Vec<String>, Vec<String>) {
    let listed = list_folder(root, Path::new(relative), 100).unwrap();
    let folders = listed.folders.into_iter().map(|(name, _)| name).collect();
    (folders, listed.images.into_iter().map(|(name, _, _)| name).collect())
}

#[test]
fn folders_and_images_are_listed_by_name_and_nothing_else() {
    let (_temp, root) = place();
    assert_eq!(names(&root, ""), (vec!["tier1".to_owned()], vec![]));
    let (folders, images) = names(&root, "tier1");
    assert_eq!((folders, images), (vec!["inner".to_owned()], vec!["a.qcow2".to_owned(), "b.iso".to_owned()]));
    let listed = list_folder(&root, Path::new("tier1"), 100).unwrap();
    assert_eq!(listed.images[0].1, 5);
    assert!(listed.images[0].2 > 1_600_000_000_000 && !listed.more);
    assert!(list_folder(&root, Path::new("tier1"), 2).unwrap().more);
}

#[test]
fn no_path_and_no_link_leads_out() {
    let (temp, root) = place();
    let secret = temp.path().join("secret");
    symlink(&secret, root.join("out")).unwrap();
    symlink("../secret", root.join("up")).unwrap();
    symlink("tier1", root.join("inside")).unwrap();
    symlink(secret.join("disk.qcow2"), root.join("disk.qcow2")).unwrap();
    assert_eq!(
        names(&root, ""),
        (vec!["inside".to_owned(), "tier1".to_owned()], vec![]),
        "what leads out is left out"
    );
    assert_eq!(names(&root, "inside").0, ["inner"], "what stays inside is followed");
    for outside in ["out", "up", "out/below", "..", "tier1/../..", "/etc", secret.to_str().unwrap()] {
        let path = Path::new(outside);
        assert_eq!(list_folder(&root, path, 9), Err(Rejected::LeavesShare), "{outside}");
        assert_eq!(is_folder(&root, path), Err(Rejected::LeavesShare), "{outside}");
    }
    for outside in ["out/new", "up/new", "../new", "/new", "tier1/../../new"] {
        let made = make_folder(&root, Path::new(outside), 0o711);
        assert!(
            matches!(made, Err(Error::Rejected { why: Rejected::LeavesShare, .. })),
            "{outside}: {made:?}"
        );
    }
    remove_empty_folder(&root, Path::new("out/below"));
    assert!(
        secret.join("below").is_dir() && !secret.join("new").exists() && !temp.path().join("new").exists()
    );
}

#[test]
fn a_folder_is_made_once_with_its_rights_and_removed_only_when_empty() {
    let (_temp, root) = place();
    let (path, made) = make_folder(&root, Path::new("tier1/new"), 0o711).unwrap();
    assert!(made && path.ends_with("root/tier1/new"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o711, "whatever the umask says");
    assert!(!make_folder(&root, Path::new("tier1/new"), 0o700).unwrap().1);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o711, "it is left as it is");
    assert!(is_folder(&root, Path::new("tier1/new")).unwrap());
    assert!(!is_folder(&root, Path::new("tier1/none")).unwrap());
    let failed = |relative: &str| make_folder(&root, Path::new(relative), 0o711).unwrap_err();
    assert!(matches!(failed("tier1/a.qcow2"), Error::Exists { .. }));
    assert!(matches!(failed("none/new"), Error::Rejected { why: Rejected::Absent, .. }));
    for unfit in [".hidden", "tier1/a\u{7}b"] {
        assert!(
            matches!(failed(unfit), Error::Rejected { why: Rejected::NameUnfit { .. }, .. }),
            "{unfit:?}"
        );
    }
    fs::write(path.join("file"), "").unwrap();
    remove_empty_folder(&root, Path::new("tier1/new"));
    assert!(path.is_dir());
    fs::remove_file(path.join("file")).unwrap();
    remove_empty_folder(&root, Path::new("tier1/new"));
    assert!(!path.exists());
}

#[test]
fn a_folder_that_is_exchanged_for_a_link_in_the_same_moment_lets_nobody_out() {
    let (temp, root) = place();
    let secret = temp.path().join("secret");
    let (swapped, aside) = (root.join("tier1"), root.join("aside"));
    let over = AtomicBool::new(false);
    let mut is_out = false;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                fs::rename(&swapped, &aside).unwrap();
                symlink(&secret, &swapped).unwrap();
                fs::remove_file(&swapped).unwrap();
                fs::rename(&aside, &swapped).unwrap();
            }
        });
        for n in 0..2_000 {
            if let Ok(listed) = list_folder(&root, Path::new("tier1"), 100) {
                is_out |= listed.folders.iter().any(|(name, _)| name == "below");
            }
            let _ = make_folder(&root, Path::new(&format!("tier1/new-{n}")), 0o711);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(!is_out, "what lies in the secret was listed");
    let mut left: Vec<_> = fs::read_dir(&secret).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["below", "disk.qcow2"]);
}
