//! A server on a folder of its own, and requests to its routes. Each answer is held against the OpenAPI document.

use std::sync::OnceLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use hostler_api::Api;
use hostler_model::access::Actor;
use hostler_model::{Change, Object, Timestamp};
use hostler_server::store::{Commit, Counters, SqliteStore, Store};
use hostler_server::{Config, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::schema;

pub struct Face {
    pub server: Server,
    pub router: Router,
    pub api: Api,
    pub admin: String,
    pub dir: TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    #[track_caller]
    pub fn code(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.body["code"], code, "{}", answer.text);
        answer
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn config(dir: &TempDir) -> Config {
    Config {
        state_dir: dir.path().join("state"),
        agent_listen: "127.0.0.1:0".parse().unwrap(),
        server_names: vec!["localhost".into()],
        agent_program: None,
    }
}

impl Face {
    pub async fn new() -> Self {
        Self::holding(Vec::new()).await
    }

    /// With these objects in its store from the beginning.
    pub async fn holding(objects: Vec<Object>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir);
        std::fs::create_dir_all(&config.state_dir).unwrap();
        if !objects.is_empty() {
            let mut store = SqliteStore::open(&config.state_dir.join("store.db")).unwrap();
            let changes = objects.into_iter().map(|object| Change {
                key: object.key(),
                object: Some(object),
                job: None,
                actor: Actor::System,
            });
            let commit = Commit {
                at: Timestamp(1_700_000_000_000),
                changes: changes.collect(),
                counters: Counters { next_job: 100 },
                settles_restore: false,
            };
            store.commit(&commit).unwrap();
        }
        let server = Server::start(config).await.unwrap();
        let api = Api::new(server.handle.clone()).unwrap();
        let mut face = Self { router: api.router(), api, admin: String::new(), server, dir };
        let file = face.server.initial_password.clone().unwrap();
        let password = std::fs::read_to_string(file).unwrap();
        face.admin = face.sign_in("administrator", password.trim()).await;
        face
    }

    pub async fn sign_in(&self, user: &str, password: &str) -> String {
        let body = json!({ "user": user, "password": password });
        let answer = self.call("POST", "/sign-in", "", Some(body)).await.is(200);
        answer.body["token"].as_str().unwrap().to_owned()
    }

    /// A user with a token.
    pub async fn user(&self, name: &str, role: &str) -> String {
        let body = json!({ "name": name, "role": role, "password": "correct horse" });
        self.admin("POST", "/users", Some(body)).await.is(202);
        self.sign_in(name, "correct horse").await
    }

    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call(method, path, &self.admin, body).await
    }

    pub async fn call(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        let mut headers = Vec::new();
        let authorization = format!("Bearer {token}");
        if !token.is_empty() {
            headers.push(("authorization", authorization.as_str()));
        }
        let body = body.map(|body| serde_json::to_vec(&body).unwrap());
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.send(method, path, &headers, body.unwrap_or_default()).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let whole = if path.starts_with("/api/") || path == "/" || path == "/healthz" {
            path.to_owned()
        } else {
            format!("/api/v1{path}")
        };
        let answer = self.exchange(method, &whole, headers, body).await;
        let kind = answer.header("content-type");
        if !kind.starts_with("text/event-stream") && method != "HEAD" {
            schema::holds(document(), method, &whole, answer.status.as_u16(), kind, &answer.body);
        }
        answer
    }

    /// As it is written, whether the interface describes it or not.
    pub async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.exchange(method, path, headers, Vec::new()).await
    }

    async fn exchange(&self, method: &str, whole: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(whole);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let kind = headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        // A feed has no end.
        let bytes = match kind.starts_with("text/event-stream") {
            true => Vec::new(),
            false => to_bytes(response.into_body(), 64 << 20).await.unwrap().to_vec(),
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        Answer { status, headers, body, text }
    }
}

pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(&hostler_api::document().unwrap()).unwrap())
}
