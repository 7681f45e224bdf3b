//! libvirt's errors towards people: code, cause in libvirt's words, and what to do.

use std::fmt;

use hostler_hypervisor::{Trouble, no_vm};
use hostler_model::{Code, Refusal};
use uuid::Uuid;

use crate::raw::{Error, Kind};

/// What a call is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    /// A domain.
    Domain(Uuid),
    /// libvirt as a whole.
    Host,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Domain(domain) => write!(f, "domain {domain}"),
            Subject::Host => f.write_str("libvirt"),
        }
    }
}

impl Subject {
    /// What an error of libvirt means for the call that met it.
    pub(super) fn trouble(self, why: Error) -> Trouble {
        let refusal = |code, remedy: &str| Refusal::new(code, self.to_string(), &*why.message).remedy(remedy);
        match why.kind() {
            Kind::Lost => Trouble::Interrupted(why.message),
            Kind::Aborted => Trouble::Aborted,
            Kind::NoDomain => match self {
                Subject::Domain(domain) => no_vm(domain),
                Subject::Host => Trouble::Refused(refusal(Code::HypervisorNoVm, "")),
            },
            Kind::Refused => Trouble::Refused(refusal(Code::HypervisorFailed, "")),
            Kind::AgentSilent => Trouble::Failed(refusal(
                Code::GuestNotAnswering,
                "see whether the guest agent (qemu-guest-agent) is installed and running in the guest",
            )),
            Kind::Busy => Trouble::Failed(refusal(
                Code::HypervisorFailed,
                "another operation is at work on this machine on its host: wait for its end and try again",
            )),
            Kind::NotValid => Trouble::Failed(refusal(
                Code::HypervisorFailed,
                "the machine's state may have changed meanwhile: look at it and try again",
            )),
            Kind::InvalidArgument | Kind::NoDevice | Kind::Other => self.by_text(&why.message),
        }
    }

    /// What only libvirt's words tell: its numbers put these together with everything else.
    fn by_text(self, text: &str) -> Trouble {
        let has = |part: &str| text.contains(part);
        let (code, remedy) = if has("virtlogd-sock") {
            (
                Code::HypervisorFailed,
                "start virtlogd, which keeps machines' logs (systemctl start virtlogd, or virtlogd -d)",
            )
        } else if has("No space left on device") || has("Disk quota exceeded") {
            (Code::DiskFull, "free space on the host, then try again")
        } else if has("Failed to get \"write\" lock") || has("Failed to get shared \"write\" lock") {
            (Code::DiskInUse, "another machine uses the disk: shut it down or detach the disk there")
        } else if has("Cannot access storage file") || has("Could not open '") {
            (
                Code::DiskFailed,
                "see whether the file exists and whether QEMU's account may read it and its folders",
            )
        } else if has("guest agent is not configured") {
            (Code::GuestNotAnswering, "the machine has no channel for a guest agent: add one while it is off")
        } else if has("Cannot get interface MTU") || has("Network not found") || has("network '") {
            (
                Code::HypervisorFailed,
                "see whether the network or bridge of its adapters is active on the host",
            )
        } else if has("Cannot allocate memory") || has("cannot set up guest memory") {
            (
                Code::HypervisorFailed,
                "the host has too little free memory: shut down another machine, or give it less",
            )
        } else if has("KVM") || has("kvm") {
            (
                Code::HypervisorFailed,
                "see whether hardware virtualization works on the host (hostler host show)",
            )
        } else {
            (Code::HypervisorFailed, "see the machine's log on its host (/var/log/libvirt/qemu) for more")
        };
        Trouble::Failed(Refusal::new(code, self.to_string(), text).remedy(remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: i32, domain: i32, message: &str) -> Trouble {
        Subject::Host.trouble(Error { code, domain, message: message.into() })
    }

    fn code_of(trouble: Trouble) -> Code {
        match trouble {
            Trouble::Failed(refusal) | Trouble::Refused(refusal) => refusal.code,
            Trouble::Aborted | Trouble::Interrupted(_) => Code::Unknown,
        }
    }

    #[test]
    fn each_error_has_its_code() {
        for (code, domain, message, expected) in [
            (42, 10, "Domain not found", Code::HypervisorNoVm),
            (38, 18, "Cannot access storage file '/x': No such file or directory", Code::DiskFailed),
            (38, 10, "cannot write data: No space left on device", Code::DiskFull),
            (1, 10, "Failed to get \"write\" lock Is another process using the image", Code::DiskInUse),
            (55, 10, "domain is not running", Code::HypervisorFailed),
            (86, 10, "QEMU guest agent is not connected", Code::GuestNotAnswering),
            (68, 10, "cannot acquire state change lock", Code::HypervisorFailed),
            (27, 20, "unexpected", Code::HypervisorFailed),
        ] {
            assert_eq!(code_of(of(code, domain, message)), expected, "{message}");
        }
        assert!(matches!(of(1, 7, "client socket is closed"), Trouble::Interrupted(_)));
        assert!(matches!(of(38, 7, "Failed to connect socket"), Trouble::Interrupted(_)));
        assert_eq!(of(78, 10, "job 'domain save' canceled by client"), Trouble::Aborted);
    }
}
