//! Why a transfer did not come about, or ended.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Why the listening side refused a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The ticket is not the one that is waited for.
    Ticket,
    /// The ticket was claimed before.
    Used,
    /// The pair is over, or was never begun.
    NotBegun,
    /// The listening side does not offer this socket or file.
    NotOffered,
    /// Somebody else is bringing the same file.
    Busy,
    /// What is behind the offer does not work: nobody listens at the socket, the file cannot be written.
    Broken,
    /// What arrived is not what was announced.
    Damaged,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The certificates given cannot be used.
    #[error("the agent's certificate cannot be used: {0}")]
    Credentials(String),
    /// No port of the range is free.
    #[error("no port of {from} to {to} is free")]
    NoPort {
        /// The first.
        from: u16,
        /// The last.
        to: u16,
    },
    /// The other computer cannot be reached there.
    #[error("{address} cannot be reached: {cause}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        cause: String,
    },
    /// The other side is not who it should be, or does not take us for who we are.
    #[error("the other side's certificate, or ours, was refused: {0}")]
    Identity(String),
    /// The other side said no.
    #[error("the other side refused: {cause}")]
    Refused {
        /// Why.
        why: Why,
        /// In words.
        cause: String,
    },
    /// The other side was silent for too long, or the connection was lost.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// It was stopped on request.
    #[error("stopped on request")]
    Stopped,
    /// A file or socket of this computer.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl TransferError {
    pub(crate) fn file(path: &Path, cause: io::Error) -> Self {
        Self::File { path: path.into(), cause }
    }

    /// Whether another attempt may go better: the connection was lost, or somebody else is at it.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost(_) | Self::NoPort { .. } => true,
            Self::Refused { why, .. } => *why == Why::Busy,
            Self::Credentials(_) | Self::Identity(_) | Self::Stopped | Self::File { .. } => false,
        }
    }

    /// What an I/O error on a connection means: a refused certificate is no lost connection.
    pub(crate) fn of_connection(cause: &io::Error) -> Self {
        let tls = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(error @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) => {
                Self::Identity(error.to_string())
            }
            Some(rustls::Error::AlertReceived(alert)) => {
                Self::Identity(format!("the other side says {alert:?}"))
            }
            _ => Self::Lost(cause.to_string()),
        }
    }
}
