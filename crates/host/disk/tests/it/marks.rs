//! What bears a mark is found and deleted by it, and nothing else is.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use hostler_disk::{
    Deletion, Error, Format, Stamp, create_blank, delete_marked, delete_of, mark, read_stamp,
};

use crate::support::{Mounted, folder, names, stamp};

fn story(at: &Path) {
    let path = at.join("disk.raw");
    let mine = stamp();
    assert_eq!(delete_marked(&path, &mine.mark).unwrap(), Deletion::Absent);
    fs::write(&path, "somebody's").unwrap();
    assert_eq!(read_stamp(&path).unwrap(), None);
    assert_eq!(delete_marked(&path, &mine.mark).unwrap(), Deletion::NotOurs);
    assert_eq!(delete_of(&path, "0197-vm").unwrap(), Deletion::NotOurs);
    assert_eq!(fs::read(&path).unwrap(), b"somebody's");

    mark(&path, &Stamp::new("2-1.other", None)).unwrap();
    assert_eq!(delete_marked(&path, &mine.mark).unwrap(), Deletion::NotOurs);
    mark(&path, &mine).unwrap();
    assert_eq!(read_stamp(&path).unwrap().as_ref(), Some(&mine));
    assert_eq!(delete_of(&path, "0197-other").unwrap(), Deletion::NotOurs);
    assert_eq!(delete_marked(&path, &mine.mark).unwrap(), Deletion::Deleted);
    assert!(names(at).is_empty(), "{:?}", names(at));

    // A mark without owner takes away the owner before it.
    create_blank(&path, Format::Raw, 1 << 20, &mine).unwrap();
    mark(&path, &Stamp::new(&mine.mark, None)).unwrap();
    assert_eq!(delete_of(&path, "0197-vm").unwrap(), Deletion::NotOurs);
    mark(&path, &mine).unwrap();
    assert_eq!(delete_of(&path, "0197-vm").unwrap(), Deletion::Deleted);
    assert!(names(at).is_empty(), "{:?}", names(at));
}

#[test]
fn a_file_is_deleted_only_by_whoever_it_belongs_to() {
    story(folder().path());
}

#[test]
fn where_the_file_system_has_no_attributes_marks_are_beside_the_files() {
    let Some(mount) = Mounted::new("ramfs", "mode=700") else { return };
    story(&mount.path);
    let path = mount.path.join("disk.raw");
    create_blank(&path, Format::Raw, 1 << 20, &stamp()).unwrap();
    assert_eq!(names(&mount.path), ["disk.raw", "disk.raw.hostler-mark"], "the story went the other way");
    // Another file under the same name does not inherit the mark.
    fs::write(mount.path.join("new"), "somebody's").unwrap();
    fs::rename(mount.path.join("new"), &path).unwrap();
    assert_eq!(read_stamp(&path).unwrap(), None);
    assert_eq!(delete_of(&path, "0197-vm").unwrap(), Deletion::NotOurs);
}

#[test]
fn folders_and_links_are_never_deleted() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("folder/precious"), "x").unwrap();
    create_blank(&at("disk.raw"), Format::Raw, 1 << 20, &stamp()).unwrap();
    symlink("disk.raw", at("link.raw")).unwrap();
    for name in ["folder", "link.raw"] {
        assert_eq!(delete_marked(&at(name), &stamp().mark).unwrap(), Deletion::NotOurs, "{name}");
        assert_eq!(delete_of(&at(name), "0197-vm").unwrap(), Deletion::NotOurs, "{name}");
    }
    assert_eq!(names(folder.path()), ["disk.raw", "folder", "link.raw"]);
    assert!(at("folder/precious").exists());
}

#[test]
fn undo_finds_what_an_interrupted_attempt_left() {
    let folder = folder();
    let path = folder.path().join("disk.raw");
    for (name, text) in [("disk.raw.part-1-17.create-disk", "1-17.create-disk"), ("disk.raw.part-x", "x")] {
        let left = folder.path().join(name);
        let held = File::create(&left).unwrap();
        rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
        assert_eq!(delete_marked(&path, text).unwrap(), Deletion::InUse, "an attempt is at work");
        drop(held);
        assert_eq!(delete_marked(&path, text).unwrap(), Deletion::Deleted);
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_disk_that_qemu_has_open_is_not_deleted() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    let folder = folder();
    let path = folder.path().join("disk.qcow2");
    for mode in ["-f", "-rf"] {
        create_blank(&path, Format::Qcow2, 1 << 20, &stamp()).unwrap();
        let mut io = Command::new("qemu-io");
        io.args([mode, "qcow2"]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut qemu = io.spawn().unwrap();
        let (mut tell, mut hear) = (qemu.stdin.take().unwrap(), BufReader::new(qemu.stdout.take().unwrap()));
        tell.write_all(b"length\n").unwrap();
        let mut line = String::new();
        while !line.contains("1 MiB") {
            line.clear();
            assert_ne!(hear.read_line(&mut line).unwrap(), 0, "qemu-io ended");
        }
        assert_eq!(delete_marked(&path, &stamp().mark).unwrap(), Deletion::InUse, "{mode}");
        assert_eq!(delete_of(&path, "0197-vm").unwrap(), Deletion::InUse, "{mode}");
        drop(tell);
        qemu.wait().unwrap();
        assert_eq!(delete_marked(&path, &stamp().mark).unwrap(), Deletion::Deleted, "{mode}");
    }
}

#[test]
fn a_mark_that_cannot_be_kept_is_refused_before_anything_is_made() {
    let folder = folder();
    let path = folder.path().join("disk.raw");
    for bad in ["", "a\nb", &"x".repeat(201)] {
        let answer = create_blank(&path, Format::Raw, 1 << 20, &Stamp::new(bad, None));
        assert!(matches!(answer, Err(Error::Mark { .. })), "{bad:?}: {answer:?}");
    }
    let odd = Stamp::new("job/../../5 é", None);
    create_blank(&path, Format::Raw, 1 << 20, &odd).unwrap();
    assert_eq!(read_stamp(&path).unwrap(), Some(odd));
    assert_eq!(names(folder.path()), ["disk.raw"]);
}
