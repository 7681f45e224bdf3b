//! What agents remember of load, asked for when somebody looks. Nothing of it is kept here.

use hostler_model::channel::Query;
use hostler_model::performance::{MOST_POINTS, Performance};
use hostler_model::{AgentId, Ms, Refusal, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::told::told;

/// How much is shown where nothing is said: an hour.
const SPAN_MS: Ms = 3_600_000;
/// How many points where nothing is said.
const POINTS: u32 = 120;

/// Which part of the history.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PerformanceQuery {
    /// From when on (RFC 3339); an hour before the end when absent. Agents remember a day.
    #[param(required = false)]
    from: Option<Timestamp>,
    /// Until when (RFC 3339); now when absent. The newest ten seconds are not known yet.
    #[param(required = false)]
    to: Option<Timestamp>,
    /// How many points each series may have; the step is the smallest with which it has not more.
    #[param(required = false, minimum = 2, maximum = 1_000, default = 120)]
    points: Option<u32>,
}

/// Asks an agent for the history of a machine, or of its computer.
pub(crate) async fn performance(
    app: &App,
    agent: AgentId,
    domain: Option<Uuid>,
    asked: PerformanceQuery,
) -> Result<Performance, Refusal> {
    let now = app.handle().now();
    let to = asked.to.unwrap_or(now);
    let from = asked.from.unwrap_or(Timestamp(to.0.saturating_sub_unsigned(SPAN_MS)));
    let points = asked.points.unwrap_or(POINTS);
    if !(2..=MOST_POINTS).contains(&points) {
        return Err(Refusal::invalid("points", format!("{points} is not between 2 and {MOST_POINTS}")));
    }
    if from >= to {
        return Err(Refusal::invalid("from", format!("{from} is not before {to}")));
    }
    told(app, agent, Query::Performance { domain, now, from, to, points }).await
}
