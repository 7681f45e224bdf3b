//! The channel between server and agents: codec, transport, TLS, and the authority behind it.
//!
//! Each agent dials out and holds one TLS connection, so that identity, admission, cut and keep-alive are in one
//! place; on it runs one stream of `FromAgent` up and `ToAgent` down, and beside it byte streams that the server asks
//! for. An agent without a certificate may do one
//! thing: enrol, with a token that names the authority it is to trust.
//!
//! It knows messages only as types of `hostler-model` and decides nothing: who may enrol and which certificate is
//! let in is told to it by `server`; what a message means is the business of the engine and of `agent-core`. Only
//! `server`, `agent` and `testbed` call it. Every TLS configuration names its provider (ring); none is taken from
//! the process.

mod admission;
mod authority;
mod backoff;
mod codec;
mod connect;
#[cfg(feature = "dialects")]
pub mod dialect;
mod enrol;
mod files;
mod identity;
mod key;
mod listen;
mod places;
mod renewal;
mod session;
mod streams;
mod tls;
mod token;

/// The generated server and client.
#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/hostler.Wire.rs"));
}

pub use admission::Admission;
pub use authority::{Authority, AuthorityError, Issued, ServerCertificate};
pub use backoff::Backoff;
pub use codec::Message;
pub use connect::{AgentConfig, AgentSession, ConnectError, Rejection, connect, enrol};
pub use enrol::{EnrolAsk, Enrolled};
pub use identity::{About, Identity, IdentityError};
pub use key::{AgentKey, NoRandomness, POINT_BYTES, PossessionError, verify_possession};
pub use listen::{Handler, Limits, ListenConfig, Listening, Session, listen};
pub use renewal::{RenewAsk, Renewal, Renewed};
pub use session::{Cut, End, Incoming, Kill, Outgoing};
pub use streams::{ByteStream, CHUNK_BYTES, Opened, STALL, Streams};
pub use token::{EnrolmentToken, Fingerprint, TokenError};

/// The name in every server certificate that agents check. They reach the server under whatever address leads to
/// it; what they trust is the authority, not a name in the DNS.
pub const SERVER_NAME: &str = "server.hostler.internal";

/// The largest message either side takes, in bytes.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
