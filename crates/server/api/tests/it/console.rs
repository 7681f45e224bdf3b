//! The console's files: compressed, kept, and nothing besides them.

use hostler_api::{Api, File};

use crate::face::Face;

const FILES: &[File] = &[
    File {
        path: "index.html",
        etag: "\"1\"",
        plain: b"<!doctype html>",
        brotli: None,
        gzip: Some(b"zipped page"),
    },
    File {
        path: "assets/main-AbC123.js",
        etag: "\"2\"",
        plain: b"console.log(1)",
        brotli: Some(b"by brotli"),
        gzip: Some(b"by gzip"),
    },
];

async fn with_console() -> Face {
    let mut face = Face::new().await;
    face.api = Api::with_console(face.server.handle.clone(), FILES).unwrap();
    face.router = face.api.router();
    face
}

const DOCUMENTED: &[File] = &[
    File { path: "index.html", etag: "\"1\"", plain: b"<!doctype html>", brotli: None, gzip: None },
    File { path: "docs/index.html", etag: "\"3\"", plain: b"Documentation", brotli: None, gzip: None },
];

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const PACKED: (&str, &str) = ("accept-encoding", "gzip, deflate, br");

#[tokio::test]
async fn a_file_whose_name_says_what_is_in_it_comes_compressed_and_is_kept_for_good() {
    let face = with_console().await;
    let answer = face.raw("GET", "/assets/main-AbC123.js", &[PACKED]).await.is(200);
    assert_eq!((answer.text.as_str(), answer.header("content-encoding")), ("by brotli", "br"));
    assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(answer.header("vary"), "accept-encoding");
    let answer = face.raw("GET", "/assets/main-AbC123.js", &[("accept-encoding", "gzip, br;q=0")]).await;
    assert_eq!((answer.text.as_str(), answer.header("content-encoding")), ("by gzip", "gzip"));
    let answer = face.raw("GET", "/assets/main-AbC123.js", &[]).await;
    assert_eq!((answer.text.as_str(), answer.header("content-encoding")), ("console.log(1)", ""));
    let same = face.raw("GET", "/assets/main-AbC123.js", &[("if-none-match", "\"2\"")]).await.is(304);
    assert_eq!((same.text.as_str(), same.header("etag")), ("", "\"2\""));
}

#[tokio::test]
async fn every_place_in_the_console_is_its_first_page_which_may_load_from_this_server_alone() {
    let face = with_console().await;
    for path in ["/", "/index.html", "/machines/01a2", "/sign-in", "/apis"] {
        let answer = face.raw("GET", path, &[BROWSER]).await.is(200);
        assert_eq!(answer.text, "<!doctype html>", "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let may_be_data = |rule: &str| rule.trim_start().starts_with("img-src") || !rule.contains("data:");
        assert!(policy.split(';').all(may_be_data), "only pictures may be data: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
    let text = face.raw("GET", "/", &[("accept", "*/*")]).await.is(200).text;
    assert!(text.contains("/api/v1/openapi.json"), "programs are told where the interface is: {text}");
}

#[tokio::test]
async fn what_is_no_file_of_the_console_and_no_place_in_it_is_refused() {
    let face = with_console().await;
    let kind = "application/problem+json";
    for path in ["/api/v1/nothing", "/api", "/api/v2/vms", "/assets/../../Cargo.toml", "/assets/no.js"] {
        let refused = face.raw("GET", path, &[BROWSER]).await.code(404, "object.not.found");
        assert_eq!(refused.header("content-type"), kind, "{path}");
    }
    for path in ["/../Cargo.toml", "/%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "//etc/passwd", "/favicon.ico"]
    {
        face.raw("GET", path, &[("accept", "*/*")]).await.code(404, "object.not.found");
        let page = face.raw("GET", path, &[BROWSER]).await.is(200);
        assert_eq!(page.text, "<!doctype html>", "{path} is nothing but a place in the console");
    }
    face.raw("POST", "/machines", &[BROWSER]).await.code(404, "object.not.found");
    face.raw("DELETE", "/assets/main-AbC123.js", &[]).await.code(404, "object.not.found");
}

#[tokio::test]
async fn the_documentation_is_served_beside_the_console_under_the_same_policy() {
    let mut face = Face::new().await;
    face.api = Api::with_console(face.server.handle.clone(), DOCUMENTED).unwrap();
    face.router = face.api.router();
    let page = face.raw("GET", "/docs/index.html", &[BROWSER]).await.is(200);
    assert_eq!(page.text, "Documentation");
    assert!(page.header("content-security-policy").starts_with("default-src 'self';"));
    for folder in ["/docs", "/docs/"] {
        let answer = face.raw("GET", folder, &[BROWSER]).await.is(307);
        assert_eq!(answer.header("location"), "/docs/index.html");
    }
    face.raw("GET", "/docs/no-such.html", &[BROWSER]).await.code(404, "object.not.found");
    let without = with_console().await;
    let refused = without.raw("GET", "/docs/index.html", &[BROWSER]).await.code(404, "object.not.found");
    assert!(refused.text.contains("cargo xtask site"), "{}", refused.text);
}

#[tokio::test]
async fn a_program_without_the_console_says_how_to_build_it() {
    let mut face = Face::new().await;
    face.api = Api::with_console(face.server.handle.clone(), &[]).unwrap();
    face.router = face.api.router();
    let text = face.raw("GET", "/", &[BROWSER]).await.is(200).text;
    assert!(text.contains("npm run build"), "{text}");
    face.raw("GET", "/machines", &[BROWSER]).await.code(404, "object.not.found");
}

#[tokio::test]
async fn the_programs_own_console_is_served_where_it_was_built() {
    let face = Face::new().await;
    let page = face.raw("GET", "/", &[BROWSER]).await.is(200).text;
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../web/dist/index.html");
    assert_eq!(page.contains("<!doctype html>"), std::path::Path::new(built).exists(), "{page}");
    for file in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let answer = face.raw("GET", file, &[]).await.is(200);
        assert!(answer.header("cache-control").contains("immutable") && !answer.text.is_empty(), "{file}");
    }
}
