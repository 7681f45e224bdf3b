//! Man pages, made from the definitions of the commands: one a command, and one of the settings.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use hostler_model::setting::SETTINGS;

use crate::cli::Cli;
use crate::cli::failure::{self, Failure};
use crate::cli::format::FORMATS;
use crate::cli::here::Here;

pub(super) const EXAMPLES: &str = "Examples:
  hostler man --out /usr/local/share/man/man1
  hostler man --out ./man

Afterwards: `man hostler`, `man hostler-vm-create`, and `man hostler-settings` for the settings.";

/// What each code that the program ends with means.
pub const EXIT_CODES: [(u8, &str); 8] = [
    (failure::DONE, "done"),
    (failure::JOB_FAILED, "the job failed, or something on this computer was in the way"),
    (failure::USAGE, "the command makes no sense, or a value in it is refused"),
    (failure::REFUSED, "refused by the state of things, or because they are busy"),
    (failure::NOT_FOUND, "there is no such thing, or you may not see it"),
    (failure::NOT_ALLOWED, "not allowed, or not signed in"),
    (failure::UNREACHABLE, "the server cannot be reached, or is not the one that is trusted"),
    (failure::INTERRUPTED, "interrupted; the job goes on"),
];

/// What the environment says.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("HOSTLER_SERVER", "the server, as --server"),
    ("HOSTLER_TOKEN", "the token itself"),
    ("HOSTLER_CA", "the file with the authority that is trusted, as --ca"),
    ("NO_COLOR", "when it is set and not empty, nothing is coloured"),
    (
        "XDG_CONFIG_HOME",
        "the folder below which hostler/contexts.toml is kept; ~/.config where it is not set",
    ),
];

/// Writes all pages into a folder.
pub(super) fn write(here: &Here, folder: &Path) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| Failure::Here(format!("{}: {cause}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let pages = pages().map_err(failed)?;
    for (name, text) in &pages {
        std::fs::write(folder.join(name), text).map_err(failed)?;
    }
    here.say(format!("{} pages are written to {}.", pages.len(), folder.display()));
    Ok(())
}

/// All pages, each with the name of its file.
///
/// # Errors
/// When one cannot be written: a defect.
pub fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    below("hostler", &root, &mut pages)?;
    pages.push(("hostler-settings.1".to_owned(), settings()?));
    Ok(pages)
}

fn below(name: &str, command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    pages.push((format!("{name}.1"), page(name, command)?));
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set()) {
        below(&format!("{name}-{}", verb.get_name()), verb, pages)?;
    }
    Ok(())
}

fn page(name: &str, command: &Command) -> std::io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).title(name).manual("Hostler");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        verbs(name, command).to_writer(&mut text)?;
    }
    if let Some(said) = command.get_after_help() {
        examples(&said.to_string()).to_writer(&mut text)?;
    }
    if name == "hostler" {
        of_all().to_writer(&mut text)?;
    }
    let mut see = Roff::default();
    if name != "hostler" {
        see.control("SH", ["SEE ALSO"]).text([
            bold("hostler"),
            roman("(1), "),
            bold("hostler-settings"),
            roman("(1)"),
        ]);
        see.to_writer(&mut text)?;
    }
    Ok(text)
}

fn verbs(name: &str, command: &Command) -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["COMMANDS"]);
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set()) {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        term(&mut roff, bold(format!("{name}-{}(1)", verb.get_name())), &about);
    }
    roff
}

/// What stands below a command's help: paragraphs, of which one has the examples, as they are typed.
fn examples(said: &str) -> Roff {
    let mut roff = Roff::default();
    for (at, paragraph) in said.split("\n\n").enumerate() {
        match paragraph.strip_prefix("Examples:\n") {
            Some(lines) => {
                roff.control("SH", ["EXAMPLES"]);
                verbatim(&mut roff, lines);
            }
            None => {
                if at == 0 {
                    roff.control("SH", ["NOTES"]);
                }
                match paragraph.contains("\n  ") {
                    true => verbatim(&mut roff, paragraph),
                    false => {
                        roff.control("PP", []).text([roman(paragraph.replace('\n', " "))]);
                    }
                }
            }
        }
    }
    roff
}

fn verbatim(roff: &mut Roff, lines: &str) {
    roff.control("PP", []).control("nf", []);
    for line in lines.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// What holds for all commands, on the first page.
fn of_all() -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["OUTPUT"]);
    let said = "Tables are for people and may change. All other formats are for programs and are stable: sizes are in bytes, \
                times RFC 3339 in UTC, ids whole, and members and columns are only added. Progress and sentences go to standard \
                error. Colours are written to terminals only.";
    roff.text([roman(said)]);
    for (format, said) in FORMATS {
        term(&mut roff, bold(format!("-o {format}")), said);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (code, said) in EXIT_CODES {
        term(&mut roff, bold(code.to_string()), said);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, said) in ENVIRONMENT {
        term(&mut roff, bold(name), said);
    }
    roff.control("SH", ["FILES"]);
    let said = "the servers that you work with, whom to trust there, and the tokens; readable for you alone";
    term(&mut roff, bold("~/.config/hostler/contexts.toml"), said);
    roff
}

fn settings() -> std::io::Result<Vec<u8>> {
    let mut roff = Roff::default();
    roff.control("TH", ["hostler-settings", "1", "", "", "Hostler"]);
    roff.control("SH", ["NAME"])
        .text([roman("hostler-settings - what the settings of an installation mean")]);
    roff.control("SH", ["DESCRIPTION"]);
    let said = "`hostler server settings` shows the settings in force, `hostler server set NAME=VALUE` changes them under a job.";
    roff.text([roman(said)]);
    roff.control("SH", ["SETTINGS"]);
    for doc in SETTINGS {
        let range = {
            let (least, most, default) = (doc.shown(doc.min), doc.shown(doc.max), doc.shown(doc.default));
            format!("{least} to {most} {}, default {default}. ", doc.unit)
        };
        term(&mut roff, bold(doc.name), &format!("{range}{} {}", doc.help, doc.source));
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("hostler-server-set"), roman("(1)")]);
    let mut text = Vec::new();
    roff.to_writer(&mut text)?;
    Ok(text)
}

fn term(roff: &mut Roff, name: Inline, said: &str) {
    roff.control("TP", []).text([name]).text([roman(said)]);
}
