//! No hash, token or password leaves, by whatever route.

use std::time::Duration;

use hostler_model::{Kind, Object};
use serde_json::json;

use crate::face::Face;
use crate::feed::Listener;

#[tokio::test]
async fn no_answer_and_no_event_holds_a_hash_a_token_or_a_password() {
    let face = Face::new().await;
    let bob = face.user("bob", "read-only").await;
    face.admin("PATCH", "/users/bob", Some(json!({ "password": "battery staple" }))).await.is(202);
    let body = json!({ "roles": { "host": true, "library": false }, "valid_s": 60 });
    let enrolment = face.admin("POST", "/enrolments", Some(body)).await.is(202).body["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let id = face.admin("GET", "/enrolments", None).await.body["items"][0]["id"].as_str().unwrap().to_owned();
    let mut secrets = vec![
        "$argon2".into(),
        "battery staple".into(),
        "correct horse".into(),
        bob,
        enrolment,
        face.admin.clone(),
    ];
    let picture = face.server.handle.picture();
    for stored in picture.of_kind(Kind::Token).chain(picture.of_kind(Kind::Enrolment)) {
        match &stored.object {
            Object::Token(token) => secrets.push(token.sha256.clone()),
            Object::Enrolment(enrolment) => secrets.push(enrolment.sha256.clone()),
            _ => unreachable!(),
        }
    }
    face.admin("DELETE", &format!("/enrolments/{id}"), None).await.is(202);
    let made = face.admin("POST", "/tokens", Some(json!({ "name": "gone" }))).await.is(202);
    secrets.push(made.body["token"].as_str().unwrap().to_owned());
    face.admin("DELETE", "/tokens/gone", None).await.is(202);

    let mut said = String::new();
    let jobs = face.admin("GET", "/jobs?limit=1000", None).await.is(200);
    for job in jobs.body["items"].as_array().unwrap() {
        said += &face.admin("GET", &format!("/jobs/{}", job["id"]), None).await.is(200).text;
        said += &face.admin("GET", &format!("/jobs/{}/changes", job["id"]), None).await.is(200).text;
    }
    said += &jobs.text;
    for path in ["/tokens", "/tokens?user=bob", "/users", "/users/bob", "/enrolments", "/me", "/server"] {
        said += &face.admin("GET", path, None).await.is(200).text;
    }
    let history = picture.head.history;
    let mut feed = Listener::new(&face, &face.admin, &format!("?after={history}-0"), None).await;
    let mut kinds = std::collections::BTreeSet::new();
    while let Some(event) = feed.next_within(Duration::from_secs(1)).await {
        kinds.insert(event.data["kind"].to_string());
        said += &event.data.to_string();
    }
    assert!(kinds.len() >= 4, "{kinds:?}");
    assert!(!kinds.contains("\"credential\""));
    assert!(secrets.len() >= 9 && secrets.iter().all(|secret| secret.len() > 6));
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} was said");
    }
}

#[tokio::test]
async fn what_proves_who_signs_in_on_a_computer_is_in_no_plan_and_in_no_refusal() {
    let face = Face::new().await;
    let host_key = format!("SHA256:{}", "a".repeat(43));
    let body = |secrets: serde_json::Value| json!({ "address": "192.0.2.7", "user": "root", "host_key": host_key, "secrets": secrets });
    let secret = "-----BEGIN correct horse";
    let plan =
        face.admin("POST", "/hosts?dry_run=true", Some(body(json!({ "private_key": secret })))).await.is(200);
    let line = format!("hostler host add 192.0.2.7 --user root --host-key {host_key}");
    assert_eq!(plan.body["command"].as_str(), Some(line.as_str()));
    let keys: Vec<&str> =
        plan.body["steps"].as_array().unwrap().iter().filter_map(|step| step["key"].as_str()).collect();
    assert_eq!(keys, ["check", "install", "token", "enrol"]);
    let mut said = plan.text;
    // This server has no agent program that it could bring.
    let asked = face.admin("POST", "/hosts", Some(body(json!({ "private_key": secret })))).await;
    said += &asked.code(404, "object.not.found").text;
    for wrong in [
        json!({ "private_key": secret, "password": secret }),
        json!({ "password": format!("{secret}\n") }),
        json!({ "password": [secret] }),
        json!({ "pass": secret }),
    ] {
        let answer = face.admin("POST", "/hosts", Some(body(wrong))).await;
        assert!(answer.status.is_client_error(), "{}", answer.text);
        said += &answer.text;
    }
    assert!(!said.contains("correct horse"), "{said}");
}
