//! This computer as the kernel shows it: its properties, and how loaded it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hostler_model::host::{HostFacts, Load};
use hostler_model::host_hardware::{HostHardware, Processors};

use crate::equipment::{self, SECTOR_BYTES};
use crate::folders::Folders;
use crate::performance::Counters;
use crate::status::now;
use crate::storage::Storage;

/// Reads the computer.
#[derive(Debug)]
pub struct Computer {
    name: Option<String>,
    folders: Folders,
    storage: Storage,
    bases: PathBuf,
    boot: Option<String>,
    /// The address at which others reach it, if that was said; and whom it reaches, else.
    reached: (Option<String>, Option<String>),
    /// Processor time at the last look: busy, and altogether.
    before: Mutex<Option<(u64, u64)>>,
}

impl Computer {
    /// With the folders of machines and bases, and what the configuration puts in place of host name and boot id.
    pub fn new(name: Option<String>, folders: Folders, bases: PathBuf, boot: Option<String>) -> Self {
        let storage = Storage::new(&folders);
        Self { name, folders, storage, bases, boot, reached: (None, None), before: Mutex::default() }
    }

    /// Is reached at this address, or else at that from which it reaches `server` (`host:port`).
    #[must_use]
    pub fn reached_at(mut self, address: Option<String>, server: Option<String>) -> Self {
        self.reached = (address, server);
        self
    }

    /// The address at which other agents reach it; empty when it is not known.
    fn address(&self) -> String {
        let (said, server) = &self.reached;
        if let Some(said) = said {
            return said.clone();
        }
        // Nothing is sent: the kernel only says which way it would go.
        let found = server.as_ref().and_then(|server| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
            socket.connect(server).ok()?;
            Some(socket.local_addr().ok()?.ip().to_string())
        });
        found.unwrap_or_default()
    }

    /// What needs no hypervisor to be known.
    pub fn facts(&self) -> HostFacts {
        let uname = rustix::system::uname();
        let (cpu_model, cpus) = processors(&read("/proc/cpuinfo"));
        let sys = Path::new(equipment::SYS);
        let machine_folders = self.storage.facts();
        HostFacts {
            host_name: self.name.clone().unwrap_or_else(|| uname.nodename().to_string_lossy().into_owned()),
            os: os(&read("/etc/os-release")),
            kernel: uname.release().to_string_lossy().into_owned(),
            cpu_model,
            cpus,
            memory_mib: kib(&read("/proc/meminfo"), "MemTotal:") / 1024,
            vm_folder: self.machines().to_string_lossy().into_owned(),
            base_folder: self.bases.to_string_lossy().into_owned(),
            vm_folder_id: machine_folders.first().map(|usual| usual.id.clone()).unwrap_or_default(),
            machine_folders,
            address: self.address(),
            boot_id: self.boot_id(),
            hardware: HostHardware {
                processors: Processors { mhz: equipment::mhz(sys), ..Processors::default() },
                disks: equipment::disks(sys),
                adapters: equipment::adapters(sys, &equipment::addresses()),
                ..HostHardware::default()
            },
            ..HostFacts::default()
        }
    }

    /// The boot id that the server is told.
    pub fn boot_id(&self) -> String {
        self.boot.clone().unwrap_or_else(kernel_boot_id)
    }

    /// The folder of machines' folders.
    pub fn machines(&self) -> &Path {
        self.folders.usual()
    }

    /// All folders in which machines may be kept.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// How loaded it is; processor use is that since the last call, 0 at the first.
    pub fn load(&self) -> Load {
        let (now, ticks) = (now(), processor_time(&read("/proc/stat")));
        let before =
            std::mem::replace(&mut *self.before.lock().unwrap_or_else(PoisonError::into_inner), ticks);
        let cpu_percent = match (before, ticks) {
            (Some((busy, all)), Some((busy_now, all_now))) if all_now > all => {
                100.0 * busy_now.saturating_sub(busy) as f32 / (all_now - all) as f32
            }
            _ => 0.0,
        };
        let folders = self.storage.space();
        let usual = folders.iter().find(|space| Path::new(&space.path) == self.machines());
        let (disk_total_mib, disk_free_mib) = usual.map_or((0, 0), |at| (at.total_mib, at.free_mib));
        let uptime = read("/proc/uptime");
        Load {
            cpu_percent: cpu_percent.clamp(0.0, 100.0),
            memory_available_mib: kib(&read("/proc/meminfo"), "MemAvailable:") / 1024,
            disk_total_mib,
            disk_free_mib,
            uptime_s: uptime.split(['.', ' ']).next().and_then(|s| s.parse().ok()).unwrap_or(0),
            clock: Some(now),
            folders,
        }
    }
}

/// How long a tick of `/proc/stat` is, in nanoseconds: Linux shows programs a hundred a second whatever it counts in.
const TICK_NS: u64 = 10_000_000;

impl Computer {
    /// What it has counted since its start.
    pub fn counters(&self) -> Counters {
        let stat = read("/proc/stat");
        let memory = read("/proc/meminfo");
        let used_kib = kib(&memory, "MemTotal:").saturating_sub(kib(&memory, "MemAvailable:"));
        let real_disk = |name: &str| is_there(&format!("/sys/block/{}/device", name.replace('/', "!")));
        let real_adapter = |name: &str| is_there(&format!("/sys/class/net/{name}/device"));
        // In a container nothing is real, and what leads out of it is what there is.
        let made_up = |name: &str| {
            ["bridge", "tun_flags"].iter().any(|of| is_there(&format!("/sys/class/net/{name}/{of}")))
        };
        let net = read("/proc/net/dev");
        Counters {
            processor_ns: processor_time(&stat).map(|(busy, _)| busy.saturating_mul(TICK_NS)),
            processors: u32::try_from(stat.lines().filter(|line| is_processor(line)).count()).unwrap_or(0),
            memory_mib: (used_kib > 0).then_some(used_kib as f32 / 1024.0),
            disk_bytes: disk_bytes(&read("/proc/diskstats"), real_disk),
            net_bytes: net_bytes(&net, real_adapter).or_else(|| net_bytes(&net, |name| !made_up(name))),
        }
    }
}

fn is_there(path: &str) -> bool {
    fs::exists(path).unwrap_or(false)
}

/// A line of `/proc/stat` on one processor.
fn is_processor(line: &str) -> bool {
    line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Bytes read and written by the disks that count; none without any. Partitions and what lies on disks does not: it
/// would be counted twice.
fn disk_bytes(text: &str, counts: impl Fn(&str) -> bool) -> Option<(u64, u64)> {
    let disks = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(2);
        let name = words.next()?;
        // reads, merged, sectors, ms; the same of writes.
        let read: u64 = words.nth(2)?.parse().ok()?;
        let written: u64 = words.nth(3)?.parse().ok()?;
        counts(name).then_some((read, written))
    });
    disks.fold(None, |sum, (read, written)| {
        let (all_read, all_written) = sum.unwrap_or((0, 0));
        Some((all_read + read * SECTOR_BYTES, all_written + written * SECTOR_BYTES))
    })
}

/// Bytes received and sent by the adapters that count; none without any.
fn net_bytes(text: &str, counts: impl Fn(&str) -> bool) -> Option<(u64, u64)> {
    let adapters = text.lines().filter_map(|line| {
        let (name, figures) = line.split_once(':')?;
        let name = name.trim();
        let mut words = figures.split_whitespace();
        let received: u64 = words.next()?.parse().ok()?;
        let sent: u64 = words.nth(7)?.parse().ok()?;
        (name != "lo" && counts(name)).then_some((received, sent))
    });
    adapters.fold(None, |sum, (received, sent)| {
        let (all_received, all_sent) = sum.unwrap_or((0, 0));
        Some((all_received + received, all_sent + sent))
    })
}

/// The boot id of the kernel itself.
pub(crate) fn kernel_boot_id() -> String {
    read("/proc/sys/kernel/random/boot_id").trim().to_owned()
}

/// What cannot be read says nothing; the rest is told all the same.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A line of `/proc/meminfo`, KiB.
fn kib(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The first processor's model, and how many there are.
fn processors(text: &str) -> (String, u32) {
    let value = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    let model = text.lines().find(|line| line.starts_with("model name")).and_then(value).unwrap_or_default();
    let count = text.lines().filter(|line| line.starts_with("processor")).count();
    (model, u32::try_from(count).unwrap_or(u32::MAX))
}

fn os(text: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line.unwrap_or("Linux").trim_matches('"').to_owned()
}

/// Busy and all processor time of all processors, in ticks.
fn processor_time(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|t| t.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is in user's already.
    let all: u64 = ticks.iter().take(8).sum();
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some((all.saturating_sub(idle), all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_words_are_understood() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: AMD EPYC\n";
        assert_eq!(processors(cpuinfo), ("AMD EPYC".into(), 2));
        assert_eq!(kib("MemTotal:       2048 kB\nMemAvailable:    1024 kB\n", "MemAvailable:"), 1024);
        assert_eq!(
            os("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
            "Debian GNU/Linux 12 (bookworm)"
        );
        assert_eq!(processor_time("cpu  10 0 5 80 5 0 0 0 7 0\n"), Some((15, 100)));
    }

    #[test]
    fn each_byte_is_counted_once() {
        let disks = "   8  0 sda 100 5 2000 30 50 1 800 9 0 0 0\n   8  1 sda1 100 5 2000 30 50 1 800 9 0 0 0\n \
                     253 0 dm-0 100 5 2000 30 50 1 800 9 0 0 0\n";
        assert_eq!(disk_bytes(disks, |name| name == "sda"), Some((1_024_000, 409_600)));
        assert_eq!(disk_bytes(disks, |_| false), None);
        let net = "Inter-|   Receive |  Transmit\n face |bytes packets\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  \
                   eth0: 700 7 0 0 0 0 0 0 300 3 0 0 0 0 0 0\n vnet0:70 7 0 0 0 0 0 0 30 3 0 0 0 0 0 0\n";
        assert_eq!(net_bytes(net, |name| name == "eth0"), Some((700, 300)));
        assert_eq!(
            net_bytes(net, |_| true),
            Some((770, 330)),
            "what a computer says to itself does not count"
        );
        assert!(is_processor("cpu0 1 2") && !is_processor("cpu  1 2") && !is_processor("ctxt 1"));
    }

    #[test]
    fn this_computer_counts_what_it_does() {
        let computer = Computer::new(None, Folders::new(vec!["/".into()]), "/".into(), None);
        let counters = computer.counters();
        assert_eq!(counters.processors, computer.facts().cpus);
        assert!(counters.processor_ns > Some(0) && counters.memory_mib > Some(1.0), "{counters:?}");
    }

    #[test]
    fn this_computer_says_what_it_is_and_how_loaded() {
        let computer = Computer::new(Some("alias".into()), Folders::new(vec!["/".into()]), "/".into(), None);
        let facts = computer.facts();
        assert_eq!(facts.host_name, "alias");
        assert!(facts.cpus > 0 && facts.memory_mib > 0 && !facts.boot_id.is_empty(), "{facts:?}");
        computer.load();
        let load = computer.load();
        assert!(
            load.memory_available_mib > 0 && load.disk_total_mib >= load.disk_free_mib && load.uptime_s > 0
        );
        assert!((0.0..=100.0).contains(&load.cpu_percent), "{load:?}");
    }
}
