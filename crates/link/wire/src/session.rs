//! Both ends of a session: what comes in, what goes out, and the switch that cuts it. The same for server and agent.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tonic::Streaming;

use crate::codec::Message;

/// How a session ended. Only a farewell is an end that the other side meant; all else is *lost*.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// The other side said goodbye, and why.
    #[error("the other side said goodbye: {0}")]
    Bye(String),
    /// Nothing was heard for too long.
    #[error("nothing was heard for {} ms", .0.as_millis())]
    Silent(Duration),
    /// This side cut it, and why.
    #[error("cut: {0}")]
    Cut(String),
    /// A message that is none, or is too large.
    #[error("broken off because of {0}")]
    Malformed(String),
    /// The connection is gone.
    #[error("the connection was lost: {0}")]
    Lost(String),
}

impl End {
    /// Whether the other side left without saying so.
    pub fn is_lost(&self) -> bool {
        !matches!(self, End::Bye(_))
    }
}

/// The session is cut: what was given to it will not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is cut")]
pub struct Cut;

/// Cuts a connection with all that runs on it, at once. The first reason given stays.
#[derive(Clone, Debug, Default)]
pub struct Kill(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    why: OnceLock<String>,
    pulled: Notify,
}

impl Kill {
    /// Cuts, and says why for the log.
    pub fn cut(&self, why: &str) {
        let _ = self.0.why.set(why.to_owned());
        // A permit is kept when nobody waits yet.
        self.0.pulled.notify_one();
    }

    pub(crate) fn why(&self) -> Option<&str> {
        self.0.why.get().map(String::as_str)
    }

    /// Waits until it is pulled. One waiter only: the connection.
    pub(crate) async fn pulled(&self) {
        self.0.pulled.notified().await;
    }
}

/// What the other side says.
pub struct Incoming<M> {
    stream: Streaming<M>,
    heard: Instant,
    silence: Duration,
    kill: Kill,
    ended: Option<End>,
}

impl<M: Message> Incoming<M> {
    pub(crate) fn new(stream: Streaming<M>, silence: Duration, kill: Kill) -> Self {
        Self { stream, heard: Instant::now(), silence, kill, ended: None }
    }

    /// The next message, or how the session ended (the same answer from then on). Silence beyond the limit ends it.
    /// Safe to drop while it waits: no message is lost.
    pub async fn next(&mut self) -> Result<M, End> {
        if let Some(end) = &self.ended {
            return Err(end.clone());
        }
        let end = match tokio::time::timeout_at(self.heard + self.silence, self.stream.message()).await {
            Ok(Ok(Some(message))) => match message.farewell() {
                None => {
                    self.heard = Instant::now();
                    return Ok(message);
                }
                Some(why) => End::Bye(why.to_owned()),
            },
            Ok(Ok(None)) => self.lost("it ended without a farewell"),
            Ok(Err(status)) => match status.code() {
                tonic::Code::InvalidArgument | tonic::Code::OutOfRange | tonic::Code::Internal
                    if self.kill.why().is_none() && std::error::Error::source(&status).is_none() =>
                {
                    End::Malformed(status.message().to_owned())
                }
                _ => self.lost(status.message()),
            },
            Err(_) => End::Silent(self.silence),
        };
        // After a malformed message, as after a farewell, there is still somebody to whom the reason can be told.
        if !matches!(end, End::Bye(_) | End::Malformed(_)) {
            self.kill.cut(&end.to_string());
        }
        self.ended = Some(end.clone());
        Err(end)
    }

    fn lost(&self, how: &str) -> End {
        match self.kill.why() {
            Some(why) => End::Cut(why.to_owned()),
            None => End::Lost(how.to_owned()),
        }
    }
}

/// What this side says. All clones feed one bounded queue.
#[derive(Debug)]
pub struct Outgoing<M> {
    queue: mpsc::Sender<M>,
    patience: Duration,
    kill: Kill,
}

impl<M> Clone for Outgoing<M> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), patience: self.patience, kill: self.kill.clone() }
    }
}

impl<M: Message> Outgoing<M> {
    pub(crate) fn new(room: usize, patience: Duration, kill: Kill) -> (Self, mpsc::Receiver<M>) {
        let (queue, out) = mpsc::channel(room);
        (Self { queue, patience, kill }, out)
    }

    /// Queues a message without waiting. A full queue means that the other side has stopped reading: the session is
    /// cut, so that it never holds up its sender.
    pub fn offer(&self, message: M) -> Result<(), Cut> {
        match self.queue.try_send(message) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Cut),
            Err(mpsc::error::TrySendError::Full(_)) => self.too_slow(),
        }
    }

    /// Queues a message, waiting for room as long as a silence may last; then cuts.
    pub async fn send(&self, message: M) -> Result<(), Cut> {
        match tokio::time::timeout(self.patience, self.queue.send(message)).await {
            Ok(sent) => sent.map_err(|_| Cut),
            Err(_) => self.too_slow(),
        }
    }

    /// Waits until nothing sent would arrive any more: the connection is gone.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }

    fn too_slow(&self) -> Result<(), Cut> {
        self.kill.cut("the other side reads too slowly");
        Err(Cut)
    }
}
