//! A virtual machine: what was asked for, what its host shows, and where it stands between the two.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::hardware::{Disk, Hardware, MOST_DISKS};
use crate::ids::{HostId, InstallationId, TemplateId, UserId, VmId};
use crate::name::Name;
use crate::seen::{Observed, Power, Seen};
use crate::time::Timestamp;

/// A virtual machine. Its status is not stored: [`crate::status`] computes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Vm {
    /// Its id, for ever.
    pub id: VmId,
    /// What was asked for.
    pub spec: VmSpec,
    /// The libvirt domain's UUID: equal to the id but for machines that were found.
    #[schema(value_type = String, format = Uuid)]
    pub domain: Uuid,
    /// The host that has it, or is to have it. A machine bound to a host is not started, moved or deleted elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// How Hostler came to it.
    pub origin: Origin,
    /// Whether it is where the record says.
    pub presence: Presence,
    /// What its host last showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// When it entered the record.
    pub created: Timestamp,
}

impl Vm {
    /// The machine as last seen.
    pub fn seen(&self) -> Option<&Seen> {
        self.observed.as_ref().map(|observed| &observed.seen)
    }

    /// Power as last seen; off for a machine that no host has shown.
    pub fn power(&self) -> Power {
        self.seen().map_or(Power::Off, |seen| seen.power)
    }

    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("vm {}", self.spec.name)
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VmSpec {
    /// The name people call it.
    pub name: Name,
    /// Free text, at most 10,000 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Words to find it by, sorted, without doubles, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserId>,
    /// The template it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateId>,
    /// What it is made of.
    pub hardware: Hardware,
    /// What becomes of it when its host is shut down or restarted through Hostler.
    #[serde(default, skip_serializing_if = "StopAction::is_default")]
    pub stop_action: StopAction,
    /// Disks that were detached and whose files were kept: they can be attached again, and go with the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detached: Vec<Disk>,
}

impl VmSpec {
    /// The lowest number that neither a disk of the machine nor a detached one has.
    pub fn free_disk_no(&self) -> Option<u32> {
        (0..MOST_DISKS as u32).find(|no| self.disks().all(|disk| disk.no != *no))
    }

    /// Every disk of which the machine has a file: those it has, and those that were detached.
    pub fn disks(&self) -> impl Iterator<Item = &Disk> {
        self.hardware.disks.iter().chain(&self.detached)
    }
}

/// What becomes of a machine when its host is shut down or restarted. Saving is the default, as it always was (S4-078):
/// nothing is lost, and no guest can refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StopAction {
    /// Its memory is saved; it goes on where it was.
    #[default]
    Save,
    /// Its guest is asked to shut down. The host stays up where the guest does not within its time.
    ShutDown,
    /// Its power is cut.
    TurnOff,
}

impl StopAction {
    /// Every one.
    pub const ALL: [StopAction; 3] = [StopAction::Save, StopAction::ShutDown, StopAction::TurnOff];

    /// Its word, as in JSON and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            StopAction::Save => "save",
            StopAction::ShutDown => "shut-down",
            StopAction::TurnOff => "turn-off",
        }
    }

    fn is_default(&self) -> bool {
        *self == StopAction::default()
    }
}

/// How Hostler came to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Made by Hostler.
    Created,
    /// Found on a host, not managed yet: the first managing action marks it.
    Found,
    /// Found on a host and managed since.
    Adopted,
}

/// Whether a machine is where the record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Presence {
    /// Being created: its host does not have it yet.
    Planned,
    /// On its host.
    Here,
    /// Its host answers and does not have it. The record stays, and it comes back when the host shows it again.
    Missing {
        /// Since when.
        since: Timestamp,
    },
    /// Two hosts show it and no job of ours explains that.
    Conflict {
        /// The other host.
        other: HostId,
    },
    /// Another installation of Hostler manages it: shown, untouched until adopted.
    Elsewhere {
        /// Which installation.
        installation: InstallationId,
    },
}

/// Changes to what was asked for; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmEdit {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Name>>,
    /// What becomes of it when its host stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_action: Option<StopAction>,
    /// The hardware, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Hardware>,
    /// The detached disks, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detached: Option<Vec<Disk>>,
    /// How Hostler came to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Whether it is where the record says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// Another host has it now. What the one before showed is no word about it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
}

impl VmEdit {
    /// Carries the changes out.
    pub fn apply(&self, vm: &mut Vm) {
        if let Some(name) = &self.name {
            vm.spec.name = name.clone();
        }
        if let Some(notes) = &self.notes {
            vm.spec.notes.clone_from(notes);
        }
        if let Some(tags) = &self.tags {
            vm.spec.tags.clone_from(tags);
        }
        if let Some(action) = self.stop_action {
            vm.spec.stop_action = action;
        }
        if let Some(hardware) = &self.hardware {
            vm.spec.hardware = hardware.clone();
        }
        if let Some(detached) = &self.detached {
            vm.spec.detached.clone_from(detached);
        }
        if let Some(origin) = self.origin {
            vm.origin = origin;
        }
        if let Some(presence) = self.presence {
            vm.presence = presence;
        }
        if let Some(host) = self.host.filter(|host| vm.host != Some(*host)) {
            vm.host = Some(host);
            vm.observed = None;
        }
    }

    /// The edit that takes this one back, given the machine before it.
    pub fn inverse(&self, before: &Vm) -> Self {
        Self {
            name: self.name.as_ref().map(|_| before.spec.name.clone()),
            notes: self.notes.as_ref().map(|_| before.spec.notes.clone()),
            tags: self.tags.as_ref().map(|_| before.spec.tags.clone()),
            stop_action: self.stop_action.map(|_| before.spec.stop_action),
            hardware: self.hardware.as_ref().map(|_| before.spec.hardware.clone()),
            detached: self.detached.as_ref().map(|_| before.spec.detached.clone()),
            origin: self.origin.map(|_| before.origin),
            presence: self.presence.map(|_| before.presence),
            host: self.host.and(before.host),
        }
    }
}
