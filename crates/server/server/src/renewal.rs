//! An agent's certificate is followed by another before it runs out. Two changes of the record, each a job of the
//! agent's: it was given another certificate, and it has used it. Between them both are good, so that an agent that died
//! before it had written the new one comes back with the old one; after them only the new one is.

use std::sync::Arc;
use std::time::Duration;

use hostler_drive::Picture;
use hostler_model::access::Actor;
use hostler_model::agent::{Agent, Certificate};
use hostler_model::request::Request;
use hostler_model::time::Ms;
use hostler_model::{AgentId, Code, Key, Kind, Object, Refusal};
use hostler_wire::{RenewAsk, Renewed};

use crate::ask;
use crate::clock::now;
use crate::decide::Shared;
use crate::handle::Ask;

/// How long a job may take: it changes the record alone.
const JOB_LIMIT: Duration = Duration::from_secs(15);
/// An agent that works renews with ten days left; with so few left somebody should look.
const LATE_MS: Ms = 7 * 86_400_000;

/// Gives the agent another certificate.
pub(crate) async fn renew(shared: &Arc<Shared>, asked: RenewAsk) -> Result<Renewed, Refusal> {
    let (agent, remote) = (asked.agent, asked.remote);
    let done = give(shared, asked).await;
    match &done {
        Ok(renewed) => {
            tracing::info!(%agent, %remote, until = %renewed.certificate_until, "a certificate was renewed");
        }
        Err(why) => tracing::warn!(%agent, %remote, %why, "a certificate was not renewed"),
    }
    done
}

async fn give(shared: &Arc<Shared>, asked: RenewAsk) -> Result<Renewed, Refusal> {
    let object = format!("agent {}", asked.agent);
    let Some(authority) = &shared.authority else {
        return Err(Refusal::new(Code::Internal, object, "this server has no authority"));
    };
    let agent = known(shared, asked.agent).ok_or_else(|| Refusal::not_found(object.clone()))?;
    let issued = authority
        .sign_agent(agent.id, &asked.public_point)
        .map_err(|e| Refusal::new(Code::Internal, object, e.to_string()))?;
    let next = Certificate { serial: issued.serial.clone(), until: issued.until };
    // Whether the certificate that was shown is still good is for the engine to say.
    note(shared, &agent, asked.serial, Some(next)).await?;
    Ok(issued.into())
}

/// Notes that an agent has connected with this certificate: if it is the renewed one, the one before is good no more.
pub(crate) fn used(shared: &Arc<Shared>, agent: AgentId, serial: &str) {
    let Some(agent) = known(shared, agent) else { return };
    if agent.certificate == serial {
        return;
    }
    let (shared, serial) = (shared.clone(), serial.to_owned());
    tokio::spawn(async move {
        if let Err(why) = note(&shared, &agent, serial, None).await {
            // Its next connection says it again, and so does its next renewal.
            tracing::warn!(agent = %agent.id, %why, "that an agent uses its renewed certificate was not noted");
        }
    });
}

async fn note(
    shared: &Arc<Shared>,
    agent: &Agent,
    uses: String,
    next: Option<Certificate>,
) -> Result<(), Refusal> {
    let actor = Actor::Agent { id: agent.id, name: agent.name.clone() };
    let request = Request::RenewAgent { agent: agent.id, uses, next };
    let job = ask::ask(shared, Ask::new(actor, request)).await?;
    let job = ask::wait_for_job(shared, job, JOB_LIMIT).await?;
    if job.state.is_success() {
        return Ok(());
    }
    let why = job.error.clone();
    Err(why.unwrap_or_else(|| Refusal::new(Code::StoreUnavailable, agent.label(), "it took too long")))
}

fn known(shared: &Arc<Shared>, agent: AgentId) -> Option<Arc<Agent>> {
    match shared.picture.load().get(Key::Agent(agent)).map(|stored| &stored.object) {
        Some(Object::Agent(agent)) => Some(agent.clone()),
        _ => None,
    }
}

/// Says in the log which agents' certificates end soon although they should have been renewed.
pub(crate) fn warn_of_ends(picture: &Picture) {
    for stored in picture.of_kind(Kind::Agent) {
        if let Object::Agent(agent) = &stored.object
            && agent.certificate_until.since(now()) < LATE_MS
        {
            let (name, until) = (&agent.name, agent.certificate_until);
            tracing::warn!(agent = %agent.id, %name, %until, "an agent's certificate ends and is not renewed");
        }
    }
}
