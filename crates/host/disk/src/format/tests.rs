#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;
use std::os::unix::fs::FileExt;
use std::process::Command;

use proptest::prelude::*;
use rustix::fs::{MemfdFlags, memfd_create};

use super::*;

fn in_memory(content: &[u8]) -> File {
    let file = File::from(memfd_create("image", MemfdFlags::CLOEXEC).unwrap());
    file.write_all_at(content, 0).unwrap();
    file
}

/// Looks at the file and checks that it was a bounded look.
fn bounded(file: &File) -> Result<Image, Rejected> {
    let bytes = Bytes::new(file, file.metadata().unwrap().len());
    let result = by_content(&bytes);
    assert!(bytes.read_so_far() <= READ_LIMIT_BYTES, "{} bytes were read", bytes.read_so_far());
    if let Err(why) = &result {
        assert!(!why.cause().is_empty() && !why.remedy().is_empty() && why.code().starts_with("disk."));
    }
    result
}

/// What each format begins with, so that arbitrary bytes get past the first look.
const MAGIC: [&[u8]; 9] = [
    b"QFI\xfb\0\0\0\x03",
    b"QFI\xfb\0\0\0\x02",
    b"KDMV\x01\0\0\0",
    b"# Disk DescriptorFile\nRW 1 FLAT \"x\"\n",
    b"vhdxfile",
    b"conectix",
    b"LUKS\xba\xbe",
    b"\0\x01CD001",
    b"",
];

/// One real image of each format, made by qemu-img.
fn real_images() -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [
        ("qcow2", "compat=1.1"),
        ("qcow2", "compat=0.10"),
        ("qcow2", "backing_fmt=raw,backing_file=b.raw"),
        ("vmdk", "subformat=monolithicSparse"),
        ("vmdk", "subformat=streamOptimized"),
        ("vpc", "subformat=dynamic"),
        ("vpc", "subformat=fixed"),
        ("vhdx", "subformat=dynamic"),
    ];
    std::fs::write(folder.path().join("b.raw"), vec![7; 1 << 20]).unwrap();
    let make = |(format, option): &(&str, &str)| {
        let mut run = Command::new("qemu-img");
        let made =
            run.current_dir(&folder).args(["create", "-q", "-f", format, "-o", option, "x", "1M"]).status();
        assert!(made.expect("qemu-img, from the package qemu-utils").success(), "{format} {option}");
        (format!("{format} {option}"), std::fs::read(folder.path().join("x")).unwrap())
    };
    kinds.iter().map(make).collect()
}

/// Places where formats keep what matters.
fn interesting_offset() -> impl Strategy<Value = u64> {
    let places = [0u64, 64, 512, 1024, 64 << 10, 128 << 10, 192 << 10, 256 << 10, 1 << 20, 2 << 20, 3 << 20];
    prop_oneof![
        4 => 0u64..128,
        3 => (prop::sample::select(places.to_vec()), 0u64..128).prop_map(|(place, more)| place + more),
        1 => 0u64..(9 << 20),
    ]
}

fn interesting_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..16),
        prop::sample::select(vec![
            vec![0xff; 8],
            vec![0; 8],
            vec![0xff; 4],
            vec![0x7f, 0xff, 0xff, 0xff],
            vec![1]
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_make_it_fall_over_or_read_much(
        magic in 0..MAGIC.len(),
        at_iso in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 0..3000),
        len in prop_oneof![Just(None), (0u64..1 << 50).prop_map(Some)],
    ) {
        let file = in_memory(MAGIC[magic]);
        let start = if at_iso { 32768 } else { MAGIC[magic].len() as u64 };
        file.write_all_at(&body, start).unwrap();
        if let Some(len) = len {
            file.set_len(len).unwrap();
        }
        let _ = bounded(&file);
    }
}

#[test]
fn mutated_real_images_never_make_it_fall_over_or_read_much() {
    let (refused, accepted) = (Cell::new(0), Cell::new(0));
    for (name, content) in real_images() {
        let file = in_memory(&content);
        bounded(&file).unwrap_or_else(|why| panic!("{name}: {why}"));
        let changes = prop::collection::vec((interesting_offset(), interesting_bytes()), 1..6);
        let cut = prop::option::weighted(0.2, 0..content.len() as u64);
        let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let outcome = runner.run(&(changes, cut), |(changes, cut)| {
            for (at, bytes) in &changes {
                file.write_all_at(bytes, *at).unwrap();
            }
            if let Some(len) = cut {
                file.set_len(len).unwrap();
            }
            match bounded(&file) {
                Ok(_) => accepted.set(accepted.get() + 1),
                Err(_) => refused.set(refused.get() + 1),
            }
            file.set_len(content.len() as u64).unwrap();
            if cut.is_some() {
                file.write_all_at(&content, 0).unwrap();
            } else {
                for (at, bytes) in &changes {
                    let (at, end) = (*at as usize, (*at as usize + bytes.len()).min(content.len()));
                    if at < end {
                        file.write_all_at(&content[at..end], at as u64).unwrap();
                    }
                }
            }
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let (refused, accepted) = (refused.get(), accepted.get());
    assert!(refused > 100 && accepted > 100, "one-sided: {refused} refused, {accepted} accepted");
}

#[test]
fn a_header_that_asks_for_a_huge_read_is_refused_before_it_is_made() {
    let file = in_memory(b"x");
    file.set_len(1 << 40).unwrap();
    let bytes = Bytes::new(&file, 1 << 40);
    assert!(matches!(bytes.at(Format::Qcow2, "a table", 0, 1 << 30), Err(Rejected::Damaged { .. })));
    assert_eq!(bytes.read_so_far(), 0);
}
