//! What the REST interface shows: each thing with what is computed beside it, pages, and the answer to a change. The
//! things themselves are the types of this crate; nothing is typed twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::User;
use crate::agent::{Agent, Enrolment};
use crate::hardware::Hardware;
use crate::host::{Host, Load};
use crate::host_group::{HostGroup, InForceView};
use crate::ids::{JobId, StepNo};
use crate::job::Job;
use crate::library::{Item, Share};
use crate::setting::Settings;
use crate::status::{HostStatus, VmStatus};
use crate::template::Template;
use crate::time::Timestamp;
use crate::vm::Vm;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many there are on all pages, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// A change was taken on: this job carries it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The job.
    pub job: JobId,
    /// The id of what is made, for a creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A machine as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VmView {
    /// The machine.
    #[serde(flatten)]
    pub vm: Vm,
    /// Its version: the commit that last changed it.
    pub revision: u64,
    /// Its status.
    pub status: VmStatus,
    /// The job at work on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// The name of its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The group of its host, as its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_group: Option<String>,
    /// Where what its host shows differs from what was asked for, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
}

/// A host as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostView {
    /// The host.
    #[serde(flatten)]
    pub host: Host,
    /// Its version.
    pub revision: u64,
    /// Whether its agent answers.
    pub answers: bool,
    /// Its status.
    pub status: HostStatus,
    /// How many machines it has.
    pub machines: u32,
    /// Memory given to machines that are on, in MiB.
    pub memory_given_mib: u64,
    /// Its group, as its path.
    pub host_group: String,
    /// What is in force for it of what it and the groups above it set.
    pub in_force: InForceView,
    /// Its load, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// By how many milliseconds its clock is ahead of the server's, to a tenth of a second: so long may a message be
    /// under way. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_ms: Option<i64>,
}

/// A group of hosts as it is shown, with what is in it and below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostGroupView {
    /// The group.
    #[serde(flatten)]
    pub group: HostGroup,
    /// Its version.
    pub revision: u64,
    /// Where it stands in the tree, as in `/All Hosts/Site A`.
    pub path: String,
    /// What is in force for a host in it that sets nothing itself.
    pub in_force: InForceView,
    /// How many groups are in it, not counting those below them.
    pub groups: u32,
    /// How many hosts are in it, not counting those below.
    pub own_hosts: u32,
    /// Hosts and machines in it and in all groups below it.
    pub total: RollUp,
}

/// Hosts and machines rolled up: how many of each status, and how much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RollUp {
    /// Hosts.
    pub hosts: u32,
    /// How many hosts have each status; one that none has is left out.
    pub hosts_by_status: BTreeMap<String, u32>,
    /// Machines.
    pub machines: u32,
    /// How many machines have each status; one that none has is left out.
    pub machines_by_status: BTreeMap<String, u32>,
    /// Logical processors of the hosts.
    pub cpus: u64,
    /// Virtual processors of machines that are on.
    pub cpus_given: u64,
    /// Memory of the hosts in MiB.
    pub memory_mib: u64,
    /// Memory that is kept for the hosts themselves, in MiB.
    pub memory_reserved_mib: u64,
    /// Memory given to machines that are on, in MiB.
    pub memory_given_mib: u64,
    /// Size of the file systems of the machines' folders, in MiB, of hosts whose load is known.
    pub disk_total_mib: u64,
    /// What of that is in use, in MiB.
    pub disk_used_mib: u64,
    /// Processor use, percent of all logical processors of hosts whose load is known; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u32>,
    /// How many hosts' loads are known.
    pub loads_known: u32,
}

/// An agent as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentView {
    /// The agent.
    #[serde(flatten)]
    pub agent: Agent,
    /// Its version in the record.
    pub revision: u64,
    /// Whether it answers.
    pub answers: bool,
    /// When it was last heard, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<Timestamp>,
    /// From which address it calls, while it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The version that the server would install.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<String>,
    /// Whether it has that version. Absent where the server has no agent program to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_date: Option<bool>,
}

macro_rules! plain_views {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $body:ty };)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
        pub struct $name {
            /// The thing itself.
            #[serde(flatten)]
            pub $field: $body,
            /// Its version: the commit that last changed it.
            pub revision: u64,
        }
    )* };
}

plain_views! {
    /// A library share as it is shown.
    ShareView { share: Share };
    /// A library item as it is shown.
    ItemView { item: Item };
    /// A template as it is shown.
    TemplateView { template: Template };
    /// A user as it is shown.
    UserView { user: User };
    /// An enrolment token as it is shown: never the token.
    EnrolmentView { enrolment: Enrolment };
    /// A saved view as it is shown.
    SavedViewView { view: crate::saved_view::SavedView };
    /// A token as it is shown: never the token.
    TokenView { token: crate::access::Token };
}

/// A job as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// Its version.
    pub revision: u64,
    /// What it waits for, in words: a host that does not answer, another job, room on a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Whether it was cancelled and has not ended yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// How far the steps that are out have come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub progress: Vec<StepProgress>,
    /// The command line that asks for the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
}

/// How far a step has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepProgress {
    /// The step's number.
    pub no: StepNo,
    /// The step's key.
    pub key: String,
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub of: u64,
}

/// How a host rates for a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RatingView {
    /// The host.
    pub host: crate::HostId,
    /// Its name.
    pub name: String,
    /// Stars, 0 to 5 in halves. 0 exactly when something is lacking.
    pub stars: f32,
    /// What it lacks, each in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Why it has the stars it has, each in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// A change to one property of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PropertyChangeView {
    /// The object's key, `vm/0190…`.
    pub object: String,
    /// The property, as a path of names.
    pub property: String,
    /// The value before.
    pub before: serde_json::Value,
    /// The value after.
    pub after: serde_json::Value,
    /// What the ids in it are called now, as far as they mean something that is still there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// The server itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServerView {
    /// Its version.
    pub version: String,
    /// The installation.
    pub installation: crate::InstallationId,
    /// The epoch: how often a deciding server was started on this store.
    pub epoch: u32,
    /// The newest commit, as the feed names it.
    pub head: String,
    /// When it was started.
    pub started: Timestamp,
    /// Its resident memory in MiB.
    pub memory_mib: u64,
    /// The settings in force.
    pub settings: Settings,
}

/// Where what a host shows differs from what was asked for, in words.
pub fn differences(vm: &Vm) -> Vec<String> {
    let Some(seen) = vm.seen() else { return Vec::new() };
    let asked: &Hardware = &vm.spec.hardware;
    let mut found = Vec::new();
    if seen.cpus != asked.cpus {
        found.push(format!("processors: {} asked for, {} on its host", asked.cpus, seen.cpus));
    }
    if seen.memory_mib != asked.memory_mib {
        found
            .push(format!("memory: {} MiB asked for, {} MiB on its host", asked.memory_mib, seen.memory_mib));
    }
    for disk in &asked.disks {
        if !seen.disks.iter().any(|s| s.file.as_deref() == Some(disk.file.as_str())) {
            found.push(format!("disk {}: {} is not attached on its host", disk.no, disk.file));
        }
    }
    for disk in seen.disks.iter().filter(|disk| !disk.dvd) {
        if let Some(file) = &disk.file
            && !asked.disks.iter().any(|a| a.file == *file)
        {
            found.push(format!("disk {}: {file} is attached on its host and was not asked for", disk.target));
        }
    }
    found
}

/// An address that a guest has, as its agent tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuestAddress {
    /// What the guest calls the interface.
    pub interface: String,
    /// The interface's MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The address.
    #[schema(value_type = String)]
    pub address: std::net::IpAddr,
    /// How many bits of it are the network's.
    pub prefix: u8,
}
