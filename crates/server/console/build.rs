//! Lists the files of `web/dist` for the program to hold. Where the console was not built, the list is empty.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../web/dist");
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
        let bytes = |file: &Path| format!("include_bytes!({:?})", file.display().to_string());
        let packed = |how| packed(file, how, &files).map(|file| bytes(&file));
        let perhaps =
            |packed: Option<String>| packed.map_or("None".to_owned(), |bytes| format!("Some({bytes})"));
        let (plain, brotli, gzip) = (bytes(file), perhaps(packed("br")), perhaps(packed("gz")));
        list.push_str(&format!(
            "    File {{ path: {name:?}, etag: \"\\\"{:016x}\\\"\", plain: {plain}, brotli: {brotli}, gzip: {gzip} }},\n",
            digest.finish()
        ));
    }
    list.push_str("]\n");
    let out = std::env::var_os("OUT_DIR")
        .ok_or_else(|| io::Error::other("cargo names no folder for what is made"))?;
    fs::write(Path::new(&out).join("files.rs"), list)
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
