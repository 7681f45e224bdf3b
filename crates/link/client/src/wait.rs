//! Waiting for a job: one look, then the feed; where there is no feed, or too many wait, looking again and again.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hostler_model::view::JobView;
use hostler_model::{JobId, Kind};

use crate::client::Client;
use crate::error::ClientError;
use crate::feed::Word;

/// How often progress is looked at: it is in no commit, so the feed does not tell it.
const PROGRESS: Duration = Duration::from_millis(500);
/// How long the server may not answer before waiting ends. A restart takes a few seconds; the job goes on meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    /// Waits until a job has ended for its caller, and returns it as it then is. Each time it was looked at, `seen` is
    /// told. A server that does not answer for a moment (a restart) is waited for.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when it does not come back within a minute; and as [`Client::job`].
    pub async fn wait_for_job(
        &self,
        job: JobId,
        mut seen: impl FnMut(&JobView),
    ) -> Result<JobView, ClientError> {
        let mut silent_since: Option<Instant> = None;
        let mut feed = None;
        loop {
            match self.job_tagged(job).await {
                Ok((view, cursor)) => {
                    silent_since = None;
                    seen(&view);
                    if view.job.state.is_ended() {
                        return Ok(view);
                    }
                    // Behind the version just read: what happened since then is said, nothing is missed.
                    feed = feed.or_else(|| {
                        let permit = self.feeds.clone().try_acquire_owned().ok()?;
                        Some((self.watch(cursor, &[Kind::Job]), permit))
                    });
                    let until = tokio::time::Instant::now() + PROGRESS;
                    let Some((feed, _)) = &mut feed else {
                        tokio::time::sleep_until(until).await;
                        continue;
                    };
                    loop {
                        match tokio::time::timeout_at(until, feed.next()).await {
                            Ok(Some(Ok(Word::Change { event, .. }))) if event.id != job.to_string() => {}
                            Ok(Some(Ok(Word::Flows))) => {}
                            Ok(Some(Ok(Word::Change { .. } | Word::Resync | Word::Lost { .. }))) | Err(_) => {
                                break;
                            }
                            // No feed to be had: the pace is the progress's.
                            Ok(Some(Err(_)) | None) => {
                                tokio::time::sleep_until(until).await;
                                break;
                            }
                        }
                    }
                }
                Err(error) if error.is_passing() => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > PATIENCE {
                        return Err(error);
                    }
                    tokio::time::sleep(PROGRESS).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
