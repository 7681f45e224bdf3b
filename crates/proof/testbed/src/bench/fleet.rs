//! The server with a simulated fleet: agents of this process, over the real protocol.

use std::process::Command;
use std::time::{Duration, Instant};

use hostler_client::{Changed, Client, How, JobsQuery};
use hostler_model::JobId;
use hostler_model::action::VmAction;
use hostler_model::job::Act;
use tokio::task::JoinSet;

use super::figures::Line;
use crate::commands::{program, run};
use crate::fleet::Fleet;
use crate::site::{Site, ask_empty, empty, success, taken};
use crate::trouble::{Result, Trouble};

/// How many are asked at the same time.
const AT_ONCE: usize = 128;
/// How long all jobs may take.
const ALL_DONE: Duration = Duration::from_secs(300);

/// A site with simulated hosts.
fn simulated(hosts: usize, machines: usize) -> Result<(Site, Fleet)> {
    let site = Site::new()?;
    let mut fleet = Fleet::default();
    let server = site.server.agent_address();
    site.run(fleet.join(site.client(), &server, hosts, machines))?;
    site.run(fleet.answers(site.client()))?;
    Ok((site, fleet))
}

/// `hostler vm list` of 1,000 machines, from its start to its end.
pub(super) fn list(runs: u32) -> Result<Vec<Line>> {
    let (site, _fleet) = simulated(20, 1_000)?;
    site.until("all machines are found", Duration::from_secs(60), async |client| {
        let query = hostler_client::ListQuery { limit: Some(1_000), ..Default::default() };
        Ok((client.vms(&query).await?.items.len() == 1_000).then_some(()))
    })?;
    let token = site.run(site.server.token())?;
    let hostler = program("hostler")?;
    let mut times = Vec::new();
    for at in 0..=runs {
        let mut command = Command::new(&hostler);
        command.args(["vm", "list"]).env("HOSTLER_SERVER", site.client().server());
        command.env("HOSTLER_TOKEN", &token).env("HOSTLER_CA", site.server.state().join("pki/authority.crt"));
        let begun = Instant::now();
        let said = run(&mut command)?;
        let took = begun.elapsed();
        let lines = said.lines().filter(|line| line.contains("sim-")).count();
        if lines < 1_000 {
            return Err(Trouble::Answer(format!("{lines} of 1,000 machines were listed")));
        }
        if at > 0 {
            times.push(took);
        }
    }
    Ok(vec![Line::times("`hostler vm list`, 1,000 machines", &times, "< 50 ms")])
}

/// The server's memory at its start and after 1,000 jobs.
pub(super) fn memory(_: u32) -> Result<Vec<Line>> {
    let (site, _fleet) = simulated(10, 0)?;
    let before = resident_mib(&site)?;
    site.run(lives(site.client(), 250))?;
    let after = resident_mib(&site)?;
    Ok(vec![
        Line::one("server's memory with 10 hosts", format!("{before:.1} MiB"), ""),
        Line::one(
            "server's memory after 1,000 jobs (250 machines made, started, turned off, deleted)",
            format!("{after:.1} MiB"),
            "< 60 MiB",
        ),
    ])
}

/// How many jobs of two steps are done in a second.
pub(super) fn jobs(_: u32) -> Result<Vec<Line>> {
    let (site, _fleet) = simulated(30, 0)?;
    let plan =
        match site.run(site.client().create_vm(&empty("plan")?, &How { dry_run: true, ..How::default() }))? {
            Changed::Planned(plan) => plan,
            Changed::Taken(_) => return Err(Trouble::Answer("a dry run was carried out".into())),
        };
    let steps = plan.steps.iter().filter(|step| matches!(step.act, Act::Agent { .. })).count();
    const JOBS: usize = 5_000;
    let took = create_many(&site, JOBS)?;
    let rate = JOBS as f64 / took.as_secs_f64();
    let what = format!("jobs per second, {steps} steps each, 30 hosts, client and agents on the same cores");
    Ok(vec![Line::one(&what, format!("{rate:.0}"), "aim 5,000")])
}

/// Makes so many machines; how long from the first one asked to the last one done, by the server's own times.
fn create_many(site: &Site, count: usize) -> Result<Duration> {
    let client = site.client().clone();
    let jobs = site.run(async move {
        let mut asking = JoinSet::new();
        let mut jobs = Vec::new();
        for n in 0..count {
            let client = client.clone();
            asking.spawn(async move { insist(&client, &format!("m-{n:05}")).await });
            if asking.len() >= AT_ONCE {
                jobs.extend(joined(&mut asking).await?);
            }
        }
        while !asking.is_empty() {
            jobs.extend(joined(&mut asking).await?);
        }
        Ok::<_, Trouble>(jobs)
    })?;
    let query = JobsQuery {
        state: Some("queued,running,undoing".into()),
        kind: Some("create-vm".into()),
        limit: Some(1),
        ..JobsQuery::default()
    };
    site.until("all jobs are done", ALL_DONE, async |client| {
        Ok(client.jobs(&query).await?.items.is_empty().then_some(()))
    })?;
    let (Some(first), Some(last)) = (jobs.iter().min(), jobs.iter().max()) else {
        return Err(Trouble::Answer("nothing was asked".into()));
    };
    let begun = site.run(site.client().job(*first))?.job.created;
    let mut ended = begun;
    // The last to end is among the last asked, but for what waited.
    for back in 0..200.min(count as u64) {
        let Some(number) = last.0.checked_sub(back) else { break };
        if let Ok(view) = site.run(site.client().job(JobId(number))) {
            ended = ended.max(view.job.ended.unwrap_or(ended));
            success(view)?;
        }
    }
    Ok(Duration::from_millis(ended.since(begun)))
}

/// So many machines are made, started, turned off and deleted: four jobs each.
async fn lives(client: &Client, machines: usize) -> Result<()> {
    let mut living = JoinSet::new();
    for n in 0..machines {
        let client = client.clone();
        living.spawn(async move {
            let name = format!("m-{n:05}");
            let how = How::default();
            finished(&client, ask_empty(&client, &name, &how).await?.job).await?;
            for action in [VmAction::Start, VmAction::TurnOff] {
                finished(&client, taken(client.act_on_vm(&name, action, &how).await?)?.job).await?;
            }
            finished(&client, taken(client.delete_vm(&name, true, &how).await?)?.job).await
        });
        // As many people as a busy morning has.
        if living.len() >= 16 {
            one_more(&mut living).await?;
        }
    }
    while !living.is_empty() {
        one_more(&mut living).await?;
    }
    Ok(())
}

async fn finished(client: &Client, job: JobId) -> Result<()> {
    success(client.wait_for_job(job, |_| ()).await?)
}

async fn one_more(living: &mut JoinSet<Result<()>>) -> Result<()> {
    match living.join_next().await {
        Some(Ok(lived)) => lived,
        Some(Err(why)) => Err(Trouble::Answer(why.to_string())),
        None => Ok(()),
    }
}

async fn joined(asking: &mut JoinSet<Result<JobId>>) -> Result<Option<JobId>> {
    match asking.join_next().await {
        Some(Ok(job)) => job.map(Some),
        Some(Err(why)) => Err(Trouble::Answer(why.to_string())),
        None => Ok(None),
    }
}

/// Asks until the server takes it: an overloaded one says so.
async fn insist(client: &Client, name: &str) -> Result<JobId> {
    let how = How { key: Some(name.to_owned()), ..How::default() };
    loop {
        match ask_empty(client, name, &how).await {
            Ok(accepted) => return Ok(accepted.job),
            Err(Trouble::Client(why)) if why.is_passing() => {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
            Err(why) => return Err(why),
        }
    }
}

/// What the server's process has in memory, in MiB.
fn resident_mib(site: &Site) -> Result<f64> {
    let process = site.server.process(crate::server::PROCESS);
    let process = process.ok_or_else(|| Trouble::Answer("the server does not run".into()))?;
    resident_of(process.pid.unsigned_abs())
}

/// What a process has in memory, in MiB.
pub(super) fn resident_of(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(Trouble::file(&path))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = kib.and_then(|text| text.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    kib.map(|kib| kib / 1_024.0).ok_or_else(|| Trouble::Answer(format!("{path} has no VmRSS")))
}
