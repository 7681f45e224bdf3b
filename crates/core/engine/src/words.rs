//! What agents answer, in the words of people: an agent knows domains and no names, so it says `domain 01a1…` where
//! people say `vm web-1`.

use hostler_model::command::{Answer, Outcome};
use hostler_model::{Refusal, VmId};
use uuid::Uuid;

use crate::Engine;
use crate::inventory::Inventory;

/// How many characters an id has as text.
const ID_LEN: usize = 36;

impl Engine {
    /// The same with the machines of the record called by their names.
    pub(crate) fn in_words(&self, outcome: Outcome) -> Outcome {
        let named = |refusal: Refusal| Refusal {
            object: named(&self.inv, &refusal.object),
            cause: named(&self.inv, &refusal.cause),
            ..refusal
        };
        match outcome {
            Outcome::Failed { refusal } => Outcome::Failed { refusal: named(refusal) },
            Outcome::Refused { refusal } => Outcome::Refused { refusal: named(refusal) },
            Outcome::InDoubt { refusal } => Outcome::InDoubt { refusal: named(refusal) },
            Outcome::Done { answer: Answer::Remains { what } } => {
                Outcome::Done { answer: Answer::Remains { what: self::named(&self.inv, &what) } }
            }
            done @ (Outcome::Done { .. } | Outcome::Revoked | Outcome::Unknown) => done,
        }
    }
}

/// A text in which `domain <id>` and `machine <id>` of known machines are their names.
fn named(inv: &Inventory, text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, word)) = next_id(rest) {
        let id = &rest[at + word.len()..at + word.len() + ID_LEN];
        let vm = id
            .parse::<Uuid>()
            .ok()
            .and_then(|id| if word == DOMAIN { inv.vm_of_domain(id) } else { inv.vm(VmId(id)) });
        said.push_str(&rest[..at]);
        match vm {
            Some(vm) => said.push_str(&vm.label()),
            None => said.push_str(&rest[at..at + word.len() + ID_LEN]),
        }
        rest = &rest[at + word.len() + ID_LEN..];
    }
    said + rest
}

const DOMAIN: &str = "domain ";
const MACHINE: &str = "machine ";

/// Where the next such word stands that an id follows.
fn next_id(text: &str) -> Option<(usize, &'static str)> {
    let places = |word: &'static str| text.match_indices(word).map(move |(at, _)| (at, word));
    let is_id = |(at, word): &(usize, &str)| {
        let id = text.get(at + word.len()..at + word.len() + ID_LEN);
        id.is_some_and(|id| id.parse::<Uuid>().is_ok())
    };
    places(DOMAIN).find(is_id).into_iter().chain(places(MACHINE).find(is_id)).min()
}
