//! Help: every command has it, and what it shows can be typed.

use clap::{Command, CommandFactory, Parser};
use hostler::cli::Cli;
use hostler_model::setting::SETTINGS;

/// Every command that does something, with the words that lead to it.
pub fn leaves() -> Vec<(String, Command)> {
    fn walk(words: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        let mut leaf = true;
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            leaf = false;
            walk(&format!("{words} {}", below.get_name()), below, found);
        }
        if leaf {
            found.push((words.to_owned(), command.clone()));
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    walk("hostler", &root, &mut found);
    found
}

/// A line as a shell takes it apart, up to the first pipe or redirection.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut begun, mut quoted) = (Vec::new(), String::new(), false, false);
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            '\\' if !quoted => {
                begun = true;
                word.extend(letters.next());
            }
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            '>' | '|' if !quoted && !begun => break,
            c => {
                begun = true;
                word.push(c);
            }
        }
    }
    assert!(!quoted, "a quote is not closed in: {line}");
    if begun {
        words.push(word);
    }
    words
}

#[test]
fn every_command_has_help_with_an_example_and_says_what_each_option_does() {
    let leaves = leaves();
    assert!(leaves.len() >= 70, "{}", leaves.len());
    for (words, mut command) in leaves {
        let help = command.render_long_help().to_string();
        assert!(help.contains("Examples:"), "{words} has no examples");
        assert!(command.get_about().is_some(), "{words} does not say what it does");
        assert!(
            help.contains(&format!("{words} ")) || help.contains(&format!("{words}\n")),
            "{words}: {help}"
        );
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{words}: {} says nothing", argument.get_id());
        }
    }
    Cli::command().debug_assert();
}

#[test]
fn every_example_can_be_typed() {
    let mut tried = 0;
    // As they are written, not as they are wrapped for a terminal.
    let written = |command: &Command| command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for help in leaves().iter().map(|(_, command)| written(command)).chain([written(&Cli::command())]) {
        let examples = help.split("Examples:").nth(1).unwrap();
        for line in examples.lines().map(str::trim) {
            if !["hostler ", "sudo ", "HOSTLER_"].iter().any(|begin| line.starts_with(begin)) {
                continue;
            }
            let typed = words(line);
            let begun = typed.iter().position(|word| word == "hostler").unwrap();
            if let Err(error) = Cli::try_parse_from(&typed[begun..]) {
                panic!("{line}\n{error}");
            }
            tried += 1;
        }
    }
    assert!(tried >= 90, "{tried}");
}

#[test]
fn settings_are_explained_from_the_table_in_which_they_are_documented() {
    for command in ["hostler server set", "hostler server settings"] {
        let (_, mut command) = leaves().into_iter().find(|(words, _)| words == command).unwrap();
        let help = command.render_long_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        for doc in SETTINGS {
            assert!(help.contains(doc.name) && help.contains(&doc.help[..40]), "{}", doc.name);
            let range = format!(
                "{} to {}, default {}",
                doc.shown(doc.min),
                doc.shown(doc.max),
                doc.shown(doc.default)
            );
            assert!(help.contains(&range) && help.contains(doc.source), "{}", doc.name);
        }
    }
}

#[test]
fn no_secret_is_ever_an_argument() {
    for (words, command) in leaves() {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            let takes_value = argument.get_action().takes_values();
            let secret = ["password", "token", "secret"].iter().any(|word| name.contains(word));
            let file = name.ends_with("file");
            let names_one = words.starts_with("hostler token revoke");
            assert!(!secret || !takes_value || file || names_one, "{words}: {name}");
        }
    }
}

#[test]
fn nonsense_is_refused() {
    for line in [
        "hostler vm create web-1",
        "hostler vm create web-1 --template a --empty",
        "hostler vm start",
        "hostler vm set-hardware web-1",
        "hostler vm set-dvd web-1",
        "hostler vm attach-disk web-1 --size 20XB",
        "hostler vm create x --template t --deploy copy",
        "hostler server set",
        "hostler server set no_such=1",
        "hostler server set starts_per_host=0",
        "hostler agent enrolment-token",
        "hostler job list --state asleep",
        "hostler watch credential",
        "hostler vm list --limit 0",
        "hostler user create bob --role king",
        "hostler vm list -o tabel",
        "hostler vm list -o columns=",
        "hostler vm list -o template={{name",
    ] {
        assert!(Cli::try_parse_from(words(line)).is_err(), "{line}");
    }
}
