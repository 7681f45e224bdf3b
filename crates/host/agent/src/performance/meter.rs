//! From counters that only grow to what happened in between.

use crate::performance::history::{FINE_MS, SERIES, UNKNOWN, Values};

/// What can be read of a machine or of the host at a moment. What cannot is none: not zero, from which a leap would
/// follow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Processor time used, in nanoseconds.
    pub processor_ns: Option<u64>,
    /// How many processors there are.
    pub processors: u32,
    /// Memory in use now, in MiB.
    pub memory_mib: Option<f32>,
    /// Bytes read from disks and written to them.
    pub disk_bytes: Option<(u64, u64)>,
    /// Bytes received and sent over the network.
    pub net_bytes: Option<(u64, u64)>,
}

/// Over a longer span a mean says nothing of any moment in it.
const LONGEST_SPAN_MS: i64 = 60_000;

/// Remembers each counter as it was last known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter([Option<(i64, u64)>; SERIES]);

impl Meter {
    /// What happened since the last look, by a clock that never goes back. Beside each value, how many slots before this
    /// one it speaks for as well.
    pub(crate) fn read(&mut self, at_ms: i64, counters: &Counters) -> (Values, [u32; SERIES]) {
        let (mut values, mut reaching) = (UNKNOWN, [0; SERIES]);
        let counted = [
            counters.processor_ns,
            None,
            counters.disk_bytes.map(|(read, _)| read),
            counters.disk_bytes.map(|(_, written)| written),
            counters.net_bytes.map(|(received, _)| received),
            counters.net_bytes.map(|(_, sent)| sent),
        ];
        for (series, counter) in counted.into_iter().enumerate() {
            let Some(now) = counter else { continue };
            let before = self.0[series].replace((at_ms, now));
            // One that shrank was begun anew: the machine was started again, or a disk was taken away.
            if let Some((then_ms, then)) = before
                && now >= then
                && at_ms > then_ms
                && at_ms - then_ms <= LONGEST_SPAN_MS
            {
                let span_ms = at_ms - then_ms;
                values[series] = ((now - then) as f64 * 1_000.0 / span_ms as f64) as f32;
                let slots = (span_ms + FINE_MS / 2) / FINE_MS;
                reaching[series] = u32::try_from(slots - 1).unwrap_or(0);
            }
        }
        // From nanoseconds a second to percent of all processors. Threads that are no processor's count, too.
        values[0] = match counters.processors {
            0 => f32::NAN,
            // Unlike `min`, it leaves what is not known as it is.
            processors => (values[0] / (processors as f32 * 1e7)).clamp(0.0, 100.0),
        };
        if let Some(memory) = counters.memory_mib {
            values[1] = memory;
        }
        (values, reaching)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(processor_ns: u64, disk: Option<u64>) -> Counters {
        Counters {
            processor_ns: Some(processor_ns),
            processors: 2,
            memory_mib: Some(64.0),
            disk_bytes: disk.map(|bytes| (bytes, 2 * bytes)),
            net_bytes: None,
        }
    }

    #[test]
    fn counters_become_rates_and_the_first_look_tells_none() {
        let mut meter = Meter::default();
        let (first, _) = meter.read(0, &counters(5_000_000_000, Some(1_000)));
        assert!(first[0].is_nan() && first[2].is_nan() && first[1] == 64.0);
        let (second, reaching) = meter.read(10_000, &counters(10_000_000_000, Some(21_000)));
        assert_eq!((second[0], second[2], second[3]), (25.0, 2_000.0, 4_000.0));
        assert!(second[4].is_nan(), "it has no adapter");
        assert_eq!(reaching, [0; SERIES]);
    }

    #[test]
    fn a_machine_that_was_started_again_shows_no_leap() {
        let mut meter = Meter::default();
        meter.read(0, &counters(9_000_000_000, Some(5_000_000)));
        let (again, _) = meter.read(10_000, &counters(1_000_000_000, Some(100)));
        assert!(again[0].is_nan() && again[2].is_nan());
        let (then, _) = meter.read(20_000, &counters(3_000_000_000, Some(10_100)));
        assert_eq!((then[0], then[2]), (10.0, 1_000.0));
    }

    #[test]
    fn what_a_busy_machine_did_not_tell_is_made_up_for_by_the_next_look() {
        let mut meter = Meter::default();
        meter.read(0, &counters(0, Some(1_000_000)));
        let (busy, _) = meter.read(10_000, &counters(0, None));
        assert!(busy[2].is_nan());
        let (then, reaching) = meter.read(20_000, &counters(0, Some(1_040_000)));
        assert_eq!((then[2], reaching[2], reaching[0]), (2_000.0, 1, 0), "not the whole counter in one slot");
        let (later, _) = meter.read(200_000, &counters(0, Some(9_000_000)));
        assert!(later[2].is_nan(), "the computer slept");
    }
}
