//! Going on without encryption, where both ends were told that the network between them is trusted.
//!
//! The connection begins like any other: both show their certificates, and what it is for is asked and answered under TLS.
//! Only then, and only if the one asked for it and the other agreed, both go on with the bare connection. The dialling
//! side goes first: when it has read the answer nothing encrypted is on its way any more, and before its first bare byte has
//! arrived the other side sends none. So no end takes bytes of the one kind for the other.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::either::Either;

/// Whether what a connection carries is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// It is.
    #[default]
    Kept,
    /// It need not be, if the other end agrees.
    Waived,
}

impl Encryption {
    /// What it comes to with a peer that asked, or did not ask, to go on without.
    pub(crate) fn if_asked(self, asked: bool) -> Self {
        if asked { self } else { Self::Kept }
    }
}

/// A connection that was encrypted when it began, and may not be any more.
pub(crate) type Stream<T> = Either<T, TcpStream>;

/// The first byte that is not encrypted.
const BARE: u8 = b'!';

/// The dialling side, once it has heard that the other agrees.
pub(crate) async fn go_first(mut tcp: TcpStream) -> io::Result<TcpStream> {
    tcp.write_u8(BARE).await?;
    Ok(tcp)
}

/// The listening side, once it has said that it agrees.
pub(crate) async fn follow(mut tcp: TcpStream) -> io::Result<TcpStream> {
    match tcp.read_u8().await? {
        BARE => Ok(tcp),
        _ => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the other side did not leave encryption behind"))
        }
    }
}
