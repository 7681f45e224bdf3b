//! How a running agent stands, in a small file for `hostler-agent status`.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hostler_model::Timestamp;
use serde::{Deserialize, Serialize};

/// How a running agent stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Where its server is.
    pub server: String,
    /// Since when it stands so.
    pub since: Timestamp,
    /// How.
    pub connection: Connection,
    /// Why the certificate could not be renewed when that was tried last; none when nothing is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<String>,
}

/// The connection to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Connection {
    /// It is open.
    Open,
    /// It is not, for this reason.
    Closed {
        /// Why.
        why: String,
    },
}

impl Status {
    /// Of this process, from now on.
    pub fn now(server: &str, connection: Connection) -> Self {
        Self { pid: std::process::id(), server: server.into(), since: now(), connection, renewal: None }
    }

    /// Writes it, whole or not at all. It is only for looking at: a failure is logged.
    pub(crate) fn write(&self, path: &Path) {
        let beside = path.with_extension("new");
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        if let Err(why) = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)) {
            tracing::debug!(%why, path = %path.display(), "cannot be written");
        }
    }

    /// Reads what the running agent wrote last.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

/// What this computer's clock says.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Timestamp(i64::try_from(since).unwrap_or(i64::MAX))
}
