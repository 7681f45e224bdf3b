//! Refreshers: what looks at hosts and library shares by the clock, as the net under what agents tell by themselves.
//! When each looked last, and what went wrong, is volatile: a record that is written at each look would know nothing else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Refusal;
use crate::performance::VmLoad;
use crate::setting::Settings;
use crate::time::{Ms, Timestamp};

/// A kind of refresher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefresherKind {
    /// Which machines a host has, and in which state they are.
    VmLight,
    /// Everything of every machine, the files of its disks included.
    VmHeavy,
    /// What the computer is made of, and what runs on it.
    Host,
    /// How loaded machines are.
    Performance,
    /// What lies in a library share.
    Library,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl RefresherKind {
    /// All of them.
    pub const ALL: [RefresherKind; 5] = [
        RefresherKind::VmLight,
        RefresherKind::VmHeavy,
        RefresherKind::Host,
        RefresherKind::Performance,
        RefresherKind::Library,
    ];

    /// Those that look at hosts.
    pub const OF_HOSTS: [RefresherKind; 4] =
        [RefresherKind::VmLight, RefresherKind::VmHeavy, RefresherKind::Host, RefresherKind::Performance];

    /// As it is written in addresses and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            RefresherKind::VmLight => "vm-light",
            RefresherKind::VmHeavy => "vm-heavy",
            RefresherKind::Host => "host",
            RefresherKind::Performance => "performance",
            RefresherKind::Library => "library",
            RefresherKind::Unknown => "unknown",
        }
    }

    /// What it does, in words.
    pub fn does(self) -> &'static str {
        match self {
            RefresherKind::VmLight => {
                "Tries the connection to the host; compares which machines it has, and in which state, with the record: what is \
                 gone becomes missing, what is new is found."
            }
            RefresherKind::VmHeavy => {
                "Reads everything of every machine of the host, and looks whether the files of its disks and drives are there."
            }
            RefresherKind::Host => {
                "Reads the properties of the host: processors, memory, disks, adapters, networks, libvirt, QEMU."
            }
            RefresherKind::Performance => {
                "Fetches how loaded the host's machines are; also some seconds after one is turned on or off."
            }
            RefresherKind::Library => "Reads the folder of the share: what is new, changed or missing in it.",
            RefresherKind::Unknown => "",
        }
    }

    /// Whether it looks at library shares; else at hosts.
    pub fn is_of_shares(self) -> bool {
        self == RefresherKind::Library
    }

    /// Whether the agent reads all its machines for it.
    pub fn lists_machines(self) -> bool {
        matches!(self, RefresherKind::VmLight | RefresherKind::VmHeavy)
    }

    /// The setting that says how often it looks.
    pub fn setting(self) -> &'static str {
        match self {
            RefresherKind::VmLight => "vm_refresh_s",
            RefresherKind::VmHeavy => "vm_heavy_refresh_s",
            RefresherKind::Host => "host_refresh_s",
            RefresherKind::Performance => "performance_refresh_s",
            RefresherKind::Library => "share_refresh_s",
            RefresherKind::Unknown => "",
        }
    }

    /// How often it looks, in seconds; 0 is never.
    pub fn interval_s(self, settings: &Settings) -> u32 {
        match self {
            RefresherKind::VmLight => settings.vm_refresh_s,
            RefresherKind::VmHeavy => settings.vm_heavy_refresh_s,
            RefresherKind::Host => settings.host_refresh_s,
            RefresherKind::Performance => settings.performance_refresh_s,
            RefresherKind::Library => settings.share_refresh_s,
            RefresherKind::Unknown => 0,
        }
    }
}

/// What an agent answers when it is asked to refresh. What it read of machines and of the host went before it, as
/// reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refreshed {
    /// Machines of which something is not as it should be; only for the heavy one.
    pub troubles: Vec<MachineTrouble>,
    /// How loaded machines that run are; only for the performance one.
    pub loads: Vec<MachineLoad>,
}

/// What is wrong with a machine as its host has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineTrouble {
    /// The domain.
    pub domain: Uuid,
    /// What, in words.
    pub cause: String,
}

/// How loaded a machine is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineLoad {
    /// The domain.
    pub domain: Uuid,
    /// How loaded.
    pub load: VmLoad,
}

/// A refresher as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefresherView {
    /// Which.
    pub refresher: RefresherKind,
    /// What it does.
    pub does: String,
    /// The setting that says how often.
    pub setting: String,
    /// How often it looks at each host or share, in seconds; 0 is never.
    pub interval_s: u32,
    /// How many hosts or shares it looks at.
    pub looks_at: u32,
    /// How many it leaves alone, since they are in maintenance.
    pub left_alone: u32,
    /// At how many its last look failed.
    pub failing: u32,
    /// When it last looked at any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// When it will look at the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}

/// How far a refresher is with one host or share. It is known since this server was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LookView {
    /// Which refresher.
    pub refresher: RefresherKind,
    /// The id of the host or share.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How often it is looked at, in seconds; 0 is never.
    pub interval_s: u32,
    /// When it was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// How long that took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<Ms>,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
    /// When it will be looked at next; absent where that is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Whether it is looked at now, or as soon as its turn comes.
    pub is_looking: bool,
    /// Whether it is left alone, since the host is in maintenance.
    pub is_left_alone: bool,
}

/// When a machine was last looked at as a whole, and how loaded it was. It is known since this server was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmLookView {
    /// When it was last read as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// What was wrong then: it could not be read, or a file of it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
    /// When it will be read next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// How loaded it was, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<VmLoad>,
}

/// Let a refresher look now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunRefresher {
    /// At which host or library share: a name or an id; at all of them where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// At what a refresher looks now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefresherRun {
    /// At how many hosts or shares: some at once, the others as there is room.
    pub asked: u32,
    /// How many are left alone, since they are in maintenance. One that was named is not.
    pub left_alone: u32,
    /// When this was asked: what has a later last look was looked at.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::SETTINGS;

    #[test]
    fn every_refresher_has_its_setting_and_its_words() {
        let defaults = Settings::default();
        for kind in RefresherKind::ALL {
            let doc = SETTINGS.iter().find(|doc| doc.name == kind.setting()).unwrap();
            assert_eq!(u64::from(kind.interval_s(&defaults)), doc.default);
            assert_eq!(doc.min, 0, "{}: it can be switched off", doc.name);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
            assert!(kind.does().len() > 20);
        }
        assert_eq!(defaults.share_refresh_s, 3_600);
        let newer: RefresherKind = serde_json::from_str("\"of-a-newer-server\"").unwrap();
        assert_eq!(newer, RefresherKind::Unknown);
    }
}
