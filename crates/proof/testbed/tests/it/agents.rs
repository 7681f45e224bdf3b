//! The life of an agent beside its machines: another program takes its place, it leaves, it works behind a wall.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use hostler_client::{How, ListQuery};
use hostler_model::Code;
use hostler_model::action::VmAction;
use hostler_model::job::JobState;
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::view::{AgentView, JobView};
use hostler_testbed::{Site, program, taken, wait_for};

use crate::sets::agree;
use crate::world::code_of;

/// How long what follows may take on a busy computer.
const FOLLOWS: Duration = Duration::from_secs(120);

fn agent(site: &Site) -> AgentView {
    site.run(site.client().agent("a")).unwrap()
}

/// A whole agent program of another version: the one that was built, with another version in its stamp.
fn of_version(site: &Site, version: &str) -> PathBuf {
    let (before, after) = (stamp(env!("CARGO_PKG_VERSION")), stamp(version));
    assert_eq!(before.len(), after.len(), "the stamp keeps its length");
    let mut bytes = fs::read(program("hostler-agent").unwrap()).unwrap();
    let at =
        bytes.windows(before.len()).position(|window| window == before).expect("the program has a stamp");
    bytes[at..at + after.len()].copy_from_slice(&after);
    offered(site, version, &bytes)
}

fn stamp(version: &str) -> Vec<u8> {
    format!("hostler-agent-version={version}\n").into_bytes()
}

fn offered(site: &Site, version: &str, bytes: &[u8]) -> PathBuf {
    let path = site.server.folder().join(format!("hostler-agent-{version}"));
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The server is started anew with this agent program.
fn server_offers(site: &mut Site, path: PathBuf, version: &str) {
    site.server.set_agent_program(path);
    site.restart_server().unwrap();
    site.host_answers("a").unwrap();
    let offers = async |client: &hostler_client::Client| {
        Ok(client.agent("a").await?.offered.filter(|offered| offered == version))
    };
    site.until("the server has read its agent program", FOLLOWS, offers).unwrap();
}

fn upgrade(site: &Site) -> JobView {
    let asked = site.run(site.client().upgrade_agent("a", false, &How::default())).unwrap();
    site.ended(taken(asked).unwrap().job).unwrap()
}

#[test]
#[ignore = "needs root and libvirt"]
fn an_agent_is_upgraded_under_a_running_machine_and_a_program_that_does_not_come_up_is_given_up() {
    let mut site = Site::with_host().unwrap();
    assert_eq!(agent(&site).up_to_date, Some(true), "{:?}", agent(&site));
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let machine = site.host().qemus();
    assert_eq!(machine.len(), 1);
    let process = site.host().process("agent").unwrap();

    let same = site.run(site.client().upgrade_agent("a", false, &How::default()));
    assert_eq!(code_of(same.map_err(Into::into)), Code::ValueInvalid, "it has that version");
    let newer = of_version(&site, "9.9.9");
    server_offers(&mut site, newer, "9.9.9");
    let is = agent(&site);
    assert_eq!((is.up_to_date, is.agent.version.as_str()), (Some(false), env!("CARGO_PKG_VERSION")));
    assert!(is.address.is_some_and(|address| address == site.hosts[0].address()));

    let job = upgrade(&site);
    assert_eq!(job.job.state, JobState::Completed, "{:?}", job.job.error);
    site.host_answers("a").unwrap();
    assert_eq!((agent(&site).agent.version.as_str(), agent(&site).up_to_date), ("9.9.9", Some(true)));
    assert_eq!(site.host().qemus(), machine, "the machine was not touched");
    assert_eq!(
        site.host().process("agent"),
        Some(process),
        "whoever looks after the process has the same one"
    );
    site.doing("web", VmAction::Pause).unwrap();
    site.doing("web", VmAction::Resume).unwrap();

    // It outlasts a death: the installed program gives way to it.
    site.host().agent_kill().unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    assert_eq!(agent(&site).agent.version, "9.9.9");

    let limit = serde_json::json!({ "agent_upgrade_limit_s": 5 });
    site.change(site.client().set_settings(&limit, &How::default())).unwrap();
    let stuck = "#!/bin/sh\n# hostler-agent-version=9.9.8\nexec sleep 600\n";
    let dies = "#!/bin/sh\n# hostler-agent-version=9.9.7\nexit 3\n";
    for (version, bad, why) in
        [("9.9.8", stuck, "was not connected within 5 s"), ("9.9.7", dies, "exit status: 3")]
    {
        let bad = offered(&site, version, bad.as_bytes());
        server_offers(&mut site, bad, version);
        let job = upgrade(&site);
        let error = job.job.error.expect("it has failed");
        assert_eq!((job.job.state, error.code), (JobState::FailedUndone, Code::AgentUpgradeFailed));
        assert!(error.cause.contains(why), "{error}");
        site.host_answers("a").unwrap();
        assert_eq!(agent(&site).agent.version, "9.9.9", "the one before goes on");
        assert_eq!(site.host().process("agent"), Some(process_of(&mut site)));
    }
    assert_eq!(site.host().qemus(), machine);
    site.becomes("web", VmStatus::Running).unwrap();
    agree(&site);
}

fn process_of(site: &mut Site) -> hostler_testbed::Process {
    site.host().process("agent").expect("the agent runs")
}

fn remove(site: &Site, force: bool, keep: bool) -> hostler_testbed::Result<JobView> {
    let asked = site.run(site.client().remove_agent("a", force, keep, &How::default()))?;
    site.ended(taken(asked)?.job)
}

fn names(folder: PathBuf) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&folder)
        .map(|all| all.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
#[ignore = "needs root and libvirt"]
fn an_agent_that_is_removed_leaves_nothing_but_machines_and_a_silent_one_says_what_stays() {
    let mut site = Site::with_host().unwrap();
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let (machine, state) = (site.host().qemus(), site.hosts[0].agent_state());

    assert_eq!(code_of(remove(&site, false, false)), Code::ObjectInUse, "it has a machine");
    let job = remove(&site, true, false).unwrap().job;
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    let said = job.notes.join("; ");
    for what in ["removed: journal", "removed: key and certificate", "stays: the disks of 1 machine"] {
        assert!(said.contains(what), "{said}");
    }
    wait_for(FOLLOWS, "the agent has ended", || site.hosts[0].process("agent").is_none().then_some(()))
        .unwrap();
    assert_eq!(names(state.clone()), ["vms"], "nothing else of Hostler's is there");
    assert_eq!(site.host().qemus(), machine, "the machine runs on");
    assert!(site.run(site.client().agents(&ListQuery::default())).unwrap().items.is_empty());

    // It comes back as anybody would, and finds its machine.
    let token = site.enrolment_token().unwrap();
    let address = site.server.agent_address();
    site.host().agent_enrol(&address, &token).unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    let there = async |client: &hostler_client::Client| {
        Ok(client
            .vms(&ListQuery::default())
            .await?
            .items
            .into_iter()
            .find(|vm| vm.status == VmStatus::Running))
    };
    site.until("its machine is found", FOLLOWS, there).unwrap();
    assert_eq!(site.host().qemus(), machine);

    // What cannot be asked is not removed, and that is said.
    site.host().cut().unwrap();
    let silent = async |client: &hostler_client::Client| {
        Ok((client.host("a").await?.status == HostStatus::NotResponding).then_some(()))
    };
    site.until("the host is silent", FOLLOWS, silent).unwrap();
    let before = names(state.clone());
    let job = remove(&site, true, false).unwrap().job;
    assert_eq!(job.state, JobState::CompletedWithWarnings);
    assert!(job.warnings[0].cause.contains("its key and certificate"), "{:?}", job.warnings);
    site.host().heal().unwrap();
    assert_eq!(names(state.clone()), before, "nobody has told it");
    // Somebody goes there.
    site.host().agent_kill().unwrap();
    let here = program("hostler-agent").unwrap();
    let line = format!("{} --state {} leave", here.display(), state.display());
    let said = site.hosts[0].shell(&line).unwrap();
    assert!(said.contains("removed  journal") && said.contains("stays    the disks of 1 machine"), "{said}");
    assert_eq!(names(state), ["vms"]);
    assert_eq!(site.host().qemus(), machine);
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_host_belongs_to_a_new_server_after_it_enrolled_again_and_keeps_its_machines() {
    let mut site = Site::with_host().unwrap();
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let machine = site.host().qemus();
    let before = fs::read_to_string(site.hosts[0].agent_state().join("identity/agent.json")).unwrap();
    site.replace_server().unwrap();
    // Whoever answers there now is not whom the agent trusts: nothing is told to it.
    let status = site.hosts[0].agent_state().join("status.json");
    let refuses = || fs::read_to_string(&status).ok().filter(|said| said.contains("not to be trusted"));
    wait_for(FOLLOWS, "the agent does not trust the new server", refuses).unwrap();
    assert!(site.run(site.client().hosts(&ListQuery::default())).unwrap().items.is_empty());

    let (address, token) = (site.server.agent_address(), site.enrolment_token().unwrap());
    let runs = site.host().agent_enrol_again(&address, &token).unwrap_err().to_string();
    assert!(runs.contains("another agent runs"), "{runs}");
    site.host().agent_kill().unwrap();
    let refused = site.host().agent_enrol(&address, &token).unwrap_err().to_string();
    assert!(refused.contains("--again gives that up"), "{refused}");
    site.host().agent_enrol_again(&address, &token).unwrap();
    let after = fs::read_to_string(site.hosts[0].agent_state().join("identity/agent.json")).unwrap();
    let authority =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["authority"].clone();
    assert_ne!(authority(&before), authority(&after));
    assert!(
        serde_json::from_str::<serde_json::Value>(&after).unwrap().get("before").is_none(),
        "nothing of before"
    );

    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    let found = async |client: &hostler_client::Client| {
        let vms = client.vms(&ListQuery::default()).await?.items;
        Ok(vms.into_iter().find(|vm| vm.status == VmStatus::Elsewhere))
    };
    let found = site.until("the new server finds the machine", FOLLOWS, found).unwrap();
    assert_eq!(site.host().qemus(), machine, "it ran on");
    let id = found.vm.id.to_string();
    site.doing(&id, VmAction::Adopt).unwrap();
    site.doing(&id, VmAction::Pause).unwrap();
    site.doing(&id, VmAction::Resume).unwrap();
    agree(&site);
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_host_that_lets_nobody_in_is_managed_all_the_same() {
    let mut site = Site::new().unwrap();
    site.add_host("a").unwrap();
    // As in a perimeter network: what the host has not begun itself does not reach it.
    let wall = "iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT;
        iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT";
    site.hosts[0].shell(wall).unwrap();
    site.host().agent_kill().unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    let address = site.hosts[0].address();
    let knock = format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/9' 2>&1 || echo shut out");
    assert_eq!(site.server.shell(&knock).unwrap().trim(), "shut out", "the wall stands");
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let screen = site.run(site.client().vm_screenshot("web", None)).unwrap();
    assert!(!screen.is_empty());
    assert_eq!(
        site.hosts[0].shell("ss -Hltn 'sport < 49300' | grep -v '127.0.0.1' || true").unwrap(),
        "",
        "nothing listens"
    );
    site.doing("web", VmAction::TurnOff).unwrap();
    // Cut and healed it is back by itself.
    site.host().cut().unwrap();
    let silent = async |client: &hostler_client::Client| {
        Ok((client.host("a").await?.status == HostStatus::NotResponding).then_some(()))
    };
    site.until("the host is silent", FOLLOWS, silent).unwrap();
    site.host().heal().unwrap();
    site.host_answers("a").unwrap();
    agree(&site);
}
