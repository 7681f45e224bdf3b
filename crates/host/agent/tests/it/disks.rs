//! The agent's folders on real files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use hostler_agent::AgentDisks;
use hostler_hypervisor::simulated::SimulatedHost;
use hostler_hypervisor::{
    DiskFile, Disks, NewDisk, NoWatch, Performing, Trouble, Turn, Watch, World, with_sizes,
};
use hostler_model::command::{Answer, Command as Deed, DiskContent, Mark, Outcome};
use hostler_model::hardware::{Bus, DiskFormat, MIB};
use hostler_model::library::ItemKind;
use hostler_model::seen::{Power, Seen, SeenDisk};
use hostler_model::{Code, JobId, VmId};
use tempfile::TempDir;
use uuid::Uuid;

const OWNER: VmId = VmId(Uuid::from_u128(0x0196_f0f0_0000_7000_8000_0000_0000_0001));
const MARK: &str = "1.17.make-disk";

struct Folders {
    disks: AgentDisks,
    vms: PathBuf,
    bases: PathBuf,
    share: PathBuf,
    _temp: TempDir,
}

impl Folders {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let [vms, bases, share] = ["vms", "bases", "share"].map(|name| {
            let folder = temp.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        });
        Self { disks: AgentDisks::new(vms.clone(), bases.clone()), vms, bases, share, _temp: temp }
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{OWNER}/{name}", self.vms.display())
    }

    fn make(
        &self,
        name: &str,
        format: DiskFormat,
        size_bytes: u64,
        content: &DiskContent,
    ) -> Result<u64, Trouble> {
        let file = self.file(name);
        self.disks
            .make(&NewDisk { file: &file, mark: MARK, owner: OWNER, format, size_bytes, content }, &NoWatch)
    }

    /// A qcow2 in the share.
    fn library(&self, name: &str, size: &str) {
        qemu_img(&["create", "-q", "-f", "qcow2", self.share.join(name).to_str().unwrap(), size]);
    }

    fn share(&self) -> &str {
        self.share.to_str().unwrap()
    }
}

fn qemu_img(arguments: &[&str]) -> String {
    let output = Command::new("qemu-img").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, Trouble>) -> Code {
    match result {
        Err(Trouble::Failed(refusal) | Trouble::Refused(refusal)) => refusal.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_disk_bears_mark_and_owner_and_its_folder_goes_with_the_last_one() {
    let folders = Folders::new();
    let file = folders.file("disk-0.qcow2");
    assert_eq!(folders.disks.look(&file).unwrap(), None);
    assert_eq!(
        folders.make("disk-0.qcow2", DiskFormat::Qcow2, 8 * MIB, &DiskContent::Blank).unwrap(),
        8 * MIB
    );
    folders.make("disk-1.raw", DiskFormat::Raw, MIB, &DiskContent::Blank).unwrap();
    let folder = folders.vms.join(OWNER.to_string());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o711, "QEMU passes through");
    let expected = DiskFile { mark: Some(MARK.into()), owner: Some(OWNER), size_bytes: 8 * MIB };
    assert_eq!(folders.disks.look(&file).unwrap(), Some(expected));

    assert_eq!(
        code(folders.make("disk-0.qcow2", DiskFormat::Qcow2, MIB, &DiskContent::Blank)),
        Code::DiskFailed
    );
    folders.disks.sweep(&file, MARK).unwrap();
    assert!(folders.disks.look(&file).unwrap().is_some(), "what is whole is not swept");
    folders.disks.delete(&file).unwrap();
    assert!(folder.exists(), "another disk is in it");
    folders.disks.delete(&folders.file("disk-1.raw")).unwrap();
    assert!(!folder.exists());
    folders.disks.delete(&file).unwrap();
}

#[test]
fn nothing_outside_the_machines_folders_can_be_named() {
    let folders = Folders::new();
    let outside = folders.vms.parent().unwrap().join("secret.raw");
    fs::write(&outside, "secret").unwrap();
    fs::create_dir(folders.vms.join(OWNER.to_string())).unwrap();
    symlink(outside.parent().unwrap(), folders.vms.join("link")).unwrap();
    symlink(&outside, folders.vms.join(OWNER.to_string()).join("link.raw")).unwrap();
    let vms = folders.vms.display();
    for file in [
        outside.display().to_string(),
        format!("{vms}/{OWNER}/../../secret.raw"),
        format!("{vms}/../secret.raw"),
        format!("{vms}/secret.raw"),
        format!("{vms}/{OWNER}/deeper/secret.raw"),
        format!("{vms}/link/secret.raw"),
        format!("{vms}/{OWNER}/link.raw"),
        "vms/x/y.raw".into(),
        "/etc/passwd".into(),
    ] {
        let wanted = NewDisk {
            file: &file,
            mark: MARK,
            owner: OWNER,
            format: DiskFormat::Raw,
            size_bytes: MIB,
            content: &DiskContent::Blank,
        };
        assert_eq!(code(folders.disks.make(&wanted, &NoWatch)), Code::PathForbidden, "make {file}");
        assert_eq!(code(folders.disks.delete(&file)), Code::PathForbidden, "delete {file}");
        assert_eq!(code(folders.disks.look(&file)), Code::PathForbidden, "look {file}");
        assert_eq!(code(folders.disks.sweep(&file, MARK)), Code::PathForbidden, "sweep {file}");
    }
    // Another machine's folder is no place for this machine's disk.
    let other = format!("{vms}/{}/disk.raw", Uuid::from_u128(9));
    let wanted = NewDisk {
        file: &other,
        mark: MARK,
        owner: OWNER,
        format: DiskFormat::Raw,
        size_bytes: MIB,
        content: &DiskContent::Blank,
    };
    assert_eq!(code(folders.disks.make(&wanted, &NoWatch)), Code::PathForbidden);
    assert_eq!(fs::read_to_string(outside).unwrap(), "secret");

    for (folder, path) in [(folders.share(), "../secret.raw"), ("share", "x.qcow2"), ("/", "etc/passwd")] {
        let brought = folders.disks.bring_base(folder, path, DiskFormat::Raw, &NoWatch);
        assert_eq!(code(brought), Code::PathForbidden, "{folder} {path}");
    }
}

#[test]
fn a_file_that_bears_no_mark_is_not_deleted() {
    let folders = Folders::new();
    let file = folders.file("somebodys.raw");
    fs::create_dir(folders.vms.join(OWNER.to_string())).unwrap();
    fs::write(&file, vec![0; 4096]).unwrap();
    assert_eq!(code(folders.disks.delete(&file)), Code::GuardRefused);
    assert_eq!(folders.disks.look(&file).unwrap().map(|there| (there.mark, there.owner)), Some((None, None)));
    assert!(Path::new(&file).exists());
}

#[test]
fn a_deletion_that_was_killed_before_it_removed_the_folder_is_completed_by_the_look_or_the_next_attempt() {
    let folders = Folders::new();
    let host = SimulatedHost::new(1, "/vms", 1 << 40);
    let world = World {
        machines: &host,
        disks: &folders.disks,
        moves: &hostler_hypervisor::NoMoves,
        boots: &hostler_hypervisor::NoBoots,
        networks: &hostler_hypervisor::NoNetworks,
    };
    let folder = folders.vms.join(OWNER.to_string());
    for begin in [Performing::looking, Performing::new] {
        folders.make("disk-0.raw", DiskFormat::Raw, MIB, &DiskContent::Blank).unwrap();
        fs::remove_file(folders.file("disk-0.raw")).unwrap();
        assert!(folder.exists());
        let command = Deed::DeleteDisk { file: folders.file("disk-0.raw"), owner: OWNER };
        let mark = Mark { epoch: 1, job: JobId(17), step: "make-disk".into() };
        let turn = begin(command, mark, false).turn(&world, 0, &NoWatch);
        assert_eq!(turn, Turn::Ended(Outcome::Done { answer: Answer::Nothing }));
        assert!(!folder.exists(), "the machine's folder is left");
    }
}

#[test]
fn an_overlay_stands_on_a_base_that_was_brought_once_and_never_on_the_librarys_file() {
    let folders = Folders::new();
    folders.library("tiny.qcow2", "16M");
    let bring =
        || folders.disks.bring_base(folders.share(), "tiny.qcow2", DiskFormat::Qcow2, &NoWatch).unwrap();
    let (base, again) = (bring(), bring());
    assert_eq!(base, again);
    assert_eq!(base.virtual_size_bytes, 16 * MIB);
    assert_eq!(fs::read_dir(&folders.bases).unwrap().count(), 1);

    let overlay = DiskContent::Overlay { base: base.sha256.clone() };
    assert_eq!(folders.make("disk-0.qcow2", DiskFormat::Qcow2, 32 * MIB, &overlay).unwrap(), 32 * MIB);
    let about = qemu_img(&["info", "--output=json", &folders.file("disk-0.qcow2")]);
    let file = folders.bases.join(format!("{}.qcow2", base.sha256));
    assert!(about.contains(file.to_str().unwrap()), "{about}");
    assert!(about.contains("\"backing-filename-format\": \"qcow2\""), "{about}");

    let absent = DiskContent::Overlay { base: "0".repeat(64) };
    assert_eq!(code(folders.make("disk-1.qcow2", DiskFormat::Qcow2, MIB, &absent)), Code::DiskFailed);
    assert_eq!(code(folders.make("disk-1.qcow2", DiskFormat::Qcow2, MIB, &overlay)), Code::ValueInvalid);
}

#[test]
fn a_library_file_that_changed_is_another_base() {
    let folders = Folders::new();
    folders.library("tiny.qcow2", "16M");
    // Long untouched, so that its content is remembered.
    let bring =
        || folders.disks.bring_base(folders.share(), "tiny.qcow2", DiskFormat::Qcow2, &NoWatch).unwrap();
    let before = bring();
    std::thread::sleep(std::time::Duration::from_millis(3_100));
    assert_eq!(bring(), before);
    assert_eq!(bring(), before);
    folders.library("tiny.qcow2", "17M");
    let after = bring();
    assert_ne!(after.sha256, before.sha256);
    assert_eq!(after.virtual_size_bytes, 17 * MIB);
}

#[test]
fn a_seed_is_what_the_guest_looks_for() {
    let folders = Folders::new();
    let seed = |text: &str| DiskContent::Seed { text: text.into() };
    folders.make("seed.raw", DiskFormat::Raw, MIB, &seed("hostname=web-1\ntoken=2f6c0a")).unwrap();
    let written = fs::read(folders.file("seed.raw")).unwrap();
    assert_eq!(written.len() as u64, MIB);
    let expected = b"HOSTLER-SEED\nhostname=web-1\ntoken=2f6c0a\n\0";
    assert_eq!(&written[..expected.len()], expected);
    assert!(written[expected.len()..].iter().all(|byte| *byte == 0));

    for bad in ["hostname=a\n\nx=1", "a=\0", "no key", &format!("a={}", "x".repeat(4_096))] {
        assert_eq!(
            code(folders.make("bad.raw", DiskFormat::Raw, MIB, &seed(bad))),
            Code::ValueInvalid,
            "{bad:?}"
        );
    }
    assert_eq!(
        code(folders.make("bad.raw", DiskFormat::Raw, 512, &seed(&"a=b\n".repeat(200)))),
        Code::ValueInvalid
    );
    assert_eq!(code(folders.make("bad.qcow2", DiskFormat::Qcow2, MIB, &seed("a=b"))), Code::ValueInvalid);
}

/// Stops as soon as anything was done, and remembers what it was told.
#[derive(Default)]
struct Stopping {
    stopped: AtomicBool,
    told: Mutex<Vec<(u64, u64)>>,
}

impl Watch for Stopping {
    fn progress(&self, done: u64, of: u64) {
        self.told.lock().unwrap().push((done, of));
        self.stopped.store(true, Ordering::Relaxed);
    }
    fn aborted(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

#[test]
fn a_copy_tells_its_progress_and_one_that_is_stopped_leaves_nothing() {
    let folders = Folders::new();
    fs::write(folders.share.join("data.raw"), vec![7; 16 << 20]).unwrap();
    let content = DiskContent::Copy {
        folder: folders.share().into(),
        path: "data.raw".into(),
        format: DiskFormat::Raw,
    };
    let file = folders.file("disk-0.raw");
    let wanted = NewDisk {
        file: &file,
        mark: MARK,
        owner: OWNER,
        format: DiskFormat::Raw,
        size_bytes: 32 * MIB,
        content: &content,
    };
    let stopping = Stopping::default();
    assert_eq!(folders.disks.make(&wanted, &stopping), Err(Trouble::Aborted));
    assert!(!stopping.told.lock().unwrap().is_empty());
    assert!(!folders.vms.join(OWNER.to_string()).exists(), "nothing is left, the folder neither");
    assert_eq!(folders.disks.make(&wanted, &NoWatch).unwrap(), 32 * MIB);
    assert_eq!(fs::read(&file).unwrap()[..16 << 20], vec![7; 16 << 20]);

    let stopping = Stopping::default();
    folders.library("tiny.qcow2", "16M");
    let brought = folders.disks.bring_base(folders.share(), "tiny.qcow2", DiskFormat::Qcow2, &stopping);
    assert_eq!(brought, Err(Trouble::Aborted));
    assert_eq!(fs::read_dir(&folders.bases).unwrap().count(), 0);
}

#[test]
fn a_share_shows_its_items_with_kind_facts_and_what_is_wrong_with_them() {
    let folders = Folders::new();
    folders.library("tiny.qcow2", "16M");
    fs::write(folders.share.join("broken.qcow2"), "not an image at all").unwrap();
    fs::write(folders.share.join("setup.sh"), "#!/bin/sh\n").unwrap();
    let items = folders.disks.scan(folders.share()).unwrap();
    let by = |path: &str| items.iter().find(|item| item.path == path).unwrap();
    let image = by("tiny.qcow2").image.clone().unwrap();
    assert_eq!((image.format, image.virtual_size_bytes), (DiskFormat::Qcow2, 16 * MIB));
    assert_eq!(by("setup.sh").kind, ItemKind::Script);
    let problem = by("broken.qcow2").problem.clone().unwrap();
    assert!(!problem.cause.is_empty() && !problem.remedy.is_empty(), "{problem:?}");

    assert!(folders.disks.scan(&format!("{}-absent", folders.share())).is_err());
    // A picture that cannot be whole is none: what lies deeper would count as gone.
    let mut deep = folders.share.clone();
    (0..14).for_each(|level| deep.push(level.to_string()));
    fs::create_dir_all(deep).unwrap();
    assert_eq!(code(folders.disks.scan(folders.share())), Code::DiskFailed);
}

#[test]
fn disks_of_one_machine_are_made_and_swept_at_the_same_time_without_losing_their_folder() {
    let here = Folders::new();
    here.library("base.qcow2", "1M");
    let share = here.share.to_str().unwrap();
    let base = here.disks.bring_base(share, "base.qcow2", DiskFormat::Qcow2, &NoWatch).unwrap().sha256;
    let overlay = DiskContent::Overlay { base };
    // A sweep finds the folder empty in the moment between its making and the first file in it.
    for round in 0..20 {
        let (swept, made) = std::thread::scope(|scope| {
            let sweeping = scope.spawn(|| {
                let sweep = |_| here.disks.sweep(&here.file("seed.raw"), MARK);
                (0..200).map(sweep).collect::<Vec<_>>()
            });
            let made = here.make("disk-0.qcow2", DiskFormat::Qcow2, MIB, &overlay);
            (sweeping.join().unwrap(), made)
        });
        assert_eq!(made, Ok(MIB), "round {round}");
        assert!(swept.iter().all(Result::is_ok), "{swept:?}");
        here.disks.delete(&here.file("disk-0.qcow2")).unwrap();
    }
}

#[test]
fn how_large_a_machines_disks_are_is_said_of_those_in_our_folders_only() {
    let folders = Folders::new();
    folders.make("disk-0.qcow2", DiskFormat::Qcow2, 5 * MIB, &DiskContent::Blank).unwrap();
    folders.make("seed.raw", DiskFormat::Raw, MIB, &DiskContent::Blank).unwrap();
    folders.library("elsewhere.qcow2", "7M");
    let damaged = folders.file("damaged.qcow2");
    fs::write(&damaged, "no image").unwrap();
    let elsewhere = format!("{}/elsewhere.qcow2", folders.share());
    let files = [
        folders.file("disk-0.qcow2"),
        folders.file("seed.raw"),
        folders.file("gone.qcow2"),
        damaged,
        elsewhere,
    ];
    let disks = files.into_iter().zip('a'..).map(|(file, letter)| SeenDisk {
        target: format!("vd{letter}"),
        file: Some(file),
        format: DiskFormat::Qcow2,
        bus: Bus::Virtio,
        size_bytes: None,
        dvd: false,
    });
    let seen = Seen {
        domain: OWNER.0,
        name: "found".into(),
        title: None,
        identity: None,
        power: Power::Off,
        cpus: 1,
        memory_mib: 64,
        disks: disks.collect(),
        adapters: Vec::new(),
        guest_agent: false,
        persistent: true,
        autostart: false,
        snapshots: Vec::new(),
    };
    let sizes: Vec<_> = with_sizes(&folders.disks, seen).disks.iter().map(|disk| disk.size_bytes).collect();
    assert_eq!(sizes, [Some(5 * MIB), Some(MIB), None, None, None]);
}

#[test]
fn disks_are_made_in_every_allowed_folder_and_in_folders_below_it_and_nowhere_else() {
    let temp = tempfile::tempdir().unwrap();
    let [vms, bases, other] = ["vms", "bases", "other"].map(|name| temp.path().join(name));
    for folder in [&vms, &bases, &other.join("tier1"), &temp.path().join("closed")] {
        fs::create_dir_all(folder).unwrap();
    }
    let allowed = hostler_agent::Folders::new(vec![vms.clone(), other.clone()]);
    let disks = AgentDisks::new(vms.clone(), bases).within(allowed);
    let make = |file: &str| {
        let (format, content) = (DiskFormat::Qcow2, &DiskContent::Blank);
        let wanted = NewDisk { file, mark: MARK, owner: OWNER, format, size_bytes: 1 << 20, content };
        disks.make(&wanted, &NoWatch)
    };
    for folder in [vms.clone(), other.clone(), other.join("tier1")] {
        let file = format!("{}/{OWNER}/disk-0.qcow2", folder.display());
        make(&file).unwrap();
        assert_eq!(disks.look(&file).unwrap().unwrap().owner, Some(OWNER));
        disks.delete(&file).unwrap();
        assert!(
            folder.is_dir() && !folder.join(OWNER.to_string()).exists(),
            "only the machine's own folder goes"
        );
    }
    std::os::unix::fs::symlink(temp.path().join("closed"), other.join("link")).unwrap();
    let at = |folder: &str| format!("{}/{folder}/{OWNER}/disk-0.qcow2", temp.path().display());
    for outside in ["closed", "other/link", "other/../closed", "other/none", "otherwise"] {
        let refused = make(&at(outside));
        assert!(matches!(refused, Err(Trouble::Refused(_))), "{outside}: {refused:?}");
    }
    assert!(fs::read_dir(temp.path().join("closed")).unwrap().next().is_none());
    // The other's folder is nobody's machine: empty as it may be, it stays.
    let mine = format!("{}/tier1/x.qcow2", other.display());
    disks.sweep(&mine, MARK).unwrap();
    assert!(other.join("tier1").is_dir());

    let path = |name: &str| format!("{}/{name}", other.display());
    disks.make_folder(&path("tier2")).unwrap();
    disks.make_folder(&path("tier2")).unwrap();
    assert!(disks.has_folder(&path("tier2")).unwrap() && !disks.has_folder(&path("tier3")).unwrap());
    for outside in [path("link/x"), path("../x"), "/srv/x".to_owned(), path("none/x")] {
        assert!(matches!(disks.make_folder(&outside), Err(Trouble::Refused(_))), "{outside}");
    }
}
