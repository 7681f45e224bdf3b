//! Looks at all hosts of a testbed ten times a second, from outside, so that no fault of theirs touches it: what was
//! added to what guests say, and which machines' processors used time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::check::Evidence;
use super::logs::{Said, Tail, files, machine_of};
use crate::computer::Computer;
use crate::ground::Ground;
use crate::process::Process;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(100);
/// Less than this between two looks is no guest that runs: QEMU itself lets its processors' threads do small things,
/// also those of a machine that waits for its state from another host. Nanoseconds.
const RAN_NS: u64 = 1_000_000;

/// That a machine ran on a host at some moment of these, since the watch began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The host.
    pub host: String,
    /// Not before.
    pub from: Duration,
    /// Not after.
    pub until: Duration,
}

/// A watch over the machines of a testbed, until it is ended.
#[derive(Debug)]
pub struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Evidence>>,
    ground: PathBuf,
}

impl Watch {
    /// Begins to watch all hosts that there are and will be on this ground.
    pub fn begin(ground: &Ground) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (folder, seen) = (ground.folder().to_owned(), Arc::clone(&over));
        let thread = std::thread::spawn(move || watch(&folder, &seen));
        Self { over, thread: Some(thread), ground: ground.folder().into() }
    }

    /// Ends it: what was seen until now, and all that guests ever said.
    pub fn end(mut self) -> Evidence {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        // As it stands in the hosts' folders, also from before the watch and from when it was late.
        Evidence { said: Said::of(&self.ground), ..seen }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn watch(ground: &Path, over: &AtomicBool) -> Evidence {
    let begun = Instant::now();
    let mut looks = Looks::default();
    // What was before the watch was not seen by it.
    looks.look(ground, begun);
    let mut evidence = Evidence::default();
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(EVERY);
        let (heard, used) = looks.look(ground, begun);
        for (into, seen) in [(&mut evidence.heard, heard), (&mut evidence.used, used)] {
            for (machine, sighting) in seen {
                into.entry(machine).or_default().push(sighting);
            }
        }
    }
    evidence
}

/// How far everything had come when it was looked at last.
#[derive(Default)]
struct Looks {
    /// When the last look began: what is new now was not there then.
    last: Duration,
    tails: BTreeMap<PathBuf, (Tail, Duration)>,
    machines: BTreeMap<i32, Machine>,
}

type Seen = Vec<(String, Sighting)>;

impl Looks {
    /// Which machines were heard and which ran since the last look.
    fn look(&mut self, ground: &Path, begun: Instant) -> (Seen, Seen) {
        let (last, this) = (self.last, begun.elapsed());
        let hosts = Computer::all_of(ground);
        let mut heard = Vec::new();
        for host in &hosts {
            for file in files(host.folder()) {
                let looked = begun.elapsed();
                let (tail, before) =
                    self.tails.entry(file.clone()).or_insert_with(|| (Tail::default(), last));
                if !tail.next(&file).is_empty() {
                    let sighting =
                        Sighting { host: host.name().into(), from: *before, until: begun.elapsed() };
                    heard.push((machine_of(&file), sighting));
                }
                *before = looked;
            }
        }
        let spaces: BTreeMap<PathBuf, &str> = hosts.iter().filter_map(space_of).collect();
        self.machines.retain(|_, machine| machine.process.lives());
        for pid in qemus() {
            if !self.machines.contains_key(&pid)
                && let Some(machine) = Machine::of(pid, &spaces, last)
            {
                self.machines.insert(pid, machine);
            }
        }
        let ran = |machine: &mut Machine| machine.ran(begun).map(|sighting| (machine.uuid.clone(), sighting));
        let used = self.machines.values_mut().filter_map(ran).collect();
        self.last = this;
        (heard, used)
    }
}

/// A QEMU, and how far its processors have come.
struct Machine {
    process: Process,
    uuid: String,
    host: String,
    used: u64,
    looked: Duration,
}

impl Machine {
    /// The machine that a process of one of these hosts runs.
    fn of(pid: i32, spaces: &BTreeMap<PathBuf, &str>, last: Duration) -> Option<Self> {
        let process = Process::of(pid)?;
        let host = spaces.get(&fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?)?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let mut words = words.split(|byte| *byte == 0);
        words.find(|word| *word == b"-uuid")?;
        let uuid = String::from_utf8(words.next()?.to_vec()).ok()?;
        // Whatever it used until now it used since the last look, or it would be known.
        Some(Self { process, uuid, host: (*host).into(), used: 0, looked: last })
    }

    /// That its processors used time since it was looked at last.
    fn ran(&mut self, begun: Instant) -> Option<Sighting> {
        let looked = begun.elapsed();
        let used = processors(self.process.pid);
        let ran = used.saturating_sub(self.used) >= RAN_NS;
        let sighting = Sighting { host: self.host.clone(), from: self.looked, until: begun.elapsed() };
        (self.used, self.looked) = (used, looked);
        ran.then_some(sighting)
    }
}

/// What the threads that are a machine's processors have used, in nanoseconds.
fn processors(pid: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let processors = threads.map(|thread| thread.path()).filter(|thread| {
        // `CPU 0/TCG`, `CPU 1/KVM`
        fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with("CPU "))
    });
    let used = processors.filter_map(|thread| {
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    used.sum()
}

/// Processes that run machines, of whomever.
fn qemus() -> Vec<i32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let runs = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu-system-"))
    };
    numbers.filter(runs).collect()
}

/// By what the processes of a host are told from others'.
fn space_of(host: &Computer) -> Option<(PathBuf, &str)> {
    let first = host.first()?;
    Some((fs::read_link(format!("/proc/{}/ns/pid", first.pid)).ok()?, host.name()))
}
