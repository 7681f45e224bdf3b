//! The pages below `docs/reference`: made from the tables of this crate, committed, and compared at each run, so that
//! they say what the code does. `UPDATE=1` writes them anew.

use std::fmt::Write;
use std::path::Path;

use hostler_model::Code;
use hostler_model::action::{self, VmAction};
use hostler_model::setting::SETTINGS;
use hostler_model::status::VmStatus;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/reference");

/// The first words of each page.
fn page(title: &str, source: &str) -> String {
    format!(
        "# {title}\n\nMade from `{source}`; do not write here. `UPDATE=1 cargo test -p hostler-model --test it` writes this \
         page anew, as does `cargo xtask docs`.\n\n"
    )
}

fn committed(name: &str, text: &str) {
    let file = Path::new(FOLDER).join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(FOLDER).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let file = file.display();
    assert!(
        kept == text,
        "{file} is not what the tables say: look at the difference with UPDATE=1 and git diff"
    );
}

#[test]
fn the_page_of_settings_is_what_the_table_says() {
    let mut text = page("Settings", "crates/core/model/src/setting.rs");
    text += "The settings of an installation. `GET /api/v1/server` shows them, `PUT /api/v1/settings` changes them under a job; \
             what is absent there stays as it is. A value out of its range is refused with `value.invalid`. \
             `GET /api/v1/settings-reference`, `hostler server settings --help` and `man hostler-settings` say what stands here.\n\n\
             | setting | unit | least | most | default | what it does | where the default comes from |\n\
             | --- | --- | --: | --: | --: | --- | --- |\n";
    for field in SETTINGS {
        let (name, unit, help, source) = (field.name, field.unit, field.help, field.source);
        let _ = writeln!(
            text,
            "| `{name}` | {unit} | {} | {} | {} | {help} | {source} |",
            field.shown(field.min),
            field.shown(field.max),
            field.shown(field.default)
        );
    }
    committed("settings.md", &text);
}

#[test]
fn the_page_of_error_codes_is_what_the_enum_says() {
    let mut text = page("Error codes", "crates/core/model/src/error.rs");
    text += "Each error says its code, the object, the cause and, where there is one, the remedy: the same in REST, on the \
             command line and in a job. A code is never renamed and never gets another meaning.\n\n\
             | code | HTTP | what it says |\n| --- | --- | --- |\n";
    let documented = documented(include_str!("../../src/error.rs"));
    for code in Code::ALL {
        let told = documented.iter().find(|(written, _)| written == code.text());
        let (_, said) = told.unwrap_or_else(|| panic!("nothing is said of {code}"));
        let _ = writeln!(text, "| `{code}` | {} | {said} |", code.http_status());
    }
    assert_eq!(documented.len(), Code::ALL.len());
    committed("errors.md", &text);
}

/// Each code with the comment above it, from the source of the enum.
fn documented(source: &str) -> Vec<(String, String)> {
    let mut said = Vec::new();
    let mut found = Vec::new();
    let table = source.split_once("\ncodes! {\n").expect("the table of codes").1;
    for line in table.split_once("\n}\n").expect("its end").0.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            said.push(comment.trim());
        } else if let Some((_, row)) = line.split_once(" = \"") {
            let code = row.split_once('"').expect("a code in quotation marks").0;
            found.push((code.to_owned(), std::mem::take(&mut said).join(" ")));
        }
    }
    found
}

#[test]
fn the_page_of_actions_is_what_the_two_tables_say() {
    let mut text = page(
        "What may be done to a machine in which status",
        "crates/core/model/src/action.rs` and `status.rs",
    );
    text += "A refusal (`vm.state.forbids`) names the statuses that allow the action, and what to do.\n\n\
             | action | allowed while the machine is | otherwise |\n| --- | --- | --- |\n";
    for action in VmAction::ALL {
        let allowed: Vec<&str> = action.allowed_in().iter().map(|status| status.words()).collect();
        let _ = writeln!(text, "| `{}` | {} | {} |", action.word(), allowed.join(", "), action.remedy());
    }
    text += "\n## Statuses\n\nThe word stands in JSON and in filters, the text is what people read.\n\n\
             | word | text | allows | what helps |\n| --- | --- | --- | --- |\n";
    for status in VmStatus::ALL {
        let allows = VmAction::ALL.iter().filter(|action| action.allowed_in().contains(status));
        let allows: Vec<&str> = allows.map(|action| action.word()).collect();
        let helps = action::remedy_in(*status).unwrap_or("");
        let allows = if allows.is_empty() { "nothing".to_owned() } else { allows.join(", ") };
        let _ = writeln!(text, "| `{}` | {} | {allows} | {helps} |", status.word(), status.words());
    }
    committed("actions.md", &text);
}
