//! A host of the test's own: namespaces in which a private libvirtd runs, and the driver outside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use hostler_hypervisor::{Machines, Trouble};
use hostler_libvirt::{Changed, Driver, Settings};
use hostler_model::command::Definition;
use hostler_model::hardware::{Bus, Disk, DiskFormat, Firmware, Hardware};
use hostler_model::seen::{Identity, Power, Seen};
use hostler_model::{Code, InstallationId, VmId};
use uuid::Uuid;

/// A fivefold guard over what is awaited: the machine may be busy with other tests.
pub const SOON: Duration = Duration::from_secs(10);

pub struct Host {
    pub driver: Driver,
    pub folder: PathBuf,
    init: Child,
    pid: u32,
    _temp: tempfile::TempDir,
}

/// The first process: prepares the mounts and then only reaps. Whatever runs in its namespace dies with it.
const INIT: &str = r#"
set -e
mount --make-rprivate /
mount --bind "$0/etc" /etc/libvirt
mount --bind "$0/run" /run
mount --bind "$0/lib" /var/lib/libvirt
mount --bind "$1" /var/cache/libvirt
mount --bind "$0/log" /var/log/libvirt
mount -t tmpfs -o size=4m tmpfs "$0/small"
ip link set lo up
touch "$0/ready"
while :; do sleep 1; done
"#;

const LIBVIRTD: &str = "auth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n";
const QEMU: &str = "stdio_handler = \"file\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\nuser = \"root\"\ngroup = \"root\"\n";

impl Host {
    /// A host with libvirt running.
    pub fn new() -> Self {
        let host = Self::without_libvirt();
        host.start_libvirt();
        host
    }

    /// A host whose libvirt is not started yet.
    pub fn without_libvirt() -> Self {
        let temp = tempfile::Builder::new().prefix("hlv").tempdir_in("/tmp").unwrap();
        let folder = temp.path().to_path_buf();
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libvirt-cache");
        for path in ["etc/qemu", "run/libvirt/qemu", "lib", "log", "small", "vms"] {
            fs::create_dir_all(folder.join(path)).unwrap();
        }
        // What QEMU can do takes four seconds to find out and is the same for every test.
        fs::create_dir_all(&cache).unwrap();
        let uuid = Uuid::from_u128(u128::from(std::process::id()) << 64 | rand());
        fs::write(folder.join("etc/libvirtd.conf"), format!("{LIBVIRTD}host_uuid = \"{uuid}\"\n")).unwrap();
        fs::write(folder.join("etc/qemu.conf"), QEMU).unwrap();
        let init = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(["unshare", "-m", "-n", "-p", "-f", "--mount-proc", "--kill-child", "bash", "-c", INIT])
            .args([&folder, &cache])
            .stdin(Stdio::null())
            .spawn()
            .expect("these tests need root and util-linux");
        eventually("the namespaces are ready", || folder.join("ready").exists());
        let children = format!("/proc/{0}/task/{0}/children", init.id());
        let pid = fs::read_to_string(children).unwrap().trim().parse().unwrap();
        let settings = Settings {
            uri: format!("qemu+unix:///system?socket={}", folder.join("run/libvirt/libvirt-sock").display()),
            definition_folder: folder.join("etc/qemu"),
            run_folder: folder.join("run/libvirt/qemu"),
            machine_folder: folder.join("vms"),
            ..Settings::default()
        };
        let driver = Driver::new(settings).unwrap();
        Self { driver, folder, init, pid, _temp: temp }
    }

    /// Starts libvirtd and waits until it answers.
    pub fn start_libvirt(&self) {
        self.run(&["libvirtd", "-d", "-p", "/run/libvirt/test.pid"]);
        eventually("libvirt answers", || self.driver.host_facts().is_ok());
    }

    /// Sends a signal to libvirtd.
    pub fn signal_libvirt(&self, signal: &str) {
        let pid = fs::read_to_string(self.folder.join("run/libvirt/test.pid")).unwrap();
        self.run(&["kill", signal, pid.trim()]);
    }

    fn inside(&self, command: &[&str]) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["-t", &self.pid.to_string(), "-m", "-n", "-p"]).args(command);
        inside
    }

    /// Runs a command inside, which has to succeed.
    pub fn run(&self, command: &[&str]) -> String {
        let output = self.try_run(command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command inside.
    pub fn try_run(&self, command: &[&str]) -> Output {
        self.inside(command).stdin(Stdio::null()).output().unwrap()
    }

    pub fn virsh(&self, arguments: &[&str]) -> String {
        self.run(&[&["virsh", "-q", "-c", "qemu:///system"], arguments].concat())
    }

    /// Defines what another tool would define.
    pub fn virsh_define(&self, xml: &str) {
        let file = self.folder.join("foreign.xml");
        fs::write(&file, xml).unwrap();
        self.virsh(&["define", file.to_str().unwrap()]);
    }

    /// A path below the folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// An empty disk file.
    pub fn disk(&self, no: u32, bus: Bus, size_mib: u64) -> Disk {
        let file = self.path(&format!("disk-{no}-{}.qcow2", rand() % 1_000_000));
        self.run(&["qemu-img", "create", "-q", "-f", "qcow2", &file, &format!("{size_mib}M")]);
        Disk { no, file, format: DiskFormat::Qcow2, size_bytes: size_mib << 20, bus, base: None, seed: false }
    }

    /// Defines a machine with one empty disk: it sits in its firmware when it runs.
    pub fn define(&self, no: u128) -> Uuid {
        let definition = definition(no, hardware(vec![self.disk(0, Bus::Virtio, 8)]));
        self.driver.define(&definition).unwrap();
        definition.identity.domain
    }

    pub fn seen(&self, domain: Uuid) -> Seen {
        self.driver.read(domain).unwrap().expect("the host has it")
    }

    pub fn power(&self, domain: Uuid) -> Power {
        self.seen(domain).power
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.init.kill().unwrap();
        self.init.wait().unwrap();
    }
}

pub fn definition(no: u128, hardware: Hardware) -> Definition {
    let domain = Uuid::from_u128((0x0196 << 112) | (7 << 76) | (8 << 60) | no);
    Definition {
        identity: Identity { vm: VmId(domain), domain, installation: InstallationId(Uuid::from_u128(0xabc)) },
        name: format!("vm-{no:06}"),
        title: format!("Machine {no} <&> \"ä\""),
        hardware,
    }
}

pub fn hardware(disks: Vec<Disk>) -> Hardware {
    Hardware { cpus: 1, memory_mib: 64, firmware: Firmware::Bios, disks, dvd: None, adapters: vec![] }
}

/// The code of a refusal.
pub fn code<T: std::fmt::Debug>(result: Result<T, Trouble>) -> Code {
    match result {
        Err(Trouble::Failed(refusal) | Trouble::Refused(refusal)) => refusal.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    within(SOON, what, holds);
}

pub fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for a notice, passing over others.
pub fn await_notice(changes: &Receiver<Changed>, wanted: Changed) {
    let until = Instant::now() + SOON;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match changes.recv_timeout(left) {
            Ok(changed) if changed == wanted => return,
            Ok(_) => {}
            Err(_) => panic!("no {wanted:?} within {SOON:?}"),
        }
    }
}

/// Makes a boot sector of some code.
pub fn boot_sector(code: &[u8]) -> Vec<u8> {
    let mut sector = code.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

/// Something that differs from call to call and from process to process.
pub fn rand() -> u128 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish().into()
}
