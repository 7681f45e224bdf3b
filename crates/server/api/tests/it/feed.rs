//! The live feed.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::face::Face;
use crate::lists::inventory;

/// A reader of server-sent events.
pub struct Listener {
    stream: BodyDataStream,
    text: String,
}

#[derive(Debug)]
pub struct Said {
    pub event: String,
    pub id: String,
    pub data: Value,
}

impl Listener {
    pub async fn new(face: &Face, token: &str, query: &str, last: Option<&str>) -> Self {
        Self::open(face, token, &format!("/feed{query}"), last).await
    }

    /// Of any route that answers with events.
    pub async fn open(face: &Face, token: &str, path: &str, last: Option<&str>) -> Self {
        let mut request =
            Request::get(format!("/api/v1{path}")).header("authorization", format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = face.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { stream: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next thing said; none when the feed has ended, or says nothing for `patience`.
    pub async fn next_within(&mut self, patience: Duration) -> Option<Said> {
        while !self.text.contains("\n\n") {
            let chunk = tokio::time::timeout(patience, self.stream.next()).await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
        let (block, rest) = self.text.split_once("\n\n").unwrap();
        let field = |name: &str| {
            block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
        };
        let said = Said {
            event: field("event:"),
            id: field("id:"),
            data: serde_json::from_str(&field("data:")).unwrap_or_default(),
        };
        self.text = rest.to_owned();
        Some(said)
    }

    pub async fn next(&mut self) -> Said {
        self.next_within(Duration::from_secs(25)).await.expect("the feed ended or fell silent")
    }

    /// The next change of a kind.
    pub async fn change(&mut self, kind: &str) -> Said {
        loop {
            let said = self.next().await;
            if said.data["kind"] == kind {
                return said;
            }
        }
    }
}

async fn template(face: &Face, name: &str) {
    face.admin("POST", "/templates", Some(json!({ "name": name, "disk": "tiny-disk" }))).await.is(202);
}

#[tokio::test]
async fn a_change_is_told_as_it_happens_and_resumed_where_it_broke_off() {
    let face = Face::holding(inventory()).await;
    let mut feed = Listener::new(&face, &face.admin, "?kinds=template", None).await;
    let begin = feed.next().await;
    assert!(begin.event.is_empty() && begin.id.contains('-'), "{begin:?}");
    template(&face, "one").await;
    let one = feed.next().await;
    assert_eq!(
        (one.event.as_str(), &one.data["op"], &one.data["body"]["spec"]["name"]),
        ("change", &json!("put"), &json!("one"))
    );
    assert_eq!(one.data["actor"]["name"], "administrator");
    assert!(one.data["job"].is_u64() && one.data["at"].is_string());
    assert!(one.id.ends_with(&format!("-{}", one.data["rev"])), "{one:?}");
    drop(feed);

    template(&face, "two").await;
    face.admin("DELETE", "/templates/one", None).await.is(202);
    for (query, last) in
        [("?kinds=template", Some(one.id.as_str())), (&*format!("?kinds=template&after={}", one.id), None)]
    {
        let mut feed = Listener::new(&face, &face.admin, query, last).await;
        feed.next().await;
        assert_eq!(feed.next().await.data["body"]["spec"]["name"], "two");
        let gone = feed.next().await;
        assert_eq!((&gone.data["op"], gone.data.get("body")), (&json!("gone"), None));
        template(&face, &format!("live{}", query.len())).await;
        assert_eq!(feed.next().await.data["op"], "put", "and on it goes, live");
    }
}

#[tokio::test]
async fn who_resumes_within_a_commit_gets_it_whole() {
    let face = Face::holding(inventory()).await;
    let head = face.admin("GET", "/server", None).await.body["head"].as_str().unwrap().to_owned();
    let mut feed = Listener::new(&face, &face.admin, "", None).await;
    feed.next().await;
    template(&face, "one").await;
    let mut last = head;
    let mut events = Vec::new();
    while !events.iter().any(|event: &Said| event.data["kind"] == "template")
        || last != events.last().unwrap().id
    {
        let said = feed.next().await;
        // Cut off here, the client would come back with `last`: nothing of this commit may be before it.
        let begun = events.iter().filter(|event| event.data["rev"] == said.data["rev"]);
        for event in begun {
            assert!(event.id.is_empty(), "the place stands before the commit's end: {event:?}");
        }
        if !said.id.is_empty() {
            last = said.id.clone();
        }
        events.push(said);
    }
    let of_commit =
        events.iter().filter(|event| event.data["rev"] == events.last().unwrap().data["rev"]).count();
    assert!(of_commit >= 2, "the job and the template are one commit");
}

#[tokio::test]
async fn a_place_that_is_not_kept_is_answered_with_resync_and_the_feed_goes_on_from_there() {
    let face = Face::holding(inventory()).await;
    let mut feed = Listener::new(&face, &face.admin, "?kinds=template", Some("0123456789abcdef-1")).await;
    feed.next().await;
    let resync = feed.next().await;
    assert_eq!(resync.event, "resync");
    assert_eq!(face.admin("GET", "/server", None).await.body["head"], resync.id.as_str());
    template(&face, "one").await;
    assert_eq!(feed.next().await.data["body"]["spec"]["name"], "one");
    face.admin("GET", "/feed?after=nonsense", None).await.code(422, "value.invalid");
    face.admin("GET", "/feed?kinds=credential", None).await.code(422, "value.invalid");
}

#[tokio::test]
async fn a_reader_that_was_slow_misses_nothing() {
    let face = Face::holding(inventory()).await;
    let mut feed = Listener::new(&face, &face.admin, "?kinds=template", None).await;
    // Not read from, while more is committed than is kept in memory for those who follow.
    let disk = face.admin("GET", "/library-items/tiny-disk", None).await.body["id"].clone();
    let actor = hostler_model::access::Actor::System;
    for n in 0..1_100 {
        let ask = json!({ "ask": "create-template", "spec": { "name": format!("t{n}"), "disk": disk } });
        let ask = hostler_server::Ask::new(actor.clone(), serde_json::from_value(ask).unwrap());
        face.server.handle.ask(ask).await.unwrap();
    }
    feed.next().await;
    for n in 0..1_100 {
        assert_eq!(feed.change("template").await.data["body"]["spec"]["name"], format!("t{n}"));
    }
}

#[tokio::test]
async fn accounts_of_others_are_told_to_administrators_only() {
    let face = Face::holding(inventory()).await;
    let reader = face.user("reader", "read-only").await;
    let mut all = Listener::new(&face, &face.admin, "?kinds=user,token,enrolment,template", None).await;
    let mut some = Listener::new(&face, &reader, "?kinds=user,token,enrolment,template", None).await;
    face.user("bob", "read-only").await;
    let roles = json!({ "roles": { "host": true, "library": false } });
    face.admin("POST", "/enrolments", Some(roles)).await.is(202);
    template(&face, "last").await;
    assert_eq!(all.change("user").await.data["body"]["name"], "bob");
    let token = all.change("token").await;
    assert!(token.data["body"].get("sha256").is_none(), "{token:?}");
    let enrolment = all.change("enrolment").await;
    assert!(enrolment.data["body"].get("sha256").is_none(), "{enrolment:?}");
    some.next().await;
    assert_eq!(some.next().await.data["kind"], "template", "nothing of bob and of the enrolment");
}

#[tokio::test]
async fn who_is_shut_out_listens_no_longer_than_a_heartbeat() {
    let face = Face::new().await;
    let reader = face.user("reader", "read-only").await;
    let mut feed = Listener::new(&face, &reader, "?kinds=host", None).await;
    feed.next().await;
    face.admin("DELETE", "/users/reader", None).await.is(202);
    assert!(feed.next_within(Duration::from_secs(25)).await.is_none());
}
