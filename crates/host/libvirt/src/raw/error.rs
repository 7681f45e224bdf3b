//! What libvirt says when it refuses.

use super::borrowed_text;
use crate::tree::Wrong;

/// An error of libvirt: number (`virErrorNumber`), the part of libvirt it came from (`virErrorDomain`), text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} [{code}/{domain}]")]
pub(crate) struct Error {
    /// `virErrorNumber`.
    pub code: i32,
    /// `virErrorDomain`.
    pub domain: i32,
    /// libvirt's words.
    pub message: String,
}

/// What an error means, as far as its number tells: 55 alone means many things, which only the state tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The connection is dead or could not be opened.
    Lost,
    /// There is no such domain.
    NoDomain,
    /// The state does not allow it.
    NotValid,
    /// An argument is wrong.
    InvalidArgument,
    /// The guest's agent is missing or silent.
    AgentSilent,
    /// Another operation held the domain for 30 seconds.
    Busy,
    /// A long operation was stopped on request.
    Aborted,
    /// The domain has no such device.
    NoDevice,
    /// It cannot be done whatever is tried: found by this crate.
    Refused,
    /// Anything else.
    Other,
}

/// `VIR_FROM_RPC`: only there do the numbers 1 and 38 mean a dead connection (38 of the storage domain is a file).
const FROM_RPC: i32 = 7;

/// A number of our own, which libvirt never uses.
const REFUSED: i32 = -1;

impl From<Wrong> for Error {
    fn from(why: Wrong) -> Self {
        Self::refused(format!("its definition on the host cannot be read: {why}"))
    }
}

impl Error {
    /// An error that this layer found before libvirt was asked.
    pub(crate) fn own(message: String) -> Self {
        Self { code: 8, domain: 0, message }
    }

    /// It cannot be done, whatever is tried.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { code: REFUSED, domain: 0, message: message.into() }
    }

    /// The domain has no such device.
    pub(crate) fn no_device(message: impl Into<String>) -> Self {
        Self { code: 99, domain: 0, message: message.into() }
    }

    /// The connection did not open, or did not answer, in time.
    pub(crate) fn lost(message: impl Into<String>) -> Self {
        Self { code: 38, domain: FROM_RPC, message: message.into() }
    }

    /// What it means.
    pub(crate) fn kind(&self) -> Kind {
        match self.code {
            // libvirtd itself is a client of its log keeper: that one missing is no loss of ours.
            1 | 38 if self.domain == FROM_RPC && self.message.contains("virtlogd") => Kind::Other,
            1 | 38 if self.domain == FROM_RPC => Kind::Lost,
            8 => Kind::InvalidArgument,
            42 => Kind::NoDomain,
            55 => Kind::NotValid,
            68 => Kind::Busy,
            78 => Kind::Aborted,
            86 => Kind::AgentSilent,
            99 => Kind::NoDevice,
            REFUSED => Kind::Refused,
            _ => Kind::Other,
        }
    }

    /// Whether the connection is dead.
    pub(crate) fn is_lost(&self) -> bool {
        self.kind() == Kind::Lost
    }
}

/// The error of the last call on this thread; to be asked at once.
pub(super) fn last() -> Error {
    // SAFETY: the pointer is libvirt's own for this thread; it is copied before any other call is made.
    unsafe {
        let error = virt_sys::virGetLastError();
        let Some(known) = error.as_ref() else {
            return Error { code: 1, domain: 0, message: "libvirt failed without saying why".into() };
        };
        let copy = Error { code: known.code, domain: known.domain, message: borrowed_text(known.message) };
        virt_sys::virResetLastError();
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_of_the_connection_counts_as_lost() {
        let of = |code, domain| Error { code, domain, message: String::new() }.kind();
        assert_eq!(of(1, 7), Kind::Lost);
        assert_eq!(of(38, 7), Kind::Lost);
        let message =
            "Failed to connect socket to '/run/libvirt/virtlogd-sock': No such file or directory".into();
        assert_eq!(Error { code: 38, domain: 7, message }.kind(), Kind::Other, "libvirtd's own log keeper");
        assert_eq!(of(38, 18), Kind::Other, "a missing disk file has the same number in another domain");
        assert_eq!(of(1, 10), Kind::Other, "QEMU's internal errors have the same number");
    }
}
