//! Images made to harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use hostler_disk::{CHAIN_LIMIT, Rejected, check_foreign};

use crate::support::{extension, folder, iso, put32, put64, qcow2, qcow2_on, tool};

fn code(content: &[u8], name: &str) -> Result<(), &'static str> {
    let share = folder();
    fs::write(share.path().join(name), content).unwrap();
    check_foreign(Path::new(name), share.path()).map(drop).map_err(|why| why.code())
}

fn spoiled(spoil: impl FnOnce(&mut Vec<u8>)) -> Result<(), &'static str> {
    let mut image = qcow2();
    spoil(&mut image);
    code(&image, "disk.qcow2")
}

#[test]
fn the_minimal_image_that_the_others_are_spoiled_from_is_accepted_here_and_by_qemu() {
    assert_eq!(spoiled(|_| {}), Ok(()));
    let share = folder();
    fs::write(share.path().join("disk.qcow2"), qcow2()).unwrap();
    tool(share.path(), "qemu-img check -q -f qcow2 disk.qcow2");
}

#[test]
fn a_qcow2_header_that_lies_is_refused_with_its_reason() {
    const DAMAGED: Result<(), &str> = Err("disk.image.damaged");
    const TRUNCATED: Result<(), &str> = Err("disk.image.truncated");
    const UNSUPPORTED: Result<(), &str> = Err("disk.image.feature.unsupported");
    const LARGE: Result<(), &str> = Err("disk.image.too.large");
    assert_eq!(spoiled(|i| put32(i, 4, 1)), UNSUPPORTED, "version 1");
    assert_eq!(spoiled(|i| put32(i, 4, 4)), UNSUPPORTED, "version 4");
    assert_eq!(spoiled(|i| put32(i, 20, 8)), DAMAGED, "clusters of 256 bytes");
    assert_eq!(spoiled(|i| put32(i, 20, 63)), DAMAGED, "enormous clusters");
    assert_eq!(spoiled(|i| put64(i, 24, (64 << 40) + 512)), LARGE, "more than 64 TiB");
    assert_eq!(spoiled(|i| put64(i, 24, u64::MAX)), LARGE, "the largest number");
    assert_eq!(spoiled(|i| put64(i, 24, 1 << 40)), DAMAGED, "an L1 that is too small");
    assert_eq!(spoiled(|i| put32(i, 36, u32::MAX)), DAMAGED, "an absurd L1");
    assert_eq!(spoiled(|i| put32(i, 36, 1 << 20)), TRUNCATED, "an L1 that is not there");
    assert_eq!(spoiled(|i| put64(i, 40, 12345)), DAMAGED, "an L1 between clusters");
    assert_eq!(spoiled(|i| put64(i, 40, u64::MAX << 16)), TRUNCATED, "an L1 at the end of numbers");
    assert_eq!(spoiled(|i| put64(i, 3 << 16, 1 << 40)), TRUNCATED, "an L2 that is not there");
    assert_eq!(spoiled(|i| put32(i, 56, u32::MAX)), DAMAGED, "an absurd refcount table");
    assert_eq!(spoiled(|i| put64(i, 48, 1 << 40)), TRUNCATED, "a refcount table that is not there");
    assert_eq!(spoiled(|i| put32(i, 60, 70_000)), DAMAGED, "too many snapshots");
    assert_eq!(spoiled(|i| put64(i, 72, 2)), DAMAGED, "marked as corrupt");
    assert_eq!(spoiled(|i| put64(i, 72, 1 << 40)), UNSUPPORTED, "an unknown feature");
    assert_eq!(spoiled(|i| put32(i, 96, 7)), DAMAGED, "refcounts of 128 bits");
    assert_eq!(spoiled(|i| put32(i, 100, u32::MAX - 7)), DAMAGED, "a header of 4 GiB");
    assert_eq!(spoiled(|i| put32(i, 100, 105)), DAMAGED, "a header of odd length");
    assert_eq!(spoiled(|i| extension(i, 7, &[0; 8])), Ok(()), "an unknown extension is harmless");
    assert_eq!(
        spoiled(|i| {
            extension(i, 7, b"");
            put32(i, 108, u32::MAX)
        }),
        DAMAGED,
        "a huge extension"
    );
    assert_eq!(
        spoiled(|i| {
            put64(i, 8, 1024);
            put32(i, 16, 5000)
        }),
        DAMAGED,
        "a name of 5000 bytes"
    );
    assert_eq!(
        spoiled(|i| {
            put64(i, 8, u64::MAX);
            put32(i, 16, 5)
        }),
        DAMAGED,
        "a name behind everything"
    );
    assert_eq!(spoiled(|i| put32(i, 32, 1)), Err("disk.image.encrypted"), "AES");
    assert_eq!(spoiled(|i| put32(i, 32, 2)), Err("disk.image.encrypted"), "LUKS");
    assert_eq!(spoiled(|i| put32(i, 32, 3)), UNSUPPORTED, "an unknown cipher");
    assert_eq!(
        spoiled(|i| put64(i, 72, 4)),
        Err("disk.image.data.elsewhere"),
        "external data without a name"
    );
    let named = spoiled(|i| {
        put64(i, 72, 4);
        extension(i, 0x4441_5441, b"/etc/passwd")
    });
    assert_eq!(named, Err("disk.image.data.elsewhere"), "external data");
    assert_eq!(spoiled(|i| i.truncate(50)), TRUNCATED, "half a header");
    assert_eq!(spoiled(|i| i.truncate(3 << 16)), TRUNCATED, "without its last cluster");
}

#[test]
fn a_backing_name_that_is_an_address_is_refused() {
    for name in [
        "json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}",
        "nbd:127.0.0.1:10809",
        "nbd+unix:///x?socket=/run/x",
        "http://127.0.0.1/x",
        "file:base.raw",
        "fat:/etc",
        "C:\\base.vhd",
        "anything:else",
    ] {
        assert_eq!(code(&qcow2_on(name, Some("raw")), "disk.qcow2"), Err("disk.image.protocol"), "{name}");
    }
}

/// A share with a sibling that must stay out of reach: `outer/share` and `outer/secret.raw`.
fn share_with_secret() -> (tempfile::TempDir, std::path::PathBuf) {
    let outer = folder();
    let share = outer.path().join("share");
    fs::create_dir_all(share.join("deep")).unwrap();
    fs::write(outer.path().join("secret.raw"), vec![1; 1 << 20]).unwrap();
    fs::write(share.join("base.raw"), vec![2; 1 << 20]).unwrap();
    (outer, share)
}

#[test]
fn a_backing_file_outside_the_share_is_refused_by_whatever_way_it_is_named() {
    let (outer, share) = share_with_secret();
    symlink("../secret.raw", share.join("link.raw")).unwrap();
    symlink("..", share.join("up")).unwrap();
    let absolute = outer.path().join("secret.raw");
    for name in
        ["../secret.raw", "deep/../../secret.raw", absolute.to_str().unwrap(), "link.raw", "up/secret.raw"]
    {
        fs::write(share.join("disk.qcow2"), qcow2_on(name, Some("raw"))).unwrap();
        let answer = check_foreign(Path::new("disk.qcow2"), &share);
        assert_eq!(answer, Err(Rejected::BackingOutside { name: name.into() }));
    }
}

#[test]
fn a_backing_file_inside_the_share_is_accepted_by_whatever_way_it_is_named() {
    let (_outer, share) = share_with_secret();
    symlink("base.raw", share.join("link.raw")).unwrap();
    let absolute = share.canonicalize().unwrap().join("base.raw");
    for name in ["base.raw", "./base.raw", "deep/../base.raw", absolute.to_str().unwrap(), "link.raw"] {
        fs::write(share.join("disk.qcow2"), qcow2_on(name, Some("raw"))).unwrap();
        let image =
            check_foreign(Path::new("disk.qcow2"), &share).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(image.backing.unwrap().name, name);
        check_foreign(&share.join("disk.qcow2"), &share).unwrap();
    }
}

#[test]
fn a_backing_file_must_exist_and_have_the_format_that_is_stated() {
    let (_outer, share) = share_with_secret();
    let check = |name: &str, format| {
        fs::write(share.join("disk.qcow2"), qcow2_on(name, format)).unwrap();
        check_foreign(Path::new("disk.qcow2"), &share).unwrap_err()
    };
    assert_eq!(check("base.raw", None).code(), "disk.image.backing.format");
    assert_eq!(check("none.raw", Some("raw")).code(), "disk.image.backing.refused");
    assert_eq!(check("base.raw", Some("qcow2")).code(), "disk.image.backing.refused");
    assert_eq!(check("base.raw", Some("nbd")).code(), "disk.image.backing.refused");
    assert_eq!(check("deep", Some("raw")).code(), "disk.image.backing.refused");
    // Stated as raw, but it would lead on.
    fs::write(share.join("middle"), qcow2_on("../secret.raw", Some("raw"))).unwrap();
    assert_eq!(check("middle", Some("raw")).code(), "disk.image.backing.refused");
    assert_eq!(check("middle", Some("qcow2")).code(), "disk.image.backing.outside");
}

#[test]
fn chains_that_are_too_long_or_come_back_are_refused() {
    let share = folder();
    let at = |n: usize| share.path().join(format!("{n}.qcow2"));
    fs::write(at(0), qcow2()).unwrap();
    for n in 1..=CHAIN_LIMIT {
        fs::write(at(n), qcow2_on(&format!("{}.qcow2", n - 1), Some("qcow2"))).unwrap();
    }
    check_foreign(&at(CHAIN_LIMIT - 1), share.path()).unwrap();
    let long = check_foreign(&at(CHAIN_LIMIT), share.path());
    assert_eq!(long, Err(Rejected::ChainTooLong { limit: CHAIN_LIMIT }));

    fs::write(at(0), qcow2_on("2.qcow2", Some("qcow2"))).unwrap();
    assert!(matches!(check_foreign(&at(2), share.path()), Err(Rejected::ChainLoops { .. })));
    fs::write(at(1), qcow2_on("1.qcow2", Some("qcow2"))).unwrap();
    assert!(matches!(check_foreign(&at(1), share.path()), Err(Rejected::ChainLoops { .. })));
}

#[test]
fn a_file_whose_content_is_not_what_its_extension_says_is_refused() {
    const DISGUISED: Result<(), &str> = Err("disk.image.disguised");
    let share = folder();
    tool(share.path(), "qemu-img create -q -f vpc -o subformat=fixed fixed.vhd 1M");
    tool(share.path(), "qemu-img create -q -f vhdx disk.vhdx 1M");
    let fixed = fs::read(share.path().join("fixed.vhd")).unwrap();
    let vhdx = fs::read(share.path().join("disk.vhdx")).unwrap();
    for name in ["disk.iso", "disk.raw", "disk.IMG", "disk.vmdk", "disk.vhd", "disk.vhdx", "disk.vfd"] {
        assert_eq!(code(&qcow2(), name), DISGUISED, "{name}");
    }
    assert_eq!(code(&fixed, "disk.raw"), DISGUISED, "a VHD is known by its end");
    assert_eq!(code(&vhdx, "disk.qcow2"), DISGUISED);
    assert_eq!(code(&iso(20), "disk.qcow2"), DISGUISED);
    assert_eq!(code(b"#!/bin/sh\necho no disc\n", "disk.iso"), DISGUISED);
    assert_eq!(code(b"# Disk DescriptorFile\nRW 1 FLAT \"/etc/passwd\" 0\n", "disk.raw"), DISGUISED);
    assert_eq!(code(&iso(20), "disk.iso"), Ok(()));
    assert_eq!(code(&iso(20), "disk.img"), Ok(()), "a disc written to a stick");
    assert_eq!(code(&iso(21), "disk.iso"), Err("disk.image.truncated"));
    assert_eq!(code(b"", "disk.raw"), Err("disk.image.truncated"));
    // A raw disk whose content begins like another image, in front of a VHD's footer.
    let mut polyglot = qcow2();
    polyglot.extend_from_slice(&fixed[fixed.len() - 512..]);
    assert_eq!(code(&polyglot, "disk.vhd"), DISGUISED);
}

#[test]
fn an_enormous_raw_file_is_refused() {
    let share = folder();
    let path = share.path().join("disk.raw");
    // ext4 ends at 16 TiB: a memory file system goes on.
    let Some(mount) = crate::support::Mounted::new("tmpfs", "size=1m") else { return };
    let large = mount.path.join("disk.raw");
    fs::File::create(&large).unwrap().set_len((64 << 40) + 512).unwrap();
    let answer = check_foreign(Path::new("disk.raw"), &mount.path);
    assert!(matches!(answer, Err(Rejected::TooLarge { .. })), "{answer:?}");
    fs::File::create(&path).unwrap().set_len(8 << 40).unwrap();
    check_foreign(Path::new("disk.raw"), share.path()).unwrap();
}

#[test]
fn a_vmdk_descriptor_may_name_only_files_of_its_share() {
    let (outer, share) = share_with_secret();
    let secret = outer.path().join("secret.raw");
    let check = |extents: &str| {
        fs::write(share.join("disk.vmdk"), format!("# Disk DescriptorFile\nversion=1\n{extents}\n")).unwrap();
        check_foreign(Path::new("disk.vmdk"), &share).map(drop).map_err(|why| why.code())
    };
    let outside = Err("disk.image.backing.outside");
    assert_eq!(check("RW 2048 FLAT \"base.raw\" 0"), Ok(()));
    assert_eq!(check("RW 2048 FLAT \"../secret.raw\" 0"), outside);
    assert_eq!(check(&format!("RW 2048 FLAT \"{}\" 0", secret.display())), outside);
    assert_eq!(check("RW 2048 FLAT \"/dev/vda\" 0"), outside);
    assert_eq!(check("RW 2048 FLAT \"nbd:127.0.0.1:1\" 0"), Err("disk.image.protocol"));
    assert_eq!(check("RW 2048 VMFSRDM \"base.raw\" 0"), Err("disk.image.feature.unsupported"));
    assert_eq!(
        check("parentFileNameHint=\"../secret.vmdk\"\nRW 8 FLAT \"base.raw\" 0"),
        Err("disk.image.backing.outside")
    );
    assert_eq!(check("nothing"), Err("disk.image.damaged"));
    assert_eq!(check(&format!("RW {} FLAT \"base.raw\" 0", u64::MAX)), Err("disk.image.too.large"));
    // A sparse file without capacity is taken by QEMU for the descriptor inside it.
    let mut trick = vec![0; 4096];
    trick[..8].copy_from_slice(b"KDMV\x01\0\0\0");
    trick[28] = 1;
    trick[36] = 4;
    let inner = format!("# Disk DescriptorFile\nRW 2048 FLAT \"{}\" 0\n", secret.display());
    trick[512..512 + inner.len()].copy_from_slice(inner.as_bytes());
    fs::write(share.join("disk.vmdk"), trick).unwrap();
    assert_eq!(
        check_foreign(Path::new("disk.vmdk"), &share).unwrap_err().code(),
        "disk.image.backing.outside"
    );
}

#[test]
fn pipes_devices_sockets_and_folders_are_refused_without_waiting() {
    let share = folder();
    let at = |name: &str| share.path().join(name);
    assert!(Command::new("mkfifo").arg(at("pipe.iso")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.iso")).unwrap();
    fs::create_dir(at("folder.iso")).unwrap();
    let mut expected =
        vec![("pipe.iso", "a named pipe"), ("socket.iso", "a socket"), ("folder.iso", "a folder")];
    if rustix::process::geteuid().is_root() {
        assert!(
            Command::new("mknod").arg(at("device.iso")).args(["c", "1", "5"]).status().unwrap().success()
        );
        expected.push(("device.iso", "a device"));
    }
    for (name, what) in expected {
        let refused = Err(Rejected::NotRegular { what: what.into() });
        assert_eq!(check_foreign(Path::new(name), share.path()), refused);
        assert_eq!(hostler_disk::inspect(&at(name)), refused);
    }
}

#[test]
fn a_link_is_followed_inside_its_share_only() {
    let (outer, share) = share_with_secret();
    symlink("base.raw", share.join("inside.raw")).unwrap();
    symlink("../secret.raw", share.join("outside.raw")).unwrap();
    symlink(outer.path().join("secret.raw"), share.join("absolute.raw")).unwrap();
    symlink("circle.raw", share.join("circle.raw")).unwrap();
    check_foreign(Path::new("inside.raw"), &share).unwrap();
    for name in ["outside.raw", "absolute.raw", "circle.raw", "../secret.raw", "/etc/passwd"] {
        assert_eq!(check_foreign(Path::new(name), &share), Err(Rejected::LeavesShare), "{name}");
    }
}
