//! Sparse verified files. What arrives is a hidden file beside its place until it is whole, durable, has the announced digest
//! and was looked into as its caller said; then it takes its place, where it never replaces anything. Its length is how much
//! has arrived, so the next attempt goes on there. What does not have the digest, or is not what it should be, is thrown away
//! as a whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::dial::Line;
use crate::error::{TransferError, Why};
use crate::frame::{self, Hail, Reply, silent};
use crate::listen::{Far, go_on};
use crate::plain::Encryption;
use crate::sparse::{PIECE_BYTES, Span, digest, span};
use crate::ticket::Limits;

/// How often the receiving side says how far it is; well below any limit of silence.
const SAY_EVERY: Duration = Duration::from_millis(500);
/// Pieces between the network and the disk.
const ROOM: usize = 8;
/// What a piece is, before its length of eight bytes.
const DATA: u8 = 1;
const HOLE: u8 = 2;
const END: u8 = 3;

/// Where a file is to be kept.
#[derive(Clone, Debug)]
pub struct FileOffer {
    /// Its place. A file that is there already is taken for the one that is wanted.
    pub path: PathBuf,
    /// Its rights once it is whole.
    pub mode: u32,
    /// How large it may be, in bytes.
    pub most_bytes: u64,
    /// Looks into it once it is whole, before it takes its place: why it is not what it should be, in words. Its digest is
    /// the sender's own word and says nothing of that.
    pub check: fn(&File) -> Result<(), String>,
    /// Whether it is encrypted on its way, if the peer waives it too.
    pub encryption: Encryption,
}

/// A file that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// SHA-256 of its bytes, holes as zeroes, hexadecimal.
    pub sha256: String,
    /// How large it is, in bytes.
    pub size_bytes: u64,
    /// How much of it an earlier attempt had brought, in bytes.
    pub resumed_at: u64,
    /// How many bytes of data travelled, without holes.
    pub sent_bytes: u64,
}

/// A thread at work on a file stops when this is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, TransferError> {
    let done = spawn_blocking(work).await.unwrap_or_else(|why| Err(io::Error::other(why)));
    done.map_err(|cause| TransferError::file(path, cause))
}

pub(crate) async fn send(
    line: &Line,
    name: &str,
    path: &Path,
    encryption: Encryption,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<Sent, TransferError> {
    let stop = Stop(Arc::default());
    let source = path.to_owned();
    let file = blocking(path, move || {
        let file = File::open(source)?;
        match file.metadata()?.is_file() {
            true => Ok(Arc::new(file)),
            false => Err(io::Error::other("it is not a file")),
        }
    })
    .await?;
    let size = file.metadata().map_err(|cause| TransferError::file(path, cause))?.len();
    let (read, stopped, hashed) = (Arc::new(AtomicU64::new(0)), Arc::clone(&stop.0), Arc::clone(&file));
    let so_far = Arc::clone(&read);
    let hashing = blocking(path, move || {
        digest(&hashed, size, |at| {
            so_far.store(at, Ordering::Relaxed);
            !stopped.load(Ordering::Relaxed)
        })
    });
    let sha256 = told(hashing, || progress(read.load(Ordering::Relaxed), size.saturating_mul(2))).await?;
    let sha256 = sha256.ok_or(TransferError::Stopped)?;

    let hail = Hail::File {
        ticket: line.ticket.id.clone(),
        file: name.to_owned(),
        size_bytes: size,
        sha256: sha256.clone(),
        unencrypted: encryption == Encryption::Waived,
    };
    let (far, reply) = line.open(&hail).await?;
    let at = match reply {
        Reply::From { at, .. } if at <= size => at,
        Reply::Stored => return Ok(Sent { sha256, size_bytes: size, resumed_at: size, sent_bytes: 0 }),
        other => return Err(TransferError::Lost(format!("an answer that makes no sense: {other:?}"))),
    };
    let (hear, say) = split(far);
    let (give, take) = mpsc::channel(ROOM);
    let (source, cut) = (Arc::clone(&file), size);
    let reading = blocking(path, move || read_pieces(&source, at, cut, &give));
    let sending = say_pieces(say, take, line.limits.silence);
    let hearing = hear_end(hear, line.limits.silence, size, progress);
    tokio::pin!(reading, sending, hearing);
    let (mut read, mut sent) = (false, None);
    loop {
        tokio::select! {
            biased;
            // What the other side says counts: a broken pipe of ours has its reason there.
            ended = &mut hearing => {
                return ended.map(|()| Sent { sha256, size_bytes: size, resumed_at: at, sent_bytes: sent.unwrap_or(0) });
            }
            done = &mut reading, if !read => { done?; read = true; }
            done = &mut sending, if sent.is_none() => match done {
                Ok(bytes) => sent = Some(bytes),
                Err(why) => {
                    return match timeout(line.limits.silence, &mut hearing).await {
                        Ok(Err(refused @ TransferError::Refused { .. })) => Err(refused),
                        _ => Err(why),
                    };
                }
            },
        }
    }
}

/// Tells twice a second how far it is.
async fn told<T>(work: impl Future<Output = T>, mut tell: impl FnMut()) -> T {
    let mut tick = tokio::time::interval(SAY_EVERY);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => tell(),
        }
    }
}

enum Piece {
    Data(Bytes),
    Hole(u64),
}

fn read_pieces(file: &File, mut at: u64, size: u64, give: &mpsc::Sender<Piece>) -> io::Result<()> {
    while let Some(span) = span(file, at, size)? {
        let (piece, length) = match span {
            Span::Hole(length) => (Piece::Hole(length), length),
            Span::Data(length) => {
                let mut bytes = vec![0; length as usize];
                file.read_exact_at(&mut bytes, at)?;
                (Piece::Data(bytes.into()), length)
            }
        };
        if give.blocking_send(piece).is_err() {
            return Ok(());
        }
        at += length;
    }
    Ok(())
}

async fn say_pieces(
    mut say: impl AsyncWrite + Unpin,
    mut take: mpsc::Receiver<Piece>,
    silence: Duration,
) -> Result<u64, TransferError> {
    let mut sent = 0;
    loop {
        let piece = take.recv().await;
        let last = piece.is_none();
        let saying = async {
            match piece {
                Some(Piece::Data(bytes)) => {
                    head(&mut say, DATA, bytes.len() as u64).await?;
                    say.write_all(&bytes).await?;
                    sent += bytes.len() as u64;
                }
                Some(Piece::Hole(length)) => head(&mut say, HOLE, length).await?,
                None => {
                    head(&mut say, END, 0).await?;
                    say.flush().await?;
                }
            }
            Ok::<_, io::Error>(())
        };
        let said = timeout(silence, saying).await.map_err(|_| silent(silence))?;
        said.map_err(|cause| TransferError::of_connection(&cause))?;
        if last {
            return Ok(sent);
        }
    }
}

async fn head(say: &mut (impl AsyncWrite + Unpin), what: u8, length: u64) -> io::Result<()> {
    let mut head = [what, 0, 0, 0, 0, 0, 0, 0, 0];
    head[1..].copy_from_slice(&length.to_be_bytes());
    say.write_all(&head).await
}

async fn hear_end(
    mut hear: impl AsyncRead + Unpin,
    silence: Duration,
    size: u64,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<(), TransferError> {
    loop {
        match frame::read_within(&mut hear, silence).await? {
            Reply::At { arrived, checked: _ } => {
                progress(size.saturating_add(arrived.min(size)), size.saturating_mul(2));
            }
            Reply::Stored => return Ok(()),
            Reply::Refused { why, cause } => return Err(TransferError::Refused { why, cause }),
            Reply::Go { .. } | Reply::From { .. } | Reply::Unknown => {}
        }
    }
}

/// What a file is called while it arrives: its digest is in the name, so that what came of another content is not gone on
/// with.
fn arriving(path: &Path, sha256: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    Some(path.with_file_name(format!(".{name}.{}.arriving", sha256.get(..16)?)))
}

/// The beginning of a file that arrives, held so that nobody else goes on with it; and how much of it is there.
fn open_part(path: &Path, size: u64) -> io::Result<Result<(File, u64), Reply>> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Ok(Err(Reply::no(Why::Busy, "somebody else is bringing the same file")));
        }
        Err(fs::TryLockError::Error(cause)) => return Err(cause),
    }
    // Whoever held it before us may have put it into its place.
    if !path.exists() {
        return Ok(Err(Reply::no(Why::Busy, "somebody else has just brought the same file")));
    }
    let mut at = file.metadata()?.len();
    if at > size {
        file.set_len(0)?;
        at = 0;
    }
    Ok(Ok((file, at)))
}

pub(crate) async fn receive(
    mut far: Far,
    asked: bool,
    offer: &FileOffer,
    size: u64,
    sha256: &str,
    limits: &Limits,
) -> Result<(), TransferError> {
    let place = offer.path.clone();
    let lost = |cause: io::Error| TransferError::of_connection(&cause);
    let hexadecimal = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let part = arriving(&place, sha256).filter(|_| hexadecimal);
    let first = match part {
        None => Err(Reply::no(Why::Damaged, "the digest is none")),
        Some(_) if size > offer.most_bytes => Err(Reply::no(
            Why::NotOffered,
            format!("{size} bytes are more than the {} offered", offer.most_bytes),
        )),
        Some(_) if place.exists() => Err(Reply::Stored),
        Some(part) => {
            let at = part.clone();
            match blocking(&part, move || open_part(&at, size)).await {
                Ok(Ok((file, at))) => Ok((part, file, at)),
                Ok(Err(reply)) => Err(reply),
                Err(why) => Err(Reply::no(Why::Broken, why.to_string())),
            }
        }
    };
    let (part, file, at) = match first {
        Ok(opened) => opened,
        Err(reply) => return frame::write(&mut far, &reply).await.map_err(lost),
    };
    let encryption = offer.encryption.if_asked(asked);
    let unencrypted = encryption == Encryption::Waived;
    frame::write(&mut far, &Reply::From { at, unencrypted }).await.map_err(lost)?;
    let far = go_on(far, encryption, limits.handshake).await?;

    let (hear, mut say) = split(far);
    let (arrived, checked) = (Arc::new(AtomicU64::new(at)), Arc::new(AtomicU64::new(0)));
    let wanted = Announced { size, sha256: sha256.to_owned(), mode: offer.mode, check: offer.check };
    let work = take_in(hear, file, part, place, at, wanted, limits.silence, (&arrived, &checked));
    tokio::pin!(work);
    let mut tick = tokio::time::interval(SAY_EVERY);
    let reply = loop {
        tokio::select! {
            done = &mut work => break match done {
                Ok(reply) => reply,
                // The peer is gone: nobody is there to hear why.
                Err(why @ TransferError::Lost(_)) => return Err(why),
                Err(why) => Reply::no(Why::Broken, why.to_string()),
            },
            _ = tick.tick() => {
                let at = Reply::At { arrived: arrived.load(Ordering::Relaxed), checked: checked.load(Ordering::Relaxed) };
                let said = timeout(limits.silence, frame::write(&mut say, &at)).await;
                said.map_err(|_| silent(limits.silence))?.map_err(lost)?;
            }
        }
    };
    let said = timeout(limits.silence, async {
        frame::write(&mut say, &reply).await?;
        say.shutdown().await
    });
    said.await.map_err(|_| silent(limits.silence))?.map_err(lost)
}

struct Announced {
    size: u64,
    sha256: String,
    mode: u32,
    check: fn(&File) -> Result<(), String>,
}

/// Writes down what arrives, checks it, and puts it into its place.
#[expect(clippy::too_many_arguments, reason = "one caller; they are what one reception consists of")]
async fn take_in(
    mut hear: impl AsyncRead + Unpin,
    file: File,
    part: PathBuf,
    place: PathBuf,
    at: u64,
    wanted: Announced,
    silence: Duration,
    (arrived, checked): (&Arc<AtomicU64>, &Arc<AtomicU64>),
) -> Result<Reply, TransferError> {
    let (give, take) = mpsc::channel(ROOM);
    let counter = Arc::clone(arrived);
    let writing = blocking(&part, move || write_pieces(file, at, take, &counter));
    let reading = async move {
        let mut at = at;
        loop {
            let head = async {
                let mut head = [0; 9];
                hear.read_exact(&mut head).await?;
                Ok::<_, io::Error>(head)
            };
            let head = timeout(silence, head).await.map_err(|_| silent(silence))?;
            let head = head.map_err(|cause| TransferError::of_connection(&cause))?;
            let length = head[1..].iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
            if head[0] == END {
                return Ok(at == wanted.size);
            }
            if length > wanted.size - at || (head[0] == DATA && length > PIECE_BYTES) {
                return Ok(false);
            }
            let piece = match head[0] {
                DATA => {
                    let mut bytes = vec![0; length as usize];
                    let read = timeout(silence, hear.read_exact(&mut bytes)).await;
                    read.map_err(|_| silent(silence))?
                        .map_err(|cause| TransferError::of_connection(&cause))?;
                    Piece::Data(bytes.into())
                }
                HOLE => Piece::Hole(length),
                _ => return Ok(false),
            };
            at += length;
            // A writer that has gone says why itself.
            if give.send(piece).await.is_err() {
                return Ok(true);
            }
        }
    };
    let (written, read) = tokio::join!(writing, reading);
    let file = written?;
    let whole: Result<bool, TransferError> = read;
    if !whole? {
        let _ = fs::remove_file(&part);
        return Ok(Reply::no(Why::Damaged, "what arrived is not as long as was announced"));
    }
    let stop = Stop(Arc::default());
    let (stopped, counter) = (Arc::clone(&stop.0), Arc::clone(checked));
    let path = part.clone();
    blocking(&path, move || {
        file.sync_all()?;
        let found = digest(&file, wanted.size, |at| {
            counter.store(at, Ordering::Relaxed);
            !stopped.load(Ordering::Relaxed)
        })?;
        match found {
            None => return Ok(Reply::no(Why::Broken, "stopped")),
            Some(found) if found != wanted.sha256 => {
                fs::remove_file(&part)?;
                let cause = format!("its digest is {found}, announced was {}", wanted.sha256);
                return Ok(Reply::no(Why::Damaged, cause));
            }
            Some(_) => {}
        }
        if let Err(why) = (wanted.check)(&file) {
            fs::remove_file(&part)?;
            return Ok(Reply::no(Why::Damaged, why));
        }
        file.set_permissions(fs::Permissions::from_mode(wanted.mode))?;
        file.sync_all()?;
        let kept = rustix::fs::renameat_with(
            rustix::fs::CWD,
            &part,
            rustix::fs::CWD,
            &place,
            rustix::fs::RenameFlags::NOREPLACE,
        );
        match kept {
            Ok(()) => {}
            // Somebody else was quicker.
            Err(rustix::io::Errno::EXIST) => fs::remove_file(&part)?,
            Err(why) => return Err(why.into()),
        }
        if let Some(folder) = place.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Reply::Stored)
    })
    .await
}

fn write_pieces(
    file: File,
    mut at: u64,
    mut take: mpsc::Receiver<Piece>,
    arrived: &AtomicU64,
) -> io::Result<File> {
    while let Some(piece) = take.blocking_recv() {
        match piece {
            Piece::Data(bytes) => {
                file.write_all_at(&bytes, at)?;
                at += bytes.len() as u64;
            }
            Piece::Hole(length) => {
                at += length;
                file.set_len(at)?;
            }
        }
        arrived.store(at, Ordering::Relaxed);
    }
    Ok(file)
}
