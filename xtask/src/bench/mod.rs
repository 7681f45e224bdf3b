//! Figures of the whole program: builds what is measured, lets `hostler-testbed` measure it, and
//! keeps the table in `target/bench.md`. What a figure means is the testbed's.

use std::process::Command;

use crate::commands::in_front;
use crate::fleet::Fleet;
use crate::trouble::Trouble;
use crate::{commands, tiny_linux, tree, web};

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
