//! The dialling side: claims the ticket, and makes further connections of the pair.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::carry::{Access, Carried, carry};
use crate::error::TransferError;
use crate::files::{self, Sent};
use crate::frame::{self, Hail, Reply, silent};
use crate::identity::Credentials;
use crate::plain::{self, Encryption, Stream};
use crate::ticket::{Limits, Ticket};

/// Said on the first connection: I am there.
pub(crate) const HERE: u8 = 1;
/// Said on the first connection: that was all.
pub(crate) const BYE: u8 = 2;

pub(crate) type Far = Stream<TlsStream<TcpStream>>;

/// What all connections of a pair need.
pub(crate) struct Line {
    address: SocketAddr,
    tls: TlsConnector,
    pub(crate) ticket: Ticket,
    pub(crate) limits: Limits,
    pub(crate) stop: CancellationToken,
}

impl Line {
    /// Makes a connection and says what it is for; answers it with the other side's first word.
    pub(crate) async fn open(&self, hail: &Hail) -> Result<(Far, Reply), TransferError> {
        let unreachable =
            |cause: String| TransferError::Unreachable { address: self.address.to_string(), cause };
        let name = ServerName::try_from("agent.hostler.internal")
            .map_err(|e| TransferError::Credentials(e.to_string()))?;
        let shake = async {
            let tcp = TcpStream::connect(self.address).await.map_err(|e| unreachable(e.to_string()))?;
            // Not set, small answers would wait for large ones.
            let _ = tcp.set_nodelay(true);
            let mut far =
                self.tls.connect(name, tcp).await.map_err(|cause| TransferError::of_connection(&cause))?;
            frame::write(&mut far, hail).await.map_err(|cause| TransferError::of_connection(&cause))?;
            let reply: Reply =
                frame::read(&mut far).await.map_err(|cause| TransferError::of_connection(&cause))?;
            let far = match (reply.unencrypted(), hail.unencrypted()) {
                (false, _) => Far::Left(far),
                (true, true) => {
                    let bare = plain::go_first(far.into_inner().0).await;
                    Far::Right(bare.map_err(|cause| TransferError::of_connection(&cause))?)
                }
                (true, false) => {
                    return Err(TransferError::Lost("it would go on without encryption unasked".into()));
                }
            };
            Ok((far, reply))
        };
        let shaken = timeout(self.limits.handshake, shake).await;
        let (far, reply) =
            shaken.map_err(|_| unreachable(format!("no answer within {:?}", self.limits.handshake)))??;
        match reply {
            Reply::Refused { why, cause } => Err(TransferError::Refused { why, cause }),
            reply => Ok((far, reply)),
        }
    }
}

/// The dialling side of a pair. Dropped without [`Link::close`], it is a loss to the other side.
pub struct Link {
    line: Arc<Line>,
    bye: CancellationToken,
    over: CancellationToken,
    why: Arc<Mutex<Option<String>>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("to", &self.line.address).finish_non_exhaustive()
    }
}

/// Claims a ticket at the agent that listens for it.
///
/// # Errors
/// It cannot be reached there, is not the agent that the ticket names, or does not know the ticket.
pub async fn dial(
    address: SocketAddr,
    credentials: &Credentials,
    ticket: Ticket,
    limits: Limits,
) -> Result<Link, TransferError> {
    let tls = TlsConnector::from(Arc::new(credentials.of_dialler(&ticket.peer)?));
    let line = Arc::new(Line { address, tls, ticket, limits, stop: CancellationToken::new() });
    let (first, _) = line.open(&Hail::Begin { ticket: line.ticket.id.clone() }).await?;
    let (bye, over) = (CancellationToken::new(), CancellationToken::new());
    let why = Arc::new(Mutex::new(None));
    let (stop, done) = (line.stop.clone(), over.clone());
    let (wish, said) = (bye.clone(), Arc::clone(&why));
    tokio::spawn(async move {
        let kept = keep(split(first), limits.silence, Instant::now() + limits.whole, &wish, &stop).await;
        if let Err(lost) = kept {
            *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(lost.to_string());
        }
        stop.cancel();
        done.cancel();
    });
    Ok(Link { line, bye, over, why })
}

impl Link {
    /// Carries connections to the other side's socket of this name: whoever may connects to `path`. Encryption that is
    /// waived here is kept all the same unless the other side waives it as well.
    ///
    /// # Errors
    /// The socket cannot be made there.
    pub fn carry(
        &self,
        socket: &str,
        path: &Path,
        access: Access,
        encryption: Encryption,
    ) -> Result<Carried, TransferError> {
        carry(Arc::clone(&self.line), socket, path, access, encryption)
    }

    /// Sends a file to where the other side offers to keep one of this name. `progress` is told bytes done of bytes in
    /// all: the first half is reading it here for its digest, the second its way. Dropped, it stops; what has arrived
    /// is kept there, and the next attempt goes on behind it.
    ///
    /// # Errors
    /// It cannot be read, the connection is lost, or the other side refuses it.
    pub async fn send_file(
        &self,
        name: &str,
        path: &Path,
        encryption: Encryption,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Sent, TransferError> {
        tokio::select! {
            sent = files::send(&self.line, name, path, encryption, progress) => sent,
            () = self.line.stop.cancelled() => Err(self.lost()),
        }
    }

    /// Waits until the pair is over.
    pub async fn over(&self) -> TransferError {
        self.over.cancelled().await;
        self.lost()
    }

    /// Whether the pair is over.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Says that this was all, and waits until that has left.
    pub async fn close(self) {
        self.bye.cancel();
        self.over.cancelled().await;
    }

    fn lost(&self) -> TransferError {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        TransferError::Lost(why.unwrap_or_else(|| "the pair has ended".into()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.bye.is_cancelled() {
            self.line.stop.cancel();
        }
    }
}

/// Keeps the first connection of a pair: says now and then that we are there, and hears that the other side is. Ends well
/// when either side has said good-bye.
pub(crate) async fn keep<S>(
    (mut hear, mut say): (ReadHalf<S>, WriteHalf<S>),
    silence: Duration,
    until: Instant,
    bye: &CancellationToken,
    stop: &CancellationToken,
) -> Result<(), TransferError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let lost = |cause: std::io::Error| TransferError::of_connection(&cause);
    let mut beat = tokio::time::interval(silence / 4);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = bye.cancelled() => {
                let said = async { say.write_u8(BYE).await?; say.shutdown().await };
                let _ = timeout(silence / 4, said).await;
                return Ok(());
            }
            () = stop.cancelled() => return Err(TransferError::Stopped),
            () = sleep_until(until) => return Err(TransferError::Lost("its time is over".into())),
            () = sleep_until(heard + silence) => return Err(silent(silence)),
            byte = hear.read_u8() => match byte.map_err(lost)? {
                BYE => return Ok(()),
                _ => heard = Instant::now(),
            },
            _ = beat.tick() => {
                // A peer that takes nothing is not there either.
                let said = timeout(silence, async { say.write_u8(HERE).await?; say.flush().await });
                said.await.map_err(|_| silent(silence))?.map_err(lost)?;
            }
        }
    }
}
