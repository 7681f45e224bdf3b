//! The folders in which a host may keep machines: those that the administrator of the computer named in its agent's
//! settings. Nothing of a machine is made, read or deleted outside them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Code, Refusal};
use crate::time::Timestamp;

/// The most folders that the settings of an agent may allow, beside the usual one.
pub const MOST_FOLDERS: usize = 16;
/// The most entries of a folder that are listed in one answer.
pub const MOST_ENTRIES: usize = 1_000;
/// The longest path, in bytes: what the kernel takes, with room for a machine's folder and file.
pub const LONGEST_PATH: usize = 3_000;
/// How deep below an allowed folder machines' folders may be made.
pub const DEEPEST: usize = 8;

/// A folder that the administrator of a host allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MachineFolder {
    /// Where it is, an absolute path.
    pub path: String,
    /// What tells it from others: hosts that show one word here see one folder.
    pub id: String,
}

/// How full the file system of an allowed folder is. Volatile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FolderSpace {
    /// The allowed folder.
    pub path: String,
    /// The size of its file system, in MiB.
    pub total_mib: u64,
    /// Free space there, in MiB.
    pub free_mib: u64,
}

/// An allowed folder as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllowedFolder {
    /// Where it is, an absolute path.
    pub path: String,
    /// Whether new machines are made in it or below it unless another is named.
    pub is_default: bool,
    /// The names of other hosts that see the same folder at the same path, so that machines can move between them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_with: Vec<String>,
    /// The size of its file system in MiB, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_mib: Option<u64>,
    /// Free space there in MiB, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_mib: Option<u64>,
}

/// What lies in a folder of a host, as its agent lists it now: folders and disk images, by name. What is hidden, and what
/// leads out of the allowed folder, is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FolderListing {
    /// The folder.
    pub path: String,
    /// The folders in it.
    pub folders: Vec<SeenFolder>,
    /// The disk images in it, by their names' endings; their content is not looked at.
    pub images: Vec<SeenImage>,
    /// Whether there is more than the 1,000 entries that are listed.
    pub more: bool,
}

/// A folder in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenFolder {
    /// Its name.
    pub name: String,
    /// When something in it was last added or removed.
    pub modified: Timestamp,
}

/// A disk image in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenImage {
    /// Its name.
    pub name: String,
    /// The length of the file, in bytes.
    pub size_bytes: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// The folders of a host: those that are allowed, and what lies in the one that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoldersView {
    /// The folder in which folders of new machines are made unless another is named.
    pub vm_path: String,
    /// The folders that the administrator of the computer allows.
    pub allowed: Vec<AllowedFolder>,
    /// What lies in the folder that was asked for; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<FolderListing>,
}

/// Make a folder on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFolder {
    /// The folder, an absolute path below an allowed one; the folder above it must be there.
    pub path: String,
}

/// Whether a text may be the path of a folder or file: absolute, and spelt in one way only.
///
/// # Errors
/// `path.forbidden`.
pub fn check_path(path: &str) -> Result<(), Refusal> {
    let cause = match path {
        path if path.len() > LONGEST_PATH => "it is longer than 3,000 bytes",
        path if !path.starts_with('/') => "it is no absolute path",
        "/" => "everything is below it",
        path if path.chars().any(char::is_control) => "it holds a control character",
        path if path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) => {
            "a part of it is empty, \".\" or \"..\""
        }
        _ => return Ok(()),
    };
    let shown: String = path.chars().filter(|c| !c.is_control()).take(200).collect();
    Err(Refusal::new(Code::PathForbidden, shown, cause).remedy("Name it from / on, as in /srv/vms/tier1"))
}

/// The allowed folder that is a path, or in which it lies: the nearest where one lies in another. A path that may not be
/// one ([`check_path`]) lies in none.
pub fn within<'f>(folders: &'f [MachineFolder], path: &str) -> Option<&'f MachineFolder> {
    check_path(path).ok()?;
    let lies = |folder: &&MachineFolder| is_below(&folder.path, path);
    folders.iter().filter(lies).max_by_key(|folder| folder.path.len())
}

/// Whether a path is a folder, or lies in it. By spelling alone.
pub fn is_below(folder: &str, path: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path that is outside what is allowed. `whose` says of whom: `host a`.
pub fn outside<'f>(path: &str, whose: &str, allowed: impl Iterator<Item = &'f str>) -> Refusal {
    let allowed: Vec<&str> = allowed.collect();
    let cause = format!("it is in none of the folders that {whose} allows: {}", allowed.join(", "));
    let shown: String = path.chars().filter(|c| !c.is_control()).take(200).collect();
    Refusal::new(Code::PathForbidden, shown, cause).remedy(
        "Name one of these folders or one below them. Its administrator allows more with machine_folders in agent.toml",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(paths: &[&str]) -> Vec<MachineFolder> {
        paths.iter().map(|path| MachineFolder { path: (*path).to_owned(), id: String::new() }).collect()
    }

    #[test]
    fn a_path_lies_in_the_nearest_allowed_folder_by_whole_names() {
        let all = folders(&["/srv/vms", "/srv/vms/fast", "/data"]);
        let of = |path| within(&all, path).map(|folder| folder.path.as_str());
        assert_eq!(of("/srv/vms/a/disk.qcow2"), Some("/srv/vms"));
        assert_eq!(of("/srv/vms"), Some("/srv/vms"));
        assert_eq!(of("/srv/vms/fast/a"), Some("/srv/vms/fast"));
        for outside in
            ["/srv/vmsx", "/srv", "srv/vms", "/srv/vms/../../etc", "/srv/vms//a", "/data/", "/", ""]
        {
            assert_eq!(of(outside), None, "{outside}");
        }
    }

    #[test]
    fn what_is_outside_is_told_with_what_is_allowed() {
        let refusal = outside("/etc", "host a", ["/srv/vms", "/data"].into_iter());
        assert_eq!(refusal.code, Code::PathForbidden);
        assert!(refusal.cause.contains("host a allows: /srv/vms, /data"), "{refusal}");
    }
}
