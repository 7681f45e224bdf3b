//! The state machine: sessions, the journal's order, and what leads from one to the other.

mod session;
mod steps;

use std::collections::{BTreeSet, VecDeque};

use hostler_model::channel::{FromAgent, HEARTBEAT_MS};
use hostler_model::command::Outcome;
use hostler_model::host::{HostFacts, Load};
use hostler_model::time::Ms;
use hostler_model::{Code, Refusal, SessionId, StepNo};
use uuid::Uuid;

use self::session::Link;
use crate::journal::JournalEntry;
use crate::picture::Picture;
use crate::read::Read;
use crate::say::{Identity, Input, Output, Task};
use crate::steps::{Is, Listing, Steps};

/// How long the server may be silent before the connection is given up: three of its heartbeats and a bit.
pub const SILENCE_MS: Ms = 3 * HEARTBEAT_MS + 1_000;
/// How often all machines are read although no event asked for it: libvirt raises none for many changes *(tried)*.
pub const LIST_EVERY_MS: Ms = 30_000;
/// After how long a listing that failed is tried again.
pub const LIST_RETRY_MS: Ms = 2_000;
/// How long answers of a new session wait for its first picture: while libvirt hangs they go without.
pub const PICTURE_PATIENCE_MS: Ms = 30_000;
/// How often the progress of one step is told.
pub const PROGRESS_EVERY_MS: Ms = 500;
/// How many questions are answered at the same time: each may hold a connection to libvirt for seconds.
pub const MOST_QUESTIONS: usize = 8;
/// How many entries a journal may have beyond four for each step it must remember, before it is worth compacting.
pub const COMPACT_ABOVE: usize = 1_024;

/// The agent's state machine.
#[derive(Debug)]
pub struct Core {
    me: Identity,
    journal: Uuid,
    run: u64,
    epoch: u32,
    steps: Steps,
    picture: Picture,
    host: HostFacts,
    /// Whether the server was told what the host is like since that last changed.
    host_told: bool,
    load: Load,

    /// The position of the newest entry.
    written: u64,
    /// Up to where entries are durable.
    synced: u64,
    /// From where on this run may speak: its number is durable.
    ready: u64,
    /// The position of the newest floor.
    floor_at: u64,
    /// Entries in the journal, about.
    entries: usize,
    /// Steps whose intent is not durable yet, in order of position.
    intents: VecDeque<(u64, StepNo)>,

    link: Link,
    /// Ended steps whose outcome is to be told.
    owed: BTreeSet<StepNo>,
    /// Latecomers from below the floor, to be refused.
    late: BTreeSet<StepNo>,
    asked: BTreeSet<u64>,
    last_sent: Ms,
    last_heard: Ms,

    /// The listing that is under way, and where the count of readings stood when it began.
    listing: Option<(u64, u64)>,
    /// Listings that were begun.
    listings: u64,
    /// Another one is to begin when this one is done.
    list_again: bool,
    /// When the next one is due.
    list_at: Ms,
}

impl Core {
    /// A new run of the agent, from its journal. `fresh` is a random id for the case that the journal is new.
    /// The first outputs are written to `out`.
    pub fn load(
        entries: impl IntoIterator<Item = JournalEntry>,
        me: Identity,
        fresh: Uuid,
        now: Ms,
        out: &mut Vec<Output>,
    ) -> Self {
        let read = Read::new(entries, me.installation);
        let mut core = Self {
            journal: read.journal.unwrap_or(fresh),
            run: read.run + 1,
            epoch: read.epoch,
            steps: read.steps,
            me,
            picture: Picture::default(),
            host: HostFacts::default(),
            host_told: false,
            load: Load::default(),
            written: 0,
            synced: 0,
            ready: 0,
            floor_at: 0,
            entries: read.entries,
            intents: VecDeque::new(),
            link: Link::None,
            owed: BTreeSet::new(),
            late: BTreeSet::new(),
            asked: BTreeSet::new(),
            last_sent: now,
            last_heard: now,
            listing: None,
            listings: 0,
            list_again: false,
            list_at: now,
        };
        if read.journal.is_none() {
            core.write(JournalEntry::Journal { journal: fresh }, out);
        }
        if read.installation != Some(core.me.installation) {
            core.write(JournalEntry::Epoch { installation: core.me.installation, epoch: 0 }, out);
        }
        core.ready = core.write(JournalEntry::Run { run: core.run }, out);
        for step in core.steps.all.values() {
            if let Is::AtWork { task, .. } = &step.is {
                out.push(Output::Probe(task.clone()));
            }
        }
        core
    }

    /// The journal's id.
    pub fn journal(&self) -> Uuid {
        self.journal
    }

    /// Which start of the agent this is.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// The highest epoch met.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether a session is open.
    pub fn session(&self) -> Option<SessionId> {
        match &self.link {
            Link::Session(session) => Some(session.id),
            Link::None | Link::Open | Link::Greeted => None,
        }
    }

    /// How many steps have begun and not ended.
    pub fn at_work(&self) -> usize {
        self.steps.all.values().filter(|step| matches!(step.is, Is::AtWork { .. })).count()
    }

    /// Whether a step has ended of which the server of this session was not told yet.
    pub fn owes(&self) -> bool {
        self.session().is_some() && !self.owed.is_empty()
    }

    /// Takes in what happened at `now`, milliseconds on a clock that never goes back, and appends to `out` what is to
    /// be done, in order.
    pub fn handle(&mut self, now: Ms, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Connected => {
                self.link = Link::Open;
                self.late.clear();
                self.asked.clear();
                self.last_heard = now;
            }
            Input::FromServer(message) => self.hear(now, message, out),
            Input::Cut => {
                self.link = Link::None;
                self.late.clear();
                self.asked.clear();
            }
            Input::Synced(position) => self.durable(position, out),
            Input::Ended { no, outcome } => self.ended(no, outcome, out),
            Input::Progress { no, done, of } => self.progress(now, no, done, of, out),
            Input::Observed { domain, seen } => self.picture.observed(domain, seen),
            Input::Everything => {
                self.want_list(out);
            }
            Input::Listed(all) => {
                let Some((number, since)) = self.listing.take() else { return };
                for domain in self.picture.listed(all, since) {
                    out.push(Output::Read { domain });
                }
                self.listed(now, number, None, out);
            }
            Input::ListFailed => {
                let Some((number, _)) = self.listing.take() else { return };
                let refusal = Refusal::new(Code::HypervisorFailed, "host", "the machines could not be read")
                    .remedy("Look whether libvirt runs on the host");
                self.listed(now, number, Some(refusal), out);
            }
            Input::HostFacts(facts) => {
                if self.host != *facts {
                    self.host = *facts;
                    self.host_told = false;
                }
            }
            Input::Load(load) => self.load = load,
            Input::Answered { session, question, answer } => {
                if self.session() == Some(session) && self.asked.remove(&question) {
                    self.send(now, FromAgent::Answer { question, answer }, out);
                }
            }
            Input::Time => self.time(now, out),
        }
        self.begin_what_may(out);
        self.speak(now, out);
    }

    /// When [`Input::Time`] is to be handed in, at the latest.
    pub fn next_time(&self) -> Ms {
        let listing = if self.listing.is_none() { self.list_at } else { Ms::MAX };
        let link = match &self.link {
            Link::None | Link::Open => Ms::MAX,
            Link::Greeted => self.last_heard + SILENCE_MS,
            Link::Session(session) => {
                let speak = if session.speaking { Ms::MAX } else { session.speak_at };
                speak.min(self.last_sent + HEARTBEAT_MS).min(self.last_heard + SILENCE_MS)
            }
        };
        listing.min(link)
    }

    fn time(&mut self, now: Ms, out: &mut Vec<Output>) {
        if self.listing.is_none() && now >= self.list_at {
            self.want_list(out);
        }
        if matches!(self.link, Link::Greeted | Link::Session(_)) && now >= self.last_heard + SILENCE_MS {
            self.close("the server is silent", out);
        }
        if let Link::Session(session) = &mut self.link {
            session.speaking |= now >= session.speak_at;
            if now >= self.last_sent + HEARTBEAT_MS {
                self.send(now, FromAgent::Heartbeat { load: self.load.clone() }, out);
            }
        }
    }

    // Journal.

    fn write(&mut self, entry: JournalEntry, out: &mut Vec<Output>) -> u64 {
        self.written += 1;
        self.entries += 1;
        out.push(Output::Write { position: self.written, entry });
        self.written
    }

    fn durable(&mut self, position: u64, out: &mut Vec<Output>) {
        self.synced = self.synced.max(position.min(self.written));
        while let Some((position, no)) = self.intents.front().copied() {
            if position > self.synced {
                break;
            }
            self.intents.pop_front();
            self.begin(no, position, out);
        }
    }

    /// Whether the journal holds much that need not be remembered.
    pub fn wants_compacting(&self) -> bool {
        self.entries > COMPACT_ABOVE + 4 * self.steps.all.len()
    }

    /// What the journal must hold, and nothing else. The caller puts these entries in place of all others, durably
    /// and at once, and then says [`Input::Synced`] with the newest position it was given.
    pub fn compact(&mut self) -> Vec<JournalEntry> {
        let mut entries = vec![
            JournalEntry::Journal { journal: self.journal },
            JournalEntry::Epoch { installation: self.me.installation, epoch: self.epoch },
            JournalEntry::Run { run: self.run },
            JournalEntry::Floor { no: self.steps.floor },
        ];
        for (no, step) in &self.steps.all {
            match &step.is {
                Is::Waiting(_) => {}
                Is::Intent { task, .. } | Is::AtWork { task, .. } => entries.push(intent(task)),
                Is::Ended { outcome: Outcome::Revoked, .. } => {
                    entries.push(JournalEntry::Tombstone { no: *no });
                }
                Is::Ended { outcome, .. } => {
                    entries.push(JournalEntry::Outcome { no: *no, outcome: outcome.clone() });
                }
            }
        }
        self.entries = entries.len();
        entries
    }

    // Listings.

    /// Asks for a listing that begins from now on; answers with its number.
    fn want_list(&mut self, out: &mut Vec<Output>) -> u64 {
        if self.listing.is_some() {
            self.list_again = true;
            return self.listings + 1;
        }
        self.listings += 1;
        self.listing = Some((self.listings, self.picture.readings()));
        out.push(Output::List);
        self.listings
    }

    /// A listing is over.
    fn listed(&mut self, now: Ms, number: u64, failed: Option<Refusal>, out: &mut Vec<Output>) {
        self.list_at = now + if failed.is_some() { LIST_RETRY_MS } else { LIST_EVERY_MS };
        let mut over = Vec::new();
        for (no, step) in &mut self.steps.all {
            let Is::AtWork { listing: waits @ Listing::Awaited(_), ended, .. } = &mut step.is else {
                continue;
            };
            if matches!(waits, Listing::Awaited(wanted) if *wanted > number) {
                continue;
            }
            *waits = failed.clone().map_or(Listing::Enough, Listing::Failed);
            match (&failed, ended.take()) {
                (Some(refusal), Some(_)) => over.push((*no, Outcome::Failed { refusal: refusal.clone() })),
                (None, Some(outcome)) => over.push((*no, outcome)),
                (_, None) => {}
            }
        }
        for (no, outcome) in over {
            self.close_step(no, outcome, out);
        }
        if std::mem::take(&mut self.list_again) {
            self.want_list(out);
        }
        self.refreshed(now, number, failed.as_ref(), out);
        let Link::Session(session) = &mut self.link else { return };
        if session.picture.is_none_or(|wanted| wanted > number) {
            return;
        }
        if failed.is_some() {
            session.speaking = true;
            // The next listing that succeeds is the picture.
            session.picture = Some(self.listings + u64::from(self.listing.is_none()));
            return;
        }
        session.picture = None;
        session.picture_due = true;
    }
}

fn intent(task: &Task) -> JournalEntry {
    JournalEntry::Intent {
        no: task.no,
        mark: task.mark.clone(),
        undo: task.undo,
        command: task.command.clone(),
    }
}
