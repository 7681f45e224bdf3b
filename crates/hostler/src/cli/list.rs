//! Lists: which part of them is asked for, and fetching them page by page.

use clap::Args;
use hostler_client::{ClientError, HistoryQuery, ListQuery};
use hostler_model::Timestamp;
use hostler_model::body::{FeedEvent, FeedOp};
use hostler_model::hardware::MIB;
use hostler_model::view::Page;

use crate::cli::failure::Failure;
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::show::{Cell, cell, number};
use crate::cli::values::{now, relative, shown_size};

const HISTORY: Columns = Columns { usual: &["REVISION", "WHEN", "WHAT", "JOB", "BY"], wide: &[], first: "" };

/// The most that a server gives at once.
const PAGE: u32 = 1_000;

/// Which part of a list.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which part of the list")]
pub struct Part {
    /// Only what all of these terms hold for, as in `status=running|paused,name~web*`
    #[arg(long, value_name = "TERMS")]
    pub filter: Option<String>,
    /// By which fields, as in `host,-memory_mib`
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// How many at most; all when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Fetches a list, page by page.
///
/// # Errors
/// As a page cannot be had.
pub async fn all<T>(
    part: &Part,
    fetch: impl AsyncFn(&ListQuery) -> Result<Page<T>, ClientError>,
) -> Result<Vec<T>, Failure> {
    let mut query =
        ListQuery { filter: part.filter.clone(), sort: part.sort.clone(), ..ListQuery::default() };
    pages(part.limit, async |limit, cursor| {
        (query.limit, query.cursor) = (Some(limit), cursor);
        fetch(&query).await
    })
    .await
}

/// Fetches pages until there are enough, or no more.
///
/// # Errors
/// As a page cannot be had.
pub async fn pages<T>(
    limit: Option<u32>,
    mut fetch: impl AsyncFnMut(u32, Option<String>) -> Result<Page<T>, ClientError>,
) -> Result<Vec<T>, Failure> {
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let missing = limit.map_or(PAGE, |limit| limit - u32::try_from(items.len()).unwrap_or(limit));
        let page = fetch(missing.min(PAGE), cursor).await?;
        items.extend(page.items);
        cursor = page.next;
        if cursor.is_none() || limit.is_some_and(|limit| items.len() >= limit as usize) {
            return Ok(items);
        }
    }
}

/// How much of a history.
#[derive(Args, Clone, Debug)]
pub struct HistoryPart {
    /// How many versions at most, the newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Shows the versions of a thing.
///
/// # Errors
/// As they cannot be had.
pub async fn history(
    here: &Here,
    part: &HistoryPart,
    fetch: impl AsyncFn(&HistoryQuery) -> Result<Page<FeedEvent>, ClientError>,
) -> Result<(), Failure> {
    let fetched = pages(Some(part.limit), async |limit, cursor| {
        fetch(&HistoryQuery { limit: Some(limit), cursor }).await
    });
    let now = now();
    here.list(&fetched.await?, HISTORY, |event| {
        vec![
            number(event.rev),
            ago(event.at, now),
            cell(what(event.op)),
            event.job.map(number).unwrap_or_default(),
            cell(event.actor.words()),
        ]
    })
}

/// What happened, in words.
pub fn what(op: FeedOp) -> &'static str {
    match op {
        FeedOp::Put => "changed",
        FeedOp::Gone => "gone",
        FeedOp::Unknown => "unknown",
    }
}

/// The last digits of an id, enough to name the thing by.
pub fn short(id: impl ToString) -> Cell {
    let id = id.to_string();
    cell(&id[id.len().saturating_sub(8)..]).exact(&id).tone(crate::cli::show::Tone::Faint)
}

/// A time, as it is said.
pub fn ago(at: Timestamp, now: Timestamp) -> Cell {
    cell(relative(at, now)).exact(at)
}

/// A size, with its unit.
pub fn bytes(bytes: u64) -> Cell {
    number(shown_size(bytes)).exact(bytes)
}

/// A size in MiB, with its unit.
pub fn mib(mib: u64) -> Cell {
    bytes(mib.saturating_mul(MIB))
}
