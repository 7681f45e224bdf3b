//! Machines that move between two hosts while they run.

use hostler_client::{Changed, ClientError, How};
use hostler_model::Code;
use hostler_model::action::VmAction;
use hostler_model::body::Migrate;
use hostler_model::job::JobState;
use hostler_model::status::VmStatus;
use hostler_model::view::JobView;
use hostler_testbed::Site;

/// Two hosts whose machines lie in the folder that both see.
fn sharing() -> Site {
    let mut site = Site::with_hosts(2).unwrap();
    for host in &mut site.hosts {
        let vms = host.shared().join("vms");
        host.agent_kill().unwrap();
        host.agent_set(&format!("vm_folder = \"{}\"", vms.display())).unwrap();
        host.agent_set("base_folder = \"/var/lib/libvirt/bases\"").unwrap();
        host.agent_start().unwrap();
    }
    for name in ["a", "b"] {
        site.until("the shared folder is known", std::time::Duration::from_secs(60), async |client| {
            let host = client.host(name).await?;
            Ok((host.answers && host.host.facts.vm_folder.ends_with("/shared/vms")).then_some(()))
        })
        .unwrap();
    }
    site
}

/// The host on which a machine is, by name.
fn host_of(site: &Site, vm: &str) -> String {
    site.vm(vm).unwrap().host_name.unwrap()
}

fn other(host: &str) -> &'static str {
    if host == "a" { "b" } else { "a" }
}

fn migrate(site: &Site, vm: &str, to: Option<&str>) -> Result<JobView, ClientError> {
    let body = Migrate { to: to.map(str::to_owned) };
    match site.run(site.client().migrate_vm(vm, &body, &How::default()))? {
        Changed::Taken(taken) => Ok(site.ended(taken.job).unwrap()),
        Changed::Planned(_) => panic!("a plan in place of a job"),
    }
}

/// What libvirt says on a host of a machine; nothing when it has none.
fn on(site: &mut Site, host: &str, domain: &str) -> String {
    let said = site.host_named(host).virsh(&["domstate", domain]);
    said.map(|said| said.trim().to_owned()).unwrap_or_default()
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_running_machine_moves_to_the_other_host_and_back_and_runs_on_one_of_them_alone() {
    let mut site = sharing();
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let domain = site.vm("web").unwrap().vm.domain.to_string();
    for named in [true, false] {
        let from = host_of(&site, "web");
        let to = other(&from);
        let job = migrate(&site, "web", named.then_some(to)).unwrap();
        assert_eq!(job.job.state, JobState::Completed, "{:?} {:?}", job.job.error, job.job.warnings);
        site.becomes("web", VmStatus::Running).unwrap();
        assert_eq!(host_of(&site, "web"), to);
        assert_eq!(on(&mut site, to, &domain), "running");
        assert_eq!(on(&mut site, &from, &domain), "", "nothing of it is left where it was");
        // It is defined there, and not only for as long as it runs.
        assert!(
            site.host_named(to)
                .virsh(&["list", "--all", "--persistent", "--uuid"])
                .unwrap()
                .contains(&domain)
        );
    }
    // No door stays open, no socket, no mark.
    for host in &site.hosts {
        assert_eq!(host.shell("ss -Hltn 'sport >= 49300 and sport <= 49399'").unwrap().trim(), "");
        assert_eq!(host.shell("ls -A /run/libvirt/hostler").unwrap().trim(), "");
        assert_eq!(
            host.shell(&format!("find {} -name '.*.move'", host.shared().display())).unwrap().trim(),
            ""
        );
    }
    site.doing("web", VmAction::TurnOff).unwrap();
    site.doing("web", VmAction::Start).unwrap();
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_machine_whose_disks_the_other_host_does_not_see_stays_and_runs_on() {
    let mut site = Site::with_hosts(2).unwrap();
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let from = host_of(&site, "web");
    let refused = migrate(&site, "web", None).unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused(refusal) if refusal.code == Code::PlacementNoHost),
        "{refused}"
    );
    let job = migrate(&site, "web", Some(other(&from))).unwrap();
    assert_eq!(job.job.state, JobState::FailedUndone);
    let error = job.job.error.unwrap();
    assert_eq!(error.code, Code::MigrationUnsuitable, "{error}");
    assert_eq!(host_of(&site, "web"), from);
    site.becomes("web", VmStatus::Running).unwrap();
    let domain = site.vm("web").unwrap().vm.domain.to_string();
    assert_eq!(on(&mut site, other(&from), &domain), "");
}
