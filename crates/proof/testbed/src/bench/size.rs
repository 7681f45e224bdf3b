//! A large fleet: how quickly a server has it, what it takes, and what lists and windows over all of it cost.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hostler_client::{Client, How, ListQuery, WindowQuery};
use hostler_model::request::EditVm;
use hostler_model::view::VmView;
use hostler_model::window::WindowEvent;
use tokio::task::JoinSet;

use super::figures::Line;
use super::fleet::resident_of;
use crate::alone::Alone;
use crate::fleet::{Fleet, Wanted, get_into_trouble, live, populate};
use crate::trouble::{Result, Trouble};

/// How many machines, where nothing else is said.
const MACHINES: usize = 20_000;
/// Machines on one host.
const ON_ONE: usize = 100;
/// How long processor time is watched.
const WATCHED: Duration = Duration::from_secs(10);
/// Changes a second while windows are watched.
const CHANGES_PER_S: f64 = 50.0;

/// Filters and sortings as people use them: of list pages and of windows.
pub(super) const LISTS: [(&str, &str, &str); 5] = [
    ("all, by name", "", ""),
    ("by a part of the name", "name~*web*", ""),
    ("running, largest first", "status=running", "-memory_mib,name"),
    ("by tag and host", "tags=prod,host~kvm-0*", "host,name"),
    ("by owner, template and notes", "notes~*shop*,template~debian*", "-created"),
];
/// How many windows are open: each of these with four parts.
const WINDOWS: usize = 20;

type Window = Pin<
    Box<
        dyn futures_util::Stream<Item = std::result::Result<WindowEvent<VmView>, hostler_client::ClientError>>
            + Send,
    >,
>;

/// All of it.
pub(super) fn size(runs: u32) -> Result<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Trouble::file("runtime"))?.block_on(measured(runs))
}

async fn measured(runs: u32) -> Result<Vec<Line>> {
    let vms = std::env::var("HOSTLER_SIZE").ok().and_then(|size| size.parse().ok()).unwrap_or(MACHINES);
    let hosts = (vms / ON_ONE).max(2);
    let state = State::new();
    let alone = Alone::start(&state.0).await?;
    let client = alone.client()?;
    let mut fleet = Fleet::default();
    let begun = Instant::now();
    let wanted = Wanted { hosts, vms, seed: 1 };
    populate(&mut fleet, &client, &alone.about.agents, wanted, |said| eprintln!("  {said}")).await?;
    get_into_trouble(&fleet, &client).await?;
    let what = format!("{vms} machines on {hosts} hosts made and started through REST and agents");
    let mut lines = vec![
        Line::one(&what, format!("{:.0} s", begun.elapsed().as_secs_f64()), ""),
        Line::one("  server's memory with them", format!("{:.0} MiB", resident_of(alone.about.pid)?), ""),
    ];
    for (what, filter, sort) in LISTS {
        lines.push(Line::times(
            &format!("list page of 100: {what}"),
            &list(&client, filter, sort, runs).await?,
            "",
        ));
    }
    let (windows, first) = open(&client).await?;
    lines.push(Line::times("window: from asking to its first event", &first, ""));
    let mut readers = JoinSet::new();
    let told = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for mut window in windows {
        let told = told.clone();
        readers.spawn(async move {
            while let Some(Ok(_)) = window.next().await {
                told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
    }
    let pid = alone.about.pid;
    let still = busy(pid, WATCHED).await?;
    lines.push(percent(&format!("processor, {WINDOWS} windows open, nothing happens"), still));
    let living = live(&fleet, &client, CHANGES_PER_S, 1);
    let with = tokio::select! {
        with = busy(pid, WATCHED) => with?,
        () = living => 0.0,
    };
    let events = told.load(std::sync::atomic::Ordering::Relaxed);
    lines
        .push(percent(&format!("processor, {WINDOWS} windows open, {CHANGES_PER_S} changes a second"), with));
    let seen = seen(&client, runs).await?;
    lines.push(Line::times("window: from asking for a change to seeing it", &seen, "< 1 s"));
    readers.abort_all();
    while readers.join_next().await.is_some() {}
    let without = tokio::select! {
        without = busy(pid, WATCHED) => without?,
        () = live(&fleet, &client, CHANGES_PER_S, 2) => 0.0,
    };
    lines.push(percent(&format!("processor, no window open, {CHANGES_PER_S} changes a second"), without));
    let each = (with - without) / 100.0 * 1e6 / CHANGES_PER_S / WINDOWS as f64;
    lines.push(Line::one(
        "  so a change costs each window",
        format!("{each:.0} µs ({events} events told)"),
        "",
    ));
    lines.push(Line::one("  server's memory at the end", format!("{:.0} MiB", resident_of(pid)?), ""));
    Ok(lines)
}

pub(super) fn percent(what: &str, percent: f64) -> Line {
    Line::one(what, format!("{percent:.1} % of one processor"), "")
}

fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

pub(super) async fn list(client: &Client, filter: &str, sort: &str, runs: u32) -> Result<Vec<Duration>> {
    let query = ListQuery { filter: said(filter), sort: said(sort), limit: Some(100), cursor: None };
    let mut times = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        client.vms(&query).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// Opens the windows one after another; how long each took to its first event.
async fn open(client: &Client) -> Result<(Vec<Window>, Vec<Duration>)> {
    let (mut windows, mut first) = (Vec::new(), Vec::new());
    for n in 0..WINDOWS {
        let (_, filter, sort) = LISTS[n % LISTS.len()];
        let offset = u32::try_from(n / LISTS.len() * 50).ok();
        let query = WindowQuery { filter: said(filter), sort: said(sort), offset, limit: Some(50) };
        let begun = Instant::now();
        let mut window: Window = Box::pin(client.window("vms", &query).await?);
        window.next().await.transpose()?;
        first.push(begun.elapsed());
        windows.push(window);
    }
    Ok((windows, first))
}

/// How long it takes from asking for a change to a machine until a window shows it.
async fn seen(client: &Client, runs: u32) -> Result<Vec<Duration>> {
    let query = WindowQuery { filter: said("origin=created"), limit: Some(1), ..WindowQuery::default() };
    let mut window: Window = Box::pin(client.window("vms", &query).await?);
    let first = window.next().await.transpose()?.and_then(|event| event.put.into_iter().next());
    let vm = first.ok_or_else(|| Trouble::Answer("the window is empty".into()))?.vm.id.to_string();
    let mut times = Vec::new();
    for n in 0..runs {
        let notes = Some(format!("change {n}"));
        let begun = Instant::now();
        client.edit_vm(&vm, &EditVm { notes: notes.clone(), ..EditVm::default() }, &How::default()).await?;
        while let Some(event) = window.next().await.transpose()? {
            if event.put.iter().any(|row| Some(&row.vm.spec.notes) == notes.as_ref()) {
                break;
            }
        }
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(times)
}

/// How much of one processor a process takes, in percent, over so long.
pub(super) async fn busy(pid: u32, over: Duration) -> Result<f64> {
    let (before, begun) = (ticks(pid)?, Instant::now());
    tokio::time::sleep(over).await;
    // Linux counts a hundred ticks a second.
    Ok((ticks(pid)? - before) as f64 / begun.elapsed().as_secs_f64())
}

fn ticks(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).map_err(Trouble::file(&path))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let at = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    Ok(at(11) + at(12))
}

/// A folder for a server's state, taken away in the end.
pub(super) struct State(pub(super) PathBuf);

impl State {
    pub(super) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("hostler-size-{}", std::process::id())))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
