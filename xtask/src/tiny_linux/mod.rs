//! Builds a tiny Linux disk that boots in seconds, for first steps, demonstrations and tests: see README.md beside
//! this file for what a guest made of it does. The result is kept in `target/tiny-linux/` under a hash of all that
//! went into it. Needs the packages of [`crate::packages::Group::Images`]; installs nothing itself.

#[cfg(test)]
mod boots;
mod disk;
mod drivers;
mod initramfs;
mod parts;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::packages;
use crate::trouble::Trouble;

/// Returns the disk's path; builds it when none was built of the same parts.
pub fn build() -> Result<PathBuf, Trouble> {
    let home = crate::tree::target().join("tiny-linux");
    // A computer that has every package but no lists is a usual thing in CI.
    let parts = parts::Parts::on_offer().or_else(|_| {
        packages::fetch_lists()?;
        parts::Parts::on_offer()
    })?;
    let image = home.join(format!("tiny-linux-{}.qcow2", fingerprint(&parts)));
    if image.is_file() {
        return Ok(image);
    }
    let work = home.join(format!("building-{}", std::process::id()));
    let built = build_in(&work, &home, &parts);
    let cleared = fs::remove_dir_all(&work).map_err(|error| Trouble::file("removed", &work, &error));
    let fresh = built?;
    fs::rename(&fresh, &image).map_err(|error| Trouble::file("renamed", &fresh, &error))?;
    cleared?;
    Ok(image)
}

/// Builds the disk, and puts a copy of it where `out` says.
pub fn build_to(out: &Path) -> Result<(), Trouble> {
    let image = build()?;
    fs::copy(&image, out).map(drop).map_err(|error| Trouble::file("written", out, &error))
}

fn build_in(work: &Path, home: &Path, parts: &parts::Parts) -> Result<PathBuf, Trouble> {
    let started = Instant::now();
    let root = work.join("parts");
    parts.unpack(&home.join("downloads"), &root)?;
    println!("Fetched and unpacked the parts of tiny-linux in {:.1} s.", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let initramfs = work.join("initramfs");
    initramfs::build(&root, parts.release(), &work.join("tree"), &initramfs)?;
    let kernel = root.join(format!("boot/vmlinuz-{}", parts.release()));
    // Beside the finished ones, so that it can be renamed into its place in one move.
    let fresh = home.join(format!("building-{}.qcow2", std::process::id()));
    disk::build(&kernel, &initramfs, work, &fresh)?;
    println!("Built tiny-linux in {:.1} s.", started.elapsed().as_secs_f64());
    Ok(fresh)
}

/// Of the packages' versions and of everything in this folder that ends up in the image or shapes it.
fn fingerprint(parts: &parts::Parts) -> String {
    let mut hasher = DefaultHasher::new();
    parts.fingerprint().hash(&mut hasher);
    initramfs::OURS.hash(&mut hasher);
    disk::SYSLINUX.hash(&mut hasher);
    for source in [include_str!("disk.rs"), include_str!("drivers.rs"), include_str!("initramfs.rs")] {
        source.hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn make_folder(path: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(path).map_err(|error| Trouble::file("made", path, &error))
}
