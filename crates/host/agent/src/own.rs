//! Commands about the agent itself: it is to leave this computer, or another program is to take its place. They touch no
//! machine and no disk, so they are carried out here and not by the hypervisor.

use std::sync::Arc;

use hostler_agent_core::{Input, Task};
use hostler_model::command::{Answer, Command, Outcome};
use hostler_model::{Code, Refusal, StepNo};
use tokio::task::spawn_blocking;

use crate::config::State;
use crate::program::{self, Wanted};
use crate::removal;
use crate::run::{Event, Shared};
use crate::work::Abort;

/// A program that is to take the agent's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Which.
    pub(crate) wanted: Wanted,
    /// How long it may take to come up.
    pub(crate) limit_ms: u64,
}

pub(crate) fn is_own(command: &Command) -> bool {
    matches!(
        command,
        Command::PrepareRemoval
            | Command::CancelRemoval
            | Command::BringProgram { .. }
            | Command::Upgrade { .. }
    )
}

/// Carries the command out, or looks up what became of it.
pub(crate) async fn carry_out(
    shared: &Arc<Shared>,
    task: &Task,
    looking: bool,
    abort: &Arc<Abort>,
) -> Outcome {
    let Some(state) = shared.host.state() else { return without_state(&task.command) };
    match &*task.command {
        Command::PrepareRemoval => leave(state, looking).await,
        Command::CancelRemoval => {
            blocking(move || removal::unmark(&state)).await.map_or_else(failed, |()| Outcome::done())
        }
        Command::BringProgram { version, sha256, size_bytes } => {
            let Some(wanted) = Wanted::new(&state, version, sha256) else { return no_digest() };
            bring(shared, task.no, state, wanted, *size_bytes, looking, abort).await
        }
        Command::Upgrade { version, sha256, limit_ms } => {
            let Some(wanted) = Wanted::new(&state, version, sha256) else { return no_digest() };
            upgrade(shared, state, Upgrade { wanted, limit_ms: *limit_ms }, looking, abort).await
        }
        _ => no_digest(),
    }
}

/// What an agent answers that keeps nothing on this computer, as simulated ones do.
fn without_state(command: &Command) -> Outcome {
    match command {
        Command::PrepareRemoval => {
            Outcome::Done { answer: Answer::Removal { removes: Vec::new(), stays: Vec::new() } }
        }
        Command::CancelRemoval => Outcome::done(),
        _ => Outcome::Refused {
            refusal: Refusal::new(
                Code::AgentUnsupported,
                "agent",
                "it has no program that could be replaced",
            ),
        },
    }
}

fn no_digest() -> Outcome {
    let refusal = Refusal::new(Code::AgentUnsupported, "agent program", "it is not named by a SHA-256");
    Outcome::Refused { refusal }
}

fn failed(why: std::io::Error) -> Outcome {
    let refusal = Refusal::new(Code::AgentUpgradeFailed, "agent", why.to_string())
        .remedy("Look at the agent's state folder on its computer, then try again");
    Outcome::Failed { refusal }
}

fn interrupted(what: &str) -> Outcome {
    Outcome::Failed { refusal: Refusal::new(Code::AgentInterrupted, "agent", what).remedy("Try again") }
}

async fn blocking<T: Send + 'static>(
    what: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    spawn_blocking(what).await.unwrap_or_else(|why| Err(std::io::Error::other(why)))
}

async fn leave(state: State, looking: bool) -> Outcome {
    if looking && !state.leaving().exists() {
        return interrupted("it was interrupted before it had noted that it is to leave");
    }
    let noted = blocking(move || {
        removal::mark(&state)?;
        Ok(removal::look(&state))
    });
    match noted.await {
        Ok(said) => Outcome::Done { answer: Answer::Removal { removes: said.removes, stays: said.stays } },
        Err(why) => failed(why),
    }
}

async fn bring(
    shared: &Arc<Shared>,
    no: StepNo,
    state: State,
    wanted: Wanted,
    size_bytes: u64,
    looking: bool,
    abort: &Arc<Abort>,
) -> Outcome {
    let there = wanted.clone();
    match blocking(move || there.is_there()).await {
        Ok(true) => return Outcome::done(),
        Ok(false) if looking => return interrupted("the program was not brought whole"),
        Ok(false) => {}
        Err(why) => return failed(why),
    }
    let Some(server) = shared.server() else { return interrupted("the connection was lost") };
    let stream = match server.program(wanted.sha256()).await {
        Ok(stream) => stream,
        Err(why) => return interrupted(&why.to_string()),
    };
    let (events, abort) = (shared.events.clone(), Arc::clone(abort));
    let runtime = tokio::runtime::Handle::current();
    let brought = blocking(move || {
        let progress = |done| {
            // The core tells only some of them anyway: one that finds no room is not missed.
            let _ = events.try_send(Event::Input(Input::Progress { no, done, of: size_bytes }));
            !abort.is_wanted()
        };
        program::receive(&runtime, stream, &state, &wanted, size_bytes, progress)
    });
    match brought.await {
        Ok(true) => Outcome::done(),
        Ok(false) => Outcome::Revoked,
        Err(why) if why.kind() == std::io::ErrorKind::ConnectionReset => interrupted(&why.to_string()),
        Err(why) => failed(why),
    }
}

async fn upgrade(
    shared: &Arc<Shared>,
    state: State,
    upgrade: Upgrade,
    looking: bool,
    abort: &Arc<Abort>,
) -> Outcome {
    let wanted = upgrade.wanted.clone();
    if looking && shared.trial {
        // Whether it stays is for the one to say that lets it try.
        return std::future::pending().await;
    }
    let looked = blocking(move || {
        Ok((wanted.runs()?, looking.then(|| wanted.why_failed(&state)).flatten(), wanted.is_there()?))
    });
    let why = match looked.await {
        Ok((true, _, _)) => return Outcome::done(),
        Ok((false, Some(why), _)) => why,
        Ok((false, None, _)) if looking => {
            return interrupted("it was interrupted before the program was tried");
        }
        Ok((false, None, false)) => "the program is not there, or not whole".to_owned(),
        Ok((false, None, true)) if abort.is_wanted() => return Outcome::Revoked,
        Ok((false, None, true)) => {
            let _ = shared.events.send(Event::HandOver(upgrade)).await;
            // Whichever program runs afterwards says how it ended.
            return std::future::pending().await;
        }
        Err(why) => return failed(why),
    };
    let object = format!("agent program {}", upgrade.wanted.version());
    let refusal = Refusal::new(Code::AgentUpgradeFailed, object, why)
        .remedy("The program before it goes on. Look at the agent's log on its computer");
    Outcome::Failed { refusal }
}
