//! libvirtd, agent and server killed at moments spread over create, start and delete: afterwards it is done, or undone
//! and says so, and nobody else noticed.

use std::time::{Duration, Instant};

use hostler_client::{ClientError, How};
use hostler_model::Code;
use hostler_model::action::VmAction;
use hostler_model::job::{JobKind, JobState};
use hostler_model::view::{Accepted, JobView};
use hostler_testbed::{Result, Site, Trouble, ask_empty, taken};

use crate::sets::{agree, libvirt, now_ms};

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Libvirtd,
    Agent,
    Server,
}

/// What is under way.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Create,
    Start,
    Delete,
}

const ALL: [Doing; 3] = [Doing::Create, Doing::Start, Doing::Delete];

#[test]
#[ignore = "needs root and libvirt"]
fn libvirtd_killed_at_any_moment_leaves_each_job_done_or_undone() {
    story(Victim::Libvirtd);
}

#[test]
#[ignore = "needs root and libvirt"]
fn an_agent_killed_at_any_moment_leaves_each_job_done_or_undone() {
    story(Victim::Agent);
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_server_killed_at_any_moment_leaves_each_job_done_or_undone() {
    story(Victim::Server);
}

/// How many moments: few in CI, `HOSTLER_KILLS=20` and more by hand.
fn moments() -> u32 {
    std::env::var("HOSTLER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

fn story(victim: Victim) {
    let mut site = Site::with_host().unwrap();
    site.create_empty("bystander").unwrap();
    site.doing("bystander", VmAction::Start).unwrap();
    let bystander = process_of(&site, "bystander");
    let lengths = ALL.map(|doing| length(&mut site, doing));
    let (mut done, mut undone, mut midst) = ([0; 3], [0; 3], 0);
    let moments = moments();
    for moment in 0..moments {
        let name = format!("m{moment}");
        for doing in ALL {
            let at = lengths[doing as usize].mul_f64((f64::from(moment) + 0.5) / f64::from(moments));
            prepare(&site, doing, &name);
            let (job, struck) = struck(&mut site, victim, doing, &name, at);
            let what = format!("{victim:?} killed {at:?} into {doing:?} ({:?})", job.job.state);
            assert_eq!(job.job.kind, kind_of(doing), "{what}");
            midst += u32::from(struck);
            match job.job.state {
                JobState::Completed => done[doing as usize] += 1,
                JobState::FailedUndone => {
                    undone[doing as usize] += 1;
                    assert!(job.job.error.is_some(), "{what}");
                }
                _ => panic!("{what}: {:?}", job.job),
            }
            site.host_answers("a").unwrap();
            agree(&site);
            let holds = holds(&site, doing, &name);
            assert_eq!(holds, job.job.state == JobState::Completed, "{what}: {:?}", job.job.error);
            if !holds {
                let accepted = site.run(ask(&site, doing, &name, None)).unwrap();
                site.done(accepted.job).unwrap();
                agree(&site);
            }
        }
    }
    println!("{victim:?}: lengths {lengths:?}, done {done:?}, undone {undone:?}, in the midst {midst}");
    // What is only killed before or after the work shows nothing.
    assert!(midst >= moments, "only {midst} of {} kills fell into the work", 3 * moments);
    assert_eq!(process_of(&site, "bystander"), bystander, "a machine that nobody touched was restarted");
}

/// What has to be so before it can be asked.
fn prepare(site: &Site, doing: Doing, name: &str) {
    match doing {
        Doing::Create | Doing::Start => {}
        Doing::Delete => site.doing(name, VmAction::TurnOff).unwrap(),
    }
}

/// How long it takes when nobody is killed: the shorter of two, as the other one may have been held up.
fn length(site: &mut Site, doing: Doing) -> Duration {
    let timed = |site: &mut Site, doing| {
        prepare(site, doing, "measured");
        let begun = Instant::now();
        let accepted = site.run(ask(site, doing, "measured", None)).unwrap();
        site.done(accepted.job).unwrap();
        begun.elapsed()
    };
    let mut shortest = Duration::MAX;
    for _ in 0..2 {
        for each in ALL {
            let took = timed(site, each);
            if each as usize == doing as usize {
                shortest = shortest.min(took);
            }
        }
    }
    shortest
}

/// Asks, kills so long after that, starts what was killed again, and waits for the job. Also whether the job was under
/// way when the blow fell.
fn struck(site: &mut Site, victim: Victim, doing: Doing, name: &str, at: Duration) -> (JobView, bool) {
    let key = format!("{name}-{doing:?}");
    let begun = Instant::now();
    let asked = site.spawn({
        let (asking, key) = (ask(site, doing, name, Some(key.clone())), key);
        async move { (asking.await, key) }
    });
    std::thread::sleep(at.saturating_sub(begun.elapsed()));
    match victim {
        Victim::Libvirtd => site.host().libvirtd_kill().unwrap(),
        Victim::Agent => site.host().agent_kill().unwrap(),
        Victim::Server => site.server.kill_it().unwrap(),
    }
    let fell = now_ms();
    match victim {
        Victim::Libvirtd => site.host().libvirtd_start().unwrap(),
        Victim::Agent => site.host().agent_start().unwrap(),
        Victim::Server => site.restart_server_after_kill().unwrap(),
    }
    let (asked, key) = site.run(asked).unwrap();
    let accepted = match asked {
        Ok(accepted) => accepted,
        // The server was killed before it answered: whoever asks again with the key gets the one job.
        Err(_) if victim == Victim::Server => {
            site.host_answers("a").unwrap();
            site.run(ask(site, doing, name, Some(key))).unwrap()
        }
        // The blow came before the asking did: it falls beside the work.
        Err(Trouble::Client(ClientError::Refused(why))) if is_of_the_moment(why.code) => {
            site.host_answers("a").unwrap();
            site.run(ask(site, doing, name, Some(format!("{key}-again")))).unwrap()
        }
        Err(why) => panic!("{doing:?}: {why}"),
    };
    let job = site.ended(accepted.job).unwrap();
    let under_way = job.job.created.0 <= fell && job.job.ended.is_some_and(|ended| ended.0 >= fell);
    (job, under_way)
}

/// Whether something is refused only because the host does not answer at this moment.
fn is_of_the_moment(code: Code) -> bool {
    matches!(code, Code::PlacementNoHost | Code::HostNotResponding)
}

fn ask(
    site: &Site,
    doing: Doing,
    name: &str,
    key: Option<String>,
) -> impl Future<Output = Result<Accepted>> + Send + use<> {
    let (client, name) = (site.client().clone(), name.to_owned());
    let how = How { key, ..How::default() };
    async move {
        match doing {
            Doing::Create => ask_empty(&client, &name, &how).await,
            Doing::Start => taken(client.act_on_vm(&name, VmAction::Start, &how).await?),
            Doing::Delete => taken(client.delete_vm(&name, true, &how).await?),
        }
    }
}

fn kind_of(doing: Doing) -> JobKind {
    match doing {
        Doing::Create => JobKind::CreateVm,
        Doing::Start => JobKind::StartVm,
        Doing::Delete => JobKind::DeleteVm,
    }
}

/// Whether what was asked for is so.
fn holds(site: &Site, doing: Doing, name: &str) -> bool {
    let vm = site.vms().unwrap().into_iter().find(|view| view.vm.spec.name.as_str() == name);
    let on = vm
        .as_ref()
        .and_then(|view| libvirt(&site.hosts[0]).unwrap().get(&view.vm.domain.to_string()).copied());
    match doing {
        Doing::Create => on.is_some(),
        Doing::Start => on == Some(true),
        Doing::Delete => vm.is_none(),
    }
}

/// The process that runs a machine.
fn process_of(site: &Site, name: &str) -> String {
    let domain = site.vm(name).unwrap().vm.domain;
    let script = format!("cat /run/libvirt/qemu/$(virsh -q domname {domain}).pid");
    site.hosts[0].shell(&script).unwrap()
}
