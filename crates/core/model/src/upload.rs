//! Files that arrive in a library share piece by piece. What has arrived, and what is known of it, lies on the share's
//! agent alone: no object, no job. The refresh that finds the whole file is a job.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::ShareId;
use crate::time::Timestamp;

/// A file to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewUpload {
    /// Where it is to be, below the share's folder. The folder it lies in must be there, and the file must not.
    pub path: String,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// The SHA-256 of its content, 64 hexadecimal digits. With it, the content is checked before the file gets its name,
    /// and an upload of the same content to the same path that was not finished is continued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What the agent knows of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Which.
    pub upload: Uuid,
    /// Where the file is to be, below the share's folder.
    pub path: String,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// How many have arrived. They are on the disk.
    pub received_bytes: u64,
    /// The SHA-256 that its content must have.
    #[serde(default)]
    pub sha256: Option<String>,
    /// When it was begun.
    pub begun: Timestamp,
    /// When it is given up unless more arrives.
    pub kept_until: Timestamp,
    /// Whether the file has its name.
    #[serde(default)]
    pub finished: bool,
}

/// An upload as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadView {
    /// What it is called in paths. Nothing is to be read from it.
    pub id: String,
    /// The share.
    pub share: ShareId,
    /// Where the file is to be, below the share's folder.
    pub path: String,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// How many have arrived: the next piece begins here.
    pub received_bytes: u64,
    /// The SHA-256 that its content must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When it was begun.
    pub begun: Timestamp,
    /// When it is given up, and what arrived deleted, unless more arrives.
    pub kept_until: Timestamp,
    /// Whether the file is in the share under its name.
    pub finished: bool,
}

/// What is asked about uploads to a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum UploadAsk {
    /// Begin, or continue what was begun with the same content.
    Begin {
        /// Its id, where it is a new one.
        upload: Uuid,
        /// What is to come.
        file: NewUpload,
        /// How long it is kept while nothing arrives, in seconds.
        keep_s: u64,
    },
    /// How far it is.
    Look {
        /// Which.
        upload: Uuid,
    },
    /// Check what has arrived and give the file its name.
    Finish {
        /// Which.
        upload: Uuid,
    },
    /// Give it up and delete what has arrived.
    Remove {
        /// Which.
        upload: Uuid,
    },
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

/// What an agent says at the end of a piece, as one JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum PieceEnd {
    /// It is on the disk.
    Taken {
        /// How far the upload is.
        arrival: Arrival,
    },
    /// It was not taken, or not all of it.
    Refused {
        /// Why.
        refusal: crate::Refusal,
    },
}
