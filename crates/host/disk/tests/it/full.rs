//! A file system without space is an answer of its own, and nothing half made stays on it.

use std::fs;

use hostler_disk::{Error, Format, bring_base, create_blank, sparse_copy};

use crate::support::{Mounted, folder, go_on, names, noise, stamp, tool};

fn assert_full<T: std::fmt::Debug>(what: &str, answer: Result<T, Error>, mount: &Mounted, left: &[&str]) {
    assert!(matches!(answer, Err(Error::Full { .. })), "{what}: {answer:?}");
    assert_eq!(names(&mount.path), left, "{what} left something");
}

#[test]
fn a_full_file_system_is_said_and_nothing_stays() {
    let Some(mount) = Mounted::new("tmpfs", "size=1m") else { return };
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("content.raw"), noise(2 << 20, 5)).unwrap();
    tool(at, "qemu-img convert -f raw -O vmdk content.raw content.vmdk");
    let target = mount.path.join("copy.raw");
    assert_full("a copy", sparse_copy(&at.join("content.raw"), &target, &stamp(), &mut go_on), &mount, &[]);
    assert_full(
        "a base",
        bring_base(&at.join("content.raw"), Format::Raw, &mount.path, &mut go_on),
        &mount,
        &[],
    );

    fs::write(mount.path.join("filler"), vec![1; (1 << 20) - 8192]).unwrap();
    let blank = create_blank(&mount.path.join("disk.qcow2"), Format::Qcow2, 1 << 30, &stamp());
    assert_full("a blank disk", blank, &mount, &["filler"]);
}

#[test]
fn a_file_system_that_fills_up_during_the_conversion_is_said_and_nothing_stays() {
    let Some(mount) = Mounted::new("tmpfs", "size=3m") else { return };
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("content.raw"), noise(2 << 20, 5)).unwrap();
    // The copy fits, the copy and what is made of it do not.
    let answer = bring_base(&at.join("content.raw"), Format::Raw, &mount.path, &mut go_on);
    assert_full("a conversion", answer, &mount, &[]);
}
