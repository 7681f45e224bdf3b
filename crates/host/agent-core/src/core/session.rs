//! What is heard from the server and what is said to it.

use hostler_model::channel::{
    Fact, FromAgent, Hello, OLDEST_PROTOCOL, PROTOCOL, Query, Report, ReportBody, ToAgent,
};
use hostler_model::command::Outcome;
use hostler_model::time::Ms;
use hostler_model::{Code, Refusal, SessionId, StepNo};

use super::{Core, MOST_QUESTIONS, PICTURE_PATIENCE_MS, PROGRESS_EVERY_MS};
use crate::journal::JournalEntry;
use crate::say::{Output, Task};
use crate::steps::{Is, Step};

/// The connection to the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// None, or one that is being closed.
    None,
    /// Open; hello waits until this run's number is durable.
    Open,
    /// Hello was said.
    Greeted,
    Session(Session),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The epoch it belongs to is durable from this position on.
    pub(super) usable_from: u64,
    /// The listing that its next picture waits for.
    pub(super) picture: Option<u64>,
    /// That listing is there.
    pub(super) picture_due: bool,
    /// Answers and facts go out: the first picture was sent, or cannot be had for now.
    pub(super) speaking: bool,
    /// When they go out without a picture.
    pub(super) speak_at: Ms,
    /// Questions that are answered after a listing: which, and the question.
    pub(super) refreshing: Vec<(u64, u64, Query)>,
}

impl Core {
    pub(super) fn hear(&mut self, now: Ms, message: ToAgent, out: &mut Vec<Output>) {
        if matches!(self.link, Link::None | Link::Open) {
            return;
        }
        self.last_heard = now;
        match message {
            ToAgent::Welcome { session, epoch } => self.welcome(now, session, epoch, out),
            ToAgent::Bye { .. } => self.close("the server said good-bye", out),
            // Streams are opened where the connection is; nothing of them is journalled.
            ToAgent::Heartbeat | ToAgent::Open { .. } | ToAgent::Unknown => {}
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
                    match &query {
                        Query::Refresh { refresher } if refresher.lists_machines() => {
                            self.refresh(question, query, out);
                        }
                        _ => out.push(Output::Ask { session, question, query }),
                    }
                } else {
                    let refusal = Refusal::new(Code::TooManyRequests, "host", "too many questions at a time")
                        .remedy("Ask again in a moment");
                    self.send(now, FromAgent::Answer { question, answer: Err(refusal) }, out);
                }
            }
        }
    }

    /// Reads all machines and tells the server what they look like; the question itself is answered after that.
    fn refresh(&mut self, question: u64, query: Query, out: &mut Vec<Output>) {
        let number = self.want_list(out);
        if let Link::Session(session) = &mut self.link {
            session.picture = Some(number);
            session.refreshing.push((number, question, query));
        }
    }

    /// A listing is over: what waited for it is answered now, or was in vain.
    pub(super) fn refreshed(
        &mut self,
        now: Ms,
        number: u64,
        failed: Option<&Refusal>,
        out: &mut Vec<Output>,
    ) {
        let Link::Session(session) = &mut self.link else { return };
        let (over, left) =
            std::mem::take(&mut session.refreshing).into_iter().partition(|(wanted, ..)| *wanted <= number);
        session.refreshing = left;
        let (session, over): (SessionId, Vec<(u64, u64, Query)>) = (session.id, over);
        for (_, question, query) in over {
            match failed {
                None => out.push(Output::Ask { session, question, query }),
                Some(refusal) => {
                    self.asked.remove(&question);
                    self.send(now, FromAgent::Answer { question, answer: Err(refusal.clone()) }, out);
                }
            }
        }
    }

    pub(super) fn welcome(&mut self, now: Ms, id: SessionId, epoch: u32, out: &mut Vec<Output>) {
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
            refreshing: Vec::new(),
        });
    }

    pub(super) fn close(&mut self, why: &'static str, out: &mut Vec<Output>) {
        self.link = Link::None;
        self.late.clear();
        self.asked.clear();
        out.push(Output::Disconnect { why });
    }

    /// The session in which reports may be sent now.
    pub(super) fn usable(&self) -> Option<SessionId> {
        match &self.link {
            Link::Session(session) if session.speaking && self.synced >= session.usable_from => {
                Some(session.id)
            }
            _ => None,
        }
    }

    pub(super) fn speak(&mut self, now: Ms, out: &mut Vec<Output>) {
        if self.link == Link::Open && self.synced >= self.ready {
            self.link = Link::Greeted;
            self.host_told = true;
            let hello = Hello {
                protocol: PROTOCOL,
                oldest: OLDEST_PROTOCOL,
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
        // Also what changed after the hello and before there was a session to say it in.
        if !self.host_told {
            self.host_told = true;
            let body = ReportBody::Host { host: Box::new(self.host.clone()) };
            self.report(now, session, Vec::new(), body, out);
        }
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

    pub(super) fn progress(&mut self, now: Ms, no: StepNo, done: u64, of: u64, out: &mut Vec<Output>) {
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

    pub(super) fn report(
        &mut self,
        now: Ms,
        session: SessionId,
        facts: Vec<Fact>,
        body: ReportBody,
        out: &mut Vec<Output>,
    ) {
        let report = Report { session, journal: self.journal, run: self.run, facts, body };
        self.send(now, FromAgent::Report(Box::new(report)), out);
    }

    pub(super) fn send(&mut self, now: Ms, message: FromAgent, out: &mut Vec<Output>) {
        self.last_sent = now;
        out.push(Output::Send(message));
    }
}

fn too_late(no: StepNo) -> Refusal {
    let cause = "the step came after the server had declared it over; it did not begin";
    Refusal::new(Code::AgentInterrupted, format!("step {no}"), cause).remedy("Ask for the job again")
}
