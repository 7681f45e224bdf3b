//! Windows: what a client that folds the events knows is what a fresh list says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::face::Face;
use crate::feed::Listener;
use crate::lists::inventory;

/// Silence that means that all is said: nothing is told later than a quarter of a second after it happened, and a test
/// computer may be busy.
const AT_REST: Duration = Duration::from_millis(1_000);

/// A client's window.
struct Seen {
    events: Listener,
    known: BTreeMap<String, Value>,
    order: Vec<String>,
    counts: Value,
    total: u64,
    rev: u64,
    told: Vec<(Instant, String)>,
}

impl Seen {
    async fn new(face: &Face, token: &str, path: &str) -> Self {
        let events = Listener::open(face, token, path, None).await;
        let mut seen = Self {
            events,
            known: BTreeMap::new(),
            order: Vec::new(),
            counts: Value::Null,
            total: 0,
            rev: 0,
            told: Vec::new(),
        };
        assert_eq!(seen.next(Duration::from_secs(25)).await.as_deref(), Some("window"));
        seen
    }

    /// Folds the next event in, and says what it was; none when there is silence, or the end.
    async fn next(&mut self, patience: Duration) -> Option<String> {
        loop {
            let said = self.events.next_within(patience).await?;
            if said.event.is_empty() {
                continue;
            }
            let whole = said.event == "window";
            assert!(whole || said.event == "change", "{said:?}");
            self.told.push((Instant::now(), said.event.clone()));
            if whole {
                self.known.clear();
            }
            for row in said.data["put"].as_array().unwrap() {
                let id = row["id"].as_str().map_or_else(|| row["id"].to_string(), str::to_owned);
                assert!(whole || self.known.get(&id) != Some(row), "told again, and is as it was: {row}");
                self.known.insert(id, row.clone());
            }
            if let Some(order) = said.data["order"].as_array() {
                let order: Vec<String> = order.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
                assert!(whole || order != self.order, "an order is told only when it is another");
                self.order = order;
            }
            if !said.data["counts"].is_null() {
                self.counts = said.data["counts"].clone();
            }
            self.total = said.data["total"].as_u64().unwrap();
            let rev = said.data["rev"].as_u64().unwrap();
            assert!(rev >= self.rev);
            self.rev = rev;
            self.known.retain(|id, _| self.order.contains(id));
            return Some(said.event);
        }
    }

    async fn rest(&mut self) {
        while self.next(AT_REST).await.is_some() {}
    }

    fn rows(&self) -> Vec<Value> {
        self.order.iter().map(|id| self.known[id].clone()).collect()
    }

    fn names(&self) -> Vec<String> {
        let name =
            |row: &Value| row.pointer("/spec/name").or(row.get("name")).unwrap().as_str().unwrap().to_owned();
        self.rows().iter().map(name).collect()
    }
}

async fn template(face: &Face, name: &str, cpus: u64) {
    let spec = json!({ "name": name, "disk": "tiny-disk", "cpus": cpus });
    face.admin("POST", "/templates", Some(spec)).await.is(202);
}

#[tokio::test]
async fn what_enters_changes_moves_and_leaves_is_told_with_how_many_there_are() {
    let face = Face::holding(inventory()).await;
    let mut seen = Seen::new(&face, &face.admin, "/templates/window?filter=name~t*&sort=-cpus&limit=3").await;
    assert_eq!((seen.names(), seen.total), (vec!["tiny".to_owned()], 1));
    for (name, cpus) in [("t2", 2), ("t4", 4), ("t8", 8), ("other", 16)] {
        template(&face, name, cpus).await;
    }
    seen.rest().await;
    assert_eq!(
        (seen.names(), seen.total),
        (vec!["t8".into(), "t4".into(), "t2".into()], 4),
        "tiny was pushed out"
    );
    let spec = json!({ "name": "t2", "disk": "tiny-disk", "cpus": 32 });
    face.admin("PUT", "/templates/t2", Some(spec)).await.is(202);
    seen.rest().await;
    assert_eq!(seen.names(), ["t2", "t8", "t4"]);
    face.admin("DELETE", "/templates/t8", None).await.is(202);
    seen.rest().await;
    assert_eq!((seen.names(), seen.total), (vec!["t2".into(), "t4".into(), "tiny".into()], 3));
    template(&face, "another", 64).await;
    assert!(seen.next(AT_REST).await.is_none(), "what the filter does not let through is not told");
}

#[tokio::test]
async fn things_are_counted_by_status_over_the_filter_without_what_it_says_of_that() {
    let face = Face::holding(inventory()).await;
    let seen = Seen::new(&face, &face.admin, "/vms/window?filter=host=alpha,status=running&limit=0").await;
    assert_eq!((seen.total, seen.rows()), (0, Vec::new()));
    assert_eq!(seen.counts, json!({ "host-not-responding": 13 }));
    let hosts = Seen::new(&face, &face.admin, "/hosts/window").await;
    assert_eq!((hosts.names(), &hosts.counts), (vec!["alpha".into(), "beta".into()], &json!({ "false": 2 })));
    face.user("bob", "read-only").await;
    let mut users = Seen::new(&face, &face.admin, "/users/window?filter=role=read-only").await;
    assert_eq!(
        (users.names(), &users.counts),
        (vec!["bob".into()], &json!({ "administrator": 1, "read-only": 1 }))
    );
    face.admin("PATCH", "/users/bob", Some(json!({ "role": "administrator" }))).await.is(202);
    users.rest().await;
    assert_eq!((users.total, &users.counts), (0, &json!({ "administrator": 2 })));
}

#[tokio::test]
async fn a_window_of_one_thing_is_its_page() {
    let face = Face::holding(inventory()).await;
    let id = face.admin("GET", "/vms/web-03", None).await.body["id"].as_str().unwrap().to_owned();
    let seen = Seen::new(&face, &face.admin, &format!("/vms/window?filter=id={id}&limit=1")).await;
    assert_eq!(seen.rows()[0], face.admin("GET", "/vms/web-03", None).await.body);
}

#[tokio::test]
async fn who_may_no_longer_look_is_told_no_more() {
    let face = Face::holding(inventory()).await;
    let other = face.user("other", "administrator").await;
    let reader = face.user("reader", "read-only").await;
    face.call("GET", "/users/window", &reader, None).await.code(403, "access.forbidden");
    face.call("GET", "/vms/window", "", None).await.code(401, "access.not.signed.in");
    let own = Seen::new(&face, &reader, "/tokens/window").await;
    assert_eq!(own.total, 1, "one's own only");
    let mut users = Seen::new(&face, &other, "/users/window").await;
    assert_eq!(users.total, 3);
    face.admin("PATCH", "/users/other", Some(json!({ "role": "read-only" }))).await.is(202);
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        while users.events.next_within(Duration::from_secs(25)).await.is_some() {}
    });
    ended.await.expect("at once, and not at the next heartbeat");
    assert_eq!(users.counts["administrator"], 2, "what changed with the right was not told");
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_refused_before_anything_is_told() {
    let face = Face::new().await;
    for query in ["filter=stauts=x", "sort=nmae", "limit=1001"] {
        face.admin("GET", &format!("/vms/window?{query}"), None).await.code(422, "value.invalid");
    }
    face.admin("GET", "/vms/window?cursor=x", None).await.code(400, "request.malformed");
}

async fn asked(face: &Face, of: usize) {
    let disk = face.admin("GET", "/library-items/tiny-disk", None).await.body["id"].clone();
    for n in 0..of {
        let ask = json!({ "ask": "create-template", "spec": { "name": format!("t{n:04}"), "disk": disk } });
        let actor = hostler_model::access::Actor::System;
        let ask = hostler_server::Ask::new(actor, serde_json::from_value(ask).unwrap());
        face.server.handle.ask(ask).await.unwrap();
    }
}

#[tokio::test]
async fn windows_of_one_list_in_different_orders_and_parts_are_each_told_their_own() {
    let face = Face::holding(inventory()).await;
    for name in ["a", "b", "c", "d"] {
        template(&face, name, 1).await;
    }
    let mut up = Seen::new(&face, &face.admin, "/templates/window?sort=name&limit=2").await;
    let mut far = Seen::new(&face, &face.admin, "/templates/window?sort=name&offset=2&limit=2").await;
    let mut down = Seen::new(&face, &face.admin, "/templates/window?sort=-name&limit=2").await;
    let mut same = Seen::new(&face, &face.admin, "/templates/window?sort=name&limit=2").await;
    let spec = json!({ "name": "d", "disk": "tiny-disk", "cpus": 8 });
    face.admin("PUT", "/templates/d", Some(spec)).await.is(202);
    for seen in [&mut up, &mut far, &mut down, &mut same] {
        seen.rest().await;
    }
    assert_eq!((up.names(), same.names()), (vec!["a".into(), "b".into()], vec!["a".into(), "b".into()]));
    assert_eq!((far.names(), down.names()), (vec!["c".into(), "d".into()], vec!["tiny".into(), "d".into()]));
    assert_eq!((&far.rows()[1]["spec"]["cpus"], &down.rows()[1]["spec"]["cpus"]), (&json!(8), &json!(8)));
    assert_eq!(
        [up.told.len(), same.told.len(), far.told.len(), down.told.len()],
        [1, 1, 2, 2],
        "who does not see what has changed is told nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_changes_are_told_in_at_most_four_events_a_second() {
    let face = Face::holding(inventory()).await;
    let mut seen = Seen::new(&face, &face.admin, "/templates/window?sort=-name&limit=10").await;
    let ((), ()) = tokio::join!(asked(&face, 3_000), async {
        while seen.total < 3_001 {
            seen.next(Duration::from_secs(25)).await.expect("all are told");
        }
    });
    assert_eq!(seen.names()[1], "t2999");
    // In sum: one that was late is followed by the next a little sooner.
    let (first, last) = (seen.told[0].0, seen.told.last().unwrap().0);
    let (told, took) = (seen.told.len(), last - first);
    let most = 4.0 * took.as_secs_f64() + 2.0;
    assert!((told as f64) <= most, "{told} events within {took:?}");
    assert!(told > 4, "it was over too soon to say anything: {took:?}");
}

#[tokio::test]
async fn who_reads_slowly_or_missed_a_reload_is_told_everything_anew() {
    let face = Face::holding(inventory()).await;
    let mut seen = Seen::new(&face, &face.admin, "/templates/window?limit=1000").await;
    // More commits than are kept for a watcher, while nobody reads.
    asked(&face, 200).await;
    let next = seen.next(Duration::from_secs(25)).await;
    assert_eq!(next.as_deref(), Some("window"), "what was missed is not known");
    assert_eq!(seen.total, 201);
    let mut jobs = Seen::new(&face, &face.admin, "/jobs/window?filter=kind=create-template&limit=1000").await;
    assert_eq!(jobs.total, 200);
    asked_more(&face).await;
    jobs.rest().await;
    assert_eq!(jobs.total, 300, "ended jobs are read again where their end was missed");
}

async fn asked_more(face: &Face) {
    for n in 0..100 {
        template(face, &format!("more{n}"), 1).await;
    }
}

#[tokio::test]
async fn a_window_of_jobs_shows_what_is_open_and_what_has_ended_with_the_newest_first() {
    let face = Face::holding(inventory()).await;
    template(&face, "before", 1).await;
    let mut all = Seen::new(&face, &face.admin, "/jobs/window?limit=3").await;
    let mut failed = Seen::new(&face, &face.admin, "/jobs/window?filter=state=failed-undone").await;
    let id = face.admin("GET", "/templates/before", None).await.body["id"].as_str().unwrap().to_owned();
    let about = |limit: u32| format!("/jobs/window?filter=about=template/{id}&limit={limit}");
    let mut latest = Seen::new(&face, &face.admin, &about(1)).await;
    let mut by_name =
        Seen::new(&face, &face.admin, "/jobs/window?filter=about=template/before,user=administrator").await;
    assert_eq!(
        (latest.total, by_name.total, latest.rows()[0]["kind"].as_str()),
        (1, 1, Some("create-template"))
    );
    let spec = json!({ "name": "before", "disk": "tiny-disk", "cpus": 4 });
    face.admin("PUT", "/templates/before", Some(spec)).await.is(202);
    template(&face, "after", 1).await;
    for seen in [&mut all, &mut failed, &mut latest, &mut by_name] {
        seen.rest().await;
    }
    let list = face.admin("GET", "/jobs?limit=3", None).await.body;
    assert_eq!(json!(all.rows()), list["items"]);
    assert_eq!(
        (latest.rows()[0]["kind"].as_str(), latest.total, by_name.total),
        (Some("edit-template"), 2, 2)
    );
    assert_eq!((failed.total, &failed.counts), (0, &all.counts), "counted over all states");
    face.admin("DELETE", "/templates/before", None).await.is(202);
    let gone = Seen::new(&face, &face.admin, &about(1)).await;
    assert_eq!(gone.rows()[0]["kind"], "delete-template", "what is gone is found by its id");
}

/// Numbers that look like chance and are the same each time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_what_a_client_knows_at_rest_is_what_a_fresh_list_says() {
    let face = Face::holding(inventory()).await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        face.user(name, "read-only").await;
    }
    // Machines of a silent host stay as they are; of one that is gone for good they can be forgotten.
    face.admin("POST", "/hosts/beta/declare-dead", Some(json!({ "confirm": "beta" }))).await.is(202);
    let mut draws = Draws(20_261_121);
    let mut windows = Vec::new();
    for noun in [
        "templates",
        "users",
        "templates",
        "templates",
        "users",
        "tokens",
        "vms",
        "vms",
        "vms",
        "hosts",
        "hosts",
    ] {
        let name = ["", "name~*1*", "name!~*2*,name%3Ct5"][draws.below(3) as usize];
        let name = if noun == "hosts" { ["", "available=true"][draws.below(2) as usize] } else { name };
        let own = match noun {
            "templates" => "cpus",
            "vms" => "tags,host",
            "hosts" => "available,status",
            _ => "created",
        };
        let sort = [String::new(), "-name".into(), format!("{own},-name")][draws.below(3) as usize].clone();
        let (offset, limit) = (draws.below(4), 1 + draws.below(12));
        let query = format!("filter={name}&sort={sort}");
        let path = format!("/{noun}/window?{query}&offset={offset}&limit={limit}");
        let list = format!("/{noun}?{query}&limit=1000");
        windows.push((Seen::new(&face, &face.admin, &path).await, list, offset as usize, limit as usize));
    }
    for round in 0..8 {
        for _ in 0..=draws.below(12) {
            let (name, cpus) = (format!("t{}", draws.below(12)), 1 + draws.below(4));
            let spec = json!({ "name": name, "disk": "tiny-disk", "cpus": cpus });
            let user = ["a", "b", "c", "d", "e", "f"][draws.below(6) as usize];
            let (vm, host) =
                (format!("web-{:02}", draws.below(22)), ["alpha", "beta"][draws.below(2) as usize]);
            let _ = match draws.below(8) {
                5 | 6 => face.admin("DELETE", &format!("/vms/{vm}?disks=false"), None).await,
                7 => {
                    let available = json!({ "available": draws.below(2) == 0 });
                    face.admin("PATCH", &format!("/hosts/{host}"), Some(available)).await
                }
                0 | 1 => face.admin("POST", "/templates", Some(spec)).await,
                2 => face.admin("PUT", &format!("/templates/t{}", draws.below(12)), Some(spec)).await,
                3 => face.admin("DELETE", &format!("/templates/{name}"), None).await,
                _ => {
                    let role = ["administrator", "read-only"][draws.below(2) as usize];
                    face.admin("PATCH", &format!("/users/{user}"), Some(json!({ "role": role }))).await
                }
            };
        }
        let mut events = 0;
        futures_util::future::join_all(windows.iter_mut().map(|(seen, ..)| seen.rest())).await;
        for (seen, list, offset, limit) in &mut windows {
            let fresh = face.admin("GET", list, None).await.is(200).body;
            let items = fresh["items"].as_array().unwrap();
            let wanted: Vec<Value> = items.iter().skip(*offset).take(*limit).cloned().collect();
            assert_eq!(json!(seen.rows()), json!(wanted), "round {round}, {list}");
            assert_eq!(seen.total, fresh["total"], "round {round}, {list}");
            events += seen.told.len();
        }
        assert!(round < 7 || events > 20, "only {events} events: hardly anything was tried");
    }
    for noun in ["vms", "hosts", "templates", "users"] {
        let told =
            windows.iter().filter(|(_, list, ..)| list.contains(noun)).map(|(seen, ..)| seen.told.len());
        assert!(told.max() > Some(1), "nothing has happened in any window of {noun}");
    }
}
