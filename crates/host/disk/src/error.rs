//! What can go wrong while files are made, copied and deleted.

use std::io;
use std::path::{Path, PathBuf};

use crate::rejected::Rejected;

/// Why an operation on files failed. Whatever it is, nothing half made is left behind.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target exists already; it was not touched. `mark` is the mark it bears, if any: with the step's
    /// own mark, an earlier delivery of the same step made it.
    #[error("{path} exists already")]
    Exists {
        /// The target.
        path: PathBuf,
        /// The mark on what is there.
        mark: Option<String>,
    },
    /// No space, or no quota, is left on the file system.
    #[error("no space is left for {path}")]
    Full {
        /// The file that was being written.
        path: PathBuf,
    },
    /// The caller's progress function asked to stop.
    #[error("stopped on request")]
    Stopped,
    /// Another attempt under the same mark is at work on the same target.
    #[error("{path} is being made by another attempt right now")]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// The source changed while it was being copied.
    #[error("{path} was changed while it was being copied")]
    SourceChanged {
        /// The source.
        path: PathBuf,
    },
    /// An image was refused.
    #[error("{path} was refused: {why}")]
    Rejected {
        /// The image.
        path: PathBuf,
        /// Why.
        why: Rejected,
    },
    /// A size that cannot be: zero, no multiple of 512 bytes, over the limit, or smaller than the base.
    #[error("a disk of {bytes} bytes is not possible: {why}")]
    Size {
        /// The size asked for, bytes.
        bytes: u64,
        /// Why not.
        why: String,
    },
    /// A format that can be read but not made.
    #[error("new disks are qcow2 or raw, not {format}")]
    Format {
        /// The format asked for.
        format: crate::Format,
    },
    /// A mark or owner that cannot be written on a file.
    #[error("{mark:?} cannot be written on a file as a mark")]
    Mark {
        /// What was to be written.
        mark: String,
    },
    /// `qemu-img` is not installed or could not be started.
    #[error("qemu-img cannot be started: {cause}")]
    QemuImgAbsent {
        /// The operating system's words.
        cause: String,
    },
    /// `qemu-img` did not end in its time and was killed.
    #[error("qemu-img {action} did not end within {limit_s} s")]
    QemuImgTimeout {
        /// Its subcommand.
        action: &'static str,
        /// The limit, seconds.
        limit_s: u64,
    },
    /// `qemu-img` reached one of its limits (memory, processor time, file size) and was ended.
    #[error("qemu-img {action} was ended by signal {signal}: {stderr}")]
    QemuImgKilled {
        /// Its subcommand.
        action: &'static str,
        /// The signal: 24 processor time, 25 file size.
        signal: i32,
        /// What it wrote, shortened.
        stderr: String,
    },
    /// `qemu-img` said no.
    #[error("qemu-img {action} failed: {stderr}")]
    QemuImgFailed {
        /// Its subcommand.
        action: &'static str,
        /// What it wrote, shortened.
        stderr: String,
    },
    /// Anything else the operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried, a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl Error {
    /// A stable code for programs, such as `disk.full`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "disk.exists",
            Self::Full { .. } => "disk.full",
            Self::Stopped => "disk.stopped",
            Self::Busy { .. } => "disk.busy",
            Self::SourceChanged { .. } => "disk.source.changed",
            Self::Rejected { why, .. } => why.code(),
            Self::Size { .. } => "disk.size",
            Self::Format { .. } => "disk.format",
            Self::Mark { .. } => "disk.mark",
            Self::QemuImgAbsent { .. } => "disk.qemu.absent",
            Self::QemuImgTimeout { .. } => "disk.qemu.timeout",
            Self::QemuImgKilled { .. } => "disk.qemu.limit",
            Self::QemuImgFailed { .. } => "disk.qemu.failed",
            Self::Io { .. } => "disk.io",
        }
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "Choose another name, or remove the file if nobody needs it.",
            Self::Full { .. } => "Free space on that file system, or choose another place.",
            Self::Stopped => "Start it again when you want it done.",
            Self::Busy { .. } => "Wait until the other attempt has ended.",
            Self::SourceChanged { .. } => "Wait until whoever writes the file has finished, then try again.",
            Self::Rejected { why, .. } => why.remedy(),
            Self::Size { .. } => "Choose another size.",
            Self::Format { .. } => "Choose qcow2 or raw.",
            Self::Mark { .. } => "This is a fault of the program: report it.",
            Self::QemuImgAbsent { .. } => "Install the package qemu-utils on this computer.",
            Self::QemuImgTimeout { .. } => "Look at the load of the disk, then try again.",
            Self::QemuImgKilled { .. } | Self::QemuImgFailed { .. } => {
                "Check the image with `qemu-img check` where it came from."
            }
            Self::Io { .. } => "Look at the folder, its rights and the disk it lies on.",
        }
    }

    /// An operating system's answer, with a full disk told apart.
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path: path.to_path_buf() }
            }
            _ => Self::Io { action, path: path.to_path_buf(), source },
        }
    }
}
