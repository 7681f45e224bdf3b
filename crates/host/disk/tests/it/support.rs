//! What several stories need: images by qemu-img, a minimal qcow2 to be spoiled, a mount of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hostler_disk::Stamp;

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub fn stamp() -> Stamp {
    Stamp::new("1-17.create-disk", Some("0197-vm".into()))
}

pub fn go_on(_done: u64, _total: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Runs a tool in `folder`; the words are split at spaces.
pub fn tool(folder: &Path, line: &str) -> String {
    let mut words = line.split(' ');
    let name = words.next().unwrap();
    let output = Command::new(name).args(words).current_dir(folder).output();
    let output = output.unwrap_or_else(|e| panic!("{name} (package qemu-utils): {e}"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lets qemu-io do something to an image; whether it did.
pub fn qemu_io(folder: &Path, driver: &str, name: &str, commands: &[&str]) -> bool {
    let mut io = Command::new("qemu-io");
    io.current_dir(folder).args(["-f", driver]).args(commands.iter().flat_map(|c| ["-c", c])).arg(name);
    io.output().expect("qemu-io, from the package qemu-utils").status.success()
}

/// Bytes without pattern, the same each time.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A sparse raw image: `len` bytes, with noise at the places given.
pub fn sparse(path: &Path, len: u64, data: &[(u64, usize)]) {
    let file = File::create(path).unwrap();
    file.set_len(len).unwrap();
    for (at, count) in data {
        file.write_all_at(&noise(*count, *at + 1), *at).unwrap();
    }
}

/// A whole, empty qcow2 of version 3 and 1 MiB, byte by byte: header, refcount table, refcount block, L1.
pub fn qcow2() -> Vec<u8> {
    let mut image = vec![0; 4 << 16];
    image[..4].copy_from_slice(b"QFI\xfb");
    put32(&mut image, 4, 3);
    put32(&mut image, 20, 16);
    put64(&mut image, 24, 1 << 20);
    put32(&mut image, 36, 1);
    put64(&mut image, 40, 3 << 16);
    put64(&mut image, 48, 1 << 16);
    put32(&mut image, 56, 1);
    put32(&mut image, 96, 4);
    put32(&mut image, 100, 104);
    put64(&mut image, 1 << 16, 2 << 16);
    for cluster in 0..4 {
        image[(2 << 16) + cluster * 2 + 1] = 1;
    }
    image
}

/// The same with a backing file, and its format if given.
pub fn qcow2_on(backing: &str, format: Option<&str>) -> Vec<u8> {
    let mut image = qcow2();
    put64(&mut image, 8, 1024);
    put32(&mut image, 16, backing.len() as u32);
    image[1024..1024 + backing.len()].copy_from_slice(backing.as_bytes());
    if let Some(format) = format {
        extension(&mut image, 0xe279_2aca, format.as_bytes());
    }
    image
}

/// Puts one header extension where the first one belongs.
pub fn extension(image: &mut [u8], kind: u32, value: &[u8]) {
    put32(image, 104, kind);
    put32(image, 108, value.len() as u32);
    image[112..112 + value.len()].copy_from_slice(value);
}

pub fn put32(image: &mut [u8], at: usize, value: u32) {
    image[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

pub fn put64(image: &mut [u8], at: usize, value: u64) {
    image[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

/// A small ISO 9660 disc: one volume descriptor that says `sectors`.
pub fn iso(sectors: u32) -> Vec<u8> {
    let mut disc = vec![0; 20 * 2048];
    disc[16 * 2048..16 * 2048 + 6].copy_from_slice(b"\x01CD001");
    disc[16 * 2048 + 80..16 * 2048 + 84].copy_from_slice(&sectors.to_le_bytes());
    disc
}

pub fn names(folder: &Path) -> Vec<String> {
    let name = |e: Result<fs::DirEntry, _>| e.unwrap().file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// A file system mounted in a mount namespace of its own, seen through its process. Gone when dropped.
pub struct Mounted {
    process: Child,
    pub path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Mounted {
    /// `None`, and a line that says so, where the tests may not mount.
    pub fn new(kind: &str, options: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED 1: mounting a {kind} needs root");
            return None;
        }
        let folder = folder();
        let place = folder.path().to_str().unwrap();
        let script =
            "mount --make-rprivate / && mount -t \"$1\" -o \"$2\" none \"$3\" && echo ready && read end";
        let mut process = Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh", kind, options, place])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{kind} could not be mounted");
        // unshare becomes the shell, so its number is the one that has the mount.
        let path = PathBuf::from(format!("/proc/{}/root{place}", process.id()));
        Some(Self { process, path, _folder: folder })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
