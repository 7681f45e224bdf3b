//! `hostler watch`: changes as they happen.

use clap::Args;
use futures_util::StreamExt;
use hostler_client::Word;
use hostler_model::Kind;
use hostler_model::body::FeedEvent;

use crate::cli::failure::Failure;
use crate::cli::format::{Format, lines};
use crate::cli::here::Here;
use crate::cli::list::what;
use crate::cli::show::{data, harmless, out};

pub(super) const EXAMPLES: &str = "Examples:
  hostler watch
  hostler watch vm job
  hostler watch vm -o json | jq .body.spec.name

Ends with Ctrl-C. A connection that breaks is made again, and goes on where it broke off.";

/// Watch changes as they happen.
#[derive(Args)]
pub struct Watch {
    /// Which kinds of things; all where absent
    #[arg(value_name = "KIND", value_parser = kind)]
    kinds: Vec<Kind>,
    /// Begin behind this place, as an earlier watch or `hostler server show` said it
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

fn kind(written: &str) -> Result<Kind, String> {
    let words = || Kind::ALL.iter().filter(|kind| !kind.is_secret()).map(|kind| kind.word());
    let found = written.parse().ok().filter(|kind: &Kind| !kind.is_secret());
    found
        .ok_or_else(|| format!("there is no such kind; there are {}", words().collect::<Vec<_>>().join(", ")))
}

pub(super) async fn run(here: &Here, watch: Watch) -> Result<(), Failure> {
    let mut feed = here.client()?.watch(watch.after, &watch.kinds);
    let watching = async {
        // Each try that fails in vain says nothing new.
        let mut lost = false;
        while let Some(word) = feed.next().await {
            match word? {
                Word::Flows => {
                    lost = false;
                    here.say("watching");
                }
                Word::Change { event, .. } => tell(here, &event)?,
                Word::Resync => {
                    here.say("some changes are not kept any more: what was shown before may be out of date")
                }
                Word::Lost { .. } if lost => {}
                Word::Lost { cause } => {
                    lost = true;
                    here.say(format!(
                        "the connection is lost ({cause}), and is tried again until it is there"
                    ));
                }
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = watching => ended,
        // That is how watching ends; nothing was interrupted.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

fn tell(here: &Here, event: &FeedEvent) -> Result<(), Failure> {
    match here.global.output {
        // One event a line, for programs that read line by line.
        Format::Json | Format::Jsonl => out(lines(std::slice::from_ref(event))?),
        Format::Yaml => out(format!("---\n{}", data(event, &Format::Yaml)?)),
        Format::Template(_) | Format::Name => here.one(event, String::new),
        Format::Csv | Format::Columns(_) => Err(Failure::usage(
            "what happens is told as it happens, and has no columns",
            "Use -o jsonl, or a template",
        )),
        Format::Table | Format::Wide => {
            let id = &event.id;
            let called = event.body.as_ref().and_then(name_in).unwrap_or(id);
            let job = event.job.map(|job| format!(" under job {job}")).unwrap_or_default();
            let line = format!(
                "{} {} {called}: {}{job} by {}",
                event.at,
                event.kind.word(),
                what(event.op),
                event.actor.words()
            );
            out(harmless(&line) + "\n")
        }
    }
}

fn name_in(body: &serde_json::Value) -> Option<&str> {
    ["/spec/name", "/name", "/title"]
        .iter()
        .find_map(|place| body.pointer(place)?.as_str())
        .filter(|n| !n.is_empty())
}
