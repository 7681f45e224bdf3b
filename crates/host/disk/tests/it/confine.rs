//! A user's path means a file of its share or nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use hostler_disk::{Rejected, confine};

use crate::support::folder;

#[test]
fn a_path_inside_the_share_is_answered_with_where_it_really_is() {
    let outer = folder();
    let share = outer.path().canonicalize().unwrap().join("share");
    fs::create_dir_all(share.join("deep")).unwrap();
    fs::write(share.join("deep/disk.raw"), "x").unwrap();
    symlink("deep", share.join("short")).unwrap();
    let real = share.join("deep/disk.raw");
    for name in ["deep/disk.raw", "./deep//disk.raw", "short/disk.raw"] {
        assert_eq!(confine(&share, Path::new(name)), Ok(real.clone()), "{name}");
    }
    assert_eq!(confine(&share, Path::new("new.raw")), Ok(share.join("new.raw")), "not there yet");
    assert_eq!(confine(&share, Path::new("short/new.raw")), Ok(share.join("deep/new.raw")));
    assert_eq!(confine(&share, Path::new("none/new.raw")), Err(Rejected::Absent), "its folder has to be");
}

#[test]
fn a_path_that_leads_out_is_refused() {
    let outer = folder();
    let share = outer.path().join("share");
    fs::create_dir_all(share.join("deep")).unwrap();
    fs::write(outer.path().join("secret"), "x").unwrap();
    symlink("..", share.join("up")).unwrap();
    symlink("/etc", share.join("etc")).unwrap();
    symlink("../nothing", share.join("dangling")).unwrap();
    symlink("nothing", share.join("dangling-inside")).unwrap();
    let leaving = [
        "../secret",
        "deep/../../secret",
        "..",
        "/etc/passwd",
        "up/secret",
        "up/new",
        "etc/passwd",
        "etc/new",
        "dangling",
        "dangling-inside",
    ];
    for name in leaving {
        assert_eq!(confine(&share, Path::new(name)), Err(Rejected::LeavesShare), "{name}");
    }
    for name in ["", ".", "a\0b"] {
        assert!(matches!(confine(&share, Path::new(name)), Err(Rejected::NameUnfit { .. })), "{name:?}");
    }
    let long = "x".repeat(5000);
    assert!(matches!(confine(&share, Path::new(&long)), Err(Rejected::NameUnfit { .. })));
    let bytes = OsStr::from_bytes(b"\xff\xfe.raw");
    assert!(confine(&share, Path::new(bytes)).is_ok(), "odd bytes lead nowhere else");
}
