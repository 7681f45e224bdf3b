//! Runs other programs: quietly, for what they say, or in front of the caller's eyes while what they say is kept
//! for counting. Which programs are run, and what their answers mean, is their callers' business.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::tree;
use crate::trouble::Trouble;

/// Lines of a failed program's own words that are quoted in our trouble: enough for its last paragraph.
const QUOTED_LINES: usize = 25;

/// The programs that take part wherever a whole Hostler runs, as cargo is told of them: by `--bin` and not by `-p`, since then
/// they are built with the features of the whole workspace, as tests are, and nothing is built twice.
pub const PROGRAMS: [&str; 6] = ["--bin", "hostler", "--bin", "hostler-agent", "--bin", "hostler-testbed"];

/// What a program said and how it ended.
pub struct Finished {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Standard output and standard error, in the order in which they arrived.
    pub said: String,
}

/// A program with its arguments; it reads nothing from the caller's terminal and speaks plain English.
pub fn command<S: AsRef<std::ffi::OsStr>>(line: &[S]) -> Command {
    let (program, arguments) = line.split_first().map_or(("true".as_ref(), line), |(p, a)| (p.as_ref(), a));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    for variable in of_this_package() {
        command.env_remove(variable);
    }
    command
}

/// What cargo tells a program that it runs about its package. Build scripts of others (ring's) look at the same variables,
/// and build all that stands on them anew when they differ from those of a cargo that somebody calls by hand.
fn of_this_package() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    })
}

/// The command as a person would type it, for messages.
pub fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a program quietly and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started, or ended with another exit code than 0: its last words are quoted.
pub fn output(command: &mut Command) -> Result<String, Trouble> {
    let finished = command.output().map_err(|error| not_started(command, &error))?;
    if finished.status.success() {
        return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
    }
    let said = [finished.stderr, finished.stdout].concat();
    Err(failed(command, &String::from_utf8_lossy(&said)))
}

/// Runs a program whose words are kept, and written to `echo` line by line as they come.
///
/// # Errors
/// When it cannot be started. A failing program is not an error here: see [`Finished::success`].
pub fn watched(command: &mut Command, echo: &mut dyn Write) -> Result<Finished, Trouble> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| not_started(command, &error))?;
    let (tell, told) = mpsc::channel();
    let mut readers = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        readers.push(read_lines(stdout, tell.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.push(read_lines(stderr, tell.clone()));
    }
    drop(tell);
    let mut said = String::new();
    for line in told {
        // A closed terminal is no reason to lose the count of what ran.
        let _ = echo.write_all(line.as_bytes()).and_then(|()| echo.flush());
        said.push_str(&line);
    }
    for reader in readers {
        let _ = reader.join();
    }
    let status = child.wait().map_err(|error| not_started(command, &error))?;
    Ok(Finished { success: status.success(), said })
}

/// Trouble that quotes the last lines of a program that failed.
pub fn failed(command: &Command, said: &str) -> Trouble {
    let lines: Vec<&str> = said.trim_end().lines().collect();
    let last = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n    ");
    Trouble::new(
        format!("`{}` failed. It said:\n    {last}", line_of(command)),
        "Read its words above, mend what they name, then run the command again.",
    )
}

/// Runs a program at the top of the tree, before the caller's eyes.
///
/// # Errors
/// It cannot be started, or fails.
pub fn in_front(command: &mut Command) -> Result<(), Trouble> {
    command.current_dir(tree::top()).stdin(Stdio::null());
    let line = line_of(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Trouble::new(
            format!("`{line}` failed."),
            "Read its words above, mend what they name, then run the command again.",
        )),
        Err(error) => Err(Trouble::new(
            format!("`{line}` could not be started: {error}."),
            "Look at the path it names.",
        )),
    }
}

/// Where a program of this name would be found: in PATH, or in the folders of system programs, which are often
/// missing from the PATH of people who are not root.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn read_lines(from: impl Read + Send + 'static, tell: mpsc::Sender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if tell.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    })
}

fn not_started(command: &Command, error: &std::io::Error) -> Trouble {
    let program = command.get_program().to_string_lossy();
    Trouble::new(
        format!("`{program}` could not be started: {error}."),
        format!("See that `{program}` is installed (`cargo xtask packages` installs what Hostler needs)."),
    )
}
