//! Long stories of faults: what CI tells shortly, told long. What they assert is the testbed's.

use std::process::Command;

use crate::commands::{self, in_front};
use crate::trouble::Trouble;
use crate::{tiny_linux, tree};

/// How many moments of each piece of work are killed in, by each of three victims.
const KILLS: u32 = 20;
/// How many faults strike the fleet.
const FAULTS: u32 = 50;

/// Tells the stories of kills, of a fleet under faults, or both where nothing is chosen.
///
/// # Errors
/// Something cannot be built, or a story fails.
pub fn run(kills: Option<u32>, faults: Option<u32>, seed: Option<u64>) -> Result<(), Trouble> {
    in_front(commands::command(&["cargo", "build"]).args(commands::PROGRAMS))?;
    // As the tests build them: the stories' package by itself would have its dependencies built anew, with fewer features.
    let test = ["cargo", "test", "--quiet", "--workspace", "--test", "it"];
    in_front(commands::command(&test).arg("--no-run"))?;
    let stories = |which| {
        let mut stories = commands::command(&[tree::target().join("debug/hostler-testbed")]);
        stories.args(["apart", "--"]).args(test).arg("--");
        // One at a time: what is measured is the length of the work, and the blows are spread over that.
        stories.args(["--ignored", "--nocapture", "--test-threads=1", which]);
        stories
    };
    let fleet_alone = faults.is_some() || seed.is_some();
    if kills.is_some() || !fleet_alone {
        in_front(stories("kills::").env("HOSTLER_KILLS", kills.unwrap_or(KILLS).to_string()))?;
    }
    if fleet_alone || kills.is_none() {
        let mut fleet: Command = stories("survives::");
        fleet.env("HOSTLER_TINY_LINUX", tiny_linux::build()?);
        fleet.env("HOSTLER_FAULTS", faults.unwrap_or(FAULTS).to_string());
        if let Some(seed) = seed {
            fleet.env("HOSTLER_SEED", seed.to_string());
        }
        in_front(&mut fleet)?;
    }
    Ok(())
}
