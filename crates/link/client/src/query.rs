//! Which part of a list.

use hostler_model::Timestamp;
use serde::Serialize;

/// Which part of a list. What is absent is left to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListQuery {
    /// How many at most, 1 to 1,000; 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only what all of these terms hold for, as in `status=running,name~web*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// By which fields, as in `host,-memory_mib`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
}

/// Which jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JobsQuery {
    /// How many at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only those in one of these states, joined by `,`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only those of one of these kinds, joined by `,`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only those about this thing: `vm/…`, with its id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Only those that this user asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only those with this text in what they are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Which part of a thing's history, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HistoryQuery {
    /// How many at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Which part of a performance history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PerformanceQuery {
    /// From when on; an hour before the end when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when; now when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// How many points at most, 2 to 1,000; 120 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
}
