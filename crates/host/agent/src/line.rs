//! The connection to the server: dialled, kept, dialled again. One task holds it, so that what the core hears is in
//! order: open, messages, cut.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hostler_agent_core::Input;
use hostler_model::Timestamp;
use hostler_model::channel::{FromAgent, ToAgent};
use hostler_wire::{
    AgentConfig, AgentSession, Backoff, ConnectError, Identity, Incoming, Kill, Outgoing, Rejection, Renewal,
    connect,
};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

use crate::run::Event;
use crate::status::{Connection, Status, now};
use crate::streams::{Ends, Open};

/// How many messages may wait to be sent. The core sends little; a server that leaves so much unread is gone.
const ROOM: usize = 4_096;
/// How long the last words of a session may take to leave.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long a connection lives at most beside the one with a newer certificate.
const DRAINED_WITHIN: Duration = Duration::from_secs(3_600);
/// How often is looked whether something is still open on it.
const DRAINED_EVERY: Duration = Duration::from_secs(1);
/// How often the clock is looked at while a certificate is not yet to be renewed: it may be set, and stands still while
/// the computer sleeps.
const CLOCK_EVERY: Duration = Duration::from_secs(600);

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
pub(crate) async fn keep(mut dial: Dial, events: mpsc::Sender<Event>, ending: Arc<AtomicBool>, ends: Ends) {
    let mut backoff = Backoff::default();
    let mut said = String::new();
    let mut draining = JoinSet::new();
    loop {
        while draining.try_join_next().is_some() {}
        let (why, slow) = match dial.connect().await {
            Ok(session) => {
                tracing::info!(server = dial.server, "connected");
                dial.tell(Connection::Open);
                said.clear();
                let (outgoing, queue) = mpsc::channel(ROOM);
                if events.send(Event::Open(outgoing, session.streams.clone())).await.is_err() {
                    return;
                }
                let renewing = renewed(&dial, session.renewal.clone());
                let streams = Open::new(ends.clone(), session.streams.clone());
                let (ended, welcomed) = speak(session, queue, &events, renewing, streams).await;
                if events.send(Event::Cut).await.is_err() {
                    return;
                }
                if ending.load(Ordering::Relaxed) {
                    return;
                }
                if welcomed {
                    backoff.reset();
                }
                match ended {
                    Ended::For(why) => (why, false),
                    Ended::Renewed(identity, before) => {
                        let until = identity.about.certificate_until;
                        tracing::info!(%until, "the certificate was renewed; connecting with the new one");
                        dial.identity = *identity;
                        // What somebody looks at goes on; nothing else does.
                        draining.spawn(before.drain());
                        continue;
                    }
                }
            }
            Err(ConnectError::CertificateRefused(Rejection::Revoked)) if is_leaving(&ends).await => {
                tracing::info!("this agent was removed");
                let _ = events.send(Event::Dismissed).await;
                return;
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

/// Whether the agent was told that it will be removed.
async fn is_leaving(ends: &Ends) -> bool {
    let host = Arc::clone(&ends.host);
    let looked = spawn_blocking(move || host.state().is_some_and(|state| state.leaving().exists()));
    looked.await.unwrap_or_default()
}

impl Dial {
    fn tell(&self, connection: Connection) {
        if let Some(path) = &self.status {
            Status::now(&self.server, connection).write(path);
        }
    }

    fn tell_not_renewed(&self, why: String) {
        if let Some(path) = &self.status
            && let Some(status) = Status::read(path)
        {
            Status { renewal: Some(why), ..status }.write(path);
        }
    }

    /// Opens a session with the newest certificate. Where the server does not know that, as one does whose record was
    /// restored from before the renewal, with the one before.
    async fn connect(&mut self) -> Result<AgentSession, ConnectError> {
        let refused = match connect(&self.server, &self.identity, &self.config).await {
            Err(why @ ConnectError::CertificateRefused(Rejection::Revoked)) => why,
            connected => return connected,
        };
        let Some(other) = self.identity.with_other() else { return Err(refused) };
        // Why that one is not taken either says less: it is the older one.
        let session = connect(&self.server, &other, &self.config).await.map_err(|_| refused)?;
        tracing::warn!("the server takes the certificate before the last renewal, and not the newest");
        self.identity = other;
        Ok(session)
    }
}

/// Waits until the certificate is to be renewed, and goes on trying until it is renewed and written.
async fn renewed(dial: &Dial, renewal: Renewal) -> Identity {
    let about = &dial.identity.about;
    until(about.renewal_due()).await;
    loop {
        let why = match renewal.renew(&dial.identity).await {
            Ok(identity) => match written(identity).await {
                Ok(identity) => return identity,
                Err(why) => why,
            },
            Err(why) => why.to_string(),
        };
        let (wait, until) = (about.renewal_again(), about.certificate_until);
        if about.renewal_is_late() {
            tracing::error!(why, %until, ?wait, "the certificate ends soon and is not renewed; tried again");
        } else {
            tracing::warn!(why, %until, ?wait, "the certificate was not renewed; tried again");
        }
        dial.tell_not_renewed(why);
        tokio::time::sleep(wait).await;
    }
}

/// Writes an identity where the one before it is. One that cannot be written must not be used: from its first use on the
/// one before would be good no more, and after a restart that is all there is.
async fn written(mut identity: Identity) -> Result<Identity, String> {
    let Some(folder) = identity.folder().map(Path::to_owned) else { return Ok(identity) };
    let write = move || identity.save(&folder).map(|()| identity).map_err(|why| why.to_string());
    spawn_blocking(write).await.map_err(|why| why.to_string())?
}

/// Waits until then by this computer's clock.
async fn until(at: Timestamp) {
    loop {
        let left = Duration::from_millis(at.since(now()));
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(CLOCK_EVERY)).await;
    }
}

/// How a session ended.
enum Ended {
    For(String),
    /// To be opened again with this, while the streams of the connection before go on.
    Renewed(Box<Identity>, Box<Before>),
}

/// A connection beside which there is one with a newer certificate. Nothing is said on its session any more; it lives until
/// the last of its byte streams has ended.
struct Before {
    incoming: Incoming<ToAgent>,
    /// Held: without it the session would be over, and the connection with it.
    _outgoing: Outgoing<FromAgent>,
    kill: Kill,
    streams: Open,
}

impl Before {
    async fn drain(mut self: Box<Self>) {
        let until = tokio::time::Instant::now() + DRAINED_WITHIN;
        let mut look = tokio::time::interval(DRAINED_EVERY);
        loop {
            tokio::select! {
                heard = self.incoming.next() => match heard {
                    // It was asked for just before.
                    Ok(ToAgent::Open { stream, what }) => self.streams.open(stream, what),
                    Ok(_) => {}
                    Err(_) => return,
                },
                _ = look.tick() => if self.streams.is_over() {
                    return;
                },
                () = tokio::time::sleep_until(until) => {
                    tracing::info!("a connection with the certificate before is cut with what is open on it");
                    return;
                }
            }
        }
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        self.kill.cut("another connection has taken its place");
    }
}

/// Carries words both ways until one side has had enough, or the agent has another certificate. Answers how it ended,
/// and whether the server had let the agent in.
async fn speak(
    session: AgentSession,
    mut queue: mpsc::Receiver<FromAgent>,
    events: &mpsc::Sender<Event>,
    renewing: impl Future<Output = Identity>,
    mut streams: Open,
) -> (Ended, bool) {
    let AgentSession { mut incoming, outgoing, kill, .. } = session;
    let mut renewing = std::pin::pin!(renewing);
    let mut welcomed = false;
    let (cut, held) = (kill.clone(), outgoing.clone());
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
            _ = &mut mouth => break Ended::For("closed by this agent, or gone".to_owned()),
            identity = &mut renewing, if welcomed => {
                mouth.abort();
                let before = Before { incoming, _outgoing: held, kill, streams };
                return (Ended::Renewed(Box::new(identity), Box::new(before)), welcomed);
            }
        };
        match heard {
            Ok(ToAgent::Open { stream, what }) => streams.open(stream, what),
            Ok(message) => {
                welcomed |= matches!(message, ToAgent::Welcome { .. });
                if events.send(Event::Input(Input::FromServer(message))).await.is_err() {
                    break Ended::For("the agent is ending".to_owned());
                }
            }
            Err(end) => break Ended::For(end.to_string()),
        }
    };
    mouth.abort();
    kill.cut("it has ended");
    (ended, welcomed)
}
