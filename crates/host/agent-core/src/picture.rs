//! What the host's machines look like as far as the agent knows, and which changes the server has not been told.
//!
//! Everything that reads machines ends here: compared with what was known, and what differs becomes a fact with the
//! next place in the order. A listing takes a while; what was read of a machine in that time may be newer than the
//! listing or older, so such a machine is read once more instead of being believed.

use std::collections::BTreeMap;

use hostler_model::channel::Fact;
use hostler_model::seen::Seen;
use uuid::Uuid;

/// What is known of one machine.
#[derive(Debug)]
struct Known {
    /// The place of the newest fact.
    seq: u64,
    /// When it was last read, on the count of readings.
    read: u64,
    /// None: it was here in this run of the agent and is gone.
    seen: Option<Box<Seen>>,
}

/// The machines as known.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    known: BTreeMap<Uuid, Known>,
    /// The newest place in the order.
    seq: u64,
    /// How many readings there were.
    readings: u64,
    /// Places of the facts that the server was not told in this session.
    untold: BTreeMap<u64, Uuid>,
}

impl Picture {
    /// A machine was read.
    pub(crate) fn observed(&mut self, domain: Uuid, seen: Option<Box<Seen>>) {
        self.readings += 1;
        let readings = self.readings;
        if let Some(known) = self.known.get_mut(&domain) {
            known.read = readings;
            if known.seen == seen {
                return;
            }
        }
        self.seq += 1;
        if seen.is_none() && !self.known.contains_key(&domain) {
            // Not news, but a word about it for the answer of the step that looked for it.
            self.known.insert(domain, Known { seq: self.seq, read: readings, seen });
            return;
        }
        if let Some(before) = self.known.insert(domain, Known { seq: self.seq, read: readings, seen }) {
            self.untold.remove(&before.seq);
        }
        self.untold.insert(self.seq, domain);
    }

    /// Where the count of readings stands: what is read later may contradict a listing that begins now.
    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    /// All machines were read, in a listing that began when the count of readings stood at `since`. Answers with the
    /// machines that must be read once more.
    pub(crate) fn listed(&mut self, all: Vec<Seen>, since: u64) -> Vec<Uuid> {
        let mut again = Vec::new();
        let mut listed: BTreeMap<Uuid, Seen> = all.into_iter().map(|seen| (seen.domain, seen)).collect();
        let absent: Vec<Uuid> = self
            .known
            .iter()
            .filter(|(domain, known)| known.seen.is_some() && !listed.contains_key(domain))
            .map(|(domain, _)| *domain)
            .collect();
        for domain in absent {
            self.believe(domain, None, since, &mut again);
        }
        while let Some((domain, seen)) = listed.pop_first() {
            self.believe(domain, Some(Box::new(seen)), since, &mut again);
        }
        let untold = &self.untold;
        self.known
            .retain(|_, known| known.seen.is_some() || known.read > since || untold.contains_key(&known.seq));
        again
    }

    fn believe(&mut self, domain: Uuid, seen: Option<Box<Seen>>, since: u64, again: &mut Vec<Uuid>) {
        match self.known.get(&domain) {
            Some(known) if known.read > since => {
                if known.seen != seen {
                    again.push(domain);
                }
            }
            _ => self.observed(domain, seen),
        }
    }

    /// Every machine, and the place in the order as of which that is so. Nothing is untold after it.
    pub(crate) fn whole(&mut self) -> (Vec<Fact>, u64) {
        self.untold.clear();
        self.known.retain(|_, known| known.seen.is_some());
        let mut facts: Vec<Fact> = self.known.iter().map(|(domain, known)| fact(*domain, known)).collect();
        facts.sort_by_key(|fact| fact.seq);
        (facts, self.seq)
    }

    /// Whether there is something to tell.
    pub(crate) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// What the server was not told, in order, and the newest fact of `about` whether told or not: an answer always
    /// comes with a word about the machine it touched.
    pub(crate) fn untold(&mut self, about: Option<Uuid>) -> Vec<Fact> {
        let mut places = std::mem::take(&mut self.untold);
        if let Some((domain, known)) = about.and_then(|domain| self.known.get_key_value(&domain)) {
            places.insert(known.seq, *domain);
        }
        places
            .values()
            .filter_map(|domain| self.known.get(domain).map(|known| fact(*domain, known)))
            .collect()
    }
}

fn fact(domain: Uuid, known: &Known) -> Fact {
    Fact { domain, seq: known.seq, seen: known.seen.clone() }
}
