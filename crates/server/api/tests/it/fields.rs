//! `fields=`: only what is asked for.

use serde_json::json;

use crate::face::{Face, document};
use crate::lists::inventory;

const PART: &str = "application/vnd.hostler.fields+json";

#[tokio::test]
async fn a_list_holds_only_the_fields_that_are_asked_for() {
    let face = Face::holding(inventory()).await;
    let asked = "/vms?fields=id,name,status,spec.hardware.cpus,job&filter=name=web-03&limit=5";
    let some = face.admin("GET", asked, None).await.is(200);
    assert_eq!(some.header("content-type"), PART);
    let whole = face.admin("GET", "/vms/web-03", None).await.is(200).body;
    assert_eq!(
        some.body,
        json!({
            "items": [{ "id": whole["id"], "name": "web-03", "status": whole["status"], "spec.hardware.cpus": 1, "job": null }],
            "total": 1,
        })
    );
    // The pages go on as those of the whole list.
    let first = face.admin("GET", "/vms?fields=name&limit=2", None).await.is(200).body;
    let next = first["next"].as_str().unwrap();
    let second = face.admin("GET", &format!("/vms?limit=2&cursor={next}&fields=name"), None).await.is(200);
    assert_eq!(second.body["items"].as_array().unwrap().len(), 2);
    assert_eq!(second.body["total"], 25);
}

#[tokio::test]
async fn a_thing_holds_only_the_fields_that_are_asked_for_under_the_same_version() {
    let face = Face::holding(inventory()).await;
    let whole = face.admin("GET", "/hosts/alpha", None).await.is(200);
    let part =
        face.admin("GET", "/hosts/alpha?fields=name,memory_mib,reserve.cpu_percent", None).await.is(200);
    assert_eq!(
        part.body,
        json!({ "name": "alpha", "memory_mib": 16384, "reserve.cpu_percent": whole.body["spec"]["reserve"]["cpu_percent"] })
    );
    assert_eq!(part.header("etag"), whole.header("etag"));
    let authorization = format!("Bearer {}", face.admin);
    let headers = [("authorization", authorization.as_str()), ("if-none-match", whole.header("etag"))];
    face.send("GET", "/hosts/alpha?fields=name", &headers, Vec::new()).await.is(304);
    let jobs = face.admin("GET", "/jobs?fields=id,kind,command&limit=1", None).await.is(200).body;
    assert_eq!(jobs["items"][0].as_object().unwrap().len(), 3);
    let docs = face.admin("GET", "/settings-reference?fields=name,default", None).await.is(200).body;
    assert_eq!(docs[0], json!({ "name": "history_days", "default": 90 }));
}

#[tokio::test]
async fn an_unknown_field_is_refused_with_the_known_ones_before_anything_is_looked_up() {
    let face = Face::holding(inventory()).await;
    for asked in ["/vms?fields=id,nmae", "/vms/no-such-thing?fields=nmae", "/vms?fields=spec.nmae"] {
        let refused = face.admin("GET", asked, None).await.code(422, "value.invalid");
        assert!(refused.body["cause"].as_str().unwrap().contains("nmae"));
        let remedy = refused.body["remedy"].as_str().unwrap();
        assert!(remedy.contains("name, ") && remedy.contains("status"), "{remedy}");
    }
    for bad in ["", ",", &"id,".repeat(65)] {
        face.admin("GET", &format!("/vms?fields={bad}"), None).await.code(422, "value.invalid");
    }
    face.admin("GET", "/vms?fields=id&fields=name", None).await.code(400, "request.malformed");
    // The rest of the query is read as strictly as ever.
    face.admin("GET", "/vms?fields=id&nonsense=1", None).await.code(400, "request.malformed");
    face.admin("GET", "/vms/no-such-thing?fields=id", None).await.code(404, "object.not.found");
    face.call("GET", "/vms?fields=nmae", "", None).await.code(401, "access.not.signed.in");
}

#[test]
fn every_route_that_answers_things_describes_its_fields() {
    let mut described = 0;
    for (path, item) in document()["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array();
        let fields = parameters.into_iter().flatten().find(|parameter| parameter["name"] == "fields");
        let part = item.pointer("/get/responses/200/content/application~1vnd.hostler.fields+json");
        assert_eq!(fields.is_some(), part.is_some(), "{path}");
        described += u32::from(fields.is_some());
        if path == "/api/v1/vms" {
            let said = fields.unwrap()["description"].as_str().unwrap();
            assert!(
                said.contains("host_name") && said.contains("memory_mib") && said.contains(" name,"),
                "{said}"
            );
        }
    }
    assert!(described >= 25, "{described}");
}
