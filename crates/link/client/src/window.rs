//! Windows: the part of a list that somebody looks at, told whole at first, and then what changes in it.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use hostler_model::window::WindowEvent;
use reqwest::header::ACCEPT;
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Client, understood};
use crate::error::ClientError;
use crate::feed::{Lines, SILENCE, Said};

/// Which part of a list is looked at. What is absent is left to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WindowQuery {
    /// Only what all of these terms hold for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// By which fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// How many before it are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// How many at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Client {
    /// Looks at a part of the list of this noun (`vms`, `hosts` …): the first event tells it whole. The stream ends with
    /// the connection; who looks on looks anew.
    ///
    /// # Errors
    /// As the server refuses it.
    pub async fn window<T: DeserializeOwned>(
        &self,
        noun: &str,
        query: &WindowQuery,
    ) -> Result<impl Stream<Item = Result<WindowEvent<T>, ClientError>> + use<T>, ClientError> {
        // The limit is on silence, not on the whole.
        let whole = Duration::from_secs(10 * 365 * 86_400);
        let request = self.request(Method::GET, self.at(&[noun, "window"])?).timeout(whole).query(query);
        let response = self.send(request.header(ACCEPT, "text/event-stream")).await?;
        let server = self.server().to_owned();
        let open = Open { response, server, lines: Lines::default(), ready: VecDeque::new() };
        Ok(unfold(open, |mut open| async { Some((open.next().await.transpose()?, open)) }))
    }
}

struct Open {
    response: Response,
    server: String,
    lines: Lines,
    ready: VecDeque<Said>,
}

impl Open {
    async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<WindowEvent<T>>, ClientError> {
        loop {
            if let Some(said) = self.ready.pop_front() {
                return understood("a window", said.data.as_bytes()).map(Some);
            }
            let broken = |cause: String| ClientError::Unreachable { server: self.server.clone(), cause };
            match tokio::time::timeout(SILENCE, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    let said = self.lines.take(&bytes).map_err(broken)?;
                    self.ready.extend(said.into_iter().filter(|said| !said.data.is_empty()));
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(ClientError::of(&self.server, &error)),
                Err(_) => return Err(broken("the server has been silent for too long".to_owned())),
            }
        }
    }
}
