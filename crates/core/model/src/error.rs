//! Errors towards people. A [`Refusal`] says, the same in every place it is shown: a stable code, the object, the
//! cause, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// The code of an error: `noun.aspect.problem`, never renamed, never given another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Code { $(
            $(#[$doc])*
            #[serde(rename = $text)]
            $name,
        )*
            /// A code that this version does not know yet.
            #[serde(other)]
            Unknown,
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The code as text.
            pub fn text(self) -> &'static str {
                match self { $(Code::$name => $text,)* Code::Unknown => "unknown" }
            }

            /// The HTTP status with which the REST interface answers.
            pub fn http_status(self) -> u16 {
                match self { $(Code::$name => $status,)* Code::Unknown => 500 }
            }
        }
    };
}

codes! {
    /// The request is not what the interface describes.
    RequestMalformed = "request.malformed", 400;
    /// Nobody is signed in, or the sign-in ran out.
    AccessNotSignedIn = "access.not.signed.in", 401;
    /// User name or password is wrong, or the account is slowed down.
    AccessSignInFailed = "access.sign.in.failed", 401;
    /// The user's role does not allow it.
    AccessForbidden = "access.forbidden", 403;
    /// There is no such thing, or the user may not see it.
    ObjectNotFound = "object.not.found", 404;
    /// What was written means more than one thing.
    NameAmbiguous = "name.ambiguous", 409;
    /// The name breaks a rule.
    NameInvalid = "name.invalid", 422;
    /// Another machine has this name, or one that looks like it.
    VmNameTaken = "vm.name.taken", 409;
    /// Another thing of this kind has this name, or one that looks like it.
    NameTaken = "name.taken", 409;
    /// A job is at work on the machine.
    VmBusy = "vm.busy", 409;
    /// A job is at work on the thing.
    ObjectBusy = "object.busy", 409;
    /// The machine's status does not allow the action.
    VmStateForbids = "vm.state.forbids", 409;
    /// The thing is in use and cannot be removed.
    ObjectInUse = "object.in.use", 409;
    /// The host cannot put a network into a VLAN.
    NetworkVlanNotPossible = "network.vlan.not.possible", 409;
    /// Another machine, or a host's own adapter, has the MAC address.
    MacTaken = "mac.taken", 409;
    /// No MAC address of the pool is free.
    MacPoolExhausted = "mac.pool.exhausted", 409;
    /// Few MAC addresses of the pool are free.
    MacPoolLow = "mac.pool.low", 409;
    /// The host cannot drop what an adapter sends under another address than its own.
    NetworkFilterNotPossible = "network.filter.not.possible", 409;
    /// An external network was tried, the server did not reach the host over it in time, and the host went back.
    NetworkRolledBack = "network.rolled.back", 409;
    /// A network could not be made or removed on the host.
    NetworkFailed = "network.failed", 409;
    /// *All Hosts* holds every other group: it stays as it is.
    HostGroupFixed = "host.group.fixed", 409;
    /// A group of hosts cannot be moved into itself, or below itself.
    HostGroupCycle = "host.group.cycle", 409;
    /// Groups of hosts would stand below each other deeper than is allowed.
    HostGroupTooDeep = "host.group.too.deep", 409;
    /// The object has changed since it was read.
    RevisionStale = "revision.stale", 412;
    /// The idempotency key was used for another request.
    IdempotencyKeyReused = "idempotency.key.reused", 422;
    /// A value is outside what is allowed.
    ValueInvalid = "value.invalid", 422;
    /// No host is suitable.
    PlacementNoHost = "placement.no.host", 409;
    /// The chosen host is not suitable.
    PlacementHostUnsuitable = "placement.host.unsuitable", 409;
    /// The host does not answer.
    HostNotResponding = "host.not.responding", 409;
    /// The machine cannot run on that host.
    MigrationUnsuitable = "migration.host.unsuitable", 409;
    /// The machine was not moved, and runs where it was.
    MigrationFailed = "migration.failed", 409;
    /// Which host has the machine cannot be found out without somebody's decision.
    MigrationUndecided = "migration.undecided", 409;
    /// The agent is too old or too new for this.
    AgentUnsupported = "agent.unsupported", 409;
    /// The step was interrupted on the host before it took effect.
    AgentInterrupted = "agent.interrupted", 409;
    /// Whether the step took effect cannot be found out.
    AgentOutcomeUnknown = "agent.outcome.unknown", 409;
    /// An agent's new program did not come up, or is not what it should be; the one before it goes on.
    AgentUpgradeFailed = "agent.upgrade.failed", 409;
    /// The host refused a command because its precondition does not hold.
    GuardRefused = "guard.refused", 409;
    /// libvirt or QEMU refused.
    HypervisorFailed = "hypervisor.failed", 409;
    /// The virtual machine does not exist on its host.
    HypervisorNoVm = "hypervisor.no.vm", 409;
    /// The machine has no such console, or it cannot be joined now.
    ConsoleUnavailable = "console.unavailable", 409;
    /// The guest's agent does not answer.
    GuestNotAnswering = "guest.not.answering", 409;
    /// The guest did not do what it was asked within the time allowed.
    GuestIgnored = "guest.ignored", 409;
    /// A disk operation failed.
    DiskFailed = "disk.failed", 409;
    /// The file system is full.
    DiskFull = "disk.full", 409;
    /// The file is not a disk image that may be used.
    DiskRejected = "disk.rejected", 409;
    /// The file is in use by a machine.
    DiskInUse = "disk.in.use", 409;
    /// The upload goes on at another place than the piece begins.
    UploadOffsetWrong = "upload.offset.wrong", 409;
    /// Not all of the file has arrived yet.
    UploadIncomplete = "upload.incomplete", 409;
    /// The content is still being checked: ask again.
    UploadVerifying = "upload.verifying", 409;
    /// What has arrived is not what was announced.
    UploadSumWrong = "upload.sum.wrong", 409;
    /// A file of this path is in the share already.
    LibraryFileExists = "library.file.exists", 409;
    /// A definition on a host's storage says something that is not taken, or names a file that may not be used.
    ImportRefused = "vm.import.refused", 409;
    /// The path is outside what is allowed.
    PathForbidden = "path.forbidden", 422;
    /// The job has ended already.
    JobEnded = "job.ended", 409;
    /// The job is past the point of no return: it completes.
    JobPastNoReturn = "job.past.no.return", 409;
    /// The job was cancelled.
    JobCancelled = "job.cancelled", 409;
    /// The job cannot be run again while it owes a clean-up.
    JobOwesCleanup = "job.owes.cleanup", 409;
    /// The step took longer than its limit.
    StepTimeLimit = "step.time.limit", 409;
    /// The computer cannot be reached by SSH.
    SshUnreachable = "ssh.unreachable", 409;
    /// The computer shows another SSH host key than the one that was confirmed.
    SshHostKeyDiffers = "ssh.host.key.differs", 409;
    /// The computer does not let this user in by SSH with this password or key.
    SshSignInFailed = "ssh.sign.in.failed", 409;
    /// The user may not do by `sudo` what it takes to install an agent, or its password is wrong.
    SudoRefused = "sudo.refused", 409;
    /// The computer cannot be a host, or not yet: something that an agent needs is missing there.
    ComputerUnsuitable = "computer.unsuitable", 409;
    /// An agent is installed on the computer already.
    AgentPresent = "agent.present", 409;
    /// The agent was installed, and did not enrol or connect.
    AgentNotConnecting = "agent.not.connecting", 409;
    /// A secret that the job needs is kept in memory only, and is gone since the server was started anew.
    SecretGone = "secret.gone", 409;
    /// The enrolment token is wrong, used, or has run out.
    EnrolmentRefused = "enrolment.refused", 403;
    /// Too many tries.
    TooManyRequests = "too.many.requests", 429;
    /// The store does not take changes at the moment.
    StoreUnavailable = "store.unavailable", 503;
    /// The manager has more requests than it can queue.
    ServerOverloaded = "server.overloaded", 503;
    /// The manager is stopping.
    ServerStopping = "server.stopping", 503;
    /// A defect in Hostler.
    Internal = "internal", 500;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Why something was not done: which object, the cause, and the remedy, in plain sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{object}: {cause}")]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What it is about, as a person would name it: `vm web-1`.
    pub object: String,
    /// Why, in words.
    pub cause: String,
    /// What to do about it, in words; empty when nothing can be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Refusal {
    /// A refusal without a remedy.
    pub fn new(code: Code, object: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { code, object: object.into(), cause: cause.into(), remedy: String::new() }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// There is no such thing.
    pub fn not_found(object: impl Into<String>) -> Self {
        Self::new(Code::ObjectNotFound, object, "there is no such thing, or you may not see it")
    }

    /// A thing is not as it was when the caller looked at it.
    pub fn stale(object: impl Into<String>) -> Self {
        Self::new(Code::RevisionStale, object, "it has changed since it was read")
            .remedy("Read it again, and ask for what is then still wanted")
    }

    /// A value outside what is allowed.
    pub fn invalid(object: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::new(Code::ValueInvalid, object, cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_as_it_is_written_and_an_unknown_one_does_not_break_the_reader() {
        for code in Code::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.text()));
            assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), *code);
        }
        assert_eq!(serde_json::from_str::<Code>("\"some.newer.code\"").unwrap(), Code::Unknown);
    }
}
