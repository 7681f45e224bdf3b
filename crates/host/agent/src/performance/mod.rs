//! How this computer and its machines were loaded over the last day: measured every ten seconds, kept in memory of
//! bounded size, written to a file now and then, and told only to who asks. Nothing of it passes through the record.

mod history;
mod kept;
mod meter;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hostler_model::performance::{PERFORMANCE_SPAN_MS, Performance, VmLoad};
use hostler_model::refresher::MachineLoad;
use hostler_model::{Ms, Timestamp};
use tokio::task::spawn_blocking;
use uuid::Uuid;

pub(crate) use history::{Frame, UNKNOWN, Values};
pub use meter::Counters;

use crate::hands::Host;
use crate::status::now;
use history::{FINE_MS, History};
use meter::Meter;

/// Of how many machines a day is remembered at most. A machine takes 43 kB after a day: 100 take 4.3 MB, this many
/// 44 MB. Beyond it, those that ran longest ago are forgotten.
const MOST_MACHINES: usize = 1_024;
/// How often what is remembered is written, so how much of it a crash takes.
const KEEP_EVERY: Duration = Duration::from_secs(300);
/// A machine that was not measured for longer does not run, or libvirt does not answer.
const NEWEST_MS: Ms = 3 * FINE_MS as Ms;
/// Clocks of server and agent that differ by no more are taken to be the same, so that buckets stand still.
const SAME_CLOCK_MS: i64 = 2_000;

/// Remembers how the computer and its machines were loaded.
#[derive(Debug)]
pub struct Recorder {
    begun: Instant,
    file: Option<PathBuf>,
    tracks: Mutex<Tracks>,
    kept: Mutex<Instant>,
}

#[derive(Debug, Default)]
struct Tracks {
    host: Track,
    machines: HashMap<Uuid, Track>,
}

#[derive(Debug, Default)]
struct Track {
    meter: Meter,
    history: History,
    /// What was measured last, and when.
    last: Option<(Timestamp, Values)>,
}

impl Recorder {
    /// With what the file remembers. One that is damaged is as good as none.
    pub fn new(file: Option<PathBuf>) -> Self {
        let mut tracks = Tracks::default();
        for (of, history) in file.as_deref().map(kept::read).unwrap_or_default() {
            match of {
                None => tracks.host.history = history,
                Some(domain) => tracks.machines.entry(domain).or_default().history = history,
            }
        }
        let begun = Instant::now();
        Self { begun, file, tracks: Mutex::new(tracks), kept: Mutex::new(begun) }
    }

    fn tracks(&self) -> MutexGuard<'_, Tracks> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what was read just now of the host and of the machines that run.
    pub fn sample(&self, host: &Counters, machines: &[(Uuid, Counters)]) {
        let at_ms = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.sample_at(now(), at_ms, host, machines);
        let due = self.kept.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= KEEP_EVERY;
        if due {
            self.keep();
        }
    }

    fn sample_at(&self, now: Timestamp, at_ms: i64, host: &Counters, machines: &[(Uuid, Counters)]) {
        let mut tracks = self.tracks();
        tracks.host.sample(now, at_ms, host);
        for (domain, counters) in machines {
            tracks.machines.entry(*domain).or_default().sample(now, at_ms, counters);
        }
        tracks.forget(now);
    }

    /// What is known of a machine, or of the host, by the clock of who asks.
    pub fn between(
        &self,
        domain: Option<Uuid>,
        asked_at: Timestamp,
        from: Timestamp,
        to: Timestamp,
        points: u32,
    ) -> Performance {
        self.between_at(now(), domain, asked_at, (from, to), points)
    }

    fn between_at(
        &self,
        now: Timestamp,
        domain: Option<Uuid>,
        asked_at: Timestamp,
        (from, to): (Timestamp, Timestamp),
        points: u32,
    ) -> Performance {
        let ahead = match now.0.saturating_sub(asked_at.0) {
            small if small.saturating_abs() <= SAME_CLOCK_MS => 0,
            ahead => ahead,
        };
        let here = |at: Timestamp| Timestamp(at.0.saturating_add(ahead));
        let tracks = self.tracks();
        let nothing = History::default();
        let history = match domain {
            None => &tracks.host.history,
            Some(domain) => tracks.machines.get(&domain).map_or(&nothing, |track| &track.history),
        };
        let mut seen = history.between(now, here(from), here(to), points);
        (seen.from.0, seen.to.0) = (seen.from.0.saturating_sub(ahead), seen.to.0.saturating_sub(ahead));
        seen
    }

    /// How loaded the machines are that were measured last.
    pub fn loads(&self) -> Vec<MachineLoad> {
        self.loads_at(now())
    }

    fn loads_at(&self, now: Timestamp) -> Vec<MachineLoad> {
        let tracks = self.tracks();
        let mut loads: Vec<MachineLoad> = tracks
            .machines
            .iter()
            .filter_map(|(domain, track)| {
                let (at, values) = track.last.filter(|(at, _)| now.since(*at) <= NEWEST_MS)?;
                Some(MachineLoad { domain: *domain, load: load(at, values) })
            })
            .collect();
        loads.sort_by_key(|of| of.domain);
        loads
    }

    /// Writes what is remembered, whole or not at all. A failure is logged: the next time it may succeed.
    pub fn keep(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let Some(file) = &self.file else { return };
        // Nobody waits for the disk to look.
        let text = {
            let tracks = self.tracks();
            let machines = tracks.machines.iter().map(|(domain, track)| (Some(*domain), &track.history));
            kept::written(std::iter::once((None, &tracks.host.history)).chain(machines))
        };
        if let Err(why) = kept::write(file, &text) {
            tracing::warn!(%why, file = %file.display(), "the performance history cannot be written");
        }
    }
}

impl Track {
    fn sample(&mut self, now: Timestamp, at_ms: i64, counters: &Counters) {
        let (values, reaching) = self.meter.read(at_ms, counters);
        self.last = Some((now, values));
        self.history.put(now, values, reaching);
    }

    fn newest(&self) -> Timestamp {
        self.history.newest().unwrap_or_default()
    }
}

impl Tracks {
    /// Machines that did not run for a day, and those beyond the bound.
    fn forget(&mut self, now: Timestamp) {
        self.machines.retain(|_, track| now.since(track.newest()) < PERFORMANCE_SPAN_MS);
        while self.machines.len() > MOST_MACHINES {
            let oldest = self.machines.iter().min_by_key(|(domain, track)| (track.newest(), **domain));
            let Some(oldest) = oldest.map(|(domain, _)| *domain) else { return };
            self.machines.remove(&oldest);
        }
    }
}

/// What was measured, as it is told; a value that is not known is not told.
pub(crate) fn load(at: Timestamp, values: Values) -> VmLoad {
    let [processor, memory, read, written, received, sent] = values;
    let known = |value: f32| (!value.is_nan()).then_some(value);
    let whole = |value: f32| known(value).map(|value| value.round().max(0.0) as u64);
    VmLoad {
        at,
        processor_percent: known(processor),
        memory_mib: whole(memory),
        disk_read_bytes_s: whole(read),
        disk_write_bytes_s: whole(written),
        net_in_bytes_s: whole(received),
        net_out_bytes_s: whole(sent),
    }
}

/// Has the host measured in the middle of each slot, so that a little early or late is still the same slot.
pub(crate) async fn sampling(host: Arc<dyn Host>) {
    loop {
        let measured = Arc::clone(&host);
        if let Err(why) = spawn_blocking(move || measured.sample()).await {
            tracing::error!(%why, "the measuring broke down");
        }
        tokio::time::sleep(Duration::from_millis(until_next(now()))).await;
    }
}

/// How long until the middle of the next slot that was not measured just now.
fn until_next(now: Timestamp) -> Ms {
    let wait = (FINE_MS / 2 - now.0.rem_euclid(FINE_MS)).rem_euclid(FINE_MS);
    let wait = if wait < FINE_MS / 4 { wait + FINE_MS } else { wait };
    wait.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_763_716_800_000;

    fn busy(seconds: i64) -> Counters {
        Counters {
            processor_ns: Some(seconds.unsigned_abs() * 500_000_000),
            processors: 1,
            memory_mib: Some(128.0),
            disk_bytes: Some((seconds.unsigned_abs() * 1_000, 0)),
            net_bytes: None,
        }
    }

    fn recorded(recorder: &Recorder, machines: &[Uuid], slots: i64) {
        for at in 0..slots {
            let counters: Vec<_> = machines.iter().map(|domain| (*domain, busy(at * 10))).collect();
            recorder.sample_at(Timestamp(T0 + at * 10_000 + 5_000), at * 10_000, &busy(at * 10), &counters);
        }
    }

    fn hour(recorder: &Recorder, domain: Option<Uuid>, now: i64) -> Performance {
        let asked = (Timestamp(now - 3_600_000), Timestamp(now));
        recorder.between_at(Timestamp(now), domain, Timestamp(now), asked, 360)
    }

    #[test]
    fn a_restart_keeps_the_day_and_a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("performance");
        let machine = Uuid::from_u128(7);
        let recorder = Recorder::new(Some(file.clone()));
        recorded(&recorder, &[machine], 100);
        recorder.keep();
        let now = T0 + 1_010_000;
        let known = hour(&recorder, Some(machine), now);
        assert_eq!(
            known.series.processor_percent.iter().flatten().count(),
            99,
            "the first look tells no rate"
        );
        assert!(known.series.processor_percent.iter().flatten().all(|percent| *percent == 50.0));

        let again = Recorder::new(Some(file.clone()));
        assert_eq!(hour(&again, Some(machine), now), known);
        assert_eq!(hour(&again, None, now), hour(&recorder, None, now));
        // The counters of the life before are not known: no leap.
        again.sample_at(Timestamp(now + 5_000), 0, &busy(9_000), &[(machine, busy(9_000))]);
        let more = hour(&again, Some(machine), now + 10_000);
        assert_eq!(more.series.processor_percent.iter().flatten().count(), 99);

        let whole = std::fs::read(&file).unwrap();
        for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&file, &whole[..cut]).unwrap();
            let empty = hour(&Recorder::new(Some(file.clone())), Some(machine), now);
            assert!(empty.series.memory_mib.iter().all(Option::is_none), "cut at {cut}");
        }
        for at in [3, 40, 60, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            std::fs::write(&file, &damaged).unwrap();
            let empty = hour(&Recorder::new(Some(file.clone())), Some(machine), now);
            assert!(empty.series.memory_mib.iter().all(Option::is_none), "damaged at {at}");
        }
    }

    #[test]
    fn the_newest_loads_are_those_of_machines_that_are_measured_still() {
        let recorder = Recorder::new(None);
        let machines = [Uuid::from_u128(1), Uuid::from_u128(2)];
        recorded(&recorder, &machines, 3);
        recorder.sample_at(Timestamp(T0 + 50_000), 50_000, &busy(50), &[(machines[0], busy(50))]);
        let loads = recorder.loads_at(Timestamp(T0 + 58_000));
        assert_eq!(loads.len(), 1, "{loads:?}");
        assert_eq!((loads[0].domain, loads[0].load.processor_percent), (machines[0], Some(50.0)));
        assert_eq!((loads[0].load.memory_mib, loads[0].load.net_in_bytes_s), (Some(128), None));
    }

    #[test]
    fn a_server_whose_clock_differs_is_answered_by_its_own() {
        let recorder = Recorder::new(None);
        recorded(&recorder, &[], 60);
        let (now, theirs) = (T0 + 600_000, T0 + 600_000 - 86_400_000 * 3);
        let asked = (Timestamp(theirs - 100_000), Timestamp(theirs));
        let seen = recorder.between_at(Timestamp(now), None, Timestamp(theirs), asked, 100);
        assert_eq!(seen.from, asked.0);
        assert!(seen.series.memory_mib.iter().all(|memory| *memory == Some(128)), "{seen:?}");
    }

    #[test]
    fn machines_beyond_the_bound_and_those_that_did_not_run_for_a_day_are_forgotten() {
        let recorder = Recorder::new(None);
        let machines: Vec<Uuid> = (1..=MOST_MACHINES as u128 + 5).map(Uuid::from_u128).collect();
        recorded(&recorder, &machines[..5], 2);
        let later: Vec<_> = machines[5..].iter().map(|domain| (*domain, busy(100))).collect();
        recorder.sample_at(Timestamp(T0 + 100_000), 100_000, &busy(100), &later);
        assert_eq!(recorder.tracks().machines.len(), MOST_MACHINES);
        assert!(!recorder.tracks().machines.contains_key(&machines[0]), "they ran longest ago");
        recorder.sample_at(Timestamp(T0 + 86_600_000), 86_600_000, &busy(100), &later[..1]);
        assert_eq!(recorder.tracks().machines.len(), 1);
    }

    #[test]
    fn each_slot_is_measured_once_in_its_middle() {
        for (at, wait) in [(0, 5_000), (4_998, 10_002), (5_003, 9_997), (9_000, 6_000), (3_000, 12_000)] {
            assert_eq!(until_next(Timestamp(T0 + at)), wait, "{at}");
        }
    }
}
