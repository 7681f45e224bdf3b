//! The state machine: sessions, the journal's order, and what leads from one to the other.

use std::collections::{BTreeSet, VecDeque};

use hostler_model::channel::{FromAgent, HEARTBEAT_MS, Hello, PROTOCOL, Report, ReportBody, ToAgent};
use hostler_model::command::{Command, Mark, Outcome};
use hostler_model::host::{HostFacts, Load};
use hostler_model::time::Ms;
use hostler_model::{Code, InstallationId, Refusal, SessionId, StepNo};
use uuid::Uuid;

use crate::journal::JournalEntry;
use crate::picture::Picture;
use crate::say::{Identity, Input, Output, Task};
use crate::steps::{Is, Listing, MOST_STEPS, Step, Steps};

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

/// The connection to the server.
#[derive(Debug, PartialEq, Eq)]
enum Link {
    /// None, or one that is being closed.
    None,
    /// Open; hello waits until this run's number is durable.
    Open,
    /// Hello was said.
    Greeted,
    Session(Session),
}

#[derive(Debug, PartialEq, Eq)]
struct Session {
    id: SessionId,
    /// The epoch it belongs to is durable from this position on.
    usable_from: u64,
    /// The listing that its next picture waits for.
    picture: Option<u64>,
    /// That listing is there.
    picture_due: bool,
    /// Answers and facts go out: the first picture was sent, or cannot be had for now.
    speaking: bool,
    /// When they go out without a picture.
    speak_at: Ms,
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

    /// Takes in what happened at `now`, milliseconds on a clock that never goes back, and appends to `out` what is to
    /// be done, in order.
    pub fn handle(&mut self, now: Ms, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Connected => {
                self.link = Link::Open;
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
                    if let Some(session) = self.usable() {
                        let body = ReportBody::Host { host: Box::new(self.host.clone()) };
                        self.report(now, session, Vec::new(), body, out);
                    }
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
                self.send(now, FromAgent::Heartbeat { load: self.load }, out);
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

    // The server's words.

    fn hear(&mut self, now: Ms, message: ToAgent, out: &mut Vec<Output>) {
        if matches!(self.link, Link::None | Link::Open) {
            return;
        }
        self.last_heard = now;
        match message {
            ToAgent::Welcome { session, epoch } => self.welcome(now, session, epoch, out),
            ToAgent::Bye { .. } => self.close("the server said good-bye", out),
            ToAgent::Heartbeat | ToAgent::Unknown => {}
            // What follows belongs to a session.
            _ if self.session().is_none() => {}
            ToAgent::Do { no, floor, mark, undo, command } => {
                self.raise_floor(floor, out);
                self.asked_to_do(Task { no, mark, undo, command });
            }
            ToAgent::Revoke { no, floor } => {
                self.raise_floor(floor, out);
                self.asked_to_revoke(no, out);
            }
            ToAgent::Picture => {
                let number = self.want_list(out);
                if let Link::Session(session) = &mut self.link {
                    session.picture = Some(number);
                }
            }
            ToAgent::Ask { question, query } => {
                let Some(session) = self.session() else { return };
                if self.asked.len() < MOST_QUESTIONS {
                    self.asked.insert(question);
                    out.push(Output::Ask { session, question, query });
                } else {
                    let refusal = Refusal::new(Code::TooManyRequests, "host", "too many questions at a time")
                        .remedy("Ask again in a moment");
                    self.send(now, FromAgent::Answer { question, answer: Err(refusal) }, out);
                }
            }
        }
    }

    fn welcome(&mut self, now: Ms, id: SessionId, epoch: u32, out: &mut Vec<Output>) {
        if epoch < self.epoch {
            let why = format!("epoch {epoch} is behind epoch {}, which this agent has met", self.epoch);
            self.send(now, FromAgent::Bye { why }, out);
            self.close("the server's epoch is behind", out);
            return;
        }
        let mut usable_from = 0;
        if epoch > self.epoch {
            self.epoch = epoch;
            usable_from = self.write(JournalEntry::Epoch { installation: self.me.installation, epoch }, out);
        }
        let picture = Some(self.want_list(out));
        let speak_at = now + PICTURE_PATIENCE_MS;
        self.link = Link::Session(Session {
            id,
            usable_from,
            picture,
            picture_due: false,
            speaking: false,
            speak_at,
        });
    }

    fn close(&mut self, why: &'static str, out: &mut Vec<Output>) {
        self.link = Link::None;
        self.late.clear();
        self.asked.clear();
        out.push(Output::Disconnect { why });
    }

    // Steps.

    fn raise_floor(&mut self, floor: StepNo, out: &mut Vec<Output>) {
        if floor <= self.steps.floor {
            return;
        }
        self.steps.raise_floor(floor);
        self.floor_at = self.write(JournalEntry::Floor { no: floor }, out);
        for no in self.steps.not_begun_below_floor() {
            self.bury(no, out);
        }
        let steps = &self.steps;
        self.owed.retain(|no| steps.all.contains_key(no));
    }

    fn asked_to_do(&mut self, task: Task) {
        let no = task.no;
        match self.steps.all.get(&no) {
            Some(Step { is: Is::Ended { .. }, .. }) => {
                self.owed.insert(no);
            }
            Some(_) => {}
            None if no < self.steps.floor => {
                self.late.insert(no);
            }
            None if self.steps.all.len() >= MOST_STEPS => {}
            None => self.steps.wait(task),
        }
    }

    fn asked_to_revoke(&mut self, no: StepNo, out: &mut Vec<Output>) {
        let full = self.steps.all.len() >= MOST_STEPS;
        match self.steps.all.get_mut(&no).map(|step| &mut step.is) {
            Some(Is::Ended { .. }) => {
                self.owed.insert(no);
            }
            Some(Is::AtWork { aborting, .. }) => {
                if !std::mem::replace(aborting, true) {
                    out.push(Output::Abort { no });
                }
            }
            Some(Is::Waiting(_) | Is::Intent { .. }) => self.bury(no, out),
            None if no < self.steps.floor => {
                self.late.insert(no);
            }
            None if full => {}
            None => self.bury(no, out),
        }
    }

    /// A step that has not begun never will.
    fn bury(&mut self, no: StepNo, out: &mut Vec<Output>) {
        let position = self.write(JournalEntry::Tombstone { no }, out);
        self.steps.end(no, Outcome::Revoked, position);
        self.owed.insert(no);
    }

    fn begin_what_may(&mut self, out: &mut Vec<Output>) {
        while let Some(task) = self.steps.next() {
            let no = task.no;
            let position = self.write(intent(&task), out);
            self.intents.push_back((position, no));
            if let Some(step) = self.steps.all.get_mut(&no) {
                step.is = Is::Intent { task, position };
            }
        }
    }

    fn begin(&mut self, no: StepNo, position: u64, out: &mut Vec<Output>) {
        let Some(step) = self.steps.all.get_mut(&no) else { return };
        let Is::Intent { task, position: intended } = &step.is else { return };
        if *intended != position {
            return;
        }
        let task = task.clone();
        let reads_host = matches!(*task.command, Command::ReadHost);
        step.is = Is::AtWork { task: task.clone(), aborting: false, ended: None, listing: Listing::Enough };
        out.push(Output::Begin(task));
        if reads_host {
            let number = self.want_list(out);
            if let Some(Step { is: Is::AtWork { listing, .. }, .. }) = self.steps.all.get_mut(&no) {
                *listing = Listing::Awaited(number);
            }
        }
    }

    fn ended(&mut self, no: StepNo, outcome: Outcome, out: &mut Vec<Output>) {
        let Some(Step { is: Is::AtWork { ended, listing, .. }, .. }) = self.steps.all.get_mut(&no) else {
            return;
        };
        let outcome = match listing {
            Listing::Awaited(_) => {
                *ended = Some(outcome);
                return;
            }
            Listing::Failed(refusal) => Outcome::Failed { refusal: refusal.clone() },
            Listing::Enough => outcome,
        };
        self.close_step(no, outcome, out);
    }

    fn close_step(&mut self, no: StepNo, outcome: Outcome, out: &mut Vec<Output>) {
        let position = self.write(JournalEntry::Outcome { no, outcome: outcome.clone() }, out);
        self.steps.end(no, outcome, position);
        self.owed.insert(no);
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

    // Speaking.

    /// The session in which reports may be sent now.
    fn usable(&self) -> Option<SessionId> {
        match &self.link {
            Link::Session(session) if session.speaking && self.synced >= session.usable_from => {
                Some(session.id)
            }
            _ => None,
        }
    }

    fn speak(&mut self, now: Ms, out: &mut Vec<Output>) {
        if self.link == Link::Open && self.synced >= self.ready {
            self.link = Link::Greeted;
            let hello = Hello {
                protocol: PROTOCOL,
                agent: self.me.agent,
                version: self.me.version.clone(),
                installation: self.me.installation,
                journal: self.journal,
                run: self.run,
                host_boot: self.me.host_boot.clone(),
                epoch: self.epoch,
                host: self.host.clone(),
            };
            self.send(now, FromAgent::Hello(Box::new(hello)), out);
        }
        let synced = self.synced;
        if let Link::Session(session @ Session { picture_due: true, .. }) = &mut self.link
            && synced >= session.usable_from
        {
            session.picture_due = false;
            session.speaking = true;
            let id = session.id;
            let (facts, as_of) = self.picture.whole();
            self.report(now, id, facts, ReportBody::Picture { as_of }, out);
        }
        let Some(session) = self.usable() else { return };
        let durable: Vec<StepNo> = self
            .owed
            .iter()
            .copied()
            .filter(|no| match self.steps.all.get(no).map(|step| &step.is) {
                Some(Is::Ended { position, .. }) => *position <= synced,
                _ => false,
            })
            .collect();
        for no in durable {
            self.owed.remove(&no);
            let Some(Step { is: Is::Ended { outcome, .. }, about, .. }) = self.steps.all.get(&no) else {
                continue;
            };
            let (outcome, about) = (outcome.clone(), *about);
            if no < self.steps.floor {
                self.steps.all.remove(&no);
            }
            let facts = self.picture.untold(about);
            self.report(now, session, facts, ReportBody::Ended { no, outcome }, out);
        }
        if self.floor_at <= synced {
            while let Some(no) = self.late.pop_first() {
                let outcome = Outcome::Refused { refusal: too_late(no) };
                self.report(now, session, Vec::new(), ReportBody::Ended { no, outcome }, out);
            }
        }
        if self.picture.has_untold() {
            let facts = self.picture.untold(None);
            self.report(now, session, facts, ReportBody::Facts, out);
        }
    }

    fn progress(&mut self, now: Ms, no: StepNo, done: u64, of: u64, out: &mut Vec<Output>) {
        if self.usable().is_none() {
            return;
        }
        let Some(step @ Step { is: Is::AtWork { .. }, .. }) = self.steps.all.get_mut(&no) else { return };
        if step.told_progress.is_some_and(|told| now < told + PROGRESS_EVERY_MS) {
            return;
        }
        step.told_progress = Some(now);
        self.send(now, FromAgent::Progress { no, done, of }, out);
    }

    fn report(
        &mut self,
        now: Ms,
        session: SessionId,
        facts: Vec<hostler_model::channel::Fact>,
        body: ReportBody,
        out: &mut Vec<Output>,
    ) {
        let report = Report { session, journal: self.journal, run: self.run, facts, body };
        self.send(now, FromAgent::Report(Box::new(report)), out);
    }

    fn send(&mut self, now: Ms, message: FromAgent, out: &mut Vec<Output>) {
        self.last_sent = now;
        out.push(Output::Send(message));
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

fn too_late(no: StepNo) -> Refusal {
    let cause = "the step came after the server had declared it over; it did not begin";
    Refusal::new(Code::AgentInterrupted, format!("step {no}"), cause).remedy("Ask for the job again")
}

/// What a journal says.
struct Read {
    journal: Option<Uuid>,
    run: u64,
    installation: Option<InstallationId>,
    epoch: u32,
    steps: Steps,
    entries: usize,
}

impl Read {
    fn new(entries: impl IntoIterator<Item = JournalEntry>, mine: InstallationId) -> Self {
        let (mut journal, mut run, mut installation, mut epoch, mut count) = (None, 0, None, 0, 0);
        let mut begun: std::collections::BTreeMap<StepNo, (Mark, bool, Box<Command>)> = Default::default();
        let mut steps = Steps::default();
        for entry in entries {
            count += 1;
            match entry {
                JournalEntry::Journal { journal: id } => journal = Some(id),
                JournalEntry::Run { run: at } => run = run.max(at),
                JournalEntry::Epoch { installation: of, epoch: at } => {
                    if installation.is_some_and(|before| before != of) {
                        (begun, steps, epoch) = (Default::default(), Steps::default(), 0);
                    }
                    installation = Some(of);
                    epoch = epoch.max(at);
                }
                JournalEntry::Intent { no, mark, undo, command } => {
                    begun.insert(no, (mark, undo, command));
                }
                JournalEntry::Outcome { no, outcome } => {
                    begun.remove(&no);
                    steps.end(no, outcome, 0);
                }
                JournalEntry::Tombstone { no } => {
                    begun.remove(&no);
                    steps.end(no, Outcome::Revoked, 0);
                }
                JournalEntry::Floor { no } => steps.raise_floor(no),
                JournalEntry::Unknown => {}
            }
        }
        if installation != Some(mine) {
            (begun, steps, epoch) = (Default::default(), Steps::default(), 0);
        }
        for (no, (mark, undo, command)) in begun {
            steps.doubt(Task { no, mark, undo, command });
        }
        Self { journal, run, installation, epoch, steps, entries: count }
    }
}
