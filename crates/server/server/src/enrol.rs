//! A computer with a token becomes an agent: its token is looked up, its certificate signed, and it is told only what
//! was committed.

use std::sync::Arc;
use std::time::Duration;

use hostler_model::access::Actor;
use hostler_model::ids::Ids;
use hostler_model::request::{EnrolAgent, Request};
use hostler_model::{AgentId, Code, Refusal};
use hostler_wire::{EnrolAsk, Enrolled};

use crate::ask;
use crate::clock::{V7, now};
use crate::decide::Shared;
use crate::handle::Ask;

/// How long the job may take: it changes the record alone.
const JOB_LIMIT: Duration = Duration::from_secs(15);

pub(crate) async fn enrol(shared: &Arc<Shared>, asked: EnrolAsk) -> Result<Enrolled, Refusal> {
    let computer = asked.host.host_name.clone();
    let remote = asked.remote;
    let done = admit(shared, asked).await;
    match &done {
        Ok(enrolled) => tracing::info!(agent = %enrolled.agent, computer, %remote, "an agent was enrolled"),
        Err(why) => tracing::warn!(computer, %remote, %why, "an enrolment was refused"),
    }
    done
}

async fn admit(shared: &Arc<Shared>, asked: EnrolAsk) -> Result<Enrolled, Refusal> {
    let object = format!("computer {}", asked.host.host_name);
    // One answer for every reason: who guesses learns nothing. The log has the reason.
    let refused = |why: &str| {
        tracing::debug!(computer = object, why, "the token was refused");
        Refusal::new(
            Code::EnrolmentRefused,
            object.clone(),
            "the token is wrong, was used, has run out, or is for another computer",
        )
        .remedy("Make a new enrolment token and try again")
    };
    let Some(authority) = &shared.authority else {
        return Err(Refusal::new(Code::Internal, object, "this server has no authority"));
    };
    let enrolment = ask::enrolment(&shared.picture.load(), &asked.token_sha256)
        .ok_or_else(|| refused("it is not known"))?;
    if enrolment.used_by.is_some() {
        return Err(refused("it was used"));
    }
    if enrolment.expires <= now() {
        return Err(refused("it has run out"));
    }
    if enrolment.host_name.as_ref().is_some_and(|name| *name != asked.host.host_name) {
        return Err(refused("it is for a computer of another name"));
    }
    let agent = AgentId(V7.draw());
    let issued = authority
        .sign_agent(agent, &asked.public_point)
        .map_err(|e| Refusal::new(Code::Internal, object.clone(), e.to_string()))?;
    let request = Request::EnrolAgent(Box::new(EnrolAgent {
        agent,
        token: enrolment.id,
        version: asked.version,
        certificate: issued.serial.clone(),
        certificate_until: issued.until,
        facts: asked.host,
    }));
    let job = ask::ask(shared, Ask::new(Actor::System, request)).await?;
    let job = ask::wait_for_job(shared, job, JOB_LIMIT).await?;
    if !job.state.is_success() {
        let why = job.error.clone();
        return Err(why.unwrap_or_else(|| Refusal::new(Code::StoreUnavailable, object, "it took too long")));
    }
    Ok(Enrolled::new(agent, shared.installation, issued, authority))
}
