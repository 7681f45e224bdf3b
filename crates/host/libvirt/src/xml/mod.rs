//! Domain XML: read into types, written by patching the tree, so that what another tool put there stays; and what the host
//! is made of.

pub(crate) mod capabilities;
pub(crate) mod definition;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod network;
pub(crate) mod patch;
pub(crate) mod read;
#[cfg(test)]
mod tests;

/// What our filter is called at libvirt, which drops what an adapter sends under another address than its own.
pub(crate) const SPOOFING_FILTER: &str = "hostler-no-mac-spoofing";
