//! `hostler-sim`: stories from seeds, one story in words, and the test of the stories by planted faults.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use clap::Parser;
use hostler_sim::mutant::Mutant;
use hostler_sim::story::{Size, run};

/// A third of a story's time is spent on short-lived memory in one thread, which this allocator is twice as quick at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What must have happened at least once in a run of many seeds: what never happens proves nothing.
const MUST_HAPPEN: &[&str] = &[
    "abort",
    "agent connected",
    "agent crashed",
    "agent crashed before the outcome",
    "agent crashed in a call",
    "agent died before its renewed certificate was used",
    "agent died before its renewed certificate was written",
    "agent died soon after it compacted its journal",
    "agent kept out: certificate ended",
    "agent kept out: certificate not in the record",
    "agent removed while its computer lives",
    "agent silent",
    "agent upgraded under fire",
    "agent waits to be let in",
    "asked again, same job",
    "backup restored",
    "cancel asked",
    "certificate renewed",
    "commit failed",
    "commit of unknown fate",
    "computer enrolled anew",
    "computer off until its certificate ended",
    "connection cut",
    "crowd came back",
    "deaf guests",
    "derived state compared",
    "disk full",
    "events lost",
    "fact recorded",
    "host declared dead",
    "host died for good",
    "host given up, looked at",
    "host lost with its machines running",
    "host powered off",
    "host that was given up came back",
    "job cancelled",
    "job completed",
    "job completed with warnings",
    "job failed, undone",
    "journal compacted",
    "libvirt connection broken in a call",
    "libvirt silent",
    "looked up after a crash",
    "meddled behind the manager's back",
    "message doubled",
    "message late",
    "message lost",
    "new agent program came up",
    "new agent program taken back",
    "removed agent was cut",
    "renewed certificate used",
    "request acknowledged",
    "request refused: busy",
    "request refused: state",
    "revocation asked",
    "server crashed between commit and release",
    "server crashed between inputs",
    "server crashed in the midst of release",
    "server crashed inside a commit",
    "server died as a renewed certificate was used",
    "server died in a renewal",
    "server loaded anew",
    "server restarted under a large fleet",
    "step done",
    "step failed",
    "step in doubt",
    "step refused",
    "step revoked",
    "switch cut",
];
/// From how many seeds on every one of them must have happened.
const ENOUGH_SEEDS: u64 = 300;
/// Within how many seeds each planted fault must be found.
const FIND_WITHIN: u64 = 2_000;
/// Of how many seeds it is counted how many find a planted fault.
const OF_SEEDS: u64 = 200;

/// Tells stories of a fleet from seeds and checks that its invariants hold.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  hostler-sim --seeds 1000\n  hostler-sim --story 42\n  hostler-sim --mutants"
)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Tell one seed's story in words.
    #[arg(long, value_name = "SEED")]
    story: Option<u64>,
    /// Plant each fault and see that it is found.
    #[arg(long)]
    mutants: bool,
    /// Write the table of planted faults to this file, too.
    #[arg(long, value_name = "FILE", requires = "mutants")]
    write: Option<std::path::PathBuf>,
    /// Tell a story with this planted fault.
    #[arg(long, value_name = "WORDS")]
    mutant: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let planted =
        arguments.mutant.as_deref().and_then(|w| Mutant::ALL.iter().copied().find(|m| m.word() == w));
    if let Some(seed) = arguments.story {
        return story(seed, planted);
    }
    if arguments.mutants {
        mutants(arguments.write.as_deref())
    } else {
        seeds(arguments.from, arguments.seeds)
    }
}

fn story(seed: u64, planted: Option<Mutant>) -> ExitCode {
    let ending = run(seed, Size::default(), planted, true);
    for line in &ending.told {
        println!("{line}");
    }
    match ending.failure {
        Some(what) => {
            println!("seed {seed}: {what}");
            ExitCode::FAILURE
        }
        None => {
            println!("seed {seed}: all invariants hold after {} events", ending.events);
            ExitCode::SUCCESS
        }
    }
}

/// What many stories come to.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, u64>,
    bad: u64,
    events: u64,
    lasted_ms: u64,
    /// Processor time, in seconds: what a story costs on one core, however many others want that core.
    worked_s: f64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        for (what, times) in other.counts {
            *self.counts.entry(what).or_default() += times;
        }
        self.bad += other.bad;
        self.events += other.events;
        self.lasted_ms += other.lasted_ms;
        self.worked_s += other.worked_s;
    }
}

/// The processor time of this thread, in seconds.
fn worked_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Lets each core do `work`.
fn on_each_core<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn seeds(from: u64, count: u64) -> ExitCode {
    let next = AtomicU64::new(from);
    let tallies = on_each_core(|| {
        let (mut mine, began) = (Tally::default(), worked_s());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                break;
            }
            let ending = run(seed, Size::default(), None, false);
            if let Some(what) = &ending.failure {
                println!("seed {seed}: {what}");
            }
            mine.add(Tally {
                bad: u64::from(ending.failure.is_some()),
                counts: ending.counts,
                events: ending.events,
                lasted_ms: ending.lasted_ms,
                worked_s: 0.0,
            });
        }
        mine.worked_s = worked_s() - began;
        mine
    });
    let mut all = Tally::default();
    tallies.into_iter().for_each(|tally| all.add(tally));
    println!("how often each thing happened:");
    for (what, times) in &all.counts {
        println!("  {times:>10}  {what}");
    }
    let never: Vec<&&str> = MUST_HAPPEN.iter().filter(|what| !all.counts.contains_key(**what)).collect();
    println!(
        "{count} seeds, {:.0} a second of one core's time, {} events and {:.1} virtual minutes a seed, {} bad",
        count as f64 / all.worked_s,
        all.events / count.max(1),
        all.lasted_ms as f64 / count.max(1) as f64 / 60_000.0,
        all.bad,
    );
    if count >= ENOUGH_SEEDS && !never.is_empty() {
        println!("never happened: {never:?}");
        return ExitCode::FAILURE;
    }
    if all.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What became of a planted fault.
struct Found {
    mutant: Mutant,
    /// The first seed that finds it, and as what.
    first: Option<(u64, String)>,
    /// How many of [`OF_SEEDS`] find it.
    seen_by: u64,
}

/// Plants a fault in one seed's story. A seed that is bad by itself finds nothing.
fn plant(seed: u64, mutant: Mutant) -> Option<String> {
    let what = run(seed, Size::default(), Some(mutant), false).failure?;
    run(seed, Size::default(), None, false).failure.is_none().then_some(what)
}

fn find(mutant: Mutant) -> Found {
    let mut found = Found { mutant, first: None, seen_by: 0 };
    for seed in 1..=FIND_WITHIN {
        if seed > OF_SEEDS && found.first.is_some() {
            break;
        }
        if let Some(what) = plant(seed, mutant) {
            found.seen_by += u64::from(seed <= OF_SEEDS);
            found.first.get_or_insert((seed, what));
        }
    }
    found
}

fn mutants(write: Option<&std::path::Path>) -> ExitCode {
    let all = Mutant::ALL;
    let next = AtomicUsize::new(0);
    let found = on_each_core(|| {
        let mut mine = Vec::new();
        while let Some(mutant) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            mine.push(find(*mutant));
        }
        mine
    });
    let mut found: Vec<Found> = found.into_iter().flatten().collect();
    found.sort_by_key(|found| found.mutant);
    let mut table = format!(
        "| planted fault | first seed | of {OF_SEEDS} seeds | found as |\n| --- | ---: | ---: | --- |\n"
    );
    for Found { mutant, first, seen_by } in &found {
        let (seed, what) = first.as_ref().map_or(("-".into(), "NOT FOUND".into()), |(seed, what)| {
            let short: String = what.replace('|', "/").chars().take(100).collect();
            (seed.to_string(), short)
        });
        table.push_str(&format!("| {} | {seed} | {seen_by} | {what} |\n", mutant.word()));
    }
    print!("{table}");
    if let Some(path) = write {
        let page = format!(
            "# Planted faults\n\nMade by `hostler-sim --mutants --write`: ways in which the code around the engine \
             could be wrong, each planted in the simulator, and the first of {FIND_WITHIN} seeds whose story finds \
             it. A seed whose story is bad without the fault counts as finding nothing.\n\n{table}"
        );
        if let Err(error) = std::fs::write(path, page) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    let missed = found.iter().any(|found| found.first.is_none()) || found.len() < all.len();
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
