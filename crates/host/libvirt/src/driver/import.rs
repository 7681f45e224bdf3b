//! Machines whose definitions lie on the storage: examined, and defined once they were found good.

use std::path::Path;
use std::sync::atomic::Ordering;

use hostler_hypervisor::{Examined, Trouble};
use hostler_model::seen::{Identity, Power, Seen};
use hostler_model::{Code, Refusal};

use super::Driver;
use super::filter;
use super::trouble::Subject;
use crate::raw::{Error, Kind};
use crate::xml::import::Taken;

impl Driver {
    pub(super) fn examined(text: &str) -> Result<Examined, Trouble> {
        let no_machine = |why: String| {
            Trouble::Refused(
                Refusal::new(Code::ImportRefused, "definition", why)
                    .remedy("Name a file that virsh dumpxml wrote, or libvirt itself"),
            )
        };
        let taken = Taken::of(text).map_err(|why| no_machine(why.to_string()))?;
        let domain = taken.domain().ok_or_else(|| no_machine("it has no UUID".into()))?;
        let view = taken.view;
        let seen = Seen {
            domain,
            name: view.name,
            title: view.title,
            identity: view.identity,
            power: Power::Off,
            cpus: view.cpus,
            memory_mib: view.memory_mib,
            disks: view.disks,
            adapters: view.adapters,
            guest_agent: false,
            persistent: true,
            autostart: false,
            snapshots: Vec::new(),
        };
        Ok(Examined { seen, files: taken.files, refused: taken.refused })
    }

    pub(super) fn define_imported(&self, text: &str, who: &Identity, title: &str) -> Result<(), Trouble> {
        let subject = Subject::Domain(who.domain);
        let refused = |why: String| Trouble::Refused(Refusal::new(Code::ImportRefused, "definition", why));
        let taken = Taken::of(text).map_err(|why| refused(why.to_string()))?;
        // Whoever calls has looked; what is defined with the computer's rights is looked at here all the same.
        if !taken.refused.is_empty() || taken.domain() != Some(who.domain) {
            return Err(refused(taken.refused.join("; ")));
        }
        // What a guest says is written there with the computer's rights: no link may lead elsewhere.
        let log = self.own_log(who.domain, taken.tree());
        let folder = log.as_deref().and_then(Path::parent);
        let own_log = folder.is_some_and(|folder| folder.canonicalize().is_ok_and(|real| real == folder));
        let tree = taken.prepared(who, title, self.kvm.load(Ordering::Relaxed), own_log);
        self.pool
            .with(|connection| {
                // libvirt would put it in the place of one that came meanwhile.
                match connection.domain(who.domain) {
                    Ok(_) => return Err(Error::refused("the host has a machine with this UUID already")),
                    Err(why) if why.kind() == Kind::NoDomain => {}
                    Err(why) => return Err(why),
                }
                filter::ready_for(&tree, connection)?;
                connection.define(&tree.to_xml()).map(drop)
            })
            .map_err(|why| subject.trouble(why))
    }
}
