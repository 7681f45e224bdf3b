//! `hostler job`: what was asked, and what became of it.

use clap::{Args, Subcommand};
use hostler_client::JobsQuery;
use hostler_model::JobId;
use hostler_model::job::{Act, JobKind, JobState, StepIs};
use hostler_model::view::{JobView, PropertyChangeView};

use crate::cli::failure::{Failure, of_refusal};
use crate::cli::follow::{Change, change, in_bytes, sentence, until_ended};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{ago, pages};
use crate::cli::show::{Cell, Tone, brief, cell, note, number, sheet};
use crate::cli::values::{lasted, now, relative, shown_size};

const COLUMNS: Columns = Columns {
    usual: &["JOB", "WHAT", "ABOUT", "STATE", "ASKED", "TOOK", "BY"],
    wide: &["ENDED", "WAITS FOR", "ERROR", "COMMAND"],
    first: "",
};

const CHANGES: Columns = Columns { usual: &["OBJECT", "PROPERTY", "BEFORE", "AFTER"], wide: &[], first: "" };

/// What can be done with jobs.
#[derive(Subcommand)]
pub enum Commands {
    /// List jobs, newest first
    #[command(after_help = "Examples:
  hostler job list
  hostler job list --state running --state queued
  hostler job list --about vm/web-1 --limit 5
  hostler job list --kind create-vm --user bob --text web")]
    List(Which),
    /// Show jobs with their steps
    #[command(after_help = "Examples:\n  hostler job show 42")]
    Show {
        /// Which, by their numbers
        #[arg(required = true, value_name = "JOB")]
        jobs: Vec<JobId>,
    },
    /// Show what a job changed: property, value before, value after
    #[command(after_help = "Examples:
  hostler job changes 42
  hostler job changes 42 -o json

In a table, long values are cut and ids are shown as names; json and yaml have all of it.")]
    Changes {
        /// Which
        job: JobId,
    },
    /// Wait until jobs have ended
    #[command(after_help = "Examples:\n  hostler job wait 42\n  hostler job wait 42 43")]
    Wait {
        /// Which
        #[arg(required = true, value_name = "JOB")]
        jobs: Vec<JobId>,
    },
    /// Cancel a job: it is taken back if it can be
    #[command(after_help = "Examples:
  hostler job cancel 42

There is no --dry-run: nothing is planned. What is done by then is taken back, the last first; `hostler job show` lists it.")]
    Cancel(Ending),
    /// End a job for its caller, while what a host owes stands
    #[command(after_help = "Examples:
  hostler job abandon 42

There is no --dry-run: nothing is planned. The steps that `hostler job show` lists as under way are what stays owed.")]
    Abandon(Ending),
    /// Ask for the same again, as a new job
    #[command(after_help = "Examples:\n  hostler job again 42")]
    Again {
        /// Which
        job: JobId,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
}

/// A job that is to end.
#[derive(Args)]
pub struct Ending {
    /// Which
    job: JobId,
    /// Do not wait until it has ended
    #[arg(long)]
    no_wait: bool,
}

/// Which jobs.
#[derive(Args)]
pub struct Which {
    /// Only those in this state (may be said more than once)
    #[arg(long = "state", value_name = "STATE", value_parser = state)]
    states: Vec<JobState>,
    /// Only those of this kind (may be said more than once)
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<JobKind>,
    /// Only those about this thing, as vm/web-1
    #[arg(long, value_name = "KIND/NAME")]
    about: Option<String>,
    /// Only those that this user asked for
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only those with this text in what they are about
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

fn state(written: &str) -> Result<JobState, String> {
    let words: Vec<&str> = JobState::ALL.iter().map(|state| state.word()).collect();
    let found = JobState::ALL.iter().copied().find(|state| state.word() == written);
    found.ok_or_else(|| format!("there is no such state; there are {}", words.join(", ")))
}

fn kind(written: &str) -> Result<JobKind, String> {
    let words: Vec<&str> = JobKind::ALL.iter().map(|kind| kind.word()).collect();
    let found = JobKind::ALL.iter().copied().find(|kind| kind.word() == written);
    found.ok_or_else(|| format!("there is no such kind; there are {}", words.join(", ")))
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List(which) => {
            let joined = |words: Vec<&str>| (!words.is_empty()).then(|| words.join(","));
            let mut query = JobsQuery {
                state: joined(which.states.iter().map(|state| state.word()).collect()),
                kind: joined(which.kinds.iter().map(|kind| kind.word()).collect()),
                about: which.about,
                user: which.user,
                text: which.text,
                ..JobsQuery::default()
            };
            let jobs = pages(Some(which.limit), async |limit, cursor| {
                (query.limit, query.cursor) = (Some(limit), cursor);
                client.jobs(&query).await
            });
            let now = now();
            here.list(&jobs.await?, COLUMNS, |view| row(view, now))
        }
        Commands::Show { jobs } => {
            let mut views = Vec::new();
            for job in jobs {
                views.push(client.job(job).await?);
            }
            let now = now();
            here.each(&views, COLUMNS, |view| row(view, now), |view| text(view, here.width))
        }
        Commands::Changes { job } => here.list(&client.job_changes(job).await?, CHANGES, changed),
        Commands::Wait { jobs } => {
            let mut views = Vec::new();
            for job in &jobs {
                views.push(until_ended(here, &client, *job, &jobs).await?);
            }
            let quiet = here.global.quiet;
            let (now, said) = (now(), |view: &JobView| format!("{}\n", sentence(view)));
            here.each(
                &views,
                COLUMNS,
                |view| row(view, now),
                |view| if quiet { String::new() } else { said(view) },
            )?;
            let failed: Vec<JobView> =
                views.into_iter().filter(|view| !view.job.state.is_success()).collect();
            let mut codes = failed.into_iter().map(|view| {
                let failure = Failure::Job(Box::new(view));
                failure.lines().iter().for_each(note);
                failure.exit_code()
            });
            let first = codes.next();
            codes.for_each(drop);
            first.map_or(Ok(()), |code| Err(Failure::Said(code)))
        }
        Commands::Cancel(Ending { job, no_wait }) => {
            client.cancel_job(job, &Change::default().how()).await?;
            end(here, &client, job, no_wait).await
        }
        Commands::Abandon(Ending { job, no_wait }) => {
            client.abandon_job(job, &Change::default().how()).await?;
            end(here, &client, job, no_wait).await
        }
        Commands::Again { job, change: how } => {
            change(here, &client, &how, client.again(job, &how.how()).await).await
        }
    }
}

/// A job that was cancelled has done what was asked when it ends as cancelled.
async fn end(here: &Here, client: &hostler_client::Client, job: JobId, no_wait: bool) -> Result<(), Failure> {
    if no_wait {
        return Ok(());
    }
    let view = until_ended(here, client, job, &[]).await?;
    let quiet = here.global.quiet;
    here.one(&view, || if quiet { String::new() } else { format!("{}\n", sentence(&view)) })
}

fn state_cell(view: &JobView) -> Cell {
    let state = view.job.state;
    let tone = match state {
        JobState::Completed => Tone::Good,
        JobState::Queued | JobState::Running | JobState::Undoing | JobState::CompletedWithWarnings => {
            Tone::Notable
        }
        JobState::FailedUndone | JobState::FailedKept | JobState::FailedCleanupOwed => Tone::Bad,
        JobState::Cancelled => Tone::Faint,
    };
    let words = if view.cancelling { "Cancelling" } else { state.words() };
    cell(words).tone(tone)
}

fn row(view: &JobView, now: hostler_model::Timestamp) -> Vec<Cell> {
    let job = &view.job;
    let took = job.ended.map(|ended| ended.since(job.created));
    let error = job.error.as_ref().map(|error| error.cause.as_str()).unwrap_or_default();
    vec![
        number(job.id),
        cell(job.kind.words()).exact(job.kind.word()),
        cell(&job.title),
        state_cell(view).exact(job.state.word()),
        ago(job.created, now),
        took.map_or_else(|| number(""), |ms| number(lasted(ms)).exact(ms)),
        cell(job.actor.words()),
        cell(job.ended.map(|at| relative(at, now)).unwrap_or_default())
            .exact(job.ended.map(|at| at.to_string()).unwrap_or_default()),
        cell(view.waiting.as_deref().unwrap_or_default()),
        cell(brief(error)).exact(error),
        cell(brief(&view.command)).exact(&view.command),
    ]
}

fn text(view: &JobView, width: Option<u16>) -> String {
    let job = &view.job;
    let mut lines = vec![
        ("Job", cell(job.id)),
        ("What", cell(job.kind.words())),
        ("About", cell(&job.title)),
        ("State", state_cell(view)),
        ("Waits for", cell(view.waiting.as_deref().unwrap_or_default())),
        ("Asked by", cell(job.actor.words())),
        ("Asked", cell(job.created)),
        ("Ended", cell(job.ended.map(|at| at.to_string()).unwrap_or_default())),
        ("Took", cell(job.ended.map(|at| lasted(at.since(job.created))).unwrap_or_default())),
        ("Cancelled by", cell(job.cancelled_by.as_ref().map(|actor| actor.words()).unwrap_or_default())),
        ("Repeats", cell(job.again_of.map(|job| format!("job {job}")).unwrap_or_default())),
        ("Same again", cell(&view.command)),
    ];
    if let Some(error) = &job.error {
        lines.push(("Error", cell(format!("{}: {}", error.object, error.cause)).tone(Tone::Bad)));
        lines.push(("Remedy", cell(&error.remedy)));
        lines.push(("Code", cell(error.code)));
    }
    for warning in &job.warnings {
        let said: Vec<String> =
            of_refusal(warning).iter().map(|line| line.replacen("error: ", "", 1)).collect();
        lines.push(("Warning", cell(said.join("; ")).tone(Tone::Notable)));
    }
    if !job.notes.is_empty() {
        lines.push(("Notes", cell(job.notes.join("\n"))));
    }
    let mut text = sheet(&lines, width);
    if !job.steps.is_empty() {
        let rows: Vec<Vec<Cell>> = job
            .steps
            .iter()
            .map(|step| {
                let progress =
                    view.progress.iter().find(|progress| progress.no == step.no && progress.of > 0);
                let percent = progress
                    .map(|p| match (in_bytes(step), p.done.min(p.of)) {
                        (true, done) => {
                            let (of, share) = (shown_size(p.of), done * 100 / p.of);
                            format!(" {share}%, {} of {of}", shown_size(done))
                        }
                        (false, done) => format!(" {}%", done * 100 / p.of),
                    })
                    .unwrap_or_default();
                let (words, tone) = step_words(&step.is);
                vec![
                    cell(&step.key),
                    cell(format!("{words}{percent}")).tone(tone),
                    cell(match step.act {
                        Act::Record => "record",
                        Act::Agent { .. } => "host",
                        Act::Server { .. } => "server",
                    }),
                    number(step.answered.map(|at| lasted(at.since(step.sent))).unwrap_or_default()),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&crate::cli::show::table(&["STEP", "STATE", "WHERE", "TOOK"], &rows, width));
    }
    text
}

fn step_words(is: &StepIs) -> (&'static str, Tone) {
    match is {
        StepIs::Held => ("waits for room", Tone::Notable),
        StepIs::Waits { .. } => ("was interrupted, is sent again", Tone::Notable),
        StepIs::Out => ("under way", Tone::Notable),
        StepIs::Revoking => ("being revoked", Tone::Notable),
        StepIs::Done { .. } => ("done", Tone::Good),
        StepIs::Failed { .. } => ("failed", Tone::Bad),
        StepIs::Revoked => ("revoked", Tone::Faint),
        StepIs::InDoubt { .. } => ("in doubt", Tone::Bad),
        StepIs::Undoing => ("being taken back", Tone::Notable),
        StepIs::UndoWaits { .. } => ("taking back waits", Tone::Notable),
        StepIs::Undone => ("taken back", Tone::Plain),
        StepIs::Kept { .. } => ("kept, in use", Tone::Notable),
    }
}

fn changed(change: &PropertyChangeView) -> Vec<Cell> {
    let called = |id: &str| change.names.get(id).map_or_else(|| id.to_owned(), ToString::to_string);
    let value = |value: &serde_json::Value| match value {
        serde_json::Value::Null => cell("-").tone(Tone::Faint),
        serde_json::Value::String(text) => cell(brief(&called(text))),
        other => cell(brief(&other.to_string())),
    };
    let (kind, id) = change.object.split_once('/').unwrap_or(("", &change.object));
    let object = format!("{kind} {}", called(id));
    vec![cell(object.trim()), cell(&change.property), value(&change.before), value(&change.after)]
}
