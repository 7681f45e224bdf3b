//! Changes: asked, shown as a plan, repeated, refused.

use serde_json::json;

use crate::face::Face;
use crate::lists::inventory;

#[tokio::test]
async fn a_setting_is_changed_by_a_job_that_says_so() {
    let face = Face::new().await;
    let refused =
        face.admin("PUT", "/settings", Some(json!({ "history_days": 0 }))).await.code(422, "value.invalid");
    assert!(refused.body["object"].as_str().unwrap().contains("history_days"));
    let refused =
        face.admin("PUT", "/settings", Some(json!({ "histroy_days": 1 }))).await.code(422, "value.invalid");
    assert!(refused.body["cause"].as_str().unwrap().contains("histroy_days"));

    let accepted = face.admin("PUT", "/settings", Some(json!({ "history_days": 30 }))).await.is(202);
    let settings = face.admin("GET", "/server", None).await.is(200).body["settings"].clone();
    assert_eq!((&settings["history_days"], &settings["feed_days"]), (&json!(30), &json!(7)));
    let job = face.admin("GET", &format!("/jobs/{}", accepted.body["job"]), None).await.is(200).body;
    assert_eq!(job["state"], "completed");
    let command = job["command"].as_str().unwrap();
    assert!(command.starts_with("hostler server set ") && command.ends_with(" history_days=30"), "{command}");
    let changes = face.admin("GET", &format!("/jobs/{}/changes", job["id"]), None).await.is(200).body;
    let days = changes.as_array().unwrap().iter().find(|c| c["property"] == "settings.history_days");
    assert!(days.is_none_or(|days| days["after"] == 30), "{changes}");
}

#[tokio::test]
async fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let face = Face::new().await;
    let before = face.admin("GET", "/server", None).await.body["head"].clone();
    let body = json!({ "name": "bob", "role": "read-only", "password": "correct horse" });
    let plan = face.admin("POST", "/users?dry_run=true", Some(body)).await.is(200);
    assert_eq!(plan.body["kind"], "create-user");
    assert_eq!(plan.body["steps"][0]["key"], "record");
    assert!(!plan.text.contains("argon2"), "{}", plan.text);
    face.admin("GET", "/users/bob", None).await.code(404, "object.not.found");
    assert_eq!(face.admin("GET", "/server", None).await.body["head"], before);
}

#[tokio::test]
async fn a_mistyped_option_is_refused_and_nothing_is_done() {
    let face = Face::holding(inventory()).await;
    for query in ["?dryrun=true", "?dry_run=yes", "?wait=1", "?disk=false", "?dry_run=true&x"] {
        face.admin("DELETE", &format!("/templates/tiny{query}"), None).await.code(400, "request.malformed");
    }
    face.admin("GET", "/templates/tiny", None).await.is(200);
}

#[tokio::test]
async fn the_same_key_is_the_same_job() {
    let face = Face::holding(inventory()).await;
    let ask = async |key: &str, name: &str| {
        let authorization = format!("Bearer {}", face.admin);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body = json!({ "name": name, "disk": "tiny-disk" }).to_string();
        face.send("POST", "/templates", &headers, body.into_bytes()).await
    };
    let (one, two) = tokio::join!(ask("k1", "twice"), ask("k1", "twice"));
    assert_eq!(one.is(202).body, two.is(202).body);
    ask("k2", "twice").await.code(409, "name.taken");
    ask("", "x").await.code(422, "value.invalid");
    ask(&"k".repeat(129), "x").await.code(422, "value.invalid");
}

#[tokio::test]
async fn a_token_is_not_shown_twice_even_with_its_key() {
    let face = Face::new().await;
    for path in ["/tokens", "/enrolments"] {
        let body = if path == "/tokens" {
            json!({ "name": "x" })
        } else {
            json!({ "roles": { "host": true, "library": false } })
        };
        let authorization = format!("Bearer {}", face.admin);
        let key = format!("key{}", path.len());
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key.as_str()),
        ];
        let first = face.send("POST", path, &headers, body.to_string().into_bytes()).await.is(202);
        assert!(first.body["token"].as_str().unwrap().len() > 40);
        face.send("POST", path, &headers, body.to_string().into_bytes()).await.code(422, "value.invalid");
    }
}

#[tokio::test]
async fn a_template_is_made_with_the_name_of_its_disk_and_refused_with_its_reason() {
    let face = Face::holding(inventory()).await;
    let accepted =
        face.admin("POST", "/templates", Some(json!({ "name": "small", "disk": "tiny-disk" }))).await.is(202);
    let id = accepted.body["id"].as_str().unwrap();
    let made = face.admin("GET", &format!("/templates/{id}"), None).await.is(200);
    assert_eq!(made.body["spec"]["name"], "small");
    let nothing = json!({ "name": "other", "disk": "nothing" });
    face.admin("POST", "/templates", Some(nothing)).await.code(404, "object.not.found");
    let none = json!({ "name": "other", "disk": "tiny-disk", "cpus": 0 });
    face.admin("POST", "/templates", Some(none)).await.code(422, "value.invalid");
    let unknown = json!({ "name": "other", "disk": "tiny-disk", "memory": 1 });
    let refused = face.admin("POST", "/templates", Some(unknown)).await.code(422, "value.invalid");
    assert!(refused.body["cause"].as_str().unwrap().contains("memory"));
    let job = face.admin("GET", &format!("/jobs/{}", accepted.body["job"]), None).await;
    let command = job.body["command"].as_str().unwrap();
    assert!(command.starts_with("hostler template create small --disk tiny-disk"), "{command}");
    let rated =
        face.admin("POST", "/ratings", Some(json!({ "name": "x", "from": { "is": "empty" } }))).await.is(200);
    assert_eq!(rated.body[0]["lacks"][0], "it does not answer");
}

#[tokio::test]
async fn a_machine_on_a_silent_host_is_shown_so_and_left_alone() {
    let face = Face::holding(inventory()).await;
    assert_eq!(face.admin("GET", "/vms/web-00", None).await.is(200).body["status"], "host-not-responding");
    face.admin("POST", "/vms/web-00/start", None).await.code(409, "host.not.responding");
    face.admin("GET", "/vms/web-00/screenshot", None).await.code(409, "host.not.responding");
    face.admin("GET", "/vms/web-00/guest-file?path=/etc/hostname", None).await.is(409);
    face.admin("GET", "/vms/web-00/guest-file?path=", None).await.code(422, "value.invalid");
    face.admin("PUT", "/vms/web-00/dvd", Some(json!({}))).await.code(422, "value.invalid");
    let create = json!({ "name": "new", "from": { "is": "template", "template": "tiny" }, "host": "alpha" });
    face.admin("POST", "/vms", Some(create)).await.is(409);
    let sly = json!({ "name": "new", "from": { "is": "empty" }, "candidates": [] });
    face.admin("POST", "/vms", Some(sly)).await.code(422, "value.invalid");
}

#[tokio::test]
async fn a_host_keeps_what_is_not_named_when_it_is_edited() {
    let face = Face::holding(inventory()).await;
    let notes = json!({ "notes": "rack 3", "reserve": { "memory_mib": 1024 } });
    face.admin("PATCH", "/hosts/alpha", Some(notes)).await.is(202);
    face.admin("PATCH", "/hosts/alpha", Some(json!({ "available": false }))).await.is(202);
    let spec = face.admin("GET", "/hosts/alpha", None).await.is(200).body["spec"].clone();
    assert_eq!(spec["notes"], "rack 3");
    assert_eq!(spec["available"], false);
    assert_eq!(spec["reserve"], json!({ "memory_mib": 1024 }), "what nobody set is as in its group");
    let host = face.admin("GET", "/hosts/alpha", None).await.is(200).body;
    assert_eq!(host["in_force"]["reserve_from"]["memory_mib"]["is"], "itself");
    face.admin("PATCH", "/hosts/alpha", Some(json!({ "availabel": true }))).await.code(422, "value.invalid");
    face.admin("PATCH", "/hosts/alpha", Some(json!({ "reserve": { "x": 1 } })))
        .await
        .code(422, "value.invalid");
    let inherit = json!({ "reserve": { "memory_mib": null, "disk_mib": 7 } });
    face.admin("PATCH", "/hosts/alpha?dry_run=true", Some(inherit)).await.is(200);
    let history = face.admin("GET", "/hosts/alpha/history?limit=2", None).await.is(200);
    assert_eq!(history.body["items"].as_array().unwrap().len(), 2);
    let cursor = history.body["next"].as_str().unwrap();
    let rest = face.admin("GET", &format!("/hosts/alpha/history?cursor={cursor}"), None).await.is(200);
    assert_eq!(rest.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_edit_a_host_at_once_neither_takes_back_what_the_other_set() {
    let face = Face::holding(inventory()).await;
    for round in 0..40 {
        let notes = json!({ "notes": format!("rack {round}") });
        let reserve = json!({ "reserve": { "memory_mib": 1024 + round } });
        let (one, other) = tokio::join!(
            face.admin("PATCH", "/hosts/alpha", Some(notes)),
            face.admin("PATCH", "/hosts/alpha", Some(reserve)),
        );
        one.is(202);
        other.is(202);
        let spec = face.admin("GET", "/hosts/alpha", None).await.is(200).body["spec"].clone();
        assert_eq!(spec["notes"], format!("rack {round}"));
        assert_eq!(spec["reserve"]["memory_mib"], 1024 + round);
    }
}

#[tokio::test]
async fn a_job_is_listed_run_again_and_not_cancelled_once_it_has_ended() {
    let face = Face::holding(inventory()).await;
    let job = face.admin("DELETE", "/templates/tiny", None).await.is(202).body["job"].clone();
    face.admin("POST", &format!("/jobs/{job}/cancel"), None).await.code(409, "job.ended");
    face.admin("POST", &format!("/jobs/{job}/cancel?dry_run=true"), None).await.code(422, "value.invalid");
    face.admin("POST", &format!("/jobs/{job}/again"), None).await.code(404, "object.not.found");
    face.admin("GET", "/jobs/x", None).await.code(404, "object.not.found");
    let listed = face
        .admin("GET", "/jobs?kind=delete-template&user=administrator&state=completed", None)
        .await
        .is(200);
    assert_eq!(listed.body["items"][0]["id"], job);
    face.admin("GET", "/jobs?kind=nonsense", None).await.code(422, "value.invalid");
    face.admin("GET", "/jobs?about=nonsense", None).await.code(422, "value.invalid");
    let first = face.admin("GET", "/jobs?limit=1", None).await.is(200);
    let next = first.body["next"].as_str().unwrap();
    let second = face.admin("GET", &format!("/jobs?limit=1&cursor={next}"), None).await.is(200);
    assert_ne!(first.body["items"][0]["id"], second.body["items"][0]["id"]);
}

#[tokio::test]
async fn a_backup_is_written_once_and_into_no_file_that_is_there() {
    let face = Face::new().await;
    let file = face.dir.path().join("backup.db");
    let body = json!({ "file": file });
    face.admin("POST", "/backup", Some(body.clone())).await.is(200);
    assert!(file.metadata().unwrap().len() > 0);
    face.admin("POST", "/backup", Some(body)).await.is(422);
    face.admin("POST", "/backup", Some(json!({ "file": "relative.db" }))).await.code(422, "value.invalid");
}

#[tokio::test]
async fn a_job_says_what_it_waits_for() {
    let mut objects = inventory();
    let vm = "01900000-0000-7000-8000-000500000000";
    let job = json!({
        "id": 5, "kind": "start-vm", "request": { "ask": "start-vm", "vm": vm }, "actor": { "is": "system" }, "epoch": 0,
        "state": "running", "phase": "forward", "about": [format!("vm/{vm}")], "title": "web-00",
        "locks": [{ "on": { "on": "object", "key": format!("vm/{vm}") } }],
        "choices": { "at": null },
        "steps": [{
            "key": "start", "stage": 0, "is": { "is": "out" }, "no": 1, "limit_ms": 330_000, "sent": "2026-11-21T00:00:00Z",
            "act": { "act": "agent", "agent": "01900000-0000-7000-8000-000100000001",
                "command": { "do": "start", "domain": vm } },
        }],
        "created": "2026-11-21T00:00:00Z",
    });
    objects.push(hostler_model::Object::read(hostler_model::Kind::Job, &job.to_string()).unwrap());
    let face = Face::holding(objects).await;
    let silent = face.admin("GET", "/jobs/5", None).await.is(200).body;
    let waiting = silent["waiting"].as_str().unwrap();
    assert_eq!(waiting, "alpha, which has not responded since the server was started");
    assert_eq!(silent["command"], "hostler vm start web-00");
    face.admin("POST", "/vms/web-00/start", None).await.code(409, "vm.busy");
    let queued = face.admin("POST", "/vms/web-00/start?wait=true", None).await.is(202).body["job"].clone();
    let queued = face.admin("GET", &format!("/jobs/{queued}"), None).await.is(200).body;
    assert_eq!(queued["state"], "queued");
    assert_eq!(queued["waiting"], "job 5 (start virtual machine, asked by Hostler)");
}
