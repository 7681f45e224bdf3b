//! The binary on a host of the test's own: namespaces in which a private libvirtd runs, the agent beside them.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hostler_model::channel::{Query, ToAgent};
use hostler_model::command::{Command as Do, Definition, DiskContent, Outcome};
use hostler_model::hardware::{Bus, Disk, DiskFormat, Firmware, Hardware, MIB};
use hostler_model::seen::{Identity, Power};
use hostler_model::{StepNo, VmId};
use hostler_wire::End;
use uuid::Uuid;

use crate::namespaces::{AS_ROOT, Namespaces, within};
use crate::server::{INSTALLATION, Link, Server};

const VM: Uuid = Uuid::from_u128(0x0196_f0f0_0000_7000_8000_0000_0000_0001);

struct Host(Namespaces);

/// QEMU's own account, as packages set it up.
const OWN: &str = "";

/// As udev would have it: where QEMU's account may not open it, libvirt finds out anew at each definition what QEMU can do.
const KVM: &str = r#"
if mknod "$0/kvm" c 10 232; then chmod 666 "$0/kvm"; mount --bind "$0/kvm" /dev/kvm || true; fi
"#;

impl Deref for Host {
    type Target = Namespaces;

    fn deref(&self) -> &Namespaces {
        &self.0
    }
}

impl Host {
    fn new(account: &str) -> Self {
        let host = Self(Namespaces::new("agent-libvirt-cache", account, KVM));
        host.start_libvirt();
        // QEMU is asked what it can do now, so that no step waits for that.
        host.virsh(&["capabilities"]);
        host
    }

    fn start_libvirt(&self) {
        self.0.start_libvirt();
        let list = ["virsh", "-q", "-c", "qemu:///system", "list"];
        eventually("libvirt answers", || self.try_run(&list).status.success());
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn configure(&self, more: &str) {
        fs::create_dir_all(self.state()).unwrap();
        fs::set_permissions(self.state(), fs::Permissions::from_mode(0o711)).unwrap();
        let settings = format!(
            "name = \"host-a\"\nlibvirt_uri = \"{}\"\ndefinition_folder = \"{}\"\n\
             run_folder = \"{}\"\nqemu_conf = \"{}\"\nlibvirt_state_folder = \"{}\"\nhost_boot = \"boot-1\"\n{more}",
            self.uri(),
            self.path("etc/qemu"),
            self.path("run/libvirt/qemu"),
            self.path("etc/qemu.conf"),
            self.path("lib/qemu"),
        );
        fs::write(self.state().join("agent.toml"), settings).unwrap();
    }

    fn agent(&self, arguments: &[&str]) -> Command {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_hostler-agent"));
        agent.args(arguments).arg("--state").arg(self.state());
        agent
    }

    fn file(&self, name: &str) -> String {
        format!("{}/vms/{VM}/{name}", self.state().display())
    }
}

/// A running agent; killed if the test ends before it.
struct Running(Child);

impl Running {
    fn start(host: &Host) -> Self {
        Self(host.agent(&["run"]).spawn().unwrap())
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn ends(mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the agent does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, holds: impl FnMut() -> bool) {
    within(Duration::from_secs(30), what, holds);
}

fn definition(file: String) -> Definition {
    let disk = Disk {
        no: 0,
        file,
        format: DiskFormat::Qcow2,
        size_bytes: 8 * MIB,
        bus: Bus::Virtio,
        base: None,
        seed: false,
    };
    Definition {
        identity: Identity { vm: VmId(VM), domain: VM, installation: INSTALLATION },
        name: format!("vm-{VM}"),
        title: "web-1".into(),
        hardware: Hardware {
            cpus: 1,
            memory_mib: 64,
            firmware: Firmware::Bios,
            disks: vec![disk],
            dvd: None,
            adapters: vec![],
        },
    }
}

/// Enrols the host by its command line, with the token on standard input.
fn enrol(host: &Host, server: &Server) {
    use std::io::Write;
    let address = server.world.address();
    let mut enrol = host
        .agent(&["enrol", "--server", &address, "--token-file", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    enrol.stdin.take().unwrap().write_all(format!("{}\n", server.world.token()).as_bytes()).unwrap();
    assert!(enrol.wait().unwrap().success());
}

/// Makes a machine with one disk, which sits in its firmware when it runs.
async fn make(host: &Host, link: &mut Link, from: u64) {
    let file = host.file("disk-0.qcow2");
    let disk = Do::MakeDisk {
        file: file.clone(),
        owner: VmId(VM),
        format: DiskFormat::Qcow2,
        size_bytes: 8 * MIB,
        content: DiskContent::Blank,
    };
    link.done(from, disk).await;
    link.done(from + 1, Do::Define { definition: Box::new(definition(file)) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_lives_from_its_first_disk_to_its_last_on_a_real_host() {
    let (mut server, host) = (Server::new(), Host::new(OWN));
    host.configure("");
    enrol(&host, &server);
    assert_eq!(fs::metadata(host.state().join("identity")).unwrap().permissions().mode() & 0o777, 0o700);
    let again =
        host.agent(&["enrol", "--server", "127.0.0.1:1", "--token-file", "/dev/null"]).output().unwrap();
    assert!(!again.status.success(), "a second enrolment is asked for by name");

    let agent = Running::start(&host);
    let mut link = server.session().await;
    let facts = link.hello.host.clone();
    assert_eq!((facts.host_name.as_str(), link.hello.host_boot.as_str()), ("host-a", "boot-1"));
    assert!(facts.libvirt_answers && !facts.libvirt.is_empty() && !facts.qemu.is_empty(), "{facts:?}");
    let status = host.agent(&["status", "-o", "json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (status["running"].as_bool(), status["status"]["connection"]["is"].as_str()),
        (Some(true), Some("open"))
    );
    let second = host.agent(&["run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&second.stderr).contains("another agent"), "two agents on one state");

    make(&host, &mut link, 1).await;
    let facts = link.done(3, Do::Start { domain: VM }).await;
    let running =
        facts.iter().find(|fact| fact.domain == VM).and_then(|fact| fact.seen.as_ref()).unwrap().power;
    assert_eq!(running, Power::Running);
    assert!(link.ask(Query::DefinitionXml { domain: VM }).await.is_ok());

    // What an administrator does is told within a moment.
    let begun = Instant::now();
    host.virsh(&["suspend", &VM.to_string()]);
    link.until("the pause is told", |link| link.power(VM) == Some(Power::Paused)).await;
    let told = begun.elapsed();
    println!("a pause by virsh was told after {} ms", told.as_millis());
    assert!(told < Duration::from_secs(5), "{told:?}");
    host.virsh(&["desc", &VM.to_string(), "--config", "--title", "renamed"]);
    link.until("a change without an event", |link| link.known[&VM].title.as_deref() == Some("renamed")).await;
    host.virsh(&["resume", &VM.to_string()]);
    link.until("it runs", |link| link.power(VM) == Some(Power::Running)).await;

    // The agent ends, the machine does not.
    agent.signal("-TERM");
    assert!(matches!(link.end().await, End::Bye(_)));
    assert!(agent.ends());
    assert!(host.virsh(&["list"]).contains("running"));
    host.virsh(&["destroy", &VM.to_string()]);

    let _agent = Running::start(&host);
    let mut link = server.session().await;
    assert_eq!((link.hello.run, link.power(VM)), (2, Some(Power::Off)));
    link.done(4, Do::Undefine { domain: VM }).await;
    link.done(5, Do::DeleteDisk { file: host.file("disk-0.qcow2"), owner: VmId(VM) }).await;
    assert!(!host.state().join("vms").join(VM.to_string()).exists(), "nothing of it is left");
    link.until("it is gone", |link| link.known.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_libvirtd_that_dies_and_returns_costs_no_machine_and_its_changes_are_told() {
    let (mut server, host) = (Server::new(), Host::new(AS_ROOT));
    host.configure("");
    enrol(&host, &server);
    let _agent = Running::start(&host);
    let mut link = server.session().await;
    make(&host, &mut link, 1).await;
    link.done(3, Do::Start { domain: VM }).await;

    host.signal_libvirt("-9");
    // QEMU dies while nobody looks.
    let pid = fs::read_to_string(host.folder.join(format!("run/libvirt/qemu/vm-{VM}.pid"))).unwrap();
    host.run(&["kill", "-9", pid.trim()]);
    // What is asked meanwhile is owed an answer.
    link.send(4, Do::ReadVm { domain: VM });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(link.power(VM), Some(Power::Running), "what is not known is not told");
    host.start_libvirt();
    let begun = Instant::now();
    link.until("the death is told", |link| link.power(VM).is_some_and(|power| !power.is_on())).await;
    let told = begun.elapsed();
    println!("right {} ms after libvirtd answered again", told.as_millis());
    // Promised are 2 s; the guard is fivefold.
    assert!(told < Duration::from_secs(10), "{told:?}");
    link.say(ToAgent::Revoke { no: StepNo(4), floor: StepNo(0) });
    let (outcome, _) = link.ended(4).await;
    assert!(!matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
    link.done(5, Do::Start { domain: VM }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_events_off_only_the_delay_changes() {
    let (mut server, host) = (Server::new(), Host::new(AS_ROOT));
    host.configure("events = false\n");
    enrol(&host, &server);
    let _agent = Running::start(&host);
    let mut link = server.session().await;
    make(&host, &mut link, 1).await;
    host.virsh(&["start", &VM.to_string()]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pictures = link.pictures;
    link.say(ToAgent::Picture);
    link.until("a picture", |link| link.pictures > pictures).await;
    assert_eq!(link.power(VM), Some(Power::Running));
    host.virsh(&["destroy", &VM.to_string()]);
    link.until("the listing of its own", |link| link.power(VM) == Some(Power::Off)).await;
}

#[test]
fn a_state_folder_that_is_closed_to_qemu_is_refused_before_anything_is_made() {
    let host = Host::new(OWN);
    host.configure("");
    fs::set_permissions(&host.folder, fs::Permissions::from_mode(0o700)).unwrap();
    let check = host.agent(&["check"]).output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(!check.status.success());
    assert!(said.contains(&format!("chmod o+x {}", host.folder.display())), "{said}");
    assert!(!host.state().join("vms").exists());
}
