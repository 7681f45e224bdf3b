//! Byte streams that the server asks for: each has a task of its own and ends with the connection. Nothing of them is
//! journalled: a stream that is lost is asked for again by whoever looks.

mod graphics;
mod serial;
mod tail;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use hostler_hypervisor::Machines;
use hostler_model::channel::{MOST_STREAMS, StreamKind};
use hostler_model::{Code, Refusal};
use hostler_wire::{ByteStream, ConnectError, Streams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use uuid::Uuid;

use crate::hands::Host;
use upload::Piece;

/// How often a machine is looked at that somebody waits for, should no event tell that it was started.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the server may take to read the last of a stream.
const FAREWELL: Duration = Duration::from_secs(5);

/// What streams lead to.
#[derive(Clone)]
pub(crate) struct Ends {
    pub(crate) machines: Arc<dyn Machines>,
    pub(crate) host: Arc<dyn Host>,
    /// Changes when some machine has changed.
    pub(crate) changed: watch::Receiver<()>,
}

/// The streams of one connection. Dropped, they end.
pub(crate) struct Open {
    ends: Ends,
    streams: Streams,
    tasks: JoinSet<Result<(), ConnectError>>,
}

impl Open {
    pub(crate) fn new(ends: Ends, streams: Streams) -> Self {
        Self { ends, streams, tasks: JoinSet::new() }
    }

    /// Whether none is open any more.
    pub(crate) fn is_over(&mut self) -> bool {
        self.look_after_ended();
        self.tasks.is_empty()
    }

    fn look_after_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(why)) => tracing::debug!(%why, "a stream was not opened"),
                Err(why) => tracing::error!(%why, "a stream broke down"),
            }
        }
    }

    /// Opens what the server asks for, or tells it why not. Returns at once.
    pub(crate) fn open(&mut self, ticket: Uuid, what: StreamKind) {
        self.look_after_ended();
        let asked = Asked { ends: self.ends.clone(), streams: self.streams.clone(), ticket };
        let room = self.tasks.len() < MOST_STREAMS;
        self.tasks.spawn(async move {
            match what {
                _ if !room => {
                    let cause = format!("it has {MOST_STREAMS} streams open");
                    let refusal = Refusal::new(Code::TooManyRequests, "host", cause);
                    asked.refuse(&refusal.remedy("Close one of them, then try again")).await
                }
                StreamKind::Graphics { domain } => graphics::carry(asked, domain).await,
                StreamKind::Serial { domain, input } => serial::carry(asked, domain, input).await,
                StreamKind::Upload { folder, upload, offset, length } => {
                    upload::carry(asked, Piece { folder, upload, offset, length }).await
                }
                StreamKind::Unknown => {
                    let cause = "this agent does not know what is asked for";
                    let refusal = Refusal::new(Code::AgentUnsupported, "stream", cause);
                    asked.refuse(&refusal.remedy("Upgrade the agent")).await
                }
            }
        });
    }
}

/// One stream that is asked for.
pub(crate) struct Asked {
    ends: Ends,
    streams: Streams,
    ticket: Uuid,
}

impl Asked {
    async fn open(&self) -> Result<ByteStream, ConnectError> {
        self.streams.open(self.ticket).await
    }

    async fn refuse(&self, why: &Refusal) -> Result<(), ConnectError> {
        tracing::info!(%why, "a stream is refused");
        self.streams.refuse(self.ticket, why).await
    }

    /// Asks the computer something that may block.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Ends) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let ends = self.ends.clone();
        blocking("stream", move || look(&ends)).await
    }

    /// Whether a machine is on.
    async fn is_on(&self, domain: Uuid) -> Result<bool, Refusal> {
        self.look(move |ends| match ends.machines.read(domain) {
            Ok(Some(seen)) => Ok(seen.power.is_on()),
            Ok(None) => Err(hostler_hypervisor::no_vm(domain).into_refusal("libvirt")),
            Err(why) => Err(why.into_refusal("libvirt")),
        })
        .await
    }

    /// Waits until it is worth looking at machines again.
    async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.ends.changed.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Calls what may block, for the stream or whatever it is about.
async fn blocking<T: Send + 'static>(
    about: &str,
    call: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let called = spawn_blocking(call).await;
    called.unwrap_or_else(|why| Err(Refusal::new(Code::Internal, about, why.to_string())))
}

fn failed(domain: Uuid, why: &std::io::Error) -> Refusal {
    Refusal::new(Code::HypervisorFailed, format!("domain {domain}"), why.to_string())
}

/// Ends a stream so that the server reads all of it.
async fn ended(mut stream: ByteStream) {
    let read = async {
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(FAREWELL, read).await;
}
