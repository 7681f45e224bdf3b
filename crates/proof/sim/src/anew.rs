//! Agents that are removed, and computers that are enrolled anew: as an administrator does who reads that an agent is
//! kept out (*Certificates* in `docs/hosts-and-agents.md`): its agent is removed by force, a token is made, and with it
//! the computer becomes another agent. Its journal and its machines are where they were.

use hostler_model::agent::Roles;
use hostler_model::ids::Ids;
use hostler_model::request::{EnrolAgent, Request, Secret};
use hostler_model::{AgentId, HostId, Key, Kind, Object};

use crate::agent::Fate;
use crate::certificates::{Held, Papers};
use crate::world::{Event, World};

/// After how long without success an administrator tries once more.
const AGAIN_MS: u64 = 15_000;

/// How far an enrolment is.
#[derive(Clone, Debug, Default)]
pub struct Anew {
    /// The token that was made for it.
    token: Option<String>,
    /// What the computer becomes, once that is in the record.
    becomes: Option<(AgentId, Held)>,
    /// When something was last asked for.
    asked: Option<u64>,
}

impl World {
    /// Somebody sees that an agent is kept out.
    pub(crate) fn notice_kept_out(&mut self, at: usize) {
        if self.agents[at].anew.is_none() {
            self.agents[at].anew = Some(Anew::default());
            let when = self.now + self.fleet.dice.between(3_000, 20_000);
            self.schedule(when, Event::EnrolAnew { at });
        }
    }

    /// An administrator removes an agent: it is out at once.
    pub(crate) fn remove_agent(&mut self, at: usize, agent: AgentId) {
        self.count("agent removed while its computer lives");
        self.tell(|_| format!("agent {agent} of host {at} is removed"));
        self.fleet.removed.insert(agent);
        if self.agents[at].fate == Fate::Lives {
            // What was owed by it is let go of, as of a host that was given up.
            self.agents[at].fate = Fate::CameBack;
        }
        let key = format!("remove-{agent}-{}", self.now);
        self.client(Request::RemoveAgent { agent, force: true, keep: true }, key, true);
    }

    fn give_up(&mut self, host: HostId) {
        let known = self.drive.as_ref().and_then(|drive| drive.engine().inventory().host(host));
        if let Some(host) = known.filter(|host| host.dead_since.is_none()) {
            let (host, confirm) = (host.id, host.name.to_string());
            self.count("host given up that was kept out");
            self.client(
                Request::DeclareHostDead { host, confirm },
                format!("dead-{host}-{}", self.now),
                false,
            );
        }
    }

    /// An administrator does what is to be done next so that a computer is let in again.
    pub(crate) fn enrol_anew(&mut self, at: usize) {
        let Some(mut anew) = self.agents[at].anew.take() else { return };
        // One that seems dead is looked at again when it is back.
        if self.agents[at].is_dead() || anew.becomes.is_none() && self.shake_hands(at).is_ok() {
            return;
        }
        let again = self.now + self.fleet.dice.between(1_000, 4_000);
        self.schedule(again, Event::EnrolAnew { at });
        if self.drive.is_some() {
            self.enrolment_goes_on(at, &mut anew);
        }
        // None once the computer has become another agent.
        if anew.becomes.as_ref().is_none_or(|(id, _)| *id != self.agents[at].id) {
            self.agents[at].anew = Some(anew);
        }
    }

    fn enrolment_goes_on(&mut self, at: usize, anew: &mut Anew) {
        let patient = anew.asked.is_some_and(|asked| self.now < asked + AGAIN_MS);
        // As often as it was enrolled in vain, or before a backup that was restored, it has left an agent behind.
        let agent = &self.agents[at];
        let left = agent.was.iter().chain([&agent.id]).copied().find(|id| self.pictured(*id).is_some());
        if let Some(old) = left {
            if !patient {
                anew.asked = Some(self.now);
                // A job that waits for it is in the way of its removal; it is let go of with the host.
                if self.fleet.removed.contains(&old) {
                    self.give_up(old.into());
                }
                self.remove_agent(at, old);
            }
            return;
        }
        if let Some((id, held)) = &anew.becomes {
            let (id, held) = (*id, held.clone());
            if self.pictured(id).is_some_and(|agent| agent.certificate == held.serial) {
                return self.become_agent(at, id, held);
            }
            if !patient {
                self.agents[at].was.push(id);
                *anew = Anew::default();
            }
            return;
        }
        let Some(token) = &anew.token else {
            let token = format!("token-{at}-{}", self.now);
            anew.token = Some(token.clone());
            anew.asked = Some(self.now);
            let request = Request::CreateEnrolment {
                sha256: Secret(token.clone()),
                roles: Roles { host: true, library: true },
                host_name: None,
                group: None,
                valid_ms: 3_600_000,
            };
            return self.client(request, token, true);
        };
        let Some(enrolment) = self.unused(token) else {
            if !patient {
                *anew = Anew::default();
            }
            return;
        };
        let (id, held) = (AgentId(self.ids.draw()), self.issue());
        let request = Request::EnrolAgent(Box::new(EnrolAgent {
            agent: id,
            token: enrolment,
            version: self.agents[at].programs.current.clone(),
            certificate: held.serial.clone(),
            certificate_until: held.until,
            facts: self.agents[at].facts.clone(),
        }));
        anew.becomes = Some((id, held));
        anew.asked = Some(self.now);
        self.client(request, format!("enrol-{id}"), true);
    }

    fn unused(&self, token: &str) -> Option<hostler_model::TokenId> {
        let picture = self.drive.as_ref()?.picture().load_full();
        picture.of_kind(Kind::Enrolment).find_map(|stored| match &stored.object {
            Object::Enrolment(made) if made.sha256 == token && made.used_by.is_none() => Some(made.id),
            _ => None,
        })
    }

    /// A computer has been enrolled: its agent is another one from now on, with the journal that it had.
    fn become_agent(&mut self, at: usize, id: AgentId, held: Held) {
        self.count("computer enrolled anew");
        self.tell(|_| format!("host {at} was enrolled anew: agent {id}"));
        let agent = &mut self.agents[at];
        let before = std::mem::replace(&mut agent.id, id);
        agent.was.push(before);
        agent.kept = Papers { newest: held, other: None };
        agent.fate = Fate::CameBack;
        self.doors.join(id, &self.agents[at].host);
        self.crash_agent(at);
        // Whoever looks for the record of what became of it.
        let known =
            self.drive.as_ref().is_some_and(|drive| drive.picture().load().get(Key::Agent(id)).is_some());
        if !known {
            self.fail(format!("host {at} was enrolled and is not in the record"));
        }
    }
}
