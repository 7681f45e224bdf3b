//! The real host does what every driver must: the suite that the simulated one passes too.

use std::cell::{Cell, RefCell};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use hostler_hypervisor::conformance::{Subject, Verdict, suite};
use hostler_hypervisor::simulated::Outside;
use hostler_hypervisor::{DefinitionFile, DiskFile, Disks, Machines, NewDisk, Trouble, Watch};
use hostler_libvirt::Changed;
use hostler_model::command::{Base, Definition};
use hostler_model::hardware::{Adapter, Bus, Disk, DiskFormat, Mac};
use hostler_model::library::SeenItem;
use hostler_model::{Code, Refusal};
use uuid::Uuid;

use crate::host::{Host, definition, hardware};

struct Real {
    host: Host,
    drawn: Cell<u8>,
    changes: RefCell<Receiver<Changed>>,
}

impl Subject for Real {
    fn machines(&self) -> &dyn Machines {
        &self.host.driver
    }
    fn disks(&self) -> &dyn Disks {
        &NoDisks
    }
    fn fresh(&self) -> Definition {
        self.drawn.set(self.drawn.get() + 1);
        let mut hardware = hardware(vec![self.host.disk(0, Bus::Virtio, 8)]);
        let mac = Mac([0x52, 0x54, 0, 0, 0, self.drawn.get()]);
        hardware.adapters.push(Adapter {
            no: 0,
            mac,
            network: "br-test".into(),
            vlan: None,
            spoofing_filter: false,
        });
        definition(self.drawn.get().into(), hardware)
    }
    fn fresh_disk(&self, _of: &Definition, no: u32) -> Disk {
        self.host.disk(no, Bus::Virtio, 8)
    }
    fn written(&self, domain: Uuid) -> Option<String> {
        Some(self.host.driver.definition_xml(domain).unwrap())
    }

    fn iso(&self) -> Option<String> {
        let iso = self.host.path("cd.iso");
        std::fs::write(&iso, vec![0; 65536]).unwrap();
        Some(iso)
    }
    fn outside(&self, what: &Outside) -> Result<bool, String> {
        let virsh = |command: &[&str]| {
            let output = self.host.try_run(&[&["virsh", "-q", "-c", "qemu:///system"], command].concat());
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(true) } else { Err(error) }
        };
        match what {
            Outside::Start(vm) => virsh(&["start", &vm.to_string()]),
            Outside::TurnOff(vm) => virsh(&["destroy", &vm.to_string()]),
            Outside::Pause(vm) => virsh(&["suspend", &vm.to_string()]),
            Outside::Resume(vm) => virsh(&["resume", &vm.to_string()]),
            Outside::Save(vm) => virsh(&["managedsave", &vm.to_string()]),
            Outside::Undefine(vm) => virsh(&["undefine", &vm.to_string()]),
            Outside::Retitle(vm, title) => virsh(&["desc", &vm.to_string(), "--config", "--title", title]),
            Outside::SetHardware { domain, cpus, memory_mib } => {
                let (vm, cpus, memory) = (domain.to_string(), cpus.to_string(), format!("{memory_mib}M"));
                virsh(&["setvcpus", &vm, &cpus, "--config", "--maximum"])?;
                virsh(&["setvcpus", &vm, &cpus, "--config"])?;
                virsh(&["setmaxmem", &vm, &memory, "--config"])?;
                virsh(&["setmem", &vm, &memory, "--config"])
            }
            Outside::Crash(vm) => {
                let kill = format!("kill -9 $(cat /run/libvirt/qemu/{}.pid)", self.host.seen(*vm).name);
                self.host.run(&["sh", "-c", &kill]);
                Ok(true)
            }
            other => panic!("no case asked for {other:?} before: add it"),
        }
    }
    fn pass(&self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }
    fn changed(&self) -> Option<Vec<Uuid>> {
        let domain = |changed| if let Changed::Domain(domain) = changed { Some(domain) } else { None };
        Some(self.changes.borrow().try_iter().filter_map(domain).collect())
    }
}

#[test]
fn the_real_host_does_what_every_driver_must() {
    let host = Host::new();
    host.run(&["ip", "link", "add", "br-test", "type", "bridge"]);
    // Only inside: the driver, outside, would take the name for a network's.
    host.virsh(&["net-create", &network(&host)]);
    let changes = RefCell::new(host.driver.subscribe());
    let subject = Real { host, drawn: Cell::new(0), changes };
    let mut wrong = Vec::new();
    let cases = suite();
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    for case in cases {
        match (case.run)(&subject) {
            Ok(Verdict::Holds) => {}
            Ok(Verdict::NotHere) => wrong.push(format!("{}: not tried", case.name)),
            Err(why) => wrong.push(format!("{}: {why}", case.name)),
        }
        let left = subject.host.driver.list().unwrap();
        assert!(left.is_empty(), "{} leaves a machine behind", case.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let folders = std::fs::read_dir(subject.host.folder.join("vms")).unwrap().count();
    assert_eq!(
        folders, 1,
        "only the machine that was undefined with virsh while it ran leaves its log behind"
    );
}

fn network(host: &Host) -> String {
    let file = host.path("network.xml");
    let xml = "<network><name>br-test</name><forward mode='bridge'/><bridge name='br-test'/></network>";
    std::fs::write(&file, xml).unwrap();
    file
}

/// The suite is about machines; disks are tried elsewhere.
pub struct NoDisks;

fn none<T>() -> Result<T, Trouble> {
    Err(Trouble::Failed(Refusal::new(Code::Internal, "disks", "the suite of machines asks for no disk file")))
}

impl Disks for NoDisks {
    fn make(&self, _: &NewDisk<'_>, _: &dyn Watch) -> Result<u64, Trouble> {
        none()
    }
    fn look(&self, _: &str) -> Result<Option<DiskFile>, Trouble> {
        none()
    }
    fn delete(&self, _: &str) -> Result<(), Trouble> {
        none()
    }
    fn sweep(&self, _: &str, _: &str) -> Result<(), Trouble> {
        none()
    }
    fn bring_base(&self, _: &str, _: &str, _: DiskFormat, _: &dyn Watch) -> Result<Base, Trouble> {
        none()
    }
    fn make_folder(&self, _: &str) -> Result<(), Trouble> {
        none()
    }
    fn has_folder(&self, _: &str) -> Result<bool, Trouble> {
        none()
    }
    fn definition(&self, _: &str) -> Result<DefinitionFile, Trouble> {
        none()
    }
    fn check_image(&self, _: &str, _: DiskFormat) -> Result<bool, Trouble> {
        none()
    }
    fn scan(&self, _: &str) -> Result<Vec<SeenItem>, Trouble> {
        none()
    }
}
