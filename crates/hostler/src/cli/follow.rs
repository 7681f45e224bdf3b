//! Changes: how they are asked for, followed until their jobs have ended, and told.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use hostler_client::{Changed, Client, ClientError, How};
use hostler_model::JobId;
use hostler_model::command::Command;
use hostler_model::job::{Act, DryRun, JobState, Step, StepIs};
use hostler_model::push::Work;
use hostler_model::view::{Accepted, JobView};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::failure::{Failure, of_refusal};
use crate::cli::format::NONE;
use crate::cli::here::Here;
use crate::cli::show::{harmless, note, out};
use crate::cli::values::lasted;

/// How a change is asked for.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "How it is done")]
pub struct Change {
    /// Show what would be done (steps, and the chosen host with its reasons), and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Queue behind a job that is in the way, rather than be refused
    #[arg(long)]
    pub wait: bool,
    /// Do not wait for the job; its number is written
    #[arg(long, conflicts_with = "dry_run")]
    pub no_wait: bool,
    /// Do it only if the thing still has this revision, as `show` says it; for changes to one thing
    #[arg(long, value_name = "REVISION")]
    pub if_match: Option<String>,
}

impl Change {
    /// As the client takes it.
    pub fn how(&self) -> How {
        How { dry_run: self.dry_run, wait: self.wait, key: None, if_match: self.if_match.clone() }
    }
}

/// What became of one change.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Planned(DryRun),
    Taken(Accepted),
    Ended(Box<JobView>),
}

/// Asks for one change and follows it.
///
/// # Errors
/// When it is refused, or its job fails.
pub async fn change(
    here: &Here,
    client: &Client,
    how: &Change,
    asked: Result<Changed, ClientError>,
) -> Result<(), Failure> {
    changes(here, client, how, vec![asked]).await
}

/// Follows changes that were asked for. All are followed to their end, whatever becomes of one; the code is that of the
/// first that failed.
///
/// # Errors
/// When one was refused, or its job failed.
pub async fn changes(
    here: &Here,
    client: &Client,
    how: &Change,
    asked: Vec<Result<Changed, ClientError>>,
) -> Result<(), Failure> {
    let (mut outcomes, mut failures) = (Vec::new(), Vec::new());
    let mut open: Vec<JobId> = asked
        .iter()
        .filter_map(|asked| if let Ok(Changed::Taken(taken)) = asked { Some(taken.job) } else { None })
        .collect();
    for asked in asked {
        match asked {
            Err(error) => failures.push(told(error.into())),
            Ok(Changed::Planned(plan)) => outcomes.push(Outcome::Planned(plan)),
            Ok(Changed::Taken(taken)) if how.no_wait => outcomes.push(Outcome::Taken(taken)),
            Ok(Changed::Taken(taken)) => {
                match until_ended(here, client, taken.job, &open).await {
                    Ok(view) if view.job.state.is_success() => {
                        tell(here, &view, taken.id.as_deref())?;
                        outcomes.push(Outcome::Ended(Box::new(view)));
                    }
                    Ok(view) => {
                        outcomes.push(Outcome::Ended(Box::new(view.clone())));
                        failures.push(told(Failure::Job(Box::new(view))));
                    }
                    Err(interrupted @ Failure::Interrupted(_)) => return Err(interrupted),
                    Err(failure) => failures.push(told(failure)),
                }
                open.retain(|job| *job != taken.job);
            }
        }
    }
    match here.is_for_people() {
        true => {
            for outcome in &outcomes {
                match outcome {
                    Outcome::Planned(plan) => out(plan_text(plan))?,
                    Outcome::Taken(taken) if here.global.quiet => out(format!("{}\n", taken.job))?,
                    Outcome::Taken(taken) => out(format!("job {}\n", taken.job))?,
                    Outcome::Ended(_) => {}
                }
            }
        }
        _ if outcomes.is_empty() => {}
        _ => here.each(&outcomes, NONE, |_| Vec::new(), |_| String::new())?,
    }
    match failures.first() {
        None => Ok(()),
        Some(code) => Err(Failure::Said(*code)),
    }
}

fn told(failure: Failure) -> u8 {
    for line in failure.lines() {
        note(line);
    }
    failure.exit_code()
}

/// What is said of a job that did what was asked.
fn tell(here: &Here, view: &JobView, made: Option<&str>) -> Result<(), Failure> {
    for warning in &view.job.warnings {
        for line in of_refusal(warning) {
            note(line.replacen("error:", "warning:", 1));
        }
    }
    if !here.is_for_people() {
        return Ok(());
    }
    match (here.global.quiet, made) {
        (true, Some(id)) => out(format!("{id}\n")),
        (true, None) => Ok(()),
        (false, _) => {
            let notes: String = view.job.notes.iter().map(|said| format!("  {}\n", harmless(said))).collect();
            out(format!("{}\n{notes}", sentence(view)))
        }
    }
}

/// One line on a job: `job 42: Start virtual machine web-1: completed in 1.2 s`.
pub fn sentence(view: &JobView) -> String {
    let job = &view.job;
    let title = if job.title.is_empty() { String::new() } else { format!(" {}", job.title) };
    let took = job.ended.map(|ended| format!(" in {}", lasted(ended.since(job.created)))).unwrap_or_default();
    format!("job {}: {}{title}: {}{took}", job.id, job.kind.words(), job.state.words().to_lowercase())
}

/// Waits for a job, with its progress before the eyes of whoever sits there.
///
/// # Errors
/// [`Failure::Interrupted`] when the person pressed Ctrl-C: it names what goes on.
pub async fn until_ended(
    here: &Here,
    client: &Client,
    job: JobId,
    open: &[JobId],
) -> Result<JobView, Failure> {
    let mut progress = Progress::new(here, job);
    let waiting = client.wait_for_job(job, |view| progress.seen(view));
    let ended = tokio::select! {
        ended = waiting => Some(ended),
        _ = tokio::signal::ctrl_c() => None,
    };
    progress.over();
    match ended {
        Some(ended) => Ok(ended?),
        None if open.is_empty() => Err(Failure::Interrupted(vec![job])),
        None => Err(Failure::Interrupted(open.to_vec())),
    }
}

/// Progress: a bar on a terminal, else a line for each new step.
struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
    last: String,
    begun: std::time::Instant,
}

/// What is over sooner needs no bar.
const BAR_AFTER: Duration = Duration::from_millis(400);

impl Progress {
    fn new(here: &Here, job: JobId) -> Self {
        let shown = !here.global.quiet && here.is_for_people();
        let terminal = std::io::stderr().is_terminal();
        let bar = (shown && terminal).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            bar.set_prefix(format!("job {job}"));
            bar
        });
        Self { bar, lines: shown && !terminal, last: String::new(), begun: std::time::Instant::now() }
    }

    fn seen(&mut self, view: &JobView) {
        if view.job.state.is_ended() {
            return;
        }
        let doing = doing(view);
        if let Some(bar) = &self.bar {
            if bar.is_hidden() && self.begun.elapsed() >= BAR_AFTER {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            let known = view.progress.iter().find(|step| step.of > 0);
            let style = match known {
                Some(step) => {
                    bar.set_length(step.of);
                    bar.set_position(step.done.min(step.of));
                    if view.job.step(&step.key).is_some_and(in_bytes) {
                        "{spinner} {prefix}: {msg} [{bar:30}] {binary_bytes} of {binary_total_bytes} {percent}% {elapsed}"
                    } else {
                        "{spinner} {prefix}: {msg} [{bar:30}] {percent}% {elapsed}"
                    }
                }
                None => "{spinner} {prefix}: {msg} {elapsed}",
            };
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(doing);
        } else if self.lines && doing != self.last {
            note(format!("job {}: {doing}", view.job.id));
            self.last = doing;
        }
    }

    fn over(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether what a step tells of its progress counts bytes. Of the others only the share means something.
pub(super) fn in_bytes(step: &Step) -> bool {
    match &step.act {
        Act::Agent { command, .. } => {
            matches!(**command, Command::Migrate { .. } | Command::BringProgram { .. })
        }
        Act::Server { work } => matches!(**work, Work::InstallAgent { .. }),
        Act::Record => false,
    }
}

/// What a job is doing now, in words.
fn doing(view: &JobView) -> String {
    if let Some(waiting) = &view.waiting {
        return format!("waiting for {waiting}");
    }
    let state = match view.job.state {
        JobState::Undoing => "taking back".to_owned(),
        _ if view.cancelling => "cancelling".to_owned(),
        state => state.words().to_lowercase(),
    };
    let out = |is: &StepIs| {
        matches!(is, StepIs::Out | StepIs::Revoking | StepIs::Undoing | StepIs::Held | StepIs::Waits { .. })
    };
    let steps: Vec<&str> =
        view.job.steps.iter().filter(|step| out(&step.is)).map(|step| step.key.as_str()).collect();
    if steps.is_empty() { state } else { format!("{state}: {}", steps.join(", ")) }
}

/// A plan as people read it.
pub fn plan_text(plan: &DryRun) -> String {
    let mut text = format!("{} {}\n", plan.kind.words(), plan.title);
    // Of the choices only the host is a person's business; the others are ids and what the record holds anyway.
    if let Some(host) = plan.choices.get("host").filter(|host| host.get("reasons").is_some()) {
        let name = host.get("host").and_then(|name| name.as_str()).unwrap_or("?");
        let half_stars = host.get("half_stars").and_then(|stars| stars.as_f64()).unwrap_or_default();
        text.push_str(&format!("  on host {name} ({} of 5 stars)\n", half_stars / 2.0));
        for reason in host.get("reasons").and_then(|reasons| reasons.as_array()).into_iter().flatten() {
            text.push_str(&format!("    {}\n", reason.as_str().unwrap_or_default()));
        }
    }
    for (at, step) in plan.steps.iter().enumerate() {
        let on = match &step.act {
            Act::Record => "in the record",
            Act::Agent { .. } => "on the host",
            Act::Server { .. } => "by the server",
        };
        let mut marks = Vec::new();
        if step.undo != hostler_model::job::Undo::None {
            marks.push("can be taken back");
        }
        if step.decides {
            marks.push("decides: from here on only forward");
        }
        let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join("; ")) };
        text.push_str(&format!("  step {}: {} {on}{marks}\n", at + 1, step.key));
    }
    if !plan.then.is_empty() {
        text.push_str(&format!("  then: {}\n", plan.then.join(", ")));
    }
    if let Some(effects) = &plan.effects {
        let count = |n: u32, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        let concerned = (count(effects.hosts, "host"), count(effects.machines, "machine"));
        text.push_str(&format!("  concerned: {} with {}\n", concerned.0, concerned.1));
        for change in &effects.changes {
            let (before, after) = (&change.before, &change.after);
            text.push_str(&format!("    {}: {} from {before} to {after}\n", change.name, change.property));
        }
        match effects.more {
            0 if effects.changes.is_empty() => text.push_str("    nothing would be in force otherwise\n"),
            0 => {}
            more => text.push_str(&format!("    and {more} more\n")),
        }
    }
    text.push_str("Nothing was done.\n");
    text
}
