//! A host without a computer: machines and disks as plain data that behave as libvirt and QEMU were seen to behave.
//!
//! What it is for: the simulator runs thousands of stories on it, scale tests run thousands of hosts on it. It takes
//! libvirt's habits over, the bad ones above all: events that are doubled or missing, a detach that is OK and not
//! done, a shut down that a guest ignores, a disk that pauses its machine when its folder is full. Time moves only by
//! [`SimulatedHost::tick`]; there is no chance in it: whoever wants some sets manners and crashes from its own seed.

mod boots;
mod disks;
mod folder;
mod machines;
mod moving;
mod networks;
mod outside;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hostler_model::command::Base;
use hostler_model::network::HostNetwork;
use hostler_model::seen::{Power, Seen};
use hostler_model::time::Ms;
use hostler_model::{Code, Refusal};
use uuid::Uuid;

pub use folder::{LibraryFile, SharedFolder};
pub use moving::Doors;
pub use outside::Outside;

use crate::Trouble;

/// A simulated host. A clone is another handle on the same host.
#[derive(Clone)]
pub struct SimulatedHost {
    inner: Arc<Mutex<Inner>>,
    /// On whose account the calls over this handle are counted.
    by: Option<Arc<str>>,
}

/// How a machine's guest behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// How long after it was asked it shuts down; none: never.
    pub shuts_down_after_ms: Option<Ms>,
    /// How long after it was asked it lets go of a disk; none: never while it runs.
    pub lets_go_after_ms: Option<Ms>,
}

impl Manners {
    /// A guest that does what it is asked, a disk at once.
    pub const GOOD: Manners = Manners { shuts_down_after_ms: Some(5_000), lets_go_after_ms: Some(0) };
    /// A guest that hears nothing: firmware without an operating system.
    pub const DEAF: Manners = Manners { shuts_down_after_ms: None, lets_go_after_ms: None };
}

/// Something that took effect on a host, for counting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effect {
    /// On whose account, as given to [`SimulatedHost::by`]; none from outside.
    pub by: Option<String>,
    /// What.
    pub what: What,
    /// The domain or the file.
    pub on: String,
}

/// Kinds of effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A machine was defined.
    Defined,
    /// A definition was removed.
    Undefined,
    /// A machine was started or restored.
    Started,
    /// A guest was asked to shut down.
    AskedToShutDown,
    /// Power was cut.
    TurnedOff,
    /// Processors were stopped.
    Paused,
    /// Processors were let run.
    Resumed,
    /// The reset button was pressed.
    Reset,
    /// Memory was saved.
    Saved,
    /// A saved state was discarded.
    Discarded,
    /// Processors or memory were changed.
    HardwareSet,
    /// A title was written.
    Retitled,
    /// A disk was attached.
    Attached,
    /// A guest was asked to let go of a disk.
    AskedToDetach,
    /// A medium was changed.
    MediaSet,
    /// An identity was written.
    Adopted,
    /// A disk file was made.
    DiskMade,
    /// A disk file was deleted.
    DiskDeleted,
    /// A base was brought.
    BaseBrought,
    /// Bases were sent to another host.
    BaseSent,
    /// The computer was restarted, or shut down and switched on.
    Restarted,
    /// A machine was moved to another host.
    Migrated,
    /// A folder was made.
    FolderMade,
    /// A network was made.
    NetworkMade,
    /// A network was removed.
    NetworkRemoved,
}

/// Where in a call the agent dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashWhen {
    /// Before its effect.
    Before,
    /// In the midst of it: a disk file is left unfinished. Other calls take effect.
    Halfway,
    /// After its effect, before anybody knows.
    After,
}

struct Inner {
    number: u64,
    now: Ms,
    up: bool,
    answers: bool,
    /// Where in the next hand-over libvirt falls silent.
    silent_in_move: Option<CrashWhen>,
    loses_events: bool,
    locks_images: bool,
    machines: BTreeMap<Uuid, Machine>,
    manners: BTreeMap<Uuid, Manners>,
    default_manners: Manners,
    folders: BTreeMap<String, SharedFolder>,
    bases: BTreeMap<String, Base>,
    changed: Vec<Uuid>,
    effects: BTreeMap<Effect, u32>,
    /// Which start of the computer this is.
    boot: String,
    crash: Option<Break>,
    crashed: bool,
    doors: Option<Doors>,
    /// The tickets that this host's agent waits for.
    receiving: BTreeSet<String>,
    /// Machines that are to start with the host again once a move has ended here.
    autostarts: BTreeSet<Uuid>,
    networks: Vec<HostNetwork>,
    /// Networks on trial, and until when.
    trials: BTreeMap<Uuid, Ms>,
    removed_networks: BTreeMap<Uuid, HostNetwork>,
}

/// A call to come that will not return.
#[derive(Clone, Copy, Debug)]
struct Break {
    /// At which changing call from now, from 1.
    left: u32,
    when: CrashWhen,
    /// Whether the agent dies with it.
    dies: bool,
}

/// A machine as its hypervisor holds it.
#[derive(Clone, Debug)]
struct Machine {
    /// What is defined, and the power.
    seen: Seen,
    /// What the running process has open, by target; empty when there is none.
    live: BTreeMap<String, Live>,
    /// When the guest will have shut down.
    shuts_down_at: Option<Ms>,
    /// How often it was started.
    runs: u64,
    /// Whether the memory that is saved is of a machine that stood still.
    saved_paused: bool,
}

/// A disk or drive of a running machine.
#[derive(Clone, Debug)]
struct Live {
    file: Option<String>,
    /// The guest was asked to let go and does so at this time, or never.
    leaving: Option<Option<Ms>>,
}

impl SimulatedHost {
    /// A host with one folder of its own, at `vm_folder`. `number` tells hosts apart that share a folder.
    pub fn new(number: u64, vm_folder: &str, capacity_bytes: u64) -> Self {
        let own = SharedFolder::new(capacity_bytes);
        Self {
            inner: Arc::new(Mutex::new(Inner {
                number,
                now: 0,
                up: true,
                answers: true,
                silent_in_move: None,
                loses_events: false,
                locks_images: true,
                machines: BTreeMap::new(),
                manners: BTreeMap::new(),
                default_manners: Manners::GOOD,
                folders: BTreeMap::from([(vm_folder.trim_end_matches('/').to_owned(), own)]),
                bases: BTreeMap::new(),
                changed: Vec::new(),
                effects: BTreeMap::new(),
                boot: String::new(),
                crash: None,
                crashed: false,
                doors: None,
                receiving: BTreeSet::new(),
                autostarts: BTreeSet::new(),
                networks: Vec::new(),
                trials: BTreeMap::new(),
                removed_networks: BTreeMap::new(),
            })),
            by: None,
        }
    }

    /// Another handle on the same host, whose effects are counted on this account: a step's mark, say, or its number.
    #[must_use]
    pub fn by(&self, account: impl Into<Arc<str>>) -> Self {
        Self { inner: Arc::clone(&self.inner), by: Some(account.into()) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // How it is set up.

    /// Lets the host see a folder at this path, its own or one that other hosts see too.
    pub fn mount(&self, path: &str, folder: SharedFolder) {
        self.lock().folders.insert(path.trim_end_matches('/').to_owned(), folder);
    }

    /// The folder in which this path lies.
    pub fn folder(&self, path: &str) -> Option<SharedFolder> {
        self.lock().folder(path).ok()
    }

    /// How guests behave that have no manners of their own.
    pub fn set_default_manners(&self, manners: Manners) {
        self.lock().default_manners = manners;
    }

    /// How a machine's guest behaves from now on, also when it is defined later.
    pub fn set_manners(&self, domain: Uuid, manners: Manners) {
        self.lock().manners.insert(domain, manners);
    }

    /// Whether QEMU's image lock holds: true at first. Without it a file can be open twice, and
    /// [`SharedFolder::opened_twice`] tells.
    pub fn set_locks_images(&self, locks: bool) {
        self.lock().locks_images = locks;
    }

    /// Whether events are lost from now on.
    pub fn set_loses_events(&self, loses: bool) {
        self.lock().loses_events = loses;
    }

    /// Whether libvirt answers: false fails every call.
    pub fn set_answers(&self, answers: bool) {
        self.lock().answers = answers;
    }

    /// Whether it does.
    pub fn answers(&self) -> bool {
        self.lock().answers
    }

    /// Lets the connection to libvirt break in the next hand-over of a migration, and libvirt answer nothing from then on;
    /// with nothing, no more.
    pub fn silence_in_move(&self, when: Option<CrashWhen>) {
        self.lock().silent_in_move = when;
    }

    // Time and power.

    /// Lets time pass: guests do what they were asked, full folders pause their machines.
    pub fn tick(&self, now: Ms) {
        let mut inner = self.lock();
        inner.tick(now);
        inner.end_trials();
    }

    /// When something is next due to happen by itself.
    pub fn next_due(&self) -> Option<Ms> {
        let inner = self.lock();
        let due = |machine: &Machine| {
            let leaving = machine.live.values().filter_map(|live| live.leaving.flatten());
            machine
                .shuts_down_at
                .into_iter()
                .chain(leaving)
                .filter(|_| machine.seen.power.is_on() && !machine.seen.power.is_paused())
                .min()
        };
        let trials = inner.trials.values().copied();
        inner.machines.values().filter_map(due).chain(trials).min()
    }

    /// The power of the whole computer fails: every machine is off, nothing answers.
    pub fn power_off(&self) {
        let mut inner = self.lock();
        inner.up = false;
        let on: Vec<Uuid> =
            inner.machines.values().filter(|m| m.seen.power.is_on()).map(|m| m.seen.domain).collect();
        for domain in on {
            inner.stop(domain, Power::Off);
        }
        inner.changed.clear();
        inner.crash = None;
        inner.crashed = false;
        inner.receiving.clear();
    }

    /// The computer has started again; its machines are off.
    pub fn power_on(&self) {
        self.lock().up = true;
    }

    /// Whether the computer is on.
    pub fn is_up(&self) -> bool {
        self.lock().up
    }

    // The agent's death.

    /// Lets the agent die at the `nth` (from 1) changing call from now.
    pub fn crash_at(&self, nth: u32, when: CrashWhen) {
        self.lock().crash = Some(Break { left: nth.max(1), when, dies: true });
    }

    /// Lets the connection to libvirt break in the `nth` (from 1) changing call from now; the agent lives on.
    pub fn interrupt_at(&self, nth: u32, when: CrashWhen) {
        self.lock().crash = Some(Break { left: nth.max(1), when, dies: false });
    }

    /// Whether the agent has died in a call. Until [`SimulatedHost::agent_restarted`] no call has an effect.
    pub fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// A new run of the agent calls from now on.
    pub fn agent_restarted(&self) {
        let mut inner = self.lock();
        inner.crash = None;
        inner.crashed = false;
        inner.changed.clear();
        inner.receiving.clear();
        inner.take_trials_back();
    }

    // What can be learned from outside.

    /// The machines that events named since the last time, in order, some of them twice.
    pub fn take_changed(&self) -> Vec<Uuid> {
        std::mem::take(&mut self.lock().changed)
    }

    /// Every machine as it truly is, whoever answers.
    pub fn truth(&self) -> Vec<Seen> {
        self.lock().machines.values().map(|machine| machine.seen.clone()).collect()
    }

    /// The power of every machine as it truly is.
    pub fn powers(&self) -> BTreeMap<Uuid, Power> {
        self.lock().machines.iter().map(|(domain, machine)| (*domain, machine.seen.power)).collect()
    }

    /// One machine as it truly is.
    pub fn truth_of(&self, domain: Uuid) -> Option<Seen> {
        self.lock().machines.get(&domain).map(|machine| machine.seen.clone())
    }

    /// How often each thing took effect.
    pub fn effects(&self) -> BTreeMap<Effect, u32> {
        self.lock().effects.clone()
    }

    /// Gives each effect to `look`, without a copy.
    pub fn each_effect(&self, mut look: impl FnMut(&Effect, u32)) {
        for (effect, times) in &self.lock().effects {
            look(effect, *times);
        }
    }

    /// The bases the host has.
    pub fn bases(&self) -> BTreeSet<String> {
        self.lock().bases.keys().cloned().collect()
    }

    /// Removes a base behind the agent's back.
    pub fn lose_base(&self, sha256: &str) {
        self.lock().bases.remove(sha256);
    }

    // Calls.

    /// A call that changes nothing.
    fn look<T>(&self, act: impl FnOnce(&Inner) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let inner = self.lock();
        inner.answering()?;
        act(&inner)
    }

    /// A call that changes something: counted, and open to a crash.
    fn change<T>(
        &self,
        what: What,
        on: impl ToString,
        act: impl FnOnce(&mut Inner, Option<CrashWhen>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut inner = self.lock();
        inner.answering()?;
        let crash = inner.crash_now();
        if crash == Some(CrashWhen::Before) {
            return Err(died());
        }
        let result = act(&mut inner, crash);
        if result.is_ok() {
            let by = self.by.as_deref().map(str::to_owned);
            *inner.effects.entry(Effect { by, what, on: on.to_string() }).or_default() += 1;
        }
        if crash.is_some() { Err(died()) } else { result }
    }
}

fn died() -> Trouble {
    Trouble::Interrupted("the call did not return".into())
}

fn failed(code: Code, object: impl Into<String>, cause: impl Into<String>) -> Trouble {
    Trouble::Failed(Refusal::new(code, object, cause))
}

impl Inner {
    fn answering(&self) -> Result<(), Trouble> {
        if self.crashed || !self.up {
            return Err(died());
        }
        if !self.answers {
            return Err(failed(Code::HypervisorFailed, "libvirt", "libvirt does not answer"));
        }
        Ok(())
    }

    fn crash_now(&mut self) -> Option<CrashWhen> {
        let planned = self.crash.as_mut()?;
        planned.left -= 1;
        if planned.left > 0 {
            return None;
        }
        let Break { when, dies, .. } = *planned;
        self.crash = None;
        self.crashed = dies;
        Some(when)
    }

    /// The folder in which a path lies: the one with the longest path.
    fn folder(&self, file: &str) -> Result<SharedFolder, Trouble> {
        self.folders
            .iter()
            .rev()
            .find(|(path, _)| file.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/')))
            .map(|(_, folder)| folder.clone())
            .ok_or_else(|| {
                Trouble::Refused(Refusal::new(
                    Code::PathForbidden,
                    file,
                    "it is outside the folders of this computer",
                ))
            })
    }

    fn event(&mut self, domain: Uuid, times: usize) {
        if !self.loses_events {
            self.changed.extend(std::iter::repeat_n(domain, times));
        }
    }

    fn manners(&self, domain: Uuid) -> Manners {
        self.manners.get(&domain).copied().unwrap_or(self.default_manners)
    }
}
