//! New disks are what was asked for, in the eyes of qemu-img too.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hostler_disk::{
    Error, Format, create_blank, create_copy, create_overlay, create_seed, inspect, read_stamp,
};

use crate::support::{folder, go_on, names, qcow2_on, qemu_io, sparse, stamp, tool};

const MIB: u64 = 1 << 20;

#[test]
fn a_blank_disk_has_its_size_takes_little_space_and_bears_its_mark() {
    let folder = folder();
    for (format, name) in [(Format::Qcow2, "a.qcow2"), (Format::Raw, "b.raw")] {
        let path = folder.path().join(name);
        let made = create_blank(&path, format, 10 << 30, &stamp()).unwrap();
        let image = inspect(&path).unwrap();
        assert_eq!((made.format, made.virtual_size_bytes), (format, 10 << 30));
        assert_eq!((image.format, image.virtual_size_bytes), (format, 10 << 30));
        assert!(image.allocated_bytes < MIB);
        assert_eq!(read_stamp(&path).unwrap(), Some(stamp()));
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o600, rustix::process::geteuid().as_raw()));
    }
    tool(folder.path(), "qemu-img check -q -f qcow2 a.qcow2");
    assert_eq!(names(folder.path()), ["a.qcow2", "b.raw"]);
}

#[test]
fn a_blank_disk_of_an_impossible_size_or_format_is_refused() {
    let folder = folder();
    let path = folder.path().join("a.qcow2");
    for size in [0, 511, 1000, (64 << 40) + 512, u64::MAX] {
        let answer = create_blank(&path, Format::Qcow2, size, &stamp());
        assert!(matches!(answer, Err(Error::Size { .. })), "{size}: {answer:?}");
    }
    let answer = create_blank(&path, Format::Vhdx, MIB, &stamp());
    assert!(matches!(answer, Err(Error::Format { format: Format::Vhdx })), "{answer:?}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_blank_disk_never_replaces_a_file() {
    let folder = folder();
    let path = folder.path().join("a.qcow2");
    fs::write(&path, "precious").unwrap();
    let answer = create_blank(&path, Format::Qcow2, MIB, &stamp());
    assert!(matches!(answer, Err(Error::Exists { .. })), "{answer:?}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn an_overlay_shows_its_base_with_the_format_written_down_and_leaves_the_base_alone() {
    let folder = folder();
    let at = folder.path();
    sparse(&at.join("content.raw"), 8 * MIB, &[(MIB, 1 << 20)]);
    tool(at, "qemu-img convert -f raw -O qcow2 content.raw base.qcow2");
    for (base, format) in [
        (at.join("base.qcow2"), Format::Qcow2),
        (Path::new("base.qcow2").to_path_buf(), Format::Qcow2),
        (at.join("content.raw"), Format::Raw),
    ] {
        let over = at.join("over.qcow2");
        let before = fs::read(at.join(&base)).unwrap();
        create_overlay(&base, format, &over, None, &stamp()).unwrap();
        let backing = inspect(&over).unwrap().backing.unwrap();
        assert_eq!(backing.format.as_deref(), Some(format.qemu_name()));
        assert!(Path::new(&backing.name).ends_with(&base), "{backing:?}");
        tool(at, "qemu-img compare -q -f qcow2 -F raw over.qcow2 content.raw");
        assert!(qemu_io(at, "qcow2", "over.qcow2", &["write -P 9 0 1M"]));
        assert!(before == fs::read(at.join(&base)).unwrap());
        fs::remove_file(&over).unwrap();
    }
}

#[test]
fn an_overlay_may_be_larger_than_its_base_and_never_smaller() {
    let folder = folder();
    let at = folder.path();
    create_blank(&at.join("base.qcow2"), Format::Qcow2, 8 * MIB, &stamp()).unwrap();
    let overlay =
        |size| create_overlay(Path::new("base.qcow2"), Format::Qcow2, &at.join("over.qcow2"), size, &stamp());
    let small = overlay(Some(4 * MIB));
    assert!(matches!(small, Err(Error::Size { .. })), "{small:?}");
    assert_eq!(overlay(Some(16 * MIB)).unwrap().virtual_size_bytes, 16 * MIB);
}

#[test]
fn an_overlay_on_what_is_not_there_or_of_another_format_is_refused() {
    let folder = folder();
    let at = folder.path();
    sparse(&at.join("base.raw"), MIB, &[]);
    for (base, format, code) in [
        ("none.qcow2", Format::Qcow2, "disk.image.absent"),
        ("base.raw", Format::Qcow2, "disk.image.disguised"),
        (".", Format::Qcow2, "disk.image.not.regular"),
    ] {
        let answer = create_overlay(&at.join(base), format, &at.join("over.qcow2"), None, &stamp());
        assert_eq!(answer.unwrap_err().code(), code);
    }
    assert_eq!(names(at), ["base.raw"]);
}

#[test]
fn a_base_with_a_colon_or_a_comma_in_its_name_is_taken_for_a_file() {
    let folder = folder();
    let at = folder.path();
    for name in ["nbd:base.raw", "a,b=c.raw"] {
        sparse(&at.join(name), MIB, &[(0, 10)]);
        for base in [Path::new(name).to_path_buf(), at.join(name)] {
            create_overlay(&base, Format::Raw, &at.join("over.qcow2"), None, &stamp()).unwrap();
            tool(at, &format!("qemu-img compare -q -f qcow2 -F raw over.qcow2 ./{name}"));
            fs::remove_file(at.join("over.qcow2")).unwrap();
        }
    }
}

#[test]
fn an_overlay_is_made_below_folders_that_only_root_may_search() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    create_blank(&closed.join("a.qcow2"), Format::Qcow2, MIB, &stamp()).unwrap();
}

#[test]
fn a_copy_has_the_content_of_its_source_in_the_format_and_size_wanted() {
    let folder = folder();
    let at = folder.path();
    sparse(&at.join("content.raw"), 8 * MIB, &[(MIB, 1 << 20), (8 * MIB - 5, 5)]);
    for (driver, name) in [("raw", "a.raw"), ("qcow2", "a.qcow2"), ("vmdk", "a.vmdk"), ("vhdx", "a.vhdx")] {
        tool(at, &format!("qemu-img convert -f raw -O {driver} content.raw {name}"));
        let source = Format::from_qemu_name(driver).unwrap();
        for format in [Format::Raw, Format::Qcow2] {
            for size in [None, Some(8 * MIB), Some(20 * MIB)] {
                let what = format!("{driver} to {format}, {size:?}");
                let to = at.join("new");
                let made = create_copy((&at.join(name), source), (&to, format), size, &stamp(), &mut go_on);
                let made = made.unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(
                    (made.format, made.virtual_size_bytes),
                    (format, size.unwrap_or(8 * MIB)),
                    "{what}"
                );
                assert!(made.allocated_bytes < 3 * MIB, "{what} is not sparse");
                // Of different sizes, the rest has to be zeroes.
                tool(at, &format!("qemu-img compare -q -f {} -F raw new content.raw", format.qemu_name()));
                assert_eq!(read_stamp(&to).unwrap(), Some(stamp()), "{what}");
                assert_eq!(fs::metadata(&to).unwrap().uid(), rustix::process::geteuid().as_raw(), "{what}");
                fs::remove_file(&to).unwrap();
                assert!(names(at).iter().all(|n| !n.contains(".part-")), "{what}: {:?}", names(at));
            }
        }
    }
}

#[test]
fn a_copy_that_would_be_smaller_or_needs_other_files_is_refused_and_leaves_nothing() {
    let folder = folder();
    let at = folder.path();
    sparse(&at.join("a.raw"), 8 * MIB, &[]);
    fs::write(at.join("over.qcow2"), qcow2_on("a.raw", Some("raw"))).unwrap();
    for (name, source, size, code) in [
        ("a.raw", Format::Raw, Some(4 * MIB), "disk.size"),
        ("over.qcow2", Format::Qcow2, None, "disk.image.data.elsewhere"),
        ("over.qcow2", Format::Raw, None, "disk.image.disguised"),
        ("a.raw", Format::Vmdk, None, "disk.image.disguised"),
    ] {
        for format in [Format::Raw, Format::Qcow2] {
            let to = at.join("new");
            let answer = create_copy((&at.join(name), source), (&to, format), size, &stamp(), &mut go_on);
            assert_eq!(answer.unwrap_err().code(), code, "{name} as {source} to {format}");
            assert_eq!(names(at), ["a.raw", "over.qcow2"]);
        }
    }
}

#[test]
fn a_seed_has_its_content_first_and_zeroes_behind() {
    let folder = folder();
    let path = folder.path().join("seed.raw");
    let image = create_seed(&path, b"word=1\n", &stamp()).unwrap();
    assert_eq!(image.virtual_size_bytes, 512);
    let content = fs::read(&path).unwrap();
    assert!(content.starts_with(b"word=1\n\0") && content[8..].iter().all(|b| *b == 0));
    assert_eq!(read_stamp(&path).unwrap(), Some(stamp()));
    let empty = create_seed(&folder.path().join("none.raw"), b"", &stamp());
    assert!(matches!(empty, Err(Error::Size { .. })), "{empty:?}");
}
