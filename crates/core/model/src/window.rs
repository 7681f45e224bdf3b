//! A window: the part of a list that somebody looks at, told whole at first, and then what changes in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is told of a window: `window` at first and whenever what was told before no longer holds, `change` after that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WindowEvent<T> {
    /// The commit as of which this is.
    pub rev: u64,
    /// How many things the filter lets through.
    pub total: u64,
    /// How many there are of each status (of jobs by state, of hosts and agents by whether they answer), over the filter
    /// without what it says of that; absent when they are as told before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<BTreeMap<String, u64>>,
    /// The ids of what the window shows, in its order; absent when it is as told before. What is not among them has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<String>>,
    /// What has entered or looks otherwise than it was told.
    #[serde(default = "Vec::new")]
    pub put: Vec<T>,
}
