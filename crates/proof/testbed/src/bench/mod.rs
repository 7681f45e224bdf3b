//! Figures of the whole program: the speeds that are promised, each measured against what a user would do without
//! Hostler, in turns, so that a busy moment of the computer falls on both.

mod figures;
mod fleet;
mod freshness;
mod large;
mod machines;
mod moving;
mod size;

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::trouble::{Result, Trouble};

use figures::Line;

/// A bench by its name.
type Bench = (&'static str, &'static str, fn(u32) -> Result<Vec<Line>>);

/// All benches.
const ALL: [Bench; 9] = [
    ("start", "a machine started through Hostler, and by `virsh start`", machines::start),
    ("deploy", "template to running, and a script of qemu-img and virsh", machines::deploy),
    ("freshness", "what is done with virsh, until a client that watches has it", freshness::freshness),
    (
        "migrate",
        "live migration between two hosts, and `virsh migrate` through the same sockets",
        moving::migrate,
    ),
    ("list", "`hostler vm list` of 1,000 machines, whole process", fleet::list),
    ("memory", "the server's memory after 1,000 jobs", fleet::memory),
    ("jobs", "jobs per second, each of two steps on simulated agents", fleet::jobs),
    (
        "large",
        "1,000 hosts with 20,000 machines: processor, memory, freshness, lists, a restart (HOSTLER_HOSTS is another number)",
        large::large,
    ),
    ("size", "lists and windows over 20,000 machines (HOSTLER_SIZE is another number)", size::size),
];

/// What is measured.
#[derive(Debug, clap::Args)]
pub struct Benches {
    /// Which: start, deploy, freshness, migrate, list, memory, jobs, large, size. All when absent.
    names: Vec<String>,
    /// How many pairs, or runs.
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// Write the table into this file too.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Measures and prints a table.
///
/// # Errors
/// A name is no bench, or something of what is measured fails.
pub fn measure(benches: &Benches) -> Result<()> {
    if let Some(name) = benches.names.iter().find(|name| ALL.iter().all(|(known, ..)| known != name)) {
        return Err(Trouble::Answer(format!(
            "there is no bench {name}: start, deploy, freshness, migrate, list, memory, jobs, large, size"
        )));
    }
    let mut table = String::from("| what | median | p95 | promised | n |\n| --- | --- | --- | --- | --- |\n");
    for (name, what, bench) in ALL {
        if !benches.names.is_empty() && !benches.names.iter().any(|chosen| chosen == name) {
            continue;
        }
        eprintln!("{name}: {what} …");
        for line in bench(benches.runs.max(1))? {
            eprintln!("  {line}");
            let _ = writeln!(table, "{line}");
        }
    }
    println!("{table}");
    if let Some(out) = &benches.out {
        std::fs::write(out, &table).map_err(Trouble::file(out))?;
    }
    Ok(())
}
