//! The library: shares, which are folders on agents' computers, and the items found in them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hardware::DiskFormat;
use crate::ids::{AgentId, ItemId, ShareId};
use crate::name::Name;
use crate::time::Timestamp;

/// A library share: a folder on an agent's computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// Its id.
    pub id: ShareId,
    /// The name people call it.
    pub name: Name,
    /// The agent on whose computer it lies.
    pub agent: AgentId,
    /// The folder, an absolute path.
    pub folder: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// When it entered the record.
    pub created: Timestamp,
}

impl Share {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("library share {}", self.name)
    }
}

/// Something in a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// The share it lies in.
    pub share: ShareId,
    /// The name people call it: at first its file name without the ending.
    pub name: Name,
    /// What the share's folder shows.
    pub seen: SeenItem,
    /// Since when its file has been missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Timestamp>,
    /// When it entered the record.
    pub created: Timestamp,
}

impl Item {
    /// How people call it in messages.
    pub fn label(&self) -> String {
        format!("library item {}", self.name)
    }
}

/// A file in a share as its folder shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenItem {
    /// The path below the share's folder.
    pub path: String,
    /// What it is.
    pub kind: ItemKind,
    /// The file's size in bytes.
    pub size_bytes: u64,
    /// When the file was last modified.
    pub modified: Timestamp,
    /// What the image's header says, for disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageFacts>,
    /// Why the file may not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What is wrong with a file in a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Why, in words.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

/// What the header of a disk image says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageFacts {
    /// The format, from the content.
    pub format: DiskFormat,
    /// How large a guest would see it, in bytes.
    pub virtual_size_bytes: u64,
}

/// What a library item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// A virtual hard disk.
    Disk,
    /// An ISO image.
    Iso,
    /// A virtual floppy disk.
    Floppy,
    /// A script.
    Script,
    /// An answer file for an unattended installation.
    AnswerFile,
    /// Something else.
    #[serde(other)]
    Other,
}

impl ItemKind {
    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            ItemKind::Disk => "disk",
            ItemKind::Iso => "ISO image",
            ItemKind::Floppy => "floppy",
            ItemKind::Script => "script",
            ItemKind::AnswerFile => "answer file",
            ItemKind::Other => "other",
        }
    }
}
