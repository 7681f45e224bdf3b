//! A command under way: turns on threads, waits without one, and what is read before its end is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hostler_agent_core::{Input, Task};
use hostler_hypervisor::{Performing, Turn, Watch, World};
use hostler_model::command::Outcome;
use hostler_model::{Code, Refusal, StepNo};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::own;
use crate::run::{Event, Shared};

/// The request to stop a command.
#[derive(Debug, Default)]
pub(crate) struct Abort {
    wanted: AtomicBool,
    told: Notify,
}

impl Abort {
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.told.notify_one();
    }
}

/// What a command reports to.
struct Watching<'s> {
    no: StepNo,
    shared: &'s Shared,
    abort: &'s Abort,
}

impl Watch for Watching<'_> {
    fn progress(&self, done: u64, of: u64) {
        // The core tells only some of them anyway: one that finds no room is not missed.
        let _ = self.shared.events.try_send(Event::Input(Input::Progress { no: self.no, done, of }));
    }

    fn aborted(&self) -> bool {
        self.abort.is_wanted()
    }
}

/// Carries out a step, or looks it up, and says its end.
pub(crate) async fn carry_out(shared: Arc<Shared>, task: Task, looking: bool, abort: Arc<Abort>) {
    let (no, command) = (task.no, (*task.command).clone());
    let word = command.word();
    tracing::info!(step = %no, mark = %task.mark, undo = task.undo, looking, "{word}");
    let domain = command.domain();
    let reads_host = command.changes_host();
    let outcome = if own::is_own(&command) {
        own::carry_out(&shared, &task, looking, &abort).await
    } else {
        let begin = if looking { Performing::looking } else { Performing::new };
        turns(&shared, no, begin(command, task.mark, task.undo), &abort).await
    };
    tracing::info!(step = %no, outcome = %in_words(&outcome), "{word} has ended");
    if let Some(domain) = domain {
        shared.readings.after_command(domain).await;
    }
    if reads_host {
        shared.read_facts().await;
    }
    // Nobody listens when the agent is ending; the next run looks the step up.
    let _ = shared.events.send(Event::Input(Input::Ended { no, outcome })).await;
}

async fn turns(shared: &Arc<Shared>, no: StepNo, mut performing: Performing, abort: &Arc<Abort>) -> Outcome {
    let begun = Instant::now();
    let mut waited_ms = 0;
    loop {
        let (on, of) = (Arc::clone(shared), Arc::clone(abort));
        let room = shared.calls.acquire().await;
        let turned = spawn_blocking(move || {
            let world = World {
                machines: &*on.machines,
                disks: &*on.disks,
                moves: &*on.moves,
                networks: &*on.networks,
                boots: &*on.boots,
            };
            let watch = Watching { no, shared: &on, abort: &of };
            let turn = performing.turn(&world, waited_ms, &watch);
            (performing, turn)
        })
        .await;
        drop(room);
        let (back, turn) = match turned {
            Ok(turned) => turned,
            Err(why) => return broken(no, &why.to_string()),
        };
        performing = back;
        match turn {
            Turn::Ended(outcome) => return outcome,
            Turn::Wait { ms } => tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(ms)) => {}
                () = abort.told.notified() => {}
            },
        }
        waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    }
}

/// A defect of ours in the midst of a command: nobody knows how far it came.
fn broken(no: StepNo, why: &str) -> Outcome {
    tracing::error!(step = %no, why, "a command broke down");
    let refusal =
        Refusal::new(Code::Internal, format!("step {no}"), format!("the agent broke down in it: {why}"))
            .remedy("Look at the machine itself before asking again, and report this");
    Outcome::InDoubt { refusal }
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { .. } => "done".into(),
        Outcome::Revoked => "revoked".into(),
        Outcome::Failed { refusal } => format!("failed: {refusal}"),
        Outcome::Refused { refusal } => format!("refused: {refusal}"),
        Outcome::InDoubt { refusal } => format!("in doubt: {refusal}"),
        Outcome::Unknown => "unknown".into(),
    }
}
