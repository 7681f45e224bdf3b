//! Disks are made and removed by mark and owner, definitions by identity.

use hostler_hypervisor::{Disks, Machines, NewDisk, NoWatch};
use hostler_model::command::Command;
use hostler_model::command::DiskContent;
use hostler_model::command::{Answer, Outcome};
use hostler_model::hardware::DiskFormat;
use hostler_model::hardware::GIB;
use hostler_model::seen::Power;
use hostler_model::{Code, VmId};
use uuid::Uuid;

use crate::bench::{Bench, definition, delete_disk, disk, domain, make_disk, mark};

fn code(outcome: &Outcome) -> Code {
    match outcome {
        Outcome::Failed { refusal } | Outcome::Refused { refusal } | Outcome::InDoubt { refusal } => {
            refusal.code
        }
        other => panic!("{other:?}"),
    }
}

/// A file of machine 5 made by this step, or by another.
fn file_of(bench: &Bench, owner: u128, mark: &str) {
    let wanted = NewDisk {
        file: &disk(5, 0).file,
        mark,
        owner: VmId(domain(owner)),
        format: DiskFormat::Qcow2,
        size_bytes: GIB,
        content: &DiskContent::Blank,
    };
    bench.host.make(&wanted, &NoWatch).unwrap();
}

fn is_there(bench: &Bench) -> bool {
    bench.host.look(&disk(5, 0).file).unwrap().is_some()
}

#[test]
fn a_disk_that_an_earlier_attempt_of_the_step_made_is_done() {
    let bench = Bench::new();
    let made = Outcome::Done { answer: Answer::Disk { size_bytes: GIB } };
    assert_eq!(bench.run(make_disk(5, 0)), made);
    assert_eq!(bench.run(make_disk(5, 0)), made);
    assert_eq!(bench.host.effects().values().sum::<u32>(), 1);
}

#[test]
fn a_disk_is_not_made_where_another_step_s_file_lies() {
    let bench = Bench::new();
    file_of(&bench, 5, "another");
    let outcome = bench.run(make_disk(5, 0));
    assert!(matches!(outcome, Outcome::Refused { .. }));
    assert_eq!(code(&outcome), Code::GuardRefused);
}

#[test]
fn an_undo_removes_what_its_step_made_and_nothing_else() {
    let own = mark("step").to_string();
    for (made_by, stays) in [(own.as_str(), false), ("another", true)] {
        let bench = Bench::new();
        file_of(&bench, 5, made_by);
        assert_eq!(bench.undo(delete_disk(5, 0)), Outcome::done());
        assert_eq!(is_there(&bench), stays, "{made_by}");
    }
    let bench = Bench::new();
    assert_eq!(bench.undo(delete_disk(5, 0)), Outcome::done(), "nothing there is done");
}

#[test]
fn a_delete_removes_the_machine_s_own_file_whoever_made_it() {
    for (owner, stays) in [(5, false), (6, true)] {
        let bench = Bench::new();
        file_of(&bench, owner, "another");
        let outcome = bench.run(delete_disk(5, 0));
        assert_eq!(matches!(outcome, Outcome::Refused { .. }), stays, "{outcome:?}");
        assert_eq!(is_there(&bench), stays);
    }
}

#[test]
fn a_file_that_bears_no_owner_is_not_deleted() {
    let bench = Bench::new();
    let file = disk(5, 0).file;
    bench.host.folder(&file).unwrap().put_file(&file, None, GIB);
    assert!(matches!(bench.run(delete_disk(5, 0)), Outcome::Refused { .. }));
    assert!(is_there(&bench));
}

#[test]
fn a_disk_in_use_is_kept_by_delete_and_by_undo() {
    let bench = Bench::new();
    file_of(&bench, 5, &mark("step").to_string());
    bench.host.define(&definition(5)).unwrap();
    for outcome in [bench.run(delete_disk(5, 0)), bench.undo(delete_disk(5, 0))] {
        assert!(matches!(outcome, Outcome::Refused { .. }));
        assert_eq!(code(&outcome), Code::DiskInUse);
    }
    assert!(is_there(&bench));
}

#[test]
fn an_undone_definition_is_kept_while_the_machine_is_on() {
    let bench = Bench::with_running(5);
    let outcome = bench.undo(Command::Undefine { domain: domain(5) });
    let Outcome::Refused { refusal } = &outcome else { panic!("{outcome:?}") };
    assert!(refusal.cause.starts_with("kept: it is running"), "{refusal}");
    bench.host.turn_off(domain(5)).unwrap();
    assert_eq!(bench.undo(Command::Undefine { domain: domain(5) }), Outcome::done());
    assert_eq!(bench.undo(Command::Undefine { domain: domain(5) }), Outcome::done());
}

#[test]
fn a_definition_of_an_earlier_attempt_is_done_and_a_stranger_s_is_refused() {
    let bench = Bench::with_machine(5);
    let define = || Command::Define { definition: Box::new(definition(5)) };
    assert_eq!(bench.run(define()), Outcome::done());
    let mut other = definition(5).identity;
    other.vm = VmId(Uuid::from_u128(99));
    bench.host.adopt(&other).unwrap();
    assert!(matches!(bench.run(define()), Outcome::Refused { .. }));
}

#[test]
fn a_disk_of_another_machine_is_not_attached() {
    let bench = Bench::with_machine(5);
    bench.add_disk(6, 0);
    bench.host.define(&definition(6)).unwrap();
    let mut stolen = disk(6, 0);
    stolen.no = 1;
    let outcome = bench.run(Command::AttachDisk { domain: domain(5), disk: Box::new(stolen) });
    assert_eq!(code(&outcome), Code::DiskInUse);
}

#[test]
fn turning_a_saved_machine_off_discards_its_saved_state() {
    let bench = Bench::with_running(5);
    bench.host.save(domain(5), &NoWatch).unwrap();
    assert_eq!(bench.run(Command::TurnOff { domain: domain(5) }), Outcome::done());
    assert_eq!(bench.host.truth_of(domain(5)).unwrap().power, Power::Off);
}

#[test]
fn a_command_for_a_machine_that_is_not_there_is_refused_as_such() {
    let bench = Bench::new();
    for command in [
        Command::Start { domain: domain(5) },
        Command::TurnOff { domain: domain(5) },
        Command::Retitle { domain: domain(5), title: "x".into() },
    ] {
        let outcome = bench.run(command);
        assert!(matches!(outcome, Outcome::Refused { .. }));
        assert_eq!(code(&outcome), Code::HypervisorNoVm);
    }
    assert_eq!(
        bench.run(Command::ReadVm { domain: domain(5) }),
        Outcome::Done { answer: Answer::Vm { seen: None } }
    );
}

#[test]
fn what_is_already_so_is_done_without_an_effect() {
    let bench = Bench::with_running(5);
    let before = bench.host.effects();
    let identity = definition(5).identity;
    for command in [
        Command::SetHardware { domain: domain(5), cpus: 1, memory_mib: 64 },
        Command::Retitle { domain: domain(5), title: "web-5".into() },
        Command::SetMedia { domain: domain(5), file: None },
        Command::Adopt { identity },
        Command::AttachDisk { domain: domain(5), disk: Box::new(disk(5, 0)) },
    ] {
        let word = command.word();
        assert_eq!(bench.run(command), Outcome::done(), "{word}");
    }
    assert_eq!(bench.host.effects(), before);
}

#[test]
fn a_full_folder_fails_the_making_and_pauses_who_runs_on_it() {
    let bench = Bench::with_running(5);
    let folder = bench.host.folder(&disk(5, 0).file).unwrap();
    folder.fill();
    assert_eq!(code(&bench.run(make_disk(5, 1))), Code::DiskFull);
    bench.pass(1);
    let power = || bench.host.truth_of(domain(5)).unwrap().power;
    assert_eq!(power(), Power::PausedStorageFull);
    assert_eq!(bench.run(Command::Resume { domain: domain(5) }), Outcome::done());
    bench.pass(1);
    assert_eq!(power(), Power::PausedStorageFull, "resumed too early it stops again");
    folder.free_up();
    assert_eq!(bench.run(Command::Resume { domain: domain(5) }), Outcome::done());
    bench.pass(1);
    assert_eq!(power(), Power::Running);
}

#[test]
fn without_the_image_lock_a_file_open_twice_is_noticed() {
    let bench = Bench::with_running(5);
    let file = disk(5, 0).file;
    let folder = bench.host.folder(&file).unwrap();
    let other = hostler_hypervisor::simulated::SimulatedHost::new(2, "/own", GIB);
    other.mount("/vms", folder.clone());
    other.define(&definition(5)).unwrap();
    assert!(other.start(domain(5)).is_err());
    other.set_locks_images(false);
    other.start(domain(5)).unwrap();
    assert_eq!(folder.opened_twice(), [file]);
    bench.host.turn_off(domain(5)).unwrap();
    assert!(folder.opened_twice().is_empty());
}
