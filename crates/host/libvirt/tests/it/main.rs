//! The driver against a real libvirt of its own: libvirtd and QEMU run in namespaces that each test makes and ends.
//! Root, libvirt and QEMU are needed; a test without them fails, none is skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod conformance;
mod definition;
mod devices;
mod foreign;
mod guest;
mod host;
mod kills;
mod lifecycle;
mod namespaces;
mod notices;
mod storage;
