//! Figures of the whole program, and long kill stories: builds what is measured, lets `hostler-testbed` measure it, and
//! keeps the table in `target/bench.md`. What a figure means is the testbed's.

use std::process::{Command, Stdio};

use crate::fleet::Fleet;
use crate::trouble::Trouble;
use crate::{commands, tiny_linux, tree, web};

/// How many moments of each piece of work are killed in, by each of three victims.
const SOAK_KILLS: &str = "20";

/// The bench that is measured in a browser.
const CONSOLE: &str = "console";
/// The fleet that the console shows: what is promised is promised at this size.
const FLEET: Fleet = Fleet { profile: "release", hosts: 200, vms: 20_000, changes_per_s: 20 };

/// Measures these benches, or all, and prints the table.
///
/// # Errors
/// Something cannot be built, or a bench fails.
pub fn run(names: &[String], runs: u32) -> Result<(), Trouble> {
    if names.iter().any(|name| name == CONSOLE) {
        return console();
    }
    let disk = tiny_linux::build()?;
    in_front(commands::command(&["cargo", "build", "--release"]).args(commands::PROGRAMS))?;
    let out = tree::target().join("bench.md");
    let mut bench = Command::new(tree::target().join("release/hostler-testbed"));
    bench.arg("bench").args(names).args(["--runs", &runs.to_string()]).arg("--out").arg(&out);
    in_front(bench.env("HOSTLER_TINY_LINUX", disk))?;
    println!("The table is in {}.", out.display());
    Ok(())
}

/// Figures of the console in a real browser; ten minutes of them watch the tab's memory.
fn console() -> Result<(), Trouble> {
    web::build()?;
    in_front(commands::command(&["cargo", "build", "--release"]).args(commands::PROGRAMS))?;
    let folder = tree::target().join("bench-console");
    std::fs::create_dir_all(&folder).map_err(|error| Trouble::file("made", &folder, &error))?;
    let fleet = FLEET.start(&folder)?;
    println!("{} shows {} machines.", fleet.about.server, FLEET.vms);
    let mut figures = Command::new("npm");
    figures.args(["--prefix", "web", "run", "--silent", "figures"]);
    in_front(figures.env("HOSTLER_READY", &fleet.ready))
}

/// Runs the kill stories with as many moments as are promised.
///
/// # Errors
/// Something cannot be built, or a story fails.
pub fn soak(kills: Option<u32>) -> Result<(), Trouble> {
    in_front(commands::command(&["cargo", "build"]).args(commands::PROGRAMS))?;
    let kills = kills.map_or_else(|| SOAK_KILLS.to_owned(), |kills| kills.to_string());
    in_front(&mut commands::command(&[
        "cargo",
        "test",
        "-p",
        "hostler-testbed",
        "--test",
        "it",
        "--no-run",
    ]))?;
    let mut stories = commands::command(&[tree::target().join("debug/hostler-testbed")]);
    stories.args(["apart", "--", "cargo", "test", "-p", "hostler-testbed", "--test", "it", "--"]);
    // One at a time: what is measured is the length of the work, and the blows are spread over that.
    stories.args(["--ignored", "--nocapture", "--test-threads=1", "kills"]);
    in_front(stories.env("HOSTLER_KILLS", kills))
}

/// Runs a program before the caller's eyes.
fn in_front(command: &mut Command) -> Result<(), Trouble> {
    command.current_dir(tree::top()).stdin(Stdio::null());
    let line = commands::line_of(command);
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
