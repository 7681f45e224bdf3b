//! The kinds of job, with their words.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $words:literal;)*) => {
        /// A kind of job.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum JobKind { $(
            $(#[$doc])*
            #[serde(rename = $word)]
            $name,
        )*
            /// A kind that this version does not know.
            #[serde(other)]
            Unknown,
        }

        impl JobKind {
            /// Every kind there is.
            pub const ALL: &'static [JobKind] = &[$(JobKind::$name),*];

            /// The word used in filters and in JSON.
            pub fn word(self) -> &'static str {
                match self { $(JobKind::$name => $word,)* JobKind::Unknown => "unknown" }
            }

            /// The kind as people read it.
            pub fn words(self) -> &'static str {
                match self { $(JobKind::$name => $words,)* JobKind::Unknown => "Unknown" }
            }
        }
    };
}

kinds! {
    /// Make a machine.
    CreateVm = "create-vm", "Create virtual machine";
    /// Start a machine.
    StartVm = "start-vm", "Start virtual machine";
    /// Ask a guest to shut down.
    ShutDownVm = "shut-down-vm", "Shut down virtual machine";
    /// Cut a machine's power.
    TurnOffVm = "turn-off-vm", "Turn off virtual machine";
    /// Pause a machine.
    PauseVm = "pause-vm", "Pause virtual machine";
    /// Resume a machine.
    ResumeVm = "resume-vm", "Resume virtual machine";
    /// Reset a machine.
    ResetVm = "reset-vm", "Reset virtual machine";
    /// Save a machine's state.
    SaveVm = "save-vm", "Save virtual machine";
    /// Discard a saved state.
    DiscardSavedVm = "discard-saved-vm", "Discard saved state";
    /// Change a machine's name, notes or tags.
    EditVm = "edit-vm", "Edit virtual machine";
    /// Change a machine's processors or memory.
    SetVmHardware = "set-vm-hardware", "Change hardware";
    /// Attach a disk.
    AttachDisk = "attach-disk", "Attach disk";
    /// Detach a disk.
    DetachDisk = "detach-disk", "Detach disk";
    /// Change what lies in the DVD drive.
    SetVmMedia = "set-vm-media", "Change DVD";
    /// Move a running machine to another host, live.
    MigrateVm = "migrate-vm", "Migrate virtual machine";
    /// Find out which of two hosts has a machine.
    SettleVm = "settle-vm", "Settle virtual machine";
    /// Delete or forget a machine.
    DeleteVm = "delete-vm", "Delete virtual machine";
    /// Take a found machine over.
    AdoptVm = "adopt-vm", "Adopt virtual machine";
    /// Define a machine that lies on a host's storage.
    ImportVm = "import-vm", "Import virtual machine";
    /// Read a machine anew.
    RefreshVm = "refresh-vm", "Refresh virtual machine";
    /// Read a host anew.
    RefreshHost = "refresh-host", "Refresh host";
    /// Stop a host's machines, restart it, and start them again.
    RestartHost = "restart-host", "Restart host";
    /// Stop a host's machines and shut it down.
    ShutDownHost = "shut-down-host", "Shut down host";
    /// Change what administrators set for a host.
    EditHost = "edit-host", "Edit host";
    /// Make a folder on a host.
    MakeFolder = "make-folder", "Make folder";
    /// Put a host into another group.
    MoveHost = "move-host", "Move host";
    /// Make a group of hosts.
    CreateHostGroup = "create-host-group", "Create host group";
    /// Change a group of hosts.
    EditHostGroup = "edit-host-group", "Edit host group";
    /// Put a group of hosts into another one.
    MoveHostGroup = "move-host-group", "Move host group";
    /// Delete a group of hosts.
    DeleteHostGroup = "delete-host-group", "Delete host group";
    /// Make a network on hosts.
    CreateNetwork = "create-network", "Create network";
    /// Remove a network from hosts.
    RemoveNetwork = "remove-network", "Remove network";
    /// Declare that a host will never return.
    DeclareHostDead = "declare-host-dead", "Declare host dead";
    /// Let an agent in.
    EnrolAgent = "enrol-agent", "Enrol agent";
    /// Give an agent another certificate, or note that it uses the one that it was given.
    RenewAgent = "renew-agent", "Renew agent's certificate";
    /// Remove an agent.
    RemoveAgent = "remove-agent", "Remove agent";
    /// Put another program in an agent's place.
    UpgradeAgent = "upgrade-agent", "Upgrade agent";
    /// Add a library share.
    AddShare = "add-library-share", "Add library share";
    /// Read a library share anew.
    RefreshShare = "refresh-library-share", "Refresh library share";
    /// Remove a library share from the record.
    RemoveShare = "remove-library-share", "Remove library share";
    /// Make a template.
    CreateTemplate = "create-template", "Create template";
    /// Change a template.
    EditTemplate = "edit-template", "Edit template";
    /// Delete a template.
    DeleteTemplate = "delete-template", "Delete template";
    /// Make a user.
    CreateUser = "create-user", "Create user";
    /// Change a user.
    EditUser = "edit-user", "Edit user";
    /// Delete a user.
    DeleteUser = "delete-user", "Delete user";
    /// Make a token.
    CreateToken = "create-token", "Create token";
    /// Revoke a token.
    RevokeToken = "revoke-token", "Revoke token";
    /// Make a token for enrolment.
    CreateEnrolment = "create-enrolment", "Create enrolment token";
    /// Save a view of a page of the console.
    SaveView = "save-view", "Save view";
    /// Delete a saved view.
    DeleteView = "delete-view", "Delete view";
    /// Change the settings.
    SetSettings = "set-settings", "Change settings";
    /// A host or share had changed, and the record follows.
    Refresher = "refresher", "Refresher";
}
