//! What goes wrong with a test host, a test server, or what a story waits for.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why something of the testbed did not work.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A file or folder.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A program of Hostler is not built.
    #[error("{program} is not in {folder}; build it: cargo build -p {package}")]
    NotBuilt {
        /// Which.
        program: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// The package that makes it.
        package: String,
    },
    /// A program failed.
    #[error("`{line}` failed: {said}")]
    Program {
        /// The command.
        line: String,
        /// Its last words.
        said: String,
    },
    /// Something did not happen in time.
    #[error("not within {limit:?}: {what}")]
    Late {
        /// What.
        what: String,
        /// How long was waited.
        limit: Duration,
    },
    /// There is no such host, or it is off.
    #[error("host {name} is {is}")]
    Host {
        /// Which.
        name: String,
        /// What it is instead.
        is: &'static str,
    },
    /// The server said no, or is not there.
    #[error(transparent)]
    Client(#[from] hostler_client::ClientError),
    /// Something of the server's answer is not what it must be.
    #[error("{0}")]
    Answer(String),
}

/// What most of this crate returns.
pub type Result<T> = std::result::Result<T, Trouble>;

impl Trouble {
    /// Trouble with a file.
    pub(crate) fn file(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Trouble {
        let path = path.as_ref().to_owned();
        move |cause| Trouble::File { path, cause }
    }
}
