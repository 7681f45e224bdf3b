//! What the server does itself, one after the other: a computer is looked at, an agent installed, enrolled, started, waited
//! for; or removed.

use std::sync::Arc;
use std::time::Duration;

use hostler_engine::Input;
use hostler_model::command::{Answer, Outcome};
use hostler_model::job::Doer;
use hostler_model::push::{SshTarget, Work, secrets_gone};
use hostler_model::{AgentId, Code, JobId, Key, Refusal, StepNo};

use super::remote::{self, Script};
use super::ssh::{self, Said, Sent};
use super::{Kept, keys};
use crate::decide::{Message, Shared};
use crate::program::Program;

/// How long an agent may take to connect: it starts, looks at its computer, and dials.
const CONNECTS: Duration = Duration::from_secs(90);
/// How often is looked whether it has, beside being told.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn carry_out(shared: &Arc<Shared>, no: StepNo, job: JobId, work: &Work) -> Outcome {
    // Waiting for an agent takes nothing up.
    let _room = match work.target() {
        Some(_) => shared.push.room.acquire().await.ok(),
        None => None,
    };
    let done = match work {
        Work::CheckComputer { on } => check(shared, job, on).await,
        Work::InstallAgent { on } => install(shared, no, job, on).await,
        Work::EnrolComputer { on, name, server, .. } => {
            let name = name.as_ref().map(ToString::to_string).unwrap_or_default();
            enrol(shared, on, &name, server.as_deref().unwrap_or_default()).await
        }
        Work::StartAgent { on } => run(shared, on, Script::Start, &[], None).await.map(|_| Answer::Nothing),
        Work::AwaitAgent { agent } => connects(shared, *agent).await,
        Work::RemoveAgent { on } => remove(shared, job, on).await,
    };
    match done {
        Ok(answer) => Outcome::Done { answer },
        Err(refusal) => Outcome::Failed { refusal },
    }
}

/// The agent program that is installed on others.
pub(super) async fn program(shared: &Arc<Shared>) -> Result<Arc<Program>, Refusal> {
    let looking = shared.clone();
    let program = tokio::task::spawn_blocking(move || looking.offered.look()).await.ok().flatten();
    program.ok_or_else(|| {
        Refusal::new(Code::ObjectNotFound, "agent program", "this server has none to install")
            .remedy("Install the package hostler-agent beside the server, or name one with --agent-program")
    })
}

fn kept(shared: &Shared, on: &SshTarget) -> Result<Kept, Refusal> {
    shared.push.kept(on.secrets).ok_or_else(|| secrets_gone(on))
}

/// What a job writes on what it installs.
fn mark(shared: &Shared, job: JobId) -> String {
    format!("{} {job}", shared.installation)
}

/// Runs a script on a computer that shows the host key that was confirmed.
async fn run(
    shared: &Arc<Shared>,
    on: &SshTarget,
    script: Script,
    parameters: &[&str],
    file: Option<Sent<'_>>,
) -> Result<Said, Refusal> {
    let Kept { secrets, .. } = kept(shared, on)?;
    let Some(folder) = &shared.push.folder else {
        return Err(Refusal::new(Code::Internal, "server", "it was started without a state folder"));
    };
    let shown = keys::shown(&on.address, on.port).await?;
    let key = keys::confirmed(&on.label(), &shown, &on.host_key)?;
    let command = script.command(secrets.for_sudo().is_some());
    let head = remote::head(&secrets, parameters);
    let said = ssh::run(folder, on, &key, &secrets, &command, &head, file).await?;
    match remote::trouble(on, &secrets, &said) {
        Some(trouble) => Err(trouble),
        None => Ok(said),
    }
}

async fn check(shared: &Arc<Shared>, job: JobId, on: &SshTarget) -> Result<Answer, Refusal> {
    let said = run(shared, on, Script::Check, &[], None).await?;
    let system = remote::word(&said, "system").unwrap_or_default();
    let wanted = format!("Linux {}", std::env::consts::ARCH);
    if system != wanted {
        let cause = format!("it is {system}, and the agent program that this server has is for {wanted}");
        return Err(Refusal::new(Code::ComputerUnsuitable, on.label(), cause)
            .remedy("Install the package hostler-agent of its own kind there, and enrol it with a token"));
    }
    if remote::word(&said, "package").is_some() {
        let cause = "hostler-agent is installed there as a package";
        return Err(Refusal::new(Code::AgentPresent, on.label(), cause).remedy(
            "Enrol it there with a token (hostler agent enrolment-token), or remove the package first",
        ));
    }
    let (agent, pushed) = (remote::word(&said, "agent"), remote::word(&said, "pushed"));
    if let Some(agent) = agent {
        unfinished(shared, on, agent, pushed)?;
    }
    if let Some(other) = pushed.and_then(|mark| under_way(shared, job, mark)) {
        let cause = format!("job {other} adds it, by another name or address of this computer");
        return Err(
            Refusal::new(Code::AgentPresent, on.label(), cause).remedy("See what becomes of that job")
        );
    }
    let seen = format!("{} {}", pushed.unwrap_or_default(), agent.unwrap_or_default());
    shared.push.saw(on.secrets, seen);
    Ok(Answer::Nothing)
}

/// An agent that is enrolled there is only replaced where a job of ours has left it unfinished.
fn unfinished(shared: &Shared, on: &SshTarget, agent: &str, pushed: Option<&str>) -> Result<(), Refusal> {
    let present =
        |cause: String, remedy: &str| Err(Refusal::new(Code::AgentPresent, on.label(), cause).remedy(remedy));
    let known = agent.parse::<AgentId>().ok();
    if let Some(id) = known.filter(|id| shared.picture.load().get(Key::Agent(*id)).is_some()) {
        return present(
            format!("its agent is in the record already, as agent {id}"),
            "There is nothing to add",
        );
    }
    let ours = shared.installation.to_string();
    if pushed.and_then(|mark| mark.split(' ').next()) != Some(ours.as_str()) {
        let cause = format!("an agent is enrolled there, agent {agent}, which this server does not know");
        return present(cause, "If nobody needs it, run \"hostler-agent leave\" on that computer first");
    }
    Ok(())
}

/// The job that has left this mark, if it is another one that goes on.
fn under_way(shared: &Shared, job: JobId, mark: &str) -> Option<JobId> {
    let (installation, other) = mark.split_once(' ')?;
    let other = other.parse::<JobId>().ok().filter(|other| *other != job)?;
    let ours = installation == shared.installation.to_string();
    (ours && shared.picture.load().open_jobs().any(|open| open.id == other)).then_some(other)
}

async fn install(shared: &Arc<Shared>, no: StepNo, job: JobId, on: &SshTarget) -> Result<Answer, Refusal> {
    let program = program(shared).await?;
    let (mark, size) = (mark(shared, job), program.size_bytes.to_string());
    let told = |done| {
        let progress = Input::Progress { by: Doer::Server, no, done, of: program.size_bytes };
        shared.queue.push(Message::Input(progress));
    };
    let sent = Sent { path: &program.path, told: &told };
    let seen = kept(shared, on)?.seen;
    run(shared, on, Script::Install, &[&mark, &size, &program.sha256, &seen], Some(sent)).await?;
    Ok(Answer::Nothing)
}

async fn enrol(shared: &Arc<Shared>, on: &SshTarget, name: &str, server: &str) -> Result<Answer, Refusal> {
    let mut port = shared.push.agent_port.subscribe();
    let port = port.wait_for(Option::is_some).await.ok().and_then(|port| *port).unwrap_or_default();
    let token = kept(shared, on)?.token;
    run(shared, on, Script::Enrol, &[&port.to_string(), server, name, &token], None).await?;
    Ok(Answer::Nothing)
}

async fn connects(shared: &Arc<Shared>, agent: AgentId) -> Result<Answer, Refusal> {
    let mut told = shared.volatile.subscribe();
    let answers = async {
        while !shared.picture.load().answers(agent) {
            let _ = tokio::time::timeout(LOOK, told.changed()).await;
        }
    };
    match tokio::time::timeout(CONNECTS, answers).await {
        Ok(()) => Ok(Answer::Nothing),
        Err(_) => {
            let cause = format!("it was started, and has not connected within {} s", CONNECTS.as_secs());
            Err(Refusal::new(Code::AgentNotConnecting, format!("agent {agent}"), cause)
                .remedy("See that the computer reaches this server's port for agents; name another address with --server-address"))
        }
    }
}

async fn remove(shared: &Arc<Shared>, job: JobId, on: &SshTarget) -> Result<Answer, Refusal> {
    if kept(shared, on).is_err() {
        let what = format!(
            "on {} what was installed: the agent in /usr/local/lib/hostler, its unit, and /var/lib/hostler-agent. \
             Adding the computer again replaces it; /usr/local/lib/hostler/hostler-agent leave removes its state",
            on.label()
        );
        return Ok(Answer::Removal { removes: Vec::new(), stays: vec![what] });
    }
    let said = run(shared, on, Script::Remove, &[&mark(shared, job)], None).await?;
    let stays = remote::word(&said, "stays").map(|what| format!("on {} {what}", on.label()));
    Ok(Answer::Removal { removes: Vec::new(), stays: stays.into_iter().collect() })
}
