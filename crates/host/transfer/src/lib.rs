//! The data channel between two agents: what is too large, or too private, to go through the server.
//!
//! One agent listens, on one port of [`PORTS`], only for the time of a ticket and only for the agent that the ticket
//! names; the other dials. Both show the certificates that the installation's authority gave them. The first
//! connection claims the ticket, which is good once; it stays open as long as the pair does, and says every few seconds
//! that it is there. Each further connection of the pair carries one connection of a unix socket, both ways and with
//! its half-closes, or one file, with its holes, checked by its digest, resumed where an earlier attempt ended. TCP's own
//! windows hold a writer back, one connection without the others. When the first connection ends, everything ends.
//! What is offered and asked for as [`Encryption::Waived`] goes on without encryption once both ends have shown who they
//! are; a file's digest is announced before that, and so holds all the same.
//!
//! It decides nothing, knows neither the server nor libvirt, and opens no file and no socket but those that its caller
//! offered. Only `agent` calls it. TLS is rustls with ring, named in each configuration.

mod carry;
mod dial;
mod error;
mod files;
mod frame;
mod identity;
mod listen;
mod plain;
mod sparse;
mod ticket;

use std::ops::RangeInclusive;

pub use carry::{Access, Carried};
pub use dial::{Link, dial};
pub use error::{TransferError, Why};
pub use files::{FileOffer, Sent};
pub use identity::{Credentials, Peer};
pub use listen::{Ended, Listening, Offers, SocketOffer, listen};
pub use plain::Encryption;
pub use ticket::{Limits, Ticket};

/// The ports on which an agent may listen, each for the time of one ticket.
pub const PORTS: RangeInclusive<u16> = 49_300..=49_399;

/// What the two ends say to each other in TLS's choice of protocols: another version is not spoken by accident.
pub(crate) const ALPN: &[u8] = b"hostler-transfer/1";
