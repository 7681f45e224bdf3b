//! Views that users save.

use serde_json::json;

use crate::face::Face;

#[tokio::test]
async fn a_view_is_saved_shown_replaced_and_deleted() {
    let face = Face::new().await;
    let saved =
        face.admin("PUT", "/me/views/vms/Shop", Some(json!({ "state": "filter=tags%3Dshop" }))).await.is(202);
    let id = saved.body["id"].as_str().unwrap().to_owned();
    let shown = face.admin("GET", "/me/views/vms/shop", None).await.is(200);
    assert_eq!(shown.body["id"], id.as_str());
    assert_eq!(shown.body["state"], "filter=tags%3Dshop");
    // The same name again is the same view, also where it is written otherwise.
    let again = face.admin("PUT", "/me/views/vms/SHOP", Some(json!({ "state": "sort=name" }))).await.is(202);
    assert_eq!(again.body["id"], id.as_str());
    let job = again.body["job"].as_u64().unwrap();
    let job = face.admin("GET", &format!("/jobs/{job}"), None).await.is(200).body;
    assert_eq!(job["command"], "hostler view save vms/SHOP --state 'sort=name'".replace('\'', ""));
    face.admin("PUT", "/me/views/jobs/shop", Some(json!({ "state": "" }))).await.is(202);
    let listed = face.admin("GET", "/me/views?filter=page=vms", None).await.is(200).body;
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["items"][0]["name"], "SHOP");
    assert_eq!(listed["items"][0]["created"], shown.body["created"]);
    let gone = face.admin("DELETE", "/me/views/vms/shop", None).await.is(202).body;
    face.admin("GET", "/me/views/vms/shop", None).await.code(404, "object.not.found");
    face.admin("DELETE", "/me/views/vms/shop", None).await.code(404, "object.not.found");
    let job = face.admin("GET", &format!("/jobs/{}", gone["job"]), None).await.is(200).body;
    assert_eq!(job["command"], "hostler view delete vms/SHOP");
}

#[tokio::test]
async fn a_view_is_there_for_who_saved_it_and_for_nobody_else() {
    let face = Face::new().await;
    let reader = face.user("reader", "read-only").await;
    face.call("PUT", "/me/views/vms/mine", &reader, Some(json!({ "state": "a" }))).await.is(202);
    face.admin("PUT", "/me/views/vms/mine", Some(json!({ "state": "b" }))).await.is(202);
    assert_eq!(face.call("GET", "/me/views/vms/mine", &reader, None).await.is(200).body["state"], "a");
    assert_eq!(face.call("GET", "/me/views", &reader, None).await.is(200).body["total"], 1);
    face.admin("DELETE", "/me/views/vms/mine", None).await.is(202);
    assert_eq!(face.call("GET", "/me/views/vms/mine", &reader, None).await.is(200).body["state"], "a");
    // They go with their user.
    face.admin("DELETE", "/users/reader", None).await.is(202);
    let left = face.server.handle.picture();
    assert_eq!(left.of_kind(hostler_model::Kind::View).count(), 0);
}

#[tokio::test]
async fn a_view_has_a_version_and_a_bound() {
    let face = Face::new().await;
    let body = || Some(json!({ "state": "a" }));
    for (path, state) in [("VMs/x", "a"), ("vms/x", &*"a".repeat(4_097)), ("vms/x", "a\nb")] {
        let answer = face.admin("PUT", &format!("/me/views/{path}"), Some(json!({ "state": state }))).await;
        answer.code(422, "value.invalid");
    }
    face.admin("PUT", "/me/views/vms/x", Some(json!("a"))).await.code(400, "request.malformed");
    for n in 0..50 {
        face.admin("PUT", &format!("/me/views/vms/v{n}"), body()).await.is(202);
    }
    face.admin("PUT", "/me/views/vms/one-more", body()).await.code(422, "value.invalid");
    face.admin("PUT", "/me/views/vms/v7", body()).await.is(202);
    face.admin("PUT", "/me/views/hosts/one-more", body()).await.is(202);
    let etag = face.admin("GET", "/me/views/vms/v8", None).await.is(200).header("etag").to_owned();
    let authorization = format!("Bearer {}", face.admin);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("if-match", etag.as_str()),
    ];
    let put = || br#"{"state":"c"}"#.to_vec();
    face.send("PUT", "/me/views/vms/v8", &headers, put()).await.is(202);
    face.send("PUT", "/me/views/vms/v8", &headers, put()).await.code(412, "revision.stale");
    face.send("PUT", "/me/views/vms/new", &headers, put()).await.code(404, "object.not.found");
}
