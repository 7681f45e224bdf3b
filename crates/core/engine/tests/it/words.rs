//! What is refused or failed is told in people's words, with a remedy that fits.

use hostler_model::command::Outcome;
use hostler_model::host::HostFacts;
use hostler_model::request::Request;
use hostler_model::seen::Power;
use hostler_model::vm::{Origin, Presence};
use hostler_model::{Code, InstallationId, JobId, Object, Refusal};
use uuid::Uuid;

use crate::world::*;

#[test]
fn what_a_host_says_of_a_domain_is_told_of_the_machine_by_its_name() {
    let mut world = World::with_vms(1, &[Power::Running]);
    let (vm, domain) = (vm_id(1), vm_id(1).0);
    let job = world.ask(Request::ShutDownVm { vm, limit_s: None }).unwrap();
    let cause = format!("the guest did not shut down; domain {domain} is running, domain 7 is not");
    let refusal = Refusal::new(Code::GuestIgnored, format!("domain {domain}"), cause);
    world.answer(job, "shut-down", Outcome::Failed { refusal });
    let error = world.jobs[&job].error.clone().unwrap();
    assert_eq!(
        error.to_string(),
        "vm vm-1: the guest did not shut down; vm vm-1 is running, domain 7 is not"
    );
}

#[test]
fn while_the_hypervisor_is_silent_nothing_is_asked_of_it_and_the_refusal_says_so() {
    let mut world = World::with_vms(1, &[Power::Off]);
    world.computer(0, HostFacts { libvirt_answers: false, ..facts(0) });
    let refused = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap_err();
    assert_eq!((refused.code, refused.object.as_str()), (Code::HostNotResponding, "vm vm-1"));
    assert!(refused.cause.contains("hypervisor") && refused.remedy.contains("libvirtd"), "{refused:?}");
    world.computer(0, facts(0));
    world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
}

#[test]
fn a_job_that_has_ended_is_told_from_one_that_never_was() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let job = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap();
    world.done(job, "start");
    for refused in [world.cancel(job), world.abandon(job)] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, Code::JobEnded);
        assert!(!refused.cause.contains("no such job") && !refused.remedy.is_empty(), "{refused:?}");
    }
    let never = JobId(job.0 + 1);
    for refused in [world.cancel(never), world.abandon(never)] {
        assert_eq!(refused.unwrap_err().code, Code::ObjectNotFound);
    }
    let told = world.jobs[&job].has_ended().unwrap();
    let ended = world.jobs[&job].ended.unwrap().to_string();
    assert!(told.cause.contains(&ended) && told.cause.ends_with("completed"), "{told:?}");
}

#[test]
fn what_a_job_was_about_is_called_by_its_name_when_it_is_gone() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let request = Request::DeleteVm { vm: vm_id(1), disks: false };
    let job = world.ask(request.clone()).unwrap();
    world.done(job, "undefine");
    let refused = world.ask(request).unwrap_err();
    let told = world.jobs[&job].in_its_words(refused);
    assert_eq!((told.code, told.object.as_str()), (Code::ObjectNotFound, "vm vm-1"));
    assert!(!told.remedy.is_empty());
}

#[test]
fn a_machine_that_another_installation_took_is_adopted_back_and_one_that_is_ours_need_not_be() {
    let mut taken = machine(2, 0, Power::Off);
    taken.origin = Origin::Adopted;
    taken.presence = Presence::Elsewhere { installation: InstallationId(Uuid::from_u128(9)) };
    let ours = machine(1, 0, Power::Off);
    let mut world = World::with(1, vec![Object::from(ours), Object::from(taken)]);
    let refused = world.ask(Request::AdoptVm { vm: vm_id(1) }).unwrap_err();
    assert!(refused.cause.contains("managed already") && !refused.remedy.is_empty(), "{refused:?}");
    world.ask(Request::AdoptVm { vm: vm_id(2) }).unwrap();
}

#[test]
fn one_machine_is_not_machines_and_what_forces_is_named() {
    let mut world = World::with_vms(1, &[Power::Off]);
    let refused = world.ask(Request::RemoveAgent { agent: agent(0), force: false, keep: false }).unwrap_err();
    assert_eq!(refused.cause, "its computer has 1 machine and 0 library shares in the record");
    assert!(refused.remedy.contains("--force"));
}
