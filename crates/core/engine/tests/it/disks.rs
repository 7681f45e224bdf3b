//! Disks that were detached: the machine's still, as long as their files are there.

use hostler_model::command::{Command, Outcome};
use hostler_model::hardware::{Bus, Disk, DiskFormat};
use hostler_model::job::{Act, JobState};
use hostler_model::request::Request;
use hostler_model::seen::{Power, SeenDisk};
use hostler_model::vm::Vm;
use hostler_model::{Code, JobId, Object, VmId};

use crate::world::*;

fn disk(no: u32) -> Disk {
    let file = format!("/vms/1/disk-{no}.qcow2");
    let (format, bus) = (DiskFormat::Qcow2, Bus::Virtio);
    Disk { no, file, format, size_bytes: 1 << 30, bus, base: None, seed: false }
}

/// A machine that is off and has two disks.
fn world() -> (World, VmId) {
    let mut vm: Vm = machine(1, 0, Power::Off);
    vm.spec.hardware.disks = vec![disk(0), disk(1)];
    let id = vm.id;
    (World::with(1, vec![Object::from(vm)]), id)
}

fn numbers(disks: &[Disk]) -> Vec<u32> {
    disks.iter().map(|disk| disk.no).collect()
}

/// The numbers of the disks that the record names, attached and detached.
fn named(world: &World, vm: VmId) -> (Vec<u32>, Vec<u32>) {
    let spec = &world.vm(vm).spec;
    (numbers(&spec.hardware.disks), numbers(&spec.detached))
}

fn detach(world: &mut World, vm: VmId, disk: u32, delete: bool) -> JobId {
    world.ask(Request::DetachDisk { vm, disk, delete }).unwrap()
}

/// The files that a job's steps delete.
fn deleted(world: &World, job: JobId) -> Vec<String> {
    let file = |act: &Act| match act {
        Act::Agent { command, .. } => match &**command {
            Command::DeleteDisk { file, .. } => Some(file.clone()),
            _ => None,
        },
        Act::Record | Act::Server { .. } => None,
    };
    world.jobs[&job].steps.iter().filter_map(|step| file(&step.act)).collect()
}

#[test]
fn a_detached_disk_keeps_its_number_and_can_be_attached_again() {
    let (mut world, vm) = world();
    let job = detach(&mut world, vm, 1, false);
    world.done(job, "detach-disk");
    assert_eq!((world.state(job), named(&world, vm)), (JobState::Completed, (vec![0], vec![1])));

    // A new disk does not take its place.
    let job = world.ask(Request::AttachDisk { vm, size_bytes: 1 << 20 }).unwrap();
    world.done(job, "make-disk");
    world.done(job, "attach-disk");
    assert_eq!(named(&world, vm), (vec![0, 2], vec![1]));

    let job = world.ask(Request::ReattachDisk { vm, disk: 1 }).unwrap();
    world.done(job, "attach-disk");
    assert_eq!((world.state(job), named(&world, vm)), (JobState::Completed, (vec![0, 1, 2], vec![])));
    assert_eq!(world.vm(vm).spec.hardware.disks[1], disk(1), "what is on it is what was on it");

    let again = world.ask(Request::ReattachDisk { vm, disk: 1 }).unwrap_err();
    assert_eq!((again.code, again.object.as_str()), (Code::ObjectInUse, "disk 1 of vm vm-1"));
}

#[test]
fn a_disk_that_cannot_be_attached_again_stays_among_the_detached() {
    let (mut world, vm) = world();
    let job = detach(&mut world, vm, 1, false);
    world.done(job, "detach-disk");
    let job = world.ask(Request::ReattachDisk { vm, disk: 1 }).unwrap();
    world.answer(job, "attach-disk", Outcome::Failed { refusal: trouble() });
    assert!(!world.state(job).is_success());
    assert_eq!(named(&world, vm), (vec![0], vec![1]));
}

#[test]
fn the_record_names_a_disks_file_until_it_is_deleted() {
    let (mut world, vm) = world();
    let job = detach(&mut world, vm, 1, true);
    world.done(job, "detach-disk");
    world.answer(job, "delete-disk", Outcome::Failed { refusal: trouble() });
    assert_eq!(world.state(job), JobState::CompletedWithWarnings);
    assert_eq!(named(&world, vm), (vec![0], vec![1]), "its file is there still");

    let refused = world.ask(Request::DetachDisk { vm, disk: 1, delete: false }).unwrap_err();
    assert!(refused.cause.contains("detached already") && refused.remedy.contains("--delete"), "{refused:?}");

    let job = detach(&mut world, vm, 1, true);
    world.done(job, "delete-disk");
    assert_eq!((world.state(job), named(&world, vm)), (JobState::Completed, (vec![0], vec![])));
    assert_eq!(deleted(&world, job), ["/vms/1/disk-1.qcow2"]);

    let job = detach(&mut world, vm, 0, true);
    world.done(job, "detach-disk");
    world.done(job, "delete-disk");
    assert_eq!((world.state(job), named(&world, vm)), (JobState::Completed, (vec![], vec![])));
}

#[test]
fn with_a_machine_and_its_disks_the_detached_ones_are_deleted_and_forgotten_they_stay() {
    for disks in [true, false] {
        let (mut world, vm) = world();
        let job = detach(&mut world, vm, 1, false);
        world.done(job, "detach-disk");
        let job = world.ask(Request::DeleteVm { vm, disks }).unwrap();
        world.done(job, "undefine");
        for n in 0..deleted(&world, job).len() {
            world.done(job, &format!("delete-disk-{n}"));
        }
        assert_eq!(world.state(job), JobState::Completed);
        let files = deleted(&world, job);
        assert_eq!(files.iter().any(|file| file == "/vms/1/disk-1.qcow2"), disks, "{files:?}");
    }
}

#[test]
fn how_large_a_found_machines_disks_are_is_learnt_when_its_host_says_it() {
    let mut world = World::new(1);
    let known = |size_bytes| {
        let mut seen = ours(vm_id(7), Power::Off);
        let disk = |target: &str, file: &str, size_bytes| SeenDisk {
            target: target.into(),
            file: Some(file.into()),
            format: DiskFormat::Qcow2,
            bus: Bus::Virtio,
            size_bytes,
            dvd: false,
        };
        seen.disks = vec![disk("vda", "/vms/7/disk-0.qcow2", size_bytes), disk("vdb", "/elsewhere/b", None)];
        seen
    };
    let sizes = |world: &World| -> Vec<u64> {
        world.vm(vm_id(7)).spec.hardware.disks.iter().map(|disk| disk.size_bytes).collect()
    };
    world.shows(0, known(None));
    assert_eq!(sizes(&world), [0, 0], "unknown");
    world.shows(0, known(Some(5 << 30)));
    assert_eq!(sizes(&world), [5 << 30, 0]);

    let mut world = World::new(1);
    world.shows(0, known(Some(5 << 30)));
    assert_eq!(sizes(&world), [5 << 30, 0]);
}
