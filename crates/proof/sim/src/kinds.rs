//! Each kind of job under every single trouble: each step fails, each is interrupted by the death of its agent (as it
//! begins, in the midst of the call, before its outcome is kept), each undo likewise, the server dies around each
//! commit, everything is delivered twice, and the job is cancelled at each commit. And the rehearsal of each kind
//! against its performance.
//!
//! The kinds come from the registry: one for which [`World::request_of`] finds nothing to ask is a failure.

use std::collections::BTreeMap;

use hostler_hypervisor::simulated::Outside;
use hostler_hypervisor::simulated::SharedFolder;
use hostler_model::command::Definition;
use hostler_model::hardware::Hardware;
use hostler_model::ids::Ids;
use hostler_model::job::{Act, Job, JobKind, JobState, StepIs, Undo};
use hostler_model::network::HostNetwork;
use hostler_model::request::{CreateVm, Request, VmSource};
use hostler_model::seen::{Identity, Power, Seen};
use hostler_model::template::Deploy;
use hostler_model::{ItemId, Key, Name, Object, StepNo, VmId};
use hostler_store::Store;
use uuid::Uuid;

use crate::asks::VMS;
use crate::story::{Size, drive_storm, set_up, settle};
use crate::world::{Client, World};

/// When an agent dies in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moment {
    /// Its intent is durable, nothing is done.
    #[default]
    Begin,
    /// In the midst of the call.
    Halfway,
    /// Done, and the outcome is not kept.
    BeforeOutcome,
}

/// The one trouble of a job that is tried. Steps, undos and commits are counted from 1.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// This step fails.
    pub fail_step: Option<u32>,
    /// The agent dies in this step.
    pub crash_step: Option<u32>,
    /// The agent dies in this undo.
    pub crash_undo: Option<u32>,
    /// When it does.
    pub moment: Moment,
    /// The server dies around this commit.
    pub crash_server: Option<u32>,
    /// Inside the commit, after it, or in the midst of the release.
    pub how: Option<u64>,
    /// The job is cancelled after this commit.
    pub cancel_at: Option<u32>,
    /// Everything is delivered twice.
    pub doubled: bool,
}

/// A script and how far it has been played.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// The script.
    pub script: Script,
    /// Whether the trouble has come about.
    pub fired: bool,
    watching: Option<usize>,
    steps: u32,
    undos: u32,
    commits: u32,
    failing: Option<StepNo>,
    dying: Option<StepNo>,
}

impl Played {
    /// A command begins. True when its agent is to die in it.
    pub(crate) fn begins(&mut self, no: StepNo, undo: bool) -> bool {
        if self.watching.is_none() {
            return false;
        }
        let (count, fatal) = if undo {
            self.undos += 1;
            (self.undos, self.script.crash_undo)
        } else {
            self.steps += 1;
            (self.steps, self.script.crash_step)
        };
        if !undo && self.script.fail_step == Some(count) {
            self.fired |= self.script.crash_undo.is_none();
            self.failing = Some(no);
        }
        let dies = fatal == Some(count);
        if dies {
            self.fired = true;
            self.dying = Some(no).filter(|_| self.script.moment == Moment::BeforeOutcome);
        }
        dies
    }

    /// Whether a command is to fail.
    pub(crate) fn fails(&self, no: StepNo) -> bool {
        self.failing == Some(no)
    }

    /// Whether an agent is to die before it keeps this command's outcome; only once.
    pub(crate) fn dies(&mut self, no: StepNo) -> bool {
        self.dying.take_if(|dying| *dying == no).is_some()
    }

    /// Something was, or was not, committed. The client that cancels now.
    pub(crate) fn cancels(&mut self, committed: bool) -> Option<usize> {
        let client = self.watching.filter(|_| committed)?;
        self.commits += 1;
        if self.script.cancel_at != Some(self.commits) {
            return None;
        }
        self.fired = true;
        Some(client)
    }
}

/// How a trial ended.
#[derive(Debug)]
pub struct Trial {
    /// Whether the trouble came about: a job has only so many steps.
    pub fired: bool,
    /// How the job ended.
    pub state: Option<JobState>,
    /// What is wrong, if something is.
    pub wrong: Option<String>,
    /// The story in words.
    pub told: Vec<String>,
}

/// What can be seen of the world from outside, for comparison: machines and files of every host, and the record
/// without jobs and without when things were seen.
#[derive(Clone, Debug, PartialEq)]
struct Outward {
    machines: Vec<Vec<Seen>>,
    files: Vec<Vec<String>>,
    networks: Vec<Vec<HostNetwork>>,
    record: BTreeMap<Key, String>,
}

impl World {
    fn outward(&self) -> Outward {
        let files = |folder: SharedFolder| {
            let mut all: Vec<String> = folder.files().into_iter().map(|(file, _)| file).collect();
            all.extend(folder.partials().into_iter().map(|(file, _)| format!("unfinished {file}")));
            all
        };
        let record = self.record().into_iter().filter_map(|object| {
            let key = object.key();
            let words = match object {
                Object::Job(_) => return None,
                Object::Vm(vm) => {
                    let mut vm = (*vm).clone();
                    let seen = vm.observed.take().map(|observed| (observed.seen, observed.gone));
                    format!("{vm:?} {seen:?}")
                }
                other => format!("{other:?}"),
            };
            Some((key, words))
        });
        Outward {
            machines: self.agents.iter().map(|agent| agent.host.truth()).collect(),
            files: self
                .agents
                .iter()
                .map(|agent| agent.host.folder(&format!("{VMS}/x")).map(files).unwrap_or_default())
                .collect(),
            networks: self.agents.iter().map(|agent| agent.host.true_networks()).collect(),
            record: record.collect(),
        }
    }

    /// A client that asks now and is answered before anything else happens.
    fn ask_now(&mut self, request: Request, key: &str) -> usize {
        self.clients.push(Client {
            request,
            key: key.to_owned(),
            wait: false,
            acknowledged: None,
            refused: None,
            cancels: false,
        });
        let client = self.clients.len() - 1;
        self.ask(client);
        client
    }

    /// Asks and waits until the job has ended.
    fn finish(&mut self, request: Option<Request>) {
        let Some(request) = request else { return self.fail("the stage cannot be set".into()) };
        let key = format!("stage-{}", self.clients.len());
        let words = format!("{request:?}");
        let client = self.ask_now(request, &key);
        for _ in 0..2_000 {
            self.run_until(self.now + 50);
            let job = self.job_of(client);
            if let Some(job) = job.filter(|job| !job.is_open()) {
                if !job.state.is_success() {
                    self.fail(format!("the stage cannot be set: {words} {:?}", job.error));
                }
                return;
            }
        }
        self.fail(format!("the stage cannot be set: {words} {:?}", self.clients[client].refused));
    }

    fn job_of(&self, client: usize) -> Option<Job> {
        let id = self.clients[client].acknowledged?;
        let job = self.store.reader().ok()?.job(id).ok()??;
        Some((*job.object).clone())
    }

    /// Something for every kind of job to be about.
    fn set_stage(&mut self, kind: JobKind) {
        self.stormy = false;
        set_up(self, 3);
        self.run_until(5_000);
        let image = ItemId(Uuid::from_u128(0xC000));
        let copied = VmSource::Disk { item: image, deploy: Deploy::Copy };
        for (name, from, start) in [
            ("runs", VmSource::Empty, true),
            ("off", copied, false),
            ("paused", VmSource::Empty, true),
            ("saved", VmSource::Empty, true),
        ] {
            let request = creation(name, from, start);
            self.finish(request);
            let vm = self.clients.last().and_then(|_| self.newest_vm());
            match (name, vm) {
                ("paused", Some(vm)) => self.finish(Some(Request::PauseVm { vm })),
                ("saved", Some(vm)) => self.finish(Some(Request::SaveVm { vm })),
                _ => {}
            }
        }
        self.define_behind();
        for kind in [
            JobKind::AddShare,
            JobKind::CreateTemplate,
            JobKind::CreateUser,
            JobKind::CreateToken,
            JobKind::CreateEnrolment,
            JobKind::EnrolAgent,
            JobKind::CreateEnrolment,
        ] {
            let request = self.request_of(kind);
            self.finish(request);
        }
        // Only where it is about groups: what is by chance for the other kinds stays as it was.
        if matches!(
            kind,
            JobKind::MoveHost | JobKind::EditHostGroup | JobKind::MoveHostGroup | JobKind::DeleteHostGroup
        ) {
            for _ in 0..2 {
                let request = self.request_of(JobKind::CreateHostGroup);
                self.finish(request);
            }
        }
        if kind == JobKind::RemoveNetwork {
            let request = self.request_of(JobKind::CreateNetwork);
            self.finish(request);
        }
        if kind == JobKind::DeleteView {
            let request = self.request_of(JobKind::SaveView);
            self.finish(request);
        }
        if kind == JobKind::DeclareHostDead {
            self.power_off(2, true);
        }
        if kind == JobKind::SettleVm {
            self.define_twice();
        }
        self.run_until(self.now + 20_000);
    }

    fn newest_vm(&self) -> Option<VmId> {
        let mut vms: Vec<VmId> = self
            .record()
            .iter()
            .filter_map(|object| match object {
                Object::Vm(vm) => Some(vm.id),
                _ => None,
            })
            .collect();
        vms.sort_unstable();
        vms.last().copied()
    }

    /// Defines a machine that runs on one host on another one too, by hand, and lets the server see that.
    fn define_twice(&mut self) {
        let runs = self.record().into_iter().find_map(|object| match object {
            Object::Vm(vm) if vm.power() == Power::Running => Some(vm),
            _ => None,
        });
        let Some(vm) = runs else { return self.fail("the stage cannot be set: nothing runs".into()) };
        let other = self.agents.iter().position(|agent| Some(agent.id.into()) != vm.host);
        let Some(other) = other else { return self.fail("the stage cannot be set: one host".into()) };
        let identity = Identity { vm: vm.id, domain: vm.domain, installation: self.installation };
        let hardware = Hardware { disks: Vec::new(), ..vm.spec.hardware.clone() };
        let definition = Definition { identity, name: "twice".into(), title: "twice".into(), hardware };
        if self.agents[other].host.outside(&Outside::Define(Box::new(definition), false)).is_err() {
            self.fail("the stage cannot be set: it is not defined twice".into());
        }
        self.host_moved(other);
        self.run_until(self.now + 15_000);
        // Looked at again, it has been shown by both for long enough.
        self.picture_everything();
        self.run_until(self.now + 15_000);
    }

    fn define_behind(&mut self) {
        let id = self.ids.draw();
        let identity = Identity { vm: VmId(id), domain: id, installation: self.installation };
        let hardware = Hardware {
            cpus: 1,
            memory_mib: 128,
            firmware: Default::default(),
            disks: Vec::new(),
            dvd: None,
            adapters: Vec::new(),
        };
        let definition = Definition { identity, name: "by-hand".into(), title: "by-hand".into(), hardware };
        if self.agents[0].host.outside(&Outside::Define(Box::new(definition), false)).is_err() {
            self.fail("the stage cannot be set: nothing is defined by hand".into());
        }
        self.host_moved(0);
    }
}

fn creation(name: &str, from: VmSource, start: bool) -> Option<Request> {
    Some(Request::CreateVm(Box::new(CreateVm {
        name: Name::new(name).ok()?,
        from,
        cpus: None,
        memory_mib: Some(256),
        firmware: None,
        disk_bytes: None,
        host: None,
        start,
        notes: String::new(),
        tags: Vec::new(),
        network: None,
        mac: None,
        vlan: None,
        seed: [("token".to_owned(), "abc".to_owned())].into(),
        candidates: Vec::new(),
    })))
}

/// Tries a kind of job under a script. `seed` varies what is asked.
pub fn try_kind(kind: JobKind, seed: u64, script: Script) -> Trial {
    let mut world = World::new(seed, None, true);
    world.set_stage(kind);
    let Some(request) = world.request_of(kind) else {
        let wrong = Some(format!("{} has no fixture", kind.word()));
        return Trial { fired: false, state: None, wrong, told: world.told.take().unwrap_or_default() };
    };
    let before = world.outward();
    let asked = format!("{request:?}");
    world.played = Played { script, watching: Some(world.clients.len()), ..Played::default() };
    world.crash_planned = world.played.script.crash_server.unwrap_or(0);
    let lives = world.server_life;
    let client = world.ask_now(request, "tried");
    world.run_until(world.now + 1_000);
    settle(&mut world);
    world.played.fired |= world.server_life > lives;
    if world.failure.is_none() {
        world.check_at_rest();
    }
    let job = world.job_of(client);
    if world.failure.is_none() {
        let wrong = match &job {
            Some(job) => judge(job, &world.played, &before, &world.outward()),
            None => Some(format!("it was refused: {:?}", world.clients[client].refused)),
        };
        if let Some(wrong) = wrong {
            world.fail(wrong);
        }
    }
    Trial {
        fired: world.played.fired,
        state: job.map(|job| job.state),
        wrong: world.failure.take().map(|what| format!("{asked}: {what}")),
        told: world.told.take().unwrap_or_default(),
    }
}

/// Whether a job ended as its trouble demands.
fn judge(job: &Job, played: &Played, before: &Outward, after: &Outward) -> Option<String> {
    let (state, script) = (job.state, &played.script);
    let wrong =
        |why: &str| Some(format!("{} ends as {}: {why} ({:?})", job.label(), state.word(), job.error));
    let crashes = script.crash_step.is_some() || script.crash_undo.is_some();
    let expected = match (script.fail_step, script.cancel_at) {
        _ if crashes => true,
        (Some(_), _) if !played.fired => state.is_success(),
        (Some(_), _) if job.past_point => state == JobState::CompletedWithWarnings,
        (Some(_), _) => state == JobState::FailedUndone,
        (None, Some(_)) => state == JobState::Cancelled || state.is_success(),
        // Those that are removed have no computer: what stays there is a warning, unless it is to stay.
        (None, None) if matches!(job.request, Request::RemoveAgent { keep: false, .. }) => {
            state == JobState::CompletedWithWarnings
        }
        (None, None) => state == JobState::Completed,
    };
    if !expected {
        return wrong("that is not what this trouble comes to");
    }
    let doubt = job.steps.iter().any(|step| matches!(step.is, StepIs::InDoubt { .. }));
    // What was asked of a guest cannot be unsent, and a found machine that was marked stays marked.
    let lasts = job.kind == JobKind::ShutDownVm
        || job.step("adopt").is_some_and(|step| matches!(step.is, StepIs::Done { .. }));
    if !state.is_success() && !doubt && !lasts && before != after {
        return wrong(&format!("it was not taken back: {}", parts(before, after)));
    }
    None
}

fn parts(before: &Outward, after: &Outward) -> String {
    let mut words = Vec::new();
    if before.files != after.files {
        words.push(format!("files {:?} to {:?}", before.files, after.files));
    }
    if before.networks != after.networks {
        words.push(format!("networks {:?} to {:?}", before.networks, after.networks));
    }
    if before.machines != after.machines {
        let domains = |all: &Vec<Vec<Seen>>| -> Vec<(Uuid, Power)> {
            all.iter().flatten().map(|seen| (seen.domain, seen.power)).collect()
        };
        words.push(format!("machines {:?} to {:?}", domains(&before.machines), domains(&after.machines)));
    }
    for (key, was) in &before.record {
        if after.record.get(key) != Some(was) {
            words.push(format!("{was} to {:?}", after.record.get(key)));
        }
    }
    for (key, is) in &after.record {
        if !before.record.contains_key(key) {
            words.push(format!("{is} is new"));
        }
    }
    words.join("; ")
}

/// Rehearses a request of a kind and then performs it, on the stage or after a random part of a storm: nothing may
/// change by the rehearsal, and what it said must come true. `Ok(false)` when there was nothing to ask.
///
/// # Errors
/// What did not come true, in words.
pub fn rehearse(kind: JobKind, seed: u64, after_storm: bool) -> Result<bool, String> {
    let mut world = World::new(seed, None, false);
    if after_storm {
        set_up(&mut world, 4);
        let size = Size { hosts: 4, asks: 12 + (seed % 12) as usize, faults: 8, storm_ms: 60_000 };
        drive_storm(&mut world, size, 3_000);
        world.calm();
        settle(&mut world);
    } else {
        world.set_stage(kind);
    }
    if let Some(failure) = world.failure.take() {
        return Err(failure);
    }
    let Some(request) = world.request_of(kind) else { return Ok(false) };
    world.server_turn();
    let clock = world.clock();
    let head = |world: &World| world.store.reader().and_then(|mut reader| reader.head()).ok();
    let (outward, at, derived) =
        (world.outward(), head(&world), world.drive.as_ref().map(|drive| drive.engine().derived()));
    let Some(drive) = &world.drive else { return Err("the server is not up".into()) };
    let said = drive.dry_run(clock, &request);
    let now = (world.outward(), head(&world), world.drive.as_ref().map(|drive| drive.engine().derived()));
    if (outward, at, derived) != now {
        return Err(format!("the rehearsal of {request:?} changed something"));
    }
    let client = world.ask_now(request.clone(), "rehearsed");
    world.server_turn();
    world.run_until(world.now + 2_000);
    settle(&mut world);
    let said = match (said, &world.clients[client].refused) {
        (Err(said), Some(done)) if said.code == done.code => return Ok(true),
        (Ok(said), None) => said,
        (said, done) => return Err(format!("{request:?}: rehearsed {said:?}, performed {done:?}")),
    };
    let Some(job) = world.job_of(client) else { return Err("its job is gone".into()) };
    let mut keys: Vec<&str> = said.steps.iter().map(|step| step.key.as_str()).collect();
    keys.extend(said.then.iter().map(String::as_str));
    let done: Vec<&str> = job.steps.iter().map(|step| step.key.as_str()).collect();
    if !keys.starts_with(&done) || (job.state.is_success() && keys != done) {
        return Err(format!("{request:?}: rehearsed {keys:?}, performed {done:?}"));
    }
    for (said, done) in said.steps.iter().zip(&job.steps) {
        let acts = agent_and_word(&said.act) == agent_and_word(&done.act);
        let undo = undo_word(&said.undo).is_none_or(|said| undo_word(&done.undo) == Some(said));
        if !acts || !undo || said.decides != done.decides {
            return Err(format!("{request:?}: rehearsed {said:?}, performed {done:?}"));
        }
    }
    Ok(true)
}

fn agent_and_word(act: &Act) -> Option<(Uuid, &'static str)> {
    match act {
        Act::Record => None,
        Act::Agent { agent, command } => Some((agent.0, command.word())),
    }
}

fn undo_word(undo: &Undo) -> Option<(Uuid, &'static str)> {
    match undo {
        Undo::None | Undo::Record { .. } => None,
        Undo::Agent { agent, command } => Some((agent.0, command.word())),
    }
}
