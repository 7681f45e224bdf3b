//! `cargo xtask fuzz-api`: schemathesis asks a real server whatever the OpenAPI document lets one ask, and much that it
//! does not: as administrator, as a reader, and as nobody. Nothing may be answered with 5xx, outside of its schema, with
//! an undocumented status or type of content, or to somebody without the right.
//!
//! The server is one of its own, with a simulated host, on free ports, its state in a folder that goes with it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::fleet::{About, Fleet};
use crate::trouble::Trouble;
use crate::{commands, tree};

/// The one version: another one finds other things, on a day of its own choosing.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// What it is told besides the document.
const CHECKS: &str = include_str!("checks.py");
/// How long the short run of CI asks, all ways together: with the server's start within 90 s.
const SHORT: Duration = Duration::from_secs(65);
/// Examples for each operation in the short run, and in each minute of a longer one.
const EXAMPLES: u32 = 6;
/// What is left out: streams that do not end, and what would end the asker's session, write where it is told, or
/// have the server speak with whatever computer it is told.
const LEFT_OUT: [&str; 5] = ["follow_feed", "sign_out", "make_backup", "ask_host_keys", "add_host"];
/// Those streams: `/vms/window` and their like.
const STREAMS: &str = "/window$";

/// Who asks, and for how much of the time: whoever is let in further has more to find.
const ASKERS: [(&str, u32); 3] = [("administrator", 4), ("reader", 2), ("nobody", 1)];

/// Runs for about so many minutes, or shortly.
///
/// # Errors
/// Something cannot be installed, built or started, or something was found: its words stand above.
pub fn run(minutes: Option<u32>, said: &mut dyn Write) -> Result<(), Trouble> {
    let schemathesis = installed()?;
    let mut cargo = commands::command(&["cargo", "build", "--quiet"]);
    cargo.args(commands::PROGRAMS).current_dir(tree::top());
    commands::output(&mut cargo)?;
    let folder = tree::target().join("fuzz-api");
    let checks = folder.join("hostler_checks.py");
    fs::write(&checks, CHECKS).map_err(|error| Trouble::file("written", &checks, &error))?;
    let fleet = Fleet { profile: "debug", hosts: 1, vms: 30, changes_per_s: 0 };
    let server = fleet.start(&folder)?;
    let (mut cases, mut found) = (0, Vec::new());
    for (asker, part) in ASKERS {
        let mut command = asking(&schemathesis, &folder, &server.about, asker);
        command.args(time(minutes, part));
        let finished = commands::watched(&mut command, said)?;
        match cases_of(&finished.said) {
            Some(ran) if ran > 0 => cases += ran,
            _ => return Err(commands::failed(&command, &finished.said)),
        }
        if !finished.success {
            found.push(asker);
        }
    }
    println!("fuzz-api: {cases} cases, asked as {}", ASKERS.map(|(asker, _)| asker).join(", "));
    if found.is_empty() {
        return Ok(());
    }
    Err(Trouble::new(
        format!("Something was answered that must not be, asked as {}.", found.join(", ")),
        "Each finding above names its request; mend the route or its description, then run the command again.",
    ))
}

/// For how long one asks, and how much. The short run tries the same each time; a longer one tries its luck.
fn time(minutes: Option<u32>, part: u32) -> Vec<String> {
    let whole: u32 = ASKERS.iter().map(|(_, part)| part).sum();
    let all = minutes.map_or(SHORT, |minutes| Duration::from_secs(u64::from(minutes) * 60));
    let examples = EXAMPLES * minutes.unwrap_or(1).max(1);
    let mut words = vec!["--max-time".into(), (all * part / whole).as_secs().max(1).to_string()];
    words.extend(["--max-examples".into(), examples.to_string()]);
    if minutes.is_none() {
        words.extend(["--seed".into(), "1".into()]);
    }
    words
}

/// One run, as one asker.
fn asking(schemathesis: &Path, folder: &Path, about: &About, asker: &str) -> Command {
    let mut command = Command::new(schemathesis);
    command.arg("run").arg(tree::top().join("docs/openapi.json")).args(["--url", &about.server]);
    // One worker: with two, Hypothesis trips over its own threads now and then (4.32.5).
    command.arg("--tls-verify").arg(&about.authority).args(["--workers", "1", "--continue-on-failure"]);
    command.args(["--phases", "coverage,fuzzing", "--generation-database", "none"]);
    // A busy computer loses a connection now and then; an answer is never asked for again.
    command.args(["--request-timeout", "30", "--request-retries", "3"]);
    command.args(["--no-color", "--warnings", "off"]);
    command.args(["--suppress-health-check", "all", "--exclude-path-regex", STREAMS]);
    command.args(LEFT_OUT.iter().flat_map(|operation| ["--exclude-operation-id", operation]));
    let checks = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "who_may_do_what",
    ];
    command.args(["--checks", &checks.join(",")]);
    let token = if asker == "reader" { &about.reader_token } else { &about.token };
    if asker != "nobody" {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    command.env("SCHEMATHESIS_HOOKS", "hostler_checks").env("PYTHONPATH", folder);
    command.env("HOSTLER_FUZZ_AS", asker).env("HOSTLER_FUZZ_SERVER", &about.server);
    command.env("HOSTLER_FUZZ_TOKEN", &about.token).env("HOSTLER_FUZZ_CA", &about.authority);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// How many cases a run says that it tried.
fn cases_of(said: &str) -> Option<u64> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let at = words.windows(2).rposition(|pair| pair[1].starts_with("generated"))?;
    words.get(at)?.replace(',', "").parse().ok()
}

/// Schemathesis in a folder of its own, installed where it is not there yet.
fn installed() -> Result<PathBuf, Trouble> {
    let venv = tree::target().join("fuzz-api/venv");
    let (program, stamp) = (venv.join("bin/schemathesis"), venv.join("installed"));
    if fs::read_to_string(&stamp).is_ok_and(|what| what == SCHEMATHESIS) && program.is_file() {
        return Ok(program);
    }
    let venv_path = venv.display().to_string();
    println!("Installing {SCHEMATHESIS} into {venv_path}.");
    commands::output(&mut commands::command(&["python3", "-m", "venv", "--clear", &venv_path]))?;
    let pip = venv.join("bin/pip").display().to_string();
    let words = [&pip, "install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS];
    commands::output(&mut commands::command(&words))?;
    fs::write(&stamp, SCHEMATHESIS).map_err(|error| Trouble::file("written", &stamp, &error))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_run_is_short_and_the_same_each_time_and_a_longer_one_is_neither() {
        let seconds = |minutes| -> u64 {
            let all = ASKERS.iter().map(|(_, part)| time(minutes, *part));
            all.map(|words| words[1].parse::<u64>().unwrap()).sum()
        };
        assert!(seconds(None) <= SHORT.as_secs() && (590..=600).contains(&seconds(Some(10))));
        assert!(
            time(None, 1).contains(&"--seed".to_owned()) && !time(Some(10), 1).contains(&"--seed".to_owned())
        );
    }

    #[test]
    fn the_number_of_cases_is_read_from_the_summary() {
        let said = "Test cases:\n  1,204 generated, 1,198 passed, 6 skipped\n";
        assert_eq!(cases_of(said), Some(1_204));
        assert_eq!(cases_of("No test cases were generated"), None);
    }
}
