//! The agent's state machine: journal, steps, doubt, reports.
//!
//! [`Core`] takes in what happened ([`Input`]) and says what is to be done ([`Output`]). It does no I/O, reads no
//! clock, throws no dice and never calls the hypervisor: the agent runs commands on threads, the simulator on virtual
//! time, over the same core. What it promises, whatever is lost, doubled, delayed or restarted:
//!
//! - **Delivered any number of times, a step has at most one effect.** It begins after its intent is durable in the
//!   journal, and never again; after a restart an intent without an outcome is looked up ([`Output::Probe`]), not
//!   repeated.
//! - **A step that arrived is owed an answer**, and gives it as often as it is asked, until the server's floor has
//!   passed it. The outcome is durable before it is said. A step below the floor is refused, in words.
//! - **Revoked means never**: a step that has not begun is buried durably before *Revoked* is said, be it known or
//!   not; one at work is asked to stop, and its own end is the answer.
//! - **Facts have an order** (journal, run, place in the run) that only grows. Nothing of one session is said in
//!   another; in a new session the first word after hello is the whole picture, and answers come after it, each with
//!   the newest word about the machine it touched.
//! - Commands about one machine (one file, one base, one share) run one after another in the order of their numbers,
//!   others side by side, at most [`MOST_AT_WORK`].
//!
//! The caller hands in readings of a machine in the order in which they were made, reads what a command touched
//! before it says [`Input::Ended`], and answers each [`Output::List`] with [`Input::Listed`] or
//! [`Input::ListFailed`]. The server, on its side, sends every open step again when a session opens.

mod core;
mod journal;
mod picture;
mod read;
mod say;
mod steps;

pub use crate::core::{
    COMPACT_ABOVE, Core, LIST_EVERY_MS, LIST_RETRY_MS, MOST_QUESTIONS, PICTURE_PATIENCE_MS,
    PROGRESS_EVERY_MS, SILENCE_MS,
};
pub use crate::journal::JournalEntry;
pub use crate::say::{Identity, Input, Output, Task};
pub use crate::steps::{MOST_AT_WORK, MOST_STEPS};
