//! Medians, and lines of the table.

use std::fmt;
use std::time::Duration;

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    what: String,
    median: String,
    p95: String,
    promised: String,
    n: usize,
}

impl Line {
    /// Of times.
    pub(super) fn times(what: &str, times: &[Duration], promised: &str) -> Self {
        let at = |part: f64| format!("{:.1} ms", of(times, part).as_secs_f64() * 1_000.0);
        Self { what: what.into(), median: at(0.5), p95: at(0.95), promised: promised.into(), n: times.len() }
    }

    /// Of times whose slowest ones matter.
    pub(super) fn tail(what: &str, times: &[Duration], promised: &str) -> Self {
        let line = Self::times(what, times, promised);
        let p99 = of(times, 0.99).as_secs_f64() * 1_000.0;
        Self { p95: format!("{}; p99 {p99:.1} ms", line.p95), ..line }
    }

    /// Of pairs: how much longer ours took than theirs, as a ratio of medians and as the median of differences.
    pub(super) fn ratio(ours: &[Duration], theirs: &[Duration], promised: &str) -> Self {
        let ratio = |part: f64| of(ours, part).as_secs_f64() / of(theirs, part).as_secs_f64();
        let more = of(ours, 0.5).as_secs_f64() - of(theirs, 0.5).as_secs_f64();
        Self {
            what: "  ratio".into(),
            median: format!("{:.2}× ({:+.1} ms)", ratio(0.5), more * 1_000.0),
            p95: format!("{:.2}×", ratio(0.95)),
            promised: promised.into(),
            n: ours.len().min(theirs.len()),
        }
    }

    /// Of one figure.
    pub(super) fn one(what: &str, figure: String, promised: &str) -> Self {
        Self { what: what.into(), median: figure, p95: String::new(), promised: promised.into(), n: 1 }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {} | {} | {} |", self.what, self.median, self.p95, self.promised, self.n)
    }
}

/// The time that this part of all are not above.
fn of(times: &[Duration], part: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_twenty_times_the_tenth_is_the_median_and_the_nineteenth_the_p95() {
        let times: Vec<Duration> = (1..=20).rev().map(Duration::from_millis).collect();
        assert_eq!(
            (of(&times, 0.5), of(&times, 0.95)),
            (Duration::from_millis(10), Duration::from_millis(19))
        );
        assert_eq!(of(&[], 0.5), Duration::ZERO);
    }
}
