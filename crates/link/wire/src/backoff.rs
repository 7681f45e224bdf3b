//! How long an agent waits before it dials again.

use std::time::Duration;

/// The first wait after a network fault.
const FIRST_MS: u64 = 250;
/// The longest. Larger, and hosts stay away needlessly long after a restart of the server; smaller, and a server
/// that is down is knocked at without need. A thousand hosts coming back at once cost half a second of two cores.
const CAP_MS: u64 = 5_000;
/// After a refusal that time alone does not heal.
const SLOW_MS: u64 = 60_000;

/// The waits between an agent's tries: doubling to 5 s after network faults, a minute after a refused certificate,
/// each with jitter from a real source of chance, so that hosts that were cut together do not return together.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    faults: u32,
}

impl Backoff {
    /// Forgets earlier faults: the connection was made and held.
    pub fn reset(&mut self) {
        self.faults = 0;
    }

    /// How long to wait after a failed try, or after a session that was lost.
    pub fn after(&mut self, slow: bool) -> Duration {
        if slow {
            return Duration::from_millis(jitter(SLOW_MS));
        }
        let full = FIRST_MS.saturating_mul(1 << self.faults.min(16)).min(CAP_MS);
        self.faults = self.faults.saturating_add(1);
        Duration::from_millis(jitter(full))
    }
}

/// Between half of `full` and `full`.
pub(crate) fn jitter(full: u64) -> u64 {
    // Without randomness TLS would not work either; the middle is then as good as any.
    let chance = crate::key::random::<8>().map(u64::from_ne_bytes).unwrap_or(u64::MAX / 2);
    let half = full / 2;
    half + chance % (full - half + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        for full in [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            let wait = backoff.after(false).as_millis() as u64;
            assert!((full / 2..=full).contains(&wait), "{wait} ms of {full}");
        }
        backoff.reset();
        assert!(backoff.after(false).as_millis() <= 250);
    }

    #[test]
    fn a_refused_certificate_waits_about_a_minute() {
        let wait = Backoff::default().after(true).as_secs();
        assert!((30..=60).contains(&wait), "{wait} s");
    }

    #[test]
    fn hosts_that_were_cut_together_do_not_return_together() {
        let waits: std::collections::BTreeSet<_> =
            (0..100).map(|_| Backoff { faults: 9 }.after(false).as_millis()).collect();
        assert!(waits.len() > 80, "only {} different waits of 100", waits.len());
    }
}
