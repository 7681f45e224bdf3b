//! Reads from what test runners say how many tests ran.

/// How many tests passed, failed and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u32,
    pub failed: u32,
    /// For a run of ordinary tests: those marked `#[ignore]`. For a run of only those: the ordinary ones.
    pub left_out: u32,
}

impl Counts {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            left_out: self.left_out + other.left_out,
        }
    }

    /// From the summary of `node --test`, in either of its ways to write; `None` when there is none.
    pub fn parse_node(said: &str) -> Option<Self> {
        let mut counts = None;
        for line in said.lines() {
            let Some(line) = line.trim().strip_prefix("# ").or_else(|| line.trim().strip_prefix("ℹ "))
            else {
                continue;
            };
            let Some((word, Ok(number))) = line.split_once(' ').map(|(word, n)| (word, n.parse::<u32>()))
            else {
                continue;
            };
            let counts: &mut Self = match word {
                "pass" | "fail" | "cancelled" | "skipped" | "todo" => counts.get_or_insert_default(),
                _ => continue,
            };
            match word {
                "pass" => counts.passed += number,
                "fail" | "cancelled" => counts.failed += number,
                _ => counts.left_out += number,
            }
        }
        counts
    }

    /// From the summaries of `cargo nextest run` (one) or `cargo test` (one for each binary); `None` when there is
    /// no summary at all, which is never a success.
    pub fn parse(said: &str) -> Option<Self> {
        let summaries = said.lines().filter_map(summary);
        summaries.map(count).reduce(Self::plus)
    }
}

/// The part of a summary's line that counts.
fn summary(line: &str) -> Option<&str> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("Summary [") {
        return rest.split_once("run: ").map(|(_, counts)| counts);
    }
    line.strip_prefix("test result: ")?.split_once(". ").map(|(_, counts)| counts)
}

/// Of `3 passed (1 slow), 1 failed, 2 skipped` and the like.
fn count(counts: &str) -> Counts {
    let mut total = Counts::default();
    for part in counts.split([',', ';']) {
        let mut words = part.split_whitespace();
        let Some(Ok(number)) = words.next().map(str::parse::<u32>) else { continue };
        match words.next() {
            Some("passed") => total.passed += number,
            Some("failed" | "exec" | "timed") => total.failed += number,
            Some("skipped" | "ignored") => total.left_out += number,
            _ => {}
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextests_summary_is_read() {
        let said =
            "     Summary [   0.005s] 7 tests run: 5 passed (1 slow), 1 failed, 1 timed out, 2 skipped\n";
        assert_eq!(Counts::parse(said), Some(Counts { passed: 5, failed: 2, left_out: 2 }));
    }

    #[test]
    fn a_summary_of_one_test_is_read() {
        let said = "     Summary [   0.005s] 1 test run: 1 passed, 0 skipped\n";
        assert_eq!(Counts::parse(said), Some(Counts { passed: 1, failed: 0, left_out: 0 }));
    }

    #[test]
    fn a_run_that_was_cut_short_counts_what_ran() {
        let said = "     Summary [   0.005s] 4/9 tests run: 3 passed, 1 failed, 0 skipped\n";
        assert_eq!(Counts::parse(said), Some(Counts { passed: 3, failed: 1, left_out: 0 }));
    }

    #[test]
    fn the_results_of_all_binaries_of_cargo_test_are_added() {
        let said = "\
test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s
";
        assert_eq!(Counts::parse(said), Some(Counts { passed: 6, failed: 3, left_out: 1 }));
    }

    #[test]
    fn nodes_summary_is_read_in_both_of_its_ways() {
        let tap = "# tests 16\n# suites 0\n# pass 12\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 1\n# duration_ms 4.2\n";
        let counts = Some(Counts { passed: 12, failed: 2, left_out: 2 });
        assert_eq!(Counts::parse_node(tap), counts);
        assert_eq!(Counts::parse_node(&tap.replace('#', "ℹ")), counts);
        assert_eq!(Counts::parse_node("# Subtest: a story that began\nKilled\n"), None);
    }

    #[test]
    fn words_without_a_summary_are_no_count() {
        assert_eq!(Counts::parse("error: could not compile\n"), None);
    }
}
