//! What is always true of the sources, as tests: the arrows between crates, what must not be depended on, how long
//! a file may be, what may not be left in it. Each rule is a function from what was read to a list of breaches, so
//! that it can be shown a breach of its own.

mod arrows;
mod parity;
mod sources;

use serde::Deserialize;

use crate::{commands, tree};

/// What `cargo metadata` says of the workspace.
#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
}

/// A crate of the workspace.
#[derive(Clone, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
    manifest_path: String,
}

/// A dependency as its manifest names it.
#[derive(Clone, Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for an ordinary one.
    kind: Option<String>,
    #[serde(default)]
    features: Vec<String>,
    uses_default_features: bool,
}

impl Package {
    /// Its name without the prefix of the project.
    fn short(&self) -> &str {
        short(&self.name)
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("hostler-").unwrap_or(name)
}

fn workspace() -> Workspace {
    let mut metadata = commands::command(&["cargo", "metadata", "--format-version", "1", "--no-deps"]);
    let text = commands::output(metadata.current_dir(tree::top())).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Asserts that there are none; prints them one below the other.
fn none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n  {}\n", breaches.join("\n  "));
}
