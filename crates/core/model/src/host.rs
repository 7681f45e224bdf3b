//! A host: a computer that runs virtual machines, as its agent describes it and as administrators set it up.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Code, Refusal};
use crate::host_group::{ALL_HOSTS, check_notes};
use crate::host_hardware::HostHardware;
use crate::ids::{HostGroupId, HostId};
use crate::machine_folder::{self, FolderSpace, MachineFolder};
use crate::name::Name;
use crate::network::{HostNetwork, NetworkKind};
use crate::reserve::{EditReserve, OwnReserve, Reserve, edit_or_null, said};
use crate::time::Timestamp;

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(from = "Stored")]
pub struct Host {
    /// Its id, the same value as its agent's.
    pub id: HostId,
    /// The name people call it: at first its host name.
    pub name: Name,
    /// The group that it is in.
    pub group: HostGroupId,
    /// What administrators set.
    pub spec: HostSpec,
    /// What its agent last said of it.
    pub facts: HostFacts,
    /// An administrator declared that it will never return, at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_since: Option<Timestamp>,
    /// When it entered the record.
    pub created: Timestamp,
}

impl Host {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("host {}", self.name)
    }

    /// Memory that machines may use, in MiB, where this is kept for the host.
    pub fn usable_memory_mib(&self, reserve: &Reserve) -> u64 {
        self.facts.memory_mib.saturating_sub(reserve.memory_mib)
    }

    /// The folder in which folders of new machines are made unless another is named.
    pub fn vm_path(&self) -> &str {
        self.spec.vm_path.as_deref().unwrap_or(&self.facts.vm_folder)
    }

    /// Whether machines may be kept in a folder of it.
    ///
    /// # Errors
    /// `path.forbidden`, with the folders that are allowed.
    pub fn check_folder(&self, path: &str) -> Result<(), Refusal> {
        machine_folder::check_path(path)?;
        let allowed = self.facts.allowed_folders();
        match machine_folder::within(&allowed, path) {
            Some(folder) if path[folder.path.len()..].split('/').count() <= machine_folder::DEEPEST => Ok(()),
            Some(folder) => {
                let cause = format!(
                    "it lies deeper than {} folders below {}",
                    machine_folder::DEEPEST - 1,
                    folder.path
                );
                Err(Refusal::new(Code::PathForbidden, path, cause).remedy("Name a folder nearer to it"))
            }
            None => Err(machine_folder::outside(
                path,
                &format!("the administrator of {}", self.label()),
                allowed.iter().map(|folder| folder.path.as_str()),
            )),
        }
    }
}

impl HostFacts {
    /// The folders in which machines may be kept. Of an agent that does not say it that is the usual one alone.
    pub fn allowed_folders(&self) -> Vec<MachineFolder> {
        if self.machine_folders.is_empty() && !self.vm_folder.is_empty() {
            return vec![MachineFolder { path: self.vm_folder.clone(), id: self.vm_folder_id.clone() }];
        }
        self.machine_folders.clone()
    }

    /// Whether another host sees the folder in which a file lies as the same folder, at the same path.
    pub fn shares(&self, other: &HostFacts, file: &str) -> bool {
        let (here, there) = (self.allowed_folders(), other.allowed_folders());
        match (machine_folder::within(&here, file), machine_folder::within(&there, file)) {
            (Some(here), Some(there)) => here == there && !here.id.is_empty(),
            _ => false,
        }
    }
}

/// A host as it is stored. Before there were groups a host stood in none, and all that was kept for it was written down
/// whether somebody had set it or not.
#[derive(Deserialize)]
struct Stored {
    id: HostId,
    name: Name,
    group: Option<HostGroupId>,
    spec: HostSpec,
    facts: HostFacts,
    #[serde(default)]
    dead_since: Option<Timestamp>,
    created: Timestamp,
}

impl From<Stored> for Host {
    fn from(stored: Stored) -> Self {
        let Stored { id, name, group, mut spec, facts, dead_since, created } = stored;
        // What was never set is as in the group from now on.
        if group.is_none() && spec.reserve == BEFORE_GROUPS {
            spec.reserve = OwnReserve::default();
        }
        Self { id, name, group: group.unwrap_or(ALL_HOSTS), spec, facts, dead_since, created }
    }
}

/// What was written down for a host of which nobody had set anything, before there were groups.
const BEFORE_GROUPS: OwnReserve = OwnReserve {
    cpu_percent: Some(20),
    memory_mib: Some(512),
    disk_mib: Some(100),
    disk_operations_per_s: None,
    network_percent: None,
};

/// What administrators set for a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostSpec {
    /// Whether placement may choose it.
    #[serde(default = "yes")]
    pub available: bool,
    /// Whether it is in maintenance: placement does not choose it, and refreshers leave it alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maintenance: bool,
    /// What is set for it of what is kept for the host itself. What is absent is as in its group.
    #[serde(default, skip_serializing_if = "OwnReserve::is_empty")]
    pub reserve: OwnReserve,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// The folder in which folders of new machines are made, within those that its agent allows; the agent's usual folder
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_path: Option<String>,
}

fn yes() -> bool {
    true
}

impl Default for HostSpec {
    fn default() -> Self {
        Self {
            available: true,
            maintenance: false,
            reserve: OwnReserve::default(),
            notes: String::new(),
            vm_path: None,
        }
    }
}

impl HostSpec {
    /// What is changed by an edit.
    #[must_use]
    pub fn edited(&self, edit: &EditHost) -> Self {
        Self {
            available: edit.available.unwrap_or(self.available),
            maintenance: edit.maintenance.unwrap_or(self.maintenance),
            reserve: edit.reserve.applied(self.reserve),
            notes: edit.notes.clone().unwrap_or_else(|| self.notes.clone()),
            vm_path: edit.vm_path.clone().unwrap_or_else(|| self.vm_path.clone()),
        }
    }

    /// Whether it may be set so.
    ///
    /// # Errors
    /// `value.invalid` for notes that are too long and reserves out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_notes(&self.notes)?;
        self.reserve.check()
    }
}

/// Change what administrators set for a host; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EditHost {
    /// Whether placement may choose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// Whether it is in maintenance: placement does not choose it, and refreshers leave it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<bool>,
    /// What is kept for the host itself; null is all as in its group.
    #[serde(skip_serializing_if = "EditReserve::is_empty", deserialize_with = "edit_or_null")]
    #[schema(value_type = Option<EditReserve>)]
    pub reserve: EditReserve,
    /// Free text, at most 10,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The folder in which folders of new machines are made, within those that its agent allows; null is the agent's usual
    /// folder.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub vm_path: Option<Option<String>>,
}

/// What an agent says of its computer. Nothing in it changes from second to second: load is not a fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HostFacts {
    /// The computer's name.
    pub host_name: String,
    /// The operating system in words.
    pub os: String,
    /// The kernel's version.
    pub kernel: String,
    /// The processor's model.
    pub cpu_model: String,
    /// Logical processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Whether hardware virtualization works.
    pub kvm: Kvm,
    /// libvirt's version; empty when it does not answer.
    pub libvirt: String,
    /// QEMU's version; empty when it is not installed.
    pub qemu: String,
    /// Whether libvirt answers.
    pub libvirt_answers: bool,
    /// The folder in which machines' folders are made.
    pub vm_folder: String,
    /// What tells the machines' folder from others: hosts that show one word here see one folder. Empty from agents that
    /// do not say it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vm_folder_id: String,
    /// The folders in which machines may be kept, the usual one first. Empty from agents that do not say it, which know the
    /// usual one alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub machine_folders: Vec<MachineFolder>,
    /// The address at which other agents reach this one. Empty from agents that do not say it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The folder in which bases are kept.
    pub base_folder: String,
    /// Networks to which adapters can be connected now.
    pub networks: Vec<String>,
    /// All its networks with what they are, by name. Empty from agents that do not say it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_networks: Vec<HostNetwork>,
    /// Whether an adapter of a machine can be put into a VLAN on a bridge.
    #[serde(skip_serializing_if = "Ability::is_unknown")]
    pub adapter_vlans: Ability,
    /// Whether it can drop what an adapter of a machine sends under another address than its own.
    #[serde(skip_serializing_if = "Ability::is_unknown")]
    pub spoofing_filter: Ability,
    /// The kernel's boot id.
    pub boot_id: String,
    /// What it is made of.
    pub hardware: HostHardware,
}

impl HostFacts {
    /// Why no adapter of a machine on a network of this host can be in a VLAN of its own, in words; none where it can.
    pub fn vlan_lacks(&self, network: &str) -> Option<String> {
        if let Some(why) = self.adapter_vlans.lacking() {
            return Some(why.to_owned());
        }
        // An adapter may name a bridge that is no network of libvirt's: then its host finds out.
        let known = self.host_networks.iter().find(|known| known.is_source(network))?;
        if known.kind != NetworkKind::External {
            return Some(format!("the network is {} and never leaves its host", known.kind.word()));
        }
        match known.vlan_filtering {
            Some(true) => None,
            Some(false) => Some(format!("bridge {} filters no VLANs (vlan_filtering is off)", known.bridge)),
            None => Some("the kernel filters no VLANs on bridges".to_owned()),
        }
    }
}

/// Whether a host can do something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Ability {
    /// It can.
    Has,
    /// It cannot.
    Lacks {
        /// Why, in words.
        why: String,
    },
    /// Its agent does not say.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Ability {
    /// Why the host cannot, in words; none where it can.
    pub fn lacking(&self) -> Option<&str> {
        match self {
            Ability::Has => None,
            Ability::Lacks { why } => Some(why),
            Ability::Unknown => Some("its agent does not say whether it can"),
        }
    }

    /// Whether nothing is said.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Ability::Unknown)
    }
}

/// Whether hardware virtualization works: tried by booting, not believed from a device file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Kvm {
    /// A probe booted through the firmware.
    Works,
    /// It does not: machines run under emulation, slowly.
    Fails {
        /// Why, in words.
        why: String,
    },
    /// Not tried yet.
    #[default]
    #[serde(other)]
    Untried,
}

/// A host's load at a moment. Volatile: kept beside the record, never in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Load {
    /// Processor use, percent of the whole host, over the last heartbeat interval.
    pub cpu_percent: f32,
    /// Memory that could be given away now, in MiB.
    pub memory_available_mib: u64,
    /// Size of the file system of the machines' folder, in MiB.
    pub disk_total_mib: u64,
    /// Free space there, in MiB.
    pub disk_free_mib: u64,
    /// How long the computer has been up, in seconds.
    pub uptime_s: u64,
    /// What its clock said, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Timestamp>,
    /// How full the file systems of the folders are in which machines may be kept. Empty from agents that do not say it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<FolderSpace>,
}

impl Load {
    /// Size of the file system of a folder and free space on it, in MiB, where both are known.
    pub fn space(&self, host: &Host, folder: &str) -> Option<(u64, u64)> {
        let nearest = self.folders.iter().filter(|space| machine_folder::is_below(&space.path, folder));
        let (total, free) = match nearest.max_by_key(|space| space.path.len()) {
            Some(space) => (space.total_mib, space.free_mib),
            // Of an agent that does not say it, it is the space of the usual folder.
            None if machine_folder::is_below(&host.facts.vm_folder, folder) => {
                (self.disk_total_mib, self.disk_free_mib)
            }
            None => return None,
        };
        (total > 0).then_some((total, free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_group::Above;

    /// A host as a server of before the groups stored it.
    fn stored(reserve: &str) -> Host {
        let text = format!(
            r#"{{"id":"00000000-0000-7000-8000-0000000000aa","name":"a","spec":{{"available":false,"reserve":{reserve}}},
                "facts":{{"cpus":4}},"created":"2026-11-21T08:00:00Z"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_host_of_before_the_groups_is_in_all_hosts_and_keeps_what_somebody_had_set_and_nothing_else() {
        let usual = r#"{"cpu_percent":20,"memory_mib":512,"disk_mib":100}"#;
        assert_eq!(stored(usual).spec.reserve, OwnReserve::default());
        let set = stored(r#"{"cpu_percent":20,"memory_mib":1024,"disk_mib":100}"#);
        assert_eq!(set.spec.reserve.memory_mib, Some(1024));
        assert_eq!((set.group, set.spec.available), (ALL_HOSTS, false));
        let reserve = Above::default().for_host(&set).reserve;
        assert_eq!((reserve.cpu_percent, reserve.memory_mib, reserve.network_percent), (20, 1024, 0));
    }

    #[test]
    fn what_somebody_sets_now_is_read_again_as_set_also_where_it_is_what_was_usual_before() {
        let mut host = stored("{}");
        host.spec.reserve = BEFORE_GROUPS;
        let again: Host = serde_json::from_str(&serde_json::to_string(&host).unwrap()).unwrap();
        assert_eq!(again, host);
    }

    #[test]
    fn an_edit_changes_what_it_names_and_null_gives_it_back_to_the_group() {
        let edit = |text: &str| serde_json::from_str::<EditHost>(text).unwrap();
        let spec = HostSpec { reserve: BEFORE_GROUPS, ..HostSpec::default() };
        let one = spec.edited(&edit(r#"{"reserve":{"memory_mib":null,"network_percent":5}}"#));
        let expected = OwnReserve { memory_mib: None, network_percent: Some(5), ..BEFORE_GROUPS };
        assert_eq!((one.reserve, one.available), (expected, true));
        assert_eq!(spec.edited(&edit(r#"{"reserve":null}"#)).reserve, OwnReserve::default());
        assert_eq!(spec.edited(&edit("{}")), spec);
        // As the job keeps it, and as a job of before kept a whole specification.
        let all = edit(r#"{"reserve":{"memory_mib":null,"network_percent":5},"notes":"x"}"#);
        assert_eq!(edit(&serde_json::to_string(&all).unwrap()), all);
        assert!(serde_json::from_str::<EditHost>(r#"{"reserve":{"memory":1}}"#).is_err());
    }
}
