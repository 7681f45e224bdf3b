//! Man pages.

use hostler::cli::failure;
use hostler::cli::format::FORMATS;
use hostler::cli::man::{EXIT_CODES, pages};
use hostler_model::setting::SETTINGS;

use crate::help::leaves;

fn plain(text: &[u8]) -> String {
    String::from_utf8(text.to_vec())
        .unwrap()
        .replace("\\-", "-")
        .replace("\\fR", "")
        .replace("\\fB", "")
        .replace("\\*(Aq", "'")
}

#[test]
fn every_command_has_a_page_with_its_options_and_examples() {
    let pages = pages().unwrap();
    for (words, command) in leaves() {
        let file = format!("{}.1", words.replace(' ', "-"));
        let (_, text) = pages.iter().find(|(name, _)| *name == file).unwrap_or_else(|| panic!("{file}"));
        let text = plain(text);
        assert!(text.contains(".SH EXAMPLES"), "{file}");
        assert!(text.contains(&command.get_about().unwrap().to_string()), "{file}: {text}");
        for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
            assert!(text.contains(&format!("--{option}")), "{file}: --{option}");
        }
    }
}

#[test]
fn the_first_page_has_formats_exit_codes_and_environment_and_one_has_the_settings() {
    let pages = pages().unwrap();
    let page = |wanted: &str| plain(&pages.iter().find(|(name, _)| name == wanted).unwrap().1);
    let first = page("hostler.1");
    for (code, said) in EXIT_CODES {
        assert!(first.contains(&format!("{code}\n")) && first.contains(said), "{code}: {first}");
    }
    assert!(FORMATS.iter().all(|(_, said)| first.contains(said.split(':').next().unwrap())));
    assert!(first.contains("NO_COLOR") && first.contains("hostler-vm(1)"));
    let settings = page("hostler-settings.1");
    assert!(SETTINGS.iter().all(|doc| settings.contains(doc.name) && settings.contains(&doc.help[..20])));
}

#[test]
fn every_code_that_a_failure_has_is_explained() {
    let codes = [
        failure::DONE,
        failure::JOB_FAILED,
        failure::USAGE,
        failure::REFUSED,
        failure::NOT_FOUND,
        failure::NOT_ALLOWED,
        failure::UNREACHABLE,
        failure::INTERRUPTED,
    ];
    assert_eq!(EXIT_CODES.map(|(code, _)| code), codes);
}
