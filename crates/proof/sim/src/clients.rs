//! The clients: they ask, ask again until they are answered, change their minds, and lose answers.

use hostler_engine::{AskId, Asked, Input};
use hostler_model::access::Actor;
use hostler_model::request::Request;
use hostler_model::{JobId, Refusal};

use crate::world::{Event, World};

/// Somebody's request, and what became of it.
#[derive(Clone, Debug)]
pub struct Client {
    /// What is asked.
    pub request: Request,
    /// The idempotency key.
    pub key: String,
    /// Whether to queue.
    pub wait: bool,
    /// What was answered, the first time and ever after.
    pub acknowledged: Option<JobId>,
    /// Whether a refusal was final.
    pub refused: Option<Refusal>,
    /// Whether to cancel once acknowledged.
    pub cancels: bool,
}

impl World {
    /// A client asks, again and again until it is answered.
    pub fn ask(&mut self, client: usize) {
        let it = &self.clients[client];
        if it.acknowledged.is_some() && !self.stormy || it.refused.is_some() {
            return;
        }
        let (request, key, wait) = (it.request.clone(), it.key.clone(), it.wait);
        let ask = self.next_ask;
        self.next_ask += 1;
        self.asks.insert(ask, (client, false));
        self.tell(|_| format!("client {client} asks: {request:?}"));
        self.server_input(Input::Ask(Box::new(Asked {
            ask,
            actor: Actor::System,
            key: Some(key),
            wait,
            unchanged: None,
            again_of: None,
            request,
        })));
        let when = self.now + self.dice.between(3_000, 9_000);
        if self.clients[client].acknowledged.is_none() {
            self.schedule(when, Event::Ask { client });
        }
    }

    /// A client changes its mind.
    pub(crate) fn cancel(&mut self, client: usize) {
        let Some(job) = self.clients[client].acknowledged else { return };
        let ask = self.next_ask;
        self.next_ask += 1;
        self.asks.insert(ask, (client, true));
        self.count("cancel asked");
        self.tell(|_| format!("client {client} cancels job {job}"));
        self.server_input(Input::Cancel { ask, job, actor: Actor::System });
    }

    /// An answer reaches its client, or is lost.
    pub fn reply(&mut self, ask: AskId, answer: Result<JobId, Refusal>) {
        if let Some(renewing) = self.fleet.renewals.remove(&ask) {
            return self.renewal_answered(renewing, answer);
        }
        let Some((client, cancel)) = self.asks.remove(&ask) else { return };
        if cancel || (self.stormy && self.dice.chance(40)) {
            return;
        }
        self.tell(|_| format!("client {client} is answered: {answer:?}"));
        match answer {
            Ok(job) => {
                self.count("request acknowledged");
                match self.clients[client].acknowledged {
                    Some(before) if before != job && !self.restored => {
                        self.fail(format!(
                            "one key, two jobs: {before} and {job} for {:?}",
                            self.clients[client].request
                        ));
                    }
                    Some(_) => self.count("asked again, same job"),
                    None => {
                        self.clients[client].acknowledged = Some(job);
                        if self.clients[client].cancels {
                            let when = self.now + self.dice.between(0, 2_500);
                            self.schedule(when, Event::CancelAsk { client });
                        }
                        if self.dice.chance(150) {
                            // Asks once more although it has its answer.
                            let when = self.now + self.dice.between(0, 20_000);
                            self.schedule(when, Event::Ask { client });
                        }
                    }
                }
            }
            Err(refusal) if refusal.code == hostler_model::Code::StoreUnavailable => {}
            // The server has just died and started: its hosts are on their way back.
            Err(refusal)
                if refusal.code == hostler_model::Code::HostNotResponding
                    && self.played.script.crash_server.is_some() =>
            {
                self.schedule(self.now + 5_000, Event::Ask { client });
            }
            Err(refusal) => {
                self.count(match refusal.code {
                    hostler_model::Code::VmBusy | hostler_model::Code::ObjectBusy => "request refused: busy",
                    hostler_model::Code::VmStateForbids => "request refused: state",
                    _ => "request refused",
                });
                if self.clients[client].acknowledged.is_none() {
                    self.clients[client].refused = Some(refusal);
                }
            }
        }
    }
}
