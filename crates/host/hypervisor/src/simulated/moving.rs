//! Simulated machines that move between simulated hosts, with what remains when a move is broken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hostler_model::command::{Leaving, Peer, Way};
use hostler_model::seen::Power;
use hostler_model::{AgentId, Code, Refusal};
use uuid::Uuid;

use super::{CrashWhen, Inner, SimulatedHost, What, failed};
use crate::moving::{MoveLimits, Moves};
use crate::{Trouble, Watch};

/// The port behind which simulated hosts wait: nobody dials it.
const PORT: u16 = 49_300;

/// Hosts that reach each other's doors, by agent.
#[derive(Clone, Default)]
pub struct Doors(Arc<Mutex<BTreeMap<AgentId, Weak<Mutex<Inner>>>>>);

impl Doors {
    /// A host that is reached by all who are in, and reaches them.
    pub fn join(&self, agent: AgentId, host: &SimulatedHost) {
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        doors.insert(agent, Arc::downgrade(&host.inner));
        host.lock().doors = Some(self.clone());
    }

    fn of(&self, agent: AgentId) -> Option<SimulatedHost> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&agent)?.upgrade()?;
        Some(SimulatedHost { inner, by: None })
    }
}

fn unsuitable(domain: Uuid, cause: impl Into<String>) -> Trouble {
    Trouble::Refused(Refusal::new(Code::MigrationUnsuitable, format!("domain {domain}"), cause))
}

impl Inner {
    /// The files that a machine's process holds.
    fn held(&self, domain: Uuid) -> Vec<String> {
        let live = self.machines.get(&domain).into_iter().flat_map(|machine| machine.live.values());
        live.filter_map(|live| live.file.clone()).collect()
    }

    /// Whether all that a stopped copy had open is free again.
    pub(super) fn reopen(&mut self, domain: Uuid) -> Result<(), Trouble> {
        let opener = (self.number, domain);
        let files = self.held(domain);
        for file in &files {
            let Ok(folder) = self.folder(file) else { continue };
            let taken =
                folder.lock().files.get(file).is_some_and(|there| there.open.iter().any(|o| *o != opener));
            if taken && self.locks_images {
                let cause = "unable to execute QEMU command 'cont': Failed to get \"write\" lock";
                return Err(failed(Code::HypervisorFailed, format!("domain {domain}"), cause));
            }
        }
        for file in files {
            self.open(&file, opener);
        }
        Ok(())
    }
}

impl Moves for SimulatedHost {
    fn leaving(&self, domain: Uuid, ticket: &str) -> Result<Leaving, Trouble> {
        self.look(|inner| {
            let seen = &inner.machines.get(&domain).ok_or_else(|| crate::no_vm(domain))?.seen;
            let files: Vec<String> =
                seen.disks.iter().filter(|disk| !disk.dvd).filter_map(|disk| disk.file.clone()).collect();
            for file in &files {
                inner.folder(file)?.lock().marks.insert((file.clone(), ticket.to_owned()));
            }
            let networks = seen.adapters.iter().map(|adapter| adapter.network.clone()).collect();
            Ok(Leaving { files, networks, autostart: seen.autostart, ..Leaving::default() })
        })
    }

    fn unmark(&self, _domain: Uuid, ticket: &str) -> Result<(), Trouble> {
        let inner = self.lock();
        if inner.crashed || !inner.up {
            return Err(super::died());
        }
        for folder in inner.folders.values() {
            folder.lock().marks.retain(|(_, of)| of != ticket);
        }
        Ok(())
    }

    fn receive(
        &self,
        domain: Uuid,
        ticket: &str,
        _from: &Peer,
        leaving: &Leaving,
    ) -> Result<(u16, Vec<String>), Trouble> {
        let mut inner = self.lock();
        inner.answering()?;
        for file in &leaving.files {
            let folder = inner.folder(file)?;
            if !folder.lock().marks.contains(&(file.clone(), ticket.to_owned())) {
                return Err(unsuitable(domain, format!("{file} is not the same file here")));
            }
        }
        let lacking = leaving.bases.iter().filter(|base| !inner.bases.contains_key(*base)).cloned().collect();
        inner.receiving.insert(ticket.to_owned());
        inner.autostarts.remove(&domain);
        if leaving.autostart {
            inner.autostarts.insert(domain);
        }
        Ok((PORT, lacking))
    }

    fn close(&self, _domain: Uuid, ticket: &str) {
        self.lock().receiving.remove(ticket);
    }

    fn send_bases(&self, way: &Way, bases: &[String], watch: &dyn Watch) -> Result<(), Trouble> {
        let target = self.behind(way)?;
        self.change(What::BaseSent, way.ticket.as_str(), |inner, crash| {
            if watch.aborted() {
                return Err(Trouble::Aborted);
            }
            for sha256 in bases {
                let base = inner.bases.get(sha256).cloned();
                let base =
                    base.ok_or_else(|| failed(Code::DiskFailed, sha256.as_str(), "there is no such base"))?;
                if crash != Some(CrashWhen::Halfway) {
                    target.lock().bases.insert(sha256.clone(), base);
                }
            }
            Ok(())
        })
    }

    fn migrate(
        &self,
        domain: Uuid,
        way: &Way,
        _limits: MoveLimits,
        watch: &dyn Watch,
    ) -> Result<(), Trouble> {
        let target = self.behind(way)?;
        let silent = self.lock().silent_in_move.take();
        if let Some(when) = silent {
            self.interrupt_at(1, when);
        }
        let moved = self.change(What::Migrated, domain, |inner, crash| {
            if watch.aborted() {
                return Err(Trouble::Aborted);
            }
            if std::mem::take(&mut inner.running(domain)?.seen.autostart) {
                inner.autostarts.insert(domain);
            }
            let mut machine = inner.running(domain)?.clone();
            let files = inner.held(domain);
            let mut over = target.lock();
            if over.machines.contains_key(&domain) {
                return Err(failed(Code::HypervisorFailed, format!("domain {domain}"), "already exists"));
            }
            for file in &files {
                inner.release(file, (inner.number, domain));
                over.open(file, (over.number, domain));
            }
            machine.shuts_down_at = None;
            machine.runs = 1;
            // The connection breaks at the hand-over. Either the other side had let it run, and nobody here heard of
            // it, or it had not.
            let arrives = crash != Some(CrashWhen::Halfway) || inner.now.is_multiple_of(2);
            if !arrives {
                machine.seen.power = Power::PausedBusy;
                machine.seen.persistent = false;
            }
            over.machines.insert(domain, machine);
            over.event(domain, 2);
            drop(over);
            if crash == Some(CrashWhen::Halfway) {
                let stopped = inner.machine(domain)?;
                stopped.seen.power = Power::PausedBusy;
                stopped.shuts_down_at = None;
                inner.event(domain, 1);
                return Err(super::died());
            }
            inner.machines.remove(&domain);
            inner.autostarts.remove(&domain);
            inner.event(domain, 1);
            Ok(())
        });
        if silent.is_some() {
            self.set_answers(false);
        }
        moved
    }

    // A simulated move is over in a moment.
    fn still_leaving(&self, _domain: Uuid) -> Result<bool, Trouble> {
        self.look(|_| Ok(false))
    }

    fn forget(&self, domain: Uuid) -> Result<(), Trouble> {
        self.change(What::Undefined, domain, |inner, _| inner.undefine(domain))
    }

    fn holds_autostart(&self, domain: Uuid) -> bool {
        self.lock().autostarts.contains(&domain)
    }

    fn keep_autostart(&self, domain: Uuid, here: bool) -> Result<(), Trouble> {
        let mut inner = self.lock();
        if inner.autostarts.remove(&domain)
            && here
            && let Some(machine) = inner.machines.get_mut(&domain)
        {
            machine.seen.autostart = true;
        }
        Ok(())
    }
}

impl SimulatedHost {
    /// Has a machine start with the host, as somebody at its libvirt does.
    pub fn start_with_host(&self, domain: Uuid) {
        if let Some(machine) = self.lock().machines.get_mut(&domain) {
            machine.seen.autostart = true;
        }
    }

    /// The host that waits at the end of the way.
    fn behind(&self, way: &Way) -> Result<SimulatedHost, Trouble> {
        let doors = self.lock().doors.clone();
        let nobody = || {
            let object = format!("agent {}", way.to.agent);
            failed(Code::MigrationFailed, object, "nobody waits there with this ticket")
        };
        let target = doors.and_then(|doors| doors.of(way.to.agent)).ok_or_else(nobody)?;
        if Arc::ptr_eq(&target.inner, &self.inner) {
            return Err(nobody());
        }
        let over = target.lock();
        if !over.up || over.crashed || !over.answers || !over.receiving.contains(&way.ticket) {
            return Err(nobody());
        }
        drop(over);
        Ok(target)
    }
}
