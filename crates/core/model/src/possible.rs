//! What each status of a machine allows, as a table that can be shown: an action that is not possible says why, and
//! what to do about it, before anybody tries.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::action::{VmAction, check};
use crate::error::Code;
use crate::status::VmStatus;

/// What a status allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PossibleActions {
    /// The status.
    pub status: VmStatus,
    /// Every action there is, always in the same order.
    pub actions: Vec<PossibleAction>,
}

/// Whether an action is possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PossibleAction {
    /// The action.
    pub action: VmAction,
    /// Why it is not; null where it is.
    pub refusal: Option<WhyNot>,
}

/// Why an action is not possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyNot {
    /// The code with which it would be refused.
    pub code: Code,
    /// Why.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

/// The table by which the engine admits, for every status and every action.
pub fn table() -> Vec<PossibleActions> {
    let all = VmStatus::ALL.iter().map(|status| {
        let actions = VmAction::ALL.iter().map(|action| {
            let refusal = check(*action, *status, "vm").err();
            let refusal = refusal.map(|no| WhyNot { code: no.code, cause: no.cause, remedy: no.remedy });
            PossibleAction { action: *action, refusal }
        });
        PossibleActions { status: *status, actions: actions.collect() }
    });
    all.collect()
}
