//! A machine's screen, keyboard and pointer. libvirt hands over a socket on which QEMU speaks RFB: no port is open.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;

use hostler_model::Refusal;
use hostler_wire::{ByteStream, CHUNK_BYTES, ConnectError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, copy_buf, split};
use tokio::net::UnixStream;
use uuid::Uuid;

use super::{Asked, ended};

/// Joins the stream with the machine's screen, once the machine is on, until it is off.
pub(super) async fn carry(mut asked: Asked, domain: Uuid) -> Result<(), ConnectError> {
    let screen = match asked.is_on(domain).await {
        Ok(true) => screen(&asked, domain).await.map(Some),
        Ok(false) => Ok(None),
        Err(why) => Err(why),
    };
    let screen = match screen {
        Ok(screen) => screen,
        Err(why) => return asked.refuse(&why).await,
    };
    let mut stream = asked.open().await?;
    let screen = match screen {
        Some(screen) => screen,
        None => match waited(&mut asked, domain, &mut stream).await {
            Some(screen) => screen,
            None => return Ok(()),
        },
    };
    joined(stream, screen).await;
    Ok(())
}

async fn screen(asked: &Asked, domain: Uuid) -> Result<UnixStream, Refusal> {
    asked
        .look(move |ends| ends.host.open_graphics(domain))
        .await
        .and_then(|socket| connected(socket.into()).map_err(|why| super::failed(domain, &why)))
}

fn connected(socket: StdUnixStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// Waits until the machine is on and shows its screen. None when it is gone, or nobody waits any more.
async fn waited(asked: &mut Asked, domain: Uuid, stream: &mut ByteStream) -> Option<UnixStream> {
    // The server speaks second in RFB: whatever comes before the greeting tells nothing.
    let mut early = [0; 64];
    loop {
        tokio::select! {
            () = asked.changed() => {}
            read = stream.read(&mut early) => match read {
                Ok(some) if some > 0 => continue,
                _ => return None,
            },
        }
        match asked.is_on(domain).await {
            Ok(false) => {}
            // Just started, it may not have its screen yet.
            Ok(true) => match screen(asked, domain).await {
                Ok(screen) => return Some(screen),
                Err(why) => tracing::debug!(%domain, %why, "no screen yet"),
            },
            Err(why) => {
                tracing::info!(%domain, %why, "the screen of a machine is waited for no more");
                return None;
            }
        }
    }
}

async fn joined(mut stream: ByteStream, mut screen: UnixStream) {
    let off = {
        let (from_server, mut to_server) = split(&mut stream);
        let (from_screen, mut to_screen) = screen.split();
        let mut from_screen = BufReader::with_capacity(CHUNK_BYTES, from_screen);
        let mut from_server = BufReader::with_capacity(CHUNK_BYTES, from_server);
        tokio::select! {
            // However QEMU's end comes, it is the machine's: a stream that was lost ends nothing any more.
            _ = copy_buf(&mut from_screen, &mut to_server) => true,
            typed = async {
                let typed = copy_buf(&mut from_server, &mut to_screen).await;
                to_screen.shutdown().await.and(typed.map(drop))
            } => {
                if let Err(why) = typed {
                    tracing::debug!(%why, "a screen is watched no more");
                }
                false
            }
        }
    };
    if off {
        ended(stream).await;
    }
}
