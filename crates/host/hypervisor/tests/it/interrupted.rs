//! Calls that do not return, and agents that die in them: what is said afterwards is true, and nothing is repeated.

use hostler_hypervisor::perform::LOOK_UP_LIMIT_MS;
use hostler_hypervisor::simulated::{CrashWhen, LibraryFile, Manners, What};
use hostler_hypervisor::{Machines, NoWatch, Performing, Turn};
use hostler_model::command::{Command, Definition, DiskContent, Outcome};
use hostler_model::hardware::{DiskFormat, GIB};
use hostler_model::library::{ItemKind, SeenItem};
use hostler_model::{Code, Timestamp, VmId};

use crate::bench::{Bench, FOLDER, definition, delete_disk, disk, domain, make_disk, mark};

/// The state a command is given, the command, and the effect that is counted for it.
type Row = (fn() -> Bench, Command, What);

fn table() -> Vec<Row> {
    let domain = domain(5);
    let mut adopted = definition(5).identity;
    adopted.vm = VmId(domain_of(9));
    let copy = Command::MakeDisk {
        file: disk(5, 2).file,
        owner: VmId(domain),
        format: DiskFormat::Qcow2,
        size_bytes: GIB,
        content: DiskContent::Copy { folder: LIBRARY.into(), path: "a".into(), format: DiskFormat::Qcow2 },
    };
    vec![
        (off, make_disk(5, 1), What::DiskMade),
        (off, copy, What::DiskMade),
        (with_file, delete_disk(5, 1), What::DiskDeleted),
        (with_definition, import(), What::Defined),
        (off, Command::MakeFolder { path: format!("{FOLDER}/tier1") }, What::FolderMade),
        (undefined, Command::Define { definition: Box::new(definition(5)) }, What::Defined),
        (off, Command::Undefine { domain }, What::Undefined),
        (off, Command::Start { domain }, What::Started),
        (obedient, Command::ShutDown { domain, limit_ms: 60_000 }, What::AskedToShutDown),
        (on, Command::TurnOff { domain }, What::TurnedOff),
        (on, Command::Pause { domain }, What::Paused),
        (paused, Command::Resume { domain }, What::Resumed),
        (on, Command::Reset { domain }, What::Reset),
        (on, Command::Save { domain }, What::Saved),
        (saved, Command::DiscardSaved { domain }, What::Discarded),
        (off, Command::SetHardware { domain, cpus: 3, memory_mib: 128 }, What::HardwareSet),
        (on, Command::Retitle { domain, title: "new".into() }, What::Retitled),
        (with_file, Command::AttachDisk { domain, disk: Box::new(disk(5, 1)) }, What::Attached),
        (
            obedient,
            Command::DetachDisk { domain, target: "vda".into(), file: disk(5, 0).file, limit_ms: 60_000 },
            What::AskedToDetach,
        ),
        (on, Command::SetMedia { domain, file: Some("/vms/library/a".into()) }, What::MediaSet),
        (off, Command::Adopt { identity: adopted }, What::Adopted),
        (
            off,
            Command::BringBase { folder: LIBRARY.into(), path: "a".into(), format: DiskFormat::Qcow2 },
            What::BaseBrought,
        ),
    ]
}

const LIBRARY: &str = "/vms/library";

/// A machine that nobody knows has its definition on the storage.
fn with_definition() -> Bench {
    let bench = off();
    let left = Definition { name: "left".into(), ..definition(7) };
    let hardware = hostler_model::hardware::Hardware { disks: Vec::new(), ..left.hardware.clone() };
    let folder = bench.host.folder(&format!("{FOLDER}/x")).unwrap();
    folder.put_definition(LEFT, Definition { hardware, ..left });
    bench
}

const LEFT: &str = "/vms/left/left.xml";

fn import() -> Command {
    let identity = definition(7).identity;
    let sha256 = format!("{:064x}", identity.domain.as_u128());
    Command::Import { file: LEFT.into(), sha256, identity, title: "left".into() }
}

fn domain_of(n: u128) -> uuid::Uuid {
    domain(n)
}

fn with_library(bench: Bench) -> Bench {
    let item = SeenItem {
        path: "a".into(),
        kind: ItemKind::Disk,
        size_bytes: 1 << 20,
        modified: Timestamp(0),
        image: None,
        problem: None,
    };
    let file = LibraryFile { item, sha256: "ab".into(), virtual_size_bytes: GIB };
    let path = format!("{LIBRARY}/a");
    bench.host.folder(&format!("{FOLDER}/x")).unwrap().put_library_file(&path, file);
    bench
}

fn undefined() -> Bench {
    let bench = Bench::new();
    bench.add_disk(5, 0);
    bench
}

fn off() -> Bench {
    with_library(Bench::with_machine(5))
}

fn with_file() -> Bench {
    let bench = off();
    bench.add_disk(5, 1);
    bench
}

fn on() -> Bench {
    with_library(Bench::with_running(5))
}

fn obedient() -> Bench {
    let bench = on();
    bench.host.set_manners(domain(5), Manners::GOOD);
    bench
}

fn paused() -> Bench {
    let bench = on();
    bench.host.pause(domain(5)).unwrap();
    bench
}

fn saved() -> Bench {
    let bench = on();
    bench.host.save(domain(5), &NoWatch).unwrap();
    bench
}

/// How often the effect took place over handles with the account "step".
fn times(bench: &Bench, what: What) -> u32 {
    let mut times = 0;
    bench.host.each_effect(|effect, n| {
        if effect.what == what && effect.by.as_deref() == Some("step") {
            times += n;
        }
    });
    times
}

fn is_true(what: What, outcome: &Outcome, times: u32, case: &str) {
    assert!(times <= 1, "{case}: {times} effects");
    match outcome {
        Outcome::Done { .. } => assert_eq!(times, 1, "{case}: done without an effect"),
        // A guest that was asked may still follow; bringing a base again is harmless.
        Outcome::Failed { refusal } if matches!(what, What::AskedToShutDown | What::BaseBrought) => {
            assert_eq!(refusal.code, Code::AgentInterrupted, "{case}");
        }
        Outcome::Failed { refusal } => {
            assert_eq!(refusal.code, Code::AgentInterrupted, "{case}");
            assert!(!refusal.remedy.is_empty(), "{case}: {refusal:?}");
            assert_eq!(times, 0, "{case}: failed with an effect");
        }
        Outcome::InDoubt { refusal } => {
            assert_eq!(refusal.code, Code::AgentOutcomeUnknown, "{case}");
            assert_eq!(what, What::Reset, "{case}: looking could have told");
        }
        other => panic!("{case}: {other:?}"),
    }
}

#[test]
fn what_is_said_of_a_call_that_did_not_return_is_true() {
    for when in [CrashWhen::Before, CrashWhen::Halfway, CrashWhen::After] {
        for dies in [false, true] {
            for (prepare, command, what) in table() {
                let case = format!("{} {when:?} dies {dies}", command.word());
                let bench = prepare();
                if dies {
                    bench.host.crash_at(1, when);
                } else {
                    bench.host.interrupt_at(1, when);
                }
                let marked = Bench { host: bench.host.by("step"), ..bench };
                let mut performing = Performing::new(command.clone(), mark("step"), false);
                if dies {
                    performing.turn(&marked.world(), 0, &NoWatch);
                    assert!(marked.host.crashed(), "{case}");
                    marked.host.agent_restarted();
                    performing = Performing::looking(command, mark("step"), false);
                }
                let outcome = marked.run_to_end(performing, &NoWatch);
                is_true(what, &outcome, times(&marked, what), &case);
                let folder = marked.host.folder(&format!("{FOLDER}/x")).unwrap();
                assert!(folder.partials().is_empty(), "{case}: an unfinished file remains");
            }
        }
    }
}

#[test]
fn every_command_takes_effect_once_when_nothing_is_in_its_way() {
    for (prepare, command, what) in table() {
        let bench = prepare();
        let marked = Bench { host: bench.host.by("step"), ..bench };
        let word = command.word();
        let outcome = marked.run(command);
        assert!(matches!(outcome, Outcome::Done { .. }), "{word}: {outcome:?}");
        assert_eq!(times(&marked, what), 1, "{word}");
    }
}

#[test]
fn while_libvirt_does_not_answer_an_interrupted_call_is_looked_up_later() {
    let bench = on();
    let mut performing = Performing::looking(Command::Start { domain: domain(5) }, mark("step"), false);
    bench.host.set_answers(false);
    assert!(matches!(performing.turn(&bench.world(), 0, &NoWatch), Turn::Wait { .. }));
    bench.host.set_answers(true);
    assert_eq!(performing.turn(&bench.world(), 1_000, &NoWatch), Turn::Ended(Outcome::done()));
}

#[test]
fn a_call_that_cannot_be_looked_up_is_in_doubt_in_the_end() {
    let bench = on();
    bench.host.set_answers(false);
    let performing = Performing::looking(Command::Start { domain: domain(5) }, mark("step"), false);
    let mut last = 0;
    let mut turns = performing;
    loop {
        match turns.turn(&bench.world(), last, &NoWatch) {
            Turn::Wait { ms } => last += ms,
            Turn::Ended(outcome) => {
                assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
                assert_eq!(last, LOOK_UP_LIMIT_MS);
                return;
            }
        }
    }
}

#[test]
fn a_dead_agent_s_calls_have_no_effect() {
    let bench = on();
    bench.host.crash_at(1, CrashWhen::After);
    assert!(bench.host.pause(domain(5)).is_err());
    assert!(bench.host.turn_off(domain(5)).is_err());
    assert!(bench.host.truth_of(domain(5)).unwrap().power.is_on());
}
