//! What a job's steps do to the record: changes are applied, their inverses kept for the way back, and once its job has
//! ended a machine stands where its host shows it.

use hostler_model::job::{Job, JobKind, LockOn, Record, Undo};
use hostler_model::vm::{Presence, Vm, VmEdit};
use hostler_model::{Key, Object, Timestamp, TokenId, VmId};

use crate::{Engine, Turn};

impl Engine {
    /// What takes these changes back, as the record is now. What would keep a secret is not taken back.
    pub(crate) fn inverse(&self, records: &[Record]) -> Undo {
        let records = records
            .iter()
            .rev()
            .filter_map(|record| match record {
                Record::Put { object } => Some(match self.inv.get(object.key()) {
                    Some(before) => Record::Put { object: before },
                    None => Record::Gone { key: object.key() },
                }),
                Record::Gone { key } => self.inv.get(*key).map(|object| Record::Put { object }),
                // What was let in is let in no more.
                Record::Withdraw { .. } => None,
                Record::Vm { vm, edit } => self
                    .inv
                    .vm(*vm)
                    .map(|before| Record::Vm { vm: *vm, edit: Box::new(edit.inverse(before)) }),
            })
            .collect::<Vec<_>>();
        if records.iter().any(is_secret) { Undo::None } else { Undo::Record { records } }
    }

    /// Changes the record, under a job.
    pub(crate) fn apply(&mut self, job: &Job, records: &[Record], turn: &mut Turn<'_>) {
        for record in records {
            match record {
                Record::Put { object } => self.put(object.clone(), job.id, &job.actor, turn),
                Record::Gone { key } => {
                    if let Key::Agent(agent) = key {
                        self.answer_for_dead(*agent);
                    }
                    self.bury(*key);
                    self.gone(*key, job.id, &job.actor, turn);
                }
                Record::Withdraw { token } => self.withdraw(*token, job, turn),
                Record::Vm { vm, edit } => {
                    if let Some(before) = self.inv.vm(*vm) {
                        let mut after = (**before).clone();
                        edit.apply(&mut after);
                        self.put(Object::from(after), job.id, &job.actor, turn);
                    }
                }
            }
            if let (JobKind::DeclareHostDead, Record::Put { object: Object::Host(host) }) = (job.kind, record)
            {
                self.answer_for_dead(host.id.into());
            }
        }
    }

    /// A token is gone, with the agent that enrolled with it and what the record knows of its computer.
    fn withdraw(&mut self, token: TokenId, job: &Job, turn: &mut Turn<'_>) {
        let Some(enrolment) = self.inv.enrolments.get(&token).cloned() else { return };
        if let Some(agent) = enrolment.used_by {
            self.answer_for_dead(agent);
            for key in self.inv.keys_of_agent(agent) {
                self.bury(key);
                self.gone(key, job.id, &job.actor, turn);
            }
        }
        self.gone(Key::Enrolment(token), job.id, &job.actor, turn);
    }

    /// Remembers how far a machine's host had come when its record goes, so that an older word of it, still under way,
    /// does not bring it back.
    pub(crate) fn bury(&mut self, key: Key) {
        if let Key::Vm(id) = key
            && let Some(vm) = self.inv.vm(id)
            && let (Some(host), Some(observed)) = (vm.host, &vm.observed)
        {
            self.deepen_grave(host.into(), vm.domain, observed.order);
        }
    }

    /// What waited for the job's end: whether its machines are where the record says.
    pub(crate) fn conclude(&mut self, job: &Job, turn: &mut Turn<'_>) {
        let vms: Vec<VmId> = job
            .locks
            .iter()
            .filter(|lock| !lock.shared)
            .filter_map(|lock| match lock.on {
                LockOn::Object { key: Key::Vm(vm) } => Some(vm),
                _ => None,
            })
            .collect();
        for vm in vms {
            let Some(it) = self.inv.vm(vm) else { continue };
            let Some(presence) = presence_of(it, turn.now) else { continue };
            let mut after = (**it).clone();
            VmEdit { presence: Some(presence), ..VmEdit::default() }.apply(&mut after);
            self.put(Object::from(after), job.id, &job.actor, turn);
        }
    }
}

/// Where a machine stands by what its host showed, where that differs from the record.
pub(crate) fn presence_of(vm: &Vm, now: Timestamp) -> Option<Presence> {
    let observed = vm.observed.as_ref()?;
    match (vm.presence, observed.gone) {
        (Presence::Here, true) => Some(Presence::Missing { since: now }),
        (Presence::Planned | Presence::Missing { .. }, false) => Some(Presence::Here),
        _ => None,
    }
}

fn is_secret(record: &Record) -> bool {
    match record {
        Record::Put { object } => object.key().kind().is_secret(),
        Record::Gone { .. } | Record::Withdraw { .. } | Record::Vm { .. } => false,
    }
}
