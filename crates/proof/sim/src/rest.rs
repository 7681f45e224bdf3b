//! The invariants at rest: every job has ended, record and hosts agree, nothing is orphaned, nothing happened twice.

use std::collections::BTreeMap;

use hostler_hypervisor::simulated::What;
use hostler_model::HostId;
use hostler_model::seen::Power;
use hostler_model::vm::{Presence, Vm};
use hostler_store::Store;
use uuid::Uuid;

use crate::agent::{Agent, Fate};
use crate::asks::VMS;
use crate::check::is_word;
use crate::world::World;

impl World {
    /// At rest: every job has ended, record and hosts agree, nothing is orphaned, nothing happened twice, and what was
    /// acknowledged is there.
    pub fn check_at_rest(&mut self) {
        let Some(drive) = &self.drive else {
            return self.fail("the server is not up at the end".into());
        };
        let open = drive.engine().jobs().next().cloned();
        if let Some(job) = open {
            let owing: Vec<_> = job.steps.iter().map(|s| format!("{} {}", s.key, is_word(&s.is))).collect();
            let words =
                format!("{} ({}, {:?}): {}", job.label(), job.kind.word(), job.phase, owing.join(", "));
            for at in 0..self.agents.len() {
                self.tell(|world| {
                    let agent = &world.agents[at];
                    let core = agent.core.as_ref().map(|core| (core.at_work(), core.session()));
                    let answers = world.drive.as_ref().is_some_and(|d| d.engine().sessions().answers(agent.id));
                    format!(
                        "agent {at}: answers {answers}, at work and session {core:?}, tasks {:?}, {} entries not synced, connection {:?}",
                        agent.tasks.keys(),
                        agent.unsynced.len(),
                        agent.connection
                    )
                });
            }
            return self.fail(format!("a job does not end: {words}"));
        }
        self.check_derived();
        self.check_twice();
        self.check_acknowledged();
        self.check_agreement();
        self.check_orphans();
        self.check_fleet();
    }

    /// Every computer that lives is let in and is what its record says, nothing waits for one that was given up, and no
    /// machine runs in two places.
    fn check_fleet(&mut self) {
        for at in 0..self.agents.len() {
            let agent = &self.agents[at];
            if agent.is_dead() {
                continue;
            }
            let answers = self.drive.as_ref().is_some_and(|d| d.engine().sessions().answers(agent.id));
            let (connection, runs) = (agent.connection, agent.programs.current.clone());
            let known = self.pictured(agent.id).map(|known| known.version.clone());
            if !answers {
                self.fail(format!("agent {at} lives and is not let in (connection {connection:?}, {runs})"));
            } else if known.as_deref() != Some(runs.as_str()) {
                self.fail(format!("agent {at} is {runs} and counts as {known:?}"));
            }
        }
        let hosts: Vec<HostId> =
            self.drive.iter().flat_map(|d| d.engine().inventory().hosts()).map(|host| host.id).collect();
        hosts.into_iter().for_each(|host| self.check_given_up(host));
        let mut runs: BTreeMap<Uuid, usize> = BTreeMap::new();
        for at in 0..self.agents.len() {
            for (domain, power) in self.agents[at].host.powers() {
                if power.is_on()
                    && power != Power::PausedBusy
                    && let Some(other) = runs.insert(domain, at)
                {
                    self.fail(format!("machine {domain} runs on host {other} and on host {at}"));
                }
            }
        }
    }

    fn check_twice(&mut self) {
        let mut found = None;
        for (at, agent) in self.agents.iter().enumerate() {
            agent.host.each_effect(|effect, times| {
                let may_repeat = match effect.what {
                    // A guest may be asked again to let go, or to shut down: it did not hear the first time.
                    What::AskedToDetach | What::AskedToShutDown | What::BaseBrought | What::BaseSent => true,
                    // What another hand took away before its outcome was known is not there, and is made again.
                    What::Defined => self.taken_away.contains(&(at, effect.on.clone())),
                    _ => false,
                };
                if times > 1 && effect.by.is_some() && !may_repeat && found.is_none() {
                    found = Some(format!(
                        "{:?} of {:?} on {} took effect {times} times on host {at}",
                        effect.what, effect.by, effect.on
                    ));
                }
            });
        }
        if let Some(what) = found {
            self.fail(what);
        }
    }

    fn check_acknowledged(&mut self) {
        if self.restored {
            return;
        }
        let Ok(mut reader) = self.store.reader() else { return };
        for at in 0..self.clients.len() {
            let client = &self.clients[at];
            let Some(id) = client.acknowledged else { continue };
            match reader.job(id) {
                Ok(Some(job)) if job.object.request.kind() == client.request.kind() => {
                    let key_kept = job.object.key.as_deref() == Some(client.key.as_str());
                    if !key_kept {
                        let words =
                            format!("job {id} was acknowledged to client {at} and belongs to another");
                        return self.fail(words);
                    }
                }
                _ => {
                    let words = format!("job {id} was acknowledged and is gone: {:?}", client.request.kind());
                    return self.fail(words);
                }
            }
        }
    }

    fn check_agreement(&mut self) {
        let Some(drive) = &self.drive else { return };
        let inv = drive.engine().inventory();
        let mut wrong = None;
        for (at, agent) in self.agents.iter().enumerate().filter(|(_, agent)| !agent.is_dead()) {
            let truth = agent.host.truth();
            for seen in &truth {
                let bound_elsewhere = |vm: &Vm| {
                    vm.domain == seen.domain && vm.presence == (Presence::Conflict { other: agent.id.into() })
                };
                if inv.vms().any(|vm| bound_elsewhere(vm)) {
                    continue;
                }
                let Some(vm) =
                    inv.vms().find(|vm| vm.domain == seen.domain && vm.host == Some(agent.id.into()))
                else {
                    wrong = Some(format!("host {at} has machine {} and the record does not", seen.domain));
                    break;
                };
                if vm.seen() != Some(seen) {
                    let words = format!("{:?} against {:?}", vm.seen(), seen);
                    wrong = Some(format!(
                        "the record of {} on host {at} is not what it shows: {words}",
                        vm.spec.name
                    ));
                    break;
                }
                let two_have_it = match vm.presence {
                    Presence::Conflict { other } => self.agents.iter().any(|agent| {
                        HostId::from(agent.id) == other && agent.host.powers().contains_key(&seen.domain)
                    }),
                    _ => false,
                };
                // One that stands still as at a hand-over is nobody's to start: somebody settles it.
                let undecided =
                    matches!(vm.presence, Presence::Conflict { .. }) && seen.power == Power::PausedBusy;
                let two_have_it = two_have_it || undecided;
                if !two_have_it && !matches!(vm.presence, Presence::Here | Presence::Elsewhere { .. }) {
                    wrong = Some(format!("{} is on host {at} and counts as {:?}", vm.spec.name, vm.presence));
                    break;
                }
            }
            for vm in inv.vms().filter(|vm| vm.host == Some(agent.id.into())) {
                let there = truth.iter().any(|seen| seen.domain == vm.domain);
                if !there && !matches!(vm.presence, Presence::Missing { .. } | Presence::Planned) {
                    wrong =
                        Some(format!("{} is not on host {at} and counts as {:?}", vm.spec.name, vm.presence));
                }
                if vm.presence == Presence::Planned && !self.restored {
                    wrong = Some(format!("{} is planned for ever", vm.spec.name));
                }
            }
        }
        if let Some(what) = wrong {
            self.fail(what);
        }
    }

    fn check_orphans(&mut self) {
        if self.restored {
            return;
        }
        let Some(drive) = &self.drive else { return };
        let inv = drive.engine().inventory();
        let let_go = self.let_go();
        let mut wrong = None;
        // What was to be taken back on a host that had been given up was let go of with it.
        let kept_up = |agent: &Agent| agent.fate == Fate::Lives;
        for (at, agent) in self.agents.iter().enumerate().filter(|(_, agent)| kept_up(agent)) {
            let Some(folder) = agent.host.folder(&format!("{VMS}/x")) else { continue };
            // A folder that a lost host shared holds what was let go of with that host.
            let shared_with_lost = self.agents.iter().any(|other| {
                !kept_up(other)
                    && other.host.folder(&format!("{VMS}/x")).is_some_and(|theirs| theirs.is(&folder))
            });
            if shared_with_lost {
                continue;
            }
            let marks = folder.marks();
            let lasts = |file: &str| let_go.iter().any(|vm| file.contains(&vm.to_string()));
            if let Some((file, ticket)) = marks.iter().find(|(file, _)| !lasts(file)) {
                wrong = Some(format!("the mark of move {ticket} is left beside {file}"));
            }
            for (file, disk) in folder.files() {
                let Some(owner) = disk.owner else { continue };
                let kept = let_go.contains(&owner);
                let known = inv.vm(owner).is_some_and(|vm| {
                    vm.spec.disks().any(|d| d.file == file)
                        || vm
                            .seen()
                            .is_some_and(|s| s.disks.iter().any(|d| d.file.as_deref() == Some(file.as_str())))
                });
                if !kept && !known {
                    wrong = Some(format!("{file} on host {at} belongs to nobody"));
                }
            }
            if let Some((file, mark)) = folder.partials().first()
                && !let_go.iter().any(|vm| file.contains(&vm.to_string()))
            {
                wrong = Some(format!("an unfinished {file} of {mark} is left on host {at}"));
            }
        }
        if let Some(what) = wrong {
            self.fail(what);
        }
    }
}
