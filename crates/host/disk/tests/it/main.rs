//! The crate from outside, against real images of qemu-img and hostile ones made byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bases;
mod confine;
mod copy;
mod create;
mod folder;
mod full;
mod golden;
mod hostile;
mod laid;
mod marks;
mod share;
mod support;
mod upload;
