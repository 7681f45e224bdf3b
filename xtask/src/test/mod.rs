//! What CI runs, and everybody before a commit: the phases of one table, each timed, their tests counted. A run
//! that ran too few tests, or left one out, has failed. What the phases do is `phases.rs`'s business.

pub mod browser;
mod counts;
pub mod pages;
mod phases;
mod run;

use crate::packages::Manners;
use crate::trouble::Trouble;
use phases::{LEAST_TESTS, PHASES, Phase};
use run::{Outcome, Row};

/// Prints the phases and what each shows.
pub fn list() {
    for phase in PHASES {
        println!("{:<12}{}", phase.name, phase.what);
    }
}

/// Runs the phases that `only` names, or all of them.
///
/// # Errors
/// When a name is unknown, a phase failed, or a whole run ran too few tests or left some out.
pub fn run(only: &[String], manners: Manners) -> Result<(), Trouble> {
    let chosen = choose(only)?;
    let rows = run::all(&chosen, manners);
    let whole = chosen.len() == PHASES.len();
    let tally = Tally::of(&rows);
    print_table(&rows);
    let verdict = tally.verdict(whole);
    println!("\n{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    verdict
}

fn choose(only: &[String]) -> Result<Vec<&'static Phase>, Trouble> {
    if let Some(unknown) = only.iter().find(|name| PHASES.iter().all(|phase| phase.name != **name)) {
        let names: Vec<_> = PHASES.iter().map(|phase| phase.name).collect();
        return Err(Trouble::new(
            format!("There is no phase called {unknown}."),
            format!("Name one or more of: {}.", names.join(", ")),
        ));
    }
    Ok(PHASES.iter().filter(|phase| only.is_empty() || only.iter().any(|name| name == phase.name)).collect())
}

fn print_table(rows: &[Row]) {
    println!("\n{:<12} {:>8} {:>6} {:>8}", "phase", "seconds", "tests", "skipped");
    for row in rows {
        let (tests, set_aside) = (row.counts.passed + row.counts.failed, row.counts.left_out);
        let note = match row.outcome {
            Outcome::Well if set_aside > 0 => "  (skipped here, owed by a later phase)",
            Outcome::Well => "",
            Outcome::Failed => "  FAILED",
            Outcome::NotBegun => "  not begun: a phase it needs failed",
        };
        println!("{:<12} {:>8.1} {tests:>6} {set_aside:>8}{note}", row.name, row.seconds);
    }
}

/// The whole run in numbers.
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
    bad: Vec<&'static str>,
}

impl Tally {
    fn of(rows: &[Row]) -> Self {
        let all = rows.iter().fold(counts::Counts::default(), |sum, row| sum.plus(row.counts));
        let paid: u32 = rows.iter().map(|row| row.paid).sum();
        let bad = rows.iter().filter(|row| row.outcome != Outcome::Well).map(|row| row.name).collect();
        Self { passed: all.passed, failed: all.failed, skipped: all.left_out.saturating_sub(paid), bad }
    }

    fn verdict(&self, whole: bool) -> Result<(), Trouble> {
        if !self.bad.is_empty() {
            return Err(Trouble::new(
                format!("Failed or not begun: {}.", self.bad.join(", ")),
                format!(
                    "Mend what is said above; `cargo xtask test --only {}` repeats it alone.",
                    self.bad[0]
                ),
            ));
        }
        if !whole {
            return Ok(());
        }
        if self.skipped > 0 {
            return Err(Trouble::new(
                format!("{} tests are in no phase that runs them.", self.skipped),
                "Let a phase in xtask/src/test/phases.rs run them, or delete them.",
            ));
        }
        if self.passed < LEAST_TESTS {
            return Err(Trouble::new(
                format!("Only {} tests ran, and there are at least {LEAST_TESTS}.", self.passed),
                "See which phase ran fewer than before; the bound stands in xtask/src/test/phases.rs.",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counts::Counts;

    fn row(name: &'static str, passed: u32, left_out: u32, paid: u32) -> Row {
        let counts = Counts { passed, failed: 0, left_out };
        Row { name, seconds: 0.0, counts, paid, outcome: Outcome::Well }
    }

    #[test]
    fn a_test_set_aside_and_run_later_is_not_skipped() {
        let tally = Tally::of(&[row("unit", LEAST_TESTS, 2, 0), row("e2e", 2, 0, 2)]);
        assert_eq!((tally.passed, tally.skipped), (LEAST_TESTS + 2, 0));
        tally.verdict(true).unwrap();
    }

    #[test]
    fn a_whole_run_that_left_a_test_out_fails_and_a_chosen_phase_does_not() {
        let tally = Tally::of(&[row("unit", LEAST_TESTS, 2, 0), row("e2e", 1, 0, 1)]);
        let trouble = tally.verdict(true).unwrap_err();
        assert!(trouble.cause.starts_with("1 tests"), "{trouble}");
        tally.verdict(false).unwrap();
    }

    #[test]
    fn a_whole_run_of_too_few_tests_fails() {
        let tally = Tally::of(&[row("unit", LEAST_TESTS - 1, 0, 0)]);
        assert!(tally.verdict(true).is_err());
        Tally::of(&[row("unit", LEAST_TESTS, 0, 0)]).verdict(true).unwrap();
    }

    #[test]
    fn a_phase_that_failed_is_named_whatever_was_counted() {
        let mut failed = row("clippy", 1000, 0, 0);
        failed.outcome = Outcome::Failed;
        let trouble = Tally::of(&[failed]).verdict(false).unwrap_err();
        assert!(trouble.cause.contains("clippy"), "{trouble}");
    }

    #[test]
    fn an_unknown_phase_is_refused_with_the_known_ones() {
        let trouble = choose(&["clipy".into()]).err().unwrap();
        assert!(trouble.remedy.contains("clippy"), "{trouble}");
    }

    #[test]
    fn a_phase_comes_after_the_phases_it_needs() {
        for (place, phase) in PHASES.iter().enumerate() {
            for needed in phase.after {
                assert!(
                    PHASES[..place].iter().any(|earlier| earlier.name == *needed),
                    "{}: {needed}",
                    phase.name
                );
            }
        }
    }
}
