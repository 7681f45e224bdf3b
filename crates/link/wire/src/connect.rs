//! The agent's side: it dials the server, and says why it did not get in.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hostler_model::Refusal;
use hostler_model::channel::{FromAgent, ToAgent};
use hostler_model::host::HostFacts;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, Error};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::enrol::{EnrolReply, EnrolRequest};
use crate::generated::wire_client::WireClient;
use crate::identity::Identity;
use crate::key::{AgentKey, enrolment_binding};
use crate::listen::{CONNECTION_WINDOW_BYTES, SEND_BUFFER_BYTES, STREAM_WINDOW_BYTES};
use crate::renewal::Renewal;
use crate::session::{Incoming, Kill, Outgoing};
use crate::streams::Streams;
use crate::tls::{self, Watched};
use crate::token::{EnrolmentToken, Fingerprint};

/// The limits of an agent's connection.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// For each of: TCP, TLS, the first answer.
    pub connect_timeout: Duration,
    /// How often HTTP/2 asks whether the server is there.
    pub ping_interval: Duration,
    /// How long the answer to that may take.
    pub ping_timeout: Duration,
    /// How long the server may be silent: three of its heartbeats.
    pub read_timeout: Duration,
    /// Messages waiting to be sent.
    pub outgoing_messages: usize,
    /// The largest message, in bytes.
    pub message_bytes: usize,
    /// The address of this computer to dial from; the system's choice when absent.
    pub from: Option<IpAddr>,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            outgoing_messages: 64,
            message_bytes: crate::MESSAGE_BYTES,
            from: None,
        }
    }
}

/// An agent's open session.
pub struct AgentSession {
    /// What the server says.
    pub incoming: Incoming<ToAgent>,
    /// What the agent says.
    pub outgoing: Outgoing<FromAgent>,
    /// Cuts the connection.
    pub kill: Kill,
    /// Asks for another certificate.
    pub renewal: Renewal,
    /// Opens the byte streams that the server asks for.
    pub streams: Streams,
}

/// Why the server does not take a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It was revoked, or another has taken its place.
    Revoked,
    /// It has run out, or the clocks differ.
    Expired,
    /// It is not of the server's authority.
    UnknownAuthority,
    /// None was shown.
    Missing,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Rejection::Revoked => "it was revoked",
            Rejection::Expired => "it has run out, or this computer's clock is wrong",
            Rejection::UnknownAuthority => "it is of another installation",
            Rejection::Missing => "none was shown",
        })
    }
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The server was not reached, or the connection broke: worth trying again soon.
    #[error("{server}: {cause}")]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// What happened.
        cause: String,
    },
    /// The server does not take this agent's certificate: only a person can help.
    #[error("the server refuses this agent's certificate: {0}")]
    CertificateRefused(Rejection),
    /// Who answers is not the server of the authority that this agent trusts. Nothing was told to it.
    #[error("the server that answers is not to be trusted: {0}")]
    ServerNotTrusted(String),
    /// The server refused the enrolment.
    #[error("{0}")]
    Refused(Refusal),
    /// Something on this computer: its key, its certificate, its random numbers.
    #[error("this agent's own credentials: {0}")]
    Own(String),
}

impl ConnectError {
    /// Whether another try is pointless for about a minute: for [`Backoff::after`](crate::Backoff::after).
    pub fn is_slow(&self) -> bool {
        !matches!(self, ConnectError::Unreachable { .. })
    }
}

/// Opens a session with the server at `server` (`host:port`).
pub async fn connect(
    server: &str,
    identity: &Identity,
    config: &AgentConfig,
) -> Result<AgentSession, ConnectError> {
    let tls = tls::enrolled(identity).map_err(|e| ConnectError::Own(e.to_string()))?;
    let line = Line::open(server, tls, config).await?;
    let kill = line.kill.clone();
    let (outgoing, out) = Outgoing::new(config.outgoing_messages, config.read_timeout, kill.clone());
    let mut client = line.client(config);
    // In TLS 1.3 a refused certificate shows only here, at the first read.
    let opened = client.session(ReceiverStream::new(out));
    let stream = line.answered(opened, config).await?.into_inner();
    let incoming = Incoming::new(stream, config.read_timeout, kill.clone());
    let streams = Streams::new(client.clone(), server);
    let renewal = Renewal::new(client, server, line.exporter);
    Ok(AgentSession { incoming, outgoing, kill, renewal, streams })
}

/// Enrols this computer with the server at `server` (`host:port`). The token is sent only to a server of the
/// authority that it names. What is returned is to be [saved](Identity::save): the token is used up.
pub async fn enrol(
    server: &str,
    token: &EnrolmentToken,
    version: &str,
    host: HostFacts,
    config: &AgentConfig,
) -> Result<Identity, ConnectError> {
    let own = |e: &dyn std::fmt::Display| ConnectError::Own(e.to_string());
    let key = AgentKey::generate().map_err(|e| own(&e))?;
    let tls = tls::enrolling(token.authority()).map_err(|e| own(&e))?;
    let line = Line::open(server, tls, config).await?;
    let proof = key.prove(&enrolment_binding(&token.sha256(), &line.exporter)).map_err(|e| own(&e))?;
    let request = EnrolRequest {
        token: URL_SAFE_NO_PAD.encode(token.secret()),
        point: URL_SAFE_NO_PAD.encode(key.public_point()),
        signature: URL_SAFE_NO_PAD.encode(proof),
        version: version.to_owned(),
        host,
    };
    let mut client = line.client(config);
    let reply = line.answered(client.enrol(request), config).await;
    line.kill.cut("the enrolment has ended");
    let enrolled = match reply?.into_inner() {
        EnrolReply::Enrolled { enrolled } => enrolled,
        EnrolReply::Refused { refusal } => return Err(ConnectError::Refused(refusal)),
    };
    let authority = CertificateDer::from_pem_slice(enrolled.authority_pem.as_bytes());
    match authority {
        Ok(der) if Fingerprint::of(&der) == token.authority() => Ok(Identity::new(server, key, enrolled)),
        _ => Err(ConnectError::ServerNotTrusted("it names another authority than the token".into())),
    }
}

/// One connection to the server.
struct Line {
    server: String,
    send: SendRequest<tonic::body::Body>,
    seen: Arc<OnceLock<Error>>,
    exporter: [u8; 32],
    kill: Kill,
}

impl Line {
    async fn open(server: &str, tls: ClientConfig, config: &AgentConfig) -> Result<Self, ConnectError> {
        let unreachable = |cause: String| ConnectError::Unreachable { server: server.to_owned(), cause };
        let late = |what: &str| unreachable(format!("{what}: no answer within {:?}", config.connect_timeout));
        let tcp = timeout(config.connect_timeout, dial(server, config.from))
            .await
            .map_err(|_| late("connecting"))?
            .map_err(|e| unreachable(e.to_string()))?;
        // Messages are small and each matters at once.
        tcp.set_nodelay(true).map_err(|e| unreachable(e.to_string()))?;
        let name = ServerName::try_from(crate::SERVER_NAME).map_err(|e| ConnectError::Own(e.to_string()))?;
        let tls = timeout(config.connect_timeout, TlsConnector::from(Arc::new(tls)).connect(name, tcp))
            .await
            .map_err(|_| late("TLS"))?
            .map_err(|e| match tls::tls_error(&e) {
                Some(error) => judged(error, server),
                None => unreachable(e.to_string()),
            })?;
        let exporter = tls
            .get_ref()
            .1
            .export_keying_material([0; 32], tls::EXPORTER, None)
            .map_err(|e| ConnectError::Own(e.to_string()))?;
        let seen = Arc::new(OnceLock::new());
        let io = TokioIo::new(Watched { inner: tls, seen: seen.clone() });
        let (send, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .keep_alive_interval(config.ping_interval)
            .keep_alive_timeout(config.ping_timeout)
            .keep_alive_while_idle(true)
            .handshake(io)
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        let kill = Kill::default();
        let pulled = kill.clone();
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(e) = ended {
                    tracing::debug!(why = %e, "the connection has ended");
                },
                () = pulled.pulled() => {}
            }
        });
        Ok(Self { server: server.to_owned(), send, seen, exporter, kill })
    }

    fn client(&self, config: &AgentConfig) -> WireClient<Http2> {
        let origin = http::Uri::from_static("https://server.hostler.internal");
        WireClient::with_origin(Http2(self.send.clone()), origin)
            .max_decoding_message_size(config.message_bytes)
            .max_encoding_message_size(config.message_bytes)
    }

    async fn answered<T>(
        &self,
        call: impl Future<Output = Result<T, Status>>,
        config: &AgentConfig,
    ) -> Result<T, ConnectError> {
        let unreachable =
            |cause: &str| ConnectError::Unreachable { server: self.server.clone(), cause: cause.into() };
        let failed = match timeout(config.connect_timeout, call).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) if status.code() == Code::Unauthenticated => {
                ConnectError::CertificateRefused(Rejection::Missing)
            }
            Ok(Err(status)) => match self.seen.get() {
                Some(error) => judged(error, &self.server),
                None => unreachable(status.message()),
            },
            Err(_) => unreachable("the server does not answer"),
        };
        self.kill.cut("it did not open");
        Err(failed)
    }
}

/// Dials each of the server's addresses in turn, from an address of this computer where one is named.
async fn dial(server: &str, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(server).await };
    let mut failed = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for to in lookup_host(server).await?.filter(|to| to.is_ipv4() == from.is_ipv4()) {
        let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(from, 0))?;
        match socket.connect(to).await {
            Ok(tcp) => return Ok(tcp),
            Err(why) => failed = why,
        }
    }
    Err(failed)
}

/// What a TLS error means for the one who dialled.
fn judged(error: &Error, server: &str) -> ConnectError {
    use AlertDescription as A;
    let refused = match error {
        Error::AlertReceived(A::CertificateRevoked) => Rejection::Revoked,
        Error::AlertReceived(A::CertificateExpired) => Rejection::Expired,
        Error::AlertReceived(
            A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::DecryptError | A::AccessDenied,
        ) => Rejection::UnknownAuthority,
        Error::AlertReceived(A::CertificateRequired) => Rejection::Missing,
        Error::InvalidCertificate(why) => return ConnectError::ServerNotTrusted(why.to_string()),
        _ => {
            return ConnectError::Unreachable { server: server.to_owned(), cause: error.to_string() };
        }
    };
    ConnectError::CertificateRefused(refused)
}

/// hyper's half of a connection as the generated client wants it.
#[derive(Clone)]
pub(crate) struct Http2(SendRequest<tonic::body::Body>);

impl tonic::codegen::Service<http::Request<tonic::body::Body>> for Http2 {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }
    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
