//! Lists the files of `web/dist` for the program to hold. Where the console was not built, the list is empty.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    // Asked of the run, not of the compilation: one target folder may serve two trees.
    let (here, out) = (given("CARGO_MANIFEST_DIR")?, given("OUT_DIR")?);
    let dist = here.join("../../../web/dist");
    // An empty folder, so that cargo has something to watch: one that is not there counts as changed at every build.
    let _ = fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if dist.is_dir() {
        walk(&dist, &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let Some(name) = file.strip_prefix(&dist).ok().and_then(Path::to_str) else { continue };
        if name.ends_with(".br") || name.ends_with(".gz") || name.ends_with(".map") {
            continue;
        }
        let mut digest = DefaultHasher::new();
        fs::read(file)?.hash(&mut digest);
        let plain = held(file, &dist, &out)?;
        let perhaps = |how| match packed(file, how, &files) {
            Some(file) => held(&file, &dist, &out).map(|bytes| format!("Some({bytes})")),
            None => Ok("None".to_owned()),
        };
        let (brotli, gzip) = (perhaps("br")?, perhaps("gz")?);
        list.push_str(&format!(
            "    File {{ path: {name:?}, etag: \"\\\"{:016x}\\\"\", plain: {plain}, brotli: {brotli}, gzip: {gzip} }},\n",
            digest.finish()
        ));
    }
    list.push_str("]\n");
    fs::write(out.join("files.rs"), list)
}

fn given(name: &str) -> io::Result<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("cargo does not say {name}")))
}

/// The bytes of a file, as an expression. From a copy: the console may be built anew before this crate is compiled.
fn held(file: &Path, dist: &Path, out: &Path) -> io::Result<String> {
    let copy = out.join("dist").join(file.strip_prefix(dist).unwrap_or(file));
    fs::create_dir_all(copy.parent().unwrap_or(out))?;
    fs::copy(file, &copy)?;
    Ok(format!("include_bytes!({:?})", copy.display().to_string()))
}

/// The same file, packed beforehand.
fn packed(file: &Path, how: &str, files: &[PathBuf]) -> Option<PathBuf> {
    let packed = PathBuf::from(format!("{}.{how}", file.display()));
    files.contains(&packed).then_some(packed)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Vite's notes to itself are no part of the console.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
