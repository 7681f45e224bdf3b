//! Consoles of machines: bytes both ways over a WebSocket.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hostler_model::console::{CONSOLE_PROTOCOL, ConsoleEnd, ConsoleTicket, ConsoleViewer, NewConsoleTicket};
use reqwest::header::{
    CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Method, StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::{Client, refused};
use crate::error::ClientError;

/// An open console. Dropped, it is closed.
pub struct Console {
    socket: WebSocketStream<Upgraded>,
}

/// Why a console was closed, where it was not its viewer who did it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ConsoleClosed {
    /// What for; none when the connection was lost, or for a reason of another kind.
    pub end: Option<ConsoleEnd>,
    /// In words.
    pub reason: String,
}

impl ConsoleClosed {
    fn lost(cause: impl std::fmt::Display) -> Self {
        Self { end: None, reason: format!("the connection was lost: {cause}") }
    }
}

impl Console {
    /// What the machine shows next. Safe to drop while it waits.
    ///
    /// # Errors
    /// The console was closed.
    pub async fn next(&mut self) -> Result<Bytes, ConsoleClosed> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let end = ConsoleEnd::of_code(frame.code.into());
                    return Err(ConsoleClosed { end, reason: frame.reason.to_string() });
                }
                Some(Ok(Message::Close(None))) | None => return Err(ConsoleClosed::lost("it has ended")),
                Some(Ok(_)) => {}
                Some(Err(cause)) => return Err(ConsoleClosed::lost(cause)),
            }
        }
    }

    /// Types.
    ///
    /// # Errors
    /// The console was closed; [`Console::next`] knows why.
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> Result<(), ConsoleClosed> {
        self.socket.send(Message::Binary(bytes.into())).await.map_err(ConsoleClosed::lost)
    }

    /// Closes it.
    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
    }
}

impl Client {
    /// Opens a console of a machine.
    ///
    /// # Errors
    /// The ticket is refused, or there is no connection. Whether the host joins in is told by [`Console::next`].
    pub async fn open_console(&self, vm: &str, wanted: NewConsoleTicket) -> Result<Console, ClientError> {
        let request = self.request(Method::POST, self.at(&["vms", vm, "console-tickets"])?).json(&wanted);
        let response = self.send(request).await?;
        let given: ConsoleTicket = self.read(response).await?;
        let url = self.at(&["console"])?;
        let request = self
            .upgrading(url)
            .query(&[("ticket", &given.ticket)])
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, generate_key())
            .header(SEC_WEBSOCKET_PROTOCOL, CONSOLE_PROTOCOL);
        let failed = |error: &reqwest::Error| ClientError::of(self.server(), error);
        let response = request.send().await.map_err(|error| failed(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let status = response.status();
            let body = response.bytes().await.map_err(|error| failed(&error))?;
            return Err(refused("/console", status, &body));
        }
        let stream = response.upgrade().await.map_err(|error| failed(&error))?;
        Ok(Console { socket: WebSocketStream::from_raw_socket(stream, Role::Client, None).await })
    }

    /// Who has a console of a machine open.
    pub async fn console_viewers(&self, vm: &str) -> Result<Vec<ConsoleViewer>, ClientError> {
        self.get(&["vms", vm, "console-viewers"]).await
    }
}
