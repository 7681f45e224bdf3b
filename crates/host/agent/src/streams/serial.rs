//! A machine's serial port. Its output is read from the log in which the host keeps it, so that any number look at the
//! same from power-on on, whoever was there before; its input goes to the terminal that QEMU holds open for it.
//!
//! What QEMU writes to that terminal meanwhile is read and thrown away: a terminal that nobody reads stops the guest.
//! Only for a machine of somebody else, whose definition names no log of ours, it is the output, and one console may have
//! it at a time.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hostler_libvirt::Serial;
use hostler_model::{Code, Refusal};
use hostler_wire::{ByteStream, CHUNK_BYTES, ConnectError};
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::tail::Tail;
use super::{Asked, ended, failed};

/// How much of what was written before is shown.
const MOST_PAST_BYTES: u64 = 256 * 1024;
/// How much of a terminal, or of what is typed, is read at a time.
const PART_BYTES: usize = 4096;
/// How long a guest may leave what is typed unread; then it is thrown away.
const UNREAD: Duration = Duration::from_secs(5);
/// Parts between a terminal and the stream.
const ROOM: usize = 8;

/// Joins the stream with the machine's serial port, over all its starts, until nobody looks any more or the machine is
/// gone. Without `input` nothing that is typed reaches it.
pub(super) async fn carry(mut asked: Asked, domain: Uuid, input: bool) -> Result<(), ConnectError> {
    let (output, live) = match output(&asked, domain).await {
        Ok(output) => output,
        Err(why) => return asked.refuse(&why).await,
    };
    let mut stream = asked.open().await?;
    let gone = {
        let (from_server, to_server) = split(&mut stream);
        tokio::select! {
            written = shown(output, to_server) => {
                if let Err(why) = written {
                    tracing::debug!(%domain, %why, "a serial port is shown no more");
                }
                false
            }
            gone = held(&mut asked, domain, from_server, input, live) => gone,
        }
    };
    if gone {
        ended(stream).await;
    }
    Ok(())
}

/// Where a port is, if the machine has one.
async fn find(asked: &Asked, domain: Uuid) -> Result<Serial, Refusal> {
    let found = asked.look(move |ends| ends.host.serial(domain)).await?;
    found.ok_or_else(|| {
        let cause = "it has no serial port that a console can be joined to";
        Refusal::new(Code::ConsoleUnavailable, format!("domain {domain}"), cause)
    })
}

/// From where the output comes.
enum Output {
    Log(Tail),
    Terminal { parts: mpsc::Receiver<Vec<u8>>, _alone: Reading },
}

/// Where the output comes from, and where what is read of the terminal goes, if it is the output.
async fn output(asked: &Asked, domain: Uuid) -> Result<(Output, Option<mpsc::Sender<Vec<u8>>>), Refusal> {
    let found = find(asked, domain).await?;
    if let Some(log) = found.log {
        // Of a machine that is off, the next power-on is shown and not the last.
        let tail = match asked.is_on(domain).await? {
            true => Tail::of_last(&log, MOST_PAST_BYTES),
            false => Tail::of_next(&log),
        };
        return Ok((Output::Log(tail.map_err(|why| failed(domain, &why))?), None));
    }
    let alone = Reading::begin(domain).ok_or_else(|| {
        let cause = "another console reads its serial port, whose output is kept nowhere";
        Refusal::new(Code::ConsoleUnavailable, format!("domain {domain}"), cause)
            .remedy("Close the other console first")
    })?;
    let (live, parts) = mpsc::channel(ROOM);
    Ok((Output::Terminal { parts, _alone: alone }, Some(live)))
}

/// Passes the output on until the stream fails.
async fn shown(mut output: Output, mut to_server: WriteHalf<&mut ByteStream>) -> io::Result<()> {
    let mut part = vec![0; CHUNK_BYTES];
    loop {
        match &mut output {
            Output::Log(tail) => {
                let some = tail.read(&mut part).await?;
                to_server.write_all(&part[..some]).await?;
            }
            Output::Terminal { parts, .. } => match parts.recv().await {
                Some(part) => to_server.write_all(&part).await?,
                None => return Ok(()),
            },
        }
    }
}

/// Holds the terminal whenever the machine is on, and types what comes. True when the machine is gone.
async fn held(
    asked: &mut Asked,
    domain: Uuid,
    mut from_server: ReadHalf<&mut ByteStream>,
    input: bool,
    live: Option<mpsc::Sender<Vec<u8>>>,
) -> bool {
    let mut typed = vec![0; PART_BYTES];
    let mut said = vec![0; PART_BYTES];
    let mut terminal: Option<Terminal> = None;
    let mut look = true;
    loop {
        if look && terminal.is_none() {
            let found = match find(asked, domain).await {
                Ok(found) => found.terminal.filter(|_| input || live.is_some()),
                Err(why) if why.code == Code::HypervisorNoVm => return true,
                // libvirt may be away for a moment.
                Err(_) => None,
            };
            terminal = found.and_then(|path| match Terminal::open(&path) {
                Ok(terminal) => Some(terminal),
                Err(why) => {
                    tracing::debug!(%domain, path = %path.display(), %why, "no terminal yet");
                    None
                }
            });
        }
        look = false;
        tokio::select! {
            read = from_server.read(&mut typed) => match read {
                Ok(0) | Err(_) => return false,
                Ok(some) => if let (true, Some(terminal)) = (input, &mut terminal) {
                    // Whatever cannot be typed is lost, as with any keyboard.
                    let _ = tokio::time::timeout(UNREAD, terminal.write.write_all(&typed[..some])).await;
                },
            },
            read = read_of(&mut terminal, &mut said) => match read {
                // The machine has let go of it: it is off.
                Ok(0) | Err(_) => terminal = None,
                Ok(some) => if let Some(live) = &live && live.send(said[..some].to_vec()).await.is_err() {
                    return false;
                },
            },
            () = asked.changed() => look = true,
        }
    }
}

/// A terminal on which bytes pass as they are.
struct Terminal {
    read: Receiver,
    write: Sender,
}

impl Terminal {
    fn open(path: &Path) -> io::Result<Self> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        let mut modes = tcgetattr(&file)?;
        modes.make_raw();
        tcsetattr(&file, OptionalActions::Now, &modes)?;
        // No pipe, but waited for in the same way.
        let read = Receiver::from_file_unchecked(file.try_clone()?)?;
        Ok(Self { read, write: Sender::from_file_unchecked(file)? })
    }
}

async fn read_of(terminal: &mut Option<Terminal>, into: &mut [u8]) -> io::Result<usize> {
    match terminal {
        Some(terminal) => terminal.read.read(into).await,
        None => std::future::pending().await,
    }
}

/// Machines whose terminal is read as their output.
static READ: Mutex<Vec<Uuid>> = Mutex::new(Vec::new());

/// The only one who reads a machine's terminal as its output.
struct Reading(Uuid);

impl Reading {
    fn begin(domain: Uuid) -> Option<Self> {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if read.contains(&domain) {
            return None;
        }
        read.push(domain);
        Some(Self(domain))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READ.lock().unwrap_or_else(PoisonError::into_inner).retain(|domain| *domain != self.0);
    }
}
