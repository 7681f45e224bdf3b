//! The account as which libvirt runs QEMU, and whether it may pass through the folders of a disk's path: looked at
//! before anything is made, because otherwise each machine fails at its first start, with words that help nobody.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What libvirt's packages call the account, by distribution.
const USUAL: [&str; 2] = ["libvirt-qemu", "qemu"];

/// The account as which libvirt runs QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QemuAccount {
    /// Its name, or its number where the settings name that.
    pub name: String,
    uid: u32,
    gids: Vec<u32>,
}

/// Why machines could not use their disks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// A folder on the way is closed to the account.
    #[error(
        "{folder}: the account {account}, as which libvirt runs QEMU, may not pass through this folder, so no machine \
         could open a disk below it. Run: chmod o+x {folder} — or name another folder with --state"
    )]
    Closed {
        /// The folder.
        folder: PathBuf,
        /// The account.
        account: String,
    },
    /// libvirt is told not to hand disks over to the account.
    #[error(
        "{conf}: dynamic_ownership = 0: QEMU's account {account} could not open the disks that this agent makes. \
         Set it to 1 and restart libvirtd"
    )]
    KeepsOwners {
        /// libvirt's settings for QEMU.
        conf: PathBuf,
        /// The account.
        account: String,
    },
}

impl QemuAccount {
    /// Reads it from libvirt's settings for QEMU (`qemu.conf`) and the computer's accounts. None where it cannot be
    /// found out: an account that only a directory service knows, or no libvirt.
    ///
    /// # Errors
    /// The settings keep it from the disks.
    pub fn read(conf: &Path) -> Result<Option<Self>, AccountError> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let Ok(settings) = fs::read_to_string(conf) else { return Ok(None) };
        let account = find(&settings, &read("/etc/passwd"), &read("/etc/group"));
        match account {
            Some(account) if account.uid != 0 && setting(&settings, "dynamic_ownership") == Some("0") => {
                Err(AccountError::KeepsOwners { conf: conf.into(), account: account.name })
            }
            account => Ok(account),
        }
    }

    /// Its user and group, for what is to be its own.
    pub fn owner(&self) -> Option<(u32, u32)> {
        Some((self.uid, *self.gids.first()?))
    }

    /// Whether it may pass through every folder on the way to `path`, as far as the way exists.
    ///
    /// # Errors
    /// Names the first folder that is closed.
    pub fn can_reach(&self, path: &Path) -> Result<(), AccountError> {
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        for folder in way {
            // Links lead elsewhere: the way there counts as well.
            let Ok(real) = folder.canonicalize() else { return Ok(()) };
            if real != folder {
                self.can_reach(&real)?;
            }
            match fs::metadata(&real) {
                Ok(about) if about.is_dir() && !self.may_pass(&real, &about) => {
                    return Err(AccountError::Closed { folder: real, account: self.name.clone() });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn may_pass(&self, folder: &Path, about: &Metadata) -> bool {
        if self.uid == 0 {
            return true;
        }
        let bit = if about.uid() == self.uid {
            0o100
        } else if self.gids.contains(&about.gid()) {
            0o010
        } else {
            0o001
        };
        // Where an access list has its say, the bits alone do not tell: then nobody is refused.
        about.mode() & bit != 0
            || rustix::fs::getxattr(folder, "system.posix_acl_access", &mut [0u8; 512][..]).is_ok()
    }
}

/// The value of a setting, without its quotation marks.
fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line =
        text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix('='))?;
    Some(line.trim().trim_matches('"'))
}

fn find(settings: &str, passwd: &str, group: &str) -> Option<QemuAccount> {
    let known = |name: &str| passwd.lines().any(|line| line.split(':').next() == Some(name));
    let wanted = match setting(settings, "user") {
        Some(user) => user,
        None => USUAL.into_iter().find(|name| known(name)).unwrap_or("root"),
    };
    // A number may be written plainly, or with a plus where a name of digits could be meant.
    let number: Option<u32> = wanted.strip_prefix('+').unwrap_or(wanted).parse().ok();
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| match number {
        Some(uid) => fields.get(2).and_then(|text| text.parse().ok()) == Some(uid),
        None => fields.first() == Some(&wanted),
    });
    let Some(fields) = fields else {
        return number.map(|uid| QemuAccount { name: wanted.into(), uid, gids: Vec::new() });
    };
    let name = (*fields.first()?).to_owned();
    let mut gids: Vec<u32> = fields.get(3).and_then(|text| text.parse().ok()).into_iter().collect();
    for line in group.lines() {
        let mut parts = line.split(':').skip(2);
        let (Some(gid), Some(members)) = (parts.next(), parts.next()) else { continue };
        if members.split(',').any(|member| member == name) {
            gids.extend(gid.parse::<u32>());
        }
    }
    Some(QemuAccount { uid: fields.get(2)?.parse().ok()?, name, gids })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PASSWD: &str =
        "root:x:0:0::/:/bin/sh\nlibvirt-qemu:x:64055:994::/:/sbin/nologin\nqed:x:107:107::/:/x\n";
    const GROUP: &str = "kvm:x:994:\ndisks:x:500:qed,libvirt-qemu\n";

    #[test]
    fn the_account_is_the_one_that_libvirt_would_take() {
        let of = |settings: &str| find(settings, PASSWD, GROUP).map(|a| (a.name, a.uid, a.gids));
        let usual = Some(("libvirt-qemu".to_owned(), 64055, vec![994, 500]));
        assert_eq!(of("#user = \"qed\"\n"), usual);
        assert_eq!(of("user = \"qed\"\n"), Some(("qed".into(), 107, vec![107, 500])));
        assert_eq!(of("user = \"+0\"\n").map(|a| a.1), Some(0));
        assert_eq!(of("user = \"64055\"\n"), usual);
        assert_eq!(of("user = \"of-a-directory\"\n"), None);
    }

    #[test]
    fn a_folder_that_is_closed_to_it_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let vms = folder.path().join("state/vms");
        let account = QemuAccount { name: "libvirt-qemu".into(), uid: 64055, gids: vec![994] };
        let refused = account.can_reach(&vms).unwrap_err().to_string();
        assert!(refused.contains(&format!("chmod o+x {}", folder.path().display())), "{refused}");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        account.can_reach(&vms).unwrap();
        let link = folder.path().join("link");
        let closed = folder.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(&closed, &link).unwrap();
        assert!(account.can_reach(&link.join("vms")).is_err());
        let root = QemuAccount { name: "root".into(), uid: 0, gids: vec![] };
        root.can_reach(&link.join("vms")).unwrap();
    }
}
