//! An observed host: every machine that is started on it, by whomever, has one serial port more than its definition
//! says, and what its guest says there is added to a file in the host's own folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::mount_bind;

use crate::ground::{ALL, passable};
use crate::process::Process;
use crate::trouble::{Result, Trouble};

/// What the guest calls the port at which it is observed.
pub const PORT: &str = "/dev/ttyS3";
/// What libvirt starts.
const EMULATOR: &str = "/usr/bin/qemu-system-x86_64";
/// Another name in the same folder, from where QEMU finds its firmware as from its own.
const ASIDE: &str = "/usr/bin/qemu-system-i386";
/// Where the host's folder for what guests say is found by a path that is the same on all hosts.
const COUNTS: &str = "/run/hostler-testbed-counts";
/// The folder of what stands in place of QEMU, and of what libvirt found out about that: the same for all observed hosts.
const OBSERVED: &str = "observed";
/// What stands in QEMU's place. Machines have a UUID; libvirt's questions to QEMU have none.
const SCRIPT: &str = r#"#!/bin/sh
for word; do
    [ "$before" = -uuid ] && uuid=$word
    before=$word
done
[ -n "$uuid" ] || exec /usr/bin/qemu-system-i386 "$@"
exec /usr/bin/qemu-system-i386 "$@" \
    -chardev "file,id=hostler-testbed,path=/run/hostler-testbed-counts/$uuid.log,append=on" \
    -device isa-serial,chardev=hostler-testbed,index=3
"#;

/// The folder of a host in which stands what guests said on it.
pub(super) fn counts_of(host: &Path) -> PathBuf {
    host.join("counts")
}

/// The folder of libvirt's cache for observed hosts: QEMU looks different to libvirt there.
pub(crate) fn cache() -> PathBuf {
    Path::new(ALL).join(OBSERVED).join("cache")
}

/// Makes what observed hosts have in common. Before the host's first process begins.
pub(crate) fn prepare() -> Result<()> {
    let folder = Path::new(ALL).join(OBSERVED);
    passable(&folder)?;
    passable(&cache())?;
    let script = folder.join("emulator");
    if fs::read_to_string(&script).is_ok_and(|text| text == SCRIPT) {
        return Ok(()); // libvirt would look at QEMU anew
    }
    // In one move: others may be starting machines by it.
    let part = folder.join(format!("emulator.{}", Process::me().pid));
    fs::write(&part, SCRIPT).map_err(Trouble::file(&part))?;
    fs::set_permissions(&part, fs::Permissions::from_mode(0o755)).map_err(Trouble::file(&part))?;
    fs::rename(&part, &script).map_err(Trouble::file(&script))
}

/// Observes this host. By its first process, while it still sees the folder of all testbeds.
pub(crate) fn observe(folder: &Path) -> Result<()> {
    let counts = counts_of(folder);
    passable(&counts)?;
    // QEMU's account writes here.
    fs::set_permissions(&counts, fs::Permissions::from_mode(0o1777)).map_err(Trouble::file(&counts))?;
    symlink(&counts, COUNTS).map_err(Trouble::file(COUNTS))?;
    let script = Path::new(ALL).join(OBSERVED).join("emulator");
    for (what, place) in [(Path::new(EMULATOR), ASIDE), (&script, EMULATOR)] {
        mount_bind(what, place).map_err(|why| Trouble::File { path: place.into(), cause: why.into() })?;
    }
    Ok(())
}
