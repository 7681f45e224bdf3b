//! Agents that speak another version of the protocol than their server.

use hostler_client::{ClientError, How};
use hostler_model::Code;
use hostler_model::action::VmAction;
use hostler_model::job::JobState;
use hostler_model::network::NetworkKind;
use hostler_model::new_network::NewNetwork;
use hostler_model::status::VmStatus;
use hostler_testbed::{Site, Version, empty, taken};

use crate::migration::migrate;
use crate::sets::agree;

/// What is asked of the private network on this host becomes of the job: its state, and the code of its error.
fn network_on(site: &Site, host: &str) -> (JobState, Option<Code>) {
    let network = NewNetwork {
        name: format!("lab-{host}"),
        kind: NetworkKind::Private,
        hosts: vec![host.to_owned()],
        ..NewNetwork::default()
    };
    let asked = site.run(site.client().create_network(&network, &How::default())).unwrap();
    let job = site.ended(taken(asked).unwrap().job).unwrap().job;
    (job.state, job.error.map(|error| error.code))
}

#[test]
#[ignore = "needs root and libvirt"]
fn agents_of_the_protocol_before_and_of_the_next_one_work_and_what_one_does_not_know_is_said() {
    let mut site = Site::with_hosts(2).unwrap();
    for (name, version) in [("a", Version::Before), ("b", Version::Next)] {
        let host = site.host_named(name);
        host.agent_kill().unwrap();
        host.agent_start_as(version).unwrap();
        site.host_answers(name).unwrap();
        let id = site.run(site.client().host(name)).unwrap().host.id;
        let vm = format!("on-{name}");
        let mut ask = empty(&vm).unwrap();
        ask.host = Some(id);
        site.change(site.client().create_vm(&ask, &How::default())).unwrap();
        for action in [VmAction::Start, VmAction::Pause, VmAction::Resume] {
            site.doing(&vm, action).unwrap();
        }
        let screen = site.run(site.client().vm_screenshot(&vm, None)).unwrap();
        assert!(!screen.is_empty());
        // What others do is seen at once from both.
        let domain = site.vm(&vm).unwrap().vm.domain.to_string();
        site.host_named(name).virsh(&["destroy", &domain]).unwrap();
        site.becomes(&vm, VmStatus::Off).unwrap();
    }
    agree(&site);

    // Neither from the one before nor to it does a machine move: the step that it does not know has done nothing.
    for (vm, to) in [("on-a", "b"), ("on-b", "a")] {
        site.doing(vm, VmAction::Start).unwrap();
        match migrate(&site, vm, Some(to)) {
            Ok(view) if to == "b" => {
                let code = view.job.error.map(|error| error.code);
                assert_eq!((view.job.state, code), (JobState::FailedUndone, Some(Code::AgentUnsupported)));
            }
            Err(ClientError::Refused(why)) if to == "a" => assert!(why.cause.contains("upgrade it"), "{why}"),
            other => panic!("{other:?}"),
        }
        site.becomes(vm, VmStatus::Running).unwrap();
        site.doing(vm, VmAction::TurnOff).unwrap();
    }
    assert_eq!(network_on(&site, "a"), (JobState::FailedUndone, Some(Code::AgentUnsupported)));
    assert_eq!(network_on(&site, "b"), (JobState::Completed, None));
    let removed = |keep: bool| {
        let asked = site.run(site.client().remove_agent("a", false, keep, &How::default()));
        site.ended(taken(asked.unwrap()).unwrap().job).unwrap().job
    };
    for name in ["a", "b"] {
        site.change(site.client().delete_vm(&format!("on-{name}"), true, &How::default())).unwrap();
    }
    let error = removed(false).error.unwrap();
    assert!(error.code == Code::AgentUnsupported && error.remedy.contains("Upgrade the agent"), "{error}");
    assert_eq!(removed(true).state, JobState::Completed);
}
