//! How what changes on hosts comes into the record: by itself, and by refreshers where nothing told of it.

use std::time::Duration;

use hostler_client::{How, JobsQuery};
use hostler_model::access::Actor;
use hostler_model::action::VmAction;
use hostler_model::body::NewShare;
use hostler_model::host::EditHost;
use hostler_model::refresher::{LookView, RunRefresher, VmLookView};
use hostler_model::seen::{Power, Seen};
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::view::{JobView, PropertyChangeView};
use hostler_model::{Code, Name};
use hostler_testbed::{Host, Site, Trouble, empty, taken};
use serde_json::{Value, json};

/// One and two seconds are promised; the bench measures, and a busy computer takes longer.
const SEEN: Duration = Duration::from_secs(60);

/// Waits until a machine is seen like that.
fn seen(site: &Site, vm: &str, what: &str, is: impl Fn(&Seen) -> bool) {
    let looked = site.until(&format!("{vm}: {what}"), SEEN, async |client| {
        let view = client.vm(vm, None).await?;
        Ok(view.vm.seen().filter(|seen| is(seen)).map(drop))
    });
    looked.unwrap();
}

/// The newest change of a machine's property to this value that a refresher's job tells of.
fn told(site: &Site, vm: &str, property: &str, after: &Value) -> (JobView, PropertyChangeView) {
    let about = Some(format!("vm/{vm}"));
    let query = JobsQuery { kind: Some("refresher".into()), about, limit: Some(50), ..JobsQuery::default() };
    for job in site.run(site.client().jobs(&query)).unwrap().items {
        let changes = site.run(site.client().job_changes(job.job.id)).unwrap();
        let is = |change: &PropertyChangeView| change.property.ends_with(property) && change.after == *after;
        if let Some(change) = changes.into_iter().find(is) {
            return (job, change);
        }
    }
    panic!("no refresher's job tells that {property} of {vm} is {after}");
}

fn refreshers_jobs(site: &Site) -> usize {
    let query = JobsQuery { user: Some("refresher".into()), limit: Some(1_000), ..JobsQuery::default() };
    site.run(site.client().jobs(&query)).unwrap().items.len()
}

/// Lets a refresher look at one place, and answers how that went.
fn look(site: &Site, refresher: &str, at: &str) -> LookView {
    let run = RunRefresher { at: Some(at.into()) };
    let asked = site.run(site.client().run_refresher(refresher, &run)).unwrap();
    let looked = site.until(&format!("{refresher} has looked at {at}"), SEEN, async |client| {
        let looks = client.looks_of(refresher, false).await?.items;
        let over = |look: &LookView| !look.is_looking && look.last.is_some_and(|last| last >= asked.at);
        Ok(looks.into_iter().find(|look| look.name == at && over(look)))
    });
    looked.unwrap()
}

fn of(site: &Site, vm: &str) -> VmLookView {
    site.run(site.client().look_at_vm(vm)).unwrap()
}

fn in_libvirt(site: &Site, vm: &str) -> String {
    site.vm(vm).unwrap().vm.observed.unwrap().seen.name
}

#[test]
#[ignore = "needs root and libvirt"]
fn what_is_done_with_virsh_on_any_host_is_seen_and_told_with_its_values_before_and_after() {
    let site = Site::with_hosts(3).unwrap();
    for (host, vm) in site.hosts.iter().zip(["one", "two", "three"]) {
        let mut create = empty(vm).unwrap();
        create.host = Some(site.run(site.client().host(host.name())).unwrap().host.id);
        site.change(site.client().create_vm(&create, &How::default())).unwrap();
        site.doing(vm, VmAction::Start).unwrap();
        assert_eq!(site.vm(vm).unwrap().host_name.as_deref(), Some(host.name()));
    }
    for (host, vm) in site.hosts.iter().zip(["one", "two", "three"]) {
        let domain = in_libvirt(&site, vm);
        let virsh = |words: &[&str]| host.virsh(words).unwrap();
        virsh(&["suspend", &domain]);
        seen(&site, vm, "paused", |seen| seen.power == Power::Paused);
        virsh(&["resume", &domain]);
        seen(&site, vm, "running again", |seen| seen.power == Power::Running);
        virsh(&["destroy", &domain]);
        seen(&site, vm, "off", |seen| seen.power == Power::Off);
        let (job, change) = told(&site, vm, "power", &json!("off"));
        assert_eq!(job.job.actor, Actor::Refresher);
        assert!(change.before != change.after && change.before.is_string(), "{change:?}");

        virsh(&["setmaxmem", &domain, "192M", "--config"]);
        seen(&site, vm, "more memory", |seen| seen.memory_mib == 192);
        assert_eq!(told(&site, vm, "memory_mib", &json!(192)).1.before, json!(128));
        host.shell("truncate -s 1M /var/lib/libvirt/more.raw").unwrap();
        virsh(&["attach-disk", &domain, "/var/lib/libvirt/more.raw", "vdc", "--config"]);
        seen(&site, vm, "another disk", |seen| seen.disks.iter().any(|disk| disk.target == "vdc"));
        virsh(&["detach-disk", &domain, "vdc", "--config"]);
        seen(&site, vm, "that disk gone", |seen| seen.disks.iter().all(|disk| disk.target != "vdc"));
        virsh(&["autostart", &domain]);
        seen(&site, vm, "starting with the host", |seen| seen.autostart);
        virsh(&["snapshot-create-as", &domain, "first"]);
        seen(&site, vm, "a snapshot", |seen| seen.snapshots == ["first"]);
        virsh(&["snapshot-delete", &domain, "first"]);
        seen(&site, vm, "no snapshot", |seen| seen.snapshots.is_empty());
        host.shell(&format!(
            "virsh -q dumpxml --inactive {domain} | sed s/196608/262144/ > /run/changed.xml; virsh -q define /run/changed.xml"
        ))
        .unwrap();
        seen(&site, vm, "defined anew", |seen| seen.memory_mib == 256);
    }
    network(&site);
}

/// A network that is started is told, too.
fn network(site: &Site) {
    let host: &Host = &site.hosts[1];
    let xml = "<network><name>extra</name><bridge name='virbr77'/></network>";
    host.shell(&format!("echo \"{xml}\" > /run/extra.xml; virsh -q net-create /run/extra.xml")).unwrap();
    let has = |has: bool| {
        let looked = site.until("the network is as it should be", SEEN, async |client| {
            let view = client.host("b").await?;
            Ok((view.host.facts.networks.iter().any(|network| network == "extra") == has).then_some(()))
        });
        looked.unwrap();
    };
    has(true);
    host.virsh(&["net-destroy", "extra"]).unwrap();
    has(false);
}

#[test]
#[ignore = "needs root and libvirt"]
fn refreshers_find_what_nobody_told_say_what_is_wrong_and_leave_no_job_where_nothing_is_new() {
    let mut site = Site::with_host().unwrap();
    site.create_empty("web").unwrap();
    site.create_empty("db").unwrap();
    let (web, folder) = (in_libvirt(&site, "web"), site.host().scratch("library").unwrap());
    site.host().agent_kill().unwrap();
    site.host().agent_set("events = false").unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();

    site.host().virsh(&["setmaxmem", &web, "192M", "--config"]).unwrap();
    assert_eq!(look(&site, "vm-light", "a").error, None);
    assert_eq!(
        site.vm("web").unwrap().vm.seen().unwrap().memory_mib,
        192,
        "it was told before the look ended"
    );
    let (job, _) = told(&site, "web", "memory_mib", &json!(192));
    assert!(job.job.state.is_success() && job.job.title.contains("web"), "{}", job.job.title);

    // Nothing is new: not a machine, not the host, and a look leaves nothing but its time.
    look(&site, "host", "a");
    let before = refreshers_jobs(&site);
    for refresher in ["vm-light", "vm-heavy", "host", "performance"] {
        let looked = look(&site, refresher, "a");
        assert!(looked.error.is_none() && looked.took_ms.is_some(), "{looked:?}");
    }
    assert_eq!(refreshers_jobs(&site), before);

    // A file that is gone is said of its machine, and of no other.
    let disk = site.vm("db").unwrap().vm.spec.hardware.disks[0].file.clone();
    site.host().shell(&format!("mv '{disk}' '{disk}.away'")).unwrap();
    look(&site, "vm-heavy", "a");
    assert!(of(&site, "db").error.unwrap().cause.contains(&disk));
    assert!(of(&site, "web").error.is_none() && of(&site, "web").last.is_some());
    site.host().shell(&format!("mv '{disk}.away' '{disk}'")).unwrap();
    look(&site, "vm-heavy", "a");
    assert_eq!(of(&site, "db").error, None);

    // How loaded a machine is comes with it; it is measured every ten seconds.
    site.doing("web", VmAction::Start).unwrap();
    let known = site.until("its load is known", Duration::from_secs(120), async |client| {
        Ok(client.look_at_vm("web").await?.load)
    });
    assert!(known.unwrap().memory_mib.is_some());

    // A share with a new file is one job, and then none.
    let share = NewShare {
        name: Name::new("main").unwrap(),
        agent: "a".into(),
        folder: folder.to_string_lossy().into_owned(),
    };
    site.change(site.client().add_share(&share, &How::default())).unwrap();
    std::fs::write(folder.join("some.iso"), vec![0; 65_536]).unwrap();
    assert_eq!(look(&site, "library", "main").error, None);
    let items = site.run(site.client().items(None, &hostler_client::ListQuery::default())).unwrap().items;
    assert_eq!(items.len(), 1);
    let before = refreshers_jobs(&site);
    look(&site, "library", "main");
    assert_eq!(refreshers_jobs(&site), before);

    maintenance(&site);

    // One that does not answer is said so.
    site.host().agent_kill().unwrap();
    let why = look(&site, "vm-light", "a").error.unwrap();
    assert_eq!(why.code, Code::HostNotResponding);
}

fn maintenance(site: &Site) {
    let set = |is: bool| {
        let edit = EditHost { maintenance: Some(is), ..EditHost::default() };
        site.change(site.client().edit_host("a", &edit, &How::default())).unwrap();
    };
    set(true);
    assert_eq!(site.run(site.client().host("a")).unwrap().status, HostStatus::InMaintenance);
    let refused = site.run(site.client().create_vm(&empty("more").unwrap(), &How::default()));
    let Err(refused) = refused.map_err(Trouble::Client) else { panic!("it was placed there") };
    assert!(refused.to_string().contains("in maintenance"), "{refused}");
    assert_eq!(site.vm("web").unwrap().status, VmStatus::Running, "its machines stay");
    let all = site.run(site.client().run_refresher("vm-light", &RunRefresher::default())).unwrap();
    assert_eq!((all.asked, all.left_alone), (0, 1));
    assert!(site.run(site.client().looks_at_host("a")).unwrap().iter().all(|look| look.is_left_alone));
    assert_eq!(look(site, "vm-light", "a").error, None, "by hand it is looked at all the same");
    set(false);
    taken(site.run(site.client().create_vm(&empty("more").unwrap(), &How::default())).unwrap()).unwrap();
}
