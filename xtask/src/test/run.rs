//! Runs phases: most one after another in front of the reader, some beside those. A failed phase ends what needs
//! it and nothing else, so that one run tells as much as it can.

use std::io::{Write, sink, stdout};
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use super::browser;
use super::counts::Counts;
use super::pages;
use super::phases::{Phase, Step};
use crate::packages::{self, Manners};
use crate::trouble::Trouble;
use crate::{commands, fuzz_api, site, tiny_linux, tree, web};

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Well,
    Failed,
    /// A phase that it comes after did not end well.
    NotBegun,
}

/// What is told of a phase in the end.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    pub seconds: f64,
    /// What was left out is counted only where another phase owes it.
    pub counts: Counts,
    /// How many of its tests were owed by an earlier phase.
    pub paid: u32,
    pub outcome: Outcome,
}

/// Runs the phases in their order. One that `chosen` lacks counts as done.
pub fn all(chosen: &[&'static Phase], manners: Manners) -> Vec<Row> {
    let mut rows = Vec::new();
    thread::scope(|scope| {
        let mut beside: Vec<(&'static Phase, ScopedJoinHandle<'_, Row>)> = Vec::new();
        for phase in chosen {
            let (needed, others) =
                beside.into_iter().partition(|(other, _)| phase.after.contains(&other.name));
            beside = others;
            rows.extend(joined(needed));
            let failed = |row: &Row| row.outcome != Outcome::Well && phase.after.contains(&row.name);
            if rows.iter().any(failed) {
                rows.push(Row {
                    name: phase.name,
                    seconds: 0.0,
                    counts: Counts::default(),
                    paid: 0,
                    outcome: Outcome::NotBegun,
                });
            } else if phase.beside {
                beside.push((phase, scope.spawn(move || one(phase, manners))));
            } else {
                rows.push(one(phase, manners));
            }
        }
        rows.extend(joined(beside));
    });
    rows.sort_by_key(|row| chosen.iter().position(|phase| phase.name == row.name));
    rows
}

fn joined(phases: Vec<(&'static Phase, ScopedJoinHandle<'_, Row>)>) -> Vec<Row> {
    let lost =
        |name| Row { name, seconds: 0.0, counts: Counts::default(), paid: 0, outcome: Outcome::Failed };
    phases.into_iter().map(|(phase, row)| row.join().unwrap_or_else(|_| lost(phase.name))).collect()
}

fn one(phase: &'static Phase, manners: Manners) -> Row {
    let mut said: Box<dyn Write> = if phase.beside { Box::new(sink()) } else { Box::new(stdout()) };
    println!("\n== {}: {}", phase.name, phase.what);
    let started = Instant::now();
    let mut row =
        Row { name: phase.name, seconds: 0.0, counts: Counts::default(), paid: 0, outcome: Outcome::Well };
    for step in phase.steps {
        if let Err(trouble) = take(step, manners, &mut row, &mut said) {
            println!("\n{}: {trouble}", phase.name);
            row.outcome = Outcome::Failed;
            break;
        }
    }
    row.seconds = started.elapsed().as_secs_f64();
    println!("== {} took {:.1} s", phase.name, row.seconds);
    row
}

fn take(step: &Step, manners: Manners, row: &mut Row, said: &mut dyn Write) -> Result<(), Trouble> {
    match step {
        Step::Packages(groups) => packages::ensure(groups, manners).map(drop),
        Step::TinyLinux => tiny_linux::build().map(drop),
        Step::Run(line) => run(line, said).map(drop),
        Step::Tests(which) => {
            let counts = count(&test_line(has_nextest(), which, false), None, said)?;
            row.counts = row.counts.plus(counts);
            fail_if(counts)
        }
        Step::SetAside(which) => {
            let disk = tiny_linux::build()?;
            // Built where there is a way out, run where there is none.
            run(&built_line(which), said)?;
            let testbed = tree::target().join("debug/hostler-testbed").display().to_string();
            let line = [&[&*testbed, "apart", "--"], &*test_line(has_nextest(), which, true)].concat();
            let counts = count(&line, Some(&disk), said)?;
            row.paid += counts.passed + counts.failed;
            row.counts = row.counts.plus(Counts { left_out: 0, ..counts });
            fail_if(counts)
        }
        Step::Console => web::build(),
        Step::Browser => {
            let counts = browser::stories(said)?;
            row.counts = row.counts.plus(counts);
            fail_if(counts)
        }
        Step::Pages => {
            let counts = pages::run(said)?;
            row.counts = row.counts.plus(counts);
            fail_if(counts)
        }
        Step::Site => site::build().map(drop),
        Step::FuzzApi => fuzz_api::run(None, said),
        Step::DocTests(which) => {
            let counts = count(&[&["cargo", "test", "--quiet", "--doc"], *which].concat(), None, said)?;
            row.counts = row.counts.plus(counts);
            fail_if(counts)
        }
    }
}

fn fail_if(counts: Counts) -> Result<(), Trouble> {
    if counts.failed == 0 {
        return Ok(());
    }
    Err(Trouble::new(format!("{} tests failed.", counts.failed), "See above which, and why."))
}

fn has_nextest() -> bool {
    commands::find_program("cargo-nextest").is_some()
}

/// The command that runs tests. All of them run also when one fails: one run tells all.
fn test_line<'a>(nextest: bool, which: &[&'a str], set_aside: bool) -> Vec<&'a str> {
    let (start, end): (&[&str], &[&str]) = match (nextest, set_aside) {
        (true, false) => (&["cargo", "nextest", "run"], &["--no-fail-fast", "--no-tests", "pass"]),
        (true, true) => {
            (&["cargo", "nextest", "run"], &["--run-ignored", "only", "--no-fail-fast", "--no-tests", "pass"])
        }
        (false, false) => (&["cargo", "test", "--tests"], &["--no-fail-fast"]),
        (false, true) => (&["cargo", "test", "--tests"], &["--no-fail-fast", "--", "--ignored"]),
    };
    [start, which, end].concat()
}

/// The command that builds tests and runs none.
fn built_line<'a>(which: &[&'a str]) -> Vec<&'a str> {
    let no_run: &[&str] = if has_nextest() {
        &["cargo", "nextest", "run", "--no-run", "--cargo-quiet"]
    } else {
        &["cargo", "test", "--no-run", "--quiet", "--tests"]
    };
    [no_run, which].concat()
}

/// Runs tests; failed ones are counted, and everything else that fails is trouble.
fn count(line: &[&str], disk: Option<&Path>, said: &mut dyn Write) -> Result<Counts, Trouble> {
    let mut command = prepared(line);
    if let Some(disk) = disk {
        command.env("HOSTLER_TINY_LINUX", disk);
    }
    let finished = commands::watched(&mut command, said)?;
    match Counts::parse(&finished.said) {
        Some(counts) if finished.success || counts.failed > 0 => Ok(counts),
        _ => Err(commands::failed(&command, &finished.said)),
    }
}

fn run(line: &[&str], said: &mut dyn Write) -> Result<(), Trouble> {
    let mut command = prepared(line);
    let finished = commands::watched(&mut command, said)?;
    if finished.success { Ok(()) } else { Err(commands::failed(&command, &finished.said)) }
}

fn prepared(line: &[&str]) -> std::process::Command {
    let mut command = commands::command(line);
    // Colours would hide the summaries from us.
    command.current_dir(tree::top()).env("CARGO_TERM_COLOR", "never").env("NEXTEST_HIDE_PROGRESS_BAR", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(name: &'static str, after: &'static [&'static str], line: &'static [Step]) -> &'static Phase {
        Box::leak(Box::new(Phase { name, what: "", beside: name.starts_with("beside"), after, steps: line }))
    }

    #[test]
    fn a_failed_phase_stops_what_needs_it_and_nothing_else() {
        let chosen = [
            phase("bad", &[], &[Step::Run(&["false"])]),
            phase("needs-bad", &["bad"], &[Step::Run(&["true"])]),
            phase("free", &[], &[Step::Run(&["true"])]),
        ];
        let outcomes: Vec<_> = all(&chosen, Manners::default()).iter().map(|row| row.outcome).collect();
        assert_eq!(outcomes, [Outcome::Failed, Outcome::NotBegun, Outcome::Well]);
    }

    #[test]
    fn a_phase_waits_for_one_that_runs_beside_when_it_needs_it() {
        let chosen = [
            phase("beside-bad", &[], &[Step::Run(&["false"])]),
            phase("needs-it", &["beside-bad"], &[Step::Run(&["true"])]),
        ];
        let rows = all(&chosen, Manners::default());
        assert_eq!(rows[1].outcome, Outcome::NotBegun);
    }

    #[test]
    fn a_command_without_a_summary_is_a_failure_even_when_it_ends_well() {
        assert!(count(&["true"], None, &mut sink()).is_err());
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let trouble = run(&["hostler-no-such-program"], &mut sink()).unwrap_err();
        assert!(trouble.cause.contains("hostler-no-such-program"), "{trouble}");
    }

    #[test]
    fn the_ones_set_aside_are_chosen_with_either_runner() {
        assert!(test_line(true, &["--workspace"], true).contains(&"--run-ignored"));
        assert!(test_line(false, &["--workspace"], true).ends_with(&["--", "--ignored"]));
    }
}
