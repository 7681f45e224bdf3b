//! Views: things as they are shown, with what is computed beside them.

use std::sync::Arc;

use hostler_model::access::{Token, User};
use hostler_model::agent::{Agent, Enrolment};
use hostler_model::command_line::command_line;
use hostler_model::host::Host;
use hostler_model::job::{Act, Doer, Job, JobState, Lock, LockOn, Step, StepIs, Undo};
use hostler_model::library::{Item, Share};
use hostler_model::saved_view::SavedView;
use hostler_model::status::HostStatus;
use hostler_model::template::Template;
use hostler_model::view::{
    AgentView, EnrolmentView, HostView, ItemView, JobView, RatingView, SavedViewView, ShareView,
    StepProgress, TemplateView, TokenView, UserView, VmView, differences,
};
use hostler_model::vm::Vm;
use hostler_model::{AgentId, Key, status};
use hostler_server::placement::Rating;
use hostler_server::{Handle, Picture};

use crate::names::called;
use crate::secret;

pub(crate) fn vm(picture: &Picture, revision: u64, vm: &Vm) -> VmView {
    VmView {
        vm: vm.clone(),
        revision,
        status: picture.status(vm),
        job: picture.job_on(vm.id).map(|job| job.id),
        host_name: vm.host.and_then(|host| called(picture, Key::Host(host))),
        host_group: group_of(picture, vm),
        differences: differences(vm),
    }
}

/// The path of the group of a machine's host.
pub(crate) fn group_of(picture: &Picture, vm: &Vm) -> Option<String> {
    picture.group_path(picture.host(vm.host?)?.group)
}

/// A machine as it was. What was at work on it then, and whether its host answered, is not in its history.
pub(crate) fn past_vm(picture: &Picture, revision: u64, vm: &Vm) -> VmView {
    let host_name = vm.host.and_then(|host| called(picture, Key::Host(host)));
    let status = status::of(vm, None, HostStatus::Responding);
    let host_group = group_of(picture, vm);
    VmView {
        vm: vm.clone(),
        revision,
        status,
        job: None,
        host_name,
        host_group,
        differences: differences(vm),
    }
}

pub(crate) fn host(handle: &Handle, picture: &Picture, revision: u64, host: &Host) -> HostView {
    let usage = picture.usage(host.id);
    HostView {
        host: host.clone(),
        revision,
        answers: picture.answers(host.id.into()),
        status: picture.host_status(host),
        machines: usage.machines,
        memory_given_mib: usage.memory_mib,
        host_group: picture.group_path(host.group).unwrap_or_default(),
        in_force: picture.in_force_from(host.group, Some(host)),
        load: handle.load(host.id),
        clock_ahead_ms: handle.clock_ahead_ms(host.id),
    }
}

pub(crate) fn agent(handle: &Handle, picture: &Picture, revision: u64, agent: &Agent) -> AgentView {
    let offered = handle.agent_program().map(|program| program.version.clone());
    AgentView {
        agent: agent.clone(),
        revision,
        answers: picture.answers(agent.id),
        last_contact: handle.last_contact(agent.id),
        address: handle.address(agent.id).map(|address| address.to_string()),
        up_to_date: offered.as_ref().map(|offered| *offered == agent.version),
        offered,
    }
}

pub(crate) fn share(revision: u64, share: &Share) -> ShareView {
    ShareView { share: share.clone(), revision }
}

pub(crate) fn item(revision: u64, item: &Item) -> ItemView {
    ItemView { item: item.clone(), revision }
}

pub(crate) fn template(revision: u64, template: &Template) -> TemplateView {
    TemplateView { template: template.clone(), revision }
}

pub(crate) fn user(revision: u64, user: &User) -> UserView {
    UserView { user: user.clone(), revision }
}

pub(crate) fn saved_view(revision: u64, view: &SavedView) -> SavedViewView {
    SavedViewView { view: view.clone(), revision }
}

pub(crate) fn token(revision: u64, token: &Token) -> TokenView {
    TokenView { token: secret::token(token), revision }
}

pub(crate) fn enrolment(revision: u64, enrolment: &Enrolment) -> EnrolmentView {
    EnrolmentView { enrolment: secret::enrolment(enrolment), revision }
}

pub(crate) fn rating(rating: &Rating) -> RatingView {
    RatingView {
        host: rating.host,
        name: rating.name.clone(),
        stars: f32::from(rating.half_stars) / 2.0,
        lacks: rating.lacks.clone(),
        reasons: rating.reasons.clone(),
    }
}

pub(crate) fn job(handle: &Handle, picture: &Picture, revision: u64, job: &Job) -> JobView {
    let progress = job.steps.iter().filter_map(|step| {
        let at = picture.volatile.progress.get(&step.no)?;
        Some(StepProgress { no: step.no, key: step.key.clone(), done: at.done, of: at.of })
    });
    JobView {
        revision,
        waiting: waiting(handle, picture, job),
        cancelling: job.cancelled_by.is_some() && matches!(job.state, JobState::Queued | JobState::Running),
        progress: if job.is_open() { progress.collect() } else { Vec::new() },
        command: command_line(&job.request, &|key| name(picture, job, key)),
        job: secret::job(job),
    }
}

/// What people call a thing; what a job is about, and is gone since, as it was called when the job was asked.
fn name(picture: &Picture, job: &Job, key: Key) -> Option<String> {
    called(picture, key).or_else(|| {
        let own = job.about.first() == Some(&key) && !job.title.is_empty();
        own.then(|| job.title.clone())
    })
}

/// What a job waits for, in words.
fn waiting(handle: &Handle, picture: &Picture, job: &Job) -> Option<String> {
    if let Some(on) = &job.waits_for {
        return Some(behind(picture, job, on));
    }
    if !job.is_open() {
        return None;
    }
    let owed = job.steps.iter().filter_map(Step::owed_by);
    let agents = owed.into_iter().filter_map(|doer| match doer {
        Doer::Agent(agent) => Some(agent),
        Doer::Server => None,
    });
    if let Some(agent) = agents.into_iter().find(|agent| !picture.answers(*agent)) {
        return Some(silent(handle, picture, agent));
    }
    let held = job.steps.iter().filter(|step| step.is == StepIs::Held).find_map(|step| match &step.act {
        Act::Agent { agent, .. } => Some(*agent),
        Act::Record | Act::Server { .. } => None,
    });
    if let Some(agent) = held {
        return Some(format!("room on {}", computer(picture, agent)));
    }
    let undoing = job.steps.iter().find_map(|step| match (&step.is, &step.undo) {
        (StepIs::Done { .. } | StepIs::InDoubt { .. } | StepIs::Failed { .. }, Undo::Agent { agent, .. })
            if job.state == JobState::Undoing && !picture.answers(*agent) =>
        {
            Some(*agent)
        }
        _ => None,
    });
    undoing.map(|agent| silent(handle, picture, agent))
}

fn behind(picture: &Picture, job: &Job, on: &LockOn) -> String {
    let holds = |other: &Arc<Job>| other.id != job.id && other.locks.iter().any(|lock: &Lock| lock.on == *on);
    match picture.open_jobs().find(|other| holds(other)) {
        Some(other) => {
            let what = other.kind.words().to_lowercase();
            format!("job {} ({what}, asked by {})", other.id, other.actor.words())
        }
        None => "another job".to_owned(),
    }
}

fn silent(handle: &Handle, picture: &Picture, agent: AgentId) -> String {
    let computer = computer(picture, agent);
    match handle.last_contact(agent) {
        Some(since) => format!("{computer}, which has not responded since {since}"),
        None => format!("{computer}, which has not responded since the server was started"),
    }
}

fn computer(picture: &Picture, agent: AgentId) -> String {
    called(picture, Key::Agent(agent)).unwrap_or_else(|| format!("agent {agent}"))
}
