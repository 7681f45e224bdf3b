//! What the sources themselves look like: their length, their first line, what may not be left in them.

use std::path::Path;

use super::{none, workspace};
use crate::{commands, tree};

/// Lines a file may have. The habit is 500; a file that needs more is two subjects.
const LONGEST_FILE: usize = 700;

/// Files that a program writes, by their path's end: nobody reads them top to bottom.
const GENERATED: [&str; 1] = ["web/src/api/schema.d.ts"];

/// A source that git knows.
struct Source {
    path: String,
    text: String,
}

/// Written so that this file does not find itself.
fn promises() -> [String; 3] {
    [["todo", "!("].concat(), ["unimplemented", "!("].concat(), ["FIX", "ME"].concat()]
}

fn sources() -> Vec<Source> {
    let mut list = commands::command(&["git", "ls-files", "-z", "--", "*.rs", "*.ts", "*.tsx"]);
    let names = commands::output(list.current_dir(tree::top())).unwrap();
    let names = names.split('\0').filter(|name| !name.is_empty());
    // One that was deleted and not committed yet is no source any more.
    let read = |name: &str| {
        let text = std::fs::read_to_string(tree::top().join(name)).ok()?;
        Some(Source { path: name.into(), text })
    };
    let sources: Vec<_> = names.filter_map(read).collect();
    assert!(!sources.is_empty(), "git knows no sources here: was this folder cloned?");
    sources
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let written = sources.iter().filter(|source| GENERATED.iter().all(|name| !source.path.ends_with(name)));
    let lines = written.map(|source| (source, source.text.lines().count()));
    lines
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(source, lines)| {
            format!("{} has {lines} lines, more than {LONGEST_FILE}: part its subjects", source.path)
        })
        .collect()
}

fn left_open(sources: &[Source]) -> Vec<String> {
    let promises = promises();
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            if let Some(promise) = promises.iter().find(|promise| line.contains(promise.as_str())) {
                found.push(format!(
                    "{}:{} has {promise}: finish it or leave it out",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    found
}

/// The clock's own types, in crates that decide. `clippy.toml` says the same of their use; this says it of a crate
/// that has no `clippy.toml` above it.
fn reads_a_clock(sources: &[Source]) -> Vec<String> {
    let deciding = |path: &str| {
        path.starts_with("crates/core/")
            || path.starts_with("crates/server/drive/src")
            || path.starts_with("crates/host/agent-core/src")
    };
    let clocks =
        ["std::time::Instant", "std::time::SystemTime", "Instant::now", "SystemTime::now", "Timestamp::now"];
    let mut found = Vec::new();
    // Tests and examples measure what decides; they are no part of it.
    let beside = |path: &str| path.contains("/tests/") || path.contains("/examples/");
    for source in sources.iter().filter(|source| deciding(&source.path) && !beside(&source.path)) {
        if let Some(clock) = clocks.iter().find(|clock| source.text.contains(**clock)) {
            found.push(format!("{} reads a clock ({clock}): time comes in as an input", source.path));
        }
    }
    found
}

fn opens_without_a_word(path: &str, text: &str) -> Option<String> {
    (!text.starts_with("//!")).then(|| format!("{path} does not open with //! and what the crate is for"))
}

#[test]
fn no_source_is_longer_than_a_reader_can_hold_in_mind() {
    none(&too_long(&sources()));
}

#[test]
fn no_source_promises_what_is_not_there() {
    none(&left_open(&sources()));
}

#[test]
fn no_deciding_crate_reads_a_clock() {
    none(&reads_a_clock(&sources()));
}

#[test]
fn every_crate_opens_by_saying_what_it_is_for() {
    let mut breaches = Vec::new();
    for package in workspace().packages {
        let folder = Path::new(&package.manifest_path).with_file_name("src");
        let roots = [folder.join("lib.rs"), folder.join("main.rs")];
        let roots: Vec<_> = roots.iter().filter(|root| root.is_file()).collect();
        assert!(!roots.is_empty(), "{} has neither lib.rs nor main.rs", package.name);
        for root in roots {
            breaches.extend(opens_without_a_word(
                &root.display().to_string(),
                &std::fs::read_to_string(root).unwrap(),
            ));
        }
    }
    none(&breaches);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Vec<Source> {
        vec![Source { path: path.into(), text: text.into() }]
    }

    #[test]
    fn a_file_of_one_line_too_many_is_named_and_a_generated_one_is_not() {
        let long = "\n".repeat(LONGEST_FILE + 1);
        assert_eq!(too_long(&source("a.rs", &long)).len(), 1);
        assert!(too_long(&source("a.rs", &long[1..])).is_empty());
        assert!(too_long(&source("web/src/api/schema.d.ts", &long)).is_empty());
    }

    #[test]
    fn each_kind_of_promise_is_found_with_its_line() {
        for promise in promises() {
            let found = left_open(&source("a.rs", &format!("fn a() {{\n    // {promise}\n}}\n")));
            assert!(found.len() == 1 && found[0].starts_with("a.rs:2 "), "{promise}: {found:?}");
        }
    }

    #[test]
    fn a_clock_is_refused_in_deciding_crates_alone() {
        let text = "let now = std::time::Instant::now();\n";
        assert!(!reads_a_clock(&source("crates/core/engine/src/lib.rs", text)).is_empty());
        assert!(!reads_a_clock(&source("crates/host/agent-core/src/lib.rs", text)).is_empty());
        assert!(reads_a_clock(&source("crates/server/server/src/lib.rs", text)).is_empty());
    }

    #[test]
    fn a_crate_that_opens_with_code_is_named() {
        assert!(opens_without_a_word("a/lib.rs", "pub mod a;\n").is_some());
        assert!(opens_without_a_word("a/lib.rs", "//! What a is for.\n").is_none());
    }
}
