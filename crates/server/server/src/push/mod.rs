//! The server adds computers by SSH: what the engine has it do itself is done here, each piece in a task of its own. It keeps
//! what proves who signs in there, and the token, in memory, from the request until its job has ended, and nowhere else but in
//! files of a private folder that `ssh` reads, for as long as it runs.

mod keys;
mod remote;
mod ssh;
mod works;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hostler_engine::Input;
use hostler_model::command::Outcome;
use hostler_model::ids::Ids;
use hostler_model::push::{AskHostKeys, HostKey, SshSecrets, Work, check_address};
use hostler_model::request::{Request, Secret};
use hostler_model::{Code, JobId, Refusal, StepNo};
use hostler_wire::EnrolmentToken;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};
use uuid::Uuid;

use crate::ask;
use crate::clock::V7;
use crate::decide::{Message, Shared};
use crate::handle::Ask;

/// How long secrets are kept at most: a computer that owes a clean-up for longer is looked after by people.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// On how many computers something is done at one time: each takes a process, and the program's bytes on the line.
const AT_ONCE: usize = 16;

/// What a job that adds a computer needs and no record holds.
#[derive(Clone)]
struct Kept {
    secrets: SshSecrets,
    token: String,
    since: Instant,
    /// What was seen of an agent there: whose job installed it, and which it is. Only that may be removed.
    seen: String,
}

/// What the server does itself.
pub(crate) struct Push {
    /// Where private folders for `ssh` are made, and which is empty when nothing is done.
    folder: Option<PathBuf>,
    runtime: Option<Handle>,
    /// The port for agents, once it is open.
    agent_port: watch::Sender<Option<u16>>,
    kept: Mutex<HashMap<Uuid, Kept>>,
    at_work: AtWork,
    room: Semaphore,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Push {
    /// Does nothing yet. What a server that died has left in the folder is removed.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        for left in folder.iter().flat_map(std::fs::read_dir).flatten().flatten() {
            if let Err(why) = std::fs::remove_dir_all(left.path()) {
                tracing::error!(folder = %left.path().display(), %why, "what ssh was given was not removed");
            }
        }
        Self {
            folder,
            runtime: Handle::try_current().ok(),
            agent_port: watch::Sender::new(None),
            kept: Mutex::default(),
            at_work: AtWork::default(),
            room: Semaphore::new(AT_ONCE),
        }
    }

    /// Agents are listened to on this port from now on.
    pub(crate) fn listens(&self, port: u16) {
        self.agent_port.send_replace(Some(port));
    }

    fn keep(&self, id: Uuid, kept: Kept) {
        let mut all = locked(&self.kept);
        all.retain(|_, kept| kept.since.elapsed() < KEPT);
        all.insert(id, kept);
    }

    fn kept(&self, id: Uuid) -> Option<Kept> {
        locked(&self.kept).get(&id).cloned()
    }

    fn saw(&self, id: Uuid, seen: String) {
        if let Some(kept) = locked(&self.kept).get_mut(&id) {
            kept.seen = seen;
        }
    }

    /// Forgets what a job needed that has ended.
    pub(crate) fn forget(&self, request: &Request) {
        if let Request::AddHost(ask) = request {
            locked(&self.kept).remove(&ask.on.secrets);
        }
    }

    /// Begins something, unless it is being done.
    pub(crate) fn begin(&self, shared: &Arc<Shared>, no: StepNo, job: JobId, work: Work) {
        let Some(stopped) = self.at_work.begin(no) else { return };
        let Some(runtime) = &self.runtime else {
            let why = Refusal::new(Code::Internal, "server", "it was started without what carries this out");
            shared
                .queue
                .push(Message::Input(Input::Worked { no, outcome: Outcome::Failed { refusal: why } }));
            return;
        };
        let shared = shared.clone();
        runtime.spawn(async move {
            let word = work.word();
            tracing::info!(%job, work = word, "the server begins");
            let outcome = tokio::select! {
                outcome = works::carry_out(&shared, no, job, &work) => outcome,
                _ = stopped => Outcome::Revoked,
            };
            match &outcome {
                Outcome::Failed { refusal } => tracing::warn!(%job, work = word, why = %refusal, "it failed"),
                Outcome::Revoked => tracing::info!(%job, work = word, "it was stopped"),
                _ => tracing::info!(%job, work = word, "it is done"),
            }
            shared.queue.wait(Message::Input(Input::Worked { no, outcome })).await;
        });
    }

    /// Stops something. It is answered in any case: of what has ended, the engine may not have heard.
    pub(crate) fn stop(&self, shared: &Arc<Shared>, no: StepNo) {
        if !self.at_work.stop(no) {
            shared.queue.push(Message::Input(Input::Worked { no, outcome: Outcome::Revoked }));
        }
    }

    /// How this ended has been heard. Where the record cannot take that, it is begun again.
    pub(crate) fn heard(&self, no: StepNo) {
        locked(&self.at_work.0).remove(&no);
    }
}

/// What is being done, until it was heard how it ended: what has ended in between is not begun a second time. Each with what
/// stops it, until it is stopped.
#[derive(Default)]
struct AtWork(Mutex<HashMap<StepNo, Option<oneshot::Sender<()>>>>);

impl AtWork {
    /// What tells it to stop; nothing where it is being done already.
    fn begin(&self, no: StepNo) -> Option<oneshot::Receiver<()>> {
        match locked(&self.0).entry(no) {
            Entry::Occupied(_) => None,
            Entry::Vacant(place) => {
                let (stop, stopped) = oneshot::channel();
                place.insert(Some(stop));
                Some(stopped)
            }
        }
    }

    /// Whether it is being done, and so says itself how it ended.
    fn stop(&self, no: StepNo) -> bool {
        let mut all = locked(&self.0);
        let Some(stop) = all.get_mut(&no) else { return false };
        if let Some(stop) = stop.take() {
            // Nobody hears it where it has ended.
            let _ = stop.send(());
        }
        true
    }
}

/// The host keys that a computer shows, best first.
pub(crate) async fn host_keys(asked: &AskHostKeys) -> Result<Vec<HostKey>, Refusal> {
    check_address(&asked.address, asked.port)?;
    keys::shown(&asked.address, asked.port).await
}

/// Asks for a computer to be added: `asked` says all but the secrets.
pub(crate) async fn add(shared: &Arc<Shared>, mut asked: Ask, secrets: SshSecrets) -> Result<JobId, Refusal> {
    let Request::AddHost(add) = &mut asked.request else {
        return Err(Refusal::new(Code::Internal, "request", "it adds no computer"));
    };
    secrets.check()?;
    let Some(authority) = &shared.authority else {
        return Err(Refusal::new(Code::Internal, "server", "it was started without an authority"));
    };
    works::program(shared).await?;
    let token = EnrolmentToken::new(authority.fingerprint())
        .map_err(|why| Refusal::new(Code::Internal, "enrolment token", why.to_string()))?;
    let id = V7.draw();
    (add.on.secrets, add.sha256) = (id, Secret(token.sha256()));
    // First, as its job may begin before this goes on.
    shared
        .push
        .keep(id, Kept { secrets, token: token.to_string(), since: Instant::now(), seen: String::new() });
    let job = ask::ask(shared, asked).await;
    let ours = match &job {
        Ok(number) => match ask::job(shared, *number).await {
            Ok(job) => matches!(&job.request, Request::AddHost(add) if add.on.secrets == id),
            // It is there all the same.
            Err(_) => true,
        },
        Err(_) => false,
    };
    if !ours {
        locked(&shared.push.kept).remove(&id);
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_not_begun_again_until_it_was_heard_how() {
        let push = Push::new(None);
        let no = StepNo(1);
        let mut stopped = push.at_work.begin(no).unwrap();
        assert!(push.at_work.begin(no).is_none(), "it is being done");
        assert!(
            push.at_work.stop(no) && push.at_work.stop(no),
            "it answers itself, however often it is stopped"
        );
        assert_eq!(stopped.try_recv(), Ok(()));
        drop(stopped);
        assert!(push.at_work.begin(no).is_none(), "it has ended, and nobody has heard how");
        assert!(push.at_work.stop(no), "its own answer is on its way");
        push.heard(no);
        assert!(!push.at_work.stop(no));
        assert!(push.at_work.begin(no).is_some(), "what was heard is not in the record: it is owed still");
    }
}
