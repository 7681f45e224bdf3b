//! Boots the disk in QEMU without KVM, as a host would, and asks the guest what README.md promises. Set aside from
//! ordinary tests, since it needs QEMU and some seconds a guest.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

/// Ten times what a guest needs on a busy computer with two cores.
const PATIENCE: Duration = Duration::from_secs(150);

/// What the guest reads at boot.
const SEED: &str = "hostname=web-1\ntoken=2f6c0a\nheartbeat=on\ncount=/dev/ttyS1\n";

/// How the guest's disks hang on the machine.
#[derive(Clone, Copy)]
enum Bus {
    Virtio,
    Scsi,
    Sata,
    Ide,
}

/// A running guest; it is killed and its files are removed when the test is over.
struct Guest {
    qemu: Child,
    folder: PathBuf,
    started: Instant,
}

/// One of QEMU's or the guest agent's sockets, which speak JSON line by line.
struct Line {
    stream: BufReader<UnixStream>,
}

impl Guest {
    fn boot(machine: &str, bus: Bus, adapter: Option<&str>) -> Self {
        let folder = crate::tree::target().join(format!("tiny-linux/guest-{}-{machine}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut seed = format!("HOSTLER-SEED\n{SEED}\0").into_bytes();
        seed.resize(4096, 0);
        fs::write(folder.join("seed"), seed).unwrap();
        let disk =
            std::env::var_os("HOSTLER_TINY_LINUX").map_or_else(|| super::build().unwrap(), PathBuf::from);
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.current_dir(&folder).stdin(Stdio::null());
        qemu.args(["-machine", machine, "-accel", "tcg", "-m", "128", "-nodefaults", "-display", "none"]);
        qemu.args([
            "-vga",
            "std",
            "-serial",
            "file:serial",
            "-serial",
            "file:counts",
            "-qmp",
            "unix:qmp,server=on,wait=off",
        ]);
        qemu.args(["-device", "virtio-serial", "-chardev", "socket,id=agent,path=agent,server=on,wait=off"]);
        qemu.args(["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]);
        qemu.arg("-drive").arg(format!("id=disk,if=none,snapshot=on,format=qcow2,file={}", disk.display()));
        qemu.args(["-drive", "id=seed,if=none,format=raw,readonly=on,file=seed"]);
        qemu.args(bus.devices().iter().flat_map(|device| ["-device", device]));
        if machine == "q35" {
            qemu.args(["-device", "pcie-root-port,id=spare,slot=5"]);
        }
        if let Some(adapter) = adapter {
            qemu.args(["-netdev", "user,id=net,restrict=on", "-device", &format!("{adapter},netdev=net")]);
        }
        Self { qemu: qemu.spawn().unwrap(), folder, started: Instant::now() }
    }

    /// Waits for the words on the serial port.
    fn wait_for(&self, words: &str) {
        wait_until(words, || self.serial().contains(words).then_some(()));
        println!("{words:?} after {:.1} s", self.started.elapsed().as_secs_f64());
    }

    fn serial(&self) -> String {
        fs::read(self.folder.join("serial"))
            .map(|said| String::from_utf8_lossy(&said).into_owned())
            .unwrap_or_default()
    }

    /// What it counted, with the boot of which it was; the last line may not be whole yet.
    fn counted(&self) -> Vec<(u64, String)> {
        let said = fs::read_to_string(self.folder.join("counts")).unwrap_or_default();
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let count = |line: &str| {
            let (number, boot) = line.strip_prefix("count ")?.split_once(' ')?;
            Some((number.parse().ok()?, boot.trim().to_owned()))
        };
        // A line that a reset tore is none.
        whole.lines().filter_map(count).collect()
    }

    fn line(&self, socket: &str) -> Line {
        let stream = Line::connect(&self.folder.join(socket));
        Line { stream: BufReader::new(stream) }
    }

    fn monitor(&self) -> Line {
        let mut monitor = self.line("qmp");
        monitor.read();
        monitor.ask("qmp_capabilities", json!({}));
        monitor
    }

    /// Waits until QEMU has ended by itself, and returns after how long it did.
    fn is_off(&mut self) -> Duration {
        let asked = Instant::now();
        wait_until("the machine is off", || self.qemu.try_wait().unwrap());
        asked.elapsed()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Bus {
    /// The boot disk's devices come first, so that the firmware finds it first.
    fn devices(self) -> &'static [&'static str] {
        match self {
            Self::Virtio => &["virtio-blk-pci,drive=disk,bootindex=1", "virtio-blk-pci,drive=seed"],
            Self::Scsi => &[
                "virtio-scsi-pci,id=bus",
                "scsi-hd,bus=bus.0,drive=disk,bootindex=1",
                "scsi-cd,bus=bus.0,drive=seed",
            ],
            Self::Sata => {
                &["ahci,id=bus", "ide-hd,bus=bus.0,drive=disk,bootindex=1", "ide-cd,bus=bus.1,drive=seed"]
            }
            Self::Ide => &["ide-hd,drive=disk,bootindex=1", "ide-cd,drive=seed"],
        }
    }
}

impl Line {
    fn connect(socket: &Path) -> UnixStream {
        let stream = wait_until("QEMU's socket is there", || UnixStream::connect(socket).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn tell(&mut self, what: &str, arguments: Value) {
        let message = json!({ "execute": what, "arguments": arguments });
        self.stream.get_mut().write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, what: &str, arguments: Value) -> Value {
        self.tell(what, arguments);
        loop {
            let answer = self.read();
            assert!(answer.get("error").is_none(), "{what}: {answer}");
            if let Some(value) = answer.get("return") {
                return value.clone();
            }
        }
    }

    fn wait_for_event(&mut self, name: &str, device: &str) {
        while !matches!(self.read(), event if event["event"] == name && event["data"]["device"] == device) {}
    }

    /// A file of the guest.
    fn file(&mut self, path: &str) -> String {
        let handle = self.ask("guest-file-open", json!({ "path": path, "mode": "r" }));
        let read = self.ask("guest-file-read", json!({ "handle": handle, "count": 4096 }));
        self.ask("guest-file-close", json!({ "handle": handle }));
        decoded(read["buf-b64"].as_str().unwrap())
    }

    /// What a shell command in the guest prints.
    fn shell(&mut self, command: &str) -> String {
        let arguments = json!({ "path": "/bin/sh", "arg": ["-c", command], "capture-output": true });
        let started = self.ask("guest-exec", arguments);
        let ended = wait_until(command, || {
            let status = self.ask("guest-exec-status", json!({ "pid": started["pid"] }));
            status["exited"].as_bool().unwrap().then_some(status)
        });
        decoded(ended["out-data"].as_str().unwrap_or_default())
    }

    fn disks(&mut self) -> usize {
        self.shell("ls /sys/block").split_whitespace().filter(|name| !name.starts_with("sr")).count()
    }
}

fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(50));
    }
}

fn decoded(text: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

/// Everything that is promised of any machine; returns the agent's line for more.
fn keeps_its_promises(guest: &Guest, networked: bool) -> Line {
    guest.wait_for("web-1 is ready after");
    let mut agent = guest.line("agent");
    agent.ask("guest-ping", json!({}));
    println!("guest-ping after {:.1} s", guest.started.elapsed().as_secs_f64());
    assert_eq!(agent.file("/run/seed"), SEED);
    assert_eq!(agent.ask("guest-get-osinfo", json!({}))["pretty-name"], "Hostler tiny-linux");
    let refused = agent.shell("grep -i symbol /run/modules.log");
    assert!(refused.is_empty(), "a driver lacks another: {refused}");
    wait_until("the guest counts", || (guest.counted().len() > 5).then_some(()));
    let before = agent.file("/run/heartbeat");
    wait_until("the heart beats", || (agent.file("/run/heartbeat") != before).then_some(()));
    if networked {
        wait_until("an address by DHCP", || {
            let adapters = agent.ask("guest-network-get-interfaces", json!({})).to_string();
            adapters.contains("10.0.2.15").then_some(())
        });
    }
    agent
}

fn disks_come_and_go(guest: &Guest, agent: &mut Line, bus: &str) {
    let mut monitor = guest.monitor();
    let before = agent.disks();
    monitor.ask("blockdev-add", json!({ "node-name": "more", "driver": "null-co", "size": 1 << 20 }));
    monitor.ask(
        "device_add",
        json!({ "driver": "virtio-blk-pci", "id": "more-disk", "drive": "more", "bus": bus }),
    );
    wait_until("the disk is seen", || (agent.disks() == before + 1).then_some(()));
    monitor.ask("device_del", json!({ "id": "more-disk" }));
    monitor.wait_for_event("DEVICE_DELETED", "more-disk");
    assert_eq!(agent.disks(), before);
}

#[test]
#[ignore = "boots a guest: cargo xtask test --only e2e"]
fn a_q35_machine_with_virtio_boots_hot_plugs_and_shuts_down_by_its_agent() {
    let mut guest = Guest::boot("q35", Bus::Virtio, Some("virtio-net-pci"));
    let mut agent = keeps_its_promises(&guest, true);
    disks_come_and_go(&guest, &mut agent, "spare");
    agent.tell("guest-shutdown", json!({}));
    println!("off {:?} after guest-shutdown", guest.is_off());
}

#[test]
#[ignore = "boots a guest: cargo xtask test --only e2e"]
fn a_pc_machine_with_scsi_boots_hot_plugs_and_obeys_its_power_button() {
    let mut guest = Guest::boot("pc", Bus::Scsi, Some("e1000"));
    let mut agent = keeps_its_promises(&guest, true);
    disks_come_and_go(&guest, &mut agent, "pci.0");
    guest.monitor().ask("system_powerdown", json!({}));
    println!("off {:?} after the power button", guest.is_off());
}

#[test]
#[ignore = "boots a guest: cargo xtask test --only e2e"]
fn a_q35_machine_with_sata_disks_boots_and_obeys_its_power_button() {
    let mut guest = Guest::boot("q35", Bus::Sata, Some("e1000"));
    keeps_its_promises(&guest, true);
    // Cut off at any moment, it counts on from its disk.
    guest.monitor().ask("system_reset", json!({}));
    let first = guest.counted()[0].1.clone();
    wait_until("it counts after the reset", || (guest.counted().last()?.1 != first).then_some(()));
    let numbers: Vec<u64> = guest.counted().into_iter().map(|(number, _)| number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "a number was said twice: {numbers:?}");
    assert!(numbers.len() as u64 + 2 >= numbers[numbers.len() - 1], "numbers were left out: {numbers:?}");
    wait_until("it obeys again", || (guest.serial().matches("is ready after").count() > 1).then_some(()));
    guest.monitor().ask("system_powerdown", json!({}));
    guest.is_off();
}

#[test]
#[ignore = "boots a guest: cargo xtask test --only e2e"]
fn a_pc_machine_with_ide_disks_and_no_network_boots_and_shuts_down_by_its_agent() {
    let mut guest = Guest::boot("pc", Bus::Ide, None);
    keeps_its_promises(&guest, false).tell("guest-shutdown", json!({}));
    guest.is_off();
}
