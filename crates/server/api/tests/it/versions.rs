//! Changes that rest on what their caller has seen, and keys that are used twice.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::face::{Answer, Face};
use crate::lists::inventory;

/// Asks as the administrator, with one more header.
async fn with(face: &Face, method: &str, path: &str, header: (&str, &str), body: Option<Value>) -> Answer {
    let authorization = format!("Bearer {}", face.admin);
    let mut headers = vec![("authorization", authorization.as_str()), header];
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    face.send(method, path, &headers, body.map(|body| body.to_string().into_bytes()).unwrap_or_default())
        .await
}

async fn etag(face: &Face, path: &str) -> String {
    face.admin("GET", path, None).await.is(200).header("etag").to_owned()
}

#[tokio::test]
async fn a_change_to_a_version_that_is_gone_is_refused_and_the_present_one_is_named() {
    let face = Face::holding(inventory()).await;
    for path in ["/hosts/alpha", "/hosts/beta"] {
        let seen = etag(&face, path).await;
        let notes = |text: &str| Some(json!({ "notes": text }));
        with(&face, "PATCH", path, ("if-match", "\"nonsense-1\""), notes("wrong"))
            .await
            .code(412, "revision.stale");
        with(&face, "PATCH", path, ("if-match", &seen), notes("first")).await.is(202);
        let refused = with(&face, "PATCH", path, ("if-match", &seen), notes("second")).await;
        let refused = refused.code(412, "revision.stale");
        let present = refused.header("etag").to_owned();
        assert!(etag(&face, path).await.starts_with(present.trim_end_matches('"')), "{present}");
        let now = face.admin("GET", path, None).await.body;
        assert_eq!(now["spec"]["notes"], "first", "nothing was done");
        assert!(refused.body["object"].as_str().unwrap().contains(path.rsplit('/').next().unwrap()));
        with(&face, "PATCH", path, ("if-match", &format!("\"other-1\", {present}")), notes("third"))
            .await
            .is(202);
        with(&face, "PATCH", path, ("if-match", "*"), notes("fourth")).await.is(202);
        let weak = format!("W/{}", etag(&face, path).await);
        with(&face, "PATCH", path, ("if-match", &weak), notes("fifth")).await.code(412, "revision.stale");
        with(&face, "PATCH", path, ("if-match", "no quotes"), notes("sixth"))
            .await
            .code(400, "request.malformed");
    }
}

#[tokio::test]
async fn every_change_to_one_thing_takes_if_match_and_no_other_pretends_to() {
    let face = Face::holding(inventory()).await;
    let wrong = ("if-match", "\"gone-1\"");
    let template = json!({ "name": "tiny", "disk": "tiny-disk" });
    for (method, path, body) in [
        ("DELETE", "/vms/web-00", None),
        ("POST", "/vms/web-00/start", None),
        ("POST", "/vms/web-00/shut-down", None),
        ("PATCH", "/vms/web-00/hardware", Some(json!({ "cpus": 2 }))),
        ("POST", "/vms/web-00/disks", Some(json!({ "size_bytes": 1_048_576 }))),
        ("DELETE", "/vms/web-00/disks/0", None),
        ("PUT", "/vms/web-00/dvd", Some(json!({ "item": null }))),
        ("POST", "/hosts/alpha/refresh", None),
        ("POST", "/hosts/alpha/declare-dead", Some(json!({ "confirm": "alpha" }))),
        ("DELETE", "/agents/alpha", None),
        ("PUT", "/templates/tiny", Some(template.clone())),
        ("DELETE", "/templates/tiny", None),
        ("PATCH", "/users/administrator", Some(json!({ "disabled": false }))),
    ] {
        with(&face, method, path, wrong, body.clone()).await.code(412, "revision.stale");
        let dry = format!("{path}?dry_run=true");
        with(&face, method, &dry, wrong, body).await.code(412, "revision.stale");
    }
    let job =
        face.admin("PATCH", "/hosts/alpha", Some(json!({ "notes": "x" }))).await.is(202).body["job"].clone();
    with(&face, "POST", &format!("/jobs/{job}/again"), wrong, None).await.code(412, "revision.stale");
    let made = json!({ "name": "new", "disk": "tiny-disk" });
    with(&face, "POST", "/templates", wrong, Some(made)).await.code(400, "request.malformed");
    with(&face, "PUT", "/settings", wrong, Some(json!({ "feed_days": 8 })))
        .await
        .code(400, "request.malformed");
}

#[tokio::test]
async fn of_many_who_change_what_they_saw_at_one_moment_one_alone_succeeds() {
    let face = Face::holding(inventory()).await;
    let seen = etag(&face, "/hosts/alpha").await;
    let (done, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = async |n: usize| {
        let body = Some(json!({ "notes": format!("from {n}") }));
        match with(&face, "PATCH", "/hosts/alpha", ("if-match", &seen), body).await.status.as_u16() {
            202 => done.fetch_add(1, Ordering::Relaxed),
            412 => refused.fetch_add(1, Ordering::Relaxed),
            other => panic!("{other}"),
        };
    };
    tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7));
    assert_eq!((done.into_inner(), refused.into_inner()), (1, 7));
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again_also_for_weak_tags_and_lists() {
    let face = Face::holding(inventory()).await;
    let tag = etag(&face, "/vms/web-00").await;
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other-1\",W/\"x\" , {tag}"), "*".to_owned()] {
        let answer = with(&face, "GET", "/vms/web-00", ("if-none-match", &known), None).await.is(304);
        assert_eq!((answer.header("etag"), answer.text.as_str()), (tag.as_str(), ""));
    }
    with(&face, "GET", "/vms/web-00", ("if-none-match", "\"other-1\""), None).await.is(200);
}

#[tokio::test]
async fn a_key_that_was_used_for_another_request_is_refused_and_nothing_is_made_or_passed_over() {
    let face = Face::holding(inventory()).await;
    let template = |name: &str| Some(json!({ "name": name, "disk": "tiny-disk" }));
    let key = ("idempotency-key", "k");
    let first = with(&face, "POST", "/templates", key, template("one")).await.is(202).body;
    let refused = with(&face, "POST", "/templates", key, template("two")).await;
    let refused = refused.code(422, "idempotency.key.reused");
    assert!(refused.body["cause"].as_str().unwrap().contains(&format!("job {}", first["job"])));
    face.admin("GET", "/templates/two", None).await.code(404, "object.not.found");
    with(&face, "DELETE", "/templates/one", key, None).await.code(422, "idempotency.key.reused");
    with(&face, "POST", "/templates?wait=true", key, template("one"))
        .await
        .code(422, "idempotency.key.reused");
    assert_eq!(with(&face, "POST", "/templates", key, template("one")).await.is(202).body, first);
    // The same in another spelling is the same.
    let authorization = format!("Bearer {}", face.admin);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json"), key];
    let spelt = br#"{ "disk": "tiny-disk",  "name": "one" }"#.to_vec();
    assert_eq!(face.send("POST", "/templates", &headers, spelt).await.is(202).body, first);
    let job = face.admin("GET", &format!("/jobs/{}", first["job"]), None).await.is(200).body;
    assert_eq!(job["key"], "k", "the digest behind it is nobody's business");
    // Another user's key is another key.
    let bob = face.user("bob", "administrator").await;
    let authorization = format!("Bearer {bob}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json"), key];
    let body = template("two").unwrap().to_string().into_bytes();
    face.send("POST", "/templates", &headers, body).await.is(202);
}

/// A share with disks and ISO images of like names, of which some cannot be used.
fn library() -> Vec<hostler_model::Object> {
    use hostler_model::{Kind, Object};
    let mut objects = inventory();
    let image = json!({ "format": "qcow2", "virtual_size_bytes": 1 << 20 });
    let items = [
        (11, "my", "my.iso", "iso", json!({ "missing_since": "2026-11-02T00:00:00Z" })),
        (12, "my", "a/b/my.iso", "iso", json!({})),
        (13, "ext", "ext.sh", "script", json!({})),
        (14, "ext", "ext.qcow2", "disk", json!({ "image": image })),
        (15, "two", "one/two.iso", "iso", json!({})),
        (16, "two", "other/two.iso", "iso", json!({})),
    ];
    for (n, name, path, kind, more) in items {
        let mut seen =
            json!({ "path": path, "kind": kind, "size_bytes": 1, "modified": "2026-11-01T00:00:00Z" });
        if let Some(image) = more.get("image") {
            seen["image"] = image.clone();
        }
        let mut item = json!({
            "id": format!("01900000-0000-7000-8000-0003{n:08x}"), "share": "01900000-0000-7000-8000-000200000001",
            "name": name, "seen": seen, "created": "2026-11-01T00:00:00Z",
        });
        if let Some(since) = more.get("missing_since") {
            item["missing_since"] = since.clone();
        }
        objects.push(Object::read(Kind::Item, &item.to_string()).unwrap());
    }
    objects
}

#[tokio::test]
async fn a_library_item_is_looked_for_among_those_that_can_be_used_and_told_apart_by_its_path() {
    let face = Face::holding(library()).await;
    // The host is silent: what was found is then refused for that, and not as a name.
    let dvd = async |item: &str| face.admin("PUT", "/vms/web-00/dvd", Some(json!({ "item": item }))).await;
    for good in ["my", "a/b/my.iso", "a/b/my.iso@files", "one/two.iso", "two@nowhere", "my@files"] {
        let answer = dvd(good).await;
        let expected = if good == "two@nowhere" { "object.not.found" } else { "host.not.responding" };
        assert_eq!(answer.body["code"], expected, "{good}: {}", answer.text);
    }
    let refused = dvd("two").await.code(409, "name.ambiguous");
    assert_eq!(refused.body["cause"], "it means more than one: one/two.iso@files, other/two.iso@files");
    // A script of the same name is not in the way of a disk.
    let spec = json!({ "name": "from-ext", "disk": "ext" });
    face.admin("POST", "/templates", Some(spec)).await.is(202);
    let create = json!({ "name": "x", "from": { "is": "disk", "item": "ext" } });
    let refused = face.admin("POST", "/vms", Some(create)).await.code(409, "placement.no.host");
    assert!(refused.body["cause"].as_str().unwrap().contains("does not answer"), "{}", refused.text);
    let found = face.admin("GET", "/library-items/ext?usable_as=disk", None).await.is(200);
    assert_eq!(found.body["seen"]["path"], "ext.qcow2");
    // Whoever only looks is told of both.
    let refused = face.admin("GET", "/library-items/my", None).await.code(409, "name.ambiguous");
    assert_eq!(refused.body["cause"], "it means more than one: my.iso@files, a/b/my.iso@files");
    face.admin("GET", "/library-items/my.iso%40files", None).await.is(200);
    face.admin("GET", "/library-items/a%2Fb%2Fmy.iso", None).await.is(200);
}
