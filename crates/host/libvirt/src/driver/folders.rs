//! The folder of each machine of ours: where its log and its UEFI variables lie, beside its disks.

use std::fs;
use std::path::{Component, Path, PathBuf};

use hostler_model::command::Definition;
use uuid::Uuid;

use super::Driver;
use crate::tree::Element;
use crate::xml::definition;

/// How deep below the folders of machines a machine's folder is looked for.
const DEEPEST: usize = 8;
/// How many entries are looked at for it.
const MOST_LOOKED_AT: usize = 50_000;

impl Driver {
    /// The folder of a new machine: that of its first disk, where that was made for it, else one in the usual folder.
    pub(super) fn folder_for(&self, wanted: &Definition) -> PathBuf {
        let domain = wanted.identity.domain;
        let first = wanted.hardware.disks.first().and_then(|disk| Path::new(&disk.file).parent());
        let own = first.filter(|folder| self.is_folder_of(domain, folder)).map(Path::to_owned);
        own.unwrap_or_else(|| {
            let usual = self.settings.machine_folders.first();
            usual
                .map(PathBuf::as_path)
                .unwrap_or(Path::new("/var/lib/hostler-agent/vms"))
                .join(domain.to_string())
        })
    }

    /// Whether a path is one that a machine's folder may have.
    pub(super) fn is_folder_of(&self, domain: Uuid, folder: &Path) -> bool {
        let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
        folder.file_name().is_some_and(|name| name == domain.to_string().as_str())
            && folder.components().all(plain)
            && self.settings.machine_folders.iter().any(|root| folder.starts_with(root))
    }

    /// Whether disks in a folder are used without a cache of this computer.
    pub(super) fn is_uncached(&self, folder: &Path) -> bool {
        let nearest = self.settings.machine_folders.iter().filter(|root| folder.starts_with(root));
        let nearest = nearest.max_by_key(|root| root.components().count());
        nearest.is_some_and(|root| Some(root) != self.settings.cached.as_ref())
    }

    /// The log of what a machine wrote to its serial port, where its definition names one in a folder of its own: no file is
    /// opened or moved because a definition names it.
    pub(super) fn own_log(&self, domain: Uuid, tree: &Element) -> Option<PathBuf> {
        let port = tree.first("devices")?.first("serial")?;
        let log = port.first("log").and_then(|log| log.get("file")).map(PathBuf::from)?;
        let folder = log.parent().filter(|folder| self.is_folder_of(domain, folder))?;
        (log == definition::serial_log(folder)).then_some(log)
    }

    /// The folders that bear a machine's id, wherever below the folders of machines they are. Links are not followed.
    pub(super) fn folders_of(&self, domain: Uuid) -> Vec<PathBuf> {
        let (name, mut looked, mut found) = (domain.to_string(), 0, Vec::new());
        let mut open: Vec<(PathBuf, usize)> =
            self.settings.machine_folders.iter().map(|root| (root.clone(), 1)).collect();
        while let Some((folder, depth)) = open.pop() {
            let own = folder.join(&name);
            if fs::symlink_metadata(&own).is_ok_and(|about| about.is_dir()) && !found.contains(&own) {
                found.push(own);
            }
            if depth >= DEEPEST {
                continue;
            }
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                looked += 1;
                if looked > MOST_LOOKED_AT {
                    tracing::warn!(%domain, "not all folders were looked at for what the machine left");
                    return found;
                }
                // Machines' folders hold no others'.
                let other = entry.file_name().to_str().is_some_and(|name| name.parse::<Uuid>().is_ok());
                if !other && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push((entry.path(), depth + 1));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn a_machines_folder_is_found_where_it_is_and_nothing_else_is_taken_for_it() {
        let temp = tempfile::tempdir().unwrap();
        let (a, b) = (temp.path().join("a"), temp.path().join("b"));
        let domain = Uuid::from_u128(7);
        let deep = b.join("tier1/fast").join(domain.to_string());
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(&a).unwrap();
        std::os::unix::fs::symlink(&deep, a.join(domain.to_string())).unwrap();
        let machine_folders = vec![a.clone(), b.clone()];
        let settings = Settings { machine_folders, cached: Some(a.clone()), ..Settings::default() };
        let driver = Driver::new(settings).unwrap();
        assert_eq!(driver.folders_of(domain), std::slice::from_ref(&deep));
        assert!(driver.is_folder_of(domain, &deep));
        assert!(!driver.is_folder_of(domain, &b.join("..").join(domain.to_string())));
        assert!(!driver.is_folder_of(domain, Path::new("/etc").join(domain.to_string()).as_path()));
        assert!(driver.is_uncached(&deep) && !driver.is_uncached(&a.join("x")));
        assert!(!driver.is_uncached(Path::new("/srv/others")));
        let log = |file: &Path| {
            let xml = format!(
                "<domain><devices><serial><log file='{}'/></serial></devices></domain>",
                file.display()
            );
            driver.own_log(domain, &Element::parse(&xml).unwrap())
        };
        assert_eq!(log(&deep.join("serial.log")), Some(deep.join("serial.log")));
        assert_eq!(log(&deep.join("disk-0.qcow2")), None);
        assert_eq!(log(Path::new("/etc/shadow")), None);
    }
}
