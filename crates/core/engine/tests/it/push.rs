//! A computer that is added by SSH: what the server does itself in which order, and what is taken back.

use hostler_model::agent::Roles;
use hostler_model::command::{Answer, Outcome};
use hostler_model::job::{JobState, StepIs};
use hostler_model::push::{AddHost, SshTarget};
use hostler_model::request::{EnrolAgent, Request, Secret};
use hostler_model::{AgentId, Code, JobId, Key, Object, Refusal, Timestamp, TokenId};
use uuid::Uuid;

use crate::world::{World, facts, name};

const STEPS: [&str; 6] = ["check", "install", "token", "enrol", "start", "connect"];
const NEW: AgentId = AgentId(Uuid::from_u128(0xE000));

fn add(address: &str) -> Request {
    let on = SshTarget {
        address: address.into(),
        port: 22,
        user: "admin".into(),
        host_key: format!("SHA256:{}", "a".repeat(43)),
        secrets: Uuid::from_u128(7),
    };
    let roles = Roles { host: true, library: true };
    let sha256 = Secret("ab".into());
    Request::AddHost(Box::new(AddHost { on, sha256, roles, name: None, group: None, server: None }))
}

fn token(world: &World) -> Option<TokenId> {
    world.record.keys().find_map(|key| match key {
        Key::Enrolment(token) => Some(*token),
        _ => None,
    })
}

/// The computer comes with its token.
fn enrols(world: &mut World) {
    let asked = world.ask(Request::EnrolAgent(Box::new(EnrolAgent {
        agent: NEW,
        token: token(world).unwrap(),
        version: "1".into(),
        certificate: "cc".into(),
        certificate_until: Timestamp(i64::MAX),
        facts: facts(9),
    })));
    assert_eq!(world.state(asked.unwrap()), JobState::Completed);
}

/// Brings a job to where this step is out.
fn until(world: &mut World, job: JobId, step: &str) {
    for key in STEPS.into_iter().take_while(|key| *key != step).filter(|key| *key != "token") {
        if key == "enrol" {
            enrols(world);
        }
        world.done(job, key);
    }
    assert_eq!(world.is(job, step), &StepIs::Out);
}

fn knows_the_computer(world: &World) -> bool {
    [Key::Agent(NEW), Key::Host(NEW.into())].iter().any(|key| world.record.contains_key(key))
}

fn trouble() -> Refusal {
    Refusal::new(Code::SshUnreachable, "computer 192.0.2.7", "nobody answers")
}

#[test]
fn a_computer_is_checked_installed_enrolled_and_started_and_the_job_ends_when_its_agent_has_connected() {
    let mut world = World::new(0);
    let job = world.ask(add("192.0.2.7")).unwrap();
    assert_eq!(world.sent(), ["do check-computer"], "nothing is changed before it was looked at");
    assert!(token(&world).is_none(), "no token is good before it is needed");
    world.done(job, "check");
    world.done(job, "install");
    assert_eq!(world.sent(), ["do install-agent", "do enrol-computer"]);
    enrols(&mut world);
    world.done(job, "enrol");
    world.done(job, "start");
    assert_eq!(world.sent(), ["do start-agent", "do await-agent"]);
    assert_eq!(world.state(job), JobState::Running);
    world.done(job, "connect");
    assert_eq!((world.state(job), world.keys(job)), (JobState::Completed, STEPS.to_vec()));
    assert!(knows_the_computer(&world));
}

#[test]
fn whichever_step_fails_is_cancelled_or_in_doubt_nothing_stays() {
    for step in STEPS.into_iter().filter(|step| *step != "token") {
        for how in ["fails", "in doubt", "cancelled", "late"] {
            let mut world = World::new(0);
            let job = world.ask(add("192.0.2.7")).unwrap();
            until(&mut world, job, step);
            if step == "enrol" {
                // It was let in; only the answer is missing.
                enrols(&mut world);
            }
            world.sent();
            match how {
                "fails" => world.answer(job, step, Outcome::Failed { refusal: trouble() }),
                "in doubt" => world.answer(job, step, Outcome::InDoubt { refusal: trouble() }),
                _ => {
                    if how == "cancelled" {
                        world.cancel(job).unwrap();
                    } else {
                        world.pass(1_000_000);
                    }
                    assert_eq!(world.sent(), ["stop"], "{step} {how}");
                    world.answer(job, step, Outcome::Revoked);
                }
            }
            let installed = step != "check";
            assert_eq!(
                world.sent(),
                if installed { vec!["do remove-agent"] } else { vec![] },
                "{step} {how}"
            );
            if installed {
                world.done(job, "install");
            }
            let state = if how == "cancelled" { JobState::Cancelled } else { JobState::FailedUndone };
            assert_eq!(world.state(job), state, "{step} {how}");
            assert!(
                !knows_the_computer(&world) && token(&world).is_none(),
                "{step} {how}: {:?}",
                world.record.keys()
            );
        }
    }
}

#[test]
fn an_agent_that_says_it_enrolled_elsewhere_is_not_believed() {
    let mut world = World::new(0);
    let job = world.ask(add("192.0.2.7")).unwrap();
    until(&mut world, job, "enrol");
    world.done(job, "enrol");
    world.done(job, "install");
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::AgentNotConnecting);
}

#[test]
fn a_server_that_starts_anew_takes_up_what_it_owes_itself_and_says_what_stays_where_it_gets_in_no_more() {
    let mut world = World::new(0);
    let job = world.ask(add("192.0.2.7")).unwrap();
    until(&mut world, job, "install");
    world.sent();
    world.restart(false);
    world.pass(1);
    assert_eq!(world.sent(), ["do install-agent"], "nobody is at it any more");
    world.pass(1);
    assert_eq!(world.sent(), [""; 0], "it is told once");
    let gone = Refusal::new(Code::SecretGone, "computer 192.0.2.7", "the server was started anew");
    world.answer(job, "install", Outcome::Failed { refusal: gone });
    assert_eq!(world.sent(), ["do remove-agent"]);
    world.restart(false);
    world.pass(1);
    assert_eq!(world.sent(), ["do remove-agent"]);
    let stays = vec!["the agent".to_owned()];
    world.answer(job, "install", Outcome::Done { answer: Answer::Removal { removes: Vec::new(), stays } });
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::SecretGone);
    assert_eq!(world.jobs[&job].notes, ["stays: the agent"]);

    // What needs nobody to sign in goes on.
    let job = world.ask(add("192.0.2.7")).unwrap();
    until(&mut world, job, "connect");
    world.sent();
    world.restart(false);
    world.pass(1);
    assert_eq!(world.sent(), ["do await-agent"]);
    world.done(job, "connect");
    assert_eq!(world.state(job), JobState::Completed);
}

#[test]
fn two_jobs_do_not_install_over_each_other_and_no_job_or_record_holds_a_token() {
    let mut world = World::new(0);
    let job = world.ask(add("host-b.example.org")).unwrap();
    assert_eq!(world.ask(add("Host-B.example.org")).unwrap_err().code, Code::ObjectBusy);
    assert!(world.ask(add("host-c.example.org")).is_ok());
    let bad = Request::AddHost(Box::new(AddHost { name: Some(name("x")), ..asked("-oProxyCommand=x") }));
    assert_eq!(world.ask(bad).unwrap_err().code, Code::ValueInvalid);
    let text = serde_json::to_string(&Object::from(world.jobs[&job].clone())).unwrap();
    assert!(!text.contains("\"ab\""), "{text}");
}

fn asked(address: &str) -> AddHost {
    match add(address) {
        Request::AddHost(ask) => *ask,
        other => panic!("{other:?}"),
    }
}

#[test]
fn how_much_of_the_program_is_on_its_way_is_shown_until_it_is_there() {
    let mut world = World::new(0);
    let job = world.ask(add("192.0.2.7")).unwrap();
    until(&mut world, job, "install");
    let no = world.jobs[&job].step("install").unwrap().no;
    assert_eq!(world.engine.progress_of(no), None);
    world.own_progress(no, 40);
    assert_eq!(world.engine.progress_of(no).map(|progress| (progress.done, progress.of)), Some((40, 100)));
    // An agent has no say in it.
    world.progress(0, no, 90);
    assert_eq!(world.engine.progress_of(no).map(|progress| progress.done), Some(40));
    world.done(job, "install");
    assert_eq!(world.engine.progress_of(no), None);
}
