//! Settings of the whole installation, and how each field of each kind of thing is documented: once, here. Command
//! line help, the REST description and the reference pages are made from these tables.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Refusal;
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
            let value = values.get(field.name).and_then(serde_json::Value::as_u64).unwrap_or_default();
            if value < field.min || value > field.max {
                return Err(Refusal::invalid(
                    format!("setting {}", field.name),
                    format!("{value} is not between {} and {} {}", field.min, field.max, field.unit),
                ));
            }
        }
        Ok(())
    }

    /// A setting in seconds as milliseconds.
    pub fn ms(seconds: u32) -> Ms {
        u64::from(seconds) * 1000
    }
}

/// How one numeric field is documented.
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

/// A setting as it is documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingView {
    /// Its name, as in the settings.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The smallest value.
    pub minimum: u64,
    /// The largest value.
    pub maximum: u64,
    /// The default.
    pub default: u64,
    /// Where the default comes from.
    pub source: String,
    /// What it does, and what goes wrong if it is smaller or larger.
    pub help: String,
}

impl From<&FieldDoc> for SettingView {
    fn from(doc: &FieldDoc) -> Self {
        Self {
            name: doc.name.to_owned(),
            unit: doc.unit.to_owned(),
            minimum: doc.min,
            maximum: doc.max,
            default: doc.default,
            source: doc.source.to_owned(),
            help: doc.help.to_owned(),
        }
    }
}

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
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented_with_its_default_and_nothing_else_is() {
        let defaults = serde_json::to_value(Settings::default()).unwrap();
        let fields = defaults.as_object().unwrap();
        for doc in SETTINGS {
            assert_eq!(fields.get(doc.name).and_then(|v| v.as_u64()), Some(doc.default), "{}", doc.name);
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
}
