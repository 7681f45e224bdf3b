//! A fleet of a thousand hosts through the agents' real protocol: what the server takes while nothing and while much
//! happens, how soon what happened on a host is seen, how lists answer, and how soon all is as before after a restart.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hostler_client::{Client, ListQuery, WindowQuery};
use hostler_hypervisor::simulated::Outside;
use hostler_model::seen::Power;
use hostler_model::view::VmView;
use uuid::Uuid;

use super::figures::Line;
use super::fleet::resident_of;
use super::size::{LISTS, State, busy, list, percent};
use crate::alone::Alone;
use crate::fleet::{Fleet, Wanted, live, populate};
use crate::trouble::{Result, Trouble};

const HOSTS: usize = 1_000;
const MACHINES: usize = 20_000;
/// Changes a second while it is busy.
const CHANGES_PER_S: f64 = 200.0;
/// How long processor time is watched.
const WATCHED: Duration = Duration::from_secs(30);
/// How often a change is made and waited for.
const PROBES: u32 = 300;
/// How often each list is asked for.
const ASKED: u32 = 200;
/// After so long it was not seen at all.
const NEVER: Duration = Duration::from_secs(120);

/// All of it. `HOSTLER_HOSTS` is another number of hosts, each with 20 machines.
pub(super) fn large(_: u32) -> Result<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Trouble::file("runtime"))?.block_on(measured())
}

async fn measured() -> Result<Vec<Line>> {
    let hosts = std::env::var("HOSTLER_HOSTS").ok().and_then(|hosts| hosts.parse().ok()).unwrap_or(HOSTS);
    let vms = hosts * MACHINES / HOSTS;
    let state = State::new();
    let mut alone = Alone::start(&state.0).await?;
    let client = alone.client()?;
    let mut fleet = Fleet::default();
    let wanted = Wanted { hosts, vms, seed: 1 };
    populate(&mut fleet, &client, &alone.about.agents, wanted, |said| eprintln!("  {said}")).await?;
    equal(&fleet, &client).await?;
    let memory = |pid| resident_of(pid).map(|mib| format!("{mib:.0} MiB"));
    let mut lines = vec![Line::one(
        &format!("server's memory with {hosts} hosts and {vms} machines"),
        memory(alone.about.pid)?,
        "",
    )];
    let still = busy(alone.about.pid, WATCHED).await?;
    lines.push(percent("  server's processor, nothing happens", still));
    let probe_at = one_that_was_made(&fleet, &client).await?;
    fleet.keep_apart(probe_at.1);
    let probed = tokio::select! {
        probed = async {
            let probed = probe(&fleet, &client, probe_at).await?;
            Ok::<_, Trouble>((probed, busy(alone.about.pid, WATCHED).await?))
        } => probed?,
        () = live(&fleet, &client, CHANGES_PER_S, 1) => unreachable_for_ever()?,
    };
    lines.push(Line::tail(
        &format!("what happens on a host, until a client has it, at {CHANGES_PER_S} changes a second"),
        &probed.0,
        "p99 < 1 s",
    ));
    lines.push(percent(&format!("  server's processor at {CHANGES_PER_S} changes a second"), probed.1));
    for (what, filter, sort) in LISTS {
        let times = list(&client, filter, sort, ASKED).await?;
        lines.push(Line::tail(&format!("  list page of 100: {what}"), &times, "p99 < 20 ms"));
    }
    equal(&fleet, &client).await?;
    let begun = Instant::now();
    alone.restart().await?;
    fleet.answers(&client).await?;
    let all_in = begun.elapsed();
    equal(&fleet, &client).await?;
    lines.push(Line::one(
        "restart of the server, until all agents are in",
        format!("{:.1} s", all_in.as_secs_f64()),
        "",
    ));
    let same = format!("{:.1} s", begun.elapsed().as_secs_f64());
    lines.push(Line::one("  until record and hosts agree on every machine", same, "< 20 s"));
    lines.push(Line::one("  server's memory at the end", memory(alone.about.pid)?, ""));
    Ok(lines)
}

/// A fleet's life has no end.
fn unreachable_for_ever<T>() -> Result<T> {
    Err(Trouble::Answer("the fleet has ended to live".into()))
}

/// How long it takes from a change on a host until a window shows it. One machine is paused and resumed by turns.
async fn probe(fleet: &Fleet, client: &Client, (host, domain): (usize, Uuid)) -> Result<Vec<Duration>> {
    // Its domain is its id.
    let filter = Some(format!("id={domain}"));
    let query = WindowQuery { filter, limit: Some(1), ..WindowQuery::default() };
    let mut window = pin!(client.window::<VmView>("vms", &query).await?);
    window.next().await.transpose()?;
    let mut times = Vec::new();
    for n in 0..PROBES {
        let (what, then) = match n % 2 {
            0 => (Outside::Pause(domain), Power::Paused),
            _ => (Outside::Resume(domain), Power::Running),
        };
        let begun = Instant::now();
        fleet.happens(host, &what)?;
        let seen = async {
            while let Some(event) = window.next().await.transpose()? {
                if event.put.iter().any(|row| row.vm.power() == then) {
                    return Ok(());
                }
            }
            Err(Trouble::Answer("the window has ended".into()))
        };
        let late = |_| Trouble::Late { what: "the change is seen".into(), limit: NEVER };
        tokio::time::timeout(NEVER, seen).await.map_err(late)??;
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(times)
}

/// A running machine that Hostler made, and the number of its host.
async fn one_that_was_made(fleet: &Fleet, client: &Client) -> Result<(usize, Uuid)> {
    for (host, domain) in fleet.running() {
        if client.vm(&domain.to_string(), None).await.is_ok() {
            return Ok((host, domain));
        }
    }
    Err(Trouble::Answer("no machine that was made runs".into()))
}

/// Waits until the record shows of every machine what its host has.
async fn equal(fleet: &Fleet, client: &Client) -> Result<()> {
    let until = Instant::now() + NEVER;
    loop {
        let mut recorded: BTreeMap<Uuid, Power> = BTreeMap::new();
        let mut query = ListQuery { limit: Some(1_000), ..ListQuery::default() };
        loop {
            let page = client.vms(&query).await?;
            let seen = page.items.iter().filter_map(|row| Some((row.vm.domain, row.vm.seen()?.power)));
            recorded.extend(seen);
            query.cursor = page.next.clone();
            if query.cursor.is_none() {
                break;
            }
        }
        let truth = fleet.powers();
        // What else the record has is on no host: made by a job that failed, lost, or on its way.
        if truth.iter().all(|(domain, power)| recorded.get(domain) == Some(power)) {
            return Ok(());
        }
        if Instant::now() > until {
            let differ = truth.iter().filter(|(domain, power)| recorded.get(*domain) != Some(power));
            let few = differ.clone().take(3).map(|(domain, power)| {
                format!("{domain} is {power:?} and recorded as {:?}", recorded.get(domain))
            });
            return Err(Trouble::Answer(format!(
                "after {NEVER:?} the record differs from the hosts in {} of {} machines: {}",
                differ.clone().count(),
                truth.len(),
                few.collect::<Vec<_>>().join("; ")
            )));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
