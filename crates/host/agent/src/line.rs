//! The connection to the server: dialled, kept, dialled again. One task holds it, so that what the core hears is in
//! order: open, messages, cut.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hostler_agent_core::Input;
use hostler_model::channel::{FromAgent, ToAgent};
use hostler_wire::{AgentConfig, AgentSession, Backoff, Identity, connect};
use tokio::sync::mpsc;

use crate::run::Event;
use crate::status::{Connection, Status};

/// How many messages may wait to be sent. The core sends little; a server that leaves so much unread is gone.
const ROOM: usize = 4_096;
/// How long the last words of a session may take to leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// Whom to call, and as who.
#[derive(Debug)]
pub struct Dial {
    /// Who the agent is.
    pub identity: Identity,
    /// Where the server is, `host:port`.
    pub server: String,
    /// The limits of a connection.
    pub config: AgentConfig,
    /// Where to write how the connection stands, for `hostler-agent status`.
    pub status: Option<PathBuf>,
}

/// Keeps the agent connected until it is dropped, or until a session ends while the agent does.
pub(crate) async fn keep(dial: Dial, events: mpsc::Sender<Event>, ending: Arc<AtomicBool>) {
    let mut backoff = Backoff::default();
    let mut said = String::new();
    loop {
        let (why, slow) = match connect(&dial.server, &dial.identity, &dial.config).await {
            Ok(session) => {
                tracing::info!(server = dial.server, "connected");
                dial.tell(Connection::Open);
                said.clear();
                let (outgoing, queue) = mpsc::channel(ROOM);
                if events.send(Event::Open(outgoing)).await.is_err() {
                    return;
                }
                let (why, welcomed) = speak(session, queue, &events).await;
                if events.send(Event::Cut).await.is_err() {
                    return;
                }
                if ending.load(Ordering::Relaxed) {
                    return;
                }
                if welcomed {
                    backoff.reset();
                }
                (why, false)
            }
            Err(why) => (why.to_string(), why.is_slow()),
        };
        let wait = backoff.after(slow);
        // The same again and again would fill the log.
        if said == why {
            tracing::debug!(why, ?wait, "still not connected");
        } else {
            tracing::warn!(why, ?wait, slow, "not connected to the server; tried again");
            dial.tell(Connection::Closed { why: why.clone() });
            said = why;
        }
        tokio::time::sleep(wait).await;
    }
}

impl Dial {
    fn tell(&self, connection: Connection) {
        if let Some(path) = &self.status {
            Status::now(&self.server, connection).write(path);
        }
    }
}

/// Carries words both ways until one side has had enough. Answers why it ended, and whether the server had let the
/// agent in.
async fn speak(
    session: AgentSession,
    mut queue: mpsc::Receiver<FromAgent>,
    events: &mpsc::Sender<Event>,
) -> (String, bool) {
    let AgentSession { mut incoming, outgoing, kill } = session;
    let mut welcomed = false;
    let cut = kill.clone();
    // A task of its own: a server that does not read must not keep us from hearing it.
    let mut mouth = tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            if outgoing.send(message).await.is_err() {
                return;
            }
        }
        // The core has closed it: the last words leave, then the line is cut.
        drop(outgoing);
        tokio::time::sleep(FAREWELL).await;
        cut.cut("closed by this agent");
    });
    let ended = loop {
        let heard = tokio::select! {
            heard = incoming.next() => heard,
            // After its own cut this end is not told that nothing comes any more.
            _ = &mut mouth => break "closed by this agent, or gone".to_owned(),
        };
        match heard {
            Ok(message) => {
                welcomed |= matches!(message, ToAgent::Welcome { .. });
                if events.send(Event::Input(Input::FromServer(message))).await.is_err() {
                    break "the agent is ending".to_owned();
                }
            }
            Err(end) => break end.to_string(),
        }
    };
    mouth.abort();
    kill.cut("it has ended");
    (ended, welcomed)
}
