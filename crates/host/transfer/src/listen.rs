//! The listening side: one port, one ticket, one peer.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::split;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::carry::join;
use crate::dial::keep;
use crate::error::{TransferError, Why};
use crate::files::{self, FileOffer};
use crate::frame::{self, Hail, Reply};
use crate::identity::Credentials;
use crate::plain::{self, Encryption, Stream};
use crate::ticket::{Limits, Ticket};

/// Handshakes at a time: whoever has no certificate of ours keeps nobody else waiting for long.
const HANDSHAKES: usize = 16;
/// Connections of a pair at a time.
const CONNECTIONS: usize = 256;
/// How long to wait before accepting again when this computer had no room for one more connection.
const BREATH: Duration = Duration::from_millis(200);

/// What the peer may reach here.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// Sockets by name. They need not be there yet.
    pub sockets: BTreeMap<String, SocketOffer>,
    /// Files by name, and where they are to be kept.
    pub files: BTreeMap<String, FileOffer>,
}

/// A socket to which connections are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOffer {
    /// Where it is.
    pub path: PathBuf,
    /// Whether what it carries is encrypted, if the peer waives it too.
    pub encryption: Encryption,
}

/// How a pair ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nobody claimed the ticket in its time.
    Unclaimed,
    /// The peer said that this was all.
    Closed,
    /// The peer was lost.
    Lost(String),
    /// This side closed it.
    Stopped,
}

/// A port that waits for one agent. Dropped, everything of the pair ends and the port is free.
#[derive(Debug)]
pub struct Listening {
    port: u16,
    stop: CancellationToken,
    ended: watch::Receiver<Option<Ended>>,
}

impl Listening {
    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until it has ended, and says how.
    pub async fn ended(&mut self) -> Ended {
        match self.ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or(Ended::Stopped),
            Err(_) => Ended::Stopped,
        }
    }

    /// Whether it has ended, and how.
    pub fn has_ended(&self) -> Option<Ended> {
        self.ended.borrow().clone()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct State {
    ticket: Ticket,
    offers: Offers,
    limits: Limits,
    claimed: AtomicBool,
    begun: AtomicBool,
    stop: CancellationToken,
    ended: watch::Sender<Option<Ended>>,
    at_work: Mutex<Vec<String>>,
}

impl State {
    fn end(&self, how: Ended) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(how);
            }
            first
        });
        self.stop.cancel();
    }
}

/// Listens for the ticket's peer at a free port.
///
/// # Errors
/// No port of the range is free, or the certificate cannot be used.
pub async fn listen(
    address: IpAddr,
    ports: RangeInclusive<u16>,
    credentials: &Credentials,
    ticket: Ticket,
    offers: Offers,
    limits: Limits,
) -> Result<Listening, TransferError> {
    let tls = TlsAcceptor::from(Arc::new(credentials.of_listener(&ticket.peer)?));
    let mut bound = None;
    for port in ports.clone() {
        if let Ok(listener) = TcpListener::bind(SocketAddr::new(address, port)).await {
            bound = Some(listener);
            break;
        }
    }
    let no_port = TransferError::NoPort { from: *ports.start(), to: *ports.end() };
    let listener = bound.ok_or(no_port)?;
    let port = listener.local_addr().map_err(|cause| TransferError::Lost(cause.to_string()))?.port();
    let (say, ended) = watch::channel(None);
    let stop = CancellationToken::new();
    let state = Arc::new(State {
        ticket,
        offers,
        limits,
        claimed: AtomicBool::new(false),
        begun: AtomicBool::new(false),
        stop: stop.clone(),
        ended: say,
        at_work: Mutex::default(),
    });
    tokio::spawn(accept(listener, tls, state));
    Ok(Listening { port, stop, ended })
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, state: Arc<State>) {
    let (shaking, room) = (Arc::new(Semaphore::new(HANDSHAKES)), Arc::new(Semaphore::new(CONNECTIONS)));
    let claim_until = Instant::now() + state.limits.claim;
    loop {
        // The kernel's queue is the waiting room.
        let Ok(hand) = Arc::clone(&shaking).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = state.stop.cancelled() => break,
            () = sleep_until(claim_until), if !state.claimed.load(Ordering::Relaxed) => {
                state.end(Ended::Unclaimed);
                break;
            }
        };
        let (tcp, from) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                tracing::warn!(%why, "a connection was not accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (state, tls) = (Arc::clone(&state), tls.clone());
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            let shaken = async {
                let mut far = tls.accept(tcp).await?;
                let hail: Hail = frame::read(&mut far).await?;
                Ok::<_, std::io::Error>((far, hail))
            };
            let shaken = timeout(state.limits.handshake, shaken).await;
            drop(hand);
            match shaken {
                Ok(Ok((far, hail))) => serve(far, hail, &state).await,
                Ok(Err(why)) => tracing::info!(%from, %why, "somebody was turned away from the data channel"),
                Err(_) => tracing::info!(%from, "somebody was too slow for the data channel"),
            }
            drop(place);
        });
    }
    state.end(Ended::Stopped);
}

pub(crate) type Far = TlsStream<TcpStream>;

/// Leaves encryption behind where that was agreed.
pub(crate) async fn go_on(
    far: Far,
    encryption: Encryption,
    within: Duration,
) -> Result<Stream<Far>, TransferError> {
    match encryption {
        Encryption::Kept => Ok(Stream::Left(far)),
        Encryption::Waived => {
            let bare = timeout(within, plain::follow(far.into_inner().0)).await;
            let bare = bare.map_err(|_| frame::silent(within))?;
            bare.map(Stream::Right).map_err(|cause| TransferError::of_connection(&cause))
        }
    }
}

async fn serve(mut far: Far, hail: Hail, state: &Arc<State>) {
    if let Err(refused) = admit(&hail, state) {
        tracing::info!(?refused, "a connection of the data channel was refused");
        let _ = timeout(state.limits.handshake, frame::write(&mut far, &refused)).await;
        return;
    }
    let asked = hail.unencrypted();
    match hail {
        Hail::Begin { .. } => begin(far, state).await,
        Hail::Carry { socket, .. } => {
            carried(far, &socket, asked, state).await;
        }
        Hail::File { file, size_bytes, sha256, .. } => {
            if let Some(offer) = state.offers.files.get(&file) {
                {
                    let mut at_work = state.at_work.lock().unwrap_or_else(PoisonError::into_inner);
                    at_work.push(file.clone());
                }
                let received = tokio::select! {
                    received = files::receive(far, asked, offer, size_bytes, &sha256, &state.limits) => received,
                    () = state.stop.cancelled() => Err(TransferError::Stopped),
                };
                if let Err(why) = received {
                    tracing::info!(%why, file, "a file did not arrive whole");
                }
                let mut at_work = state.at_work.lock().unwrap_or_else(PoisonError::into_inner);
                at_work.retain(|name| *name != file);
            }
        }
        Hail::Unknown => {}
    }
}

/// Whether a connection may be what it wants to be.
fn admit(hail: &Hail, state: &State) -> Result<(), Reply> {
    let ticket = match hail {
        Hail::Begin { ticket } | Hail::Carry { ticket, .. } | Hail::File { ticket, .. } => ticket,
        Hail::Unknown => return Err(Reply::no(Why::Unknown, "this version does not know what is wanted")),
    };
    if *ticket != state.ticket.id {
        return Err(Reply::no(Why::Ticket, "the ticket is not the one that is waited for"));
    }
    if matches!(hail, Hail::Begin { .. }) {
        if state.claimed.swap(true, Ordering::Relaxed) {
            return Err(Reply::no(Why::Used, "the ticket was used before"));
        }
        return Ok(());
    }
    if !state.begun.load(Ordering::Relaxed) || state.stop.is_cancelled() {
        return Err(Reply::no(Why::NotBegun, "the pair has not begun, or is over"));
    }
    match hail {
        Hail::Carry { socket, .. } if !state.offers.sockets.contains_key(socket) => {
            Err(Reply::no(Why::NotOffered, format!("no socket {socket} is offered")))
        }
        Hail::File { file, .. } if !state.offers.files.contains_key(file) => {
            Err(Reply::no(Why::NotOffered, format!("no file {file} is offered")))
        }
        Hail::File { file, .. }
            if state.at_work.lock().unwrap_or_else(PoisonError::into_inner).contains(file) =>
        {
            Err(Reply::no(Why::Busy, format!("file {file} is just arriving")))
        }
        _ => Ok(()),
    }
}

async fn begin(mut far: Far, state: &Arc<State>) {
    state.begun.store(true, Ordering::Relaxed);
    let said =
        timeout(state.limits.handshake, frame::write(&mut far, &Reply::Go { unencrypted: false })).await;
    let kept = match said {
        Ok(Ok(())) => {
            let until = Instant::now() + state.limits.whole;
            let never = CancellationToken::new();
            keep(split(far), state.limits.silence, until, &never, &state.stop).await
        }
        Ok(Err(cause)) => Err(TransferError::of_connection(&cause)),
        Err(_) => Err(frame::silent(state.limits.handshake)),
    };
    state.end(match kept {
        Ok(()) => Ended::Closed,
        Err(TransferError::Stopped) => Ended::Stopped,
        Err(why) => Ended::Lost(why.to_string()),
    });
}

async fn carried(mut far: Far, socket: &str, asked: bool, state: &Arc<State>) {
    let Some(SocketOffer { path, encryption }) = state.offers.sockets.get(socket) else { return };
    let encryption = encryption.if_asked(asked);
    let near = match UnixStream::connect(path).await {
        Ok(near) => near,
        Err(why) => {
            tracing::info!(%why, socket, "nobody listens at an offered socket");
            let no = Reply::no(Why::Broken, format!("{}: {why}", path.display()));
            let _ = timeout(state.limits.handshake, frame::write(&mut far, &no)).await;
            return;
        }
    };
    let go = Reply::Go { unencrypted: encryption == Encryption::Waived };
    if !matches!(timeout(state.limits.handshake, frame::write(&mut far, &go)).await, Ok(Ok(()))) {
        return;
    }
    let gone_on = tokio::select! {
        gone_on = go_on(far, encryption, state.limits.handshake) => gone_on,
        () = state.stop.cancelled() => return,
    };
    let far = match gone_on {
        Ok(far) => far,
        Err(why) => return tracing::info!(%why, socket, "a connection did not go on without encryption"),
    };
    match join(far, near, &state.stop).await {
        Ok((there, back)) => tracing::debug!(socket, there, back, "a carried connection has ended"),
        Err(why) => tracing::debug!(socket, %why, "a carried connection has ended early"),
    }
}
