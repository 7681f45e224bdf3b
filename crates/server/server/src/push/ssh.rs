//! The system's `ssh`, run so that it asks nobody, trusts one host key, reads nobody's settings, and is given secrets in files
//! of a private folder alone.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use hostler_model::push::{HostKey, SshSecrets, SshTarget};
use hostler_model::{Code, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use uuid::Uuid;

/// Where the programs of the system are.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// What `ssh` is to call the computer in its file of host keys.
const ALIAS: &str = "computer";
/// How much of what is said on the computer is read: more is none of ours.
const MOST_SAID: u64 = 64 * 1024;
/// How much of a file is sent at a time.
const PIECE: usize = 256 * 1024;
/// How often is told how much is on its way.
const TELL_EVERY: Duration = Duration::from_millis(300);
/// What answers when `ssh` asks for a password. It is run in the private folder.
const ASKPASS: &str = "#!/bin/sh\nexec cat password\n";

/// A file that goes to the computer.
pub(super) struct Sent<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Is told now and then how many bytes of it are on their way.
    pub told: &'a (dyn Fn(u64) + Send + Sync),
}

/// What was said on the computer, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// On standard output.
    pub out: String,
    /// On standard error, by the computer and by `ssh`.
    pub err: String,
    /// The exit status: `ssh` itself ends with 255.
    pub status: Option<i32>,
}

/// A folder for one run of `ssh`, gone afterwards.
struct Private(PathBuf);

impl Private {
    fn make(folder: &Path) -> io::Result<Self> {
        let folder = folder.join(Uuid::new_v4().to_string());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }

    fn file(&self, name: &str, mode: u32, text: &str) -> io::Result<()> {
        let path = self.0.join(name);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Err(why) = fs::remove_dir_all(&self.0) {
            tracing::error!(folder = %self.0.display(), %why, "what ssh was given was not removed");
        }
    }
}

/// A program of OpenSSH cannot be started.
pub(super) fn no_ssh(program: &str, why: &io::Error) -> Refusal {
    Refusal::new(Code::Internal, "server", format!("{program} cannot be started: {why}"))
        .remedy("Install openssh-client on the server's computer")
}

/// Words that stand for themselves in a POSIX shell.
pub(super) fn quoted(words: &str) -> String {
    format!("'{}'", words.replace('\'', r"'\''"))
}

/// Runs a command on a computer: `head` goes to its standard input, then the file. Secrets are in neither `command` nor any
/// other argument. Dropped, `ssh` is killed.
pub(super) async fn run(
    folder: &Path,
    on: &SshTarget,
    key: &HostKey,
    secrets: &SshSecrets,
    command: &str,
    head: &str,
    file: Option<Sent<'_>>,
) -> Result<Said, Refusal> {
    let trouble =
        |why: io::Error| Refusal::new(Code::Internal, on.label(), format!("ssh cannot be run: {why}"));
    let private = Private::make(folder).map_err(trouble)?;
    private.file("known_hosts", 0o600, &format!("{ALIAS} {} {}\n", key.kind, key.key)).map_err(trouble)?;
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "/dev/null", "-T", "-a", "-x", "-e", "none"]);
    let options = [
        "UserKnownHostsFile=known_hosts",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "CheckHostIP=no",
        "ConnectTimeout=10",
        "ConnectionAttempts=1",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=4",
        "NumberOfPasswordPrompts=1",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "ControlMaster=no",
        "ControlPath=none",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "LogLevel=ERROR",
    ];
    for option in options {
        ssh.args(["-o", option]);
    }
    ssh.arg("-o").arg(format!("HostKeyAlias={ALIAS}"));
    ssh.arg("-o").arg(format!("HostKeyAlgorithms={}", algorithms(&key.kind)));
    ssh.env_clear().env("PATH", PATH).env("LC_ALL", "C").env("HOME", &private.0);
    if let Some(private_key) = &secrets.private_key {
        private.file("key", 0o600, &format!("{}\n", private_key.trim_end())).map_err(trouble)?;
        ssh.args(["-i", "key", "-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey"]);
    } else {
        private.file("password", 0o600, secrets.password.as_deref().unwrap_or_default()).map_err(trouble)?;
        private.file("askpass", 0o700, ASKPASS).map_err(trouble)?;
        ssh.args([
            "-o",
            "PubkeyAuthentication=no",
            "-o",
            "PreferredAuthentications=password,keyboard-interactive",
        ]);
        ssh.env("SSH_ASKPASS", "./askpass").env("SSH_ASKPASS_REQUIRE", "force");
    }
    ssh.args(["-p", &on.port.to_string(), "-l", &on.user, "--", &on.address, command]);
    ssh.current_dir(&private.0).kill_on_drop(true);
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ssh.spawn().map_err(|why| no_ssh("ssh", &why))?;
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = async {
        let Some(mut stdin) = stdin else { return };
        // Whoever reads no more has a reason, which it says.
        let _ = feed(&mut stdin, head, file).await;
        let _ = stdin.shutdown().await;
    };
    let (status, out, err, ()) = tokio::join!(child.wait(), heard(out), heard(err), feeding);
    Ok(Said { out, err, status: status.map_err(trouble)?.code() })
}

/// The algorithms by which a computer may prove that it has a key of this kind.
fn algorithms(kind: &str) -> &str {
    if kind == "ssh-rsa" { "rsa-sha2-512,rsa-sha2-256" } else { kind }
}

async fn feed(
    stdin: &mut (impl AsyncWriteExt + Unpin),
    head: &str,
    file: Option<Sent<'_>>,
) -> io::Result<()> {
    stdin.write_all(head.as_bytes()).await?;
    let Some(Sent { path, told }) = file else { return Ok(()) };
    let mut file = tokio::fs::File::open(path).await?;
    let mut piece = vec![0; PIECE];
    let (mut sent, mut last) = (0, Instant::now());
    loop {
        match file.read(&mut piece).await? {
            0 => return Ok(()),
            some => {
                stdin.write_all(&piece[..some]).await?;
                sent += some as u64;
            }
        }
        if last.elapsed() >= TELL_EVERY {
            told(sent);
            last = Instant::now();
        }
    }
}

/// What is said, up to a length; the rest is read and dropped, so that who says it does not wait.
async fn heard(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut said = Vec::new();
    let _ = (&mut from).take(MOST_SAID).read_to_end(&mut said).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    plain(&said)
}

/// Whoever says it, it comes to be shown on a person's terminal.
fn plain(said: &[u8]) -> String {
    let sign = |sign: char| if sign.is_control() && sign != '\n' { ' ' } else { sign };
    String::from_utf8_lossy(said).chars().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_one_word_for_a_shell() {
        for words in ["", "a b", "it's", "'; rm -rf /; '", "$(x) `y` \\ \"z\"\n!"] {
            let line = format!("printf %s {}", quoted(words));
            let said = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), words);
        }
    }

    #[test]
    fn what_a_computer_says_moves_nobodys_terminal() {
        assert_eq!(plain(b"a\x1b[2Jb\r\nc\x07\xff"), "a [2Jb \nc \u{fffd}");
    }

    #[test]
    fn the_folder_with_secrets_is_nobody_elses_and_goes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let private = Private::make(&folder.path().join("ssh")).unwrap();
        private.file("password", 0o600, "secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&private.0), mode(&private.0.join("password"))), (0o700, 0o600));
        drop(private);
        assert_eq!(fs::read_dir(folder.path().join("ssh")).unwrap().count(), 0);
    }
}
