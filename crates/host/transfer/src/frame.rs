//! What the two ends say to each other: a length of four bytes, then JSON. What a connection is for is said first.

use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::error::{TransferError, Why};

/// The longest text of a frame, in bytes.
const LONGEST: u32 = 64 * 1024;

/// What the dialling side wants of a connection.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "want")]
pub(crate) enum Hail {
    /// Claims the ticket. This connection stays open as long as the pair.
    Begin { ticket: String },
    /// One connection of a socket.
    Carry {
        ticket: String,
        socket: String,
        /// Whether what it carries need not be encrypted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unencrypted: bool,
    },
    /// A file.
    File {
        ticket: String,
        file: String,
        size_bytes: u64,
        sha256: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unencrypted: bool,
    },
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

/// What the listening side says to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub(crate) enum Reply {
    /// Yes. What follows is not encrypted if that was asked for and is said here.
    Go {
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unencrypted: bool,
    },
    /// Yes; this much of the file is here already, in bytes.
    From {
        at: u64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unencrypted: bool,
    },
    /// How far a file is, in bytes: arrived, and then checked.
    At { arrived: u64, checked: u64 },
    /// The file is here, whole and durable.
    Stored,
    /// No.
    Refused { why: Why, cause: String },
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

impl Hail {
    /// Whether it asks that what follows need not be encrypted.
    pub(crate) fn unencrypted(&self) -> bool {
        match self {
            Self::Carry { unencrypted, .. } | Self::File { unencrypted, .. } => *unencrypted,
            Self::Begin { .. } | Self::Unknown => false,
        }
    }
}

impl Reply {
    /// Whether what follows is not encrypted.
    pub(crate) fn unencrypted(&self) -> bool {
        matches!(self, Self::Go { unencrypted: true } | Self::From { unencrypted: true, .. })
    }

    pub(crate) fn no(why: Why, cause: impl Into<String>) -> Self {
        Self::Refused { why, cause: cause.into() }
    }
}

pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), what: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(what).map_err(io::Error::other)?;
    let length = u32::try_from(text.len()).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other("the message is too long"))?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(text);
    to.write_all(&bytes).await?;
    to.flush().await
}

pub(crate) async fn read<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = from.read_u32().await?;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that is too long"));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text).await?;
    serde_json::from_slice(&text).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
}

/// Reads a message that must come within this time.
pub(crate) async fn read_within<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    within: Duration,
) -> Result<T, TransferError> {
    match timeout(within, read(from)).await {
        Ok(read) => read.map_err(|cause| TransferError::of_connection(&cause)),
        Err(_) => Err(silent(within)),
    }
}

pub(crate) fn silent(within: Duration) -> TransferError {
    TransferError::Lost(format!("the other side has said nothing for {} s", within.as_secs_f32()))
}
