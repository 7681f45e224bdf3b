//! What a walk finds in a share, friendly and hostile.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use hostler_disk::{Cut, Format, Kind, WalkLimits, Walked, walk_share};

use crate::support::{folder, iso, qcow2, qcow2_on, tool};

/// One word for each found file: kind, and its problem if any.
fn told(walked: &Walked) -> Vec<(String, String)> {
    let kind = |kind: &Kind| match kind {
        Kind::Disk { image: Some(image) } => format!("disk {}", image.format),
        Kind::Disk { image: None } => "disk".into(),
        Kind::Iso => "disc".into(),
        Kind::Script => "script".into(),
        Kind::AnswerFile => "answers".into(),
        Kind::Floppy => "floppy".into(),
        Kind::Other => "other".into(),
    };
    let one = |f: &hostler_disk::Found| match &f.problem {
        None => kind(&f.kind),
        Some(why) => format!("{}: {}", kind(&f.kind), why.code()),
    };
    walked.found.iter().map(|f| (f.relative_path.clone(), one(f))).collect()
}

fn expected(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn every_kind_of_file_is_told_by_its_extension_and_content() {
    let share = folder();
    let at = share.path();
    let put = |name: &str, content: &[u8]| fs::write(at.join(name), content).unwrap();
    fs::create_dir_all(at.join("deep/er")).unwrap();
    tool(at, "qemu-img create -q -f vpc a.vhd 1M");
    tool(at, "qemu-img create -q -f vhdx A.VHDX 1M");
    tool(at, "qemu-img create -q -f vmdk -o subformat=monolithicFlat deep/flat.vmdk 1M");
    put("deep/er/disk.qcow2", &qcow2());
    put("deep/over.qcow2", &qcow2_on("er/disk.qcow2", Some("qcow2")));
    put("disk.raw", &[1; 4096]);
    put("disk.img", &[1; 4096]);
    put("boot.img", &vec![1; 1440 * 1024]);
    put("a.vfd", &[1; 512]);
    put("a.flp", &[1; 512]);
    put("disc.iso", &iso(20));
    put("stick.img", &iso(20));
    for name in ["a.sh", "a.ps1", "a.py", "a.xml", "a.inf", "a.yaml", "a.yml", "README"] {
        put(name, b"text");
    }
    put(".hidden.qcow2", &qcow2());
    put("disk.qcow2.part-1", b"half");
    put("disk.raw.hostler-mark", b"1");
    let walked = walk_share(at, WalkLimits::default()).unwrap();
    let all = [
        ("A.VHDX", "disk VHDX"),
        ("README", "other"),
        ("a.flp", "floppy"),
        ("a.inf", "answers"),
        ("a.ps1", "script"),
        ("a.py", "script"),
        ("a.sh", "script"),
        ("a.vfd", "floppy"),
        ("a.vhd", "disk VHD"),
        ("a.xml", "answers"),
        ("a.yaml", "answers"),
        ("a.yml", "answers"),
        ("boot.img", "floppy"),
        ("deep/er/disk.qcow2", "disk qcow2"),
        ("deep/flat-flat.vmdk", "other"),
        ("deep/flat.vmdk", "disk VMDK"),
        ("deep/over.qcow2", "disk qcow2"),
        ("disc.iso", "disc"),
        ("disk.img", "disk raw"),
        ("disk.raw", "disk raw"),
        ("stick.img", "disc"),
    ];
    assert_eq!(told(&walked), expected(&all));
    assert!(walked.cuts.is_empty());
    let disk = walked.found.iter().find(|f| f.relative_path == "disk.raw").unwrap();
    assert_eq!(disk.size_bytes, 4096);
    let modified = fs::metadata(at.join("disk.raw")).unwrap().modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert_eq!(disk.modified_unix_ms, i64::try_from(modified).unwrap());
    let Kind::Disk { image: Some(image) } = &disk.kind else { panic!("{disk:?}") };
    assert_eq!((image.format, image.virtual_size_bytes), (Format::Raw, 4096));
}

#[test]
fn hostile_files_are_reported_and_disturb_nothing_else() {
    let outer = folder();
    let share = outer.path().join("share");
    fs::create_dir(&share).unwrap();
    let put = |name: &str, content: &[u8]| fs::write(share.join(name), content).unwrap();
    fs::write(outer.path().join("secret.raw"), [1; 512]).unwrap();
    put("good.qcow2", &qcow2());
    put("disguised.iso", &qcow2());
    put("cut.qcow2", &qcow2()[..70_000]);
    put("elsewhere.qcow2", &qcow2_on("../secret.raw", Some("raw")));
    put("address.qcow2", &qcow2_on("json:{}", Some("raw")));
    let mut external = qcow2();
    crate::support::put64(&mut external, 72, 4);
    put("external.qcow2", &external);
    let mut enormous = qcow2();
    crate::support::put64(&mut enormous, 24, u64::MAX);
    put("enormous.qcow2", &enormous);
    assert!(Command::new("mkfifo").arg(share.join("pipe.iso")).status().unwrap().success());
    symlink("../secret.raw", share.join("link.raw")).unwrap();
    symlink("good.qcow2", share.join("good-link.qcow2")).unwrap();
    symlink("nowhere", share.join("dangling.raw")).unwrap();
    symlink("..", share.join("up")).unwrap();
    symlink(".", share.join("circle")).unwrap();
    fs::write(share.join(OsStr::from_bytes(b"odd-\xff.raw")), [1; 512]).unwrap();
    put("two\nlines.raw", &[1; 512]);
    put("\u{202e}gnp.raw", &[1; 512]);
    let walked = walk_share(&share, WalkLimits::default()).unwrap();
    let all = [
        ("address.qcow2", "disk: disk.image.protocol"),
        ("cut.qcow2", "disk: disk.image.truncated"),
        ("dangling.raw", "disk: disk.image.absent"),
        ("disguised.iso", "disc: disk.image.disguised"),
        ("elsewhere.qcow2", "disk: disk.image.backing.outside"),
        ("enormous.qcow2", "disk: disk.image.too.large"),
        ("external.qcow2", "disk: disk.image.data.elsewhere"),
        ("good-link.qcow2", "disk qcow2"),
        ("good.qcow2", "disk qcow2"),
        ("link.raw", "disk: disk.path.leaves.share"),
        ("odd-\u{fffd}.raw", "disk raw: disk.name.unfit"),
        ("pipe.iso", "disc: disk.image.not.regular"),
        ("two\u{fffd}lines.raw", "disk raw: disk.name.unfit"),
        ("up", "other: disk.path.leaves.share"),
        ("\u{fffd}gnp.raw", "disk raw: disk.name.unfit"),
    ];
    assert_eq!(told(&walked), expected(&all));
    assert!(walked.cuts.is_empty(), "{:?}", walked.cuts);
}

#[test]
fn a_walk_that_reaches_a_limit_says_what_it_left_out() {
    let share = folder();
    fs::create_dir_all(share.path().join("a/b/c")).unwrap();
    for name in ["1.sh", "a/2.sh", "a/b/3.sh", "a/b/c/4.sh"] {
        fs::write(share.path().join(name), "x").unwrap();
    }
    let walk = |depth, entries| walk_share(share.path(), WalkLimits { depth, entries }).unwrap();
    let shallow = walk(1, 100);
    assert_eq!(told(&shallow), expected(&[("1.sh", "script"), ("a/2.sh", "script")]));
    assert_eq!(shallow.cuts, [Cut::Depth { folder: "a/b".into() }]);
    let few = walk(9, 3);
    assert!(few.found.len() < 4);
    assert_eq!(few.cuts, [Cut::Entries { limit: 3 }]);
    assert!(walk(3, 7).cuts.is_empty());
    assert_eq!(
        walk_share(&share.path().join("none"), WalkLimits::default()).unwrap_err().code(),
        "disk.image.absent"
    );
}

#[test]
fn a_share_of_thousands_of_files_is_walked_within_seconds() {
    let share = folder();
    for n in 0..1500 {
        fs::write(share.path().join(format!("{n}.qcow2")), &qcow2()[..200_000]).unwrap();
    }
    let before = std::time::Instant::now();
    let walked = walk_share(share.path(), WalkLimits::default()).unwrap();
    assert_eq!(walked.found.len(), 1500);
    println!("1500 files in {:?}", before.elapsed());
    assert!(before.elapsed().as_secs() < 15);
}
