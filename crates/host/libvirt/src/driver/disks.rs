//! Disks attached and detached, media changed: to the running machine and to its definition, which may differ.

use std::path::Path;

use hostler_hypervisor::Trouble;
use hostler_model::hardware::Disk;
use uuid::Uuid;

use super::Driver;
use super::changes::impact;
use crate::raw::{Domain, Error, Impact};
use crate::tree::Element;
use crate::xml::{definition, patch};

impl Driver {
    pub(super) fn add_disk(&self, domain: Uuid, disk: &Disk) -> Result<(), Trouble> {
        let mut element = definition::disk(disk);
        if self.is_uncached(Path::new(&disk.file)) {
            element.need("driver").set("cache", "none");
        }
        let xml = element.to_xml();
        self.on_domain(domain, |_, domain| domain.attach(&xml, impact(domain)?))
    }

    /// The two sides are asked one after the other: after an earlier attempt, or a guest that did not let go, only one
    /// of them may still have the disk, and libvirt refuses to change both then.
    pub(super) fn take_disk(&self, domain: Uuid, target: &str) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| {
            let mut had = false;
            for (impact, tree) in sides(domain)? {
                let Some(disk) = patch::disk_at(&tree, target) else { continue };
                had = true;
                let asked = match patch::own_alias(disk) {
                    Some(alias) => domain.detach_alias(alias, impact),
                    None => domain.detach(&patch::for_detaching(disk).to_xml(), impact),
                };
                match asked {
                    // The guest was asked before and has not answered yet.
                    Err(why) if why.message.contains("in the process of unplug") => {}
                    other => other?,
                }
            }
            if had { Ok(()) } else { Err(Error::no_device(format!("it has no disk {target}"))) }
        })
    }

    pub(super) fn change_medium(&self, domain: Uuid, file: Option<&str>) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| {
            let mut had = false;
            for (impact, tree) in sides(domain)? {
                let Some(drive) = patch::dvd_drive(&tree) else { continue };
                had = true;
                let xml = patch::with_medium(drive, file).to_xml();
                let changed = domain.update(&xml, impact);
                match changed {
                    Err(why) if impact == Impact::LIVE && !why.is_lost() => {
                        // The guest may have locked the tray. Where that was not it, the first words tell more.
                        domain.update(&xml, impact.and(Impact::FORCE)).map_err(|_| why)?;
                    }
                    other => other?,
                }
            }
            if had { Ok(()) } else { Err(Error::no_device("it has no DVD drive")) }
        })
    }
}

/// What runs and what is defined, each as far as there is one; what runs comes first, because it may refuse.
fn sides(domain: &Domain<'_>) -> Result<Vec<(Impact, Element)>, Error> {
    let mut sides = Vec::new();
    if domain.is_active()? {
        sides.push((Impact::LIVE, Element::parse(&domain.xml()?)?));
    }
    if domain.is_persistent()? {
        sides.push((Impact::CONFIG, Element::parse(&domain.defined_xml_with_secrets()?)?));
    }
    Ok(sides)
}
