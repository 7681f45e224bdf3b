//! A store that fails, a store that does not answer, too many who ask.

use std::time::{Duration, Instant};

use hostler_model::{Code, Kind};
use hostler_server::store::Fault;
use hostler_server::{Ask, News};

use crate::support::{Gated, PATIENCE, code, make_user, memory, site_on, until};

#[tokio::test]
async fn a_store_that_fails_refuses_changes_serves_readers_and_recovers() {
    let store = memory();
    let site = site_on(store.clone()).await;
    let identity = site.enrolled("host-a").await;
    let mut agent = site.connect(&identity).await;
    let before = site.handle().picture().head;
    for _ in 0..3 {
        store.fail_next(Fault::Full);
    }
    let asked = || Ask { key: Some("k".into()), ..make_user("bob") };
    let refused = site.handle().ask(asked()).await.unwrap_err();
    assert_eq!(refused.code, Code::StoreUnavailable);
    assert!(refused.cause.contains("no space"), "{refused}");
    assert_eq!(site.handle().picture().head, before, "readers keep the last committed picture");
    assert!(agent.end().await.contains("lost"), "agents are to come again");
    let deadline = Instant::now() + PATIENCE;
    let job = loop {
        match site.handle().ask(asked()).await {
            Ok(job) => break job,
            Err(why) => assert_eq!(why.code, Code::StoreUnavailable),
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(site.handle().ask(asked()).await.unwrap(), job);
    assert!(site.handle().trouble().is_none());
    site.connect(&identity).await;
}

#[tokio::test]
async fn a_change_whose_fate_was_unknown_and_that_was_kept_is_found_by_its_key() {
    let store = memory();
    let site = site_on(store.clone()).await;
    let mut watch = site.handle().watch();
    store.fail_next(Fault::UnknownKept);
    let asked = || Ask { key: Some("k".into()), ..make_user("bob") };
    assert_eq!(code(site.handle().ask(asked()).await), Code::StoreUnavailable);
    until("the store works", || site.handle().trouble().is_none()).await;
    let news = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
    assert!(matches!(news, Some(News::Missed)), "a watcher is told that it missed something");
    site.handle().ask(asked()).await.unwrap();
    assert_eq!(site.handle().picture().of_kind(Kind::User).count(), 2, "bob was made once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_asks_and_a_store_that_hangs_are_told_to_those_who_ask() {
    let (store, gate) = Gated::new(memory());
    let site = site_on(store).await;
    let held = {
        let (begun, holds) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let _held = gate.lock().unwrap();
            begun.send(()).unwrap();
            let _ = released.recv();
        });
        holds.recv().unwrap();
        (release, thread)
    };
    let begun = Instant::now();
    let asks: Vec<_> = (0..9_000)
        .map(|n| {
            let handle = site.handle().clone();
            tokio::spawn(async move { handle.ask(make_user(&format!("user-{n}"))).await })
        })
        .collect();
    let mut codes = std::collections::BTreeMap::new();
    for ask in asks {
        *codes.entry(code(ask.await.unwrap())).or_insert(0) += 1;
    }
    let overloaded = codes[&Code::ServerOverloaded];
    assert!((1..=9_000 - 8_192).contains(&overloaded), "{codes:?}");
    assert_eq!(
        codes[&Code::StoreUnavailable],
        9_000 - overloaded,
        "those who waited are told after 10 s: {codes:?}"
    );
    assert!(begun.elapsed() >= Duration::from_secs(10));
    let at_once = Instant::now();
    assert_eq!(code(site.handle().ask(make_user("late")).await), Code::StoreUnavailable);
    assert!(at_once.elapsed() < Duration::from_secs(2), "nobody waits in vain");
    assert!(site.handle().trouble().is_some());
    held.0.send(()).unwrap();
    held.1.join().unwrap();
    until("the store works", || site.handle().trouble().is_none()).await;
    // Those who waited in vain are still in the queue: on a busy computer it takes a moment until there is room.
    let until = Instant::now() + PATIENCE;
    loop {
        match site.handle().ask(make_user("late")).await {
            Err(refusal) if refusal.code == Code::ServerOverloaded && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => {
                answer.unwrap();
                break;
            }
        }
    }
}
