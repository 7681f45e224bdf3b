//! Folders in which a host may keep machines: where new machines and disks are made, and who shares what.

use hostler_model::command::Command;
use hostler_model::host::{EditHost, HostFacts};
use hostler_model::job::{Act, JobState};
use hostler_model::machine_folder::MachineFolder;
use hostler_model::request::Request;
use hostler_model::seen::Power;
use hostler_model::{Code, HostId, JobId};

use crate::world::{World, agent, create, facts};

fn folder(path: &str, id: &str) -> MachineFolder {
    MachineFolder { path: path.into(), id: id.into() }
}

/// A computer that allows its usual folder, one of its own and one that others see.
fn with_folders(n: u128) -> HostFacts {
    let own = format!("own-{n}");
    let machine_folders = vec![folder("/vms", "shared"), folder("/srv/own", &own), folder("/srv/san", "san")];
    HostFacts { machine_folders, ..facts(n) }
}

fn host(n: u128) -> HostId {
    agent(n).into()
}

fn set_path(world: &mut World, path: Option<&str>) -> Result<JobId, hostler_model::Refusal> {
    let edit = EditHost { vm_path: Some(path.map(str::to_owned)), ..EditHost::default() };
    world.ask(Request::EditHost { host: host(0), edit })
}

/// The file that the step of a job makes.
fn made(world: &World, job: JobId) -> String {
    let step = world.jobs[&job].step("make-disk").unwrap().clone();
    match step.act {
        Act::Agent { command, .. } => match *command {
            Command::MakeDisk { file, .. } => file,
            other => panic!("{other:?}"),
        },
        Act::Record | Act::Server { .. } => panic!("no command"),
    }
}

/// The host does what the creation of a machine asks of it.
fn finish(world: &mut World, job: JobId) {
    world.done(job, "make-disk");
    world.done(job, "define");
    assert_eq!(world.state(job), JobState::Completed);
}

#[test]
fn a_default_path_lies_within_what_the_host_allows() {
    let mut world = World::new(1);
    world.computer(0, with_folders(0));
    for inside in ["/vms", "/srv/own", "/srv/own/tier1/fast"] {
        set_path(&mut world, Some(inside)).unwrap();
    }
    for outside in ["/etc", "/srv", "/srv/owner", "/srv/own/../san", "srv/own", "/srv/own/", "/", ""] {
        let refused = set_path(&mut world, Some(outside)).unwrap_err();
        assert_eq!(refused.code, Code::PathForbidden, "{outside}");
    }
    let refused = set_path(&mut world, Some("/data")).unwrap_err();
    assert!(refused.cause.contains("/vms, /srv/own, /srv/san"), "{refused}");
    assert!(refused.remedy.contains("machine_folders"), "{}", refused.remedy);
    let too_deep = set_path(&mut world, Some("/srv/own/1/2/3/4/5/6/7/8")).unwrap_err();
    assert!(too_deep.cause.contains("deeper"), "{too_deep}");
}

#[test]
fn new_machines_are_made_in_the_hosts_default_path_unless_another_is_named() {
    let mut world = World::new(1);
    world.computer(0, with_folders(0));
    let usual = world.ask(create("usual")).unwrap();
    assert!(made(&world, usual).starts_with("/vms/"));
    finish(&mut world, usual);
    set_path(&mut world, Some("/srv/own/tier1")).unwrap();
    let job = world.ask(create("deep")).unwrap();
    assert!(made(&world, job).starts_with("/srv/own/tier1/"), "{}", made(&world, job));
    finish(&mut world, job);
    let named = |name: &str, path: &str| {
        let Request::CreateVm(mut ask) = create(name) else { unreachable!() };
        (ask.path, ask.host) = (Some(path.to_owned()), Some(host(0)));
        Request::CreateVm(ask)
    };
    let job = world.ask(named("named", "/srv/san")).unwrap();
    assert!(made(&world, job).starts_with("/srv/san/"));
    finish(&mut world, job);
    assert_eq!(world.ask(named("nowhere", "/etc")).unwrap_err().code, Code::PathForbidden);
    set_path(&mut world, None).unwrap();
    let job = world.ask(create("again")).unwrap();
    assert!(made(&world, job).starts_with("/vms/"));
}

#[test]
fn a_host_whose_default_path_is_allowed_no_more_gets_no_machines_and_says_why() {
    let mut world = World::new(2);
    world.computer(0, with_folders(0));
    set_path(&mut world, Some("/srv/own")).unwrap();
    world.computer(0, facts(0));
    let job = world.ask(create("other")).unwrap();
    let on = world.jobs[&job].step("make-disk").unwrap().clone();
    assert!(matches!(on.act, Act::Agent { agent: on, .. } if on == agent(1)), "the other host takes it");
    let Request::CreateVm(mut ask) = create("here") else { unreachable!() };
    ask.host = Some(host(0));
    let refused = world.ask(Request::CreateVm(ask)).unwrap_err();
    assert_eq!(refused.code, Code::PlacementHostUnsuitable);
    assert!(refused.cause.contains("/srv/own cannot take it"), "{refused}");
}

#[test]
fn a_new_disk_lies_beside_those_that_the_machine_has() {
    let mut world = World::new(1);
    world.computer(0, with_folders(0));
    let Request::CreateVm(mut ask) = create("web") else { unreachable!() };
    ask.path = Some("/srv/san".into());
    let job = world.ask(Request::CreateVm(ask)).unwrap();
    world.done(job, "make-disk");
    world.done(job, "define");
    assert_eq!(world.state(job), JobState::Completed);
    let vm = world.vm_of(job);
    world.shows(0, crate::world::ours(vm, Power::Off));
    set_path(&mut world, Some("/srv/own")).unwrap();
    let job = world.ask(Request::AttachDisk { vm, size_bytes: 1 << 30 }).unwrap();
    assert!(made(&world, job).starts_with(&format!("/srv/san/{vm}/")), "{}", made(&world, job));
}

#[test]
fn a_machine_moves_by_itself_only_to_who_shares_the_folder_of_its_disks() {
    // The folder of its disk, what the other host allows besides the usual folder, and whether it moves.
    let table: [(&str, Vec<MachineFolder>, bool); 5] = [
        ("/vms", vec![], true),
        ("/srv/san", vec![folder("/srv/san", "san")], true),
        ("/srv/san", vec![folder("/srv/san", "another")], false),
        ("/srv/san", vec![folder("/mnt/san", "san")], false),
        ("/srv/own", vec![folder("/srv/own", "own-1")], false),
    ];
    for (path, more, moves) in table {
        let mut world = World::with_vms(2, &[]);
        world.computer(0, with_folders(0));
        let mut there = facts(1);
        there.machine_folders = [vec![folder("/vms", "shared")], more].concat();
        world.computer(1, there);
        let Request::CreateVm(mut ask) = create("web") else { unreachable!() };
        (ask.path, ask.host) = (Some(path.into()), Some(host(0)));
        let job = world.ask(Request::CreateVm(ask)).unwrap();
        world.done(job, "make-disk");
        world.done(job, "define");
        let vm = world.vm_of(job);
        world.shows(0, crate::world::ours(vm, Power::Running));
        let asked = world.ask(Request::MigrateVm { vm, to: None });
        match asked {
            Ok(_) => assert!(moves, "{path}"),
            Err(refused) => {
                assert!(!moves, "{path}: {refused}");
                assert!(refused.cause.contains("does not share the folder"), "{refused}");
            }
        }
    }
}

#[test]
fn a_folder_is_made_by_the_host_within_what_it_allows() {
    let mut world = World::new(1);
    world.computer(0, with_folders(0));
    let make = |path: &str| Request::MakeFolder { host: host(0), path: path.into() };
    let job = world.ask(make("/srv/own/tier1")).unwrap();
    world.done(job, "make-folder");
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.ask(make("/etc/tier1")).unwrap_err().code, Code::PathForbidden);
    world.lose(0);
    assert_eq!(world.ask(make("/srv/own/tier2")).unwrap_err().code, Code::HostNotResponding);
}
