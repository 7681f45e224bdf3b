//! A disk that is really full.

use hostler_client::How;
use hostler_model::Code;
use hostler_model::job::JobState;
use hostler_model::request::VmSource;
use hostler_model::status::VmStatus;
use hostler_model::template::Deploy;
use hostler_testbed::{Site, create, taken};

use crate::sets::{images, libvirt};
use crate::world::{guest_runs, library, read_token, with_seed};

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn deploying_onto_a_full_disk_fails_says_so_and_leaves_nothing() {
    let mut site = Site::with_host().unwrap();
    library(&mut site);
    let folder = site.host().vm_folder();
    // Seen inside the host alone, so looked at from there.
    site.host().shell(&format!("mount -t tmpfs -o size=8M,mode=711 tmpfs {}", folder.display())).unwrap();
    let from = VmSource::Disk { item: site.item("tiny-linux").unwrap(), deploy: Deploy::Copy };
    let asked = site.run(site.client().create_vm(&create("big", from).unwrap(), &How::default())).unwrap();
    let job = site.ended(taken(asked).unwrap().job).unwrap().job;
    assert_eq!(job.error.as_ref().map(|error| error.code), Some(Code::DiskFull), "{job:?}");
    assert_eq!(job.state, JobState::FailedUndone, "{job:?}");
    assert!(site.vms().unwrap().is_empty());
    assert!(libvirt(&site.hosts[0]).unwrap().is_empty());
    assert_eq!(site.hosts[0].shell(&format!("find {} -mindepth 1", folder.display())).unwrap(), "");
    assert!(images(&folder).unwrap().is_empty());
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_machine_that_fills_its_storage_is_shown_paused_and_goes_on_when_there_is_space() {
    let mut site = Site::with_host().unwrap();
    let template = library(&mut site);
    let folder = site.host().vm_folder();
    site.host()
        .shell(&format!(
            "mount -t tmpfs -o size=48M,mode=711 tmpfs {0}; head -c 32M /dev/zero > {0}/ballast",
            folder.display()
        ))
        .unwrap();
    let mut web = with_seed(create("web", VmSource::Template { template }).unwrap());
    web.start = true;
    let made = site.run(site.client().create_vm(&web, &How::default())).unwrap();
    site.done(taken(made).unwrap().job).unwrap();
    read_token(&site, "web");
    let disk = hostler_model::body::NewDisk::of_size(64 << 20);
    site.change(site.client().attach_disk("web", &disk, &How::default())).unwrap();
    guest_runs(
        &site,
        "web",
        "(sleep 1; dd if=/dev/urandom of=/dev/vdc bs=1M count=40; sync; echo written > /run/done) > /dev/null 2>&1 &",
    );
    site.becomes("web", VmStatus::PausedStorageFull).unwrap();

    // Whoever comes back finds it as it is.
    site.host().agent_kill().unwrap();
    site.host().libvirtd_kill().unwrap();
    site.restart_server().unwrap();
    site.host().agent_start().unwrap();
    site.host().libvirtd_start().unwrap();
    site.host_answers("a").unwrap();
    site.becomes("web", VmStatus::PausedStorageFull).unwrap();

    site.host().shell(&format!("rm {0}/ballast; mount -o remount,size=128M {0}", folder.display())).unwrap();
    site.doing("web", hostler_model::action::VmAction::Resume).unwrap();
    let done = guest_runs(
        &site,
        "web",
        "n=0; while [ ! -e /run/done ] && [ $n -lt 60 ]; do sleep 1; n=$((n+1)); done; cat /run/done",
    );
    assert_eq!(done, "written");
    assert_eq!(site.vm("web").unwrap().status, VmStatus::Running);
}
