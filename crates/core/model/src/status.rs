//! The status of a machine and of a host: one word for people, computed from what is observed, the job at work, whether
//! the host's agent and hypervisor answer, and presence. Never stored.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::host::Host;
use crate::job::JobKind;
use crate::seen::Power;
use crate::vm::{Presence, Vm};

macro_rules! statuses {
    ($(#[$what:meta])* $status:ident: $($(#[$doc:meta])* $name:ident = $word:literal, $words:literal;)*) => {
        $(#[$what])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum $status { $(
            $(#[$doc])*
            #[serde(rename = $word)]
            $name,
        )* }

        impl $status {
            /// Every status there is.
            pub const ALL: &'static [$status] = &[$($status::$name),*];

            /// The word used in filters and in JSON.
            pub fn word(self) -> &'static str {
                match self { $($status::$name => $word),* }
            }

            /// The status as people read it.
            pub fn words(self) -> &'static str {
                match self { $($status::$name => $words),* }
            }
        }
    };
}

statuses! {
    /// The status of a machine.
    VmStatus:
    /// Its processors run.
    Running = "running", "Running";
    /// Somebody paused it.
    Paused = "paused", "Paused";
    /// Its storage is full: free space, then resume.
    PausedStorageFull = "paused-storage-full", "Paused: storage full";
    /// Its storage fails.
    PausedStorageFailing = "paused-storage-failing", "Paused: storage failing";
    /// Something is under way on the host.
    PausedBusy = "paused-busy", "Paused: busy on the host";
    /// The guest is shutting down.
    ShuttingDown = "shutting-down", "Shutting down";
    /// Not running.
    Off = "off", "Off";
    /// Not running, memory saved.
    Saved = "saved", "Saved";
    /// Its process ended unexpectedly.
    Crashed = "crashed", "Crashed";
    /// Suspended by the guest.
    Suspended = "suspended", "Suspended by the guest";
    /// The host's word for its state is not known to this version.
    Unknown = "unknown", "Unknown";
    /// Being created.
    Creating = "creating", "Creating";
    /// Creation left it unfinished.
    CreationFailed = "creation-failed", "Creation failed";
    /// Being started.
    Starting = "starting", "Starting";
    /// Being started from its saved state.
    Restoring = "restoring", "Restoring";
    /// Being turned off.
    TurningOff = "turning-off", "Turning off";
    /// Being paused.
    Pausing = "pausing", "Pausing";
    /// Being resumed.
    Resuming = "resuming", "Resuming";
    /// Being reset.
    Resetting = "resetting", "Resetting";
    /// Its state is being saved.
    Saving = "saving", "Saving";
    /// Its saved state is being discarded.
    Discarding = "discarding", "Discarding saved state";
    /// Its properties or hardware are being changed.
    Changing = "changing", "Changing";
    /// Being moved to another host while it runs.
    Migrating = "migrating", "Migrating";
    /// Being deleted.
    Deleting = "deleting", "Deleting";
    /// Its host answers and does not have it.
    Missing = "missing", "Missing";
    /// Two hosts show it.
    Conflict = "conflict", "Conflict: shown by two hosts";
    /// Another installation manages it.
    Elsewhere = "managed-elsewhere", "Managed elsewhere";
    /// Its host does not answer; the last known state is kept beside it.
    HostNotResponding = "host-not-responding", "Host not responding";
    /// Its host answers, and the hypervisor there does not; the last known state is kept beside it.
    HypervisorNotResponding = "hypervisor-not-responding", "Hypervisor not responding";
}

statuses! {
    /// The status of a host.
    HostStatus:
    /// Its agent and its hypervisor answer, and placement may choose it.
    Responding = "responding", "Responding";
    /// As responding, but an administrator keeps placement from it.
    NotAvailable = "not-available", "Not available for placement";
    /// As responding, but in maintenance: placement does not choose it, and refreshers leave it alone.
    InMaintenance = "in-maintenance", "In maintenance";
    /// Its agent answers, and libvirt there does not: its machines are as they were last seen.
    HypervisorNotResponding = "hypervisor-not-responding", "Hypervisor not responding";
    /// Its agent does not answer.
    NotResponding = "not-responding", "Not responding";
    /// An administrator declared that it will never return.
    DeclaredDead = "declared-dead", "Declared dead";
}

/// The status of a host whose agent answers or does not.
pub fn of_host(host: &Host, agent_answers: bool) -> HostStatus {
    if host.dead_since.is_some() {
        HostStatus::DeclaredDead
    } else if !agent_answers {
        HostStatus::NotResponding
    } else if !host.facts.libvirt_answers {
        HostStatus::HypervisorNotResponding
    } else if host.spec.maintenance {
        HostStatus::InMaintenance
    } else if !host.spec.available {
        HostStatus::NotAvailable
    } else {
        HostStatus::Responding
    }
}

/// The status of a machine on a host of this status, under a job or none.
pub fn of(vm: &Vm, under: Option<JobKind>, host: HostStatus) -> VmStatus {
    let status = of_answering(vm, under);
    if vm.host.is_some() { seen_through(status, host) } else { status }
}

/// What a status that is known by itself comes to where the machine is on a host of this status.
pub fn seen_through(status: VmStatus, host: HostStatus) -> VmStatus {
    match (status, host) {
        // What no word of the host is needed for.
        (VmStatus::CreationFailed | VmStatus::Conflict | VmStatus::Elsewhere, _) => status,
        (_, HostStatus::NotResponding | HostStatus::DeclaredDead) => VmStatus::HostNotResponding,
        (_, HostStatus::HypervisorNotResponding) => VmStatus::HypervisorNotResponding,
        (_, HostStatus::Responding | HostStatus::NotAvailable | HostStatus::InMaintenance) => status,
    }
}

/// The status of a machine whose host, if it has one, answers.
pub fn of_answering(vm: &Vm, under: Option<JobKind>) -> VmStatus {
    match vm.presence {
        Presence::Planned if under.is_none() => return VmStatus::CreationFailed,
        Presence::Conflict { .. } => return VmStatus::Conflict,
        Presence::Elsewhere { .. } => return VmStatus::Elsewhere,
        Presence::Planned | Presence::Here | Presence::Missing { .. } => {}
    }
    if let Some(kind) = under
        && let Some(status) = while_under(kind, vm.power())
    {
        return status;
    }
    if let Presence::Missing { .. } = vm.presence {
        return VmStatus::Missing;
    }
    match vm.power() {
        Power::Running => VmStatus::Running,
        Power::Paused => VmStatus::Paused,
        Power::PausedStorageFull => VmStatus::PausedStorageFull,
        Power::PausedStorageFailing => VmStatus::PausedStorageFailing,
        Power::PausedBusy => VmStatus::PausedBusy,
        Power::ShuttingDown => VmStatus::ShuttingDown,
        Power::Off => VmStatus::Off,
        Power::Saved => VmStatus::Saved,
        Power::Crashed => VmStatus::Crashed,
        Power::Suspended => VmStatus::Suspended,
        Power::Unknown => VmStatus::Unknown,
    }
}

/// What a machine is called while a job of this kind is at work on it.
fn while_under(kind: JobKind, power: Power) -> Option<VmStatus> {
    Some(match kind {
        JobKind::CreateVm | JobKind::ImportVm => VmStatus::Creating,
        JobKind::StartVm if power == Power::Saved => VmStatus::Restoring,
        JobKind::StartVm => VmStatus::Starting,
        JobKind::ShutDownVm => VmStatus::ShuttingDown,
        JobKind::TurnOffVm => VmStatus::TurningOff,
        JobKind::PauseVm => VmStatus::Pausing,
        JobKind::ResumeVm => VmStatus::Resuming,
        JobKind::ResetVm => VmStatus::Resetting,
        JobKind::SaveVm => VmStatus::Saving,
        JobKind::DiscardSavedVm => VmStatus::Discarding,
        JobKind::DeleteVm => VmStatus::Deleting,
        JobKind::MigrateVm => VmStatus::Migrating,
        JobKind::EditVm
        | JobKind::SetVmHardware
        | JobKind::AttachDisk
        | JobKind::DetachDisk
        | JobKind::SetVmMedia
        | JobKind::SettleVm
        | JobKind::RestartHost
        | JobKind::ShutDownHost
        | JobKind::AdoptVm => VmStatus::Changing,
        JobKind::RefreshVm
        | JobKind::RefreshHost
        | JobKind::EditHost
        | JobKind::MakeFolder
        | JobKind::MoveHost
        | JobKind::CreateHostGroup
        | JobKind::EditHostGroup
        | JobKind::MoveHostGroup
        | JobKind::DeleteHostGroup
        | JobKind::CreateNetwork
        | JobKind::RemoveNetwork
        | JobKind::DeclareHostDead
        | JobKind::EnrolAgent
        | JobKind::RenewAgent
        | JobKind::RemoveAgent
        | JobKind::UpgradeAgent
        | JobKind::AddShare
        | JobKind::RefreshShare
        | JobKind::RemoveShare
        | JobKind::CreateTemplate
        | JobKind::EditTemplate
        | JobKind::DeleteTemplate
        | JobKind::CreateUser
        | JobKind::EditUser
        | JobKind::DeleteUser
        | JobKind::CreateToken
        | JobKind::RevokeToken
        | JobKind::CreateEnrolment
        | JobKind::SaveView
        | JobKind::DeleteView
        | JobKind::SetSettings
        | JobKind::Refresher
        | JobKind::Unknown => return None,
    })
}
