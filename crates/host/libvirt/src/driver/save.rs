//! Memory saved: a long call on a connection of its own, watched and stopped over others.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use hostler_hypervisor::{Trouble, Watch};
use uuid::Uuid;

use super::Driver;
use super::trouble::Subject;

/// How often progress is asked for and a wish to stop is seen.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Driver {
    pub(super) fn save_memory(&self, domain: Uuid, watch: &dyn Watch) -> Result<(), Trouble> {
        if watch.aborted() {
            return Err(Trouble::Aborted);
        }
        let (ended, end) = mpsc::channel();
        std::thread::scope(|scope| {
            let saving = std::thread::Builder::new().name("save".into()).spawn_scoped(scope, move || {
                // The receiver outlives this thread.
                let _ = ended.send(self.on_domain(domain, |_, domain| domain.save()));
            });
            if let Err(why) = saving {
                return Err(Trouble::Interrupted(format!("no thread to save with: {why}")));
            }
            loop {
                match end.recv_timeout(LOOK_EVERY) {
                    Ok(result) => return result,
                    Err(RecvTimeoutError::Timeout) => self.look_at_save(domain, watch),
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(Trouble::Interrupted("the thread that saved has ended".into()));
                    }
                }
            }
        })
    }

    /// Passes on how far it is, or stops it. Neither may fail the save: its own call says how it ended.
    fn look_at_save(&self, domain: Uuid, watch: &dyn Watch) {
        let looked = self.pool.with(|connection| {
            let domain = connection.domain(domain)?;
            if !watch.aborted() {
                let job = domain.job()?;
                let count = |name: &str| job.count(name);
                if let (Some(done), Some(of)) = (count("memory_processed"), count("memory_total")) {
                    watch.progress(done.min(of), of);
                }
            }
            // Before it has begun, and after it has ended, there is nothing to stop: the next look tries again.
            if watch.aborted() { domain.abort_job() } else { Ok(()) }
        });
        match looked {
            Ok(()) => {}
            Err(why) => tracing::debug!(subject = ?Subject::Domain(domain), %why, "no look at the save"),
        }
    }
}
