//! Machines that come and go, on this computer: marks beside disks, doors and ways of the data channel, and libvirt's move
//! through them.
//!
//! libvirt listens to no network. Its own socket and the one through which memory travels are carried: at the old host
//! both are ours, at the new one libvirt's and QEMU's. The second has one path at both ends, which is why its folder is
//! named by the ticket.

mod marks;

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hostler_disk::{base_path, check_base, find_base};
use hostler_hypervisor::{MoveLimits, Moves, Trouble, Watch};
use hostler_libvirt::Driver;
use hostler_model::command::{Leaving, Peer, Way};
use hostler_model::{Code, Refusal};
use hostler_transfer::{
    Access, Credentials, Encryption, FileOffer, Limits, Link, Listening, Offers, PORTS, SocketOffer, Ticket,
    TransferError, dial, listen,
};
use hostler_wire::Identity;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::folders::Folders;

/// The socket of libvirt, and the one through which memory travels.
const LIBVIRT: &str = "libvirt";
const MEMORY: &str = "memory";
/// The largest base that is taken, in bytes.
const MOST_BASE_BYTES: u64 = 64 << 40;
/// How often a wish to stop is seen while bases are on their way.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often a base that somebody else is just bringing is asked for again.
const AGAIN: Duration = Duration::from_secs(2);

/// Where things are on this computer.
#[derive(Clone, Debug)]
pub struct Places {
    /// The agent's identity.
    pub identity: PathBuf,
    /// The folders in which machines may be kept.
    pub folders: Folders,
    /// Bases.
    pub bases: PathBuf,
    /// What is known of marks that were laid.
    pub moves: PathBuf,
    /// The folder of sockets.
    pub sockets: PathBuf,
    /// libvirt's own socket.
    pub libvirt: PathBuf,
    /// The account as which QEMU runs, user and group; root when none.
    pub qemu: Option<(u32, u32)>,
}

/// What this computer can do for machines that come and go.
pub struct Mover {
    driver: Arc<Driver>,
    places: Places,
    runtime: Handle,
    doors: Mutex<HashMap<String, (Uuid, Listening)>>,
    ways: Mutex<HashMap<String, Arc<Link>>>,
}

impl Mover {
    /// On this computer; within a runtime.
    pub fn new(driver: Arc<Driver>, places: Places) -> Self {
        // What was carried ended with the agent that carried it.
        for folder in fs::read_dir(&places.sockets).into_iter().flatten().flatten() {
            remove_folders(&folder.path());
        }
        Self { driver, places, runtime: Handle::current(), doors: Mutex::default(), ways: Mutex::default() }
    }

    fn credentials(&self) -> Result<Credentials, Trouble> {
        // Read anew each time: it is renewed now and then.
        let identity = Identity::load(&self.places.identity);
        let identity = identity.map_err(|why| failed("identity", why.to_string()))?;
        Ok(Credentials {
            key_pem: identity.key.to_pem(),
            certificate_pem: identity.certificate_pem,
            authority_pem: identity.authority_pem,
        })
    }

    /// The folders of a move's sockets: libvirt's, of root alone, and that of memory, of QEMU's account.
    fn make_folders(&self, ticket: &str) -> Result<SocketFolders, Trouble> {
        let top = self.places.sockets.join(word(ticket)?);
        let folders = SocketFolders { libvirt: top.join("l"), memory: top.join("m"), top };
        let failed = |path: &Path, why: std::io::Error| failed(&path.to_string_lossy(), why.to_string());
        for path in [&self.places.sockets, &folders.top] {
            let made = DirBuilder::new().recursive(true).mode(0o711).create(path);
            made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o711)))
                .map_err(|why| failed(path, why))?;
        }
        for path in [&folders.libvirt, &folders.memory] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|why| failed(path, why))?;
        }
        if let Some((user, group)) = self.places.qemu {
            chown(&folders.memory, Some(user), Some(group)).map_err(|why| failed(&folders.memory, why))?;
        }
        Ok(folders)
    }

    fn remove_folders(&self, ticket: &str) {
        let Ok(ticket) = word(ticket) else { return };
        remove_folders(&self.places.sockets.join(ticket));
    }

    fn way(&self, way: &Way) -> Result<Arc<Link>, Trouble> {
        if let Some(link) = lock(&self.ways).get(&way.ticket).filter(|link| !link.is_over()) {
            return Ok(Arc::clone(link));
        }
        let address: IpAddr = way
            .address
            .parse()
            .map_err(|_| failed(&way.address, "the other agent's address is none".into()))?;
        let credentials = self.credentials()?;
        let dialled = self.runtime.block_on(dial(
            SocketAddr::new(address, way.port),
            &credentials,
            ticket(&way.ticket, &way.to),
            Limits::default(),
        ));
        let link = Arc::new(dialled.map_err(|why| in_words(&format!("agent {}", way.to.agent), &why))?);
        lock(&self.ways).insert(way.ticket.clone(), Arc::clone(&link));
        Ok(link)
    }

    fn send_base(&self, link: &Link, sha256: &str, sent: &Sending<'_>) -> Result<(), Trouble> {
        let path = self.base(sha256)?;
        let (done, of) = (AtomicU64::new(0), AtomicU64::new(0));
        let told = |d: u64, o: u64| {
            done.store(d, Ordering::Relaxed);
            of.store(o, Ordering::Relaxed);
        };
        let ended = self.runtime.block_on(async {
            loop {
                let sending = link.send_file(sha256, &path, sent.encryption, &told);
                tokio::pin!(sending);
                let ended = loop {
                    tokio::select! {
                        ended = &mut sending => break Some(ended),
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                    }
                    if sent.watch.aborted() {
                        break None;
                    }
                    let share = of.load(Ordering::Relaxed).max(1);
                    // Each base counts alike: how large the next ones are is not known yet.
                    let part = done.load(Ordering::Relaxed).saturating_mul(1_000) / share;
                    sent.watch.progress(sent.before * 1_000 + part, sent.of * 1_000);
                };
                match ended {
                    Some(Err(why)) if why.may_pass() && !link.is_over() && !sent.watch.aborted() => {
                        tokio::time::sleep(AGAIN).await;
                    }
                    ended => return ended,
                }
            }
        });
        match ended {
            None => Err(Trouble::Aborted),
            Some(Ok(sent)) => {
                tracing::info!(base = sha256, bytes = sent.sent_bytes, "a base was sent");
                Ok(())
            }
            Some(Err(why)) => Err(in_words(&format!("base {sha256}"), &why)),
        }
    }

    /// Where the base of this digest is, or would be. Anything else than a digest would lead to other files.
    fn base(&self, sha256: &str) -> Result<PathBuf, Trouble> {
        let digest = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let malformed = || Refusal::new(Code::RequestMalformed, "base", "it is no digest");
        if digest { Ok(base_path(&self.places.bases, sha256)) } else { Err(Trouble::Refused(malformed())) }
    }

    /// The note that a machine is to start with the host again.
    fn autostart(&self, domain: Uuid) -> PathBuf {
        self.places.moves.join(format!("{domain}.autostart"))
    }

    fn note_autostart(&self, domain: Uuid) -> Result<(), Trouble> {
        let note = self.autostart(domain);
        let noted = fs::create_dir_all(&self.places.moves)
            .and_then(|()| File::create(&note)?.sync_all())
            .and_then(|()| File::open(&self.places.moves)?.sync_all());
        noted.map_err(|why| failed(&note.to_string_lossy(), why.to_string()))
    }

    fn note(&self, ticket: &str) -> Result<PathBuf, Trouble> {
        Ok(self.places.moves.join(format!("{}.json", word(ticket)?)))
    }
}

/// The marks of a move, as they are noted before they are laid.
#[derive(Serialize, Deserialize)]
struct Laid {
    domain: Uuid,
    ticket: String,
    files: Vec<String>,
}

/// Where the sockets of a move are.
struct SocketFolders {
    top: PathBuf,
    libvirt: PathBuf,
    memory: PathBuf,
}

struct Sending<'w> {
    watch: &'w dyn Watch,
    before: u64,
    of: u64,
    encryption: Encryption,
}

/// Removes the folders of a move's sockets. What is not there need not be removed.
fn remove_folders(top: &Path) {
    for (folder, socket) in [("l", "s"), ("m", "s")] {
        let _ = fs::remove_file(top.join(folder).join(socket));
        let _ = fs::remove_dir(top.join(folder));
    }
    let _ = fs::remove_dir(top);
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(object: &str, cause: String) -> Trouble {
    Trouble::Failed(
        Refusal::new(Code::MigrationFailed, object, cause)
            .remedy("Look at the network between the two hosts and at their agents' logs, then try again"),
    )
}

fn unsuitable(object: &str, cause: String, remedy: &str) -> Trouble {
    Trouble::Refused(Refusal::new(Code::MigrationUnsuitable, object, cause).remedy(remedy))
}

fn in_words(object: &str, why: &TransferError) -> Trouble {
    failed(object, why.to_string())
}

/// Why no door was opened. A host has as many as ports, and each is kept for its machine until that has come or will not.
fn not_opened(domain: Uuid, why: &TransferError) -> Trouble {
    let object = format!("domain {domain}");
    let TransferError::NoPort { .. } = why else { return in_words(&object, why) };
    let cause = format!("{why}: as many machines are expected here already");
    let refusal = Refusal::new(Code::MigrationFailed, object, cause);
    Trouble::Failed(refusal.remedy("Migrate it when some of those that are on their way have arrived"))
}

/// Whether what came may become a base. It has the digest that its sender announced, and that is all that is known of it.
fn as_base(file: &File) -> Result<(), String> {
    check_base(file).map_err(|why| format!("what arrived is no base: {}", why.cause()))
}

/// Whether what is large is encrypted between this agent and another.
fn encryption(peer: &Peer) -> Encryption {
    match peer.unencrypted {
        true => Encryption::Waived,
        false => Encryption::Kept,
    }
}

fn ticket(id: &str, peer: &Peer) -> Ticket {
    let peer = hostler_transfer::Peer { agent: peer.agent, serials: peer.serials.clone() };
    Ticket { id: id.to_owned(), peer }
}

/// A ticket as a part of a path: its first letters, all of them hexadecimal.
fn word(ticket: &str) -> Result<&str, Trouble> {
    let fits = ticket.len() >= 16 && ticket.bytes().all(|byte| byte.is_ascii_hexdigit());
    let malformed = || Refusal::new(Code::RequestMalformed, "ticket", "it is not hexadecimal");
    ticket.get(..16).filter(|_| fits).ok_or_else(|| Trouble::Refused(malformed()))
}

impl Moves for Mover {
    fn leaving(&self, domain: Uuid, ticket: &str) -> Result<Leaving, Trouble> {
        let leaving = self.driver.needs(domain)?;
        let object = format!("domain {domain}");
        let note = self.note(ticket)?;
        let failed = |why: std::io::Error| failed(&object, format!("no mark can be laid: {why}"));
        let marks = leaving.files.iter().map(|file| marks::beside(&self.places.folders, file, ticket));
        let marks = marks.collect::<Result<Vec<_>, _>>()?;
        // What is to be taken away is known before it is there.
        fs::create_dir_all(&self.places.moves).map_err(failed)?;
        let laid = Laid { domain, ticket: ticket.to_owned(), files: leaving.files.clone() };
        fs::write(&note, serde_json::to_vec(&laid).unwrap_or_default()).map_err(failed)?;
        for mark in marks {
            mark.lay(ticket)?;
        }
        Ok(leaving)
    }

    fn unmark(&self, domain: Uuid, _ticket: &str) -> Result<(), Trouble> {
        // A machine moves once at a time: whatever was laid for it, of this move or one whose end nobody saw, is to go.
        let Ok(notes) = fs::read_dir(&self.places.moves) else { return Ok(()) };
        for note in notes.flatten().map(|entry| entry.path()) {
            let laid = fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Laid>(&text).ok());
            let Some(laid) = laid.filter(|laid| laid.domain == domain) else { continue };
            for file in &laid.files {
                match marks::beside(&self.places.folders, file, &laid.ticket) {
                    Ok(mark) => mark.take_away()?,
                    // A folder that is allowed no longer is not entered any more, not even to tidy up.
                    Err(_) => tracing::warn!(file, "the mark of a move stays: its folder is not allowed"),
                }
            }
            let _ = fs::remove_file(note);
        }
        Ok(())
    }

    fn receive(
        &self,
        domain: Uuid,
        id: &str,
        from: &Peer,
        leaving: &Leaving,
    ) -> Result<(u16, Vec<String>), Trouble> {
        self.close(domain, id);
        for file in &leaving.files {
            if !marks::beside(&self.places.folders, file, id)?.is_seen(id)? {
                return Err(unsuitable(
                    file,
                    "it is not the same file on both hosts: a mark that was laid beside it on one is not seen on the other".into(),
                    "Keep the machine's disks in a folder that both hosts share",
                ));
            }
        }
        self.driver.can_run(domain, leaving)?;
        let mut lacking = Vec::new();
        let mut offers = Offers::default();
        for sha256 in &leaving.bases {
            match find_base(&self.places.bases, sha256) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let path = self.base(sha256)?;
                    let encryption = encryption(from);
                    let (most_bytes, check) = (MOST_BASE_BYTES, as_base);
                    let offer = FileOffer { path, mode: 0o444, most_bytes, check, encryption };
                    offers.files.insert(sha256.clone(), offer);
                    lacking.push(sha256.clone());
                }
                Err(why) => return Err(failed(sha256, why.to_string())),
            }
        }
        let folders = self.make_folders(id)?;
        // Whoever could write into libvirt's own socket would command this host.
        let libvirt = SocketOffer { path: self.places.libvirt.clone(), encryption: Encryption::Kept };
        let memory = SocketOffer { path: folders.memory.join("s"), encryption: encryption(from) };
        offers.sockets.extend([(LIBVIRT.into(), libvirt), (MEMORY.into(), memory)]);
        if from.unencrypted {
            tracing::info!(%domain, from = %from.agent, "its memory and bases may come without encryption");
        }
        let credentials = self.credentials()?;
        let opened = self.runtime.block_on(listen(
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            PORTS,
            &credentials,
            ticket(id, from),
            offers,
            // Before the other agent calls, its move waits for room on both hosts, behind others that may take long.
            Limits::default().for_a_turn(),
        ));
        let door = opened.map_err(|why| not_opened(domain, &why))?;
        // What an earlier move of it left here says nothing of this one.
        self.keep_autostart(domain, false)?;
        if leaving.autostart {
            self.note_autostart(domain)?;
        }
        let port = door.port();
        lock(&self.doors).insert(id.to_owned(), (domain, door));
        Ok((port, lacking))
    }

    fn close(&self, domain: Uuid, ticket: &str) {
        let mut closed = Vec::new();
        lock(&self.doors).retain(|id, (of, _)| {
            let stays = id != ticket && *of != domain;
            if !stays {
                closed.push(id.clone());
            }
            stays
        });
        drop(lock(&self.ways).remove(ticket));
        for id in closed.iter().map(String::as_str).chain([ticket]) {
            self.remove_folders(id);
        }
    }

    fn send_bases(&self, way: &Way, bases: &[String], watch: &dyn Watch) -> Result<(), Trouble> {
        let link = self.way(way)?;
        let of = bases.len() as u64;
        for (before, sha256) in (0..).zip(bases) {
            self.send_base(&link, sha256, &Sending { watch, before, of, encryption: encryption(&way.to) })?;
        }
        Ok(())
    }

    fn migrate(&self, domain: Uuid, way: &Way, limits: MoveLimits, watch: &dyn Watch) -> Result<(), Trouble> {
        let folders = self.make_folders(&way.ticket)?;
        let link = self.way(way)?;
        let (libvirt, memory) = (folders.libvirt.join("s"), folders.memory.join("s"));
        // An earlier attempt of this ticket may have been killed.
        let _ = (fs::remove_file(&libvirt), fs::remove_file(&memory));
        let refused = |why: TransferError| in_words(&format!("domain {domain}"), &why);
        let carried = {
            let _within = self.runtime.enter();
            let own = Access { mode: 0o600, owner: None };
            let qemu = Access { mode: 0o600, owner: self.places.qemu };
            (
                link.carry(LIBVIRT, &libvirt, own, Encryption::Kept).map_err(refused)?,
                link.carry(MEMORY, &memory, qemu, encryption(&way.to)).map_err(refused)?,
            )
        };
        drop(link);
        // A copy that a lost power leaves here must not start by itself.
        if self.driver.autostarts(domain)? {
            self.note_autostart(domain)?;
            self.driver.set_autostart(domain, false)?;
        }
        let moved = self.driver.move_away(domain, &libvirt, &memory, limits, watch);
        drop(carried);
        self.close(domain, &way.ticket);
        moved?;
        self.keep_autostart(domain, false)
    }

    fn still_leaving(&self, domain: Uuid) -> Result<bool, Trouble> {
        self.driver.stops_leaving(domain)
    }

    fn forget(&self, domain: Uuid) -> Result<(), Trouble> {
        self.driver.forget_definition(domain)
    }

    fn holds_autostart(&self, domain: Uuid) -> bool {
        self.autostart(domain).exists()
    }

    fn keep_autostart(&self, domain: Uuid, here: bool) -> Result<(), Trouble> {
        if here && self.holds_autostart(domain) {
            self.driver.set_autostart(domain, true)?;
        }
        // One that stays says what is so, or is replaced by the next move.
        let _ = fs::remove_file(self.autostart(domain));
        Ok(())
    }
}
