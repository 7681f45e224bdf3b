//! Real images of qemu-img are read as what they are.

use std::fs;

use hostler_disk::{Format, Rejected, check_foreign, inspect, inspect_as};

use crate::support::{folder, qemu_io, tool};

const MIB: u64 = 1 << 20;

#[test]
fn images_of_every_format_and_kind_are_read_with_their_format_and_size() {
    let kinds = [
        ("qcow2", "qcow2", "compat=1.1"),
        ("qcow2", "qcow2", "compat=0.10"),
        ("qcow2", "qcow2", "cluster_size=512"),
        ("qcow2", "qcow2", "cluster_size=2M"),
        ("qcow2", "qcow2", "cluster_size=128k,extended_l2=on"),
        ("qcow2", "qcow2", "compression_type=zstd"),
        ("qcow2", "qcow2", "refcount_bits=1"),
        ("qcow2", "qcow2", "refcount_bits=64"),
        ("qcow2", "qcow2", "lazy_refcounts=on"),
        ("qcow2", "qcow2", "preallocation=metadata"),
        ("qcow2", "qcow2", "preallocation=falloc"),
        ("qcow2", "qcow2", "preallocation=full"),
        ("raw", "raw", "preallocation=off"),
        ("vmdk", "vmdk", "subformat=monolithicSparse"),
        ("vmdk", "vmdk", "subformat=streamOptimized"),
        ("vpc", "vhd", "subformat=dynamic,force_size=on"),
        ("vpc", "vhd", "subformat=fixed,force_size=on"),
        ("vhdx", "vhdx", "subformat=dynamic"),
        ("vhdx", "vhdx", "subformat=fixed"),
    ];
    let folder = folder();
    for (driver, extension, options) in kinds {
        for written in [false, true] {
            let what = format!("{driver} {options} written: {written}");
            let name = format!("disk.{extension}");
            tool(folder.path(), &format!("qemu-img create -q -f {driver} -o {options} {name} 20M"));
            if written {
                // In the middle, at the end, and zeroes: allocates, discards, allocates again.
                let commands = ["write -P 7 5M 1M", "write -z 5M 64k", "write -P 9 19M 1M"];
                let done = qemu_io(folder.path(), driver, &name, &commands);
                // A stream-optimised VMDK cannot be written twice.
                assert!(done || options.contains("stream"), "{what}");
            }
            let image = inspect(&folder.path().join(&name)).unwrap_or_else(|why| panic!("{what}: {why}"));
            assert_eq!(Format::from_qemu_name(driver), Some(image.format), "{what}");
            assert_eq!(image.virtual_size_bytes, 20 * MIB, "{what}");
            assert_eq!((image.backing, image.encryption, image.data_files.len()), (None, None, 0), "{what}");
            assert_eq!(image.file_bytes, fs::metadata(folder.path().join(&name)).unwrap().len(), "{what}");
            check_foreign(name.as_ref(), folder.path()).unwrap_or_else(|why| panic!("{what}: {why}"));
        }
    }
}

#[test]
fn an_image_that_was_not_copied_to_its_end_is_refused_whatever_its_format() {
    let folder = folder();
    fs::write(folder.path().join("content"), crate::support::noise(8 << 20, 3)).unwrap();
    let kinds = [
        ("qcow2", "qcow2", "compat=1.1"),
        ("qcow2", "qcow2", "compat=0.10"),
        ("qcow2", "qcow2", "refcount_bits=1"),
        ("vmdk", "vmdk", "subformat=streamOptimized"),
        ("vpc", "vhd", "subformat=dynamic"),
        ("vpc", "vhd", "subformat=fixed"),
        ("vhdx", "vhdx", "subformat=dynamic"),
    ];
    for (driver, extension, options) in kinds {
        let name = format!("disk.{extension}");
        let path = folder.path().join(&name);
        tool(folder.path(), &format!("qemu-img convert -f raw -O {driver} -o {options} content {name}"));
        let whole = inspect(&path).unwrap().file_bytes;
        for cut in [whole - MIB, whole / 2, whole / 3, 700 << 10, 100] {
            fs::File::options().write(true).open(&path).unwrap().set_len(cut).unwrap();
            let answer = check_foreign(name.as_ref(), folder.path());
            // Without its footer a fixed VHD is nothing but raw content under a false name.
            let fits = match &answer {
                Err(Rejected::Truncated { .. }) => true,
                Err(Rejected::Disguised { content, .. }) => options.ends_with("fixed") && content == "raw",
                _ => false,
            };
            assert!(fits, "{driver} {options} cut to {cut} of {whole}: {answer:?}");
        }
    }
}

#[test]
fn what_an_image_needs_beside_itself_is_reported() {
    let folder = folder();
    let at = folder.path();
    tool(at, "qemu-img create -q -f raw base.raw 4M");
    tool(at, "qemu-img create -q -f qcow2 -b base.raw -F raw over.qcow2");
    let backing = inspect(&at.join("over.qcow2")).unwrap().backing.unwrap();
    assert_eq!((backing.name.as_str(), backing.format.as_deref()), ("base.raw", Some("raw")));

    tool(at, "qemu-img create -q -f vmdk base.vmdk 4M");
    tool(at, "qemu-img create -q -f vmdk -b base.vmdk -F vmdk over.vmdk");
    assert_eq!(inspect(&at.join("over.vmdk")).unwrap().backing.unwrap().name, "base.vmdk");

    tool(at, "qemu-img create -q -f qcow2 -o data_file=content.raw outside.qcow2 4M");
    assert_eq!(inspect(&at.join("outside.qcow2")).unwrap().data_files, ["content.raw"]);

    tool(at, "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentFlat split.vmdk 3G");
    let split = inspect(&at.join("split.vmdk")).unwrap();
    assert_eq!(split.data_files, ["split-f001.vmdk", "split-f002.vmdk"]);
    assert_eq!(split.virtual_size_bytes, 3 << 30);
    check_foreign("split.vmdk".as_ref(), at).unwrap();

    // By hand: qemu-img measures the processor before it makes one, and fails on a busy computer.
    let mut secret = crate::support::qcow2();
    crate::support::put32(&mut secret, 32, 2);
    fs::write(at.join("secret.qcow2"), secret).unwrap();
    assert_eq!(inspect(&at.join("secret.qcow2")).unwrap().encryption.as_deref(), Some("LUKS"));
    fs::write(at.join("secret.raw"), [b"LUKS\xba\xbe\0\x01".as_slice(), &[0; 4096]].concat()).unwrap();
    assert!(matches!(inspect(&at.join("secret.raw")), Err(Rejected::Encrypted { .. })));

    tool(at, "qemu-img create -q -f qcow2 kept.qcow2 4M");
    tool(at, "qemu-img snapshot -c before kept.qcow2");
    assert_eq!(inspect(&at.join("kept.qcow2")).unwrap().internal_snapshots, 1);
}

#[test]
fn formats_that_are_not_used_here_are_named() {
    let folder = folder();
    for (driver, name) in [("vdi", "VDI"), ("qed", "QED"), ("parallels", "Parallels")] {
        tool(folder.path(), &format!("qemu-img create -q -f {driver} disk.img 4M"));
        let answer = inspect(&folder.path().join("disk.img"));
        assert_eq!(answer, Err(Rejected::UnsupportedFormat { name: name.into() }));
    }
}

#[test]
fn a_raw_disk_known_as_raw_stays_raw_whatever_its_guest_writes() {
    let folder = folder();
    let path = folder.path().join("disk.raw");
    fs::write(&path, crate::support::qcow2_on("/etc/passwd", Some("raw"))).unwrap();
    let image = inspect_as(&path, Format::Raw).unwrap();
    assert_eq!((image.format, image.virtual_size_bytes, image.backing), (Format::Raw, 4 << 16, None));
    let other = inspect_as(&path, Format::Vhdx);
    assert!(matches!(other, Err(Rejected::Disguised { .. })), "{other:?}");
}
