//! The connection on which libvirt tells, kept open: whatever breaks it, another one is tried.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::{Changed, Hub};
use crate::pool::Pool;
use crate::raw::{Error, Notice, Registration};

/// How soon another connection is tried.
const RETRY: Duration = Duration::from_millis(100);
/// How often the thread looks whether it should end, and whether the connection is alive after all.
const LOOK: Duration = Duration::from_millis(500);

/// Tells what libvirt tells until the hub is stopped.
pub(super) fn listen(
    hub: &Arc<Hub>,
    pool: &Pool,
    agent_connected: &Arc<impl Fn(Uuid) + Send + Sync + 'static>,
) {
    let mut told_lost = false;
    while !hub.is_stopped() {
        let (closed, closing) = mpsc::channel();
        match register(hub, pool, agent_connected, closed) {
            Ok(registration) => {
                hub.tell(Changed::Back);
                hub.tell(Changed::Everything);
                wait_for_end(hub, &registration, &closing);
                // Those of the pool that nobody uses are as dead.
                pool.drop_idle();
                if !hub.is_stopped() {
                    hub.tell(Changed::Lost);
                }
                told_lost = true;
            }
            Err(why) => {
                if !told_lost {
                    tracing::warn!(%why, "libvirt does not answer; tried again until it does");
                    hub.tell(Changed::Lost);
                    told_lost = true;
                }
                std::thread::sleep(RETRY);
            }
        }
    }
}

fn register(
    hub: &Arc<Hub>,
    pool: &Pool,
    agent_connected: &Arc<impl Fn(Uuid) + Send + Sync + 'static>,
    closed: mpsc::Sender<()>,
) -> Result<Registration, Error> {
    let (hub, agent_connected) = (Arc::clone(hub), Arc::clone(agent_connected));
    // The event loop's thread is the only caller; the lock makes it shareable and is never waited for.
    let closed = Mutex::new(closed);
    Registration::new(
        pool.open()?,
        Arc::new(move |notice| match notice {
            Notice::Changed(domain) => hub.tell(Changed::Domain(domain)),
            Notice::AgentConnected(domain) => {
                agent_connected(domain);
                hub.tell(Changed::Domain(domain));
            }
            Notice::Closed => {
                // Nobody may be waiting any more.
                let _ = closed.lock().unwrap_or_else(PoisonError::into_inner).send(());
            }
        }),
    )
}

fn wait_for_end(hub: &Hub, registration: &Registration, closing: &mpsc::Receiver<()>) {
    while !hub.is_stopped() && registration.is_alive() {
        match closing.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
