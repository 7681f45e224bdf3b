//! One action on many machines: each has its own job or its own refusal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::action::VmAction;
use crate::error::Refusal;
use crate::ids::{JobId, VmId};
use crate::request::Request;

/// What to do to which machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkAction {
    /// The action: one that needs nothing said besides.
    pub action: VmAction,
    /// The machines, 1 to 1,000, by id or name.
    #[schema(min_items = 1, max_items = 1000)]
    pub vms: Vec<String>,
}

/// What came of it for one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkAnswer {
    /// The machine, as it was written.
    pub vm: String,
    /// Its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// The request for an action on a machine; none for an action that needs more said.
pub fn request(action: VmAction, vm: VmId) -> Option<Request> {
    Some(match action {
        VmAction::Start => Request::StartVm { vm },
        VmAction::ShutDown => Request::ShutDownVm { vm, limit_s: None },
        VmAction::TurnOff => Request::TurnOffVm { vm },
        VmAction::Pause => Request::PauseVm { vm },
        VmAction::Resume => Request::ResumeVm { vm },
        VmAction::Reset => Request::ResetVm { vm },
        VmAction::Save => Request::SaveVm { vm },
        VmAction::DiscardSaved => Request::DiscardSavedVm { vm },
        VmAction::Delete => Request::DeleteVm { vm, disks: true },
        VmAction::Forget => Request::DeleteVm { vm, disks: false },
        VmAction::Adopt => Request::AdoptVm { vm },
        VmAction::Refresh => Request::RefreshVm { vm },
        VmAction::Migrate => Request::MigrateVm { vm, to: None },
        VmAction::Settle => Request::SettleVm { vm, keep: None },
        VmAction::Edit
        | VmAction::SetHardware
        | VmAction::AttachDisk
        | VmAction::DetachDisk
        | VmAction::SetMedia => return None,
    })
}
