//! Completions: what a shell is offered.

use clap::Command;
use clap_complete::engine::complete;
use hostler::cli::complete::{command, of_argument, script};

/// What is offered where these words are typed, the last one begun.
fn offered(words: &[&str]) -> Vec<String> {
    let words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
    let last = words.len() - 1;
    let found = complete(&mut command(), words, last, None).unwrap();
    found.into_iter().map(|one| one.get_value().to_string_lossy().into_owned()).collect()
}

#[test]
fn verbs_options_and_words_are_completed_without_a_server() {
    assert_eq!(offered(&["hostler", "vm", "sh"]), ["show", "shut-down"]);
    assert!(offered(&["hostler", "vm", "start", "--dry"]).contains(&"--dry-run".to_owned()));
    assert_eq!(offered(&["hostler", "vm", "list", "-o", "js"]), ["json", "jsonl"]);
    assert_eq!(offered(&["hostler", "job", "list", "--state", "completed-"]), ["completed-with-warnings"]);
    assert!(offered(&["hostler", "vm", "wait", "x", "--status", "paus"]).contains(&"paused".to_owned()));
}

#[test]
fn every_argument_that_names_a_thing_is_completed() {
    fn walk(words: &str, command: &Command, found: &mut usize) {
        for argument in command.get_arguments() {
            let name = argument.get_value_names().and_then(|names| names.first()).map(|name| name.as_str());
            // Whatever stands for a thing that is there is called by its kind; new things are called NAME.
            let thing = ["vm", "host", "agent", "share", "item", "template", "user", "token", "job"];
            // Who signs in is known to no server that could be asked yet; a guest's users are known to it alone.
            let elsewhere = ["hostler login", "hostler vm ssh"].contains(&words);
            let is_thing = thing.contains(&argument.get_id().as_str()) && !elsewhere;
            if is_thing && argument.get_action().takes_values() {
                assert!(of_argument(argument).is_some(), "{words}: {name:?} is not completed");
            }
            *found += usize::from(of_argument(argument).is_some());
        }
        for below in command.get_subcommands() {
            walk(&format!("{words} {}", below.get_name()), below, found);
        }
    }
    let mut found = 0;
    let mut root = command();
    root.build();
    walk("hostler", &root, &mut found);
    assert!(found >= 60, "{found}");
}

#[test]
fn each_shell_is_told_to_ask_this_program() {
    use clap::ValueEnum;
    for shell in clap_complete::Shell::value_variants() {
        let text = String::from_utf8(script(*shell).unwrap()).unwrap();
        assert!(text.contains("HOSTLER_COMPLETE") && text.contains("hostler"), "{shell}: {text}");
    }
}
