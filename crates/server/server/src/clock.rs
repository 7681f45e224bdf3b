//! The time of day and new ids: the two things that everything below takes as inputs.

use std::time::{SystemTime, UNIX_EPOCH};

use hostler_model::Timestamp;
use hostler_model::ids::Ids;
use uuid::Uuid;

/// The time of day.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Ids of version 7.
pub(crate) struct V7;

impl Ids for V7 {
    fn draw(&mut self) -> Uuid {
        Uuid::now_v7()
    }
}
