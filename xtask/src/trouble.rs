//! What went wrong in a developer command, said so that a person can go on: the cause and the remedy, each a
//! plain sentence. Nothing decides on its content.

use std::fmt;
use std::path::Path;

/// Why a command stopped, and what to do about it.
#[derive(Debug)]
pub struct Trouble {
    /// A sentence (or several lines, where a tool's own words are quoted) that says what happened.
    pub cause: String,
    /// A sentence that says what to do next.
    pub remedy: String,
}

impl Trouble {
    /// Trouble with its cause and its remedy.
    pub fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: remedy.into() }
    }

    /// A file or folder could not be `done` (read, written, made …).
    pub fn file(done: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(
            format!("{} could not be {done}: {error}.", path.display()),
            "Look at its rights and at the space left on its disk, then run the command again.",
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.cause, self.remedy)
    }
}

impl std::error::Error for Trouble {}
