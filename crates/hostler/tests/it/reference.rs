//! `docs/reference/command-line.md`: made from the definitions of the commands, committed, and compared at each run.
//! `UPDATE=1` writes it anew.

use std::fmt::Write;

use clap::{Command, CommandFactory};
use hostler::cli::Cli;
use hostler::cli::format::FORMATS;
use hostler::cli::man::EXIT_CODES;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/command-line.md");

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut text = String::from(
        "# Commands\n\nMade from the definitions of the commands in `crates/hostler/src/cli`; do not write here. `UPDATE=1 cargo test \
         -p hostler --test it` writes this page anew, as does `cargo xtask docs`. What they have in common is told in \
         [The command line](../command-line.md).\n\n",
    );
    text += "## Options of every command\n\n";
    options(&mut text, &root, true);
    text += "\n### Formats\n\n| `-o` | what is written |\n| --- | --- |\n";
    for (name, said) in FORMATS {
        let _ = writeln!(text, "| `{name}` | {} |", cell(said));
    }
    text += "\n### Exit codes\n\n| code | meaning |\n| --: | --- |\n";
    for (code, said) in EXIT_CODES {
        let _ = writeln!(text, "| {code} | {said} |");
    }
    for noun in below(&root) {
        let _ = write!(text, "\n## `hostler {}`\n\n{}.\n", noun.get_name(), about(noun));
        if noun.has_subcommands() {
            for verb in below(noun) {
                let _ = write!(
                    text,
                    "\n### `hostler {} {}`\n\n{}.\n",
                    noun.get_name(),
                    verb.get_name(),
                    about(verb)
                );
                one(&mut text, verb);
            }
        } else {
            one(&mut text, noun);
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        kept == text,
        "{FILE} is not what the program says: look at the difference with UPDATE=1 and git diff"
    );
}

fn below(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| below.get_name() != "help")
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn one(text: &mut String, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage: Vec<&str> = usage.trim_start_matches("Usage:").split_whitespace().collect();
    let _ = writeln!(text, "\n`{}`", usage.join(" "));
    let mut table = String::new();
    options(&mut table, command, false);
    if !table.is_empty() {
        let _ = write!(text, "\n{table}");
    }
    for paragraph in command.get_after_help().map(ToString::to_string).unwrap_or_default().split("\n\n") {
        match paragraph.strip_prefix("Examples:\n") {
            Some(lines) => {
                let lines: Vec<&str> = lines.lines().map(str::trim).collect();
                let _ = write!(text, "\n```\n{}\n```\n", lines.join("\n"));
            }
            // The settings have a page of their own.
            None if paragraph.starts_with("Settings:") => {
                text.push_str("\nThe settings are explained in [Settings](settings.md).\n");
            }
            None => {
                let _ = writeln!(text, "\n{}", paragraph.replace('\n', " "));
            }
        }
    }
}

/// The arguments and options of a command, as a table.
fn options(text: &mut String, command: &Command, global: bool) {
    let shown = |argument: &&clap::Arg| {
        argument.is_global_set() == global
            && !argument.is_hide_set()
            && !matches!(argument.get_id().as_str(), "help" | "version")
    };
    for (at, argument) in command.get_arguments().filter(shown).enumerate() {
        if at == 0 {
            text.push_str("| argument | what it says |\n| --- | --- |\n");
        }
        let values: Vec<&str> =
            argument.get_value_names().into_iter().flatten().map(|name| name.as_str()).collect();
        let takes = argument.get_action().takes_values();
        let value = if takes { format!(" {}", values.join(" ")) } else { String::new() };
        let name = match (argument.get_short(), argument.get_long()) {
            (Some(short), Some(long)) => format!("-{short}, --{long}{value}"),
            (None, Some(long)) => format!("--{long}{value}"),
            _ => value.trim().to_owned(),
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let mut said = cell(&help);
        let words = argument.get_possible_values();
        if takes && !words.is_empty() && !argument.is_hide_possible_values_set() {
            let words: Vec<String> = words.iter().map(|word| format!("`{}`", word.get_name())).collect();
            let _ = write!(said, " ({})", words.join(", "));
        }
        let defaults = argument.get_default_values();
        if takes && !defaults.is_empty() {
            let _ = write!(said, " [`{}` where absent]", defaults[0].to_string_lossy());
        }
        let _ = writeln!(text, "| `{}` | {said} |", name.replace('|', "\\|"));
    }
}

/// A text that stands in a table: no bar ends its cell, and what looks like HTML is not.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
