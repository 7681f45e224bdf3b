//! Typed client of the REST interface: one method per route, the live feed, and waiting for a job.
//!
//! It trusts one authority, which the caller brings, and no other; whoever asks gets what the server answered as a type
//! of `hostler-model`, a refusal included. It must not decide, retry a change under a new key, keep anything on disk or
//! know who its caller is. Called by the command line and by `hostler-testbed`.

mod client;
mod console;
mod error;
mod feed;
mod folders;
mod networks;
mod query;
mod refreshers;
mod routes;
mod trust;
mod wait;
mod window;

pub use client::{Changed, Client, Config, How};
pub use console::{Console, ConsoleClosed};
pub use error::ClientError;
pub use feed::{Feed, Word};
pub use query::{HistoryQuery, JobsQuery, ListQuery, PerformanceQuery};
pub use trust::{Authority, fingerprint};
pub use window::WindowQuery;
