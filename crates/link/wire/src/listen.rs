//! The server's side: the port that agents dial. Each connection is one agent's, or one computer's that enrols.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hostler_model::channel::{FromAgent, ToAgent};
use hostler_model::{AgentId, Code, Refusal};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::Service;
use tonic::{Request, Response, Status, Streaming};

use crate::admission::{Admission, Peer};
use crate::authority::{Authority, AuthorityError, ServerCertificate};
use crate::enrol::{EnrolAsk, EnrolReply, EnrolRequest, Enrolled};
use crate::generated::wire_server::{Wire, WireServer};
use crate::key::{enrolment_binding, verify_possession};
use crate::places::{self, Asked, Places};
use crate::renewal::{self, RenewAsk, RenewReply, RenewRequest, Renewed};
use crate::session::{Incoming, Kill, Outgoing};
use crate::streams::{self, Arrived, ByteStream, Opened};
use crate::tls;
use crate::token::{hex, sha256};

/// What one stream may hold unread. Small, so that a console never puts a long queue before the session.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// What all streams together may hold: at least two more than there are streams, or a stalled one stops the rest.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Streams of one connection: what the windows above allow.
const STREAMS: u32 = 14;
/// What is written ahead for one stream.
pub(crate) const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// The kernel's waiting room. With 128, ten thousand agents take three times as long to come back.
const BACKLOG: u32 = 4096;
/// A session's last words may take this long to leave.
const FAREWELL: Duration = Duration::from_secs(1);
/// What is read, and thrown away, of one who was refused.
const REFUSED_BYTES: u64 = 64 * 1024;

/// The limits of the agents' port. The defaults were measured with ten thousand agents.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Handshakes at a time. Where all places are taken, an address that holds many gives way to one that holds few.
    pub handshakes: usize,
    /// How long a handshake may take, how long one may wait for it, and how long a connection may take to say what it wants.
    pub handshake_timeout: Duration,
    /// Open connections, those of computers that enrol included. As many may wait for their handshake, where the process may
    /// open that many files.
    pub connections: usize,
    /// Connections without a certificate at a time.
    pub anonymous: usize,
    /// How often HTTP/2 asks whether the agent is there.
    pub ping_interval: Duration,
    /// How long the answer to that may take.
    pub ping_timeout: Duration,
    /// How long an agent may be silent: three heartbeats.
    pub read_timeout: Duration,
    /// Messages waiting for one agent. More than one batch of the engine releases at once (512), so that a burst is
    /// not taken for an agent that has stopped reading; idle sessions pay nothing for it.
    pub outgoing_messages: usize,
    /// The largest message, in bytes.
    pub message_bytes: usize,
    /// Enrolments tried from one address in a minute.
    pub enrolments_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes: 64,
            handshake_timeout: Duration::from_secs(10),
            connections: 16_384,
            anonymous: 64,
            ping_interval: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            outgoing_messages: 1024,
            message_bytes: crate::MESSAGE_BYTES,
            enrolments_per_minute: 30,
        }
    }
}

/// What the port needs.
pub struct ListenConfig<'a> {
    /// Where to listen; port 8471 by custom.
    pub address: SocketAddr,
    /// Whose certificates are let in.
    pub authority: &'a Authority,
    /// The server's own certificate.
    pub certificate: Arc<ServerCertificate>,
    /// Which of the authority's certificates are let in.
    pub admission: Arc<Admission>,
    /// The limits.
    pub limits: Limits,
}

/// Who decides. Called on tasks of the caller's runtime.
pub trait Handler: Send + Sync + 'static {
    /// Holds a session until it ends. The connection is closed when this returns.
    fn session(&self, session: Session) -> impl Future<Output = ()> + Send;

    /// Answers a computer that wants to enrol and has proven that it holds its key.
    fn enrol(&self, ask: EnrolAsk) -> impl Future<Output = Result<Enrolled, Refusal>> + Send;

    /// Takes a stream that an agent has opened, or the reason why not; false when nobody waits for it. Returns at once.
    fn stream(&self, opened: Opened) -> bool;

    /// Writes the agent program with this SHA-256 into the stream of an agent with an open session; false where there is
    /// none. Returns at once.
    fn program(&self, agent: AgentId, sha256: &str, stream: ByteStream) -> bool {
        let _ = (agent, sha256, stream);
        false
    }

    /// Answers an agent with an open session that wants another certificate and has proven that it holds its key.
    fn renew(&self, ask: RenewAsk) -> impl Future<Output = Result<Renewed, Refusal>> + Send;
}

/// An agent's open session, on the server.
pub struct Session {
    /// Which agent, as its certificate says.
    pub agent: AgentId,
    /// The serial number of that certificate, 32 hexadecimal digits.
    pub serial: String,
    /// Where it calls from.
    pub remote: SocketAddr,
    /// What the agent says. Its first message is hello.
    pub incoming: Incoming<FromAgent>,
    /// What the server says.
    pub outgoing: Outgoing<ToAgent>,
    /// Cuts the connection, at once and with all that runs on it.
    pub kill: Kill,
}

/// The open port. Dropping it, or [`stop`](Self::stop), closes it and cuts every connection.
pub struct Listening {
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Listening {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and cuts every connection; returns when all are gone, or after 5 s. Whoever wants to say
    /// goodbye does so before.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        // Each connection holds the port, and the port listens to this.
        let _ = timeout(Duration::from_secs(5), self.stop.closed()).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// Opens the agents' port.
pub fn listen<H: Handler>(config: ListenConfig<'_>, handler: Arc<H>) -> Result<Listening, AuthorityError> {
    let in_use = |cause| AuthorityError::File { path: config.address.to_string().into(), cause };
    let tls = tls::agents(config.authority.certificate(), config.certificate, config.admission.clone())?;
    let listener = bind(config.address).map_err(in_use)?;
    let address = listener.local_addr().map_err(in_use)?;
    let limits = config.limits;
    let connections = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
    let waiting = connections.min(places::open_files() / 2);
    let (stop, stopped) = watch::channel(false);
    let port = Arc::new(Port {
        acceptor: TlsAcceptor::from(Arc::new(tls)),
        admission: config.admission,
        places: Places::new(limits.handshakes, waiting),
        open: Semaphore::new(connections),
        anonymous: Semaphore::new(limits.anonymous),
        stopped,
        service: WireServer::new(Calls { handler, tries: Tries::default(), limits: limits.clone() })
            .max_decoding_message_size(limits.message_bytes)
            .max_encoding_message_size(limits.message_bytes),
        limits,
    });
    tokio::spawn(port.accept(listener));
    Ok(Listening { address, stop })
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

struct Port<H: Handler> {
    acceptor: TlsAcceptor,
    admission: Arc<Admission>,
    places: Arc<Places>,
    open: Semaphore,
    anonymous: Semaphore,
    stopped: watch::Receiver<bool>,
    service: WireServer<Calls<H>>,
    limits: Limits,
}

/// What a call must know of the connection it came on.
#[derive(Clone)]
struct Connection {
    peer: Option<Peer>,
    remote: SocketAddr,
    exporter: [u8; 32],
    kill: Kill,
    in_session: Arc<AtomicBool>,
}

impl<H: Handler> Port<H> {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut stopped = self.stopped.clone();
        loop {
            // Whoever comes is accepted: in the kernel's queue those who say nothing would stand before those who do.
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopped.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((tcp, remote)) => {
                    let port = self.clone();
                    let asked = port.places.ask(remote.ip());
                    tokio::spawn(async move {
                        let mut stopped = port.stopped.clone();
                        tokio::select! {
                            () = port.connection(tcp, remote, asked) => {}
                            _ = stopped.wait_for(|stop| *stop) => {}
                        }
                    });
                }
                Err(e) => {
                    // Out of descriptors, most likely: it passes, and a loop without pause would not help.
                    tracing::warn!(why = %e, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn connection(&self, tcp: TcpStream, remote: SocketAddr, asked: Asked) {
        let Ok(Some(handshake)) = timeout(self.limits.handshake_timeout, asked.granted()).await else {
            return tracing::info!(%remote, "a connection was closed: too many others were first");
        };
        let gives_way = || tracing::info!(%remote, "a connection was closed: it gave way to another address");
        let _ = tcp.set_nodelay(true);
        let accepting = self.acceptor.accept(tcp).into_fallible();
        let accepted = tokio::select! {
            accepted = timeout(self.limits.handshake_timeout, accepting) => accepted,
            () = handshake.taken() => return gives_way(),
        };
        let tls = match accepted {
            Ok(Ok(tls)) => tls,
            Ok(Err((e, tcp))) => {
                drop(handshake);
                tracing::info!(%remote, why = %e, "a connection was refused");
                return heard_out(tcp).await;
            }
            Err(_) => return tracing::info!(%remote, "a handshake took too long"),
        };
        let (_, state) = tls.get_ref();
        let certificate = state.peer_certificates().and_then(<[_]>::first);
        let peer = certificate.and_then(Peer::of);
        let Ok(exporter) = state.export_keying_material([0; 32], tls::EXPORTER, None) else { return };
        let kill = Kill::default();
        let entering = async {
            let place = match &peer {
                Some(peer) => self.admission.enter(peer, &kill).map(Place::Known),
                // A whole rack may enrol at once: who finds no place waits a little.
                None => self.anonymous.acquire().await.ok().map(Place::Anonymous),
            };
            Some((place?, self.open.acquire().await.ok()?))
        };
        let entered = tokio::select! {
            entered = timeout(self.limits.handshake_timeout, entering) => entered,
            () = handshake.taken() => return gives_way(),
        };
        // Held until here, so that those who wait are no more than there are places.
        drop(handshake);
        let _place = match entered {
            Ok(Some(place)) => place,
            Ok(None) => return,
            Err(_) => return tracing::warn!(%remote, "too many computers are connected, or enrol at once"),
        };
        let connection =
            Connection { peer, remote, exporter, kill: kill.clone(), in_session: Arc::default() };
        let in_session = connection.in_session.clone();
        let service = self.service.clone();
        let call = hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(connection.clone());
            service.clone().call(request)
        });
        let served = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(STREAMS)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .keep_alive_interval(self.limits.ping_interval)
            .keep_alive_timeout(self.limits.ping_timeout)
            .serve_connection(TokioIo::new(tls), call);
        let idle = async {
            sleep(self.limits.handshake_timeout).await;
            if in_session.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = served => if let Err(e) = ended {
                tracing::debug!(%remote, why = %e, "a connection has ended");
            },
            () = kill.pulled() => {
                tracing::debug!(%remote, why = kill.why(), "a connection was cut");
            },
            () = idle => tracing::info!(%remote, "a connection was closed: it opened no session"),
        }
    }
}

/// Closes a connection whose refusal has been sent, so that the refusal is read. In TLS 1.3 the agent has spoken on by
/// then; closing over what it said resets the connection, and its next write would fail before it reads why.
async fn heard_out(mut tcp: TcpStream) {
    let _ = tcp.shutdown().await;
    let mut rest = tcp.take(REFUSED_BYTES);
    let _ = timeout(FAREWELL, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

/// Held while a connection is open.
#[expect(dead_code, reason = "each is held for what dropping it does")]
enum Place<'a> {
    Known(crate::admission::Entry),
    Anonymous(tokio::sync::SemaphorePermit<'a>),
}

/// The generated service's methods.
struct Calls<H> {
    handler: Arc<H>,
    tries: Tries,
    limits: Limits,
}

#[tonic::async_trait]
impl<H: Handler> Wire for Calls<H> {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<ToAgent, Status>> + Send>>;
    type StreamStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let connection = connection_of(&request)?;
        let Some(peer) = connection.peer else {
            return Err(Status::unauthenticated("without a certificate one may only enrol"));
        };
        if connection.in_session.swap(true, Ordering::Relaxed) {
            return Err(Status::failed_precondition("the connection has a session already"));
        }
        let kill = connection.kill;
        let (outgoing, out) =
            Outgoing::new(self.limits.outgoing_messages, self.limits.read_timeout, kill.clone());
        let session = Session {
            agent: peer.agent,
            serial: peer.serial,
            remote: connection.remote,
            incoming: Incoming::new(request.into_inner(), self.limits.read_timeout, kill.clone()),
            outgoing,
            kill: kill.clone(),
        };
        let handler = self.handler.clone();
        tokio::spawn(async move {
            handler.session(session).await;
            sleep(FAREWELL).await;
            kill.cut("the session has ended");
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(out).map(Ok))))
    }

    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let connection = connection_of(&request)?;
        if connection.peer.is_some() {
            return Err(Status::permission_denied("an agent that has a certificate does not enrol"));
        }
        let remote = connection.remote.ip();
        let answer = if self.tries.another(remote, self.limits.enrolments_per_minute) {
            match asked(request.into_inner(), &connection) {
                Ok(ask) => self.handler.enrol(ask).await,
                Err(refusal) => Err(refusal),
            }
        } else {
            Err(Refusal::new(Code::TooManyRequests, "enrolment", "too many tries from this address")
                .remedy("wait a minute, then try again"))
        };
        Ok(Response::new(match answer {
            Ok(enrolled) => EnrolReply::Enrolled { enrolled },
            Err(refusal) => EnrolReply::Refused { refusal },
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewReply>, Status> {
        let connection = connection_of(&request)?;
        let peer = in_session(&connection)?;
        let asked = renewal::asked(request.into_inner(), peer, &connection.exporter, connection.remote.ip());
        let answer = match asked {
            Ok(ask) => self.handler.renew(ask).await,
            Err(refusal) => Err(refusal),
        };
        Ok(Response::new(match answer {
            Ok(renewed) => RenewReply::Renewed { renewed },
            Err(refusal) => RenewReply::Refused { refusal },
        }))
    }

    async fn stream(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let agent = in_session(&connection_of(&request)?)?.agent;
        if let Some(sha256) = streams::program_of(request.metadata()) {
            let (stream, outgoing) = streams::answering(request);
            if !self.handler.program(agent, &sha256, stream) {
                return Err(Status::not_found("this server has no such agent program"));
            }
            return Ok(Response::new(Box::pin(outgoing.map(Ok))));
        }
        let Arrived { stream, opened, outgoing } = streams::arrived(request)?;
        if !self.handler.stream(Opened { agent, stream, opened }) {
            return Err(Status::not_found("nobody waits for this stream"));
        }
        Ok(Response::new(Box::pin(outgoing.map(Ok))))
    }
}

/// The agent of a connection on which a session is open: what else it may call, it may call only then.
fn in_session(connection: &Connection) -> Result<Peer, Status> {
    let peer = connection.peer.clone().filter(|_| connection.in_session.load(Ordering::Relaxed));
    peer.ok_or_else(|| Status::unauthenticated("only an agent with an open session may do that"))
}

fn connection_of<T>(request: &Request<T>) -> Result<Connection, Status> {
    request.extensions().get().cloned().ok_or_else(|| Status::internal("a call without a connection"))
}

fn asked(request: EnrolRequest, connection: &Connection) -> Result<EnrolAsk, Refusal> {
    let malformed = |_| Refusal::new(Code::RequestMalformed, "enrolment", "a field is not base64url");
    let token = URL_SAFE_NO_PAD.decode(&request.token).map_err(malformed)?;
    let public_point = URL_SAFE_NO_PAD.decode(&request.point).map_err(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(&request.signature).map_err(malformed)?;
    let token_sha256 = hex(&sha256(&token));
    let binding = enrolment_binding(&token_sha256, &connection.exporter);
    verify_possession(&public_point, &binding, &signature)
        .map_err(|e| Refusal::new(Code::EnrolmentRefused, "enrolment", e.to_string()))?;
    Ok(EnrolAsk {
        token_sha256,
        public_point,
        version: request.version,
        host: request.host,
        remote: connection.remote.ip(),
    })
}

/// Enrolments tried, by address, in the minute that began then.
#[derive(Default)]
struct Tries(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Tries {
    const MINUTE: Duration = Duration::from_secs(60);
    /// Addresses remembered. Beyond it, those whose minute is over are forgotten, and then new ones refused.
    const ADDRESSES: usize = 4096;

    fn another(&self, address: IpAddr, limit: u32) -> bool {
        let now = Instant::now();
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= Self::ADDRESSES {
            tries.retain(|_, (since, _)| now.duration_since(*since) < Self::MINUTE);
            if tries.len() >= Self::ADDRESSES && !tries.contains_key(&address) {
                return false;
            }
        }
        let (since, count) = tries.entry(address).or_insert((now, 0));
        if now.duration_since(*since) >= Self::MINUTE {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= limit
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::key::AgentKey;

    #[test]
    fn a_proof_made_for_another_connection_or_another_key_is_refused() {
        let key = AgentKey::generate().unwrap();
        let token = URL_SAFE_NO_PAD.encode(b"secret");
        let proof = key.prove(&enrolment_binding(&hex(&sha256(b"secret")), &[1; 32])).unwrap();
        let ask = |point: &[u8], exporter| {
            let connection = Connection {
                peer: None,
                remote: ([127, 0, 0, 1], 1).into(),
                exporter,
                kill: Kill::default(),
                in_session: Arc::default(),
            };
            let request = EnrolRequest {
                token: token.clone(),
                point: URL_SAFE_NO_PAD.encode(point),
                signature: URL_SAFE_NO_PAD.encode(&proof),
                version: String::new(),
                host: Default::default(),
            };
            asked(request, &connection).map_err(|refusal| refusal.code)
        };
        assert!(ask(key.public_point(), [1; 32]).is_ok());
        let refused = Err(Code::EnrolmentRefused);
        assert_eq!(ask(key.public_point(), [2; 32]).map(|_| ()), refused, "overheard elsewhere");
        assert_eq!(ask(AgentKey::generate().unwrap().public_point(), [1; 32]).map(|_| ()), refused);
    }
}
