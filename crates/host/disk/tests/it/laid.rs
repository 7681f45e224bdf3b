//! Small files beside disks: nothing outside the root is written, read or taken away, and nothing makes a reader wait.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use hostler_disk::{Error, Rejected, lay_file, read_laid, take_laid};

use crate::support::folder;

#[test]
fn what_was_laid_is_read_and_taken_away_again() {
    let temp = folder();
    let root = temp.path();
    fs::create_dir(root.join("vm")).unwrap();
    let mark = Path::new("vm/.disk.mark");
    assert_eq!(read_laid(root, mark, 100), Err(Rejected::Absent));
    lay_file(root, mark, b"ticket").unwrap();
    assert_eq!(fs::metadata(root.join(mark)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read_laid(root, mark, 100).unwrap(), b"ticket");
    assert_eq!(read_laid(root, mark, 3).unwrap(), b"tic");
    assert!(matches!(lay_file(root, mark, b"another"), Err(Error::Exists { .. })));
    assert_eq!(read_laid(root, mark, 100).unwrap(), b"ticket");
    take_laid(root, mark).unwrap();
    take_laid(root, mark).unwrap();
    take_laid(root, Path::new("gone/.disk.mark")).unwrap();
    assert!(!root.join(mark).exists());
    assert!(matches!(
        lay_file(root, Path::new("gone/.disk.mark"), b"x"),
        Err(Error::Rejected { why: Rejected::Absent, .. })
    ));
}

#[test]
fn a_link_leads_neither_out_nor_to_another_file() {
    let temp = folder();
    let root = temp.path().join("root");
    fs::create_dir_all(root.join("vm")).unwrap();
    fs::create_dir(temp.path().join("secret")).unwrap();
    fs::write(temp.path().join("secret/.mark"), "ticket").unwrap();
    fs::write(root.join("vm/other"), "ticket").unwrap();
    symlink("../secret", root.join("out")).unwrap();
    symlink("../../secret/.mark", root.join("vm/.out")).unwrap();
    symlink("other", root.join("vm/.inside")).unwrap();
    let out = Path::new("out/.mark");
    let leaves = |why: Error| matches!(why, Error::Rejected { why: Rejected::LeavesShare, .. });
    assert!(leaves(lay_file(&root, out, b"x").unwrap_err()));
    assert!(leaves(take_laid(&root, out).unwrap_err()));
    assert_eq!(read_laid(&root, out, 100), Err(Rejected::LeavesShare));
    for link in ["vm/.out", "vm/.inside"] {
        assert!(read_laid(&root, Path::new(link), 100).is_err(), "{link}");
        assert!(matches!(lay_file(&root, Path::new(link), b"laid"), Err(Error::Exists { .. })), "{link}");
        take_laid(&root, Path::new(link)).unwrap();
        assert!(root.join(link).symlink_metadata().is_err(), "the link goes and not what it leads to");
    }
    assert_eq!(fs::read(temp.path().join("secret/.mark")).unwrap(), b"ticket");
    assert_eq!(fs::read(root.join("vm/other")).unwrap(), b"ticket");
    for outside in ["../secret/.mark", "/etc/hostname", ""] {
        assert!(lay_file(&root, Path::new(outside), b"x").is_err(), "{outside:?}");
        assert!(read_laid(&root, Path::new(outside), 100).is_err(), "{outside:?}");
    }
}

#[test]
fn a_pipe_in_its_place_keeps_nobody_waiting() {
    let temp = folder();
    let pipe = temp.path().join(".mark");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = read_laid(temp.path(), Path::new(".mark"), 100);
    assert!(matches!(read, Err(Rejected::NotRegular { .. })), "{read:?}");
    let laid = lay_file(temp.path(), Path::new(".mark"), b"laid");
    assert!(matches!(laid, Err(Error::Exists { .. })), "{laid:?}");
}
