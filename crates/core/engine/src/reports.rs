//! Agents' words come in. What is observed follows the facts at once; conclusions wait while a job holds the machine.
//! Every change that no job of ours explains is a refresher's job, so that it can be found like any other.

use std::collections::BTreeSet;

use hostler_model::access::Actor;
use hostler_model::channel::{Fact, Hello, OLDEST_PROTOCOL, PROTOCOL, Report, ReportBody, ToAgent};
use hostler_model::host::Host;
use hostler_model::job::{Doer, Job, JobState, Phase};
use hostler_model::request::Request;
use hostler_model::seen::{Observed, Order, Power, Seen};
use hostler_model::vm::{Origin, Presence, StopAction, Vm, VmSpec};
use hostler_model::{
    AgentId, Code, HostId, JobId, Key, Name, Object, Refusal, SessionId, StepNo, Timestamp, VmId,
};

use crate::follow::{follow, hardware_of};
use crate::records::presence_of;
use crate::{CONFLICT_AFTER_MS, Effect, Engine, Progress, Turn};

/// Gathers what one report changed outside any job, to become one refresher job.
#[derive(Default)]
struct Refresh {
    changed: Vec<(Object, String)>,
}

/// Another host shows a machine, besides the one that the record binds it to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    host: HostId,
    since: Timestamp,
    /// Whether that host was asked once more, when it had been so for long enough to be a conflict.
    asked: bool,
}

impl Suspect {
    /// When it is a conflict, if it is so still.
    fn ripe_at(&self) -> Timestamp {
        self.since.plus(CONFLICT_AFTER_MS)
    }

    /// When that host is asked once more; none when it was.
    pub(crate) fn ask_at(&self) -> Option<Timestamp> {
        (!self.asked).then(|| self.ripe_at())
    }
}

impl Engine {
    pub(crate) fn connected(&mut self, connection: u64, hello: &Hello, turn: &mut Turn<'_>) {
        let agent = hello.agent;
        let reject = |turn: &mut Turn<'_>, code, cause: String, remedy: &str| {
            let why = Refusal::new(code, format!("agent {agent}"), cause).remedy(remedy);
            turn.effect(Effect::Reject { connection, why });
        };
        let Some(known) = self.inv.agents.get(&agent).cloned() else {
            return reject(turn, Code::ObjectNotFound, "it is not enrolled here".into(), "Enrol it anew");
        };
        if hello.installation != self.inv.installation_id() {
            let cause = format!("it belongs to installation {}", hello.installation);
            return reject(turn, Code::EnrolmentRefused, cause, "Enrol it anew");
        }
        if hello.oldest > PROTOCOL {
            let cause = format!(
                "it speaks protocol {} and none before {}, this server {PROTOCOL}",
                hello.protocol, hello.oldest
            );
            return reject(turn, Code::AgentUnsupported, cause, "Upgrade the server");
        }
        if hello.protocol < OLDEST_PROTOCOL {
            let cause =
                format!("it speaks protocol {}, this server none before {OLDEST_PROTOCOL}", hello.protocol);
            return reject(turn, Code::AgentUnsupported, cause, "Install a newer agent on its computer");
        }
        // Our own epoch is known to nobody whom we did not tell it in this life: another life of a server used it, of
        // which our store knows nothing.
        if hello.epoch > self.epoch || (hello.epoch == self.epoch && !self.sessions.told_epoch(hello.journal))
        {
            turn.effect(Effect::OlderThanFleet { met: hello.epoch });
            return;
        }
        let session = self.draw_session();
        self.sessions.open(agent, hello.journal, session);
        let graves = (agent, uuid::Uuid::nil())..=(agent, uuid::Uuid::max());
        for grave in self.graves.range(graves).map(|(grave, _)| *grave).collect::<Vec<_>>() {
            self.graves.remove(&grave);
        }
        turn.effect(Effect::Welcome { connection, agent, session, epoch: self.epoch });
        let mut refresh = Refresh::default();
        if known.version != hello.version {
            let mut after = (*known).clone();
            after.version.clone_from(&hello.version);
            refresh
                .changed
                .push((Object::from(after), format!("agent {}: version {}", known.name, hello.version)));
        }
        if let Some(host) = self.inv.hosts.get(&agent.into()) {
            let mut after = (**host).clone();
            after.facts = hello.host.clone();
            after.dead_since = None;
            if after != **host {
                refresh.changed.push((Object::from(after), format!("host {}: properties", host.name)));
            }
        }
        self.record_refresh(refresh, turn);
    }

    pub(crate) fn lost(&mut self, agent: AgentId, session: SessionId) {
        if self.sessions.close(agent, session) {
            let owed: BTreeSet<StepNo> =
                self.table.owed_by(Doer::Agent(agent)).into_iter().map(|(no, _)| no).collect();
            self.progress.retain(|no, _| !owed.contains(no));
        }
    }

    pub(crate) fn progressed(&mut self, by: Doer, no: StepNo, done: u64, of: u64, now: Timestamp) {
        if self.table.job_of(by, no).is_some() {
            let moved = self.progress.get(&no).is_none_or(|before| before.done != done);
            let at = if moved { now } else { self.progress.get(&no).map_or(now, |before| before.moved) };
            self.progress.insert(no, Progress { done, of, moved: at });
        }
    }

    pub(crate) fn report(&mut self, agent: AgentId, report: Report, turn: &mut Turn<'_>) {
        if self.sessions.of(agent) != Some(report.session) {
            return;
        }
        let mut refresh = Refresh::default();
        let ended_job = match &report.body {
            ReportBody::Ended { no, .. } => self.table.job_of(Doer::Agent(agent), *no),
            _ => None,
        };
        let order = |seq| Order { journal: report.journal, run: report.run, seq };
        let mut shown: BTreeSet<uuid::Uuid> = BTreeSet::new();
        for fact in &report.facts {
            shown.insert(fact.domain);
            self.fact(agent, fact, order(fact.seq), ended_job, &mut refresh, turn);
        }
        match report.body {
            ReportBody::Facts | ReportBody::Unknown => {}
            ReportBody::Picture { as_of } => {
                self.not_shown(agent, &shown, order(as_of), &mut refresh, turn);
                if self.sessions.pictured(agent) {
                    self.send_owed(Doer::Agent(agent), turn);
                    for id in self.table.on_agent(agent) {
                        self.ready.insert(id);
                    }
                }
            }
            ReportBody::Host { host } => {
                if let Some(known) = self.inv.hosts.get(&agent.into())
                    && known.facts != *host
                {
                    let after = Host { facts: *host, ..(**known).clone() };
                    let what = format!("host {}: properties", known.name);
                    refresh.changed.push((Object::from(after), what));
                }
            }
            ReportBody::Ended { no, outcome } => {
                self.record_refresh(refresh, turn);
                self.ended(Doer::Agent(agent), no, outcome, turn);
                return;
            }
        }
        self.record_refresh(refresh, turn);
    }

    /// One fact: the record follows it, unless it is older than what is known.
    fn fact(
        &mut self,
        agent: AgentId,
        fact: &Fact,
        order: Order,
        ended_job: Option<JobId>,
        refresh: &mut Refresh,
        turn: &mut Turn<'_>,
    ) {
        let host = HostId::from(agent);
        let known = self.inv.vm_of_domain(fact.domain).cloned();
        let Some(vm) = known else {
            let buried = self.graves.get(&(agent, fact.domain)).is_some_and(|grave| order.is_before(*grave));
            match &fact.seen {
                Some(seen) if !buried => self.found(host, seen, order, refresh, turn),
                _ => self.deepen_grave(agent, fact.domain, order),
            }
            return;
        };
        if vm.host != Some(host) {
            self.shown_elsewhere(&vm, host, fact, order, refresh, turn);
            return;
        }
        if vm.observed.as_ref().is_some_and(|observed| order.is_before(observed.order)) {
            return;
        }
        if fact.seen.is_none() {
            self.deepen_grave(agent, fact.domain, order);
        }
        let mut after = (*vm).clone();
        let mut what = follow(&mut after, fact.seen.as_deref(), order, turn.now);
        let holder = self.table.holder_of(vm.id);
        if what.is_empty() {
            let never_seen = fact.seen.is_none() && vm.observed.is_none() && vm.presence == Presence::Here;
            if holder.is_some() {
                return;
            } else if never_seen {
                // Its host took it in and it was gone before anybody saw it.
                after.presence = Presence::Missing { since: turn.now };
                what = "not on its host".to_owned();
            } else if presence_of(&vm, turn.now).is_some() {
                // Nothing new; but a host that was declared dead shows its machines just as they were.
                what = "where the record says, after all".to_owned();
            } else {
                return;
            }
        }
        match holder.or(ended_job.filter(|job| self.is_about(*job, vm.id))) {
            // Under a job only what is observed follows; the conclusion waits for its end.
            Some(job) => {
                let actor = self.table.get(job).map_or(Actor::System, |job| job.actor.clone());
                self.put(Object::from(after), job, &actor, turn);
            }
            None => {
                self.settle_presence(&mut after, turn.now);
                refresh.changed.push((Object::from(after), format!("vm {}: {what}", vm.spec.name)));
                // Other hands have migrated it: the new host has said so already, and says nothing more by itself.
                if fact.seen.is_none()
                    && let Some(suspect) = self.suspects.get(&vm.id)
                    && let Some(ask) = self.picture_of(suspect.host.into())
                {
                    turn.effect(ask);
                }
            }
        }
    }

    /// Remembers how far a host had come with a machine that is gone; never back, when an older word comes twice.
    pub(crate) fn deepen_grave(&mut self, agent: AgentId, domain: uuid::Uuid, order: Order) {
        let grave = self.graves.entry((agent, domain)).or_insert(order);
        if grave.is_before(order) {
            *grave = order;
        }
    }

    fn is_about(&self, job: JobId, vm: VmId) -> bool {
        self.table.get(job).is_some_and(|job| job.about.contains(&Key::Vm(vm)))
    }

    fn settle_presence(&self, vm: &mut Vm, now: Timestamp) {
        let installation = self.inv.installation_id();
        if let Some(presence) = presence_of(vm, now) {
            vm.presence = presence;
        }
        let claimed = vm.seen().and_then(|seen| seen.claimed_by_other(installation));
        match (claimed, vm.presence) {
            (Some(other), Presence::Here) => vm.presence = Presence::Elsewhere { installation: other },
            (None, Presence::Elsewhere { .. }) => vm.presence = Presence::Here,
            _ => {}
        }
    }

    /// A machine that no record knows.
    fn found(&mut self, host: HostId, seen: &Seen, order: Order, refresh: &mut Refresh, turn: &mut Turn<'_>) {
        let installation = self.inv.installation_id();
        // Its own metadata outlives our record: the same machine, with the id it always had.
        let ours = seen.vm_id(installation).filter(|id| self.inv.vm(*id).is_none());
        let id = ours.unwrap_or_else(|| VmId::draw(turn.ids));
        let origin = match ours {
            Some(id) if id.0 == seen.domain => Origin::Created,
            Some(_) => Origin::Adopted,
            None => Origin::Found,
        };
        let name = Name::mended(
            seen.title.as_deref().filter(|t| ours.is_some() && !t.is_empty()).unwrap_or(&seen.name),
        );
        let mut vm = Vm {
            id,
            spec: VmSpec {
                name: name.clone(),
                notes: String::new(),
                tags: Vec::new(),
                owner: None,
                template: None,
                hardware: hardware_of(seen),
                stop_action: StopAction::default(),
                detached: Vec::new(),
            },
            domain: seen.domain,
            host: Some(host),
            origin,
            presence: Presence::Here,
            observed: Some(Observed { seen: seen.clone(), gone: false, order, at: turn.now }),
            created: turn.now,
        };
        self.settle_presence(&mut vm, turn.now);
        refresh.changed.push((Object::from(vm), format!("vm {name}: found")));
        self.record_refresh(std::mem::take(refresh), turn);
    }

    /// A host shows a machine that the record binds to another.
    fn shown_elsewhere(
        &mut self,
        vm: &Vm,
        host: HostId,
        fact: &Fact,
        order: Order,
        refresh: &mut Refresh,
        turn: &mut Turn<'_>,
    ) {
        let Some(seen) = fact.seen.as_deref() else {
            if self.suspects.get(&vm.id).is_some_and(|suspect| suspect.host == host) {
                self.suspects.remove(&vm.id);
            }
            if vm.presence == (Presence::Conflict { other: host }) && !is_stopped(vm) {
                refresh.changed.push(one_host_again(vm));
            }
            return;
        };
        if self.table.holder_of(vm.id).is_some() {
            return;
        }
        let left = vm.observed.as_ref().is_none_or(|observed| observed.gone);
        let bound_is_dead = vm
            .host
            .is_none_or(|bound| self.inv.hosts.get(&bound).is_none_or(|bound| bound.dead_since.is_some()));
        if left || bound_is_dead {
            self.suspects.remove(&vm.id);
            let mut after = vm.clone();
            after.host = Some(host);
            after.presence = Presence::Here;
            after.observed = Some(Observed { seen: seen.clone(), gone: false, order, at: turn.now });
            self.settle_presence(&mut after, turn.now);
            refresh
                .changed
                .push((Object::from(after), format!("vm {}: moved to another host", vm.spec.name)));
            return;
        }
        // A machine left behind by a migration of other hands is off on one side; two that are on are a conflict.
        let answers = vm.host.is_some_and(|bound| self.sessions.answers(bound.into()));
        let first = Suspect { host, since: turn.now, asked: false };
        let suspect = self.suspects.entry(vm.id).or_insert(first);
        if suspect.host != host {
            *suspect = first;
        }
        let ripe = turn.now >= suspect.ripe_at();
        if answers && ripe && !matches!(vm.presence, Presence::Conflict { .. }) {
            let mut after = vm.clone();
            after.presence = Presence::Conflict { other: host };
            refresh.changed.push((Object::from(after), format!("vm {}: shown by two hosts", vm.spec.name)));
        }
    }

    /// What a full picture does not show is not there.
    fn not_shown(
        &mut self,
        agent: AgentId,
        shown: &BTreeSet<uuid::Uuid>,
        as_of: Order,
        refresh: &mut Refresh,
        turn: &mut Turn<'_>,
    ) {
        let absent: Vec<VmId> = self
            .inv
            .vms_on(agent.into())
            .filter(|vm| !shown.contains(&vm.domain))
            .filter(|vm| match &vm.observed {
                Some(observed) => !observed.gone && !as_of.is_before(observed.order),
                None => vm.presence == Presence::Here,
            })
            .map(|vm| vm.id)
            .collect();
        for id in absent {
            let Some(vm) = self.inv.vm(id).cloned() else { continue };
            let fact = Fact { domain: vm.domain, seq: as_of.seq, seen: None };
            self.fact(agent, &fact, as_of, None, refresh, turn);
        }
        // Who was shown by two hosts and is no longer shown by this one is in conflict no more.
        let cleared: Vec<VmId> = self
            .inv
            .conflicts_with(agent.into())
            .filter(|vm| !shown.contains(&vm.domain) && !is_stopped(vm))
            .map(|vm| vm.id)
            .collect();
        for id in cleared {
            if let Some(vm) = self.inv.vm(id) {
                refresh.changed.push(one_host_again(vm));
            }
        }
    }

    /// Makes one refresher's job of what changed outside any job.
    fn record_refresh(&mut self, refresh: Refresh, turn: &mut Turn<'_>) {
        if refresh.changed.is_empty() {
            return;
        }
        let id = JobId(self.next_job);
        self.next_job += 1;
        let about = refresh.changed.iter().map(|(object, _)| object.key()).collect();
        let title = refresh.changed.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>().join("; ");
        for (object, _) in refresh.changed {
            self.put(object, id, &Actor::Refresher, turn);
        }
        let request = Request::Refresher { what: title.clone() };
        let job = Job {
            state: JobState::Completed,
            phase: Phase::Ended,
            about,
            title,
            started: Some(turn.now),
            ended: Some(turn.now),
            ..Job::new(id, request, Actor::Refresher, self.epoch, turn.now)
        };
        turn.change(Key::Job(id), Some(Object::from(job)), Some(id), Actor::Refresher);
    }

    /// Asks hosts once more that have shown another one's machine for long enough.
    pub(crate) fn ask_suspects(&mut self, turn: &mut Turn<'_>) {
        let ripe = |suspect: &&mut Suspect| suspect.ask_at().is_some_and(|at| turn.now >= at);
        let mut hosts = BTreeSet::new();
        for suspect in self.suspects.values_mut().filter(ripe) {
            suspect.asked = true;
            hosts.insert(suspect.host);
        }
        for ask in hosts.into_iter().filter_map(|host| self.picture_of(host.into())) {
            turn.effect(ask);
        }
    }

    /// Asks an agent for a full picture.
    fn picture_of(&self, agent: AgentId) -> Option<Effect> {
        let session = self.sessions.of(agent)?;
        Some(Effect::Send { agent, session, message: Box::new(ToAgent::Picture) })
    }
}

/// Whether a machine stands still on its host as at a hand-over: that it is nowhere else is not enough to go on.
fn is_stopped(vm: &Vm) -> bool {
    vm.power() == Power::PausedBusy
}

/// A machine is in conflict no more.
fn one_host_again(vm: &Vm) -> (Object, String) {
    let after = Vm { presence: Presence::Here, ..vm.clone() };
    (Object::from(after), format!("vm {}: shown by one host again", vm.spec.name))
}
