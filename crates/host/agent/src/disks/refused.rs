//! What goes wrong with disk files, in words.

use hostler_disk::Rejected;
use hostler_hypervisor::Trouble;
use hostler_model::{Code, Refusal};

pub(super) fn disguised() -> Rejected {
    Rejected::Disguised { expected: "qcow2".into(), content: "another format".into() }
}

pub(super) fn invalid(object: &str, cause: impl Into<String>) -> Trouble {
    Trouble::Refused(Refusal::invalid(object, cause))
}

pub(super) fn failed(object: &str, cause: String) -> Trouble {
    Trouble::Failed(Refusal::new(Code::DiskFailed, object, cause))
}

/// What a rejected file means for the call that named it.
pub(crate) fn rejected(object: &str, why: &Rejected) -> Trouble {
    let code = match why {
        Rejected::LeavesShare => Code::PathForbidden,
        _ => Code::DiskRejected,
    };
    Trouble::Refused(Refusal::new(code, object, why.cause()).remedy(why.remedy()))
}

/// What an error of crate `disk` means for the call that met it.
pub(super) fn trouble(object: &str, why: hostler_disk::Error) -> Trouble {
    use hostler_disk::Error as E;
    let refusal = |code| Refusal::new(code, object, why.to_string()).remedy(why.remedy());
    match &why {
        E::Stopped => Trouble::Aborted,
        E::Full { .. } => Trouble::Failed(refusal(Code::DiskFull)),
        E::Rejected { why, .. } => rejected(object, why),
        E::Exists { .. } => Trouble::Refused(refusal(Code::DiskFailed)),
        E::Size { .. } => Trouble::Refused(refusal(Code::ValueInvalid)),
        E::Format { .. } => Trouble::Refused(refusal(Code::DiskRejected)),
        E::Mark { .. } => Trouble::Refused(refusal(Code::Internal)),
        E::Busy { .. }
        | E::SourceChanged { .. }
        | E::QemuImgAbsent { .. }
        | E::QemuImgTimeout { .. }
        | E::QemuImgKilled { .. }
        | E::QemuImgFailed { .. }
        | E::Io { .. } => Trouble::Failed(refusal(Code::DiskFailed)),
    }
}
