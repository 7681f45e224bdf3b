//! Groups of hosts: by path, with their effects, and with what is below them.

use serde_json::{Value, json};

use crate::face::{Answer, Face};
use crate::feed::Listener;
use crate::lists::inventory;

/// A path as one part of an address.
fn part(path: &str) -> String {
    path.replace('/', "%2F").replace(' ', "%20")
}

async fn make(face: &Face, parent: &str, name: &str) -> String {
    let body = json!({ "name": name, "parent": parent });
    let made = face.admin("POST", "/host-groups", Some(body)).await.is(202);
    made.body["id"].as_str().unwrap().to_owned()
}

async fn group(face: &Face, path: &str) -> Value {
    face.admin("GET", &format!("/host-groups/{}", part(path)), None).await.is(200).body
}

fn paths(answer: &Answer) -> Vec<String> {
    let items = answer.body["items"].as_array().unwrap().iter();
    items.map(|item| item["path"].as_str().unwrap().to_owned()).collect()
}

/// Two sites with a rack each of one name, alpha in the first.
async fn sites() -> Face {
    let face = Face::holding(inventory()).await;
    for site in ["Site A", "Site B"] {
        make(&face, "/All Hosts", site).await;
        make(&face, &format!("/All Hosts/{site}"), "Rack 1").await;
    }
    let to = json!({ "to": "/All Hosts/Site A/Rack 1" });
    face.admin("POST", "/hosts/alpha/move", Some(to)).await.is(202);
    face
}

#[tokio::test]
async fn a_group_is_meant_by_its_path_by_its_id_and_by_a_name_that_only_one_has() {
    let face = sites().await;
    let rack = group(&face, "/All Hosts/Site A/Rack 1").await;
    assert_eq!(rack["path"], "/All Hosts/Site A/Rack 1");
    for same in ["/all hosts/SITE A/rack 1", "All Hosts/Site A/Rack 1", rack["id"].as_str().unwrap()] {
        assert_eq!(group(&face, same).await["id"], rack["id"], "{same}");
    }
    assert_eq!(group(&face, "Site A").await["path"], "/All Hosts/Site A");
    let refused = face.admin("GET", "/host-groups/Rack%201", None).await.code(409, "name.ambiguous");
    let cause = refused.body["cause"].as_str().unwrap();
    assert!(cause.contains("/All Hosts/Site A/Rack 1, /All Hosts/Site B/Rack 1"), "{cause}");
    for nothing in ["/Site A/Rack 1", "/All Hosts/Site C", "/All Hosts/Site A/", "//", "/"] {
        let at = format!("/host-groups/{}", part(nothing));
        face.admin("GET", &at, None).await.code(404, "object.not.found");
    }
    let listed = face.admin("GET", "/host-groups", None).await.is(200);
    let all = ["", "/Site A", "/Site A/Rack 1", "/Site B", "/Site B/Rack 1"];
    assert_eq!(paths(&listed), all.map(|path| format!("/All Hosts{path}")));
    let below = face.admin("GET", "/host-groups?filter=parent=/All%20Hosts/Site%20B", None).await.is(200);
    assert_eq!(paths(&below), ["/All Hosts/Site B/Rack 1"]);
}

#[tokio::test]
async fn a_group_shows_the_hosts_and_machines_below_it_by_status_and_what_they_have() {
    let face = sites().await;
    let (all, site, other) =
        (group(&face, "/All Hosts").await, group(&face, "Site A").await, group(&face, "Site B").await);
    // Neither computer answers: 13 of 25 machines are on alpha.
    assert_eq!((&all["own_hosts"], &all["groups"]), (&json!(1), &json!(2)));
    assert_eq!(all["total"]["hosts_by_status"], json!({ "not-responding": 2 }));
    assert_eq!(all["total"]["machines_by_status"], json!({ "host-not-responding": 25 }));
    assert_eq!(site["total"]["machines_by_status"], json!({ "host-not-responding": 13 }));
    assert_eq!((&site["own_hosts"], &site["total"]["hosts"]), (&json!(0), &json!(1)));
    assert_eq!((&site["total"]["cpus"], &site["total"]["memory_mib"]), (&json!(8), &json!(16_384)));
    assert_eq!(site["total"]["memory_reserved_mib"], 512);
    assert_eq!((&other["total"]["hosts"], &other["total"]["machines"]), (&json!(0), &json!(0)));
    // A host that is given up, one that is moved: the sums follow.
    face.admin("POST", "/hosts/alpha/declare-dead", Some(json!({ "confirm": "alpha" }))).await.is(202);
    assert_eq!(group(&face, "Site A").await["total"]["hosts_by_status"], json!({ "declared-dead": 1 }));
    face.admin("POST", "/hosts/beta/move", Some(json!({ "to": "Site B" }))).await.is(202);
    assert_eq!(group(&face, "Site B").await["total"]["machines"], 12);
    let all = group(&face, "/All Hosts").await;
    assert_eq!((&all["own_hosts"], &all["total"]["hosts"]), (&json!(0), &json!(2)));
}

#[tokio::test]
async fn machines_and_hosts_are_found_by_the_group_of_their_host_and_by_those_above_it() {
    let face = sites().await;
    let total = async |path: &str| face.admin("GET", path, None).await.is(200).body["total"].clone();
    assert_eq!(total("/vms?filter=host_group=/All%20Hosts/Site%20A/Rack%201").await, 13);
    assert_eq!(total("/vms?filter=host_group=/All%20Hosts/Site%20A").await, 0);
    assert_eq!(total("/vms?filter=under_host_group=/All%20Hosts/Site%20A").await, 13);
    assert_eq!(total("/vms?filter=under_host_group!=/All%20Hosts/Site%20A").await, 12);
    assert_eq!(total("/vms?filter=host_group~/All%20Hosts/Site%20*").await, 13);
    assert_eq!(total("/hosts?filter=under_host_group=/All%20Hosts").await, 2);
    let id = group(&face, "Site A").await["id"].clone();
    let path = format!("/hosts?filter=under_host_group={}&sort=-host_group", id.as_str().unwrap());
    assert_eq!(total(&path).await, 1);
    let vm = face.admin("GET", "/vms/web-00?fields=name,host_group", None).await.is(200);
    assert_eq!(vm.body, json!({ "name": "web-00", "host_group": "/All Hosts/Site A/Rack 1" }));
    // What is renamed is found by its new path, and so is all below it.
    face.admin("PATCH", "/host-groups/Site%20A", Some(json!({ "name": "South" }))).await.is(202);
    assert_eq!(total("/vms?filter=host_group=/All%20Hosts/South/Rack%201").await, 13);
    assert_eq!(total("/vms?filter=under_host_group=/All%20Hosts/Site%20A").await, 0);
}

#[tokio::test]
async fn a_dry_run_of_a_move_says_for_which_hosts_what_would_be_in_force_otherwise() {
    let face = sites().await;
    let set = json!({ "reserve": { "memory_mib": 2048, "cpu_percent": 5 }, "unencrypted_transfers": true });
    face.admin("PATCH", "/host-groups/Site%20B", Some(set)).await.is(202);
    let rack = part("/All Hosts/Site A/Rack 1");
    let to = Some(json!({ "to": "Site B" }));
    // The rack of this name there is in the way: a dry run is refused as the move is.
    face.admin("POST", &format!("/host-groups/{rack}/move?dry_run=true"), to.clone())
        .await
        .code(409, "name.taken");
    face.admin("PATCH", &format!("/host-groups/{rack}"), Some(json!({ "name": "Rack 2" }))).await.is(202);
    let plan = face.admin("POST", "/host-groups/Rack%202/move?dry_run=true", to.clone()).await.is(200).body;
    let effects = &plan["effects"];
    assert_eq!((&effects["hosts"], &effects["machines"]), (&json!(1), &json!(13)));
    let said: Vec<(Value, Value, Value)> = (effects["changes"].as_array().unwrap().iter())
        .map(|change| {
            assert_eq!(change["name"], "alpha");
            (change["property"].clone(), change["before"].clone(), change["after"].clone())
        })
        .collect();
    let expected = [
        (json!("reserve.cpu_percent"), json!(20), json!(5)),
        (json!("reserve.memory_mib"), json!(512), json!(2048)),
        (json!("unencrypted_transfers"), json!(false), json!(true)),
    ];
    assert_eq!(said, expected);
    assert_eq!(
        plan["command"],
        "hostler host-group move '/All Hosts/Site A/Rack 2' --to '/All Hosts/Site B'"
    );
    assert_eq!(group(&face, "Rack 2").await["path"], "/All Hosts/Site A/Rack 2", "nothing was done");
    let before = face.admin("GET", "/hosts/alpha", None).await.is(200).body;
    assert_eq!(before["in_force"]["reserve"]["memory_mib"], 512);

    let moved = face.admin("POST", "/host-groups/Rack%202/move", to).await.is(202).body["job"].clone();
    let after = face.admin("GET", "/hosts/alpha", None).await.is(200).body;
    assert_eq!(after["revision"], before["revision"], "the host itself is as it was");
    assert_eq!(after["in_force"]["reserve"]["memory_mib"], 2048);
    let from = &after["in_force"]["reserve_from"];
    assert_eq!(
        (&from["memory_mib"]["path"], &from["disk_mib"]),
        (&json!("/All Hosts/Site B"), &json!({ "is": "default" }))
    );
    assert_eq!(after["in_force"]["unencrypted_transfers"], true);
    assert_eq!(after["host_group"], "/All Hosts/Site B/Rack 2");
    let changes = face.admin("GET", &format!("/jobs/{moved}/changes"), None).await.is(200).body;
    let parent = changes.as_array().unwrap().iter().find(|change| change["property"] == "parent").unwrap();
    let called = |value: &Value| parent["names"][value.as_str().unwrap()].clone();
    assert_eq!(called(&parent["before"]), "/All Hosts/Site A");
    assert_eq!(called(&parent["after"]), "/All Hosts/Site B");
}

#[tokio::test]
async fn what_cannot_be_done_with_a_group_is_refused_with_its_reason() {
    let face = sites().await;
    let id = group(&face, "Site A").await["id"].as_str().unwrap().to_owned();
    for (method, path, body, status, code) in [
        ("DELETE", "/host-groups/All%20Hosts", None, 409, "host.group.fixed"),
        ("PATCH", "/host-groups/All%20Hosts", Some(json!({ "name": "x" })), 409, "host.group.fixed"),
        ("POST", "/host-groups/All%20Hosts/move", Some(json!({ "to": "Site A" })), 409, "host.group.fixed"),
        ("POST", "/host-groups/Site%20A/move", Some(json!({ "to": id })), 409, "host.group.cycle"),
        ("DELETE", "/host-groups/Site%20A", None, 409, "object.in.use"),
        ("POST", "/host-groups", Some(json!({ "name": "site a" })), 409, "name.taken"),
        ("POST", "/host-groups", Some(json!({ "name": "a/b" })), 422, "name.invalid"),
        (
            "POST",
            "/host-groups",
            Some(json!({ "name": "x", "parent": "/All Hosts/y" })),
            404,
            "object.not.found",
        ),
        (
            "POST",
            "/host-groups",
            Some(json!({ "name": "x", "reserve": { "cpu_percent": 101 } })),
            422,
            "value.invalid",
        ),
        ("POST", "/host-groups", Some(json!({ "name": "x", "reserve": { "cpu": 1 } })), 422, "value.invalid"),
        ("PATCH", "/host-groups/Site%20A", Some(json!({ "parent": id })), 422, "value.invalid"),
        ("POST", "/hosts/alpha/move", Some(json!({ "to": "nowhere" })), 404, "object.not.found"),
    ] {
        let refused = face.admin(method, path, body).await.code(status, code);
        assert!(!refused.body["cause"].as_str().unwrap().is_empty());
    }
    let bob = face.user("bob", "read-only").await;
    face.call("GET", "/host-groups", &bob, None).await.is(200);
    face.call("POST", "/host-groups", &bob, Some(json!({ "name": "x" }))).await.code(403, "access.forbidden");
}

#[tokio::test]
async fn a_token_names_the_group_that_a_computer_comes_into() {
    let face = sites().await;
    let roles = json!({ "host": true, "library": false });
    let body = json!({ "roles": roles, "group": "/All Hosts/Site B/Rack 1" });
    let plan = face.admin("POST", "/enrolments?dry_run=true", Some(body.clone())).await.is(200).body;
    let command = plan["command"].as_str().unwrap();
    assert!(command.contains("--group '/All Hosts/Site B/Rack 1'"), "{command}");
    let made = face.admin("POST", "/enrolments", Some(body)).await.is(202).body;
    let path = format!("/enrolments?filter=id={}", made["id"].as_str().unwrap());
    let listed = face.admin("GET", &path, None).await.is(200).body;
    assert_eq!(listed["items"][0]["group"], group(&face, "/All Hosts/Site B/Rack 1").await["id"]);
    let nowhere = json!({ "roles": roles, "group": "nowhere" });
    face.admin("POST", "/enrolments", Some(nowhere)).await.code(404, "object.not.found");
}

#[tokio::test]
async fn the_same_key_makes_one_group() {
    let face = Face::holding(inventory()).await;
    let ask = async || {
        let authorization = format!("Bearer {}", face.admin);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "k1"),
        ];
        let body = json!({ "name": "Site A" }).to_string();
        face.send("POST", "/host-groups", &headers, body.into_bytes()).await.is(202).body
    };
    let (one, two) = (ask().await, ask().await);
    assert_eq!((&one, one["id"].is_string()), (&two, true));
    assert_eq!(face.admin("GET", "/host-groups", None).await.is(200).body["total"], 2);
}

#[tokio::test]
async fn a_window_of_groups_tells_what_is_below_them_as_it_changes() {
    let face = sites().await;
    let mut window =
        Listener::open(&face, &face.admin, "/host-groups/window?filter=name=Site%20B", None).await;
    let mut machines = async || loop {
        let said = window.next_within(std::time::Duration::from_secs(25)).await.expect("it is told");
        if let Some(row) = said.data["put"].as_array().and_then(|put| put.first()) {
            return row["total"]["machines"].clone();
        }
    };
    assert_eq!(machines().await, 0);
    face.admin("POST", "/hosts/beta/move", Some(json!({ "to": "Site B" }))).await.is(202);
    assert_eq!(machines().await, 12);
}

#[tokio::test]
async fn a_group_that_overwrites_what_is_set_below_says_first_for_which_hosts() {
    let face = sites().await;
    let rack = part("/All Hosts/Site A/Rack 1");
    let own = json!({ "reserve": { "memory_mib": 4096 } });
    face.admin("PATCH", "/hosts/alpha", Some(own.clone())).await.is(202);
    face.admin("PATCH", &format!("/host-groups/{rack}"), Some(own)).await.is(202);
    let mut set = json!({ "reserve": { "memory_mib": 1024 } });
    let dry = async |set: &Value| {
        let plan = face.admin("PATCH", "/host-groups/Site%20A?dry_run=true", Some(set.clone())).await.is(200);
        (plan.body["effects"].clone(), plan.body["command"].clone())
    };
    assert_eq!(dry(&set).await.0["changes"], json!([]), "what is nearer holds");
    set["overwrite_below"] = json!(true);
    let (effects, command) = dry(&set).await;
    let change = &effects["changes"][0];
    assert_eq!(effects["changes"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&change["name"], &change["before"], &change["after"]),
        (&json!("alpha"), &json!(4096), &json!(1024))
    );
    assert_eq!(
        command,
        "hostler host-group edit '/All Hosts/Site A' --reserve-memory 1GiB --overwrite-below"
    );
    face.admin("PATCH", "/host-groups/Site%20A", Some(set)).await.is(202);
    let after = face.admin("GET", "/hosts/alpha", None).await.is(200).body;
    assert_eq!(after["in_force"]["reserve"]["memory_mib"], 1024);
    assert_eq!(after["in_force"]["reserve_from"]["memory_mib"]["path"], "/All Hosts/Site A");
}
