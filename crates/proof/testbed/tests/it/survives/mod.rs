//! A fleet survives: three hosts with mixed work, and one blow after another from a seed. At the end every job has ended,
//! record, libvirt and folders say the same, and no machine ran twice.
//!
//! `HOSTLER_FAULTS` says how many blows (few in CI), `HOSTLER_SEED` from which seed; it is printed, and the same seed
//! strikes and asks the same in the same order. What falls together is up to the computer.

mod blows;
mod work;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hostler_client::{How, JobsQuery};
use hostler_model::body::Settle;
use hostler_model::status::VmStatus;
use hostler_model::view::JobView;
use hostler_testbed::counting::{Count, Said, Watch, check};
use hostler_testbed::{Dice, Result, Site, wait_for};
use serde_json::json;

use crate::sets::{agree, now_ms};
use crate::world::BOOTS;
use blows::Blow;

/// How many blows when nothing is said.
const FAULTS: usize = 10;
/// How many hosts.
const HOSTS: usize = 3;
/// How many people work at the same time, beside those who keep machines that count.
const WORKERS: usize = 4;
/// How long the last jobs may take, of which some wait for what lasts longest: a step's limit.
const ENDS: Duration = Duration::from_secs(300);
/// So many of a hundred blows fall while at least one job is under way.
const UNDER_WAY: usize = 80;

fn said(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_fleet_survives_one_blow_after_another() {
    let seed = said("HOSTLER_SEED").unwrap_or_else(|| u64::try_from(now_ms()).unwrap() % 100_000);
    let faults = said("HOSTLER_FAULTS").map_or(FAULTS, |faults| usize::try_from(faults).unwrap());
    println!("{faults} faults from seed {seed}");
    let mut site = Site::with_observed_hosts(HOSTS).unwrap();
    // Machines can be on any host, and move while blows fall.
    site.share_machines().unwrap();
    // What hangs is to end while somebody waits for it.
    let limits = json!({ "step_limit_s": 90, "start_limit_s": 90, "no_progress_limit_s": 60 });
    site.change(site.client().set_settings(&limits, &How::default())).unwrap();
    let templates = work::libraries(&site);
    let watch = Watch::begin(site.ground());
    let begun = Instant::now();
    work::counting(&site, &templates);
    let count = || (heard(&Said::of(site.ground().folder())).count() >= HOSTS).then_some(());
    wait_for(BOOTS, "the guests count", count).unwrap();
    println!("{:>6.1?} s  the guests count", begun.elapsed().as_secs_f32());
    let work = work::begin(&site, WORKERS, seed, &templates);

    let mut dice = Dice::new(seed);
    let mut struck = Vec::new();
    for no in 1..=faults {
        std::thread::sleep(Duration::from_millis(dice.below(2_000) as u64));
        let blow = Blow::drawn(&mut dice, HOSTS);
        let lasts = blows::lasts(&mut dice);
        let at = now_ms();
        println!("{:>6.1?} s  {no}: {blow}, for {lasts:?}", begun.elapsed().as_secs_f32());
        blow.strike(&mut site).unwrap();
        std::thread::sleep(lasts);
        blow.mend(&mut site).unwrap();
        struck.push((blow, at));
    }
    println!("{:>6.1?} s  the last is mended", begun.elapsed().as_secs_f32());
    for name in site.hosts.iter().map(|host| host.name().to_owned()).collect::<Vec<_>>() {
        site.host_answers(&name).unwrap();
    }
    let done = work.end(&site);
    all_ended(&site);
    settle(&site);
    let jobs = all_ended(&site);
    agree(&site);
    let evidence = watch.end();
    println!("{:>6.1?} s  {done}", begun.elapsed().as_secs_f32());
    for (machine, said) in heard(&evidence.said) {
        let said: Vec<_> = said.iter().map(|(host, counts)| format!("{} on {host}", counts.len())).collect();
        println!("machine {machine} said so many numbers: {}", said.join(", "));
    }
    tell(&jobs);
    let twice = check(&evidence);
    for each in &twice {
        println!("{each}");
    }
    assert!(twice.is_empty(), "a machine ran twice (seed {seed})");
    let amid = struck.iter().filter(|(_, at)| jobs.iter().any(|job| was_under_way(job, *at))).count();
    println!("{amid} of {faults} faults struck while a job was under way");
    assert!(amid * 100 >= faults * UNDER_WAY, "only {amid} of {faults} faults struck work (seed {seed})");
}

/// The machines whose guests said something.
fn heard(said: &Said) -> impl Iterator<Item = (&String, &BTreeMap<String, Vec<Count>>)> {
    said.0.iter().filter(|(_, said)| said.values().any(|counts| !counts.is_empty()))
}

fn was_under_way(job: &JobView, at: i64) -> bool {
    job.job.created.0 <= at && job.job.ended.is_none_or(|ended| ended.0 >= at)
}

/// What an administrator does last: each machine that two hosts show is settled, and one has it.
fn settle(site: &Site) {
    for view in site.vms().unwrap().iter().filter(|view| view.status == VmStatus::Conflict) {
        println!("settled: {} on {:?}", view.vm.spec.name, view.host_name);
        let id = view.vm.id.to_string();
        site.change(site.client().settle_vm(&id, &Settle::default(), &How::default())).unwrap();
    }
}

/// Waits until no job is open, and answers all there ever were.
fn all_ended(site: &Site) -> Vec<JobView> {
    let query = JobsQuery { state: Some("queued,running,undoing".into()), ..JobsQuery::default() };
    let ended = site.until("every job has ended", ENDS, async |client| {
        Ok(client.jobs(&query).await?.items.is_empty().then_some(()))
    });
    if let Err(why) = ended {
        panic!("{why}: {:#?}", site.run(site.client().jobs(&query)).map(|page| page.items));
    }
    every_job(site).unwrap()
}

fn every_job(site: &Site) -> Result<Vec<JobView>> {
    let mut query = JobsQuery { limit: Some(1_000), ..JobsQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = site.run(site.client().jobs(&query))?;
        all.extend(page.items);
        if page.next.is_none() {
            return Ok(all);
        }
        query.cursor = page.next;
    }
}

/// How many jobs of which kind ended how, and by what code those that failed.
fn tell(jobs: &[JobView]) {
    let mut ends: BTreeMap<(String, &str, String), usize> = BTreeMap::new();
    for view in jobs {
        let code = view.job.error.as_ref().map(|error| error.code.to_string()).unwrap_or_default();
        *ends.entry((format!("{:?}", view.job.kind), view.job.state.word(), code)).or_default() += 1;
    }
    for ((kind, state, code), count) in ends {
        println!("{count:>5} {kind} {state} {code}");
    }
}
