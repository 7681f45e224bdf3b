//! `hostler refresher`: what looks at hosts and library shares by the clock.

use std::time::Duration;

use clap::Subcommand;
use hostler_client::Client;
use hostler_model::Timestamp;
use hostler_model::refresher::{
    LookView, RefresherKind, RefresherRun, RefresherView, RunRefresher, VmLookView,
};

use crate::cli::failure::{Failure, JOB_FAILED, of_refusal};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{ago, short};
use crate::cli::show::{Cell, Tone, cell, note, number, out, sheet};
use crate::cli::values::{lasted, now, shown_mib, shown_size};

const COLUMNS: Columns = Columns {
    usual: &["REFRESHER", "EVERY", "LOOKS AT", "LEFT ALONE", "FAILING", "LAST LOOK", "NEXT LOOK", "SETTING"],
    wide: &["WHAT IT DOES"],
    first: "",
};

const LOOKS: Columns = Columns {
    usual: &["REFRESHER", "LOOKS AT", "LAST LOOK", "TOOK", "NEXT LOOK", "RESULT"],
    wide: &["EVERY", "ID"],
    first: "",
};

/// How often it is asked whether a look has ended.
const AGAIN: Duration = Duration::from_millis(200);
/// How long that is waited for: longer than any look may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// What can be done with refreshers.
#[derive(Subcommand)]
pub enum Commands {
    /// List the refreshers: how often each looks, at how much, and at how much its last look failed
    #[command(after_help = "Examples:
  hostler refresher list
  hostler refresher list -o wide

How often each looks is a setting; 0 switches it off: hostler server set host_refresh_s=600")]
    List,
    /// Show how far refreshers are with hosts, library shares or a machine: last look, last error, next look
    #[command(after_help = "Examples:
  hostler refresher show vm-heavy
  hostler refresher show vm-light --failing
  hostler refresher show --host host-a
  hostler refresher show --vm web-1")]
    Show {
        /// Which
        #[arg(value_name = "REFRESHER", value_parser = words(), required_unless_present_any = ["host", "vm"])]
        refresher: Option<String>,
        /// Only those that failed
        #[arg(long)]
        failing: bool,
        /// All refreshers, with this host and the library shares on it
        #[arg(long, value_name = "HOST", conflicts_with_all = ["refresher", "failing"])]
        host: Option<String>,
        /// When this machine was last read as a whole, what was wrong then, and how loaded it was
        #[arg(long, value_name = "VM", conflicts_with_all = ["refresher", "failing", "host"])]
        vm: Option<String>,
    },
    /// Let a refresher look now; what it changes is a job, where it changes nothing there is none
    #[command(after_help = "Examples:
  hostler refresher run vm-light
  hostler refresher run vm-heavy --at host-a
  hostler refresher run library --at images

It ends when the look at the host or share named by --at has ended. At all of them it looks as there is room, and the command ends
at once; those in maintenance are left alone.")]
    Run {
        /// Which
        #[arg(value_name = "REFRESHER", value_parser = words())]
        refresher: String,
        /// At this host or library share only, be it in maintenance or not
        #[arg(long, value_name = "HOST|SHARE")]
        at: Option<String>,
    },
}

fn words() -> clap::builder::PossibleValuesParser {
    RefresherKind::ALL.map(RefresherKind::word).into()
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List => here.list(&client.refreshers().await?, COLUMNS, row),
        Commands::Show { vm: Some(vm), .. } => {
            let seen = client.look_at_vm(&vm).await?;
            here.each(&[seen], LOOKS, |_| Vec::new(), |seen| text(seen, here.width))
        }
        Commands::Show { host: Some(host), .. } => {
            here.list(&client.looks_at_host(&host).await?, LOOKS, look)
        }
        Commands::Show { refresher, failing, .. } => {
            let page = client.looks_of(refresher.as_deref().unwrap_or_default(), failing).await?;
            let shown = page.items.len() as u64;
            here.list(&page.items, LOOKS, look)?;
            if let Some(total) = page.total.filter(|total| *total > shown) {
                note(format!("{} more are not shown", total - shown));
            }
            Ok(())
        }
        Commands::Run { refresher, at } => {
            let asked = client.run_refresher(&refresher, &RunRefresher { at: at.clone() }).await?;
            match at {
                Some(at) => ended(here, &client, &refresher, &at, asked.at).await,
                None if here.is_for_people() => out(said(&asked)),
                None => here.each(&[asked], LOOKS, |_| Vec::new(), |_| String::new()),
            }
        }
    }
}

fn said(run: &RefresherRun) -> String {
    let alone = match run.left_alone {
        0 => String::new(),
        count => format!("; {count} in maintenance are left alone"),
    };
    format!("looks at {} now, as there is room{alone}\n", run.asked)
}

/// Waits until it has looked, and says how that went.
async fn ended(
    here: &Here,
    client: &Client,
    refresher: &str,
    at: &str,
    asked: Timestamp,
) -> Result<(), Failure> {
    let until = std::time::Instant::now() + PATIENCE;
    let library = refresher == RefresherKind::Library.word();
    let id = match library {
        true => client.share(at).await?.share.id.to_string(),
        false => client.host(at).await?.host.id.to_string(),
    };
    loop {
        let looks = match library {
            true => client.looks_of(refresher, false).await?.items,
            false => client.looks_at_host(at).await?,
        };
        let found = looks.into_iter().find(|look| look.id == id && look.refresher.word() == refresher);
        let over = |look: &LookView| !look.is_looking && look.last.is_some_and(|last| last >= asked);
        if let Some(look_at) = found.filter(|look| over(look)) {
            here.list(std::slice::from_ref(&look_at), LOOKS, look)?;
            let Some(why) = look_at.error else { return Ok(()) };
            of_refusal(&why).into_iter().for_each(note);
            return Err(Failure::Said(JOB_FAILED));
        }
        if std::time::Instant::now() >= until {
            return Err(Failure::Here(format!("{refresher} has not looked at {at} yet")));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// An interval, as it is said.
fn every(interval_s: u32) -> Cell {
    match interval_s {
        0 => cell("off").exact(0).tone(Tone::Notable),
        s if s % 3_600 == 0 => cell(format!("{} h", s / 3_600)).exact(s),
        s if s % 60 == 0 => cell(format!("{} min", s / 60)).exact(s),
        s => cell(format!("{s} s")).exact(s),
    }
}

fn moment(at: Option<Timestamp>, none: &str) -> Cell {
    at.map_or_else(|| cell(none).exact("").tone(Tone::Faint), |at| ago(at, now()))
}

fn row(view: &RefresherView) -> Vec<Cell> {
    let failing = number(view.failing).tone(if view.failing == 0 { Tone::Plain } else { Tone::Bad });
    vec![
        cell(view.refresher.word()),
        every(view.interval_s),
        number(view.looks_at),
        number(view.left_alone),
        failing,
        moment(view.last, "not yet"),
        moment(view.next, "-"),
        cell(&view.setting),
        cell(&view.does),
    ]
}

fn look(view: &LookView) -> Vec<Cell> {
    let result = match (&view.error, view.last) {
        (Some(why), _) => cell(&why.cause).tone(Tone::Bad),
        (None, _) if view.is_left_alone => cell("in maintenance: left alone").exact("").tone(Tone::Notable),
        (None, Some(_)) => cell("good").exact("").tone(Tone::Good),
        (None, None) => cell("").exact(""),
    };
    vec![
        cell(view.refresher.word()),
        cell(&view.name),
        moment(view.last, "not yet"),
        view.took_ms.map_or_else(|| cell("").exact(""), |ms| number(lasted(ms)).exact(ms)),
        if view.is_looking { cell("now") } else { moment(view.next, "-") },
        result,
        every(view.interval_s),
        short(&view.id),
    ]
}

fn text(view: &VmLookView, width: Option<u16>) -> String {
    let load = view.load.clone().unwrap_or_default();
    let rate = |read: Option<u64>, written: Option<u64>, first: &str, second: &str| match (read, written) {
        (None, None) => String::new(),
        (read, written) => {
            let shown = |bytes: Option<u64>| format!("{}/s", shown_size(bytes.unwrap_or(0)));
            format!("{} {first}, {} {second}", shown(read), shown(written))
        }
    };
    sheet(
        &[
            ("Last read", moment(view.last, "not yet")),
            (
                "Result",
                view.error.as_ref().map_or_else(
                    || cell(if view.last.is_some() { "good" } else { "" }),
                    |why| cell(&why.cause).tone(Tone::Bad),
                ),
            ),
            ("Next reading", moment(view.next, "-")),
            ("Load as of", view.load.as_ref().map_or_else(|| cell(""), |load| ago(load.at, now()))),
            ("Processor load", cell(load.processor_percent.map(|p| format!("{p:.0}%")).unwrap_or_default())),
            ("Memory in use", cell(load.memory_mib.map(shown_mib).unwrap_or_default())),
            ("Disks", cell(rate(load.disk_read_bytes_s, load.disk_write_bytes_s, "read", "written"))),
            ("Network", cell(rate(load.net_in_bytes_s, load.net_out_bytes_s, "received", "sent"))),
        ],
        width,
    )
}
