//! What the REST interface is sent, and what it answers, where that is not a thing itself. Typed once, for server and
//! client. Things are referred to by id, by name, or by the last six or more digits of an id: hence texts.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::access::{Actor, Role};
use crate::agent::Roles;
use crate::error::Refusal;
use crate::ids::{JobId, TokenId, VmId};
use crate::name::Name;
use crate::object::Kind;
use crate::request::Request;
use crate::reserve::OwnReserve;
use crate::time::Timestamp;
use crate::view::UserView;

/// Sign in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
    /// Whether to keep the token in a cookie of the browser rather than to answer it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cookie: bool,
}

/// Somebody has signed in.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SignedIn {
    /// The token to send as `Authorization: Bearer …`; absent where it went into a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When it runs out.
    pub expires: Timestamp,
    /// Who signed in.
    pub user: UserView,
}

/// Change one's own password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// As it is.
    pub current: String,
    /// As it is to be.
    pub new: String,
}

/// Make a token for oneself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub name: Name,
    /// When it runs out; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// Save a view of a page of the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveView {
    /// What the page shows: the part of its address behind the question mark, at most 4,096 bytes.
    pub state: String,
}

/// A token was made. It is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenMade {
    /// The job that made it.
    pub job: JobId,
    /// Its id.
    pub id: TokenId,
    /// The token.
    pub token: String,
}

/// Ask a guest to shut down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShutDown {
    /// How long the guest may take, in seconds; the setting when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_s: Option<u32>,
}

/// Move a running machine to another host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Migrate {
    /// The host; placement chooses among those that share the folder of the machine's disks when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Find out which of two hosts has a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settle {
    /// The host that keeps it, where it is whole on both: turned off on the other one if it runs there. Where it runs on one
    /// alone, that one keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
}

/// Change processors or memory; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeHardware {
    /// Virtual processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
}

/// Attach a disk: a new one of this size, or one that was detached. Exactly one of the two is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewDisk {
    /// How large a new one is, in bytes: a multiple of 512 between 1 MiB and 64 TiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The number of a detached disk of the machine, which is attached again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detached: Option<u32>,
}

impl NewDisk {
    /// A new, empty disk of this size in bytes.
    pub fn of_size(size_bytes: u64) -> Self {
        Self { size_bytes: Some(size_bytes), detached: None }
    }

    /// The detached disk with this number, again.
    pub fn again(no: u32) -> Self {
        Self { size_bytes: None, detached: Some(no) }
    }

    /// What is asked for by it.
    ///
    /// # Errors
    /// `value.invalid` unless exactly one of the two is said.
    pub fn request(&self, vm: VmId) -> Result<Request, Refusal> {
        match (self.size_bytes, self.detached) {
            (Some(size_bytes), None) => Ok(Request::AttachDisk { vm, size_bytes }),
            (None, Some(disk)) => Ok(Request::ReattachDisk { vm, disk }),
            _ => Err(Refusal::invalid("disk", "it is either of a size, and new, or one that was detached")
                .remedy("Say size_bytes, or detached, and not both")),
        }
    }
}

/// Put an ISO image into the DVD drive, or empty it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeDvd {
    /// The ISO image; null empties the drive.
    #[serde(deserialize_with = "said")]
    #[schema(required = true)]
    pub item: Option<String>,
}

/// An absent member is an error here: leaving it out is not a way to empty the drive.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

/// Add a library share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewShare {
    /// Its name.
    pub name: Name,
    /// The agent on whose computer it lies.
    pub agent: String,
    /// The folder, an absolute path.
    pub folder: String,
}

/// Make a group of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHostGroup {
    /// Its name.
    pub name: Name,
    /// The group that it is in, by path (`/All Hosts/Site A`) or id; *All Hosts* when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Free text, at most 10,000 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// What it sets of what is kept for each host itself. What is absent is as in the group above.
    #[serde(default, skip_serializing_if = "OwnReserve::is_empty")]
    pub reserve: OwnReserve,
    /// Whether data may travel between its hosts without encryption; as in the group above when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unencrypted_transfers: Option<bool>,
}

/// Put a host or a group of hosts into another group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveTo {
    /// The group, by path (`/All Hosts/Site A`) or id.
    pub to: String,
}

/// Declare that a host will never return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareDead {
    /// The host's name, typed: what will be lost is meant.
    pub confirm: String,
}

/// Make a token with which one computer can enrol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolment {
    /// What the computer may serve as.
    pub roles: Roles,
    /// The only host name it is good for; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The group that the host is put into, by path (`/All Hosts/Site A`) or id; *All Hosts* when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How long it is good for, in seconds: 1 to 86,400, an hour when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_s: Option<u32>,
}

/// Make a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name to sign in with.
    pub name: Name,
    /// What the user may do.
    pub role: Role,
    /// The password, 8 to 256 characters.
    pub password: String,
}

/// Change a user; what is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeUser {
    /// What the user may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether the user is shut out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// A new password, 8 to 256 characters. It ends the user's sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Write a backup of the store, while it is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBackup {
    /// The file on the server's computer, an absolute path. It must not exist.
    pub file: String,
}

/// A backup was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupMade {
    /// The file.
    pub file: String,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FeedOp {
    /// It is new or changed.
    Put,
    /// It is gone.
    Gone,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A change as the live feed tells it, and as an object's history lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeedEvent {
    /// The commit.
    pub rev: u64,
    /// The kind of object.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// What happened to it.
    pub op: FeedOp,
    /// Under which job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Who caused it.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// The object from then on; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub body: Option<serde_json::Value>,
}
