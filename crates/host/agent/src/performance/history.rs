//! The last day of one machine, or of the host: fine for the last hour, coarse before, of bounded size, and answered at
//! whatever step is asked for. Plain arithmetic: time comes in.

use std::collections::VecDeque;

use hostler_model::Timestamp;
use hostler_model::performance::{PERFORMANCE_SPAN_MS, Performance, Series};

/// How many things are measured.
pub(crate) const SERIES: usize = 6;

/// What was measured at a time: processor percent, memory MiB, then bytes a second read, written, received, sent. What
/// is not known is no number (NaN). Four bytes are enough: nobody sees the eighth digit of a load.
pub(crate) type Values = [f32; SERIES];

/// Nothing is known.
pub(crate) const UNKNOWN: Values = [f32::NAN; SERIES];

/// How long a fine slot is, so how often is measured. Shorter shows shorter peaks, and asks libvirt about every machine
/// more often; longer makes what is shown lag behind.
pub(crate) const FINE_MS: i64 = 10_000;
/// How many fine slots are kept: an hour.
const FINE_SLOTS: usize = 360;
/// How long a coarse slot is.
const COARSE_MS: i64 = 60_000;
/// How many coarse slots are kept: a day.
const COARSE_SLOTS: usize = 1_440;

/// How many slots a value measured over a longer span is written to before its own: a minute.
const MOST_REACH: i64 = 6;

/// The most bytes that the slots of one history take.
#[cfg(test)]
pub(crate) const MOST_BYTES: usize = (FINE_SLOTS + COARSE_SLOTS) * size_of::<Values>();

/// What a bucket may be long, in seconds: each divides a minute or is whole minutes, and divides the next but one, so
/// that no slot lies across a bucket's border and the same bucket is the same at the next look.
const STEPS_S: [i64; 15] =
    [10, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];

/// Slots of equal length, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ring {
    /// Which slot the first is, counted from 1970.
    pub(crate) first: i64,
    pub(crate) slots: VecDeque<Values>,
    pub(crate) room: usize,
}

impl Ring {
    pub(crate) fn new(room: usize) -> Self {
        Self { first: 0, slots: VecDeque::new(), room }
    }

    /// The slot after the last.
    fn end(&self) -> i64 {
        self.first.saturating_add_unsigned(self.slots.len() as u64)
    }

    fn at(&self, slot: i64) -> Option<&Values> {
        self.slots.get(usize::try_from(slot.checked_sub(self.first)?).ok()?)
    }

    fn at_mut(&mut self, slot: i64) -> Option<&mut Values> {
        self.slots.get_mut(usize::try_from(slot.checked_sub(self.first)?).ok()?)
    }

    /// Forgets this slot and what is after it. The clock was set back: what was written lies in the future now.
    fn cut(&mut self, slot: i64) {
        let keep = usize::try_from(slot.saturating_sub(self.first)).unwrap_or(0);
        self.slots.truncate(keep);
    }

    /// Writes a slot, which is the last then. What lies between it and the last before is not known.
    fn put(&mut self, slot: i64, values: Values) {
        self.cut(slot);
        let gap = usize::try_from(slot.saturating_sub(self.end())).unwrap_or(0);
        if self.slots.is_empty() || gap >= self.room {
            self.slots.clear();
            self.first = slot;
        } else {
            self.slots.extend(std::iter::repeat_n(UNKNOWN, gap));
        }
        self.slots.push_back(values);
        while self.slots.len() > self.room {
            self.slots.pop_front();
            self.first += 1;
        }
    }
}

/// What is remembered of one machine, or of the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct History {
    pub(crate) fine: Ring,
    pub(crate) coarse: Ring,
}

impl Default for History {
    fn default() -> Self {
        Self { fine: Ring::new(FINE_SLOTS), coarse: Ring::new(COARSE_SLOTS) }
    }
}

impl History {
    /// Writes what was measured at a time. `reaching` says for each series how many slots before this one the same value
    /// holds for, because it was measured over a longer span: they are filled where nothing is known.
    pub(crate) fn put(&mut self, at: Timestamp, values: Values, reaching: [u32; SERIES]) {
        let (slot, minute) = (at.0.div_euclid(FINE_MS), at.0.div_euclid(COARSE_MS));
        // After so long a gap fine slots may fall out before their minute is written.
        if slot - self.fine.end() > MOST_REACH {
            self.write_minutes(minute);
        }
        self.fine.put(slot, values);
        for (series, slots) in reaching.into_iter().enumerate() {
            for back in 1..=i64::from(slots).min(MOST_REACH) {
                match self.fine.at_mut(slot - back) {
                    Some(earlier) if earlier[series].is_nan() => earlier[series] = values[series],
                    _ => break,
                }
            }
        }
        self.coarse.cut(minute);
        self.write_minutes(minute);
    }

    /// Writes the minutes before this one that have fine slots and are not yet written.
    fn write_minutes(&mut self, minute: i64) {
        let first = (self.fine.first * FINE_MS).div_euclid(COARSE_MS);
        let after = (self.fine.end() * FINE_MS + COARSE_MS - 1).div_euclid(COARSE_MS).min(minute);
        let begin = if self.coarse.slots.is_empty() { first } else { self.coarse.end().max(first) };
        for over in begin..after {
            let mut mean = Mean::default();
            mean.over(&self.fine, FINE_MS, over * COARSE_MS, (over + 1) * COARSE_MS);
            self.coarse.put(over, mean.values());
        }
    }

    /// When the newest slot ends; none when there is none.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        (!self.fine.slots.is_empty()).then(|| Timestamp(self.fine.end() * FINE_MS))
    }

    /// What is known of a span of time, in at most `points` buckets (2 or more). It begins a day ago at most, and ends
    /// with what must have been measured by `now`.
    pub(crate) fn between(&self, now: Timestamp, from: Timestamp, to: Timestamp, points: u32) -> Performance {
        let frame = Frame::of(now, from, to, points);
        // Where fine slots begin in the middle of a minute, that minute is taken from the coarse ones.
        let seam = if self.fine.slots.is_empty() {
            i64::MAX
        } else {
            let begin = self.fine.first * FINE_MS;
            match self.coarse.at(begin.div_euclid(COARSE_MS)) {
                Some(_) => (begin + COARSE_MS - 1).div_euclid(COARSE_MS) * COARSE_MS,
                None => begin,
            }
        };
        frame.filled(|begin, end| {
            let mut mean = Mean::default();
            mean.over(&self.coarse, COARSE_MS, begin, end.min(seam));
            mean.over(&self.fine, FINE_MS, begin.max(seam), end);
            mean.values()
        })
    }
}

/// The buckets of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    first: i64,
    step: i64,
    count: i64,
}

impl Frame {
    /// The smallest step with which a span is at most so many buckets.
    pub(crate) fn of(now: Timestamp, from: Timestamp, to: Timestamp, points: u32) -> Self {
        let (earliest, latest) = (now.0 - PERFORMANCE_SPAN_MS.cast_signed(), now.0 - FINE_MS);
        let to = to.0.clamp(earliest + FINE_MS, latest);
        let from = from.0.clamp(earliest, to - 1);
        let points = i64::from(points.max(2));
        let aligned = |step: i64| {
            let first = from.div_euclid(step);
            Self { first, step, count: (to + step - 1).div_euclid(step) - first }
        };
        let mut all = STEPS_S.iter().map(|seconds| aligned(seconds * 1_000));
        // A day is two buckets of a day at most.
        all.find(|frame| frame.count <= points).unwrap_or_else(|| aligned(86_400_000))
    }

    /// With what is known from the beginning to the end of each bucket, in milliseconds since 1970.
    pub(crate) fn filled(self, known: impl Fn(i64, i64) -> Values) -> Performance {
        let mut series = Series::default();
        for bucket in self.first..self.first + self.count {
            push(&mut series, known(bucket * self.step, (bucket + 1) * self.step));
        }
        Performance {
            from: Timestamp(self.first * self.step),
            to: Timestamp((self.first + self.count) * self.step),
            step_ms: self.step.unsigned_abs(),
            series,
        }
    }
}

/// Puts a bucket at the end of each series.
fn push(series: &mut Series, values: Values) {
    let whole = |value: f32| (!value.is_nan()).then_some(value.round().max(0.0) as u64);
    let [processor, memory, read, written, received, sent] = values;
    series.processor_percent.push((!processor.is_nan()).then_some((processor * 10.0).round() / 10.0));
    series.memory_mib.push(whole(memory));
    series.disk_read_bytes_s.push(whole(read));
    series.disk_write_bytes_s.push(whole(written));
    series.net_in_bytes_s.push(whole(received));
    series.net_out_bytes_s.push(whole(sent));
}

/// The mean of what is known.
#[derive(Default)]
struct Mean {
    sums: [f64; SERIES],
    weights: [f64; SERIES],
}

impl Mean {
    fn add(&mut self, values: Option<&Values>, weight: f64) {
        for (at, value) in values.into_iter().flatten().enumerate().filter(|(_, value)| !value.is_nan()) {
            self.sums[at] += f64::from(*value) * weight;
            self.weights[at] += weight;
        }
    }

    /// The slots of a ring within a span, each as long as it lies in it.
    fn over(&mut self, ring: &Ring, slot_ms: i64, begin: i64, end: i64) {
        if begin >= end {
            return;
        }
        let first = begin.div_euclid(slot_ms).max(ring.first);
        let after = (end + slot_ms - 1).div_euclid(slot_ms).min(ring.end());
        for slot in first..after {
            let overlap = end.min((slot + 1) * slot_ms) - begin.max(slot * slot_ms);
            self.add(ring.at(slot), overlap as f64);
        }
    }

    fn values(&self) -> Values {
        std::array::from_fn(|at| match self.weights[at] {
            0.0 => f32::NAN,
            weight => (self.sums[at] / weight) as f32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: i64 = 1_763_716_800_000;

    fn all(value: f32) -> Values {
        [value; SERIES]
    }

    fn put(history: &mut History, at: i64, value: f32) {
        history.put(Timestamp(at), all(value), [0; SERIES]);
    }

    fn asked(history: &History, now: i64, from: i64, to: i64, points: u32) -> Performance {
        history.between(Timestamp(now), Timestamp(from), Timestamp(to), points)
    }

    #[test]
    fn the_last_hour_is_fine_and_the_day_before_it_is_coarse_and_no_more_is_kept() {
        let mut history = History::default();
        for at in 0..3 * 8_640 {
            put(&mut history, T0 + at * FINE_MS + 5_000, (at % 6) as f32);
        }
        assert_eq!((history.fine.slots.len(), history.coarse.slots.len()), (FINE_SLOTS, COARSE_SLOTS));
        assert_eq!(MOST_BYTES, 43_200);
        let now = T0 + 3 * 86_400_000;
        let fine = asked(&history, now, now - 1_800_000, now, 1_000);
        assert_eq!((fine.step_ms, fine.series.memory_mib.len()), (10_000, 179));
        assert_eq!(fine.series.memory_mib[..7], [0, 1, 2, 3, 4, 5, 0].map(Some));
        let day = asked(&history, now, now - 86_400_000, now, 1_000);
        assert_eq!(day.step_ms, 120_000);
        assert!(day.series.processor_percent.iter().all(|value| *value == Some(2.5)), "{day:?}");
    }

    #[test]
    fn what_was_not_measured_is_null_and_a_late_sample_speaks_for_the_span_that_it_measured() {
        let mut history = History::default();
        put(&mut history, T0 + 5_000, 1.0);
        // Measured over 30 s; the memory is of that moment.
        history.put(Timestamp(T0 + 35_000), all(4.0), [2, 0, 2, 2, 2, 2]);
        put(&mut history, T0 + 75_000, 9.0);
        let seen = asked(&history, T0 + 90_000, T0, T0 + 80_000, 100);
        assert_eq!(seen.from, Timestamp(T0));
        let known = |values: [Option<u64>; 8]| values.to_vec();
        let (a, b, c) = (Some(1), Some(4), Some(9));
        assert_eq!(seen.series.disk_read_bytes_s, known([a, b, b, b, None, None, None, c]));
        assert_eq!(seen.series.memory_mib, known([a, None, None, b, None, None, None, c]));
    }

    #[test]
    fn a_clock_that_is_set_back_takes_the_future_with_it_and_the_rest_stays() {
        let mut history = History::default();
        for at in 0..100 {
            put(&mut history, T0 + at * FINE_MS, 1.0);
        }
        put(&mut history, T0 + 50 * FINE_MS, 7.0);
        assert_eq!(history.newest(), Some(Timestamp(T0 + 51 * FINE_MS)));
        let seen = asked(&history, T0 + 1_000_000, T0 + 490_000, T0 + 530_000, 100);
        assert_eq!(seen.series.memory_mib, [Some(1), Some(7), None, None]);
        // Years back: begun anew.
        put(&mut history, T0 - 1_000_000_000_000, 3.0);
        assert_eq!((history.fine.slots.len(), history.coarse.slots.len()), (1, 0));
    }

    #[test]
    fn a_bucket_is_the_same_at_the_next_look() {
        let mut history = History::default();
        for at in 0..720 {
            put(&mut history, T0 + at * FINE_MS + 5_000, (at * 7 % 31) as f32);
        }
        let now = T0 + 7_200_000;
        let one = asked(&history, now, now - 3_000_000, now, 60);
        let two = asked(&history, now + 9_000, now + 9_000 - 3_000_000, now + 9_000, 60);
        assert_eq!(one.step_ms, two.step_ms);
        let shift = usize::try_from((two.from.0 - one.from.0) / 60_000).unwrap();
        let (one, two) = (&one.series.memory_mib[shift..], &two.series.memory_mib);
        let both = one.len().min(two.len()) - 1;
        assert_eq!(one[..both], two[..both]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Against the plain list of what was put in: within the last hour a bucket is the mean of its samples; before,
        /// it lies between the smallest and the largest near it; where nothing was put, nothing is said.
        #[test]
        fn buckets_are_the_means_of_what_was_measured(
            gaps in prop::collection::vec(prop_oneof![20 => 1_i64..4, 2 => 4_i64..60, 1 => 60_i64..4_000], 1..900),
            begin in 0_i64..86_400_000,
            back in 1_i64..90_000_000,
            span in 1_i64..90_000_000,
            points in 2_u32..1_000,
        ) {
            let mut history = History::default();
            let (mut slot, mut all_of_it) = ((T0 + begin) / FINE_MS, Vec::new());
            for (at, gap) in gaps.iter().enumerate() {
                slot += gap;
                let value = (at * 37 % 1_000) as f32;
                put(&mut history, slot * FINE_MS + 5_000, value);
                all_of_it.push((slot * FINE_MS, f64::from(value)));
            }
            prop_assert!(history.fine.slots.len() <= FINE_SLOTS && history.coarse.slots.len() <= COARSE_SLOTS);
            let now = (slot + 1) * FINE_MS + 5_000;
            let (from, to) = (now - back, now - back + span);
            let seen = asked(&history, now, from, to, points);
            let (step, count) = (seen.step_ms.cast_signed(), seen.series.memory_mib.len());
            prop_assert!(count >= 1 && count <= points as usize);
            prop_assert_eq!(seen.from.0.rem_euclid(step), 0);
            prop_assert_eq!(seen.to.0 - seen.from.0, step * count as i64);
            prop_assert_eq!(seen.series.net_out_bytes_s.len(), count);
            let fine_from = (history.fine.first * FINE_MS + COARSE_MS - 1) / COARSE_MS * COARSE_MS;
            for (at, value) in seen.series.memory_mib.iter().enumerate() {
                let (begin, end) = (seen.from.0 + at as i64 * step, seen.from.0 + (at as i64 + 1) * step);
                let within = |a: i64, b: i64| -> Vec<f64> {
                    all_of_it.iter().filter(|(at, _)| *at >= a && *at < b).map(|(_, value)| *value).collect()
                };
                if begin >= fine_from {
                    let inside = within(begin, end);
                    let mean = (!inside.is_empty()).then(|| inside.iter().sum::<f64>() / inside.len() as f64);
                    match (value, mean) {
                        (None, None) => {}
                        (Some(value), Some(mean)) => prop_assert!((*value as f64 - mean).abs() <= 0.51, "{value} {mean}"),
                        other => prop_assert!(false, "{other:?} at {begin}"),
                    }
                } else if let Some(value) = value {
                    let near = within(begin.div_euclid(COARSE_MS) * COARSE_MS, (end + COARSE_MS - 1).div_euclid(COARSE_MS) * COARSE_MS);
                    let least = near.iter().copied().fold(f64::MAX, f64::min);
                    let most = near.iter().copied().fold(f64::MIN, f64::max);
                    prop_assert!((least - 0.51..=most + 0.51).contains(&(*value as f64)), "{value} of {near:?}");
                } else if begin >= now - 86_000_000 {
                    let inside = within(begin, end);
                    prop_assert!(inside.is_empty(), "{inside:?} at {begin}");
                }
            }
        }
    }
}
