//! What is known of each command without looking: its class, whether it may be repeated, what it is about, its word.

use uuid::Uuid;

use super::{Command, DiskContent};

/// How many commands of a class run on a host at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Starts: each wants a processor while it boots.
    Start,
    /// Disks made or copied: each wants the disk.
    DiskCopy,
    /// Machines that leave: each wants the network.
    Move,
    /// All else: not limited.
    Other,
}

impl Command {
    /// Its class.
    pub fn class(&self) -> Class {
        match self {
            Command::Start { .. } => Class::Start,
            Command::MakeDisk { content: DiskContent::Copy { .. }, .. }
            | Command::BringBase { .. }
            | Command::SendBases { .. } => Class::DiskCopy,
            Command::Migrate { .. } => Class::Move,
            _ => Class::Other,
        }
    }

    /// Whether doing it once more, after it was interrupted before it took effect, can do no harm. A start is not
    /// repeated: a machine that is off again may have been started and shut down by its guest meanwhile.
    pub fn may_be_repeated(&self) -> bool {
        match self {
            Command::MakeDisk { .. }
            | Command::DeleteDisk { .. }
            | Command::BringBase { .. }
            | Command::Define { .. }
            | Command::Undefine { .. }
            | Command::SetHardware { .. }
            | Command::Retitle { .. }
            | Command::AttachDisk { .. }
            | Command::SetMedia { .. }
            | Command::Adopt { .. }
            | Command::ReadVm { .. }
            | Command::ReadHost
            | Command::MakeFolder { .. }
            | Command::Import { .. }
            | Command::TakeBackImport { .. }
            | Command::Leave { .. }
            | Command::Stay { .. }
            | Command::Receive { .. }
            | Command::NotReceived { .. }
            | Command::SendBases { .. }
            | Command::SeeArrived { .. }
            | Command::ForgetMoved { .. }
            | Command::EndReceive { .. }
            | Command::MakeNetwork { .. }
            | Command::ConfirmNetwork { .. }
            | Command::RemoveNetwork { .. }
            | Command::RestoreNetwork { .. }
            | Command::ScanShare { .. }
            | Command::RestartHost { .. }
            | Command::ShutDownHost { .. }
            | Command::SeeRestarted { .. }
            | Command::PrepareRemoval
            | Command::CancelRemoval
            | Command::BringProgram { .. } => true,
            Command::Start { .. }
            | Command::ShutDown { .. }
            | Command::TurnOff { .. }
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Reset { .. }
            | Command::Save { .. }
            | Command::DiscardSaved { .. }
            | Command::DetachDisk { .. }
            | Command::Migrate { .. }
            | Command::Upgrade { .. }
            | Command::Unknown => false,
        }
    }

    /// The domain it is about, if it is about one.
    pub fn domain(&self) -> Option<Uuid> {
        match self {
            Command::Define { definition } => Some(definition.identity.domain),
            Command::Adopt { identity }
            | Command::Import { identity, .. }
            | Command::TakeBackImport { identity } => Some(identity.domain),
            Command::Undefine { domain }
            | Command::Start { domain }
            | Command::ShutDown { domain, .. }
            | Command::TurnOff { domain }
            | Command::Pause { domain }
            | Command::Resume { domain }
            | Command::Reset { domain }
            | Command::Save { domain }
            | Command::DiscardSaved { domain }
            | Command::SetHardware { domain, .. }
            | Command::Retitle { domain, .. }
            | Command::AttachDisk { domain, .. }
            | Command::DetachDisk { domain, .. }
            | Command::SetMedia { domain, .. }
            | Command::Leave { domain, .. }
            | Command::Stay { domain, .. }
            | Command::Receive { domain, .. }
            | Command::NotReceived { domain, .. }
            | Command::SendBases { domain, .. }
            | Command::Migrate { domain, .. }
            | Command::SeeArrived { domain, .. }
            | Command::ForgetMoved { domain, .. }
            | Command::EndReceive { domain, .. }
            | Command::ReadVm { domain } => Some(*domain),
            Command::MakeDisk { .. }
            | Command::DeleteDisk { .. }
            | Command::BringBase { .. }
            | Command::ReadHost
            | Command::MakeFolder { .. }
            | Command::ScanShare { .. }
            | Command::RestartHost { .. }
            | Command::ShutDownHost { .. }
            | Command::SeeRestarted { .. }
            | Command::MakeNetwork { .. }
            | Command::ConfirmNetwork { .. }
            | Command::RemoveNetwork { .. }
            | Command::RestoreNetwork { .. }
            | Command::PrepareRemoval
            | Command::CancelRemoval
            | Command::BringProgram { .. }
            | Command::Upgrade { .. }
            | Command::Unknown => None,
        }
    }

    /// Whether the computer's properties are read anew before its end is said.
    pub fn changes_host(&self) -> bool {
        matches!(
            self,
            Command::ReadHost
                | Command::MakeNetwork { .. }
                | Command::ConfirmNetwork { .. }
                | Command::RemoveNetwork { .. }
                | Command::RestoreNetwork { .. }
        )
    }

    /// Its word, for logs and for people.
    pub fn word(&self) -> &'static str {
        match self {
            Command::MakeDisk { .. } => "make disk",
            Command::DeleteDisk { .. } => "delete disk",
            Command::BringBase { .. } => "bring base",
            Command::Define { .. } => "define",
            Command::Undefine { .. } => "undefine",
            Command::Start { .. } => "start",
            Command::ShutDown { .. } => "shut down",
            Command::TurnOff { .. } => "turn off",
            Command::Pause { .. } => "pause",
            Command::Resume { .. } => "resume",
            Command::Reset { .. } => "reset",
            Command::Save { .. } => "save",
            Command::DiscardSaved { .. } => "discard saved state",
            Command::SetHardware { .. } => "set hardware",
            Command::Retitle { .. } => "set title",
            Command::AttachDisk { .. } => "attach disk",
            Command::DetachDisk { .. } => "detach disk",
            Command::SetMedia { .. } => "set media",
            Command::Adopt { .. } => "adopt",
            Command::ReadVm { .. } => "read machine",
            Command::ReadHost => "read host",
            Command::MakeFolder { .. } => "make folder",
            Command::Import { .. } => "import",
            Command::TakeBackImport { .. } => "take back import",
            Command::ScanShare { .. } => "scan share",
            Command::Leave { .. } => "prepare to leave",
            Command::Stay { .. } => "stay",
            Command::Receive { .. } => "prepare to receive",
            Command::NotReceived { .. } => "do not receive",
            Command::SendBases { .. } => "send bases",
            Command::Migrate { .. } => "migrate",
            Command::SeeArrived { .. } => "see whether it arrived",
            Command::ForgetMoved { .. } => "forget moved machine",
            Command::EndReceive { .. } => "close the way",
            Command::RestartHost { .. } => "restart host",
            Command::ShutDownHost { .. } => "shut down host",
            Command::SeeRestarted { .. } => "see whether it restarted",
            Command::MakeNetwork { .. } => "make network",
            Command::ConfirmNetwork { .. } => "confirm network",
            Command::RemoveNetwork { .. } => "remove network",
            Command::RestoreNetwork { .. } => "restore network",
            Command::PrepareRemoval => "prepare removal",
            Command::CancelRemoval => "cancel removal",
            Command::BringProgram { .. } => "bring agent program",
            Command::Upgrade { .. } => "upgrade agent",
            Command::Unknown => "unknown command",
        }
    }
}
