//! Who may do what: users, their credentials and tokens, roles and rights.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{AgentId, TokenId, UserId};
use crate::name::Name;
use crate::time::Timestamp;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The name to sign in with.
    pub name: Name,
    /// What the user may do.
    pub role: Role,
    /// A disabled user cannot sign in, and tokens of theirs are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// When it was made.
    pub created: Timestamp,
}

impl User {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("user {}", self.name)
    }
}

/// What proves that somebody is a user. An object of its own, which no interface ever shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Whose.
    pub user: UserId,
    /// An argon2id hash in PHC form.
    pub hash: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({})", self.user)
    }
}

/// A token for the REST interface: 256 random bits of which only the SHA-256 is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose.
    pub user: UserId,
    /// What it is for, in the user's words.
    pub name: Name,
    /// SHA-256, hexadecimal. Never shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// When it runs out; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Whether it was made by signing in (and is removed by signing out).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub session: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Looks at everything but users' secrets; changes only their own password and tokens.
    ReadOnly,
}

impl Role {
    /// The role in words.
    pub fn words(self) -> &'static str {
        match self {
            Role::Administrator => "Administrator",
            Role::ReadOnly => "Read-only",
        }
    }
}

/// What a route or a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Nothing: for everybody, signed in or not.
    Public,
    /// One's own account.
    Own,
    /// Look at the inventory.
    See,
    /// Change the inventory.
    Change,
    /// Users, tokens of others, agents, settings, backup.
    Administer,
}

/// Whether a role holds a right. The one place where that is decided.
pub fn may(role: Role, right: Right) -> bool {
    match (role, right) {
        (_, Right::Public | Right::Own | Right::See) => true,
        (Role::Administrator, Right::Change | Right::Administer) => true,
        (Role::ReadOnly, Right::Change | Right::Administer) => false,
    }
}

/// Who caused a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Actor {
    /// A user.
    User {
        /// Who.
        id: UserId,
        /// The name at that time.
        name: Name,
    },
    /// An agent, by itself.
    Agent {
        /// Which.
        id: AgentId,
        /// The name at that time.
        name: Name,
    },
    /// A refresher: the host had changed.
    Refresher,
    /// Hostler itself.
    System,
}

impl Actor {
    /// The actor in words.
    pub fn words(&self) -> String {
        match self {
            Actor::User { name, .. } => name.to_string(),
            Actor::Agent { name, .. } => format!("agent {name}"),
            Actor::Refresher => "refresher".to_owned(),
            Actor::System => "Hostler".to_owned(),
        }
    }

    /// The user, if it is one.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Actor::User { id, .. } => Some(*id),
            Actor::Agent { .. } | Actor::Refresher | Actor::System => None,
        }
    }
}
