//! Lists, names, versions.

use hostler_model::{Kind, Object};
use serde_json::json;

use crate::face::Face;

/// A small installation whose computers are silent: two hosts, a share with a disk, a template, machines.
pub fn inventory() -> Vec<Object> {
    let at = "2026-11-01T00:00:00Z";
    let id = |kind: u32, n: u32| format!("01900000-0000-7000-8000-{kind:04x}{n:08x}");
    let mut objects = Vec::new();
    let mut put =
        |kind, body: serde_json::Value| objects.push(Object::read(kind, &body.to_string()).unwrap());
    for (n, name) in [(1, "alpha"), (2, "beta")] {
        put(
            Kind::Agent,
            json!({
                "id": id(1, n), "name": name, "roles": { "host": true, "library": true }, "version": "0.1.0",
                "certificate": "01", "certificate_until": "2027-01-01T00:00:00Z", "enrolled": at,
            }),
        );
        let facts = json!({ "cpus": 8, "memory_mib": 16384, "libvirt_answers": true });
        put(Kind::Host, json!({ "id": id(1, n), "name": name, "spec": {}, "facts": facts, "created": at }));
    }
    put(
        Kind::Share,
        json!({ "id": id(2, 1), "name": "files", "agent": id(1, 1), "folder": "/srv", "created": at }),
    );
    let image = json!({ "format": "qcow2", "virtual_size_bytes": 1 << 30 });
    let seen =
        json!({ "path": "t.qcow2", "kind": "disk", "size_bytes": 100, "modified": at, "image": image });
    put(
        Kind::Item,
        json!({ "id": id(3, 1), "share": id(2, 1), "name": "tiny-disk", "seen": seen, "created": at }),
    );
    put(
        Kind::Template,
        json!({ "id": id(4, 1), "spec": { "name": "tiny", "disk": id(3, 1) }, "created": at }),
    );
    for n in 0..25 {
        let name = if n < 23 { format!("web-{n:02}") } else { "twin".to_owned() };
        let adapter = json!({ "no": 0, "mac": format!("52:54:00:00:00:{n:02x}"), "network": "default" });
        let hardware = json!({ "cpus": 1 + n % 3, "memory_mib": 256 * (1 + n % 4), "adapters": [adapter] });
        put(
            Kind::Vm,
            json!({
                "id": id(5, n), "domain": id(5, n), "host": id(1, 1 + n % 2), "origin": "created", "presence": { "is": "here" },
                "spec": { "name": name, "hardware": hardware, "tags": if n < 5 { json!(["prod"]) } else { json!([]) } },
                "created": at,
            }),
        );
    }
    objects
}

fn id_of(answer: &crate::face::Answer, n: usize) -> String {
    let named = answer.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["spec"]["name"] == format!("web-{n:02}"));
    named.unwrap()["id"].as_str().unwrap().to_owned()
}

fn names(answer: &crate::face::Answer) -> Vec<String> {
    let items = answer.body["items"].as_array().unwrap().iter();
    items.map(|item| item["spec"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_filtered_and_sorted_as_asked() {
    let face = Face::holding(inventory()).await;
    let all = face.admin("GET", "/vms", None).await.is(200);
    assert_eq!(all.body["total"], 25);
    assert!(names(&all).is_sorted());
    let some = face.admin("GET", "/vms?filter=name~web-0*,host=ALPHA,cpus%3E=2", None).await.is(200);
    assert_eq!(names(&some), ["web-02", "web-04", "web-08"]);
    let tagged = face.admin("GET", "/vms?filter=tags=prod,memory_mib=256|512", None).await.is(200);
    assert_eq!(names(&tagged), ["web-00", "web-01", "web-04"]);
    // One term finds by whatever somebody remembers of a machine.
    for (remembered, found) in
        [("WEB-22", "web-22"), ("52:54:00:00:00:0B", "web-11"), (&*id_of(&all, 7), "web-07")]
    {
        let path = format!("/vms?filter=text~*{remembered}*");
        assert_eq!(names(&face.admin("GET", &path, None).await.is(200)), [found], "{remembered}");
    }
    let tag = face.admin("GET", "/vms?filter=text~*pro*,mac=52:54:00:00:00:03", None).await.is(200);
    assert_eq!(names(&tag), ["web-03"]);
    let item = face.admin("GET", "/library-items?filter=text~*t.qcow2*", None).await.is(200);
    assert_eq!(item.body["total"], 1);
    let none = face.admin("GET", "/vms?filter=status=running", None).await.is(200);
    assert_eq!(none.body["total"], 0);
    let sorted = face.admin("GET", "/vms?sort=-memory_mib,name&limit=3", None).await.is(200);
    assert_eq!(names(&sorted), ["twin", "web-03", "web-07"]);
    let refused = face.admin("GET", "/vms?filter=stauts=running", None).await.code(422, "value.invalid");
    assert!(refused.body["remedy"].as_str().unwrap().contains("status"));
    for bad in ["limit=0", "limit=1001", "sort=x", "cursor=x", "filter=name"] {
        face.admin("GET", &format!("/vms?{bad}"), None).await.code(422, "value.invalid");
    }
    face.admin("GET", "/vms?limit=x", None).await.code(400, "request.malformed");
    for list in
        ["hosts", "agents", "library-shares", "library-items?share=files", "templates", "users", "enrolments"]
    {
        face.admin("GET", &format!("/{list}"), None).await.is(200);
    }
}

#[tokio::test]
async fn pages_go_on_where_they_were_whatever_is_made_or_removed_meanwhile() {
    let face = Face::holding(inventory()).await;
    for n in 0..9 {
        let spec = json!({ "name": format!("t{n}"), "disk": "tiny-disk" });
        face.admin("POST", "/templates", Some(spec)).await.is(202);
    }
    let first = face.admin("GET", "/templates?filter=name~t?&limit=4", None).await.is(200);
    assert_eq!(names(&first), ["t0", "t1", "t2", "t3"]);
    face.admin("DELETE", "/templates/t1", None).await.is(202);
    face.admin("DELETE", "/templates/t5", None).await.is(202);
    face.admin("POST", "/templates", Some(json!({ "name": "t", "disk": "tiny-disk" }))).await.is(202);
    let next = first.body["next"].as_str().unwrap();
    let second =
        face.admin("GET", &format!("/templates?filter=name~t?&limit=4&cursor={next}"), None).await.is(200);
    assert_eq!(names(&second), ["t4", "t6", "t7", "t8"]);
    // Also when the line is gone after which it goes on.
    face.admin("DELETE", "/templates/t3", None).await.is(202);
    let again = format!("/templates?filter=name~t?&limit=4&cursor={next}");
    assert_eq!(names(&face.admin("GET", &again, None).await.is(200)), ["t4", "t6", "t7", "t8"]);
    assert!(second.body.get("next").is_none());
    face.admin("GET", &format!("/templates?sort=-name&cursor={next}"), None).await.code(422, "value.invalid");
}

#[tokio::test]
async fn a_thing_is_meant_by_id_by_name_or_by_the_last_digits() {
    let face = Face::holding(inventory()).await;
    for written in ["web-03", "WEB-03", "01900000-0000-7000-8000-000500000003", "000500000003", "web-03@beta"]
    {
        let found = face.admin("GET", &format!("/vms/{written}"), None).await.is(200);
        assert_eq!(found.body["spec"]["name"], "web-03", "{written}");
        assert_eq!(found.body["host_name"], "beta");
    }
    let refused = face.admin("GET", "/vms/twin", None).await.code(409, "name.ambiguous");
    let cause = refused.body["cause"].as_str().unwrap();
    assert!(cause.contains("twin@alpha") && cause.contains("twin@beta"), "{cause}");
    face.admin("GET", "/vms/twin@beta", None).await.is(200);
    face.admin("GET", "/vms/web-03@alpha", None).await.code(404, "object.not.found");
    face.admin("GET", "/vms/00003", None).await.code(404, "object.not.found");
    face.admin("GET", "/vms/000003", None).await.is(200);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let face = Face::holding(inventory()).await;
    let authorization = format!("Bearer {}", face.admin);
    let get = async |path: &str, tag: &str| {
        let headers = [("authorization", authorization.as_str()), ("if-none-match", tag)];
        face.send("GET", path, &headers, Vec::new()).await
    };
    let head = face.admin("GET", "/server", None).await.body["head"].as_str().unwrap().to_owned();
    let history = head.split('-').next().unwrap();
    for path in ["/templates/tiny", "/vms/web-00", "/hosts/alpha", "/library-items/tiny-disk", "/me"] {
        let tag = face.admin("GET", path, None).await.is(200).header("etag").to_owned();
        assert!(tag.starts_with(&format!("\"{history}-")), "{tag}");
        let same = get(path, &format!("\"x\", W/{tag}")).await.is(304);
        assert_eq!((same.text.as_str(), same.header("etag")), ("", tag.as_str()));
        get(path, "\"other\"").await.is(200);
    }
    let tag = face.admin("GET", "/templates/tiny", None).await.header("etag").to_owned();
    let spec = json!({ "name": "tiny", "disk": "tiny-disk", "cpus": 2 });
    face.admin("PUT", "/templates/tiny", Some(spec)).await.is(202);
    assert_eq!(get("/templates/tiny", &tag).await.is(200).body["spec"]["cpus"], 2);
}

#[tokio::test]
async fn a_machine_is_shown_as_it_was() {
    let face = Face::holding(inventory()).await;
    let history = face.admin("GET", "/vms/web-00/history", None).await.is(200);
    let first = &history.body["items"][0];
    assert_eq!((&first["op"], &first["kind"]), (&json!("put"), &json!("vm")));
    let then = face.admin("GET", &format!("/vms/web-00?as_of={}", first["rev"]), None).await.is(200);
    assert_eq!(then.body["spec"]["name"], "web-00");
    face.admin("GET", "/vms/web-00?as_of=2026-11-21T00:00:00Z", None).await.is(200);
    face.admin("GET", "/vms/web-00?as_of=2001-01-01T00:00:00Z", None).await.code(404, "object.not.found");
    face.admin("GET", "/vms/web-00?as_of=yesterday", None).await.code(422, "value.invalid");
    face.admin("GET", "/vms/web-00?as_of=0000000000000000-1", None).await.code(404, "object.not.found");
}

#[tokio::test]
async fn the_pool_of_addresses_says_how_many_are_used_and_which_machines_share_one() {
    let mut objects = inventory();
    let shared = objects.iter().rev().find_map(|object| match object {
        Object::Vm(vm) => Some(vm.spec.hardware.adapters[0].mac),
        _ => None,
    });
    let shared = shared.unwrap();
    let again = objects.iter_mut().find_map(|object| match object {
        Object::Vm(vm) if vm.spec.name.as_str() == "web-03" => Some(vm),
        _ => None,
    });
    let mut vm = (**again.unwrap()).clone();
    vm.spec.hardware.adapters[0].mac = shared;
    objects.retain(|object| object.key() != hostler_model::Key::Vm(vm.id));
    objects.push(Object::from(vm));
    let face = Face::holding(objects).await;
    let pool = face.admin("GET", "/mac-pool", None).await.is(200).body;
    assert_eq!((&pool["size"], &pool["used"], &pool["low"]), (&json!(16_777_216), &json!(24), &json!(false)));
    assert_eq!((&pool["conflicting"], &pool["conflicts"][0]["mac"]), (&json!(1), &json!(shared.to_string())));
    let machines = pool["conflicts"][0]["machines"].as_array().unwrap();
    let names: Vec<_> = machines.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["twin", "web-03"]);

    let change = json!({ "mac_pool_last": "52:54:00:00:00:1a" });
    face.admin("PUT", "/settings", Some(change)).await.is(202);
    let pool = face.admin("GET", "/mac-pool", None).await.is(200).body;
    assert_eq!(
        (&pool["last"], &pool["free"], &pool["low"]),
        (&json!("52:54:00:00:00:1a"), &json!(3), &json!(true))
    );
    let wrong = json!({ "mac_pool_last": "53:54:00:00:00:1a" });
    face.admin("PUT", "/settings", Some(wrong)).await.is(422);
}
