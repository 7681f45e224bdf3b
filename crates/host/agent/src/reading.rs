//! Reading machines, so that readings of one machine are handed to the core in the order in which they were made.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hostler_agent_core::Input;
use hostler_hypervisor::{Machines, Trouble};
use tokio::sync::{Mutex as Turns, Semaphore, mpsc};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::run::Event;
use crate::sizes::Sizes;

/// How many machines are read at a time because of changes: each reading holds a connection to libvirt for a
/// millisecond or two, and commands want some too.
const AT_A_TIME: usize = 4;
/// How often a reading after a command is tried, and how long after a failure.
const TRIES: u32 = 4;
const RETRY: Duration = Duration::from_millis(250);
/// Beyond so many, machines that nobody is reading are forgotten.
const MOST_TURNS: usize = 1_024;

/// Reads machines.
pub(crate) struct Readings {
    machines: Arc<dyn Machines>,
    sizes: Sizes,
    events: mpsc::Sender<Event>,
    room: Semaphore,
    /// Machines of which a reading is to begin.
    wanted: Mutex<HashSet<Uuid>>,
    /// A reading and its handing in are one turn of the machine.
    turns: Mutex<HashMap<Uuid, Arc<Turns<()>>>>,
}

impl Readings {
    pub(crate) fn new(machines: Arc<dyn Machines>, sizes: Sizes, events: mpsc::Sender<Event>) -> Self {
        Self {
            machines,
            sizes,
            events,
            room: Semaphore::new(AT_A_TIME),
            wanted: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Whether a reading must be begun: none is waiting to begin.
    pub(crate) fn want(&self, domain: Uuid) -> bool {
        lock(&self.wanted).insert(domain)
    }

    /// A reading that was wanted. One that fails is made up for by the next listing.
    pub(crate) async fn wanted(&self, domain: Uuid) {
        let room = self.room.acquire().await;
        let turn = self.turn(domain);
        let _turn = turn.lock().await;
        // Whatever changes from here on wants another reading.
        lock(&self.wanted).remove(&domain);
        if let Err(why) = self.read(domain).await {
            tracing::debug!(%domain, %why, "a machine cannot be read");
        }
        drop(room);
    }

    /// Reads a machine that a command has touched.
    pub(crate) async fn after_command(&self, domain: Uuid) {
        for round in 1..=TRIES {
            let turn = self.turn(domain);
            let guard = turn.lock().await;
            match self.read(domain).await {
                Ok(()) => return,
                Err(why) if round == TRIES => tracing::warn!(%domain, %why, "cannot be read after a command"),
                Err(_) => {
                    drop(guard);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn read(&self, domain: Uuid) -> Result<(), Trouble> {
        let machines = Arc::clone(&self.machines);
        let read = spawn_blocking(move || machines.read(domain)).await;
        let seen = read.unwrap_or_else(|_| Err(Trouble::Interrupted("the reading broke down".into())))?;
        let seen = self.sizes.of(seen.into_iter().collect()).await.pop();
        // Nobody listens when the agent is ending.
        let _ = self.events.send(Event::Input(Input::Observed { domain, seen: seen.map(Box::new) })).await;
        Ok(())
    }

    fn turn(&self, domain: Uuid) -> Arc<Turns<()>> {
        let mut turns = lock(&self.turns);
        if turns.len() > MOST_TURNS {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(domain).or_default())
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
