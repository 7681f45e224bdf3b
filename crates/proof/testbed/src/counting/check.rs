//! From what was written and seen of machines on all hosts: which of them ran on two at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::logs::Said;
use super::watch::Sighting;

/// A machine goes from one host to another at most so often within [`WHILE`]. One that really moves takes longer for each;
/// one that runs on two at once is seen now here, now there.
const MOVES: usize = 2;
const WHILE: Duration = Duration::from_secs(1);

/// All that is known of which machine ran where.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What the guests said.
    pub said: Said,
    /// When they were heard, by machine.
    pub heard: BTreeMap<String, Vec<Sighting>>,
    /// When their processors used time, by machine.
    pub used: BTreeMap<String, Vec<Sighting>>,
}

/// That a machine ran on two hosts at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twice {
    /// Its domain's UUID.
    pub machine: String,
    /// The hosts.
    pub hosts: BTreeSet<String>,
    /// From what it follows.
    pub how: How,
}

/// From what it follows that a machine ran twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// One number was said on both.
    Number {
        /// The lowest.
        first: u64,
        /// How many.
        count: usize,
    },
    /// It was heard on one, on the other, on the first and on the other again, within a second.
    Heard {
        /// When that began, since the watch began.
        at: Duration,
    },
    /// Its processors used time on one, on the other, on the first and on the other again, within a second.
    Used {
        /// When that began, since the watch began.
        at: Duration,
    },
}

impl fmt::Display for Twice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
        write!(f, "machine {} ran on {hosts} at once: ", self.machine)?;
        match self.how {
            How::Number { first, count } => write!(f, "{count} numbers were said on both, from {first} on"),
            How::Heard { at } => write!(f, "it was heard on both in the second after {at:.1?}"),
            How::Used { at } => write!(f, "its processors ran on both in the second after {at:.1?}"),
        }
    }
}

/// Which machines ran on two hosts at once; empty when none did, as far as the evidence goes.
pub fn check(evidence: &Evidence) -> Vec<Twice> {
    let mut found = Vec::new();
    for (machine, by_host) in &evidence.said.0 {
        let mut said: BTreeMap<u64, BTreeSet<&String>> = BTreeMap::new();
        for (host, counts) in by_host {
            for count in counts {
                said.entry(count.number).or_default().insert(host);
            }
        }
        said.retain(|_, hosts| hosts.len() > 1);
        if let Some(first) = said.keys().next() {
            let hosts = said.values().flatten().map(|host| (*host).clone()).collect();
            let how = How::Number { first: *first, count: said.len() };
            found.push(Twice { machine: machine.clone(), hosts, how });
        }
    }
    type Why = fn(Duration) -> How;
    let kinds: [(_, Why); 2] =
        [(&evidence.heard, |at| How::Heard { at }), (&evidence.used, |at| How::Used { at })];
    for (seen, how) in kinds {
        for (machine, sightings) in seen {
            if let Some((at, hosts)) = moves_too_fast(sightings) {
                found.push(Twice { machine: machine.clone(), hosts, how: how(at) });
            }
        }
    }
    found
}

/// When, and between which hosts, something moved more often than a machine can.
fn moves_too_fast(sightings: &[Sighting]) -> Option<(Duration, BTreeSet<String>)> {
    let mut sorted: Vec<&Sighting> = sightings.iter().collect();
    sorted.sort_by_key(|sighting| (sighting.until, sighting.from));
    // Each was surely after the one before it, on another host: between them it moved. As many moves as can be found.
    let mut chain: Vec<&Sighting> = Vec::new();
    for sighting in sorted {
        if chain.last().is_none_or(|last| last.host != sighting.host && last.until <= sighting.from) {
            chain.push(sighting);
        }
    }
    chain.windows(MOVES + 2).find_map(|window| {
        let (first, last) = (window.first()?, window.last()?);
        let fast = last.from.saturating_sub(first.until) < WHILE;
        fast.then(|| (first.from, window.iter().map(|sighting| sighting.host.clone()).collect()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::logs::Count;
    use super::*;

    fn said(runs: &[(&str, std::ops::Range<u64>)]) -> Evidence {
        let mut by_host: BTreeMap<String, Vec<Count>> = BTreeMap::new();
        for (host, numbers) in runs {
            let counts = numbers.clone().map(|number| Count { number, boot: "boot".into() });
            by_host.entry((*host).into()).or_default().extend(counts);
        }
        Evidence { said: Said(BTreeMap::from([("web".into(), by_host)])), ..Evidence::default() }
    }

    /// Seen on a host in a tenth of a second, by its number.
    fn seen(host: &str, tenths: std::ops::Range<u64>) -> impl Iterator<Item = Sighting> {
        let at = |tenth: u64| Duration::from_millis(tenth * 100);
        tenths.map(move |tenth| Sighting { host: host.into(), from: at(tenth), until: at(tenth + 1) })
    }

    fn heard(all: Vec<Sighting>) -> Vec<Twice> {
        check(&Evidence { heard: BTreeMap::from([("web".into(), all)]), ..Evidence::default() })
    }

    #[test]
    fn a_machine_that_moves_there_and_back_ran_once() {
        assert_eq!(check(&said(&[("a", 1..100), ("b", 100..250), ("a", 250..300)])), []);
        let moved = seen("a", 0..20).chain(seen("b", 19..40)).chain(seen("a", 40..60));
        assert_eq!(heard(moved.collect()), []);
        let quickly = seen("a", 0..5).chain(seen("b", 5..8)).chain(seen("a", 8..20));
        assert_eq!(heard(quickly.collect()), []);
    }

    #[test]
    fn one_number_on_two_hosts_is_found_and_named() {
        let found = check(&said(&[("a", 1..101), ("b", 100..200), ("c", 200..300)]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].how, How::Number { first: 100, count: 1 });
        assert_eq!(found[0].hosts, ["a", "b"].map(String::from).into());
        assert!(found[0].to_string().contains("ran on a and b at once"), "{}", found[0]);
    }

    #[test]
    fn the_same_number_of_two_machines_is_nothing() {
        let mut evidence = said(&[("a", 1..100)]);
        let other = said(&[("b", 1..100)]).said.0.remove("web").unwrap();
        evidence.said.0.insert("db".into(), other);
        assert_eq!(check(&evidence), []);
    }

    #[test]
    fn one_that_is_heard_on_two_hosts_for_a_second_ran_twice_also_when_no_number_is_the_same() {
        let both: Vec<_> = seen("a", 0..40).chain(seen("b", 25..40)).collect();
        let found = heard(both);
        assert!(matches!(found[..], [Twice { how: How::Heard { .. }, .. }]), "{found:?}");
        let how = Evidence {
            used: BTreeMap::from([("web".into(), seen("a", 0..40).chain(seen("b", 25..40)).collect())]),
            ..Evidence::default()
        };
        assert!(matches!(check(&how)[..], [Twice { how: How::Used { .. }, .. }]));
    }

    #[test]
    fn what_may_have_been_at_one_moment_each_is_no_proof() {
        // The watch itself was late: all of it may have been one after the other.
        let long = |host: &str, from, until| Sighting {
            host: host.into(),
            from: Duration::from_secs(from),
            until: Duration::from_secs(until),
        };
        let late = vec![long("a", 0, 9), long("b", 0, 9), long("a", 1, 9), long("b", 2, 9)];
        assert_eq!(heard(late), []);
    }
}
