//! What was committed, told to whoever watches.

use std::sync::Arc;

use hostler_model::{Change, Timestamp};
use hostler_store::Cursor;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::decide::Shared;

/// How many commits a watcher may be behind before it is sent to the store's feed. A busy server makes some 20 to 100 a
/// second, each with up to 512 bodies that stay in memory as long as it is kept: many more would be hundreds of MiB,
/// many fewer would send watchers to the store whenever the computer is busy for a moment.
pub(crate) const KEPT_NEWS: usize = 64;

/// One commit.
#[derive(Debug)]
pub struct Committed {
    /// Where the feed stands after it.
    pub cursor: Cursor,
    /// When it was decided.
    pub at: Timestamp,
    /// What it changed, in order. Credentials are among it: a watcher shows no object of a secret kind.
    pub changes: Vec<Change>,
}

/// What a watcher is told.
#[derive(Clone, Debug)]
pub enum News {
    /// A commit, the one after the last that was told.
    Committed(Arc<Committed>),
    /// This watcher was too slow, or the store was loaded anew: what it missed is in the store's feed after its own
    /// cursor, or, if that is gone, everything is to be read anew.
    Missed,
}

/// A watcher's place.
#[derive(Debug)]
pub struct Watch {
    news: broadcast::Receiver<News>,
    stop: watch::Receiver<bool>,
}

impl Watch {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self { news: shared.news.subscribe(), stop: shared.stop.subscribe() }
    }

    /// The next news; none once the server stops. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<News> {
        tokio::select! {
            biased;
            news = self.news.recv() => match news {
                Ok(news) => Some(news),
                Err(RecvError::Lagged(_)) => Some(News::Missed),
                Err(RecvError::Closed) => None,
            },
            _ = self.stop.wait_for(|stop| *stop) => None,
        }
    }
}
