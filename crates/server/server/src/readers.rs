//! A few readers of the store, each with a connection of its own, lent to blocking threads one at a time.

use std::sync::{Arc, Mutex, PoisonError};

use hostler_model::{Code, Refusal};
use hostler_store::{Reader, StoreError};
use tokio::sync::Semaphore;

/// Readers at a time. More would only wait for each other's processors: a read takes milliseconds.
pub(crate) const READERS: usize = 4;

/// The pool.
#[derive(Clone)]
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Box<dyn Reader>>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(readers: Vec<Box<dyn Reader>>) -> Self {
        let places = Arc::new(Semaphore::new(readers.len()));
        Self { idle: Arc::new(Mutex::new(readers)), places }
    }

    /// Reads on a blocking thread, as soon as a reader is free.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let Ok(place) = self.places.clone().acquire_owned().await else { return Err(stopped()) };
        let idle = self.idle.clone();
        // The place and the reader come back also when the caller has gone away meanwhile.
        let done = tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(reader) = taken else { return Err(stopped()) };
            let mut lent = Lent { reader: Some(reader), idle };
            let result = lent.reader.as_mut().map(|reader| read(&mut **reader));
            drop(lent);
            drop(place);
            result.unwrap_or_else(|| Err(StoreError::Failed { cause: "no reader".into() })).map_err(refusal)
        });
        done.await.unwrap_or_else(|e| Err(Refusal::new(Code::Internal, "store", e.to_string())))
    }
}

/// A reader that goes back to the others when dropped, even if the read ended in a panic.
struct Lent {
    reader: Option<Box<dyn Reader>>,
    idle: Arc<Mutex<Vec<Box<dyn Reader>>>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::ServerStopping, "server", "it is stopping")
}

/// What a reader's trouble is towards people.
pub(crate) fn refusal(trouble: StoreError) -> Refusal {
    match trouble {
        StoreError::FeedGone { .. } | StoreError::HistoryGone { .. } => {
            Refusal::not_found("history").remedy("Ask for what is still kept")
        }
        other => Refusal::new(Code::StoreUnavailable, "store", other.to_string()),
    }
}
