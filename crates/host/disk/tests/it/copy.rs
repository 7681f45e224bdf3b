//! Copies: the same bytes, holes kept, whole or not there.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};

use hostler_disk::{Error, Rejected, read_stamp, sparse_copy};

use crate::support::{Mounted, folder, go_on, names, sparse, stamp};

const MIB: u64 = 1 << 20;

#[test]
fn a_copy_has_the_same_bytes_takes_no_more_space_and_bears_its_mark() {
    let folder = folder();
    let (from, to) = (folder.path().join("a.raw"), folder.path().join("b.raw"));
    for (len, data) in [
        (100 * MIB, vec![(0, 3), (10 * MIB + 5, 9 << 20), (100 * MIB - 1, 1)]),
        (64 * MIB, vec![]),
        (20 * MIB + 77, vec![(0, (20 << 20) + 77)]),
        (0, vec![]),
    ] {
        sparse(&from, len, &data);
        let mut seen = vec![];
        let mut progress = |done, total| {
            seen.push((done, total));
            ControlFlow::Continue(())
        };
        sparse_copy(&from, &to, &stamp(), &mut progress).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().len(), len);
        assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap(), "{len}: other bytes");
        let (source, copy) = (fs::metadata(&from).unwrap(), fs::metadata(&to).unwrap());
        assert!(copy.blocks() <= source.blocks() + 256, "{} blocks of {}", copy.blocks(), source.blocks());
        assert_eq!(copy.mode() & 0o7777, 0o600);
        assert_eq!(read_stamp(&to).unwrap(), Some(stamp()));
        assert!(
            seen.is_sorted() && seen.first() == Some(&(0, len)) && seen.last() == Some(&(len, len)),
            "{seen:?}"
        );
        assert_eq!(names(folder.path()), ["a.raw", "b.raw"]);
        fs::remove_file(&to).unwrap();
    }
}

#[test]
fn a_copy_to_another_file_system_keeps_holes_and_leaves_out_zeroes() {
    let Some(mount) = Mounted::new("tmpfs", "size=64m") else { return };
    let folder = folder();
    let from = folder.path().join("a.raw");
    sparse(&from, 256 * MIB, &[(0, 5000), (250 * MIB, 1 << 20)]);
    let to = mount.path.join("b.raw");
    File::options().write(true).open(&from).unwrap().write_all_at(&vec![0; 32 << 20], 100 * MIB).unwrap();
    sparse_copy(&from, &to, &stamp(), &mut go_on).unwrap();
    assert_eq!(crate::support::tool(folder.path(), &format!("cmp a.raw {}", to.display())), "");
    assert!(fs::metadata(&to).unwrap().blocks() * 512 < 3 * MIB);
}

#[test]
fn a_target_that_exists_is_neither_touched_nor_followed() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    sparse(&at("a.raw"), MIB, &[(0, 100)]);
    fs::write(at("b.raw"), "precious").unwrap();
    symlink("elsewhere", at("c.raw")).unwrap();
    for name in ["b.raw", "c.raw"] {
        let answer = sparse_copy(&at("a.raw"), &at(name), &stamp(), &mut go_on);
        assert!(matches!(answer, Err(Error::Exists { mark: None, .. })), "{answer:?}");
    }
    assert_eq!(fs::read(at("b.raw")).unwrap(), b"precious");
    assert_eq!(names(folder.path()), ["a.raw", "b.raw", "c.raw"]);

    // It appears only while the copy is running.
    let mut appear = |_, _| {
        fs::write(at("d.raw"), "late").unwrap();
        ControlFlow::Continue(())
    };
    let answer = sparse_copy(&at("a.raw"), &at("d.raw"), &stamp(), &mut appear);
    assert!(matches!(answer, Err(Error::Exists { .. })), "{answer:?}");
    assert_eq!(fs::read(at("d.raw")).unwrap(), b"late");
    assert_eq!(names(folder.path()), ["a.raw", "b.raw", "c.raw", "d.raw"]);
}

#[test]
fn a_repeated_copy_learns_that_its_own_mark_made_what_is_there() {
    let folder = folder();
    let (from, to) = (folder.path().join("a.raw"), folder.path().join("b.raw"));
    sparse(&from, MIB, &[]);
    sparse_copy(&from, &to, &stamp(), &mut go_on).unwrap();
    match sparse_copy(&from, &to, &stamp(), &mut go_on) {
        Err(Error::Exists { mark, .. }) => assert_eq!(mark, Some(stamp().mark)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_copy_that_is_stopped_at_any_moment_leaves_nothing() {
    let folder = folder();
    let (from, to) = (folder.path().join("a.raw"), folder.path().join("b.raw"));
    sparse(&from, 64 * MIB, &[(0, 20 << 20), (40 * MIB, 4 << 20)]);
    let mut moments = 0;
    loop {
        let mut calls = 0;
        let mut progress = |_, _| {
            calls += 1;
            if calls > moments { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match sparse_copy(&from, &to, &stamp(), &mut progress) {
            Err(Error::Stopped) => assert_eq!(names(folder.path()), ["a.raw"], "after {moments}"),
            Ok(()) => break,
            Err(other) => panic!("{other}"),
        }
        moments += 1;
    }
    // Where blocks can be shared there are two: before and after.
    assert!(moments >= 2);
}

#[test]
fn a_source_that_changes_meanwhile_is_refused() {
    let folder = folder();
    let (from, to) = (folder.path().join("a.raw"), folder.path().join("b.raw"));
    for grow in [true, false] {
        sparse(&from, 32 * MIB, &[(0, 16 << 20)]);
        let source = File::options().write(true).open(&from).unwrap();
        let mut progress = |_, _| {
            source.set_len(if grow { 33 * MIB } else { MIB }).unwrap();
            ControlFlow::Continue(())
        };
        let answer = sparse_copy(&from, &to, &stamp(), &mut progress);
        assert!(matches!(answer, Err(Error::SourceChanged { .. })), "{answer:?}");
        assert_eq!(names(folder.path()), ["a.raw"]);
    }
}

#[test]
fn a_source_that_is_no_ordinary_file_is_refused() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("real"), "x").unwrap();
    symlink("real", at("link")).unwrap();
    for (name, code) in
        [("link", "disk.image.not.regular"), ("none", "disk.image.absent"), (".", "disk.image.not.regular")]
    {
        let answer = sparse_copy(&at(name), &at("to"), &stamp(), &mut go_on).unwrap_err();
        assert_eq!(answer.code(), code);
        assert!(matches!(
            answer,
            Error::Rejected { why: Rejected::NotRegular { .. } | Rejected::Absent, .. }
        ));
    }
    assert_eq!(names(folder.path()), ["link", "real"]);
}

#[test]
fn what_a_crashed_attempt_left_is_replaced_by_the_next_one() {
    let folder = folder();
    let (from, to) = (folder.path().join("a.raw"), folder.path().join("b.raw"));
    sparse(&from, MIB, &[(0, 1000)]);
    fs::write(folder.path().join("b.raw.part-1-17.create-disk"), "half").unwrap();
    sparse_copy(&from, &to, &stamp(), &mut go_on).unwrap();
    assert_eq!(names(folder.path()), ["a.raw", "b.raw"]);
    assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
}
