//! A host that is restarted or shut down through Hostler: its machines stop as each says, and run again where they did.
//! A test host cannot restart: its command leaves a word, and the story cuts its power and boots it.

use std::path::PathBuf;
use std::time::Duration;

use hostler_client::{Changed, How};
use hostler_model::action::VmAction;
use hostler_model::job::JobState;
use hostler_model::request::{EditVm, VmSource};
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::view::Accepted;
use hostler_model::vm::StopAction;
use hostler_model::{Code, JobId};
use hostler_testbed::{Host, Result, Site, create, wait_for};

use crate::world::{BOOTS, code_of, library, read_token, with_seed};

const FOLLOWS: Duration = Duration::from_secs(120);

/// Where a host's commands leave their word.
fn word(host: &Host) -> PathBuf {
    host.agent_state().join("asked")
}

/// A host whose commands leave a word, with one machine whose guest runs.
fn begin() -> Site {
    let mut site = Site::with_host().unwrap();
    let host = site.host();
    let said = word(host);
    host.agent_kill().unwrap();
    for (setting, says) in [("restart_command", "restart"), ("shut_down_command", "shut-down")] {
        let script = format!("echo {says} > {}", said.display());
        host.agent_set(&format!("{setting} = [\"sh\", \"-c\", \"{script}\"]")).unwrap();
    }
    host.agent_start().unwrap();
    site.host_answers("a").unwrap();
    let template = library(&mut site);
    let mut web = with_seed(create("web", VmSource::Template { template }).unwrap());
    web.start = true;
    site.change(site.client().create_vm(&web, &How::default())).unwrap();
    read_token(&site, "web");
    site
}

fn asked(answer: std::result::Result<Changed<Accepted>, hostler_client::ClientError>) -> Result<JobId> {
    Ok(hostler_testbed::taken(answer?)?.job)
}

/// Waits for the host's word, and does what it says: the power goes.
fn power_goes(site: &mut Site, says: &str) {
    let path = word(site.host());
    // A shell makes the file before it writes.
    let whole = || std::fs::read_to_string(&path).ok().filter(|said| said.ends_with('\n'));
    let said = wait_for(FOLLOWS, "the command is run", whole).unwrap();
    assert_eq!(said.trim(), says);
    std::fs::remove_file(&path).unwrap();
    let on = site.host().virsh(&["list", "--name"]).unwrap();
    assert_eq!(on.trim(), "", "a machine runs while its host goes");
    site.host().power_off().unwrap();
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_restart_stops_machines_as_each_says_and_starts_them_again() {
    let outer = std::fs::read_to_string("/proc/stat").unwrap();
    let mut site = begin();
    for name in ["db", "idle"] {
        site.create_empty(name).unwrap();
    }
    site.act("db", VmAction::Start).unwrap();
    let turned_off = EditVm { stop_action: Some(StopAction::TurnOff), ..EditVm::default() };
    site.change(site.client().edit_vm("db", &turned_off, &How::default())).unwrap();

    let job = asked(site.run(site.client().restart_host("a", &How::default()))).unwrap();
    let path = word(site.host());
    wait_for(FOLLOWS, "the command is run", || path.exists().then_some(())).unwrap();
    assert_eq!(site.vm("web").unwrap().vm.power().words(), "saved", "web goes on where it was");
    assert_eq!(site.vm("db").unwrap().vm.power().words(), "off");
    power_goes(&mut site, "restart");
    site.host().boot().unwrap();
    let ended = site.ended(job).unwrap();
    assert_eq!(ended.job.state, JobState::Completed, "{:?}", ended.job);
    site.becomes("web", VmStatus::Running).unwrap();
    site.becomes("db", VmStatus::Running).unwrap();
    site.becomes("idle", VmStatus::Off).unwrap();
    // Its seed is read at boot: the guest that answers now is the one that was saved.
    read_token(&site, "web");
    let began = |stat: &str| stat.lines().find(|line| line.starts_with("btime")).map(str::to_owned);
    let now = std::fs::read_to_string("/proc/stat").unwrap();
    assert_eq!(began(&outer), began(&now), "the outer computer restarted");
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_host_that_cannot_restart_has_its_machines_again_and_one_that_is_shut_down_is_gone() {
    let mut site = begin();
    site.host().agent_kill().unwrap();
    site.host().agent_set("restart_command = [\"sh\", \"-c\", \"echo not today >&2; exit 1\"]").unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    let job = asked(site.run(site.client().restart_host("a", &How::default()))).unwrap();
    let ended = site.ended(job).unwrap();
    assert_eq!(ended.job.state, JobState::FailedUndone);
    assert!(format!("{:?}", ended.job).contains("not today"), "{:?}", ended.job);
    site.becomes("web", VmStatus::Running).unwrap();

    let asks = EditVm { stop_action: Some(StopAction::ShutDown), ..EditVm::default() };
    site.change(site.client().edit_vm("web", &asks, &How::default())).unwrap();
    let job = asked(site.run(site.client().shut_down_host("a", &How::default()))).unwrap();
    power_goes(&mut site, "shut-down");
    site.done(job).unwrap();
    let gone = async |client: &hostler_client::Client| {
        Ok((client.host("a").await?.status == HostStatus::NotResponding).then_some(()))
    };
    site.until("the host is gone", FOLLOWS, gone).unwrap();
    let refused = site.run(site.client().restart_host("a", &How::default()));
    assert_eq!(code_of(refused.map_err(Into::into)), Code::HostNotResponding);
    site.host().boot().unwrap();
    site.host_answers("a").unwrap();
    site.becomes_within(BOOTS, "web", VmStatus::Off).unwrap();
}
