//! Turns for agents that come back all at once: after a restart of the server or a cut of its network each one tells all
//! that it has, and the loop, the store and everybody who asks meanwhile would drown in it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Hands out turns at a bounded rate, first come, first served.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    next: Mutex<Option<Instant>>,
}

impl Turns {
    /// When it is the turn of the one who asks: now, where nobody else asked just before.
    pub(crate) fn take(&self, per_s: u32) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + Duration::from_secs(1) / per_s.max(1));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_alone_waits_for_nobody_and_a_crowd_is_spread() {
        let turns = Turns::default();
        let begun = Instant::now();
        let first = turns.take(100);
        let last = (0..300).map(|_| turns.take(100)).last().unwrap();
        assert_eq!(last - first, Duration::from_secs(3));
        *turns.next.lock().unwrap() = Some(begun);
        assert!(turns.take(100) <= Instant::now(), "those before are through: nobody waits");
    }
}
