//! The deciding server: the decision thread, agents' sessions, enrolment, refreshers; it offers one [`Handle`].
//!
//! Everything that happens (a request, an agent's word, the hour) becomes an input in one bounded queue; one thread
//! lets `hostler-drive` decide and commit, and only then are the effects carried out: replies, messages to agents.
//! Whoever asks reads the committed picture and blocks nobody. Called by `hostler-api` (through the handle) and by the
//! binary, which starts it. It must not decide anything itself, change the record other than by asking, or write a
//! secret to a log.

mod ask;
mod clock;
mod decide;
mod enrol;
mod handle;
mod hub;
mod looks;
mod news;
mod password;
mod pending;
mod program;
mod push;
mod readers;
mod refresh;
mod refreshers;
mod renewal;
mod session;
mod start;
mod turns;

pub use handle::{Ask, Handle};
pub use news::{Committed, News, Watch};
pub use password::{MOST_PASSWORD_CHARS, PasswordError, hash_password, verify_password};
pub use program::Program;
pub use start::{Config, Server, StartError};

// What the handle speaks of, so that its callers need not name the crates below.
pub use hostler_drive::{Differences, Picture, Volatile};
pub use hostler_placement as placement;
pub use hostler_store as store;
pub use hostler_wire::{Authority, ByteStream, Fingerprint, ServerCertificate};
