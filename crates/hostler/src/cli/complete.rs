//! Completions: commands and options from the definitions themselves, and the names of things from the server. A shell
//! calls this program for them, at each press of a key: what takes long, or fails, is silence.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use hostler_client::{JobsQuery, ListQuery};
use hostler_model::Kind;
use hostler_model::job::{JobKind, JobState};
use hostler_model::status::VmStatus;

use crate::cli::Cli;
use crate::cli::failure::Failure;
use crate::cli::format::FORMATS;
use crate::cli::here::{Global, Here};
use crate::cli::show::harmless;
use crate::contexts::{self, Contexts};

pub(super) const EXAMPLES: &str = "Examples:
  hostler completions bash > /etc/bash_completion.d/hostler
  hostler completions zsh > /usr/local/share/zsh/site-functions/_hostler
  hostler completions fish > /etc/fish/completions/hostler.fish

Write the file anew with each new version of hostler. Names of machines, hosts and other things are asked from the server of
the current context; where it does not answer within 0.3 s, nothing is offered and nothing is said.";

/// By which variable a shell says that it asks.
const ASKS: &str = "HOSTLER_COMPLETE";
/// How long a person waits for a press of a key without wondering.
const LIMIT: Duration = Duration::from_millis(300);
/// How many names are offered: more are not read.
const MOST: u32 = 200;

/// What completes in a shell.
///
/// # Errors
/// When there is nothing for this shell: a defect.
pub fn script(shell: Shell) -> Result<Vec<u8>, Failure> {
    let shells = Shells::builtins();
    let failed = |cause: String| Failure::Here(format!("completions for {shell}: {cause}"));
    let writer = shells.completer(&shell.to_string()).ok_or_else(|| failed("there are none".to_owned()))?;
    let mut text = Vec::new();
    writer
        .write_registration(ASKS, "hostler", "hostler", "hostler", &mut text)
        .map_err(|cause| failed(cause.to_string()))?;
    Ok(text)
}

/// Answers a shell that asks, and ends the program; else does nothing.
pub(super) fn answer() {
    if std::env::var_os(ASKS).is_some() {
        CompleteEnv::with_factory(command).var(ASKS).complete();
    }
}

/// The commands, with what can stand in the place of each argument. That is told by what the help calls its value.
pub fn command() -> Command {
    completed(Cli::command())
}

fn completed(command: Command) -> Command {
    command
        .mut_args(|argument| match of_argument(&argument) {
            Some(values) => argument.add(ArgValueCompleter::new(move |begun: &OsStr| offered(values, begun))),
            None => argument,
        })
        .mut_subcommands(completed)
}

/// What can stand in a place.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// The names of things in this list of the interface.
    Names(&'static str),
    /// Numbers of jobs.
    Jobs,
    /// Saved views, as their page and name.
    Views,
    /// Names of contexts.
    Contexts,
    /// Formats of answers.
    Formats,
    /// Words that are always the same.
    Words(fn() -> Vec<&'static str>),
}

/// What can stand in the place of an argument.
pub fn of_argument(argument: &Arg) -> Option<Values> {
    let name = argument.get_value_names()?.first()?.as_str();
    Some(match name {
        "VM" => Values::Names("vms"),
        "HOST" => Values::Names("hosts"),
        "GROUP" => Values::Names("host-groups"),
        "NETWORK" => Values::Names("networks"),
        "AGENT" => Values::Names("agents"),
        "SHARE" => Values::Names("library-shares"),
        "ITEM" => Values::Names("library-items"),
        "TEMPLATE" => Values::Names("templates"),
        "USER" => Values::Names("users"),
        "TOKEN" => Values::Names("tokens"),
        "JOB" => Values::Jobs,
        "VIEW" => Values::Views,
        "CONTEXT" => Values::Contexts,
        "NAME" if argument.get_long() == Some("context") => Values::Contexts,
        "FORMAT" => Values::Formats,
        "STATUS" => Values::Words(|| VmStatus::ALL.iter().map(|status| status.word()).collect()),
        "STATE" if argument.get_long() == Some("state") => {
            Values::Words(|| JobState::ALL.iter().map(|state| state.word()).collect())
        }
        "KIND" if argument.get_long() == Some("kind") => {
            Values::Words(|| JobKind::ALL.iter().map(|kind| kind.word()).collect())
        }
        "KIND" => Values::Words(|| {
            Kind::ALL.iter().filter(|kind| !kind.is_secret()).map(|kind| kind.word()).collect()
        }),
        _ => return None,
    })
}

fn offered(values: Values, begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(begun) = begun.to_str() else { return Vec::new() };
    let found = match values {
        Values::Words(words) => words().into_iter().map(|word| (word.to_owned(), String::new())).collect(),
        Values::Formats => {
            FORMATS.iter().map(|(name, said)| ((*name).to_owned(), (*said).to_owned())).collect()
        }
        Values::Contexts => contexts().unwrap_or_default(),
        Values::Names(_) | Values::Jobs | Values::Views => asked(values, begun).unwrap_or_default(),
    };
    let fits = |name: &str| name.to_lowercase().starts_with(&begun.to_lowercase());
    let fitting = found.into_iter().filter(|(name, _)| fits(name));
    fitting
        .map(|(name, said)| {
            let help = (!said.is_empty()).then(|| harmless(&said).into());
            CompletionCandidate::new(OsString::from(harmless(&name))).help(help)
        })
        .collect()
}

fn contexts() -> Option<Vec<(String, String)>> {
    let contexts = Contexts::load(&contexts::path().ok()?).ok()?;
    Some(contexts.contexts.into_iter().map(|(name, context)| (name, context.server)).collect())
}

/// Names from the server, with what is said of each; none where it does not answer in time.
fn asked(values: Values, begun: &str) -> Option<Vec<(String, String)>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        tokio::time::timeout(LIMIT, names(&Here::new(said()), values, begun)).await.ok()?.ok()
    })
}

async fn names(here: &Here, values: Values, begun: &str) -> Result<Vec<(String, String)>, Failure> {
    let client = here.client()?;
    if matches!(values, Values::Jobs) {
        let query = JobsQuery { limit: Some(50), ..JobsQuery::default() };
        let said = |view: &hostler_model::view::JobView| {
            format!("{} {}: {}", view.job.kind.words(), view.job.title, view.job.state.words())
        };
        let jobs = client.jobs(&query).await?.items;
        return Ok(jobs.iter().map(|view| (view.job.id.to_string(), said(view))).collect());
    }
    // A name with a sign that means something in filters is sought among all.
    let plain = begun.chars().all(|c| c.is_alphanumeric() || "-_. ".contains(c));
    let (list, fields, filter) = match values {
        Values::Names(list) => {
            let fields: &[&str] = match list {
                "vms" | "hosts" => &["name", "status"],
                // Names repeat in other groups: what is offered is where they stand.
                "host-groups" => &["path"],
                _ => &["name"],
            };
            let by_name = list != "host-groups" && plain && !begun.is_empty();
            (list, fields, by_name.then(|| format!("name~{begun}*")))
        }
        _ => ("me/views", ["page", "name"].as_slice(), None),
    };
    let query = ListQuery { limit: Some(MOST), filter, ..ListQuery::default() };
    let path: Vec<&str> = list.split('/').collect();
    let found = client.fields_of(&path, fields, &query).await?;
    let text = |thing: &serde_json::Map<String, serde_json::Value>, name: &str| {
        thing.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    let named = found.items.iter().map(|thing| match values {
        Values::Views => (format!("{}/{}", text(thing, "page"), text(thing, "name")), String::new()),
        Values::Names("host-groups") => (text(thing, "path"), String::new()),
        _ => (text(thing, "name"), text(thing, "status")),
    });
    Ok(named.filter(|(name, _)| !name.is_empty()).collect())
}

/// What the line that is being typed says of the server. What it says else may not be a command yet.
fn said() -> Global {
    let words: Vec<String> = std::env::args_os().filter_map(|word| word.into_string().ok()).collect();
    let option = |name: &str| {
        let inline = |word: &String| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        let behind = || words.iter().position(|word| word == name).and_then(|at| words.get(at + 1).cloned());
        words.iter().find_map(inline).or_else(behind)
    };
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let file = |text: Option<String>| text.filter(|path| path != "-").map(PathBuf::from);
    Global {
        context: option("--context"),
        server: option("--server").or_else(|| variable("HOSTLER_SERVER")),
        token_file: file(option("--token-file")),
        ca: file(option("--ca").or_else(|| variable("HOSTLER_CA"))),
        ..Global::default()
    }
}
