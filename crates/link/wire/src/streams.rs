//! Byte streams beside the session, on the same connection: consoles, uploads. The server asks for one with a ticket
//! (`ToAgent::Open`), and the agent opens it, or says why not. With the connection they all end.
//!
//! What a reader leaves unread is held back at the writer: by the window of the stream, never by that of the
//! connection, so that nobody else waits. A writer whose reader takes nothing for [`STALL`] gives up.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Buf, Bytes};
use hostler_model::channel::STREAM_TICKET_MS;
use hostler_model::{AgentId, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Sleep, sleep, timeout};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::PollSender;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

use crate::connect::{ConnectError, Http2};
use crate::generated::wire_client::WireClient;

/// What travels as one piece, in bytes. Larger writes are taken in part.
pub const CHUNK_BYTES: usize = 32 * 1024;
/// How long a writer waits for a reader that takes nothing.
pub const STALL: Duration = Duration::from_secs(10);
/// Pieces between the writer and HTTP/2, which has its own buffer.
const ROOM: usize = 1;
const TICKET: &str = "hostler-stream";
const REFUSED: &str = "hostler-refused";
const PROGRAM: &str = "hostler-program";

/// A stream of bytes both ways. Shutting down says *that was all*; dropping it without having said so is a loss, which
/// the other side sees as an error. After an error it is to be dropped.
pub struct ByteStream {
    incoming: Streaming<Bytes>,
    rest: Bytes,
    ended: bool,
    outgoing: PollSender<Bytes>,
    stalled: Option<Pin<Box<Sleep>>>,
    stall: Duration,
    place: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl ByteStream {
    fn new(incoming: Streaming<Bytes>, outgoing: mpsc::Sender<Bytes>) -> Self {
        Self {
            incoming,
            rest: Bytes::new(),
            ended: false,
            outgoing: PollSender::new(outgoing),
            stalled: None,
            stall: STALL,
            place: None,
        }
    }

    /// Gives the stream another patience with a reader that takes nothing than [`STALL`].
    #[must_use]
    pub fn with_stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Holds a place until the stream is dropped.
    #[must_use]
    pub fn holding(mut self, place: OwnedSemaphorePermit) -> Self {
        self.place = Some(place);
        self
    }

    /// Waits for room for one more piece.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.outgoing.poll_reserve(cx) {
            Poll::Ready(Ok(())) => {
                self.stalled = None;
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(_)) => return Poll::Ready(Err(gone())),
            Poll::Pending => {}
        }
        let stall = self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(stalled.as_mut().poll(cx));
        self.outgoing.close();
        let why = format!("the other side has taken nothing for {} ms", stall.as_millis());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other side has closed the stream")
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() && !self.ended {
            match ready!(Pin::new(&mut self.incoming).poll_next(cx)) {
                // An empty piece is the last: a connection that is lost looks like an end as well.
                Some(Ok(piece)) if piece.is_empty() => self.ended = true,
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(status)) => return Poll::Ready(Err(lost(status.message()))),
                None => return Poll::Ready(Err(lost("it ended without saying so"))),
            }
        }
        let some = self.rest.len().min(into.remaining());
        into.put_slice(&self.rest[..some]);
        self.rest.advance(some);
        Poll::Ready(Ok(()))
    }
}

fn lost(how: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, format!("the stream was lost: {how}"))
}

impl AsyncWrite for ByteStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let some = bytes.len().min(CHUNK_BYTES);
        if some == 0 {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_room(cx))?;
        let piece = Bytes::copy_from_slice(&bytes[..some]);
        Poll::Ready(self.outgoing.send_item(piece).map(|()| some).map_err(|_| gone()))
    }

    /// What was written is on its way; nothing here waits until it is read.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outgoing.is_closed() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_room(cx))?;
        let said = self.outgoing.send_item(Bytes::new()).map_err(|_| gone());
        self.outgoing.close();
        Poll::Ready(said)
    }
}

/// What an agent's call to open a stream says.
pub(crate) struct Arrived {
    pub(crate) stream: Uuid,
    pub(crate) opened: Result<ByteStream, Refusal>,
    pub(crate) outgoing: ReceiverStream<Bytes>,
}

pub(crate) fn arrived(request: Request<Streaming<Bytes>>) -> Result<Arrived, Status> {
    let malformed = || Status::invalid_argument("a stream without a ticket");
    let metadata = request.metadata();
    let ticket = metadata.get(TICKET).and_then(|ticket| ticket.to_str().ok());
    let stream = ticket.and_then(|ticket| ticket.parse().ok()).ok_or_else(malformed)?;
    let refused = metadata.get(REFUSED).map(refusal_of).transpose()?;
    let (give, outgoing) = mpsc::channel(ROOM);
    let opened = match refused {
        Some(refusal) => Err(refusal),
        None => Ok(ByteStream::new(request.into_inner(), give)),
    };
    Ok(Arrived { stream, opened, outgoing: ReceiverStream::new(outgoing) })
}

/// Which program an agent's call asks for, if it asks for one.
pub(crate) fn program_of(metadata: &MetadataMap) -> Option<String> {
    metadata.get(PROGRAM).and_then(|sha256| sha256.to_str().ok()).map(str::to_owned)
}

/// The two halves of a stream that this side answers a call with.
pub(crate) fn answering(request: Request<Streaming<Bytes>>) -> (ByteStream, ReceiverStream<Bytes>) {
    let (give, outgoing) = mpsc::channel(ROOM);
    (ByteStream::new(request.into_inner(), give), ReceiverStream::new(outgoing))
}

fn refusal_of(value: &MetadataValue<tonic::metadata::Ascii>) -> Result<Refusal, Status> {
    let json = URL_SAFE_NO_PAD.decode(value.as_bytes()).ok();
    json.and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| Status::invalid_argument("a refusal that was not understood"))
}

/// Opens streams on the connection of an open session, at the agent.
#[derive(Clone)]
pub struct Streams {
    client: WireClient<Http2>,
    server: String,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Streams {
    pub(crate) fn new(client: WireClient<Http2>, server: &str) -> Self {
        Self { client, server: server.to_owned() }
    }

    /// Opens the stream that the server asked for with this ticket.
    ///
    /// # Errors
    /// The ticket is no longer good, the server is gone or does not answer.
    pub async fn open(&self, stream: Uuid) -> Result<ByteStream, ConnectError> {
        let (give, outgoing) = mpsc::channel(ROOM);
        let mut request = Request::new(ReceiverStream::new(outgoing));
        told(request.metadata_mut(), stream, None).map_err(|cause| self.unreachable(&cause))?;
        Ok(ByteStream::new(self.called(request).await?, give))
    }

    /// Asks the server for an agent program, by the SHA-256 of its file. What is read is to be checked.
    ///
    /// # Errors
    /// The server does not have it, is gone or does not answer.
    pub async fn program(&self, sha256: &str) -> Result<ByteStream, ConnectError> {
        let (give, outgoing) = mpsc::channel(ROOM);
        let mut request = Request::new(ReceiverStream::new(outgoing));
        let named = sha256.parse().map_err(|_| self.unreachable("the program cannot be named"))?;
        request.metadata_mut().insert(PROGRAM, named);
        Ok(ByteStream::new(self.called(request).await?, give))
    }

    /// Says why the stream is not opened.
    ///
    /// # Errors
    /// As [`Streams::open`].
    pub async fn refuse(&self, stream: Uuid, why: &Refusal) -> Result<(), ConnectError> {
        let mut request = Request::new(ReceiverStream::new(mpsc::channel(1).1));
        told(request.metadata_mut(), stream, Some(why)).map_err(|cause| self.unreachable(&cause))?;
        self.called(request).await.map(drop)
    }

    async fn called(
        &self,
        request: Request<ReceiverStream<Bytes>>,
    ) -> Result<Streaming<Bytes>, ConnectError> {
        let mut client = self.client.clone();
        match timeout(Duration::from_millis(STREAM_TICKET_MS), client.stream(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.unreachable(status.message())),
            Err(_) => Err(self.unreachable("the server does not answer")),
        }
    }

    fn unreachable(&self, cause: &str) -> ConnectError {
        ConnectError::Unreachable { server: self.server.clone(), cause: format!("a stream: {cause}") }
    }
}

fn told(metadata: &mut MetadataMap, stream: Uuid, refused: Option<&Refusal>) -> Result<(), String> {
    let said = |text: String| text.parse().map_err(|_| "it cannot be named".to_owned());
    metadata.insert(TICKET, said(stream.to_string())?);
    if let Some(refusal) = refused {
        let json = serde_json::to_vec(refusal).map_err(|why| why.to_string())?;
        metadata.insert(REFUSED, said(URL_SAFE_NO_PAD.encode(json))?);
    }
    Ok(())
}

/// Which agent, as the connection says, has opened or refused what.
#[derive(Debug)]
pub struct Opened {
    /// The agent.
    pub agent: AgentId,
    /// The ticket.
    pub stream: Uuid,
    /// The stream, or why there is none.
    pub opened: Result<ByteStream, Refusal>,
}
