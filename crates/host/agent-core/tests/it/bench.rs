//! A core on a bench: a journal that syncs when told, and what came out, in words short enough to compare.

use hostler_agent_core::{Core, Identity, Input, JournalEntry, Output, Task};
use hostler_model::channel::{Fact, FromAgent, ReportBody, ToAgent};
use hostler_model::command::{Command, Mark, Outcome};
use hostler_model::seen::{Power, Seen};
use hostler_model::{AgentId, InstallationId, JobId, SessionId, StepNo};
use uuid::Uuid;

pub struct Bench {
    pub core: Core,
    pub now: u64,
    /// What was written, durable or not.
    pub journal: Vec<JournalEntry>,
    /// How many of them are durable.
    pub durable: usize,
    /// The journal's length when this run began.
    base: usize,
    /// Sync after each input by itself.
    pub syncs: bool,
}

pub fn me() -> Identity {
    Identity {
        agent: AgentId(Uuid::from_u128(1)),
        installation: InstallationId(Uuid::from_u128(2)),
        version: "1".into(),
        host_boot: "boot".into(),
    }
}

pub fn domain(n: u128) -> Uuid {
    Uuid::from_u128(1_000 + n)
}

pub fn start(n: u128) -> Command {
    Command::Start { domain: domain(n) }
}

pub fn task(no: u64, command: Command) -> Task {
    let mark = Mark { epoch: 1, job: JobId(no), step: "s".into() };
    Task { no: StepNo(no), mark, undo: false, command: Box::new(command) }
}

pub fn doing(no: u64, command: Command) -> Input {
    doing_above(no, 0, command)
}

pub fn doing_above(no: u64, floor: u64, command: Command) -> Input {
    let Task { no, mark, undo, command } = task(no, command);
    Input::FromServer(ToAgent::Do { no, floor: StepNo(floor), mark, undo, command })
}

pub fn revoking(no: u64) -> Input {
    Input::FromServer(ToAgent::Revoke { no: StepNo(no), floor: StepNo(0) })
}

pub fn welcome(session: u64, epoch: u32) -> Input {
    Input::FromServer(ToAgent::Welcome { session: SessionId(session), epoch })
}

pub fn ended(no: u64, outcome: Outcome) -> Input {
    Input::Ended { no: StepNo(no), outcome }
}

pub fn seen(n: u128, power: Power) -> Seen {
    Seen {
        domain: domain(n),
        name: format!("vm-{n}"),
        title: None,
        identity: None,
        power,
        cpus: 1,
        memory_mib: 64,
        disks: Vec::new(),
        adapters: Vec::new(),
        guest_agent: false,
        persistent: true,
        autostart: false,
        snapshots: Vec::new(),
    }
}

pub fn observed(n: u128, power: Power) -> Input {
    Input::Observed { domain: domain(n), seen: Some(Box::new(seen(n, power))) }
}

impl Bench {
    pub fn new() -> Self {
        Self::loaded(Vec::new()).0
    }

    /// A run from this journal, and what it says first.
    pub fn loaded(journal: Vec<JournalEntry>) -> (Self, Vec<String>) {
        let mut out = Vec::new();
        let core = Core::load(journal.clone(), me(), Uuid::from_u128(9), 0, &mut out);
        let base = journal.len();
        let mut bench = Self { core, now: 0, durable: base, base, journal, syncs: true };
        let mut words = bench.take(out);
        words.extend(bench.sync());
        (bench, words)
    }

    /// In a session, with an empty picture sent.
    pub fn in_session() -> Self {
        let mut bench = Self::new();
        bench.enter(1);
        bench
    }

    pub fn enter(&mut self, session: u64) {
        self.give(Input::Connected);
        self.give(welcome(session, 1));
        self.give(Input::Listed(Vec::new()));
    }

    /// The same agent after a crash: what was not durable is lost.
    pub fn crashed(mut self) -> (Self, Vec<String>) {
        self.journal.truncate(self.durable);
        Self::loaded(self.journal)
    }

    pub fn give(&mut self, input: Input) -> Vec<String> {
        let mut words = self.give_unsynced(input);
        if self.syncs {
            words.extend(self.sync());
        }
        words
    }

    fn give_unsynced(&mut self, input: Input) -> Vec<String> {
        let mut out = Vec::new();
        self.core.handle(self.now, input, &mut out);
        self.take(out)
    }

    pub fn sync(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while self.durable < self.journal.len() {
            self.durable = self.journal.len();
            words.extend(self.give_unsynced(Input::Synced((self.durable - self.base) as u64)));
        }
        words
    }

    fn take(&mut self, out: Vec<Output>) -> Vec<String> {
        let mut words = Vec::new();
        for output in out {
            if let Output::Write { position, entry } = &output {
                self.journal.push(entry.clone());
                assert_eq!(*position, (self.journal.len() - self.base) as u64);
            }
            words.push(in_words(&output));
        }
        words
    }
}

pub fn fact(fact: &Fact) -> String {
    let n = fact.domain.as_u128() - 1_000;
    let power = fact.seen.as_ref().map_or("gone", |seen| seen.power.words());
    format!("{n}:{power}@{}", fact.seq)
}

pub fn in_words(output: &Output) -> String {
    match output {
        Output::Write { entry, .. } => match entry {
            JournalEntry::Journal { .. } => "write journal".into(),
            JournalEntry::Run { run } => format!("write run {run}"),
            JournalEntry::Epoch { epoch, .. } => format!("write epoch {epoch}"),
            JournalEntry::Intent { no, .. } => format!("write intent {no}"),
            JournalEntry::Outcome { no, .. } => format!("write outcome {no}"),
            JournalEntry::Tombstone { no } => format!("write tombstone {no}"),
            JournalEntry::Floor { no } => format!("write floor {no}"),
            JournalEntry::Unknown => "write ?".into(),
        },
        Output::Begin(task) => format!("begin {}", task.no),
        Output::Probe(task) => format!("probe {}", task.no),
        Output::Abort { no } => format!("abort {no}"),
        Output::List => "list".into(),
        Output::Read { domain } => format!("read {}", domain.as_u128() - 1_000),
        Output::Ask { question, .. } => format!("ask {question}"),
        Output::Disconnect { .. } => "disconnect".into(),
        Output::Send(message) => match message {
            FromAgent::Hello(hello) => format!("hello run {} epoch {}", hello.run, hello.epoch),
            FromAgent::Progress { no, done, of } => format!("progress {no} {done}/{of}"),
            FromAgent::Heartbeat { .. } => "heartbeat".into(),
            FromAgent::Answer { question, answer } => {
                format!("answer {question} {}", if answer.is_ok() { "ok" } else { "no" })
            }
            FromAgent::Bye { .. } => "bye".into(),
            FromAgent::Unknown => "?".into(),
            FromAgent::Report(report) => {
                let facts: Vec<String> = report.facts.iter().map(fact).collect();
                let body = match &report.body {
                    ReportBody::Facts => "facts".into(),
                    ReportBody::Ended { no, outcome } => format!("ended {no} {}", outcome_word(outcome)),
                    ReportBody::Picture { as_of } => format!("picture as of {as_of}"),
                    ReportBody::Host { .. } => "host".into(),
                    ReportBody::Unknown => "?".into(),
                };
                format!("s{} {body} [{}]", report.session, facts.join(" "))
            }
        },
    }
}

pub fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "done",
        Outcome::Failed { .. } => "failed",
        Outcome::Refused { .. } => "refused",
        Outcome::Revoked => "revoked",
        Outcome::InDoubt { .. } => "in doubt",
        Outcome::Unknown => "?",
    }
}
