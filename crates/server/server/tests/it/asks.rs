//! Asking, waiting, reading, watching.

use std::collections::BTreeSet;
use std::time::Duration;

use hostler_model::access::Actor;
use hostler_model::job::JobState;
use hostler_model::request::{CreateVm, Request, VmSource};
use hostler_model::setting::Settings;
use hostler_model::{Code, JobId, Key, Kind, Name};
use hostler_server::store::JobFilter;
use hostler_server::{Ask, News};

use crate::support::{PATIENCE, code, make_user, site};

#[tokio::test]
async fn who_has_an_answer_finds_the_job_and_what_it_made() {
    let site = site().await;
    let before = site.handle().picture().head;
    let mut watch = site.handle().watch();
    let job = site.handle().ask(make_user("bob")).await.unwrap();
    let picture = site.handle().picture();
    assert!(picture.head > before);
    assert_eq!(picture.named(Kind::User, &Name::new("bob").unwrap().folded()).len(), 1);
    let ended = site.handle().wait_for_job(job, PATIENCE).await.unwrap();
    assert_eq!(ended.state, JobState::Completed);
    let Some(News::Committed(committed)) = watch.next().await else { panic!("no news") };
    assert_eq!(committed.cursor, picture.head);
    assert!(committed.changes.iter().any(|change| change.key == Key::Job(job)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_equal_creations_at_once_with_one_key_make_one_job() {
    let site = site().await;
    let asks = (0..50).map(|_| {
        let handle = site.handle().clone();
        tokio::spawn(async move { handle.ask(Ask { key: Some("k-1".into()), ..make_user("bob") }).await })
    });
    let mut jobs = BTreeSet::new();
    for ask in asks.collect::<Vec<_>>() {
        jobs.insert(ask.await.unwrap().unwrap());
    }
    assert_eq!(jobs.len(), 1);
    let users = site.handle().picture().of_kind(Kind::User).count();
    assert_eq!(users, 2, "bob and the administrator");
    assert_eq!(
        code(site.handle().ask(make_user("bob")).await),
        Code::NameTaken,
        "without the key it is another"
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let site = site().await;
    let before = site.handle().picture().head;
    let dry = site.handle().dry_run(make_user("bob").request).await.unwrap();
    assert_eq!(dry.title, "bob");
    assert_eq!(site.handle().picture().head, before);
    let taken = make_user("administrator").request;
    assert_eq!(code(site.handle().dry_run(taken).await), Code::NameTaken);
}

#[tokio::test]
async fn an_ended_job_is_run_again_unless_its_request_held_a_secret() {
    let site = site().await;
    let settings = Settings { history_days: 30, ..Settings::default() };
    let first = site.handle().ask(Ask::new(Actor::System, Request::SetSettings { settings })).await.unwrap();
    site.handle().wait_for_job(first, PATIENCE).await.unwrap();
    assert_eq!(site.handle().settings().history_days, 30);
    let second = site.handle().again(first, Actor::System, None, false).await.unwrap();
    assert_eq!(site.handle().job(second).await.unwrap().again_of, Some(first));
    let secret = site.handle().ask(make_user("bob")).await.unwrap();
    assert_eq!(code(site.handle().again(secret, Actor::System, None, false).await), Code::ValueInvalid);
    assert_eq!(code(site.handle().again(JobId(999), Actor::System, None, false).await), Code::ObjectNotFound);
    assert_eq!(code(site.handle().cancel(first, Actor::System).await), Code::JobEnded);
}

#[tokio::test]
async fn readers_see_ended_jobs_and_the_feed() {
    let site = site().await;
    let before = site.handle().picture().head;
    let job = site.handle().ask(make_user("bob")).await.unwrap();
    let jobs = site.handle().read(|reader| reader.jobs(&JobFilter::default(), 10)).await.unwrap();
    assert!(jobs.iter().any(|stored| stored.object.id == job));
    let page = site.handle().read(move |reader| reader.feed(before, 100)).await.unwrap();
    assert_eq!(page.next, site.handle().picture().head);
    let ten = (0..10).map(|_| site.handle().read(|reader| reader.head()));
    for head in ten.collect::<Vec<_>>() {
        head.await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_whose_caller_panics_is_lent_again() {
    let site = site().await;
    for _ in 0..8 {
        let broken = site.handle().read::<()>(|_| panic!("on purpose")).await;
        assert_eq!(code(broken), Code::Internal);
    }
    site.handle().read(|reader| reader.head()).await.unwrap();
}

#[tokio::test]
async fn hosts_are_rated_with_their_loads_and_a_creation_carries_the_best() {
    let site = site().await;
    let identity = site.enrolled("host-a").await;
    let agent = site.connect(&identity).await;
    let create = CreateVm {
        name: Name::new("web-1").unwrap(),
        from: VmSource::Empty,
        cpus: None,
        memory_mib: None,
        firmware: None,
        disk_bytes: Some(1 << 30),
        host: None,
        path: None,
        start: false,
        notes: String::new(),
        tags: Vec::new(),
        network: None,
        mac: None,
        vlan: None,
        allow_mac_spoofing: None,
        seed: Default::default(),
        candidates: Vec::new(),
    };
    agent.heartbeat();
    crate::support::until("the load is known", || site.handle().load(identity.about.agent.into()).is_some())
        .await;
    assert!(site.handle().last_contact(identity.about.agent).is_some());
    let ratings = site.handle().rate(&create).await.unwrap();
    assert_eq!(ratings.len(), 1);
    assert!(ratings[0].half_stars > 0 && ratings[0].lacks.is_empty(), "{ratings:?}");
    assert!(!ratings[0].reasons.iter().any(|reason| reason.starts_with("processor: not known")));
    let ask = Ask::new(Actor::System, Request::CreateVm(Box::new(create)));
    let job = site.handle().ask(ask).await.unwrap();
    let job = site.handle().job(job).await.unwrap();
    let Request::CreateVm(asked) = &job.request else { panic!("another request") };
    assert!(asked.candidates.is_empty(), "once the choice is made they are no part of the job any more");
    let chosen = &job.choices["host"];
    assert_eq!(chosen["agent"].as_str(), Some(identity.about.agent.to_string().as_str()));
    assert!(
        !chosen["reasons"].to_string().contains("processor: not known"),
        "the load was known to who rated"
    );
    assert_eq!(
        code(site.handle().again(job.id, Actor::System, None, false).await),
        Code::ObjectBusy,
        "it has not ended"
    );
    let still = site.handle().wait_for_job(job.id, Duration::from_millis(50)).await.unwrap();
    assert_eq!(still.state, JobState::Running, "the wait ends, the job goes on");
}

#[tokio::test]
async fn a_stopped_server_says_so_and_its_watchers_end() {
    let site = site().await;
    let handle = site.handle().clone();
    let mut watch = handle.watch();
    let waiting = tokio::spawn(async move { watch.next().await.is_none() });
    site.server.stop().await;
    assert!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap());
    assert_eq!(code(handle.ask(make_user("bob")).await), Code::ServerStopping);
    assert_eq!(code(handle.dry_run(make_user("bob").request).await), Code::ServerStopping);
}
