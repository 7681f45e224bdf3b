//! How machines look: domains read into what the record takes.

use std::path::{Path, PathBuf};

use hostler_hypervisor::Trouble;
use hostler_model::seen::Seen;
use uuid::Uuid;

use super::Driver;
use crate::power;
use crate::raw::{Domain, Error, Kind};
use crate::tree::Element;
use crate::xml::patch;
use crate::xml::read::DomainView;

impl Driver {
    pub(super) fn see_all(&self) -> Result<Vec<Seen>, Trouble> {
        self.on_host(|connection| {
            let mut all = Vec::new();
            for domain in connection.domains()? {
                all.extend(existing(see(&domain))?);
            }
            Ok(all)
        })
    }

    pub(super) fn see_one(&self, domain: Uuid) -> Result<Option<Seen>, Trouble> {
        self.on_host(|connection| existing(connection.domain(domain).and_then(|domain| see(&domain))))
    }

    /// The XML that runs, or else the definition, of a machine; for people, so without passwords.
    ///
    /// # Errors
    /// `hypervisor.no.vm`, or what libvirt says.
    pub fn definition_xml(&self, domain: Uuid) -> Result<String, Trouble> {
        self.on_domain(domain, |_, domain| defined(domain))
    }

    /// The file of the disk or drive at a target, in what runs or else in the definition; an empty drive has none.
    pub(super) fn holds(&self, domain: Uuid, target: &str) -> Result<Option<String>, Trouble> {
        let tree = self.on_domain(domain, |_, domain| Ok(Element::parse(&domain.xml()?)?))?;
        Ok(patch::disk_at(&tree, target).and_then(patch::file_of).map(str::to_owned))
    }

    /// The machines whose definition or running XML names this file, by whatever path.
    pub(super) fn using(&self, file: &str) -> Result<Vec<Uuid>, Trouble> {
        let wanted = canonical(Path::new(file));
        let names_it = |xml: &str| match Element::parse(xml) {
            Ok(tree) => patch::files(&tree).any(|named| canonical(Path::new(named)) == wanted),
            // What cannot be read may use it: nobody deletes a file on a guess.
            Err(_) => true,
        };
        self.on_host(|connection| {
            let mut users = Vec::new();
            for domain in connection.domains()? {
                let texts = existing(both(&domain))?.into_iter().flatten().flatten();
                if texts.into_iter().any(|xml| names_it(&xml)) {
                    users.push(domain.uuid()?);
                }
            }
            Ok(users)
        })
    }
}

/// What runs and what is defined, as far as the domain has both.
fn both(domain: &Domain<'_>) -> Result<[Option<String>; 2], Error> {
    let defined = if domain.is_persistent()? { Some(domain.defined_xml()?) } else { None };
    Ok([Some(domain.xml()?), defined])
}

/// The definition, or what runs of a machine that has none.
pub(super) fn defined(domain: &Domain<'_>) -> Result<String, Error> {
    if domain.is_persistent()? { domain.defined_xml() } else { domain.xml() }
}

/// A domain that vanished between two calls is not there; that is no failure.
fn existing<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(why) if why.kind() == Kind::NoDomain => Ok(None),
        Err(why) => Err(why),
    }
}

/// One machine: its power, its definition (what was changed with `virsh --config` must be seen), and of what runs only
/// whether the guest's agent is there.
fn see(domain: &Domain<'_>) -> Result<Seen, Error> {
    let uuid = domain.uuid()?;
    let power = power::of(domain)?;
    let persistent = domain.is_persistent()?;
    let live = if persistent && !power.is_on() { None } else { Some(view(uuid, &domain.xml()?)) };
    let guest_agent = power.is_on() && live.as_ref().is_some_and(|live| live.guest_agent);
    let view = if persistent { view(uuid, &domain.defined_xml()?) } else { live.unwrap_or_default() };
    Ok(Seen {
        domain: uuid,
        name: view.name,
        title: view.title,
        identity: view.identity,
        power,
        cpus: view.cpus,
        memory_mib: view.memory_mib,
        disks: view.disks,
        adapters: view.adapters,
        guest_agent,
        persistent,
        autostart: persistent && or_nothing(domain.autostarts())?,
        snapshots: or_nothing(domain.snapshots())?,
    })
}

/// What libvirt does not say of a machine that is just being taken away, or becomes transient, is not there; that must not
/// hide all others.
fn or_nothing<T: Default>(said: Result<T, Error>) -> Result<T, Error> {
    match said {
        Err(why) if why.kind() != Kind::NoDomain && !why.is_lost() => Ok(T::default()),
        said => said,
    }
}

/// A definition that is not taken as XML hides its machine's properties, not the machine.
fn view(uuid: Uuid, xml: &str) -> DomainView {
    DomainView::of(xml).unwrap_or_else(|why| {
        tracing::warn!(domain = %uuid, %why, "the machine's XML cannot be read");
        DomainView::default()
    })
}

/// A path without links, as far as it exists.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path.components().collect(),
    }
}

/// The definition with its passwords, as a tree to be patched and defined again, without what libvirt must not trust.
pub(super) fn patchable(domain: &Domain<'_>) -> Result<Element, Error> {
    let mut tree = Element::parse(&domain.defined_xml_with_secrets()?)?;
    patch::drop_backing(&mut tree);
    Ok(tree)
}
