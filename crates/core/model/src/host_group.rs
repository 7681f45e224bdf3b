//! Groups of hosts: a tree under *All Hosts*. What a group sets holds for all below it that set nothing else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Code, Refusal};
use crate::host::Host;
use crate::ids::HostGroupId;
use crate::name::Name;
use crate::reserve::{EditReserve, OwnReserve, Reserve, ReserveFrom, edit_or_null, said};
use crate::time::Timestamp;

/// The group that holds all others. It is neither renamed nor moved nor deleted.
pub const ALL_HOSTS: HostGroupId = HostGroupId(Uuid::from_u128(0x0000_0000_0000_8000_8000_0000_0000_0001));
/// What it is called.
pub const ALL_HOSTS_NAME: &str = "All Hosts";
/// How many groups may stand below each other, *All Hosts* counted: deeper, nobody finds anything, and what a group sets
/// would be looked for long.
pub const DEEPEST: usize = 10;
/// The longest notes, in characters.
const LONGEST_NOTES: usize = 10_000;

/// A group of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostGroup {
    /// Its id.
    pub id: HostGroupId,
    /// The group that it is in; none for *All Hosts*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<HostGroupId>,
    /// Its name, once within the group that it is in.
    pub name: Name,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// What it sets of what is kept for each host itself. What is absent is as in the group above.
    #[serde(default, skip_serializing_if = "OwnReserve::is_empty")]
    pub reserve: OwnReserve,
    /// Whether data may travel between its hosts without encryption, because their network is trusted; absent is as in
    /// the group above, and no at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unencrypted_transfers: Option<bool>,
    /// When it was made.
    pub created: Timestamp,
}

impl HostGroup {
    /// *All Hosts* as it is when nobody has set anything for it.
    pub fn all_hosts(created: Timestamp) -> Self {
        Self {
            id: ALL_HOSTS,
            parent: None,
            name: Name::mended(ALL_HOSTS_NAME),
            notes: String::new(),
            reserve: OwnReserve::default(),
            unencrypted_transfers: None,
            created,
        }
    }

    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("host group {}", self.name)
    }

    /// What is changed by an edit.
    #[must_use]
    pub fn edited(&self, edit: &EditHostGroup) -> Self {
        let mut after = self.clone();
        if let Some(name) = &edit.name {
            after.name = name.clone();
        }
        if let Some(notes) = &edit.notes {
            after.notes = notes.clone();
        }
        if let Some(unencrypted) = edit.unencrypted_transfers {
            after.unencrypted_transfers = unencrypted;
        }
        after.reserve = edit.reserve.applied(self.reserve);
        after
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

/// Whether notes may be so long.
pub(crate) fn check_notes(notes: &str) -> Result<(), Refusal> {
    match notes.chars().count() > LONGEST_NOTES {
        true => Err(Refusal::invalid("notes", "they are longer than 10,000 characters")),
        false => Ok(()),
    }
}

/// Change a group of hosts; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EditHostGroup {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Free text, at most 10,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// What is kept for each host itself; null is all as in the group above.
    #[serde(skip_serializing_if = "EditReserve::is_empty", deserialize_with = "edit_or_null")]
    #[schema(value_type = Option<EditReserve>)]
    pub reserve: EditReserve,
    /// Whether data may travel between its hosts without encryption; null is as in the group above.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schema(value_type = Option<bool>)]
    pub unencrypted_transfers: Option<Option<bool>>,
    /// Whether the reserves that groups and hosts below have set give way, all five of them: from then on they are as in
    /// this group. Default no. The old manager asked the same of whoever changed the reserves of a group (P-042).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overwrite_below: bool,
}

/// By whom a value in force was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum SetBy {
    /// By nobody: it is the default.
    Default,
    /// By the host or the group itself.
    Itself,
    /// By a group above.
    HostGroup {
        /// Which.
        id: HostGroupId,
        /// Where it stands in the tree.
        path: String,
    },
}

/// What is in force at one place of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// What is kept for a host itself.
    pub reserve: Reserve,
    /// Whether data may travel without encryption.
    pub unencrypted_transfers: bool,
}

/// What is in force, with who set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InForceView {
    /// What is kept for a host itself.
    pub reserve: Reserve,
    /// Who set each of it.
    pub reserve_from: ReserveFrom,
    /// Whether data may travel between hosts without encryption.
    pub unencrypted_transfers: bool,
    /// Who set that.
    pub unencrypted_transfers_from: SetBy,
}

/// What groups set, from the nearest to the top: in force for whatever sets nothing itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Above {
    reserve: OwnReserve,
    unencrypted_transfers: Option<bool>,
}

impl Above {
    /// Of a line of groups, the nearest first. No longer than the tree is deep: a line that is, has a defect.
    pub fn of<'a>(line: impl Iterator<Item = &'a HostGroup>) -> Self {
        line.take(DEEPEST).fold(Self::default(), |near, far| Self {
            reserve: near.reserve.or(far.reserve),
            unencrypted_transfers: near.unencrypted_transfers.or(far.unencrypted_transfers),
        })
    }

    /// In force for a host in the nearest of the groups.
    pub fn for_host(&self, host: &Host) -> InForce {
        InForce {
            reserve: host.spec.reserve.or(self.reserve).in_force(),
            unencrypted_transfers: self.unencrypted_transfers.unwrap_or_default(),
        }
    }

    /// In force for the nearest of the groups itself.
    pub fn for_group(&self) -> InForce {
        InForce {
            reserve: self.reserve.in_force(),
            unencrypted_transfers: self.unencrypted_transfers.unwrap_or_default(),
        }
    }
}

/// A group and those above it, the nearest first.
pub fn line<'a>(
    of: HostGroupId,
    group: impl Fn(HostGroupId) -> Option<&'a HostGroup>,
) -> impl Iterator<Item = &'a HostGroup> {
    let mut next = Some(of);
    std::iter::from_fn(move || {
        let found = group(next.take()?)?;
        next = found.parent;
        Some(found)
    })
    .take(DEEPEST)
}

/// What is in force for a host (`own`) or for the nearest group of a line (none), with who set it.
pub fn in_force_with_sources(
    own: Option<&Host>,
    line: &[&HostGroup],
    path: &dyn Fn(HostGroupId) -> String,
) -> InForceView {
    let above = Above::of(line.iter().copied());
    let now = own.map_or_else(|| above.for_group(), |host| above.for_host(host));
    let by_group = |at: usize, group: &HostGroup| match (own, at) {
        (None, 0) => SetBy::Itself,
        _ => SetBy::HostGroup { id: group.id, path: path(group.id) },
    };
    let by = |at: usize| move || by_group(at, line[at]);
    let sources: Vec<_> = (0..line.len()).map(by).collect();
    let itself = || SetBy::Itself;
    let mut places: Vec<(OwnReserve, &dyn Fn() -> SetBy)> = Vec::new();
    if let Some(host) = own {
        places.push((host.spec.reserve, &itself));
    }
    for (group, by) in line.iter().zip(&sources) {
        places.push((group.reserve, by));
    }
    let unencrypted = line.iter().position(|group| group.unencrypted_transfers.is_some());
    InForceView {
        reserve: now.reserve,
        reserve_from: ReserveFrom::of(&places),
        unencrypted_transfers: now.unencrypted_transfers,
        unencrypted_transfers_from: unencrypted.map_or(SetBy::Default, |at| by_group(at, line[at])),
    }
}

/// What cannot be done with *All Hosts*.
pub fn is_fixed(what: &str) -> Refusal {
    Refusal::new(
        Code::HostGroupFixed,
        format!("host group {ALL_HOSTS_NAME}"),
        format!("it cannot be {what}: every host is in it"),
    )
    .remedy("Make a group below it")
}
