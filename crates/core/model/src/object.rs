//! Everything managed is one typed object with a key. A commit writes a set of changes; who made each, and under
//! which job, belongs to the change.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::access::{Actor, Credential, Token, User};
use crate::agent::{Agent, Enrolment};
use crate::host::Host;
use crate::host_group::HostGroup;
use crate::ids::{
    AgentId, HostGroupId, HostId, InstallationId, ItemId, JobId, ShareId, TemplateId, TokenId, UserId,
    ViewId, VmId,
};
use crate::job::Job;
use crate::library::{Item, Share};
use crate::saved_view::SavedView;
use crate::setting::Settings;
use crate::template::Template;
use crate::vm::Vm;

macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident($id:ty, $body:ty) = $word:literal, |$o:ident| $of:expr;)*) => {
        /// A kind of object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Kind { $(
            $(#[$doc])*
            #[serde(rename = $word)]
            $name,
        )* }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            /// The word used in the store, in the feed and in paths.
            pub fn word(self) -> &'static str {
                match self { $(Kind::$name => $word),* }
            }
        }

        /// The key of an object: its kind and its id, written `vm/0190…`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $(
            $(#[$doc])*
            $name($id),
        )* }

        impl Key {
            /// Its kind.
            pub fn kind(self) -> Kind {
                match self { $(Key::$name(_) => Kind::$name),* }
            }

            /// Its id as text.
            pub fn id(self) -> String {
                match self { $(Key::$name(id) => id.to_string()),* }
            }

            /// The key of a kind and an id as text, as the store keeps them.
            pub fn read(kind: Kind, id: &str) -> Option<Self> {
                Some(match kind { $(Kind::$name => Key::$name(id.parse().ok()?)),* })
            }
        }

        /// An object. Shared, never changed in place.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "body")]
        pub enum Object { $(
            $(#[$doc])*
            #[serde(rename = $word)]
            $name(Arc<$body>),
        )* }

        impl Object {
            /// Its key.
            pub fn key(&self) -> Key {
                match self { $(Object::$name($o) => Key::$name($of)),* }
            }

            /// Its body as JSON text.
            ///
            /// # Errors
            /// When a type of ours cannot be written as JSON: a defect.
            pub fn body(&self) -> Result<String, serde_json::Error> {
                match self { $(Object::$name(body) => serde_json::to_string(&**body)),* }
            }

            /// An object of a kind, read from its body.
            ///
            /// # Errors
            /// When the body is not what this kind is.
            pub fn read(kind: Kind, body: &str) -> Result<Self, serde_json::Error> {
                Ok(match kind { $(Kind::$name => Object::$name(Arc::new(serde_json::from_str(body)?))),* })
            }
        }

        $(impl From<$body> for Object {
            fn from(body: $body) -> Self {
                Object::$name(Arc::new(body))
            }
        })*
    };
}

objects! {
    /// A virtual machine.
    Vm(VmId, Vm) = "vm", |o| o.id;
    /// A host.
    Host(HostId, Host) = "host", |o| o.id;
    /// A group of hosts.
    HostGroup(HostGroupId, HostGroup) = "host-group", |o| o.id;
    /// An agent.
    Agent(AgentId, Agent) = "agent", |o| o.id;
    /// A token for enrolment.
    Enrolment(TokenId, Enrolment) = "enrolment", |o| o.id;
    /// A library share.
    Share(ShareId, Share) = "library-share", |o| o.id;
    /// A library item.
    Item(ItemId, Item) = "library-item", |o| o.id;
    /// A template.
    Template(TemplateId, Template) = "template", |o| o.id;
    /// A user.
    User(UserId, User) = "user", |o| o.id;
    /// What proves that somebody is a user.
    Credential(UserId, Credential) = "credential", |o| o.user;
    /// A token for the REST interface.
    Token(TokenId, Token) = "token", |o| o.id;
    /// A view that a user saved.
    View(ViewId, SavedView) = "view", |o| o.id;
    /// A job.
    Job(JobId, Job) = "job", |o| o.id;
    /// The settings of the installation.
    Settings(InstallationId, Installation) = "installation", |o| o.id;
}

/// The installation itself: its settings, and what is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Installation {
    /// Its id.
    pub id: InstallationId,
    /// Its settings.
    pub settings: Settings,
}

impl Kind {
    /// Whether it holds what no interface shows.
    pub fn is_secret(self) -> bool {
        matches!(self, Kind::Credential)
    }
}

impl FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Kind::ALL.iter().copied().find(|kind| kind.word() == text).ok_or(())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind().word(), self.id())
    }
}

impl FromStr for Key {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('/')
            .and_then(|(kind, id)| Key::read(kind.parse().ok()?, id))
            .ok_or_else(|| format!("\"{text}\" is not the key of an object"))
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A change to one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// As it is from now on; gone when none.
    pub object: Option<Object>,
    /// The job under which it happened. Only jobs themselves change under none.
    pub job: Option<JobId>,
    /// Who caused it.
    pub actor: Actor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_it_is_written() {
        let key = Key::Vm(VmId(uuid::Uuid::from_u128(7)));
        assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        assert_eq!(Key::Job(JobId(42)).to_string(), "job/42");
        assert!("nonsense/1".parse::<Key>().is_err());
    }
}
