//! What must be so before `hostler up` changes anything.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::here;
use super::layout::Layout;
use super::process;
use crate::cli::failure::Failure;

/// libvirt's socket.
const LIBVIRT_SOCKETS: [&str; 2] = ["/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"];
/// How long libvirtd may take to answer after its start: its first start probes QEMU.
const LIBVIRTD_WITHIN: Duration = Duration::from_secs(30);

/// Only root runs agents and libvirt.
pub fn is_root() -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(here(
        "hostler",
        "this takes root's rights: the agent drives libvirt",
        "Run it as root, for example with sudo",
    ))
}

/// A port must be free, unless it is our own server that has it.
pub fn port_is_free(address: SocketAddr, flag: &str) -> Result<(), Failure> {
    TcpListener::bind(address).map(drop).map_err(|cause| {
        here(
            format!("address {address}"),
            cause,
            &format!("Stop what listens there (ss -ltnp shows it), or choose another with {flag}"),
        )
    })
}

/// A state folder below which files can be made, on a path that QEMU's account may search.
pub fn folder_is_usable(folder: &Path) -> Result<(), Failure> {
    let mut there: PathBuf = folder.into();
    while !there.exists() {
        if !there.pop() {
            break;
        }
    }
    let meta = std::fs::metadata(&there)
        .map_err(|cause| here(there.display(), cause, "Choose another with --state"))?;
    if !meta.is_dir() {
        return Err(here(there.display(), "it is not a folder", "Choose another with --state"));
    }
    Ok(())
}

/// Disks lie below the agent's folder: every part of the path to it must be searchable for QEMU's account.
pub fn qemu_may_search(folder: &Path) -> Result<(), Failure> {
    let mut part: PathBuf = folder.into();
    loop {
        if let Ok(meta) = std::fs::metadata(&part)
            && meta.mode() & 0o001 == 0
            && meta.is_dir()
        {
            return Err(here(
                part.display(),
                "QEMU's account may not search this folder, so no machine below it could open its disk",
                &format!("Allow it (chmod o+x {}), or choose another with --state", part.display()),
            ));
        }
        if !part.pop() {
            return Ok(());
        }
    }
}

/// The agent program beside this one, where there is one.
pub fn agent_beside() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.parent()?.join("hostler-agent");
    beside.is_file().then_some(beside)
}

/// The agent's program: beside this one, or on the path.
pub fn agent_program() -> Result<PathBuf, Failure> {
    let beside = agent_beside();
    let on_path = std::env::var_os("PATH").map(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("hostler-agent")).collect::<Vec<_>>()
    });
    beside.into_iter().chain(on_path.into_iter().flatten()).find(|program| program.is_file()).ok_or_else(
        || {
            here(
                "hostler-agent",
                "the program is not there",
                "Install the package hostler-agent, or put it beside hostler",
            )
        },
    )
}

/// Whether libvirt answers on its socket.
pub fn libvirt_answers() -> bool {
    LIBVIRT_SOCKETS.iter().any(|socket| UnixStream::connect(socket).is_ok())
}

/// libvirtd must be installed if it is to be started.
pub fn libvirtd_program() -> Result<PathBuf, Failure> {
    ["/usr/sbin/libvirtd", "/usr/local/sbin/libvirtd"]
        .iter()
        .map(PathBuf::from)
        .find(|p| p.is_file())
        .ok_or_else(|| {
            here(
                "libvirtd",
                "libvirt does not answer and libvirtd is not installed",
                "Install it: apt-get install libvirt-daemon-system qemu-system-x86",
            )
        })
}

/// What udev does where it runs: QEMU's account may use hardware virtualization. Where it may not, libvirt 9 finds its
/// picture of QEMU out of date at every look and takes seconds to make it anew, each time.
fn open_kvm() {
    let kvm = Path::new("/dev/kvm");
    let group = std::fs::read_to_string("/etc/group").ok().and_then(|groups| {
        let line = groups.lines().find(|line| line.starts_with("kvm:"))?.to_owned();
        line.split(':').nth(2)?.parse::<u32>().ok()
    });
    let closed = std::fs::metadata(kvm).is_ok_and(|meta| meta.gid() == 0 && meta.mode() & 0o066 == 0);
    if let (true, Some(group)) = (closed, group) {
        let opened = std::os::unix::fs::chown(kvm, None, Some(group))
            .and_then(|()| std::fs::set_permissions(kvm, std::fs::Permissions::from_mode(0o660)));
        if let Err(cause) = opened {
            eprintln!("warning: {} could not be opened to QEMU's account: {cause}", kvm.display());
        }
    }
}

/// What keeps machines' logs; started by systemd elsewhere. It is not stopped again: machines that run on write to it.
fn start_virtlogd() {
    let program = Path::new("/usr/sbin/virtlogd");
    if program.is_file() && UnixStream::connect("/run/libvirt/virtlogd-sock").is_err() {
        let started = Command::new(program).arg("-d").output();
        if !started.is_ok_and(|ended| ended.status.success()) {
            eprintln!("warning: virtlogd could not be started; machines may not start without it");
        }
    }
}

/// Starts libvirtd and remembers that it was us.
pub fn start_libvirtd(program: &Path, layout: &Layout) -> Result<(), Failure> {
    open_kvm();
    start_virtlogd();
    let failed = |cause: String| here("libvirtd", cause, "Start it by hand and look at what it says");
    let pid_file = PathBuf::from("/run/libvirtd.pid");
    let started = Command::new(program)
        .args(["-d", "-p"])
        .arg(&pid_file)
        .output()
        .map_err(|e| failed(e.to_string()))?;
    if !started.status.success() {
        return Err(failed(String::from_utf8_lossy(&started.stderr).trim().to_owned()));
    }
    let until = Instant::now() + LIBVIRTD_WITHIN;
    while !libvirt_answers() {
        if Instant::now() > until {
            return Err(failed(format!("it does not answer after {} s", LIBVIRTD_WITHIN.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = std::fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok());
    if let Some(pid) = pid {
        process::note(pid, &layout.libvirtd_pid()).map_err(|cause| failed(cause.to_string()))?;
    }
    Ok(())
}
