//! Files that arrive piece by piece.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use hostler_disk::{Error, Rejected, Upload, WalkLimits, walk_share};

use crate::support::{folder, names, noise};

#[test]
fn a_file_is_hidden_until_it_is_whole_and_then_it_is_there() {
    let folder = folder();
    let root = folder.path();
    fs::create_dir(root.join("linux")).unwrap();
    let upload = Upload::at(root, "linux/debian.iso", "id-1").unwrap();
    let content = noise(300_000, 3);
    let begun = upload.begin(content.len() as u64).unwrap();
    assert_eq!(upload.arrived().unwrap().0, 0, "space that is kept has not arrived");
    let file = upload.open().unwrap();
    upload.write(&file, &content[..100_000], 0).unwrap();
    upload.sync(&file).unwrap();
    assert_eq!(walk_share(root, WalkLimits::default()).unwrap().found, []);
    // As after a restart.
    let upload = Upload::at(root, "linux/debian.iso", "id-1").unwrap();
    assert_eq!(upload.arrived().unwrap().0, 100_000);
    upload.write(&upload.open().unwrap(), &content[100_000..], 100_000).unwrap();
    assert!(!upload.is_published(begun));
    upload.publish().unwrap();
    assert!(upload.is_published(begun));
    assert_eq!(fs::read(root.join("linux/debian.iso")).unwrap(), content);
    assert_eq!(walk_share(root, WalkLimits::default()).unwrap().found[0].relative_path, "linux/debian.iso");
    assert_eq!(names(&root.join("linux")), ["debian.iso"]);
    upload.remove().unwrap();
    assert_eq!(names(&root.join("linux")), ["debian.iso"], "what is whole is not removed with what arrived");
}

#[test]
fn a_file_that_exists_is_never_replaced() {
    let folder = folder();
    let root = folder.path();
    fs::write(root.join("there.iso"), "mine").unwrap();
    let upload = Upload::at(root, "there.iso", "1").unwrap();
    assert!(matches!(upload.begin(3), Err(Error::Exists { .. })));
    let late = Upload::at(root, "late.iso", "2").unwrap();
    late.begin(3).unwrap();
    late.write(&late.open().unwrap(), b"new", 0).unwrap();
    fs::write(root.join("late.iso"), "mine").unwrap();
    assert!(matches!(late.publish(), Err(Error::Exists { .. })));
    assert_eq!(fs::read(root.join("late.iso")).unwrap(), b"mine");
    assert_eq!(late.arrived().unwrap().0, 3, "what arrived stays");
}

#[test]
fn a_path_that_leaves_the_share_or_would_not_be_shown_is_refused() {
    let (folder, outside) = (folder(), folder());
    let root = folder.path();
    symlink(outside.path(), root.join("out")).unwrap();
    symlink(outside.path().join("not-there"), root.join("dangling.iso")).unwrap();
    fs::create_dir(root.join("in")).unwrap();
    for path in ["../x.iso", "in/../../x.iso", "out/x.iso", "dangling.iso", ".", "in/.."] {
        assert_eq!(Upload::at(root, path, "1"), Err(Rejected::LeavesShare), "{path}");
    }
    let long = "x".repeat(256);
    let deep = "in/".repeat(13) + "x";
    let unfit = [
        "",
        "/etc/x.iso",
        "a//b",
        ".x.iso",
        "in/.hidden/x",
        "x.iso.part-1",
        "x.hostler-mark",
        "a\u{202e}b",
        "a\nb",
        &long,
        &deep,
    ];
    for path in unfit {
        assert!(matches!(Upload::at(root, path, "1"), Err(Rejected::NameUnfit { .. })), "{path:?}");
    }
    assert_eq!(Upload::at(root, "no-folder/x.iso", "1"), Err(Rejected::Absent));
    assert!(Upload::at(root, "x.iso", "../1").is_err());
    assert!(names(outside.path()).is_empty());
}

/// Where the small file system is, for the test that runs itself again in a mount namespace of its own: the kernel tells
/// where a file really is only to who sees it there.
const SMALL: &str = "HOSTLER_TEST_SMALL";

#[test]
fn a_full_file_system_is_said_before_anything_arrives_and_nothing_stays() {
    if let Some(small) = std::env::var_os(SMALL) {
        return in_4_mib(Path::new(&small));
    }
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED 1: mounting a tmpfs needs root");
        return;
    }
    let folder = folder();
    let script = format!(
        "mount --make-rprivate / && mount -t tmpfs -o size=4m none \"${SMALL}\" && exec \"$0\" --exact \
         upload::a_full_file_system_is_said_before_anything_arrives_and_nothing_stays --nocapture"
    );
    let mut again = Command::new("unshare");
    again.args(["-m", "sh", "-c", &script]).arg(std::env::current_exe().unwrap()).env(SMALL, folder.path());
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn in_4_mib(root: &Path) {
    let large = Upload::at(root, "large.iso", "1").unwrap();
    assert!(matches!(large.begin(8 << 20), Err(Error::Full { .. })));
    let first = Upload::at(root, "first.iso", "2").unwrap();
    first.begin(3 << 20).unwrap();
    // Each would fit alone: the space of the first is kept.
    let second = Upload::at(root, "second.iso", "3").unwrap();
    assert!(matches!(second.begin(2 << 20), Err(Error::Full { .. })));
    assert_eq!(names(root), [".hostler-upload-2"]);
    first.remove().unwrap();
    assert!(names(root).is_empty());
}
