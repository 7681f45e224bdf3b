//! How commands fail: what is said, and the code that scripts rely on.

use hostler_client::ClientError;
use hostler_model::job::JobState;
use hostler_model::view::JobView;
use hostler_model::{Code, JobId, Refusal};

use crate::contexts::ContextsError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The server said no, or could not be asked.
    Client(ClientError),
    /// The job failed.
    Job(Box<JobView>),
    /// The command line makes no sense.
    Usage(String, String),
    /// Nobody is signed in.
    NotSignedIn(String),
    /// Something on this computer is in the way.
    Here(String),
    /// The person pressed Ctrl-C; these jobs go on.
    Interrupted(Vec<JobId>),
    /// Everything was said already; only the code remains.
    Said(u8),
}

/// Done.
pub const DONE: u8 = 0;
/// The job failed.
pub const JOB_FAILED: u8 = 1;
/// The command line, or a value in it, makes no sense.
pub const USAGE: u8 = 2;
/// Refused by the state of things, or because they are busy.
pub const REFUSED: u8 = 3;
/// There is no such thing.
pub const NOT_FOUND: u8 = 4;
/// Not allowed, or not signed in.
pub const NOT_ALLOWED: u8 = 5;
/// The server cannot be reached, or is not the one that is trusted.
pub const UNREACHABLE: u8 = 6;
/// Interrupted; the job goes on.
pub const INTERRUPTED: u8 = 130;

impl Failure {
    /// A mistake in the command line, with what to do about it.
    pub fn usage(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure::Usage(cause.into(), remedy.into())
    }

    /// The code with which the program ends.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Client(ClientError::Refused(refusal)) => of_code(refusal.code),
            Failure::Client(ClientError::Unreachable { .. } | ClientError::Untrusted { .. }) => UNREACHABLE,
            Failure::Client(ClientError::Config(_)) | Failure::Usage(..) => USAGE,
            Failure::Client(ClientError::Answer { .. }) | Failure::Job(_) | Failure::Here(_) => JOB_FAILED,
            Failure::NotSignedIn(_) => NOT_ALLOWED,
            Failure::Interrupted(_) => INTERRUPTED,
            Failure::Said(code) => *code,
        }
    }

    /// What is written to standard error, line by line.
    pub fn lines(&self) -> Vec<String> {
        let plain = |cause: &str, remedy: &str| {
            let mut lines = vec![format!("error: {cause}")];
            if !remedy.is_empty() {
                lines.push(format!("remedy: {remedy}"));
            }
            lines
        };
        match self {
            Failure::Client(ClientError::Refused(refusal)) => of_refusal(refusal),
            Failure::Client(error @ ClientError::Unreachable { .. }) => {
                plain(&error.to_string(), "Check the address and that the server runs")
            }
            Failure::Client(error @ ClientError::Untrusted { .. }) => plain(
                &error.to_string(),
                "If the server was installed anew, compare its fingerprint and sign in again with `hostler login`",
            ),
            Failure::Client(error @ ClientError::Answer { .. }) => plain(
                &error.to_string(),
                "Compare the versions of `hostler --version` and `hostler server show`",
            ),
            Failure::Client(error @ ClientError::Config(_)) => plain(&error.to_string(), ""),
            Failure::Job(view) => of_job(view),
            Failure::Usage(cause, remedy) => plain(cause, remedy),
            Failure::NotSignedIn(cause) => plain(cause, "Sign in with `hostler login https://server:8470`"),
            Failure::Here(cause) => plain(cause, ""),
            Failure::Interrupted(jobs) => jobs
                .iter()
                .map(|job| format!("interrupted: job {job} goes on; see `hostler job show {job}`"))
                .collect(),
            Failure::Said(_) => Vec::new(),
        }
    }
}

fn of_code(code: Code) -> u8 {
    match code.http_status() {
        400 | 422 => USAGE,
        401 | 403 => NOT_ALLOWED,
        404 => NOT_FOUND,
        409 | 412 | 429 | 503 => REFUSED,
        _ => match code {
            Code::Unknown => REFUSED,
            _ => JOB_FAILED,
        },
    }
}

/// A refusal as people read it.
pub fn of_refusal(refusal: &Refusal) -> Vec<String> {
    let mut lines = vec![format!("error: {}: {}", refusal.object, refusal.cause)];
    if !refusal.remedy.is_empty() {
        lines.push(format!("remedy: {}", refusal.remedy));
    }
    if refusal.code == Code::AccessNotSignedIn {
        lines.push("remedy: Sign in with `hostler login`".to_owned());
        lines.dedup_by(|second, first| first.starts_with("remedy:") && second.starts_with("remedy:"));
    }
    lines.push(format!("code: {}", refusal.code));
    lines
}

fn of_job(view: &JobView) -> Vec<String> {
    let job = &view.job;
    let mut lines = match &job.error {
        Some(refusal) => of_refusal(refusal),
        None => vec![format!("error: job {}: it ended as \"{}\"", job.id, job.state.words())],
    };
    let left = match job.state {
        JobState::FailedKept => "what is in use was kept, and is an ordinary machine now",
        JobState::FailedCleanupOwed => "a clean-up is owed, and will be done when the host answers",
        JobState::FailedUndone | JobState::Cancelled => "everything was taken back",
        JobState::Queued
        | JobState::Running
        | JobState::Undoing
        | JobState::Completed
        | JobState::CompletedWithWarnings => "it goes on",
    };
    lines.push(format!("job: {} ({}; {left})", job.id, job.state.words().to_lowercase()));
    lines
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Failure::Client(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Client(refusal.into())
    }
}

impl From<ContextsError> for Failure {
    fn from(error: ContextsError) -> Self {
        Failure::Here(error.to_string())
    }
}
