//! The live feed: changes as they are committed, resumed where it broke off.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt, unfold};
use hostler_model::Kind;
use hostler_model::body::FeedEvent;
use reqwest::header::ACCEPT;
use reqwest::{Method, Response};

use crate::client::{Client, understood};
use crate::error::ClientError;

/// The server says something each 10 s; after two and a half times that the connection is dead.
pub(crate) const SILENCE: Duration = Duration::from_secs(25);
/// How long to wait before asking again where nobody answers.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// The longest line that is taken: an object with everything in it is far shorter.
const LONGEST_LINE: usize = 16 << 20;

/// Something that the feed says.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// The feed flows: everything from here on is said.
    Flows,
    /// Something changed.
    Change {
        /// The place of the change, from which the feed can be resumed.
        cursor: String,
        /// What.
        event: Box<FeedEvent>,
    },
    /// The place from which to resume is not kept any more: read everything anew. Changes from now on follow.
    Resync,
    /// The connection is lost, and is tried again.
    Lost {
        /// Why, in words.
        cause: String,
    },
}

/// The feed as a stream, which ends only with an error that no patience helps against.
pub type Feed = Pin<Box<dyn Stream<Item = Result<Word, ClientError>> + Send>>;

impl Client {
    /// Watches changes of these kinds (all when empty), from behind a cursor on (from now on when absent). Where the
    /// connection breaks it is made again, and goes on behind the last change.
    pub fn watch(&self, after: Option<String>, kinds: &[Kind]) -> Feed {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        let state = State {
            client: self.clone(),
            kinds: kinds.join(","),
            after,
            reader: None,
            ready: VecDeque::new(),
            delay: FIRST_DELAY,
            over: false,
        };
        unfold(state, |mut state| async move {
            if state.over {
                return None;
            }
            let word = state.next().await;
            state.over = word.is_err();
            Some((word, state))
        })
        .boxed()
    }

    async fn open_feed(&self, after: Option<&str>, kinds: &str) -> Result<Response, ClientError> {
        let mut query = Vec::new();
        if let Some(after) = after {
            query.push(("after", after));
        }
        if !kinds.is_empty() {
            query.push(("kinds", kinds));
        }
        // The limit is on silence, not on the whole.
        let whole = Duration::from_secs(10 * 365 * 86_400);
        let request = self.request(Method::GET, self.at(&["feed"])?).timeout(whole);
        self.send(request.query(&query).header(ACCEPT, "text/event-stream")).await
    }
}

struct State {
    client: Client,
    kinds: String,
    after: Option<String>,
    reader: Option<(Response, Lines)>,
    ready: VecDeque<Said>,
    delay: Duration,
    over: bool,
}

impl State {
    async fn next(&mut self) -> Result<Word, ClientError> {
        loop {
            while let Some(said) = self.ready.pop_front() {
                if let Some(word) = self.word(said)? {
                    return Ok(word);
                }
            }
            let Some((response, lines)) = &mut self.reader else {
                match self.client.open_feed(self.after.as_deref(), &self.kinds).await {
                    Ok(response) => {
                        self.reader = Some((response, Lines::default()));
                        self.delay = FIRST_DELAY;
                        return Ok(Word::Flows);
                    }
                    Err(error) if error.is_passing() => return Ok(self.lost(error.to_string()).await),
                    Err(error) => return Err(error),
                }
            };
            let chunk = tokio::time::timeout(SILENCE, response.chunk()).await;
            let cause = match chunk {
                Ok(Ok(Some(bytes))) => match lines.take(&bytes) {
                    Ok(said) => {
                        self.ready.extend(said);
                        continue;
                    }
                    Err(cause) => cause,
                },
                Ok(Ok(None)) => "the server ended the feed".to_owned(),
                Ok(Err(error)) => ClientError::of(self.client.server(), &error).to_string(),
                Err(_) => "the server has been silent for too long".to_owned(),
            };
            self.reader = None;
            return Ok(self.lost(cause).await);
        }
    }

    async fn lost(&mut self, cause: String) -> Word {
        tokio::time::sleep(self.delay).await;
        self.delay = (self.delay * 2).min(LONGEST_DELAY);
        Word::Lost { cause }
    }

    fn word(&mut self, said: Said) -> Result<Option<Word>, ClientError> {
        if !said.id.is_empty() {
            self.after = Some(said.id.clone());
        }
        match said.event.as_str() {
            "change" => {
                let event = understood("the feed", said.data.as_bytes())?;
                Ok(Some(Word::Change { cursor: said.id, event }))
            }
            "resync" => {
                if said.id.is_empty() {
                    self.after = None;
                }
                Ok(Some(Word::Resync))
            }
            _ => Ok(None),
        }
    }
}

/// One event as it stands in the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    id: String,
    event: String,
    pub(crate) data: String,
}

/// Puts events together from the pieces in which they come.
#[derive(Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
    said: Said,
}

impl Lines {
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Said>, String> {
        let mut whole = Vec::new();
        self.rest.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[begin..begin + length]).into_owned();
            begin += length + 1;
            if let Some(said) = self.line(line.trim_end_matches('\r')) {
                whole.push(said);
            }
        }
        self.rest.drain(..begin);
        match self.rest.len() > LONGEST_LINE || self.said.data.len() > LONGEST_LINE {
            true => Err("an event without end".to_owned()),
            false => Ok(whole),
        }
    }

    fn line(&mut self, line: &str) -> Option<Said> {
        if line.is_empty() {
            let said = std::mem::take(&mut self.said);
            return (said != Said::default()).then_some(said);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.said.id),
            "event" => value.clone_into(&mut self.said.event),
            "data" => {
                if !self.said.data.is_empty() {
                    self.said.data.push('\n');
                }
                self.said.data.push_str(value);
            }
            // A comment begins with a colon: the heartbeat.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_they_are_cut() {
        let text = ": hello\n\nid: h-1\nevent: change\ndata: {\"a\":\ndata: 1}\n\n:\n\nevent: resync\r\nid:h-2\r\n\r\n";
        let expected = [
            Said { id: "h-1".into(), event: "change".into(), data: "{\"a\":\n1}".into() },
            Said { id: "h-2".into(), event: "resync".into(), data: String::new() },
        ];
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let said: Vec<Said> = text.as_bytes().chunks(size).flat_map(|c| lines.take(c).unwrap()).collect();
            assert_eq!(said, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        assert!((0..40).any(|_| lines.take(&[b'x'; 1 << 20]).is_err()));
    }
}
