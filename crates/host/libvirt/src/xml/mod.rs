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
