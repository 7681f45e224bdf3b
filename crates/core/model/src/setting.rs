//! Settings of the whole installation, and how each field of each kind of thing is documented: once, here. Command
//! line help, the REST description and the reference pages are made from these tables.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::Refusal;
use crate::hardware::Mac;
use crate::mac_pool::MacPool;
use crate::time::Ms;

/// The settings of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long ended jobs and the history of objects are kept, in days.
    pub history_days: u32,
    /// How long the change feed can be resumed, in days.
    pub feed_days: u32,
    /// How many machines a host starts at the same time.
    pub starts_per_host: u32,
    /// How many disks a host makes or copies at the same time.
    pub disk_copies_per_host: u32,
    /// How many machines leave a host for others, or come from them, at the same time.
    pub migrations_per_host: u32,
    /// How long a migration may take, in seconds.
    pub migration_limit_s: u32,
    /// How long a host may take to restart, in seconds.
    pub host_restart_limit_s: u32,
    /// How often a migration may go through the machine's memory.
    pub migration_most_rounds: u32,
    /// How long a step may take, in seconds.
    pub step_limit_s: u32,
    /// How long a start may take, in seconds.
    pub start_limit_s: u32,
    /// How long a guest may take to shut down, in seconds.
    pub shut_down_limit_s: u32,
    /// How long a step with progress may show none, in seconds.
    pub no_progress_limit_s: u32,
    /// How long an agent may be silent before it counts as not responding, in seconds.
    pub agent_silence_s: u32,
    /// How many agents are let in a second when many come at once.
    pub agent_admissions_per_s: u32,
    /// How long an agent's new program may take to come up before the one before it goes on, in seconds.
    pub agent_upgrade_limit_s: u32,
    /// How often a host's machines are compared with the record, in seconds; 0 is never.
    pub vm_refresh_s: u32,
    /// How often everything of a host's machines is read, in seconds; 0 is never.
    pub vm_heavy_refresh_s: u32,
    /// How often a host's properties are read, in seconds; 0 is never.
    pub host_refresh_s: u32,
    /// How often it is fetched how loaded machines are, in seconds; 0 is never.
    pub performance_refresh_s: u32,
    /// How often library shares are refreshed, in seconds; 0 is never.
    pub share_refresh_s: u32,
    /// How long an upload is kept while nothing arrives, in hours.
    pub upload_keep_h: u32,
    /// The first address that adapters of machines are given.
    pub mac_pool_first: Mac,
    /// The last address that adapters of machines are given.
    pub mac_pool_last: Mac,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            history_days: 90,
            feed_days: 7,
            starts_per_host: 4,
            disk_copies_per_host: 2,
            migrations_per_host: 2,
            migration_limit_s: 3600,
            host_restart_limit_s: 1800,
            migration_most_rounds: 200,
            step_limit_s: 330,
            start_limit_s: 120,
            shut_down_limit_s: 300,
            no_progress_limit_s: 120,
            agent_silence_s: 9,
            agent_admissions_per_s: 200,
            agent_upgrade_limit_s: 60,
            vm_refresh_s: 120,
            vm_heavy_refresh_s: 1800,
            host_refresh_s: 1800,
            performance_refresh_s: 540,
            share_refresh_s: 3600,
            upload_keep_h: 24,
            mac_pool_first: MacPool::default().first,
            mac_pool_last: MacPool::default().last,
        }
    }
}

impl Settings {
    /// Checks every value against its range in [`SETTINGS`].
    ///
    /// # Errors
    /// `value.invalid`, naming the setting and its range.
    pub fn check(&self) -> Result<(), Refusal> {
        let values = serde_json::to_value(self).unwrap_or_default();
        for field in SETTINGS {
            let value = values.get(field.name).and_then(|value| field.number(value)).unwrap_or_default();
            if value < field.min || value > field.max {
                let (least, most) = (field.shown(field.min), field.shown(field.max));
                let unit = if field.is_mac() { "" } else { field.unit };
                let cause = format!("{} is not between {least} and {most} {unit}", field.shown(value));
                return Err(Refusal::invalid(format!("setting {}", field.name), cause.trim_end()));
            }
        }
        self.mac_pool().check()
    }

    /// The addresses that adapters of machines are given.
    pub fn mac_pool(&self) -> MacPool {
        MacPool { first: self.mac_pool_first, last: self.mac_pool_last }
    }

    /// A setting in seconds as milliseconds.
    pub fn ms(seconds: u32) -> Ms {
        u64::from(seconds) * 1000
    }
}

/// The unit of a setting that is a MAC address: in JSON it is a text.
const MAC_ADDRESS: &str = "MAC address";

/// How one field is documented. A MAC address is kept as the number that its bytes are.
#[derive(Clone, Copy, Debug)]
pub struct FieldDoc {
    /// The field's name in JSON.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The smallest value.
    pub min: u64,
    /// The largest value.
    pub max: u64,
    /// The default.
    pub default: u64,
    /// Where the default comes from.
    pub source: &'static str,
    /// What it does, and what goes wrong if it is smaller or larger.
    pub help: &'static str,
}

impl FieldDoc {
    /// Whether it is a MAC address, and no number.
    pub fn is_mac(&self) -> bool {
        self.unit == MAC_ADDRESS
    }

    /// A value as people write it.
    pub fn shown(&self, value: u64) -> String {
        if self.is_mac() { Mac::of_number(value).to_string() } else { value.to_string() }
    }

    /// A value as JSON has it.
    pub fn json(&self, value: u64) -> Value {
        if self.is_mac() { Value::from(self.shown(value)) } else { Value::from(value) }
    }

    /// What a value in JSON is as a number; none where it is of another kind.
    pub fn number(&self, value: &Value) -> Option<u64> {
        if self.is_mac() { value.as_str().and_then(|text| self.read(text)) } else { value.as_u64() }
    }

    /// What somebody wrote; none where it is no such value.
    pub fn read(&self, written: &str) -> Option<u64> {
        if self.is_mac() { written.parse().ok().map(Mac::number) } else { written.parse().ok() }
    }
}

/// A value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SettingValue {
    /// A number.
    Number(u64),
    /// A MAC address.
    Text(String),
}

impl std::fmt::Display for SettingValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SettingValue::Number(number) => number.fmt(f),
            SettingValue::Text(text) => f.write_str(text),
        }
    }
}

/// A setting as it is documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingView {
    /// Its name, as in the settings.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The smallest value.
    pub minimum: SettingValue,
    /// The largest value.
    pub maximum: SettingValue,
    /// The default.
    pub default: SettingValue,
    /// Where the default comes from.
    pub source: String,
    /// What it does, and what goes wrong if it is smaller or larger.
    pub help: String,
}

impl From<&FieldDoc> for SettingView {
    fn from(doc: &FieldDoc) -> Self {
        let value = |value| match doc.is_mac() {
            true => SettingValue::Text(doc.shown(value)),
            false => SettingValue::Number(value),
        };
        Self {
            name: doc.name.to_owned(),
            unit: doc.unit.to_owned(),
            minimum: value(doc.min),
            maximum: value(doc.max),
            default: value(doc.default),
            source: doc.source.to_owned(),
            help: doc.help.to_owned(),
        }
    }
}

/// The least and the greatest address that an adapter can have.
const LEAST_MAC: u64 = 1;
const GREATEST_MAC: u64 = 0xfdff_ffff_ffff;

/// Every setting.
pub const SETTINGS: &[FieldDoc] = &[
    FieldDoc {
        name: "history_days",
        unit: "days",
        min: 1,
        max: 3650,
        default: 90,
        source: "Managers of this kind keep the trail of jobs for 90 days.",
        help: "How long ended jobs and the history of every object are kept. Less loses the audit trail; more grows the store by about 5 kB a job.",
    },
    FieldDoc {
        name: "feed_days",
        unit: "days",
        min: 1,
        max: 365,
        default: 7,
        source: "A watcher that is off over a week's holiday still finds its place.",
        help: "How long a watcher that lost its connection can resume the change feed. Older watchers read everything anew.",
    },
    FieldDoc {
        name: "starts_per_host",
        unit: "machines",
        min: 1,
        max: 64,
        default: 4,
        source: "Guests that boot at once compete for the host's disk; four keep it busy without starving each other.",
        help: "How many machines a host starts at the same time. More makes each slower; fewer makes the last wait.",
    },
    FieldDoc {
        name: "disk_copies_per_host",
        unit: "disks",
        min: 1,
        max: 32,
        default: 2,
        source: "Two copies fill an ordinary disk; a third makes all three slower.",
        help: "How many disks a host makes or copies at the same time. More starves running guests of disk operations.",
    },
    FieldDoc {
        name: "migrations_per_host",
        unit: "machines",
        min: 1,
        max: 32,
        default: 2,
        source: "Two fill an ordinary network; a third makes all three slower, and one that is slower goes through more memory.",
        help: "How many machines leave a host or come to it at the same time. More makes each slower; fewer makes the last wait.",
    },
    FieldDoc {
        name: "host_restart_limit_s",
        unit: "s",
        min: 60,
        max: 14400,
        default: 1800,
        source: "A server with much memory tests it for a quarter of an hour before it starts.",
        help: "How long a host may take to restart. Then the job ends and says that the host did not come back, and its machines stay as they were stopped.",
    },
    FieldDoc {
        name: "migration_limit_s",
        unit: "s",
        min: 30,
        max: 86_400,
        default: 3600,
        source: "A machine of 64 GiB over a network of 1 Gbit/s takes ten minutes; libvirt itself knows no limit.",
        help: "How long the migration of a machine may take. Then it is stopped, and the machine runs on where it was.",
    },
    FieldDoc {
        name: "migration_most_rounds",
        unit: "rounds",
        min: 5,
        max: 10_000,
        default: 200,
        source: "Most machines need fewer than ten; one that was slowed down as far as it goes and needs more will not end.",
        help: "How often a migration may go through the machine's memory. Then it is stopped: the machine changes its memory faster than the network carries it.",
    },
    FieldDoc {
        name: "step_limit_s",
        unit: "s",
        min: 10,
        max: 86_400,
        default: 330,
        source: "The step limit of managers of this kind, 330 s.",
        help: "How long a step may take before its agent is asked to revoke it.",
    },
    FieldDoc {
        name: "start_limit_s",
        unit: "s",
        min: 10,
        max: 3600,
        default: 120,
        source: "A start takes seconds; two minutes are left for slow storage.",
        help: "How long the start of a machine may take.",
    },
    FieldDoc {
        name: "shut_down_limit_s",
        unit: "s",
        min: 5,
        max: 86_400,
        default: 300,
        source: "Guests that install updates while they shut down take some minutes.",
        help: "How long a guest may take to shut down. Afterwards the job fails and the guest is left running.",
    },
    FieldDoc {
        name: "no_progress_limit_s",
        unit: "s",
        min: 10,
        max: 3600,
        default: 120,
        source: "Storage that pauses for longer has failed.",
        help: "How long a copy may show no progress before its agent is asked to revoke it.",
    },
    FieldDoc {
        name: "agent_silence_s",
        unit: "s",
        min: 3,
        max: 600,
        default: 9,
        source: "Three heartbeats of 3 s.",
        help: "How long an agent may be silent before its host counts as not responding: three missed heartbeats.",
    },
    FieldDoc {
        name: "agent_admissions_per_s",
        unit: "agents",
        min: 100,
        max: 10_000,
        default: 200,
        source: "Two processors take in the pictures of so many hosts with twenty machines each, and still answer people.",
        help: "How many agents are let in a second when many come at once, after a restart of the server or a cut of its network. More makes everybody else wait; fewer makes the last host wait.",
    },
    FieldDoc {
        name: "agent_upgrade_limit_s",
        unit: "s",
        min: 5,
        max: 600,
        default: 60,
        source: "An agent is connected within two seconds of its start; where libvirt is just starting, within thirty.",
        help: "How long an agent's new program may take to come up and to be connected. One that has not by then is given up, and the program before it goes on.",
    },
    FieldDoc {
        name: "vm_refresh_s",
        unit: "s",
        min: 0,
        max: 86_400,
        default: 120,
        source: "Managers of this kind look every 2 minutes.",
        help: "How often a host's machines are compared with the record, 0 for never. Events arrive within a second; this is the safety net.",
    },
    FieldDoc {
        name: "vm_heavy_refresh_s",
        unit: "s",
        min: 0,
        max: 1_209_600,
        default: 1800,
        source: "Managers of this kind look every 30 minutes.",
        help: "How often everything of a host's machines is read, the files of their disks included, 0 for never. More often costs the host a look at each file.",
    },
    FieldDoc {
        name: "host_refresh_s",
        unit: "s",
        min: 0,
        max: 1_209_600,
        default: 1800,
        source: "Managers of this kind look every 30 minutes.",
        help: "How often a host's properties are compared with the record, 0 for never. Agents tell most changes by themselves; this is the safety net.",
    },
    FieldDoc {
        name: "performance_refresh_s",
        unit: "s",
        min: 0,
        max: 86_400,
        default: 540,
        source: "Managers of this kind look every 9 minutes, and when a machine is turned on or off.",
        help: "How often it is fetched how loaded a host's machines are, 0 for never. Who looks at a graph asks the host itself.",
    },
    FieldDoc {
        name: "share_refresh_s",
        unit: "s",
        min: 0,
        max: 1_209_600,
        default: 3600,
        source: "Managers of this kind look every hour.",
        help: "How often library shares are refreshed, 0 for never, at most 336 hours.",
    },
    FieldDoc {
        name: "upload_keep_h",
        unit: "h",
        min: 1,
        max: 8760,
        default: 24,
        source: "Who begins an upload in the evening may continue it the next day.",
        help: "How long an upload that is not finished is kept while nothing arrives. Less loses what was sent to those who continue the next day; more keeps its space taken. It holds for uploads begun from then on.",
    },
    FieldDoc {
        name: "mac_pool_first",
        unit: MAC_ADDRESS,
        min: LEAST_MAC,
        max: GREATEST_MAC,
        default: 0x5254_0000_0000,
        source: "The range that QEMU and libvirt take addresses from: 16,777,216 for the fleet, where managers of this kind have 256 for each host.",
        help: "The first address that adapters of new machines are given. It begins with the same three bytes as the last one. Machines that have addresses keep them. Two installations on one network need ranges that do not overlap.",
    },
    FieldDoc {
        name: "mac_pool_last",
        unit: MAC_ADDRESS,
        min: LEAST_MAC,
        max: GREATEST_MAC,
        default: 0x5254_00ff_ffff,
        source: "The range that QEMU and libvirt take addresses from: 16,777,216 for the fleet, where managers of this kind have 256 for each host.",
        help: "The last address that adapters of new machines are given. Where fewer than a tenth or than 8 of the range are free, Hostler warns; where none is, a machine with an adapter is not made.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented_with_its_default_and_nothing_else_is() {
        let defaults = serde_json::to_value(Settings::default()).unwrap();
        let fields = defaults.as_object().unwrap();
        for doc in SETTINGS {
            assert_eq!(fields.get(doc.name), Some(&doc.json(doc.default)), "{}", doc.name);
            assert!((doc.min..=doc.max).contains(&doc.default));
            for said in [doc.help, doc.source] {
                assert!(said.len() > 20 && said.ends_with('.'), "{}: {said}", doc.name);
            }
        }
        assert_eq!(fields.len(), SETTINGS.len());
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_name() {
        let refusal = Settings { starts_per_host: 0, ..Settings::default() }.check().unwrap_err();
        assert!(refusal.object.contains("starts_per_host"));
    }

    #[test]
    fn an_address_is_a_text_in_json_and_a_range_that_cannot_be_is_refused() {
        let first = SETTINGS.iter().find(|doc| doc.name == "mac_pool_first").unwrap();
        assert_eq!(first.json(first.default), "52:54:00:00:00:00");
        assert_eq!(first.read("00:15:5d:00:61:00"), Some(0x0015_5d00_6100));
        assert_eq!((first.read("12"), first.number(&Value::from(12))), (None, None));
        let set = |first: &str, last: &str| Settings {
            mac_pool_first: first.parse().unwrap(),
            mac_pool_last: last.parse().unwrap(),
            ..Settings::default()
        };
        assert_eq!(set("00:15:5d:00:61:00", "00:15:5d:00:6f:ff").check(), Ok(()));
        let refusal = set("ff:00:00:00:00:00", "ff:00:00:00:00:01").check().unwrap_err();
        assert_eq!(refusal.cause, "ff:00:00:00:00:00 is not between 00:00:00:00:00:01 and fd:ff:ff:ff:ff:ff");
        assert!(set("52:54:00:00:00:02", "52:54:00:00:00:01").check().is_err());
    }
}
