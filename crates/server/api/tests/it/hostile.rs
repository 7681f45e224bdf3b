//! Input that means harm: refused, in the one form, and never a defect.

use serde_json::{Value, json};

use crate::face::{Answer, Face};
use crate::lists::inventory;

async fn raw(face: &Face, method: &str, path: &str, body: Vec<u8>) -> Answer {
    let authorization = format!("Bearer {}", face.admin);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let answer = face.send(method, path, &headers, body).await;
    assert!(answer.status.as_u16() < 500, "{method} {path}: {}", answer.text);
    answer
}

#[tokio::test]
async fn hostile_json_is_refused_everywhere() {
    let face = Face::holding(inventory()).await;
    let deep = |open: &str, close: &str| (open.repeat(100_000) + &close.repeat(100_000)).into_bytes();
    let bodies: Vec<Vec<u8>> = vec![
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        b"{} {}".to_vec(),
        b"{\"name\":\"a\",\"name\":\"b\"}".to_vec(),
        b"{\"name\":\"\xff\xfe\"}".to_vec(),
        b"{\"name\":\"\\ud800\"}".to_vec(),
        b"{\"name\":1e999999}".to_vec(),
        b"{\"cpus\":99999999999999999999999999999999999999}".to_vec(),
        b"{\"cpus\":-1,\"memory_mib\":1.5}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        deep("[", "]"),
        deep("{\"a\":", "}"),
        vec![b' '; 1024 * 1024 + 1],
        vec![0; 1000],
    ];
    let mut refused = 0;
    let taking = [
        "POST /vms",
        "PATCH /vms/web-00",
        "PATCH /vms/web-00/hardware",
        "POST /vms/web-00/disks",
        "PUT /vms/web-00/dvd",
        "PATCH /hosts/alpha",
        "POST /library-shares",
        "POST /templates",
        "PUT /templates/tiny",
        "POST /ratings",
        "POST /users",
        "PATCH /users/administrator",
        "PUT /settings",
        "POST /backup",
        "POST /enrolments",
        "POST /tokens",
        "PUT /me/password",
        "POST /sign-in",
        "POST /hosts/alpha/declare-dead",
        "POST /vms/web-00/shut-down",
    ];
    for route in taking {
        let (method, path) = route.split_once(' ').unwrap();
        for body in &bodies {
            let answer = raw(&face, method, path, body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert!((400..500).contains(&answer.status.as_u16()), "{route} {shown}: {}", answer.text);
            refused += 1;
        }
    }
    assert!(refused > 300);
    raw(&face, "POST", "/templates", vec![b' '; 1024 * 1024 + 1]).await.is(413);
    raw(&face, "POST", "/templates", b"{\"name\":\"a\",\"name\":\"b\"}".to_vec())
        .await
        .code(400, "request.malformed");
    let authorization = format!("Bearer {}", face.admin);
    let form =
        [("authorization", authorization.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    face.send("POST", "/templates", &form, b"name=a".to_vec()).await.is(415);
    let none = [("authorization", authorization.as_str())];
    face.send("POST", "/templates", &none, b"{\"name\":\"a\"}".to_vec()).await.is(415);
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "a\0b",
        "a\nb",
        " a",
        "a ",
        "a\u{202e}b",
        "\u{200f}",
        "\u{feff}",
        "\u{1b}[31m",
        "a\u{7f}",
    ]
    .iter()
    .map(|name| (*name).to_owned())
    .collect();
    names.push("x".repeat(10_000));
    names.push("é".repeat(101));
    names.push("\u{301}".repeat(5_000));
    names
}

#[tokio::test]
async fn a_name_that_breaks_a_rule_is_refused_wherever_one_is_given() {
    let face = Face::holding(inventory()).await;
    for name in names() {
        let bodies: [(&str, &str, Value); 5] = [
            ("POST", "/vms", json!({ "name": name, "from": { "is": "empty" } })),
            ("PATCH", "/vms/web-00", json!({ "name": name })),
            ("POST", "/templates", json!({ "name": name, "disk": "tiny-disk" })),
            ("POST", "/users", json!({ "name": name, "role": "read-only", "password": "correct horse" })),
            ("POST", "/library-shares", json!({ "name": name, "agent": "alpha", "folder": "/srv/x" })),
        ];
        for (method, path, body) in bodies {
            let answer = raw(&face, method, path, body.to_string().into_bytes()).await;
            assert_eq!(answer.status, 422, "{method} {path} {name:?}: {}", answer.text);
            assert_eq!(answer.body["code"], "name.invalid", "{}", answer.text);
            assert!(answer.text.len() < 4_000, "the answer repeats all of it");
            assert!(!answer.text.contains('\u{202e}') && !answer.text.contains('\u{1b}'), "{}", answer.text);
        }
        let body = json!({ "user": name, "password": "correct horse" });
        let answer = raw(&face, "POST", "/sign-in", body.to_string().into_bytes()).await;
        assert!(matches!(answer.status.as_u16(), 401 | 429), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_path_or_query_that_means_harm_finds_nothing() {
    let face = Face::holding(inventory()).await;
    let encoded = |name: &str| name.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
    let mut written: Vec<String> =
        names().iter().filter(|name| !name.is_empty()).map(|name| encoded(name)).collect();
    written.extend(
        ["%ff%fe", "%", "%zz", "..%2f..%2fetc", "%00", "a%00b", "@", "@@@", "abcdef@", "------", "ffffff"]
            .map(String::from),
    );
    for name in written {
        for path in [
            "/vms/{}",
            "/vms/{}/history",
            "/hosts/{}",
            "/templates/{}",
            "/jobs/{}",
            "/users/{}",
            "/library-items/{}",
            "/vms?filter=name={}",
            "/vms?sort={}",
            "/vms?cursor={}",
            "/jobs?about=vm/{}",
            "/jobs?text={}",
            "/vms/web-00?as_of={}",
            "/tokens?user={}",
            "/feed?after={}",
            "/library-items?share={}",
        ] {
            let answer = raw(&face, "GET", &path.replace("{}", &name), Vec::new()).await;
            assert!(
                matches!(answer.status.as_u16(), 200 | 400 | 404 | 422),
                "{path} {name}: {}",
                answer.text
            );
            assert!(answer.text.len() < 40_000);
        }
        raw(&face, "DELETE", &format!("/vms/web-00/disks/{name}"), Vec::new()).await;
        raw(&face, "POST", &format!("/vms/{name}/start"), Vec::new()).await;
    }
    let long = "a".repeat(20_000);
    face.admin("GET", &format!("/vms?filter=name={long}"), None).await.code(400, "request.malformed");
}

#[tokio::test]
async fn a_header_that_means_harm_is_refused() {
    let face = Face::new().await;
    let long = "x".repeat(10_000);
    for authorization in ["", "Bearer", "Bearer ", "Basic YTpi", "bearer \t", &long, "Bearer x y z"] {
        face.send("GET", "/vms", &[("authorization", authorization)], Vec::new())
            .await
            .code(401, "access.not.signed.in");
    }
    for cookie in ["__Host-hostler=", "__Host-hostler", "hostler=x", "=;=;=", &long] {
        face.send("GET", "/vms", &[("cookie", cookie)], Vec::new()).await.is(401);
    }
}
