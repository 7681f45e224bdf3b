//! The agent as a whole: over a simulated host and a server that speaks the wire; its folders and journal on real
//! files; and the binary over a real libvirt in namespaces of the test's own (root, libvirt and QEMU are needed).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod command_line;
mod disks;
mod journal;
mod looks;
#[path = "../../../libvirt/tests/it/namespaces.rs"]
mod namespaces;
mod real;
mod renewal;
mod running;
mod server;
mod simulated;
mod streams;
mod unit;
#[allow(dead_code, reason = "some of it is for the tests of the wire alone")]
#[path = "../../../../link/wire/tests/it/world.rs"]
mod world;
