//! What waits in the queue and can still become newer there: facts and progress, of which only the newest word counts.
//! A slow moment of the decision thread then costs one place in the queue for each agent, however much its host has to
//! say. Answers to steps and pictures are never touched, and nothing passes them: what is said after one waits behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hostler_engine::Input;
use hostler_model::channel::{Report, ReportBody};
use hostler_model::job::Doer;
use hostler_model::{AgentId, StepNo};

/// How many facts one place in the queue holds. More is more than the machines of a large host, and takes another place,
/// so that what an agent may keep in the queue is bounded by the queue.
const MOST_FACTS: usize = 1_024;

/// An input in the queue that its sender may still make newer.
#[derive(Clone, Debug)]
pub(crate) struct Pending(Arc<Mutex<Option<Input>>>);

impl Pending {
    fn new(input: Input) -> Self {
        Self(Arc::new(Mutex::new(Some(input))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Input>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it out: from now on it is decided on.
    pub(crate) fn take(&self) -> Option<Input> {
        self.lock().take()
    }
}

/// How an input gets into the queue.
#[derive(Debug)]
pub(crate) enum Way {
    /// It became part of what waits already.
    Merged,
    /// In a place of its own, in which it can become newer.
    Newer(Pending),
    /// In a place of its own, as it is.
    AsItIs(Input),
}

/// What one session has in the queue that can become newer.
#[derive(Default)]
pub(crate) struct Waiting {
    /// The last report, where it holds nothing but facts.
    facts: Option<Pending>,
    progress: HashMap<StepNo, Pending>,
}

impl Waiting {
    /// Facts and whatever else there is in a report.
    pub(crate) fn report(&mut self, agent: AgentId, report: Box<Report>) -> Way {
        if report.body != ReportBody::Facts {
            // What follows must not pass it.
            self.facts = None;
            if let ReportBody::Ended { no, .. } = &report.body {
                self.progress.remove(no);
            }
            return Way::AsItIs(Input::Report { agent, report });
        }
        let report = match &self.facts {
            Some(pending) => match merge(&mut pending.lock(), report) {
                None => return Way::Merged,
                Some(report) => report,
            },
            None => report,
        };
        let pending = Pending::new(Input::Report { agent, report });
        self.facts = Some(pending.clone());
        Way::Newer(pending)
    }

    /// How far a step is.
    pub(crate) fn progress(&mut self, agent: AgentId, no: StepNo, done: u64, of: u64) -> Way {
        let input = Input::Progress { by: Doer::Agent(agent), no, done, of };
        if let Some(pending) = self.progress.get(&no)
            && let waiting @ Some(_) = &mut *pending.lock()
        {
            *waiting = Some(input);
            return Way::Merged;
        }
        self.progress.retain(|_, pending| pending.lock().is_some());
        let pending = Pending::new(input);
        self.progress.insert(no, pending.clone());
        Way::Newer(pending)
    }
}

/// Makes newer what waits, fact by fact; gives the report back where nothing waits that it can become a part of.
fn merge(waiting: &mut Option<Input>, newer: Box<Report>) -> Option<Box<Report>> {
    let Some(Input::Report { report, .. }) = waiting else { return Some(newer) };
    let same = report.session == newer.session && report.journal == newer.journal && report.run == newer.run;
    if !same || report.facts.len() + newer.facts.len() > MOST_FACTS {
        return Some(newer);
    }
    for fact in newer.facts {
        report.facts.retain(|older| older.domain != fact.domain);
        report.facts.push(fact);
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use hostler_model::SessionId;
    use hostler_model::channel::Fact;
    use hostler_model::command::Outcome;
    use uuid::Uuid;

    use super::*;

    const AGENT: AgentId = AgentId(Uuid::from_u128(1));

    fn report(facts: &[(u128, u64)], body: ReportBody) -> Box<Report> {
        let fact =
            |(domain, seq): &(u128, u64)| Fact { domain: Uuid::from_u128(*domain), seq: *seq, seen: None };
        let facts = facts.iter().map(fact).collect();
        Box::new(Report { session: SessionId(1), journal: Uuid::nil(), run: 1, facts, body })
    }

    fn facts(facts: &[(u128, u64)]) -> Box<Report> {
        report(facts, ReportBody::Facts)
    }

    fn place(way: Way) -> Pending {
        match way {
            Way::Newer(pending) => pending,
            other => panic!("{other:?}"),
        }
    }

    fn told(pending: &Pending) -> Vec<(u128, u64)> {
        match pending.take() {
            Some(Input::Report { report, .. }) => {
                report.facts.iter().map(|fact| (fact.domain.as_u128(), fact.seq)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn of_a_machine_that_changes_while_its_word_waits_only_the_newest_is_decided_on() {
        let mut waiting = Waiting::default();
        let first = place(waiting.report(AGENT, facts(&[(1, 1), (2, 2)])));
        assert!(matches!(waiting.report(AGENT, facts(&[(1, 3)])), Way::Merged));
        assert!(matches!(waiting.report(AGENT, facts(&[(3, 4), (1, 5)])), Way::Merged));
        assert_eq!(told(&first), [(2, 2), (3, 4), (1, 5)], "in the agent's order, each machine once");
        let next = place(waiting.report(AGENT, facts(&[(1, 6)])));
        assert_eq!(told(&next), [(1, 6)], "what is decided on already is not changed any more");
    }

    #[test]
    fn an_answer_to_a_step_is_never_merged_and_no_fact_passes_it() {
        let mut waiting = Waiting::default();
        let before = place(waiting.report(AGENT, facts(&[(1, 1)])));
        let no = StepNo(7);
        let outcome = Outcome::Revoked;
        let ended = report(&[(1, 2)], ReportBody::Ended { no, outcome });
        assert!(matches!(waiting.report(AGENT, ended), Way::AsItIs(Input::Report { .. })));
        let after = place(waiting.report(AGENT, facts(&[(1, 3)])));
        assert_eq!((told(&before), told(&after)), (vec![(1, 1)], vec![(1, 3)]));
        let picture = report(&[(1, 4)], ReportBody::Picture { as_of: 4 });
        assert!(matches!(waiting.report(AGENT, picture), Way::AsItIs(_)));
        place(waiting.report(AGENT, facts(&[(1, 5)])));
    }

    #[test]
    fn of_a_step_only_the_newest_progress_waits_and_steps_are_told_apart() {
        let mut waiting = Waiting::default();
        let one = place(waiting.progress(AGENT, StepNo(1), 10, 100));
        let two = place(waiting.progress(AGENT, StepNo(2), 1, 5));
        assert!(matches!(waiting.progress(AGENT, StepNo(1), 60, 100), Way::Merged));
        assert!(matches!(one.take(), Some(Input::Progress { no: StepNo(1), done: 60, .. })));
        assert!(matches!(two.take(), Some(Input::Progress { no: StepNo(2), done: 1, .. })));
        assert!(matches!(waiting.progress(AGENT, StepNo(1), 70, 100), Way::Newer(_)));
    }

    #[test]
    fn an_agent_cannot_fill_the_memory_through_one_place_in_the_queue() {
        let mut waiting = Waiting::default();
        let mut places = 0;
        for domain in 0..10_000 {
            places += usize::from(matches!(
                waiting.report(AGENT, facts(&[(domain, domain as u64)])),
                Way::Newer(_)
            ));
        }
        assert_eq!(places, 10_000_usize.div_ceil(MOST_FACTS));
    }
}
