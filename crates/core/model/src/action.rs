//! Which action each status allows. One table; the engine admits by it, the REST interface and the console explain
//! by it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Code, Refusal};
use crate::status::VmStatus;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $verb:literal, [$($status:ident),*], $remedy:literal;)*) => {
        /// Something a person can do to a machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum VmAction { $(
            $(#[$doc])*
            #[serde(rename = $word)]
            $name,
        )* }

        impl VmAction {
            /// Every action there is.
            pub const ALL: &'static [VmAction] = &[$(VmAction::$name),*];

            /// The word used in commands and paths.
            pub fn word(self) -> &'static str {
                match self { $(VmAction::$name => $word),* }
            }

            /// The action in a sentence: "it cannot be ...".
            pub fn done_to(self) -> &'static str {
                match self { $(VmAction::$name => $verb),* }
            }

            /// The statuses that allow it.
            pub fn allowed_in(self) -> &'static [VmStatus] {
                match self { $(VmAction::$name => &[$(VmStatus::$status),*]),* }
            }

            /// What to do where it is not allowed.
            pub fn remedy(self) -> &'static str {
                match self { $(VmAction::$name => $remedy),* }
            }
        }
    };
}

actions! {
    /// Power on, or continue from the saved state.
    Start = "start", "started", [Off, Saved, Crashed],
        "Wait until it is off, or resume it if it is paused";
    /// Ask the guest to shut down.
    ShutDown = "shut-down", "shut down", [Running],
        "Resume it first if it is paused; turn it off if its guest does not answer";
    /// Cut the power. From *saved* this discards the saved state.
    TurnOff = "turn-off", "turned off",
        [Running, Paused, PausedStorageFull, PausedStorageFailing, ShuttingDown, Suspended, Saved],
        "Only a machine that is on, or saved, can be turned off";
    /// Stop its processors.
    Pause = "pause", "paused", [Running],
        "Only a running machine can be paused";
    /// Let its processors run again.
    Resume = "resume", "resumed", [Paused, PausedStorageFull, PausedStorageFailing],
        "Only a paused machine can be resumed; start it if it is off";
    /// Press its reset button.
    Reset = "reset", "reset", [Running, Paused, PausedStorageFull, PausedStorageFailing, ShuttingDown],
        "Only a machine that is on can be reset";
    /// Write its memory to disk and power it off.
    Save = "save", "saved", [Running, Paused],
        "Only a running or paused machine can be saved";
    /// Throw the saved state away.
    DiscardSaved = "discard-saved", "made to discard a saved state", [Saved],
        "It has no saved state";
    /// Change name, notes or tags.
    Edit = "edit", "edited",
        [Running, Paused, PausedStorageFull, PausedStorageFailing, ShuttingDown, Off, Saved, Crashed, Suspended],
        "Wait until its host answers and shows it";
    /// Change processors or memory.
    SetHardware = "set-hardware", "given other processors or memory", [Off, Crashed],
        "Shut it down first; a saved machine must be started and shut down, or its saved state discarded";
    /// Attach a disk.
    AttachDisk = "attach-disk", "given a disk", [Running, Off, Crashed],
        "Start it or shut it down first";
    /// Detach a disk.
    DetachDisk = "detach-disk", "deprived of a disk", [Running, Off, Crashed],
        "Start it or shut it down first";
    /// Change what lies in the DVD drive.
    SetMedia = "set-media", "given another DVD", [Running, Paused, Off, Crashed],
        "Start it or shut it down first";
    /// Move it to another host while it runs.
    Migrate = "migrate", "migrated", [Running],
        "Only a running machine is migrated live; resume it if it is paused";
    /// Find out which of two hosts has it, and let it be there alone.
    Settle = "settle", "settled", [Conflict],
        "Only a machine that two hosts show has to be settled";
    /// Delete it with its disks.
    Delete = "delete", "deleted", [Off, Saved, Crashed, CreationFailed, Missing],
        "Shut it down or turn it off first";
    /// Remove it from its host and the record, keeping its disks.
    Forget = "forget", "forgotten", [Off, Saved, Crashed, CreationFailed, Missing],
        "Shut it down or turn it off first";
    /// Take a machine over that was found, or that another installation managed.
    Adopt = "adopt", "adopted", [Running, Paused, Off, Crashed, Elsewhere],
        "Wait until its host answers and shows it";
    /// Read it anew from its host.
    Refresh = "refresh", "refreshed",
        [Running, Paused, PausedStorageFull, PausedStorageFailing, PausedBusy, ShuttingDown, Off, Saved, Crashed,
         Suspended, Unknown, Missing, Conflict, Elsewhere, CreationFailed],
        "Wait until its host answers";
}

/// Whether a machine in this status allows the action.
///
/// # Errors
/// `vm.state.forbids` (or `host.not.responding`), naming the statuses that allow it and what to do.
pub fn check(action: VmAction, status: VmStatus, object: &str) -> Result<(), Refusal> {
    if action.allowed_in().contains(&status) {
        return Ok(());
    }
    let silent = match status {
        VmStatus::HostNotResponding => Some("its host does not answer"),
        VmStatus::HypervisorNotResponding => Some("the hypervisor on its host does not answer"),
        _ => None,
    };
    let remedy = remedy_in(status).unwrap_or(action.remedy());
    if let Some(silent) = silent {
        let cause = format!("it cannot be {} while {silent}", action.done_to());
        return Err(Refusal::new(Code::HostNotResponding, object, cause).remedy(remedy));
    }
    let allowed: Vec<&str> = action.allowed_in().iter().map(|s| s.words()).collect();
    Err(Refusal::new(
        Code::VmStateForbids,
        object,
        format!(
            "it cannot be {} while it is \"{}\"; it can be when it is: {}",
            action.done_to(),
            status.words(),
            allowed.join(", ")
        ),
    )
    .remedy(remedy))
}

/// What to do about a status in which next to nothing is allowed, whatever was to be done; none where that depends on
/// what was to be done.
pub fn remedy_in(status: VmStatus) -> Option<&'static str> {
    Some(match status {
        VmStatus::Missing => {
            "Bring it back on its host and refresh the host, restore it from a backup, or delete it"
        }
        VmStatus::Conflict => "Settle it: both hosts are asked, and the one where it runs keeps it",
        VmStatus::Elsewhere => "Adopt it first, if this installation is to manage it",
        VmStatus::CreationFailed => "Delete it and create it anew",
        VmStatus::Unknown => "Look at it on its host, then refresh it",
        VmStatus::PausedBusy => "Wait for the end of what is under way on its host",
        VmStatus::HostNotResponding => "Bring the host back, or declare it dead if it will never return",
        VmStatus::HypervisorNotResponding => {
            "Start libvirtd on its host; running machines are not touched by that"
        }
        VmStatus::Creating
        | VmStatus::Starting
        | VmStatus::Restoring
        | VmStatus::TurningOff
        | VmStatus::Pausing
        | VmStatus::Resuming
        | VmStatus::Resetting
        | VmStatus::Saving
        | VmStatus::Discarding
        | VmStatus::Changing
        | VmStatus::Migrating
        | VmStatus::Deleting => "Wait for the end of the job that is at work on it",
        VmStatus::Running
        | VmStatus::Paused
        | VmStatus::PausedStorageFull
        | VmStatus::PausedStorageFailing
        | VmStatus::ShuttingDown
        | VmStatus::Off
        | VmStatus::Saved
        | VmStatus::Crashed
        | VmStatus::Suspended => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_statuses_that_allow_the_action_and_what_to_do() {
        for action in VmAction::ALL {
            for status in VmStatus::ALL {
                match check(*action, *status, "vm web-1") {
                    Ok(()) => assert!(action.allowed_in().contains(status)),
                    Err(refusal) => {
                        assert!(!refusal.remedy.is_empty());
                        if refusal.code == Code::VmStateForbids {
                            assert!(refusal.cause.contains(action.allowed_in()[0].words()), "{refusal:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_remedy_fits_the_status_in_which_the_machine_is() {
        let start = |status| check(VmAction::Start, status, "vm web-1").unwrap_err().remedy;
        assert!(start(VmStatus::Paused).contains("resume it"));
        let missing = start(VmStatus::Missing);
        assert!(missing.contains("refresh the host") && missing.contains("delete it"), "{missing}");
        assert!(start(VmStatus::Elsewhere).contains("Adopt it"));
        assert!(start(VmStatus::HypervisorNotResponding).contains("libvirtd"));
    }

    #[test]
    fn no_action_but_looking_is_allowed_on_what_is_not_certain() {
        for status in [
            VmStatus::Conflict,
            VmStatus::HostNotResponding,
            VmStatus::HypervisorNotResponding,
            VmStatus::Unknown,
        ] {
            for action in VmAction::ALL {
                // Settling looks first, and acts on what it has seen.
                let looks = *action == VmAction::Refresh
                    || (*action, status) == (VmAction::Settle, VmStatus::Conflict);
                assert!(looks || check(*action, status, "vm x").is_err(), "{action:?} in {status:?}");
            }
        }
    }

    #[test]
    fn a_machine_that_is_on_is_never_deleted() {
        for status in [VmStatus::Running, VmStatus::Paused, VmStatus::ShuttingDown, VmStatus::Suspended] {
            assert!(check(VmAction::Delete, status, "vm x").is_err());
            assert!(check(VmAction::Forget, status, "vm x").is_err());
        }
    }
}
