//! Agents: who is let in, whose session counts, what is passed on.

use std::time::Duration;

use base64::Engine;
use hostler_model::access::Actor;
use hostler_model::agent::Roles;
use hostler_model::channel::{FromAgent, Query, ReportBody, ToAgent};
use hostler_model::command::{Command, Outcome};
use hostler_model::job::JobState;
use hostler_model::request::Request;
use hostler_model::setting::Settings;
use hostler_model::{AgentId, Code, Key};
use hostler_server::Ask;
use hostler_wire::ConnectError;
use uuid::Uuid;

use crate::support::{PATIENCE, code, site, until};

#[tokio::test]
async fn a_computer_with_a_token_becomes_an_agent_once() {
    let site = site().await;
    let token = site.token().await;
    let identity = site.enrol(&token, "host-a").await.unwrap();
    let picture = site.handle().picture();
    assert!(picture.get(Key::Agent(identity.about.agent)).is_some());
    assert_eq!(picture.host(identity.about.agent.into()).unwrap().name.as_str(), "host-a");
    assert_eq!(identity.about.installation, site.handle().installation());
    let ConnectError::Refused(again) = site.enrol(&token, "host-b").await.unwrap_err() else { panic!() };
    assert_eq!(again.code, Code::EnrolmentRefused);
    let unknown = hostler_wire::EnrolmentToken::new(token.authority()).unwrap();
    let ConnectError::Refused(wrong) = site.enrol(&unknown, "host-b").await.unwrap_err() else { panic!() };
    assert_eq!(wrong.cause, again.cause, "who guesses is not told why");
    site.connect(&identity).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_computers_with_one_token_at_once_one_is_let_in() {
    let site = site().await;
    let token = site.token().await;
    let (a, b) = tokio::join!(site.enrol(&token, "host-a"), site.enrol(&token, "host-b"));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
}

#[tokio::test]
async fn a_token_is_good_only_in_its_time_and_for_its_computer() {
    let site = site().await;
    let roles = Roles { host: true, library: false };
    let make = async |name: Option<&str>, valid_ms| {
        let name = name.map(str::to_owned);
        let made = site.handle().create_enrolment(Actor::System, None, roles, name, None, valid_ms).await;
        made.unwrap().1.unwrap().parse().unwrap()
    };
    let named = make(Some("host-a"), 60_000).await;
    assert!(site.enrol(&named, "host-b").await.is_err());
    site.enrol(&named, "host-a").await.unwrap();
    let short = make(None, 1_000).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(site.enrol(&short, "host-c").await.is_err());
}

#[tokio::test]
async fn an_enrolment_asked_again_with_its_key_shows_no_second_token() {
    let site = site().await;
    let roles = Roles { host: true, library: false };
    let make = || site.handle().create_enrolment(Actor::System, Some("k".into()), roles, None, None, 60_000);
    let (job, text) = make().await.unwrap();
    assert!(text.is_some());
    assert_eq!(make().await.unwrap(), (job, None));
}

#[tokio::test]
async fn a_job_goes_to_the_agent_and_its_answer_ends_it() {
    let site = site().await;
    let identity = site.enrolled("host-a").await;
    let mut agent = site.connect(&identity).await;
    let request = Request::RefreshHost { host: identity.about.agent.into() };
    let job = site.handle().ask(Ask::new(Actor::System, request)).await.unwrap();
    let waiting = tokio::spawn({
        let handle = site.handle().clone();
        async move { handle.wait_for_job(job, PATIENCE).await }
    });
    let no = loop {
        match agent.next().await.unwrap() {
            ToAgent::Do { no, command, .. } => {
                assert_eq!(*command, Command::ReadHost);
                break no;
            }
            ToAgent::Picture => agent.picture(),
            _ => {}
        }
    };
    let mut volatile = site.handle().watch_volatile();
    let at = site.handle().picture().head;
    agent.say(FromAgent::Progress { no, done: 5, of: 10 });
    tokio::time::timeout(PATIENCE, volatile.changed()).await.unwrap().unwrap();
    let picture = site.handle().picture();
    assert_eq!((picture.volatile.progress[&no].done, picture.head), (5, at), "progress is in no commit");
    agent.report(ReportBody::Ended { no, outcome: Outcome::done() });
    assert_eq!(waiting.await.unwrap().unwrap().state, JobState::Completed);
}

#[tokio::test]
async fn a_new_session_takes_the_place_of_the_old_one_and_cuts_it() {
    let site = site().await;
    let identity = site.enrolled("host-a").await;
    let mut old = site.connect(&identity).await;
    let new = site.connect(&identity).await;
    assert!(new.id > old.id);
    old.end().await;
    // The end of the old one is not the end of the new one.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(site.handle().picture().answers(identity.about.agent));
}

#[tokio::test]
async fn an_agent_that_leaves_or_falls_silent_is_lost() {
    let site = site().await;
    let settings = Settings { agent_silence_s: 3, ..Settings::default() };
    site.handle().ask(Ask::new(Actor::System, Request::SetSettings { settings })).await.unwrap();
    let (a, b) = (site.enrolled("host-a").await, site.enrolled("host-b").await);
    let (leaves, mut silent) = (site.connect(&a).await, site.connect(&b).await);
    let begun = std::time::Instant::now();
    drop(leaves);
    until("host-a is lost", || !site.handle().picture().answers(a.about.agent)).await;
    assert!(site.handle().picture().answers(b.about.agent), "silence takes longer to notice");
    let why = silent.end().await;
    assert!(begun.elapsed() >= Duration::from_millis(2_000), "{why} after {:?}", begun.elapsed());
    until("host-b is lost", || !site.handle().picture().answers(b.about.agent)).await;
    assert_eq!(site.handle().load(b.about.agent.into()), None);
}

#[tokio::test]
async fn a_removed_agent_is_cut_at_once_and_never_let_in_again() {
    let site = site().await;
    let identity = site.enrolled("host-a").await;
    let mut agent = site.connect(&identity).await;
    let request = Request::RemoveAgent { agent: identity.about.agent, force: false, keep: true };
    let job = site.handle().ask(Ask::new(Actor::System, request)).await.unwrap();
    assert_eq!(site.handle().wait_for_job(job, PATIENCE).await.unwrap().state, JobState::Completed);
    agent.end().await;
    let config = hostler_wire::AgentConfig::default();
    let refused = hostler_wire::connect(&site.address(), &identity, &config).await.err().unwrap();
    assert!(matches!(refused, ConnectError::CertificateRefused(_)), "{refused}");
}

#[tokio::test]
async fn an_agent_that_says_hello_as_another_is_sent_away() {
    let site = site().await;
    let (a, b) = (site.enrolled("host-a").await, site.enrolled("host-b").await);
    let mut liar = site.hello(&a, b.about.agent).await;
    assert!(liar.end().await.contains("says that it is agent"));
    let mut stranger = site.hello(&a, AgentId(Uuid::from_u128(9))).await;
    stranger.end().await;
    assert!(!site.handle().picture().answers(b.about.agent));
}

#[tokio::test]
async fn an_agent_of_another_installation_is_told_why_it_is_refused() {
    let site = site().await;
    let mut identity = site.enrolled("host-a").await;
    identity.about.installation = hostler_model::InstallationId(Uuid::from_u128(77));
    let mut agent = site.hello(&identity, identity.about.agent).await;
    assert!(agent.end().await.contains("belongs to installation"));
}

#[tokio::test]
async fn an_agent_that_met_a_later_epoch_makes_the_store_a_restored_one() {
    let site = site().await;
    let identity = site.enrolled("host-a").await;
    let session = hostler_wire::connect(&site.address(), &identity, &hostler_wire::AgentConfig::default())
        .await
        .unwrap();
    let hello = hostler_model::channel::Hello {
        protocol: 1,
        oldest: 1,
        agent: identity.about.agent,
        version: "0.1.0".into(),
        installation: identity.about.installation,
        journal: Uuid::from_u128(1),
        run: 1,
        host_boot: "boot".into(),
        epoch: 900,
        host: crate::support::facts("h"),
    };
    let history = site.handle().picture().head.history;
    session.outgoing.send(FromAgent::Hello(Box::new(hello))).await.unwrap();
    until("the epoch is raised", || site.handle().epoch() > 900).await;
    assert_ne!(site.handle().picture().head.history, history);
    site.connect(&identity).await;
}

#[tokio::test]
async fn a_question_is_answered_by_the_agent_or_refused_in_time() {
    let site = site().await;
    let identity = site.enrolled("host-a").await;
    let id = identity.about.agent;
    let ask = |handle: hostler_server::Handle| {
        tokio::spawn(async move { handle.query(id, Query::DefinitionXml { domain: Uuid::nil() }).await })
    };
    assert_eq!(code(ask(site.handle().clone()).await.unwrap()), Code::HostNotResponding);
    let mut agent = site.connect(&identity).await;
    let asked = ask(site.handle().clone());
    let question = loop {
        if let ToAgent::Ask { question, .. } = agent.next().await.unwrap() {
            break question;
        }
    };
    let bytes = base64::engine::general_purpose::STANDARD.encode("<domain/>");
    agent.say(FromAgent::Answer { question, answer: Ok(bytes.clone()) });
    assert_eq!(asked.await.unwrap().unwrap(), b"<domain/>");
    agent.say(FromAgent::Answer { question, answer: Ok(bytes) });
    let lost = ask(site.handle().clone());
    while !matches!(agent.next().await.unwrap(), ToAgent::Ask { .. }) {}
    drop(agent);
    assert_eq!(code(tokio::time::timeout(PATIENCE, lost).await.unwrap().unwrap()), Code::HostNotResponding);
}
