//! A unix socket carried to the other side: each connection that somebody makes to it becomes one of the pair, and is
//! joined over there with the socket that is offered under the same name.

use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::dial::Line;
use crate::error::TransferError;
use crate::frame::Hail;
use crate::plain::Encryption;

/// Between reading and writing, each way: large enough that a memory page stream is not held up by system calls.
const BUFFER_BYTES: usize = 128 * 1024;
/// Connections of one socket at a time. libvirt makes one, QEMU one, a storage copy one for each disk.
const MOST: usize = 64;
/// How long to wait before accepting again when this computer had no room for one more connection.
const BREATH: Duration = Duration::from_millis(200);

/// Who may connect to a carried socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The rights of the socket.
    pub mode: u32,
    /// Its owner, user and group; this process's when none.
    pub owner: Option<(u32, u32)>,
}

/// A socket that is carried. It goes when this is dropped, or when the pair ends.
#[derive(Debug)]
pub struct Carried {
    path: PathBuf,
    stop: CancellationToken,
}

impl Carried {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = fs::remove_file(&self.path);
    }
}

/// Joins two connections until both have said all, or one is lost. Half-closes pass through.
pub(crate) async fn join<A, B>(mut a: A, mut b: B, stop: &CancellationToken) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the pair has ended")),
        joined = copy_bidirectional_with_sizes(&mut a, &mut b, BUFFER_BYTES, BUFFER_BYTES) => joined,
    }
}

pub(crate) fn carry(
    line: Arc<Line>,
    socket: &str,
    path: &Path,
    access: Access,
    encryption: Encryption,
) -> Result<Carried, TransferError> {
    let failed = |cause| TransferError::file(path, cause);
    let listener = UnixListener::bind(path).map_err(failed)?;
    let stop = line.stop.child_token();
    let carried = Carried { path: path.into(), stop: stop.clone() };
    if let Some((user, group)) = access.owner {
        chown(path, Some(user), Some(group)).map_err(failed)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(access.mode)).map_err(failed)?;
    let hail = Hail::Carry {
        ticket: line.ticket.id.clone(),
        socket: socket.to_owned(),
        unencrypted: encryption == Encryption::Waived,
    };
    tokio::spawn(accept(listener, line, hail, path.to_owned(), stop));
    Ok(carried)
}

async fn accept(listener: UnixListener, line: Arc<Line>, hail: Hail, path: PathBuf, stop: CancellationToken) {
    let hail = Arc::new(hail);
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let near = match accepted {
            Ok((near, _)) => near,
            Err(why) => {
                tracing::warn!(%why, ?path, "a connection to a carried socket was not accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        // Beyond the bound it is closed at once, which its maker sees.
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (line, hail, stop) = (Arc::clone(&line), Arc::clone(&hail), stop.clone());
        tokio::spawn(async move {
            if let Err(why) = one(near, &line, &hail, &stop).await {
                tracing::debug!(%why, ?hail, "a carried connection has ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = fs::remove_file(path);
}

async fn one(
    near: UnixStream,
    line: &Line,
    hail: &Hail,
    stop: &CancellationToken,
) -> Result<(), TransferError> {
    let (far, _) = tokio::select! {
        opened = line.open(hail) => opened?,
        () = stop.cancelled() => return Err(TransferError::Stopped),
    };
    join(near, far, stop).await.map(|_| ()).map_err(|cause| TransferError::of_connection(&cause))
}
