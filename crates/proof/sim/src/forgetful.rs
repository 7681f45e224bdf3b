//! A store that forgets at a restart, or keeps half of a commit, as a planted fault says.

use std::sync::Arc;

use hostler_model::Object;
use hostler_model::host::Host;
use hostler_model::object::Installation;
use hostler_model::setting::Settings;
use hostler_store::{MemoryStore, Store, StoreError};

use crate::mutant::Mutant;

/// A store that forgets at a restart what a planted fault says.
pub struct Forgetful {
    /// The store beneath.
    pub inner: MemoryStore,
    /// The planted fault.
    pub mutant: Option<Mutant>,
}

impl Store for Forgetful {
    fn load(&mut self) -> Result<hostler_store::Loaded, StoreError> {
        let mut loaded = self.inner.load()?;
        if self.mutant == Some(Mutant::KeysLost) {
            loaded.ended.clear();
        }
        if self.mutant == Some(Mutant::LimitsIgnored) {
            loaded.objects.retain(|stored| !matches!(stored.object, Object::Settings(_)));
            let settings = Settings {
                starts_per_host: 10_000,
                disk_copies_per_host: 10_000,
                migrations_per_host: 10_000,
                ..Settings::default()
            };
            let object = Object::from(Installation { id: loaded.installation, settings });
            loaded.objects.push(hostler_store::Stored { revision: loaded.head.revision, object });
        }
        for stored in &mut loaded.objects {
            if let Object::Host(host) = &stored.object
                && self.mutant == Some(Mutant::GivenUpForgotten)
            {
                stored.object = Object::from(Host { dead_since: None, ..(**host).clone() });
            }
            let Object::Job(job) = &stored.object else { continue };
            let mut job = (**job).clone();
            match self.mutant {
                Some(Mutant::LocksLost) => job.locks.clear(),
                Some(Mutant::KeysLost) => job.key = None,
                Some(Mutant::ChoicesLost) => job.choices = Arc::default(),
                Some(Mutant::PointLost) => {
                    job.past_point = false;
                    job.steps.iter_mut().for_each(|step| step.decides = false);
                }
                Some(Mutant::LimitsIgnored) => continue,
                Some(Mutant::StepsLost) => job.steps.retain(|step| step.owed_by().is_none()),
                _ => continue,
            }
            stored.object = Object::from(job);
        }
        Ok(loaded)
    }

    fn begin_epoch(&mut self) -> Result<u32, StoreError> {
        if self.mutant == Some(Mutant::EpochNotRaised) { Ok(1) } else { self.inner.begin_epoch() }
    }

    fn raise_epoch_above(&mut self, seen: u32) -> Result<u32, StoreError> {
        self.inner.raise_epoch_above(seen)
    }

    fn commit(&mut self, commit: &hostler_store::Commit) -> Result<hostler_store::Revision, StoreError> {
        if self.mutant == Some(Mutant::HalfCommit) && commit.changes.len() > 2 {
            let mut half = commit.clone();
            half.changes.truncate(commit.changes.len() / 2);
            return self.inner.commit(&half);
        }
        self.inner.commit(commit)
    }

    fn reader(&self) -> Result<Box<dyn hostler_store::Reader>, StoreError> {
        self.inner.reader()
    }

    fn prune(&mut self, retention: &hostler_store::Retention) -> Result<hostler_store::Pruned, StoreError> {
        self.inner.prune(retention)
    }
}
