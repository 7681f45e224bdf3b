//! A piece of an upload: so many bytes from the server into a hidden file, and how that ended.

use hostler_model::Refusal;
use hostler_model::upload::{Arrival, PieceEnd};
use hostler_wire::{ByteStream, ConnectError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::{Asked, blocking, ended};
use crate::uploads::{Writer, takes_none};

/// How much is gathered before it is written.
const WRITTEN_BYTES: usize = 1 << 20;

/// Which piece.
pub(super) struct Piece {
    pub(super) folder: String,
    pub(super) upload: Uuid,
    pub(super) offset: u64,
    pub(super) length: u64,
}

pub(super) async fn carry(asked: Asked, piece: Piece) -> Result<(), ConnectError> {
    let Piece { folder, upload, offset, length } = piece;
    let opened = asked.look(move |ends| {
        let uploads = ends.host.uploads().ok_or_else(takes_none)?;
        uploads.piece(&folder, upload, offset, length)
    });
    let writer = match opened.await {
        Ok(writer) => writer,
        Err(why) => return asked.refuse(&why).await,
    };
    let mut stream = asked.open().await?;
    let end = match take(&mut stream, writer, length).await {
        Ok(arrival) => PieceEnd::Taken { arrival },
        Err(refusal) => PieceEnd::Refused { refusal },
    };
    // Nobody hears it when the stream was lost; what came is on the disk all the same.
    if let Ok(end) = serde_json::to_vec(&end)
        && stream.write_all(&end).await.is_ok()
    {
        ended(stream).await;
    }
    Ok(())
}

/// Writes what comes, until it is all or the stream is lost, and makes it durable.
async fn take(stream: &mut ByteStream, mut writer: Writer, length: u64) -> Result<Arrival, Refusal> {
    let mut left = length;
    while left > 0 {
        let mut bytes = Vec::with_capacity(WRITTEN_BYTES);
        let mut part = (&mut *stream).take(left.min(WRITTEN_BYTES as u64));
        // What came before it was lost counts.
        let whole = part.read_to_end(&mut bytes).await.is_ok() && !bytes.is_empty();
        left -= bytes.len() as u64;
        writer = blocking("upload", move || writer.write(&bytes).map(|()| writer)).await?;
        if !whole {
            break;
        }
    }
    blocking("upload", move || writer.end()).await
}
