//! How a machine or a host was loaded over the last day, as its agent remembers it. Volatile: in no object, job or
//! history.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::{Ms, Timestamp};

/// How far back agents remember.
pub const PERFORMANCE_SPAN_MS: Ms = 24 * 3_600_000;

/// The most points that are answered at a time.
pub const MOST_POINTS: u32 = 1_000;

/// How something was loaded over a span of time, in equal buckets from `from` on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Performance {
    /// Where the first bucket begins.
    pub from: Timestamp,
    /// Where the last bucket ends.
    pub to: Timestamp,
    /// How long a bucket is, in milliseconds.
    pub step_ms: Ms,
    /// What was measured: for each bucket its mean.
    pub series: Series,
}

/// How loaded a machine was at a moment. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmLoad {
    /// When.
    pub at: Timestamp,
    /// Processor use, percent of all processors that the machine has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor_percent: Option<f32>,
    /// Memory in use, in MiB, as in [`Series`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// Read from disks, in bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_read_bytes_s: Option<u64>,
    /// Written to disks, in bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_write_bytes_s: Option<u64>,
    /// Received over the network, in bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_in_bytes_s: Option<u64>,
    /// Sent over the network, in bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_out_bytes_s: Option<u64>,
}

/// What is measured: for each bucket its mean, or null where nothing is known. All are equally long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Series {
    /// Processor use, percent of all processors that the machine or host has.
    pub processor_percent: Vec<Option<f32>>,
    /// Memory in use, in MiB: inside the guest where its balloon driver tells it, else what the machine takes of its
    /// host; of a host, what could not be given away.
    pub memory_mib: Vec<Option<u64>>,
    /// Read from disks, in bytes a second.
    pub disk_read_bytes_s: Vec<Option<u64>>,
    /// Written to disks, in bytes a second.
    pub disk_write_bytes_s: Vec<Option<u64>>,
    /// Received over the network, in bytes a second.
    pub net_in_bytes_s: Vec<Option<u64>>,
    /// Sent over the network, in bytes a second.
    pub net_out_bytes_s: Vec<Option<u64>>,
}
