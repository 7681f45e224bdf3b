//! What a host is given to make a machine of, and what its disks stand on.

use serde::{Deserialize, Serialize};

use crate::hardware::Hardware;
use crate::seen::Identity;

/// A machine to be defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Who it is.
    pub identity: Identity,
    /// Its name in libvirt: made of the id, never changed.
    pub name: String,
    /// The name people call it.
    pub title: String,
    /// What it is made of.
    pub hardware: Hardware,
}

/// A base on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// SHA-256 of the library file's bytes, hexadecimal.
    pub sha256: String,
    /// How large a guest sees it, in bytes.
    pub virtual_size_bytes: u64,
}
