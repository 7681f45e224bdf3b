//! Every route, as nobody, with too little right, and with enough: the table is committed.

use std::fmt::Write;

use hostler_model::access::Right;
use serde_json::json;

use crate::face::Face;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/rights.md");

/// Compares with a committed file, or writes it anew with `UPDATE=1`.
pub fn committed(file: &str, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(std::path::Path::new(file).parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        kept == text,
        "{file} is not what the routes say: look at the difference with UPDATE=1 and git diff"
    );
}

#[tokio::test]
async fn every_route_is_shut_to_nobody_and_to_too_little_right_and_open_to_enough() {
    let face = Face::new().await;
    face.user("reader", "read-only").await;
    let mut table = String::from(
        "# Who may call which route\n\nWritten by the test `every_route_is_shut_to_nobody_and_to_too_little_right_and_\
         open_to_enough`, which tries each route of the server's own table without signing in, as Read-only, and as \
         Administrator.\n\n| method | path | needs | nobody | Read-only | Administrator |\n| --- | --- | --- | --- | --- \
         | --- |\n",
    );
    let mut walked = 0;
    for route in face.api.rights() {
        // No such thing: what is allowed goes as far as to look for it.
        let parts: Vec<&str> = route.path.split('/').collect();
        let path: Vec<&str> = parts
            .iter()
            .map(|part| match *part {
                "{no}" => "7",
                "{job}" => "999999",
                part if part.starts_with('{') => "no-such-thing",
                part => part,
            })
            .collect();
        let path = path.join("/");
        // Signing out ends a token: each try has its own.
        let admin = token(&face, &face.admin).await;
        let reader_session = face.sign_in("reader", "correct horse").await;
        let mut tried = Vec::new();
        for token in ["", &reader_session, &admin] {
            tried.push(match face.call(&route.method, &path, token, None).await.status.as_u16() {
                refused @ (401 | 403) => refused.to_string(),
                defect if defect >= 500 => panic!("{} {path} answered {defect}", route.method),
                _ => "yes".to_owned(),
            });
        }
        let wanted = match route.right {
            Right::Public => ["yes", "yes", "yes"],
            Right::Own | Right::See => ["401", "yes", "yes"],
            Right::Change | Right::Administer => ["401", "403", "yes"],
        };
        // Signing in refuses nobody for what they are, but an empty body.
        assert_eq!(tried, wanted, "{} {}", route.method, route.path);
        let right = serde_json::to_value(route.right).unwrap();
        let right = right.as_str().unwrap();
        let (method, path) = (&route.method, &route.path);
        writeln!(table, "| {method} | `{path}` | {right} | {} | {} | {} |", tried[0], tried[1], tried[2])
            .unwrap();
        walked += 1;
    }
    assert!(walked >= 60, "only {walked} routes were walked");
    committed(FILE, &table);
}

async fn token(face: &Face, from: &str) -> String {
    let body = json!({ "name": "walk" });
    let made = face.call("POST", "/tokens", from, Some(body)).await.is(202);
    made.body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_path_that_is_not_there_and_a_method_that_is_not_taken_are_refused_in_the_same_form() {
    let face = Face::new().await;
    face.call("GET", "/api/v1/nothing", "", None).await.code(404, "object.not.found");
    face.call("GET", "/api/v2/vms", "", None).await.code(404, "object.not.found");
    let refused = face.admin("DELETE", "/server", None).await.code(405, "request.malformed");
    assert_eq!(refused.header("allow"), "GET");
    face.call("HEAD", "/server", "", None).await.is(401);
}
