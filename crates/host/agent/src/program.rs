//! Agent programs that the server has sent, and which of them runs. The installed program stays where it is: a brought one
//! that came up takes its place, and is what the installed one gives way to whenever it is started, until somebody
//! installs another one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hostler_wire::ByteStream;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;

use crate::config::State;
use crate::own::Upgrade;
use crate::stamp::version;
use crate::status::{Connection, Status};

/// How much is read at a time.
const PIECE: usize = 1 << 18;
/// How often is looked whether a program on trial has ended.
const LOOK: Duration = Duration::from_millis(50);

/// A program that is wanted, or was brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    file: PathBuf,
    version: String,
    sha256: String,
}

/// Which brought program takes the place of the installed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Current {
    sha256: String,
    version: String,
    /// The installed one as it was then: where it is another now, that one runs.
    over: Installed,
}

/// A program as it was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Installed {
    path: PathBuf,
    version: String,
    size_bytes: u64,
    modified_s: i64,
}

/// Why a program did not come up.
#[derive(Debug, Serialize, Deserialize)]
struct Failed {
    sha256: String,
    why: String,
}

impl Wanted {
    /// Nothing where the digest is none.
    pub(crate) fn new(state: &State, version: &str, sha256: &str) -> Option<Self> {
        let is_digest =
            sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let file = file_of(state, sha256);
        is_digest.then(|| Self { file, version: version.into(), sha256: sha256.into() })
    }

    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether it was brought whole.
    pub(crate) fn is_there(&self) -> io::Result<bool> {
        match digest(&self.file) {
            Ok(sha256) => Ok(sha256 == self.sha256),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// Whether it is what runs as this process.
    pub(crate) fn runs(&self) -> io::Result<bool> {
        Ok(digest(Path::new("/proc/self/exe"))? == self.sha256)
    }

    /// Why it did not come up when it was tried last.
    pub(crate) fn why_failed(&self, state: &State) -> Option<String> {
        let failed: Failed = read(&state.programs().join(FAILED))?;
        (failed.sha256 == self.sha256).then_some(failed.why)
    }
}

const CURRENT: &str = "current.json";
const FAILED: &str = "failed.json";

/// Where a brought program lies. Its name is what lists of processes show of it.
fn file_of(state: &State, sha256: &str) -> PathBuf {
    state.programs().join(format!("hostler-agent-{sha256}"))
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut piece) = (File::open(path)?, Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            some => digest.update(&piece[..some]),
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes a small file wholly or not at all.
fn write(path: &Path, what: &impl Serialize) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(&serde_json::to_vec(what)?)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Writes what comes of the stream where the program is to lie, if it is that. Answers false where `go_on`, which is told
/// how much has come, did not want the rest.
pub(crate) fn receive(
    runtime: &Handle,
    mut stream: ByteStream,
    state: &State,
    wanted: &Wanted,
    size_bytes: u64,
    go_on: impl Fn(u64) -> bool,
) -> io::Result<bool> {
    let folder = state.programs();
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    sweep(state, wanted);
    let part = wanted.file.with_extension("part");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o700).open(&part)?;
    let (mut sum, mut done, mut piece) = (Sha256::new(), 0_u64, vec![0; PIECE]);
    loop {
        if !go_on(done) {
            fs::remove_file(&part)?;
            return Ok(false);
        }
        let some = runtime.block_on(stream.read(&mut piece))?;
        if some == 0 {
            break;
        }
        done += some as u64;
        if done > size_bytes {
            break;
        }
        sum.update(&piece[..some]);
        file.write_all(&piece[..some])?;
    }
    let sha256: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if sha256 != wanted.sha256 {
        fs::remove_file(&part)?;
        return Err(io::Error::other("what came is not the program that was announced"));
    }
    file.sync_all()?;
    fs::rename(&part, &wanted.file)?;
    File::open(&folder)?.sync_all()?;
    Ok(true)
}

/// Removes programs that neither run, nor take the installed one's place, nor are wanted.
fn sweep(state: &State, wanted: &Wanted) {
    let running = std::env::current_exe().ok();
    let current =
        read::<Current>(&state.programs().join(CURRENT)).map(|current| file_of(state, &current.sha256));
    for entry in fs::read_dir(state.programs()).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let kept = name == CURRENT
            || Some(&path) == running.as_ref()
            || path == wanted.file
            || Some(&path) == current.as_ref();
        if !kept {
            let _ = fs::remove_file(path);
        }
    }
}

impl Installed {
    fn at(path: &Path, version: &str) -> io::Result<Self> {
        let is = fs::metadata(path)?;
        Ok(Self { path: path.into(), version: version.into(), size_bytes: is.len(), modified_s: is.mtime() })
    }
}

/// The program to which this one gives way, where one does.
pub(crate) fn in_place(state: &State) -> Option<PathBuf> {
    let (me, note) = (std::env::current_exe().ok()?, state.programs().join(CURRENT));
    let current: Current = read(&note)?;
    let file = file_of(state, &current.sha256);
    if me == file {
        return None;
    }
    if Installed::at(&me, version()).ok()? != current.over {
        tracing::info!(
            version = version(),
            "another agent was installed since: it takes the place of the one that the server sent"
        );
        let _ = fs::remove_file(note);
        return None;
    }
    file.is_file().then_some(file)
}

/// Becomes this program, with the words that this one was started with. Returns only where that cannot be.
pub(crate) fn become_it(program: &Path) -> io::Error {
    Command::new(program).args(std::env::args_os().skip(1)).exec()
}

/// Lets the program try to come up while nothing else of the agent runs here. Then it takes the agent's place, or it is
/// noted why it does not. `told_to_stop` ends that early. Answers which program is to run now; none to end.
pub(crate) async fn tried(
    state: &State,
    upgrade: &Upgrade,
    told_to_stop: impl Future<Output = ()>,
) -> io::Result<Option<PathBuf>> {
    let me = std::env::current_exe()?;
    let wanted = &upgrade.wanted;
    let _ = fs::remove_file(state.programs().join(FAILED));
    tracing::info!(version = wanted.version, "the new agent program is tried");
    let why = tokio::select! {
        came_up = trial(state, upgrade) => came_up,
        () = told_to_stop => return Ok(None),
    };
    let Some(why) = why else {
        let before = read::<Current>(&state.programs().join(CURRENT));
        let over = match before.filter(|before| file_of(state, &before.sha256) == me) {
            Some(before) => before.over,
            None => Installed::at(&me, version())?,
        };
        let (sha256, version) = (wanted.sha256.clone(), wanted.version.clone());
        write(&state.programs().join(CURRENT), &Current { sha256, version, over })?;
        tracing::info!(version = wanted.version, "the new agent program came up and takes this one's place");
        return Ok(Some(wanted.file.clone()));
    };
    tracing::error!(version = wanted.version, why, "the new agent program did not come up; this one goes on");
    let _ = fs::remove_file(&wanted.file);
    write(&state.programs().join(FAILED), &Failed { sha256: wanted.sha256.clone(), why })?;
    Ok(Some(me))
}

/// A process that is killed when nobody waits for it any more.
struct Trial(Child);

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Why it did not come up; nothing where it did.
async fn trial(state: &State, upgrade: &Upgrade) -> Option<String> {
    let mut command = Command::new(&upgrade.wanted.file);
    command.arg("--state").arg(state.folder()).args(["run", "--trial"]).stdin(Stdio::null());
    let mut trial = match command.spawn() {
        Ok(child) => Trial(child),
        Err(why) => return Some(format!("it cannot be started: {why}")),
    };
    let until = tokio::time::Instant::now() + Duration::from_millis(upgrade.limit_ms);
    loop {
        match trial.0.try_wait() {
            Ok(Some(status)) if status.success() => return None,
            Ok(Some(status)) => return Some(format!("it ended with {status}")),
            Ok(None) => {}
            Err(why) => return Some(why.to_string()),
        }
        if tokio::time::Instant::now() >= until {
            let id = trial.0.id();
            let said = Status::read(&state.status()).filter(|status| status.pid == id);
            let more = match said.map(|status| status.connection) {
                Some(Connection::Closed { why }) => format!(": {why}"),
                _ => String::new(),
            };
            return Some(format!("it was not connected within {} s{more}", upgrade.limit_ms / 1_000));
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_that_is_a_path_names_no_program() {
        let state = State::at(Path::new("/var/lib/hostler-agent")).unwrap();
        let good = "ab".repeat(32);
        assert_eq!(
            Wanted::new(&state, "1", &good).unwrap().file,
            state.programs().join(format!("hostler-agent-{good}"))
        );
        for bad in ["", "../../../bin/sh", &"AB".repeat(32), &format!("{}/", &good[..63])] {
            assert_eq!(Wanted::new(&state, "1", bad), None, "{bad}");
        }
    }
}
