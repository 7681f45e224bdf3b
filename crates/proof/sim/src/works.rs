//! What the server does itself, in the simulation: a computer to which an agent is pushed. It dies with the server, and what
//! proved who signs in there is gone then.

use std::collections::{BTreeMap, BTreeSet};

use hostler_engine::{Asked, Input};
use hostler_model::access::Actor;
use hostler_model::agent::Roles;
use hostler_model::command::{Answer, Outcome};
use hostler_model::push::{AddHost, SshTarget, Work, secrets_gone};
use hostler_model::request::{EnrolAgent, Request, Secret};
use hostler_model::{AgentId, Code, JobId, Object, Refusal, StepNo, TokenId};
use uuid::Uuid;

use crate::world::{Event, World};

/// What the server is doing, and what it has brought about.
#[derive(Debug, Default)]
pub struct Works {
    out: BTreeMap<StepNo, (JobId, Work)>,
    /// Under which ids this life of the server keeps passwords and keys.
    secrets: BTreeSet<Uuid>,
    /// The jobs that have an agent installed on a computer.
    pub installed: BTreeSet<JobId>,
}

impl Works {
    /// The server has died.
    pub fn die(&mut self) {
        self.out.clear();
        self.secrets.clear();
    }
}

fn interrupted(what: &str) -> Refusal {
    Refusal::new(Code::SshUnreachable, "computer late", what)
}

impl World {
    /// A computer to be added.
    pub(crate) fn computer_to_add(&mut self) -> Request {
        let secrets = Uuid::from_u128(u128::from(self.dice.bits()));
        self.works.secrets.insert(secrets);
        let on = SshTarget {
            address: format!("late-{}.example.org", self.dice.between(0, 1_000)),
            port: 22,
            user: "root".into(),
            host_key: format!("SHA256:{}", "a".repeat(43)),
            secrets,
        };
        let roles = Roles { host: true, library: false };
        let sha256 = Secret("22".into());
        Request::AddHost(Box::new(AddHost { on, sha256, roles, name: None, group: None, server: None }))
    }

    /// The server begins something.
    pub(crate) fn begin_work(&mut self, no: StepNo, job: JobId, work: Work) {
        if self.works.out.contains_key(&no) {
            return self.count("work asked twice");
        }
        let dies = self.played.begins(no, matches!(work, Work::RemoveAgent { .. }));
        self.tell(|_| format!("the server begins {} for job {job} as {no}", work.word()));
        if self.may(&work) {
            match &work {
                Work::InstallAgent { .. } => {
                    self.works.installed.insert(job);
                }
                Work::EnrolComputer { token, .. } if !dies || self.dice.chance(500) => self.enrols(*token),
                _ => {}
            }
        }
        self.works.out.insert(no, (job, work));
        let when = self.now + self.dice.between(5, 80);
        self.schedule(when, Event::WorkEnds { life: self.server_life, no, dies });
    }

    /// Whether what it takes to sign in there is known.
    fn may(&self, work: &Work) -> bool {
        work.target().is_none_or(|on| self.works.secrets.contains(&on.secrets))
    }

    /// The computer comes with its token.
    fn enrols(&mut self, token: TokenId) {
        let agent = AgentId(Uuid::from_u128(0xE100_0000 + u128::from(self.dice.bits() % 1_000_000)));
        let request = Request::EnrolAgent(Box::new(EnrolAgent {
            agent,
            token,
            version: "1.0.0".into(),
            certificate: "bb".into(),
            certificate_until: hostler_model::Timestamp(2_000_000_000_000),
            facts: hostler_model::host::HostFacts { host_name: "late".into(), ..Default::default() },
        }));
        let (actor, key, wait, unchanged, again_of) = (Actor::System, None, false, None, None);
        let asked = Asked { ask: 0, actor, key, wait, unchanged, again_of, request };
        self.server_input(Input::Ask(Box::new(asked)));
    }

    /// What the server did has ended.
    pub(crate) fn work_ends(&mut self, no: StepNo, dies: bool) {
        let Some((job, work)) = self.works.out.remove(&no) else { return };
        let may = self.may(&work);
        let outcome = match &work {
            _ if self.played.fails(no) => Outcome::Failed { refusal: interrupted("it was to fail") },
            _ if dies => Outcome::InDoubt { refusal: interrupted("the connection broke") },
            Work::RemoveAgent { .. } if may => {
                self.works.installed.remove(&job);
                Outcome::Done { answer: Answer::Nothing }
            }
            Work::RemoveAgent { .. } => {
                self.count("an agent stays on a computer into which the server gets no more");
                let stays = vec!["the agent".to_owned()];
                Outcome::Done { answer: Answer::Removal { removes: Vec::new(), stays } }
            }
            Work::AwaitAgent { agent } => match self.knows(*agent) {
                true => Outcome::Done { answer: Answer::Nothing },
                false => Outcome::Failed { refusal: interrupted("it does not connect") },
            },
            Work::CheckComputer { on } | Work::InstallAgent { on } | Work::StartAgent { on } if !may => {
                Outcome::Failed { refusal: secrets_gone(on) }
            }
            Work::EnrolComputer { on, .. } if !may => Outcome::Failed { refusal: secrets_gone(on) },
            Work::CheckComputer { .. }
            | Work::InstallAgent { .. }
            | Work::EnrolComputer { .. }
            | Work::StartAgent { .. } => Outcome::Done { answer: Answer::Nothing },
        };
        self.server_input(Input::Worked { no, outcome });
    }

    /// The server stops in the midst of something.
    pub(crate) fn stop_work(&mut self, no: StepNo) {
        if self.works.out.remove(&no).is_some() {
            self.count("work stopped");
            self.server_input(Input::Worked { no, outcome: Outcome::Revoked });
        }
    }

    fn knows(&self, agent: AgentId) -> bool {
        self.record().iter().any(|object| matches!(object, Object::Agent(known) if known.id == agent))
    }
}
