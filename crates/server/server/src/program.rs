//! The agent program that belongs to this server: what it would install on a managed computer, and what agents there are
//! compared with. It is read in its file and never run here, where there need be no libvirt.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use memchr::memmem;
use sha2::{Digest, Sha256};

use crate::decide::Shared;

/// What stands in the file before the version; a line's end follows it.
const STAMP: &[u8] = b"hostler-agent-version=";
/// The longest version.
const LONGEST: usize = 64;
/// How often is looked whether the file was replaced.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How much is read at a time.
const PIECE: usize = 1 << 20;

/// An agent program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// The version that it says it is.
    pub version: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// How long the file is, in bytes.
    pub size_bytes: u64,
}

/// A file as it was when it was read: which, how long, changed when.
type State = (u64, u64, i64, i64);

/// Where the program lies, and what it was when it was read last.
#[derive(Default)]
pub(crate) struct Offered {
    path: Option<PathBuf>,
    known: RwLock<Option<(State, Arc<Program>)>>,
    reading: Mutex<()>,
}

impl Offered {
    pub(crate) fn at(path: Option<PathBuf>) -> Self {
        Self { path, ..Self::default() }
    }

    /// The program as it was read last; none where there is none, or it was not read yet.
    pub(crate) fn known(&self) -> Option<Arc<Program>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|(_, program)| program.clone())
    }

    /// Reads the program anew where its file has changed. Takes up to a second: for threads that may block.
    pub(crate) fn look(&self) -> Option<Arc<Program>> {
        let path = self.path.as_deref()?;
        // Two readers of one file would both take the time.
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state_of(path);
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let (Some(state), Some((before, program))) = (state, known.as_ref())
                && state == *before
            {
                return Some(program.clone());
            }
        }
        let found = state.and_then(|state| match read(path) {
            Ok(program) => Some((state, Arc::new(program))),
            Err(why) => {
                tracing::warn!(path = %path.display(), %why, "this is no agent program that could be installed");
                None
            }
        });
        if let Some((_, program)) = &found {
            tracing::info!(path = %path.display(), version = program.version, "the agent program was read");
        }
        let program = found.as_ref().map(|(_, program)| program.clone());
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = found;
        program
    }
}

/// Reads the program, and notes when a package has replaced it, until the server stops.
pub(crate) async fn look_again_and_again(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        let looking = shared.clone();
        let _ = tokio::task::spawn_blocking(move || looking.offered.look()).await;
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn state_of(path: &Path) -> Option<State> {
    let is = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((is.ino(), is.len(), is.mtime(), is.mtime_nsec()))
}

/// Reads a program's file: its digest, and the version that is stamped into it.
fn read(path: &Path) -> io::Result<Program> {
    let mut file = File::open(path)?;
    let (mut digest, mut size_bytes) = (Sha256::new(), 0);
    // What may hold the beginning of a stamp is carried over to the next piece.
    let mut text: Vec<u8> = Vec::new();
    let mut version = None;
    let mut piece = vec![0; PIECE];
    loop {
        let some = file.read(&mut piece)?;
        if some == 0 {
            break;
        }
        digest.update(&piece[..some]);
        size_bytes += some as u64;
        if version.is_none() {
            text.extend_from_slice(&piece[..some]);
            version = stamped(&text);
            text.drain(..text.len().saturating_sub(STAMP.len() + LONGEST));
        }
    }
    let version = version.ok_or_else(|| io::Error::other("it does not say which version it is"))?;
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Program { path: path.into(), version, sha256, size_bytes })
}

fn stamped(text: &[u8]) -> Option<String> {
    let sign = |byte: &u8| byte.is_ascii_alphanumeric() || b".+-~_".contains(byte);
    let mut from = 0;
    while let Some(at) = memmem::find(&text[from..], STAMP) {
        let rest = &text[from + at + STAMP.len()..];
        let end = rest.iter().take(LONGEST).position(|byte| !sign(byte));
        if let Some(end) = end.filter(|end| *end > 0)
            && rest[end] == b'\n'
        {
            return std::str::from_utf8(&rest[..end]).ok().map(str::to_owned);
        }
        from += at + STAMP.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_its_version_wherever_in_the_file_the_stamp_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostler-agent");
        for before in [0, 7, PIECE - 30, PIECE - 5, PIECE, 3 * PIECE + 11] {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(b"hostler-agent-version=1.2.3-rc.1\n and more");
            std::fs::write(&path, &bytes).unwrap();
            let program = read(&path).unwrap();
            assert_eq!((program.version.as_str(), program.size_bytes), ("1.2.3-rc.1", bytes.len() as u64));
        }
    }

    #[test]
    fn a_file_that_is_no_agent_is_not_offered_and_one_that_was_replaced_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostler-agent");
        let offered = Offered::at(Some(path.clone()));
        assert_eq!(offered.look(), None, "there is none");
        std::fs::write(&path, "hostler-agent-version=\n, hostler-agent-version=%s").unwrap();
        assert_eq!(offered.look(), None);
        for version in ["0.1.0", "0.2.0"] {
            let next = folder.path().join("next");
            std::fs::write(&next, format!("hostler-agent-version={version}\n")).unwrap();
            std::fs::rename(&next, &path).unwrap();
            assert_eq!(offered.look().unwrap().version, version);
            assert_eq!(offered.known().unwrap().version, version);
        }
    }
}
