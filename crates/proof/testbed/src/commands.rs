//! Runs other programs, and says what they said when they fail.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::trouble::{Result, Trouble};

/// The folder with Hostler's own programs, where it is not the one beside the program that asks.
pub const PROGRAMS: &str = "HOSTLER_PROGRAMS";

/// The path of a program of Hostler, as built for the same profile as the program that asks.
///
/// # Errors
/// It is not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os(PROGRAMS) {
        Some(folder) => PathBuf::from(folder),
        None => beside_me()?,
    };
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Trouble::NotBuilt { program: name.into(), folder, package: name.into() })
}

fn beside_me() -> Result<PathBuf> {
    let me = std::env::current_exe().map_err(Trouble::file("/proc/self/exe"))?;
    let folder = me.parent().unwrap_or(Path::new("/"));
    // Test programs lie one folder further down.
    let down = folder.ends_with("deps") || folder.ends_with("examples");
    Ok(if down { folder.parent().unwrap_or(folder) } else { folder }.to_owned())
}

/// The command as a person would type it.
pub(crate) fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a program to its end and answers what it wrote.
///
/// # Errors
/// It cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    run_with(command, "")
}

/// The same, with words for its standard input.
///
/// # Errors
/// It cannot be started or fails.
pub(crate) fn run_with(command: &mut Command, input: &str) -> Result<String> {
    let line = line_of(command);
    let failed = |said: String| Trouble::Program { line: line.clone(), said };
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "C.UTF-8");
    let mut child = command.spawn().map_err(|why| failed(why.to_string()))?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that does not read its input fails by itself, and says more than a broken pipe.
        let _ = pipe.write_all(input.as_bytes());
    }
    let Output { status, stdout, stderr } =
        child.wait_with_output().map_err(|why| failed(why.to_string()))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = [stderr, stdout].concat();
    Err(failed(format!("{status}: {}", String::from_utf8_lossy(&said).trim())))
}

/// Runs `ip` with these words.
///
/// # Errors
/// As it says.
pub(crate) fn ip(words: &str) -> Result<String> {
    run(Command::new("ip").args(words.split_whitespace()))
}
