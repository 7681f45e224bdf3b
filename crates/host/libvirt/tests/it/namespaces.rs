//! Namespaces of the test's own, in which a private libvirtd runs. The agent's tests use them as well.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The first process: prepares the mounts and then only reaps. Whatever runs in its namespace dies with it.
const INIT: &str = r#"
set -e
mount --make-rprivate /
mount --bind "$0/etc" /etc/libvirt
mount --bind "$0/run" /run
mount --bind "$0/lib" /var/lib/libvirt
mount --bind "$1" /var/cache/libvirt
mount --bind "$0/log" /var/log/libvirt
ip link set lo up
eval "$2"
touch "$0/ready"
while :; do sleep 1; done
"#;

const LIBVIRTD: &str = "auth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n";
const QEMU: &str = "stdio_handler = \"file\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\n";

/// QEMU as root: what it can do is then found out once and not at each start of libvirtd, which takes ten seconds.
pub const AS_ROOT: &str = "user = \"root\"\ngroup = \"root\"\n";

pub struct Namespaces {
    pub folder: PathBuf,
    init: Child,
    pid: u32,
    _temp: tempfile::TempDir,
}

impl Namespaces {
    /// Prepared, with libvirt not yet started: with these lines in `qemu.conf`, and after this shell text. What QEMU can
    /// do takes seconds to find out and is the same for every test: it is kept in `cache`, below the target folder.
    pub fn new(cache: &str, qemu_conf: &str, prepare: &str) -> Self {
        let temp = tempfile::Builder::new().prefix("hlv").tempdir_in("/tmp").unwrap();
        let folder = temp.path().to_path_buf();
        // The way is open to QEMU's account, as the product asks for.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(cache);
        for path in ["etc/qemu", "run/libvirt/qemu", "lib", "log", "small", "vms"] {
            fs::create_dir_all(folder.join(path)).unwrap();
        }
        fs::create_dir_all(&cache).unwrap();
        let uuid = uuid::Uuid::from_u128(u128::from(std::process::id()) << 64 | rand());
        fs::write(folder.join("etc/libvirtd.conf"), format!("{LIBVIRTD}host_uuid = \"{uuid}\"\n")).unwrap();
        fs::write(folder.join("etc/qemu.conf"), format!("{QEMU}{qemu_conf}")).unwrap();
        let init = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(["unshare", "-m", "-n", "-p", "-f", "--mount-proc", "--kill-child", "bash", "-c", INIT])
            .args([&folder, &cache])
            .arg(prepare)
            .stdin(Stdio::null())
            .spawn()
            .expect("these tests need root and util-linux");
        within(Duration::from_secs(30), "the namespaces are ready", || folder.join("ready").exists());
        let children = format!("/proc/{0}/task/{0}/children", init.id());
        let pid = fs::read_to_string(children).unwrap().trim().parse().unwrap();
        Self { folder, init, pid, _temp: temp }
    }

    /// Starts libvirtd; it does not answer at once.
    pub fn start_libvirt(&self) {
        self.run(&["libvirtd", "-d", "-p", "/run/libvirt/test.pid"]);
    }

    /// Sends a signal to libvirtd.
    pub fn signal_libvirt(&self, signal: &str) {
        let pid = fs::read_to_string(self.folder.join("run/libvirt/test.pid")).unwrap();
        self.run(&["kill", signal, pid.trim()]);
    }

    /// Runs a command inside.
    pub fn try_run(&self, command: &[&str]) -> Output {
        let mut inside = Command::new("nsenter");
        inside.args(["-t", &self.pid.to_string(), "-m", "-n", "-p"]).args(command);
        inside.stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command inside, which has to succeed.
    pub fn run(&self, command: &[&str]) -> String {
        let output = self.try_run(command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn virsh(&self, arguments: &[&str]) -> String {
        self.run(&[&["virsh", "-q", "-c", "qemu:///system"], arguments].concat())
    }

    /// A path below the folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// How libvirt is reached from outside.
    pub fn uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.path("run/libvirt/libvirt-sock"))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        self.init.kill().unwrap();
        self.init.wait().unwrap();
    }
}

pub fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Something that differs from call to call and from process to process.
pub fn rand() -> u128 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish().into()
}
