//! Identities. Every kind of thing has an id type of its own, so that a host's id is never taken for a machine's.
//!
//! Entity ids are UUIDs of version 7, drawn from an [`Ids`] that the caller of the engine provides. Jobs, steps and
//! sessions are counted: steps and sessions carry the store's epoch in their upper bits, so that a number is never
//! used twice, even after a backup was restored.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Where new entity ids come from: version 7 in the server, counted in the simulator.
pub trait Ids {
    /// A value never returned before.
    fn draw(&mut self) -> Uuid;
}

macro_rules! entity_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Draws a new one.
            pub fn draw(ids: &mut dyn Ids) -> Self {
                Self(ids.draw())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    )* };
}

entity_ids! {
    /// A virtual machine. For machines that Hostler made it is the libvirt domain's UUID as well.
    VmId;
    /// A host. The same value as the id of the agent on that computer.
    HostId;
    /// A group of hosts.
    HostGroupId;
    /// An agent, and so the managed computer it runs on.
    AgentId;
    /// A library share.
    ShareId;
    /// Something in the library.
    ItemId;
    /// A template.
    TemplateId;
    /// A user.
    UserId;
    /// A token: of a user for the REST interface, or for the enrolment of an agent.
    TokenId;
    /// A view that a user saved.
    ViewId;
    /// One installation of Hostler: drawn when its store is made, kept for its life.
    InstallationId;
}

impl From<AgentId> for HostId {
    fn from(agent: AgentId) -> Self {
        HostId(agent.0)
    }
}

impl From<HostId> for AgentId {
    fn from(host: HostId) -> Self {
        AgentId(host.0)
    }
}

macro_rules! counted_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema, Default)]
        #[serde(transparent)]
        #[schema(value_type = u64)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )* };
}

counted_ids! {
    /// A job, counted from 1: what a person writes in `hostler job show 42`.
    JobId;
    /// One sending of one step: epoch in the upper 24 bits, a count below.
    StepNo;
    /// One connection of one agent: epoch in the upper 24 bits, a count below.
    SessionId;
}

/// How many bits of a counted id the count takes; the epoch stands above them.
const COUNT_BITS: u32 = 40;

/// The `n`th counted id of an epoch.
pub fn in_epoch(epoch: u32, n: u64) -> u64 {
    (u64::from(epoch) << COUNT_BITS) | (n & ((1 << COUNT_BITS) - 1))
}

/// The epoch in which a counted id was drawn.
pub fn epoch_of(counted: u64) -> u32 {
    (counted >> COUNT_BITS) as u32
}

/// Whether `written`, as a person typed it, means `id`: the whole id, or its last six or more hexadecimal digits.
///
/// The last, not the first: the first digits of version 7 ids are the same for hours.
pub fn means(written: &str, id: Uuid) -> bool {
    let digits = |text: &str| text.replace('-', "").to_ascii_lowercase();
    let wanted = digits(written);
    wanted.len() >= 6
        && wanted.bytes().all(|b| b.is_ascii_hexdigit())
        && digits(&id.to_string()).ends_with(&wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_six_digits_name_a_thing_and_the_first_do_not() {
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_00ab_cdef);
        assert!(means("abcdef", id));
        assert!(means("ABCDEF", id));
        assert!(means(&id.to_string(), id));
        assert!(!means("bcdef", id), "five digits are too few");
        assert!(!means("019000", id));
        assert!(!means("web-01", id));
    }

    #[test]
    fn a_counted_id_keeps_its_epoch() {
        let no = in_epoch(7, 12);
        assert_eq!(epoch_of(no), 7);
        assert!(in_epoch(8, 0) > no);
    }
}
