//! Definitions made, changed, started and removed.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use hostler_hypervisor::Trouble;
use hostler_model::command::Definition;
use hostler_model::seen::Identity;
use uuid::Uuid;
use virt_sys as s;

use super::Driver;
use super::filter;
use super::looks::patchable;
use super::trouble::Subject;
use crate::raw::{Domain, Error, Impact, Kind};
use crate::tree::Element;
use crate::xml::definition::{self, Surroundings};
use crate::xml::{identity, patch};

impl Driver {
    pub(super) fn define_new(&self, wanted: &Definition) -> Result<(), Trouble> {
        let domain = wanted.identity.domain;
        let subject = Subject::Domain(domain);
        let folder = self.folder_for(wanted);
        let is_new = !folder.exists();
        // QEMU's account passes through it to the disks, and nobody else lists it.
        let made = DirBuilder::new().recursive(true).mode(0o711).create(&folder);
        made.map_err(|why| subject.trouble(io_error(&folder, &why)))?;
        let defined = self.pool.with(|connection| {
            // Redefining would overwrite what is there; who calls has looked, but may have looked too early.
            match connection.domain(domain) {
                Ok(_) => return Err(Error::refused("the host has a machine with this UUID already")),
                Err(why) if why.kind() == Kind::NoDomain => {}
                Err(why) => return Err(why),
            }
            let capabilities = Element::parse(&connection.capabilities()?)?;
            let machine_type = patch::canonical_q35(&capabilities).ok_or_else(|| {
                Error::own("QEMU on this host offers no q35 machine: is qemu-system-x86 installed?".into())
            })?;
            let around = Surroundings {
                kvm: self.kvm.load(Ordering::Relaxed),
                machine_type: &machine_type,
                folder: &folder,
                is_bridge: &is_bridge,
            };
            let mut domain = definition::domain(wanted, &around);
            if self.is_uncached(&folder) {
                definition::uncached(&mut domain);
            }
            filter::ready_for(&domain, connection)?;
            connection.define(&domain.to_xml()).map(drop)
        });
        defined.map_err(|why| {
            // Only when empty; what was interrupted may be defined all the same and needs its folder.
            if is_new && !why.is_lost() {
                let _ = fs::remove_dir(&folder);
            }
            subject.trouble(why)
        })
    }

    pub(super) fn remove_definition(&self, domain: Uuid) -> Result<(), Trouble> {
        let log = self.on_domain(domain, |_, it| {
            if it.is_active()? {
                // libvirt would let the machine run on without a definition.
                return Err(Error { code: 55, domain: 0, message: "the machine is on".into() });
            }
            let log = Element::parse(&it.xml()?).ok().and_then(|tree| self.own_log(domain, &tree));
            it.undefine().map(|()| log)
        })?;
        match log.as_deref().and_then(Path::parent) {
            Some(folder) => remove_leftovers_in(folder),
            None => self.remove_leftovers(domain),
        }
        Ok(())
    }

    pub(super) fn remove_leftovers(&self, domain: Uuid) {
        for folder in self.folders_of(domain) {
            remove_leftovers_in(&folder);
        }
    }

    pub(super) fn bring_up(&self, domain: Uuid) -> Result<(), Trouble> {
        let kvm = self.kvm.load(Ordering::Relaxed);
        self.on_domain(domain, |connection, domain| {
            let powers_on = !domain.is_active()? && !domain.has_saved_state()?;
            if powers_on {
                self.begin_log(domain.uuid()?, &Element::parse(&domain.xml()?)?);
            }
            // Saved memory fits only the type it was saved with.
            if powers_on && domain.is_persistent()? {
                let mut tree = patchable(domain)?;
                if patch::set_kvm(&mut tree, kvm) {
                    connection.define(&tree.to_xml())?;
                }
            }
            domain.create()?;
            run_on(domain)
        })
    }

    pub(super) fn write_hardware(&self, domain: Uuid, cpus: u32, memory_mib: u64) -> Result<(), Trouble> {
        self.on_domain(domain, |connection, domain| {
            let mut tree = patchable(domain)?;
            patch::set_hardware(&mut tree, cpus, memory_mib).map_err(Error::refused)?;
            connection.define(&tree.to_xml()).map(drop)
        })
    }

    pub(super) fn write_title(&self, domain: Uuid, title: &str) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| domain.set_title(title, impact(domain)?))
    }

    pub(super) fn write_identity(&self, who: &Identity) -> Result<(), Trouble> {
        let element = identity::element(who).to_xml();
        self.on_domain(who.domain, |_, domain| {
            domain.set_metadata(&element, identity::PREFIX, identity::NAMESPACE, impact(domain)?)
        })
    }
}

/// Removes the log from a machine's folder, and the folder when it is empty then: disks are removed by who made them.
fn remove_leftovers_in(folder: &Path) {
    let log = definition::serial_log(folder);
    remove_log(&log);
    remove(&definition::log_before(&log));
    let _ = fs::remove_dir(folder);
}

/// What a change has to apply to: what runs, if it runs, and the definition, if one is kept.
pub(super) fn impact(domain: &Domain<'_>) -> Result<Impact, Error> {
    Ok(match (domain.is_active()?, domain.is_persistent()?) {
        (true, true) => Impact::LIVE.and(Impact::CONFIG),
        (true, false) => Impact::LIVE,
        (false, _) => Impact::CONFIG,
    })
}

/// Memory that was saved while paused is restored paused; started means running.
fn run_on(domain: &Domain<'_>) -> Result<(), Error> {
    let now = domain.state()?;
    let by_storage = now.reason == s::VIR_DOMAIN_PAUSED_IOERROR;
    if now.state == s::VIR_DOMAIN_PAUSED && !by_storage { domain.resume() } else { Ok(()) }
}

/// Removes a log and what virtlogd rolled over from it.
pub(super) fn remove_log(log: &Path) {
    let mut files = vec![log.to_path_buf()];
    files.extend((0..8).map(|no| PathBuf::from(format!("{}.{no}", log.display()))));
    files.iter().for_each(|file| remove(file));
}

fn remove(log: &Path) {
    match fs::remove_file(log) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(file = %log.display(), %why, "a log remains");
        }
        _ => {}
    }
}

/// Whether this computer has a bridge of this name. A name that is no file name is none.
fn is_bridge(name: &str) -> bool {
    !name.is_empty()
        && !name.contains('/')
        && !name.starts_with('.')
        && Path::new("/sys/class/net").join(name).join("bridge").is_dir()
}

fn io_error(path: &Path, why: &io::Error) -> Error {
    Error::own(format!("{}: {why}", path.display()))
}
