//! The OpenAPI document: committed, and true.

use hostler_model::setting::SETTINGS;

use crate::face::{Face, document};
use crate::rights::committed;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi.json");

#[test]
fn the_committed_document_is_what_the_routes_say() {
    committed(FILE, &hostler_api::document().unwrap());
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let face = Face::new().await;
    let served = face.call("GET", "/openapi.json", "", None).await.is(200);
    assert_eq!(&served.body, document());
    assert!(served.body["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(face.call("GET", "/", "", None).await.is(200).text.contains("/api/v1/openapi.json"));
    face.call("GET", "/healthz", "", None).await.is(200);
}

#[test]
fn every_setting_stands_in_the_document_as_the_one_table_has_it() {
    let properties = &document()["components"]["schemas"]["Settings"]["properties"];
    for field in SETTINGS {
        let property = &properties[field.name];
        assert!(property["description"].as_str().unwrap().starts_with(field.help), "{}", field.name);
        assert_eq!(property["default"], field.json(field.default), "{}", field.name);
        if field.is_mac() {
            assert!(property["description"].as_str().unwrap().contains(&field.shown(field.max)));
            continue;
        }
        assert_eq!(property["minimum"], field.min, "{}", field.name);
        assert_eq!(property["maximum"], field.max, "{}", field.name);
    }
    assert_eq!(properties.as_object().unwrap().len(), SETTINGS.len());
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_says_what_it_is() {
    let text = hostler_api::document().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for part in text.split("\"$ref\": \"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document().pointer(pointer).is_some(), "{pointer}");
    }
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(seen.insert(id.to_owned()), "{id} stands twice");
            assert!(operation["summary"].as_str().is_some_and(|said| said.len() > 5), "{method} {path}");
            assert!(operation["x-right"].is_string());
            assert!(operation["responses"]["default"].is_object());
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let described = operation["parameters"].as_array().unwrap();
                assert!(described.iter().any(|p| p["name"] == name && p["in"] == "path"), "{path} {name}");
            }
        }
    }
}
