//! What agents answer to questions that are only passed on, as the type that it is.

use hostler_model::channel::Query;
use hostler_model::{AgentId, Code, Refusal};
use serde::de::DeserializeOwned;

use crate::app::App;

/// Asks an agent.
///
/// # Errors
/// It does not answer, refuses, or answers what this server does not understand (`agent.unsupported`).
pub(crate) async fn told<T: DeserializeOwned>(app: &App, agent: AgentId, query: Query) -> Result<T, Refusal> {
    let answer = app.handle().query(agent, query).await?;
    serde_json::from_slice(&answer).map_err(|_| {
        Refusal::new(Code::AgentUnsupported, format!("agent {agent}"), "its answer is not understood")
            .remedy("Upgrade the agent, or the server where that is older")
    })
}
