//! The first process of a test host: it sets the host's own folders in place of libvirt's, and is the power switch.
//! When it dies, the kernel ends every process in the namespace with it, as a power cut would.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_move, mount_remount, unmount};
use rustix::process::{WaitOptions, wait};

use crate::commands::run;
use crate::counting::{cache as emulator_cache, observe};
use crate::ground::{self, passable};
use crate::trouble::{Result, Trouble};

/// What the first process is told.
#[derive(Debug, clap::Args)]
pub struct First {
    /// The folder that holds the host's own folders.
    #[arg(long)]
    folder: PathBuf,
    /// Write down what the guests of its machines say at a port of their own.
    #[arg(long)]
    observed: bool,
    /// What the host is called.
    #[arg(long)]
    name: String,
    /// Live on when standard input ends.
    #[arg(long)]
    stay: bool,
    /// Let Hostler's folders below /var/lib be this computer's own, and none at first.
    #[arg(long)]
    fresh: bool,
}

/// Where a fresh computer shows the real one's `/var/lib`, for reading: what is installed stands there.
const REAL: &str = "/run/var-lib";

/// Runs as first process, in namespaces of its own, until it is killed or its standard input ends.
///
/// # Errors
/// The folders cannot be set in place. It never returns otherwise.
pub fn run_first(first: &First) -> Result<()> {
    // What is in memory is gone at a power cut: sockets, pid files, the state of running machines.
    let tmpfs = mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), Some(c"mode=755"));
    tmpfs.map_err(|why| Trouble::File { path: "/run".into(), cause: why.into() })?;
    passable(Path::new("/run/libvirt"))?;
    own_devices()?;
    if first.fresh {
        // Browsers run on such a computer. An address that comes with each machine that starts is another network to
        // Chromium, which breaks off whatever it was asking for.
        let new_ones = Path::new("/proc/sys/net/ipv6/conf/default/disable_ipv6");
        if new_ones.exists() {
            fs::write(new_ones, "1").map_err(Trouble::file(new_ones))?;
        }
        empty_of_hostler(&first.folder.join("var-lib"))?;
    }
    for (own, place) in [("etc", "/etc/libvirt"), ("lib", "/var/lib/libvirt"), ("log", "/var/log/libvirt")] {
        let own = first.folder.join(own);
        passable(&own)?;
        bind(&own, Path::new(place))?;
    }
    let cache = if first.observed { emulator_cache() } else { ground::cache() };
    bind(&cache, Path::new("/var/cache/libvirt"))?;
    if first.observed {
        observe(&first.folder)?;
    }
    own_and_shared(&first.folder)?;
    let named = rustix::system::sethostname(first.name.as_bytes());
    named.map_err(|why| Trouble::File { path: "hostname".into(), cause: why.into() })?;
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    let mut out = std::io::stdout();
    let ready = out.write_all(b"ready\n").and_then(|()| out.flush());
    ready.map_err(Trouble::file("standard output"))?;
    if !first.stay {
        std::thread::spawn(|| {
            // Whoever holds the other end is gone, however that came.
            let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
    }
    loop {
        // A dead process that nobody buries looks alive to libvirt.
        if wait(WaitOptions::empty()).is_err() {
            std::thread::sleep(Duration::from_millis(20)); // no child at this moment
        }
    }
}

/// Lets `/sys` show this computer's adapters and not those of whoever mounted it. Control groups are not there then.
fn own_devices() -> Result<()> {
    let sys = Path::new("/sys");
    let trouble = |why: rustix::io::Errno| Trouble::File { path: sys.into(), cause: why.into() };
    unmount(sys, UnmountFlags::DETACH).map_err(trouble)?;
    mount("sysfs", sys, "sysfs", MountFlags::empty(), None::<&std::ffi::CStr>).map_err(trouble)
}

/// Lets nothing be seen of testbeds but this computer's own folder and the one that all of its testbed share, both by
/// the paths that they have outside: another computer's private folder cannot be mistaken for one's own.
fn own_and_shared(folder: &Path) -> Result<()> {
    let shared = folder.with_file_name(ground::SHARED);
    let kept = [(folder, Path::new("/run/own")), (&shared, Path::new("/run/shared"))];
    for (from, aside) in kept {
        passable(aside)?;
        bind(from, aside)?;
    }
    let all = Path::new(ground::ALL);
    let tmpfs = mount("tmpfs", all, "tmpfs", MountFlags::empty(), Some(c"mode=755"));
    tmpfs.map_err(|why| Trouble::File { path: all.into(), cause: why.into() })?;
    let inside = all.join(ground::INSIDE);
    fs::write(&inside, "").map_err(Trouble::file(&inside))?;
    for (place, aside) in kept {
        passable(place)?;
        mount_move(aside, place).map_err(|why| Trouble::File { path: place.into(), cause: why.into() })?;
        fs::remove_dir(aside).map_err(Trouble::file(aside))?;
    }
    Ok(())
}

/// Sets a folder in place of `/var/lib` in which everything is but what Hostler and libvirt keep there. `/srv` is empty.
fn empty_of_hostler(own: &Path) -> Result<()> {
    let (real, place) = (Path::new(REAL), Path::new("/var/lib"));
    passable(own)?;
    passable(real)?;
    bind(place, real)?;
    // Not even by a program that clears folders away.
    let shut = mount_remount(real, MountFlags::BIND | MountFlags::RDONLY, c"");
    shut.map_err(|why| Trouble::File { path: real.into(), cause: why.into() })?;
    for entry in fs::read_dir(real).map_err(Trouble::file(real))?.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text == "libvirt" || text.starts_with("hostler") {
            continue;
        }
        let link = own.join(&name);
        symlink(real.join(&name), &link).map_err(Trouble::file(&link))?;
    }
    passable(&own.join("libvirt"))?;
    bind(own, place)?;
    if Path::new("/srv").is_dir() {
        let tmpfs = mount("tmpfs", "/srv", "tmpfs", MountFlags::empty(), Some(c"mode=755"));
        tmpfs.map_err(|why| Trouble::File { path: "/srv".into(), cause: why.into() })?;
    }
    Ok(())
}

fn bind(own: &Path, place: &Path) -> Result<()> {
    mount_bind(own, place).map_err(|why| Trouble::File { path: place.into(), cause: why.into() })
}
