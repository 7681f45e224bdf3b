//! Bases: named by content, made once, immutable.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use hostler_disk::{Base, Error, Format, Rejected, bring_base, check_base, find_base, inspect};

use crate::support::{folder, go_on, names, noise, qcow2_on, sparse, tool};

const MIB: u64 = 1 << 20;

fn sha256(path: &Path) -> String {
    let line = tool(path.parent().unwrap(), &format!("sha256sum {}", path.display()));
    line.split(' ').next().unwrap().to_owned()
}

/// A folder with `content.raw` and a folder `bases`.
fn library() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = folder();
    sparse(&folder.path().join("content.raw"), 16 * MIB, &[(0, 600), (5 * MIB, 3 << 20)]);
    let bases = folder.path().join("bases");
    fs::create_dir(&bases).unwrap();
    (folder, bases)
}

fn assert_is_content(folder: &Path, base: &Base) {
    let path = base.path.display();
    tool(folder, &format!("qemu-img compare -q -f qcow2 -F raw {path} content.raw"));
    tool(folder, &format!("qemu-img check -q -f qcow2 {path}"));
}

#[test]
fn what_comes_from_elsewhere_as_a_base_needs_no_other_file() {
    let (folder, bases) = library();
    let at = folder.path();
    tool(at, "qemu-img convert -f raw -O qcow2 content.raw content.qcow2");
    let base = bring_base(&at.join("content.qcow2"), Format::Qcow2, &bases, &mut go_on).unwrap();
    let check = |path: &Path| check_base(&File::open(path).unwrap());
    assert_eq!(check(&base.path), Ok(()));
    fs::write(at.join("stands.qcow2"), qcow2_on("/etc/shadow", Some("raw"))).unwrap();
    assert_eq!(check(&at.join("stands.qcow2")), Err(Rejected::DataElsewhere { name: "/etc/shadow".into() }));
    tool(at, "qemu-img create -q -f qcow2 -o data_file=data.raw outside.qcow2 16M");
    assert!(check(&at.join("outside.qcow2")).is_err());
    assert!(check(&at.join("content.raw")).is_err(), "only a qcow2 is a base");
}

#[test]
fn an_image_of_any_format_becomes_a_read_only_qcow2_named_by_the_digest_of_its_source() {
    let (folder, bases) = library();
    let at = folder.path();
    for (name, driver, options) in [
        ("a.raw", "raw", "preallocation=off"),
        ("a.qcow2", "qcow2", "compat=1.1"),
        ("b.qcow2", "qcow2", "compat=0.10"),
        ("a.vmdk", "vmdk", "subformat=monolithicSparse"),
        ("b.vmdk", "vmdk", "subformat=streamOptimized"),
        ("a.vhd", "vpc", "subformat=dynamic,force_size=on"),
        ("b.vhd", "vpc", "subformat=fixed,force_size=on"),
        ("a.vhdx", "vhdx", "subformat=dynamic"),
    ] {
        tool(at, &format!("qemu-img convert -f raw -O {driver} -o {options} content.raw {name}"));
        let source = at.join(name);
        let mut seen = vec![];
        let mut progress = |done, total| {
            seen.push((done, total));
            ControlFlow::Continue(())
        };
        let format = Format::from_qemu_name(driver).unwrap();
        let base =
            bring_base(&source, format, &bases, &mut progress).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(base.sha256, sha256(&source), "{name}");
        assert_eq!(base.path, bases.join(format!("{}.qcow2", base.sha256)));
        assert_eq!(base.virtual_size_bytes, 16 * MIB, "{name}");
        let metadata = fs::metadata(&base.path).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()), (0o444, 0, 0), "{name}");
        assert!(inspect(&base.path).unwrap().allocated_bytes < 5 * MIB, "{name} is not sparse");
        assert!(
            seen.is_sorted() && seen.last().is_some_and(|(done, total)| done == total),
            "{name}: {seen:?}"
        );
        assert_is_content(at, &base);
        assert_eq!(find_base(&bases, &base.sha256).unwrap(), Some(base));
    }
    assert_eq!(names(&bases).len(), 8, "nothing else was left");
}

#[test]
fn bringing_the_same_content_again_answers_with_the_same_file() {
    let (folder, bases) = library();
    let source = folder.path().join("content.raw");
    let first = bring_base(&source, Format::Raw, &bases, &mut go_on).unwrap();
    let made = fs::metadata(&first.path).unwrap().ino();
    let renamed = folder.path().join("other-name.raw");
    fs::rename(&source, &renamed).unwrap();
    let second = bring_base(&renamed, Format::Raw, &bases, &mut go_on).unwrap();
    assert_eq!(first, second);
    assert_eq!(fs::metadata(&second.path).unwrap().ino(), made);
    assert_eq!(names(&bases).len(), 1);
}

#[test]
fn several_who_bring_the_same_content_at_once_get_one_whole_base() {
    let (folder, bases) = library();
    let source = folder.path().join("content.raw");
    let all: Vec<Base> = std::thread::scope(|scope| {
        let bring = || bring_base(&source, Format::Raw, &bases, &mut go_on).unwrap();
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(bring)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(all.iter().all(|base| *base == all[0]));
    assert_eq!(names(&bases).len(), 1, "{:?}", names(&bases));
    assert_is_content(folder.path(), &all[0]);
}

#[test]
fn what_a_crash_left_in_the_making_is_swept_and_what_is_alive_is_not() {
    let (folder, bases) = library();
    fs::write(bases.join("base.part-999999-0"), vec![1; 5000]).unwrap();
    let alive = bases.join("base.part-999999-1");
    let held = File::create(&alive).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    fs::write(bases.join("precious"), "x").unwrap();
    let base = bring_base(&folder.path().join("content.raw"), Format::Raw, &bases, &mut go_on).unwrap();
    let file = base.path.file_name().unwrap().to_str().unwrap();
    let mut expected = vec![file, "base.part-999999-1", "precious"];
    expected.sort_unstable();
    assert_eq!(names(&bases), expected);
}

#[test]
fn a_source_that_needs_other_files_or_is_not_what_is_said_becomes_no_base() {
    let (folder, bases) = library();
    let at = folder.path();
    fs::write(at.join("over.qcow2"), qcow2_on("content.raw", Some("raw"))).unwrap();
    tool(at, "qemu-img create -q -f vmdk -o subformat=monolithicFlat split.vmdk 4M");
    fs::write(at.join("trick.raw"), qcow2_on("/etc/passwd", Some("raw"))).unwrap();
    fs::write(at.join("cut.qcow2"), &crate::support::qcow2()[..100_000]).unwrap();
    for (name, format, code) in [
        ("over.qcow2", Format::Qcow2, "disk.image.data.elsewhere"),
        ("split.vmdk", Format::Vmdk, "disk.image.data.elsewhere"),
        ("trick.raw", Format::Raw, "disk.image.disguised"),
        ("content.raw", Format::Qcow2, "disk.image.disguised"),
        ("cut.qcow2", Format::Qcow2, "disk.image.truncated"),
        ("none", Format::Raw, "disk.image.absent"),
        ("content.raw", Format::Iso, "disk.format"),
    ] {
        let answer = bring_base(&at.join(name), format, &bases, &mut go_on);
        assert_eq!(answer.map_err(|e| e.code()), Err(code), "{name}");
    }
    assert!(names(&bases).is_empty());
}

#[test]
fn bringing_a_base_can_be_stopped_at_any_moment_and_leaves_nothing() {
    let (folder, bases) = library();
    let source = folder.path().join("content.raw");
    let mut moments = 0;
    loop {
        let mut calls = 0;
        let mut progress = |_, _| {
            calls += 1;
            if calls > moments { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match bring_base(&source, Format::Raw, &bases, &mut progress) {
            Err(Error::Stopped) => assert!(names(&bases).is_empty(), "after {moments}: {:?}", names(&bases)),
            Ok(_) => break,
            Err(other) => panic!("{other}"),
        }
        moments += 1;
    }
    assert!(moments > 5, "only {moments} moments to stop");
}

#[test]
fn a_source_that_is_still_being_written_becomes_no_base() {
    let (folder, bases) = library();
    let source = folder.path().join("content.raw");
    let writer = File::options().write(true).open(&source).unwrap();
    let mut at = 0;
    let mut progress = |_, _| {
        at += 1;
        writer.write_all_at(b"more", at * 1000).unwrap();
        ControlFlow::Continue(())
    };
    let answer = bring_base(&source, Format::Raw, &bases, &mut progress);
    assert!(matches!(answer, Err(Error::SourceChanged { .. })), "{answer:?}");
    assert!(names(&bases).is_empty());
}

/// A line of a process' status file.
fn status(pid: u32, key: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key).map(|rest| rest.trim().to_owned()))
}

/// The qemu-img that this process has started.
fn running_qemu_img() -> Option<u32> {
    let own = std::process::id().to_string();
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let mut pids: Box<dyn Iterator<Item = u32>> = Box::new(pids);
    pids.find(|pid| {
        status(*pid, "PPid:").as_ref() == Some(&own) && status(*pid, "Name:").as_deref() == Some("qemu-img")
    })
}

#[test]
fn qemu_img_runs_without_rights_within_limits_and_with_nothing_of_our_environment() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED 1: only root has rights to drop");
        return;
    }
    let folder = folder();
    let bases = folder.path().join("bases");
    fs::create_dir(&bases).unwrap();
    let source = folder.path().join("content.raw");
    fs::write(&source, noise(64 << 20, 9)).unwrap();
    let mut looked = 0;
    let mut progress = |_, _| {
        let Some(pid) = running_qemu_img() else { return ControlFlow::Continue(()) };
        let all = (status(pid, "Uid:"), status(pid, "CapEff:"), status(pid, "Groups:"));
        let limits = fs::read_to_string(format!("/proc/{pid}/limits"));
        let environment = fs::read(format!("/proc/{pid}/environ"));
        let (Ok(limits), Ok(environment)) = (limits, environment) else { return ControlFlow::Continue(()) };
        if let (Some(user), Some(rights), Some(groups)) = all {
            assert!(!user.split_whitespace().any(|id| id == "0"), "it runs as {user}");
            assert_eq!(u64::from_str_radix(&rights, 16), Ok(0));
            assert_eq!(groups, "");
            let limit = |name: &str| {
                let line =
                    limits.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_else(|| panic!("{limits}"));
                line.split_whitespace().next().unwrap().to_owned()
            };
            for name in ["Max address space", "Max cpu time", "Max file size", "Max open files"] {
                assert_ne!(limit(name), "unlimited", "{name}");
            }
            assert_eq!(limit("Max core file size"), "0");
            let environment = String::from_utf8_lossy(&environment).into_owned();
            assert!(!environment.contains("HOME="), "{environment}");
            looked += 1;
        }
        ControlFlow::Continue(())
    };
    bring_base(&source, Format::Raw, &bases, &mut progress).unwrap();
    assert!(looked > 0, "it was never seen running");
}
