//! What changed, told to whoever subscribed: by libvirt's events, and by the files in which libvirt keeps what it
//! knows, because it raises no event at all for many changes made with `virsh --config`.
//!
//! A notice says *read this machine anew* and nothing else. Notices come doubled, and may be missing: who needs the
//! truth reads.

mod files;
mod libvirt;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use uuid::Uuid;

use crate::pool::Pool;

pub(crate) use files::{Folder, Holds};

/// What to read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// This machine; it may have come or gone.
    Domain(Uuid),
    /// All of them: what changed is not known.
    Everything,
    /// What libvirt says of the host: a network was started or stopped.
    Host,
    /// libvirt does not answer any more. Machines run on.
    Lost,
    /// libvirt answers (again). [`Changed::Everything`] follows.
    Back,
}

/// Who listens.
#[derive(Default)]
pub(crate) struct Hub {
    readers: Mutex<Vec<mpsc::Sender<Changed>>>,
    off: AtomicBool,
    stopped: AtomicBool,
}

impl Hub {
    pub(crate) fn subscribe(&self) -> mpsc::Receiver<Changed> {
        let (sender, receiver) = mpsc::channel();
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    pub(crate) fn set_on(&self, on: bool) {
        self.off.store(!on, Ordering::Relaxed);
    }

    /// Ends the threads, each at its next look.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn tell(&self, changed: Changed) {
        if !self.off.load(Ordering::Relaxed) {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.retain(|reader| reader.send(changed).is_ok());
        }
    }

    /// Listens to libvirt in a thread. `agent_connected` is called when a guest's agent opens its channel.
    pub(crate) fn listen(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
        agent_connected: impl Fn(Uuid) + Send + Sync + 'static,
    ) -> io::Result<()> {
        let (hub, pool) = (Arc::clone(self), Arc::clone(pool));
        let thread = std::thread::Builder::new().name("libvirt listen".into());
        thread.spawn(move || libvirt::listen(&hub, &pool, &Arc::new(agent_connected))).map(drop)
    }

    /// Watches folders in which libvirt keeps what it knows, in a thread.
    pub(crate) fn watch(self: &Arc<Self>, folders: Vec<Folder>) -> io::Result<()> {
        let hub = Arc::clone(self);
        let thread = std::thread::Builder::new().name("libvirt files".into());
        thread.spawn(move || files::watch(&hub, &folders, &mut HashMap::new())).map(drop)
    }
}
