//! One action on many machines.

use hostler_model::{Kind, Object};
use serde_json::json;

use crate::face::Face;
use crate::lists::inventory;

/// The inventory, and two machines whose creation failed: they can be forgotten while their host is silent.
fn with_failed() -> Vec<Object> {
    let mut objects = inventory();
    for n in [90, 91] {
        let id = format!("01900000-0000-7000-8000-0005{n:08}");
        let vm = json!({
            "id": id, "domain": id, "origin": "created", "presence": { "is": "planned" }, "created": "2026-11-01T00:00:00Z",
            "spec": { "name": format!("failed-{n}"), "hardware": { "cpus": 1, "memory_mib": 256 } },
        });
        objects.push(Object::read(Kind::Vm, &vm.to_string()).unwrap());
    }
    objects
}

#[tokio::test]
async fn each_machine_is_answered_by_itself_in_the_order_asked() {
    let face = Face::holding(with_failed()).await;
    let body = json!({ "action": "forget", "vms": ["failed-90", "web-00", "nobody", "twin", "failed-91"] });
    let answer = face.admin("POST", "/vms/bulk", Some(body)).await.is(200).body;
    let all = answer.as_array().unwrap();
    let asked: Vec<_> = all.iter().map(|one| one["vm"].as_str().unwrap()).collect();
    assert_eq!(asked, ["failed-90", "web-00", "nobody", "twin", "failed-91"]);
    let codes: Vec<_> = all.iter().map(|one| one["refusal"]["code"].as_str().unwrap_or("job")).collect();
    assert_eq!(codes, ["job", "host.not.responding", "object.not.found", "name.ambiguous", "job"]);
    assert!(all[0]["job"].is_u64() && all[0]["job"] != all[4]["job"], "each has a job of its own");
    let job = face.admin("GET", &format!("/jobs/{}", all[4]["job"]), None).await.is(200).body;
    assert_eq!((job["kind"].as_str(), job["title"].as_str()), (Some("delete-vm"), Some("failed-91")));
}

#[tokio::test]
async fn one_key_does_not_make_one_job_of_many_machines() {
    let face = Face::holding(with_failed()).await;
    let authorization = format!("Bearer {}", face.admin);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "clean-up"),
    ];
    let vms = json!(["01900000-0000-7000-8000-000500000090", "01900000-0000-7000-8000-000500000091"]);
    let body = serde_json::to_vec(&json!({ "action": "forget", "vms": vms })).unwrap();
    let asked = face.send("POST", "/vms/bulk", &headers, body.clone()).await.is(200).body;
    assert!(
        asked[0]["job"].is_u64() && asked[1]["job"].is_u64() && asked[0]["job"] != asked[1]["job"],
        "{asked}"
    );
}

#[tokio::test]
async fn what_is_no_action_on_many_machines_is_refused() {
    let face = Face::holding(inventory()).await;
    let ask = |action: &str, of: usize| json!({ "action": action, "vms": vec!["web-00"; of] });
    face.admin("POST", "/vms/bulk", Some(ask("start", 0))).await.code(422, "value.invalid");
    face.admin("POST", "/vms/bulk", Some(ask("start", 1_001))).await.code(422, "value.invalid");
    face.admin("POST", "/vms/bulk?dry_run=true", Some(ask("start", 1))).await.code(422, "value.invalid");
    let edit = face.admin("POST", "/vms/bulk", Some(ask("edit", 1))).await.is(200).body;
    assert_eq!(edit[0]["refusal"]["code"], "value.invalid");
    let reader = face.user("reader", "read-only").await;
    face.call("POST", "/vms/bulk", &reader, Some(ask("start", 1))).await.code(403, "access.forbidden");
}

#[tokio::test]
async fn the_table_of_actions_says_why_not_and_what_to_do() {
    let face = Face::new().await;
    let table = face.admin("GET", "/vm-actions", None).await.is(200).body;
    let of = |status: &str, action: &str| {
        let row = table.as_array().unwrap().iter().find(|row| row["status"] == status).unwrap();
        row["actions"].as_array().unwrap().iter().find(|one| one["action"] == action).unwrap()["refusal"]
            .clone()
    };
    assert!(of("off", "start").is_null());
    assert_eq!(of("paused", "start")["code"], "vm.state.forbids");
    assert!(of("paused", "start")["remedy"].as_str().unwrap().contains("resume"));
    assert_eq!(of("host-not-responding", "start")["code"], "host.not.responding");
}
