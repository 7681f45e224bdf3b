//! What the pages say can be typed, and their links lead somewhere.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use hostler::cli::Cli;

use crate::help::words;

/// Every page for people, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut pages = Vec::new();
    let folders = ["", "docs", "docs/console", "docs/how-to", "docs/reference", "deploy"];
    for folder in folders.map(|folder| top.join(folder)) {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|ending| ending == "md")));
    }
    assert!(pages.len() > 15, "{pages:?}");
    pages.into_iter().map(|page| (page.clone(), std::fs::read_to_string(page).unwrap())).collect()
}

/// The lines of a page's blocks of code.
fn typed(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push(line.trim());
        }
    }
    lines
}

#[test]
fn every_command_in_the_pages_can_be_typed() {
    let mut tried = 0;
    for (page, text) in pages() {
        for line in
            typed(&text).into_iter().filter(|line| line.starts_with("hostler ") && !line.contains('<'))
        {
            if let Err(error) = Cli::try_parse_from(words(line)) {
                panic!("{}: {line}\n{error}", page.display());
            }
            tried += 1;
        }
    }
    assert!(tried >= 50, "{tried}");
}

#[test]
fn every_link_in_the_pages_leads_to_a_file() {
    let mut followed = 0;
    for (page, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if link.is_empty() || link.contains("://") || link.contains(' ') {
                continue;
            }
            assert!(page.parent().unwrap().join(link).exists(), "{}: {link}", page.display());
            followed += 1;
        }
    }
    assert!(followed >= 20, "{followed}");
}

#[test]
fn the_table_of_nouns_and_verbs_is_that_of_the_program() {
    let (_, page) = pages().into_iter().find(|(page, _)| page.ends_with("docs/command-line.md")).unwrap();
    let mut missing = Vec::new();
    for noun in Cli::command().get_subcommands().filter(|noun| noun.get_name() != "help") {
        let verbs: Vec<&str> =
            noun.get_subcommands().map(|verb| verb.get_name()).filter(|verb| *verb != "help").collect();
        let said = match verbs.is_empty() {
            true => vec![format!("`{}`", noun.get_name()), format!("`hostler {}`", noun.get_name())],
            false => vec![format!("| `{}` | `{}` |", noun.get_name(), verbs.join(" "))],
        };
        if !said.iter().any(|said| page.contains(said)) {
            missing.extend(said);
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
