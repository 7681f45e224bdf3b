//! Builds the documentation as a site in `target/site`: what `docs/` says and the pages of the top folder, to be read from
//! disk or from a server, with search, without a network. A link that leads nowhere fails. mkdocs does the work; it is
//! installed below `target/`, with the checksums of `docs/site/requirements.txt`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use crate::trouble::Trouble;
use crate::{commands, tree, web};

/// What has to be installed, with its checksums.
const REQUIREMENTS: &str = "docs/site/requirements.txt";

/// What it is made of.
const MADE_OF: [&str; 7] = [
    "docs",
    "mkdocs.yml",
    "deploy/README.md",
    "ARCHITECTURE.md",
    "SPECIFICATION.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
];

/// Builds the site where something of it is newer than what was built; answers where its first page is.
///
/// # Errors
/// mkdocs cannot be installed, or a page is wrong.
pub fn build() -> Result<PathBuf, Trouble> {
    let site = tree::target().join("site");
    let first = site.join("index.html");
    let built = web::newest(&first);
    if built.is_some() && MADE_OF.iter().all(|part| web::newest(&tree::top().join(part)) <= built) {
        return Ok(first);
    }
    let bin = tools()?;
    let mut mkdocs = commands::command(&[&bin.join("mkdocs")]);
    mkdocs.args(["build", "--strict", "--site-dir"]).arg(&site).current_dir(tree::top());
    // Not quietly: what is not said does not count as strict. The theme says at each build that it has a successor.
    let done = commands::output(mkdocs.env("NO_MKDOCS_2_WARNING", "1"));
    if done.is_err() {
        // What it wrote until it found the fault must not count as built.
        let _ = fs::remove_dir_all(&site);
    }
    done.map(|_| first)
}

/// The folder with mkdocs, installed when these requirements never were.
fn tools() -> Result<PathBuf, Trouble> {
    let file = tree::top().join(REQUIREMENTS);
    let text = fs::read_to_string(&file).map_err(|error| Trouble::file("read", &file, &error))?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let home = tree::target().join(format!("site-tools-{:016x}", hasher.finish()));
    let done = home.join("installed");
    if done.is_file() {
        return Ok(home.join("bin"));
    }
    commands::output(commands::command(&["python3", "-m", "venv", "--clear"]).arg(&home))?;
    let mut pip = commands::command(&[&home.join("bin/pip")]);
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]).arg(&file);
    commands::output(&mut pip)?;
    fs::write(&done, "").map_err(|error| Trouble::file("written", &done, &error))?;
    Ok(home.join("bin"))
}
