//! What people look at and send, from REST over a real server and a real agent to simulated machines and real files.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use futures_util::StreamExt;
use hostler_agent::uploads::Uploads;
use hostler_agent::{AgentDisks, Hands, Host, MemoryJournal, simulated};
use hostler_api::Api;
use hostler_hypervisor::simulated::{Outside, SimulatedHost};
use hostler_model::access::Actor;
use hostler_model::agent::Roles;
use hostler_model::channel::Query;
use hostler_model::command::Definition;
use hostler_model::host::{HostFacts, Load};
use hostler_model::{InstallationId, Refusal, VmId, seen};
use hostler_server::{Config, Server};
use hostler_wire::{AgentConfig, Identity};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

use crate::running::Running;
use crate::server::soon;
use crate::simulated::{VM, definition};

/// A simulated computer that takes uploads into real folders.
struct Computer {
    simulated: Arc<dyn Host>,
    uploads: Arc<Uploads>,
}

impl Host for Computer {
    fn facts(&self) -> HostFacts {
        self.simulated.facts()
    }
    fn load(&self) -> Load {
        self.simulated.load()
    }
    fn answer(&self, query: &Query) -> Result<Vec<u8>, Refusal> {
        self.simulated.answer(query)
    }
    fn open_graphics(&self, domain: Uuid) -> Result<OwnedFd, Refusal> {
        self.simulated.open_graphics(domain)
    }
    fn uploads(&self) -> Option<Arc<Uploads>> {
        Some(Arc::clone(&self.uploads))
    }
}

/// A server with its face, and an agent's computer.
struct Site {
    folder: TempDir,
    server: Option<Server>,
    router: Router,
    token: String,
    host: SimulatedHost,
    identity: Identity,
    agent: Option<Running>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    #[track_caller]
    fn code(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.json()["code"], code);
        answer
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }
}

fn config(folder: &Path) -> Config {
    Config {
        state_dir: folder.join("server"),
        agent_listen: "127.0.0.1:0".parse().unwrap(),
        server_names: vec!["localhost".into()],
        agent_program: None,
    }
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("share/linux")).unwrap();
        let server = Server::start(config(folder.path())).await.unwrap();
        let router = Api::new(server.handle.clone()).unwrap().router();
        let roles = Roles { host: true, library: true };
        let made =
            server.handle.create_enrolment(Actor::System, None, roles, None, None, 600_000).await.unwrap();
        let token = made.1.unwrap().parse().unwrap();
        let facts = HostFacts { host_name: "host-a".into(), ..HostFacts::default() };
        let address = server.agent_address.to_string();
        let identity =
            hostler_wire::enrol(&address, &token, "0", facts, &AgentConfig::default()).await.unwrap();
        let host = SimulatedHost::new(1, "/vms", 1 << 40);
        let password = std::fs::read_to_string(server.initial_password.as_ref().unwrap()).unwrap();
        let mut site =
            Self { folder, server: Some(server), router, token: String::new(), host, identity, agent: None };
        let sign_in = json!({ "user": "administrator", "password": password.trim() });
        let signed_in = site.ask("POST", "/sign-in", Some(sign_in)).await.is(200).json();
        site.token = signed_in["token"].as_str().unwrap().to_owned();
        site.start_agent().await;
        site
    }

    async fn start_agent(&mut self) {
        let facts =
            HostFacts { host_name: "host-a".into(), vm_folder: "/vms".into(), ..HostFacts::default() };
        let simulated = simulated::hands(&self.host, facts, Load::default, true);
        let uploads = Arc::new(Uploads::new(self.folder.path().join("agent/uploads")));
        let disks = AgentDisks::new(self.folder.path().join("vms"), self.folder.path().join("bases"));
        let hands = Hands {
            host: Arc::new(Computer { simulated: simulated.host, uploads }),
            disks: Arc::new(disks),
            ..simulated
        };
        self.agent = Some(Running::over(hands, &MemoryJournal::default(), self.identity.clone()));
        self.answers().await;
    }

    async fn answers(&self) {
        soon("the agent answers", async {
            while self.ask("GET", "/hosts/host-a", None).await.json()["answers"] != true {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// The server is stopped and started again on what it has on disk, at the same address.
    async fn restart_server(&mut self) {
        let server = self.server.take().unwrap();
        let address = server.agent_address;
        server.handle.shutdown().await;
        drop(server);
        let config = Config { agent_listen: address, ..config(self.folder.path()) };
        let server = soon("the address is free again", async {
            loop {
                match Server::start(config.clone()).await {
                    Ok(server) => break server,
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        let server = server.await;
        self.router = Api::new(server.handle.clone()).unwrap().router();
        self.server = Some(server);
        self.answers().await;
    }

    async fn restart_agent(&mut self) {
        self.agent.take().unwrap().kill().await;
        self.start_agent().await;
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.send(method, path, &[("content-type", "application/json")], body).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 16 << 20).await.unwrap().to_vec();
        Answer { status, headers, bytes }
    }

    /// Waits for the job of an answer, which must succeed.
    async fn done(&self, accepted: &Answer) {
        let job = accepted.json()["job"].as_u64().unwrap();
        soon("the job ends", async {
            loop {
                let view = self.ask("GET", &format!("/jobs/{job}"), None).await.json();
                match view["state"].as_str().unwrap() {
                    "queued" | "running" => tokio::time::sleep(Duration::from_millis(20)).await,
                    state => break assert_eq!(state, "completed", "{view}"),
                }
            }
        })
        .await;
    }

    async fn has_vm(&self) {
        let definition = Definition {
            identity: seen::Identity { vm: VmId(VM), domain: VM, installation: InstallationId(Uuid::nil()) },
            name: "web-1".into(),
            ..definition()
        };
        self.host.outside(&Outside::Define(Box::new(definition), false)).unwrap();
        self.status("off").await;
    }

    async fn status(&self, status: &str) {
        soon(status, async {
            while self.ask("GET", "/vms/web-1", None).await.json()["status"] != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn performance_is_asked_of_the_agent_and_comes_in_the_steps_that_were_asked_for() {
    let site = Site::new().await;
    site.has_vm().await;
    let seen = site.ask("GET", "/vms/web-1/performance", None).await.is(200).json();
    let none = seen["series"]["processor_percent"].as_array().unwrap();
    assert!(none.len() <= 120 && none.iter().all(Value::is_null), "it is off: {seen}");
    site.host.outside(&Outside::Start(VM)).unwrap();
    site.status("running").await;
    for path in ["/vms/web-1/performance", "/hosts/host-a/performance"] {
        let asked = format!("{path}?from=2026-01-01T00:00:00Z&points=50");
        let seen = site.ask("GET", &asked, None).await.is(200).json();
        assert_eq!(seen["step_ms"], 1_800_000, "a day in at most 50 points");
        for (name, values) in seen["series"].as_object().unwrap() {
            let values = values.as_array().unwrap();
            assert!((48..=50).contains(&values.len()), "{name}: {}", values.len());
            assert!(values.iter().all(Value::is_number), "{name}: {values:?}");
        }
    }
    let refused = ["points=1", "points=5000", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"];
    for query in refused {
        site.ask("GET", &format!("/vms/web-1/performance?{query}"), None).await.code(422, "value.invalid");
    }
    site.ask("GET", "/vms/web-1/performance?from=yesterday", None).await.code(400, "request.malformed");
    site.ask("GET", "/vms/no-such/performance", None).await.code(404, "object.not.found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_is_shown_as_large_as_it_was_asked_for_and_only_while_there_is_one() {
    let site = Site::new().await;
    site.has_vm().await;
    let dark = site.ask("GET", "/vms/web-1/screenshot", None).await.code(409, "vm.state.forbids");
    assert_eq!(dark.json()["remedy"], "Start it");
    site.host.outside(&Outside::Start(VM)).unwrap();
    site.status("running").await;
    // Width and height of a PNG, as its header says.
    let size = |png: &[u8]| {
        let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        (side(16), side(20))
    };
    let whole = site.ask("GET", "/vms/web-1/screenshot", None).await.is(200);
    assert_eq!(
        (whole.headers["content-type"].as_bytes(), size(&whole.bytes)),
        (&b"image/png"[..], (640, 400))
    );
    let small = site.ask("GET", "/vms/web-1/screenshot?width=200", None).await.is(200);
    assert_eq!(size(&small.bytes), (160, 100));
    site.ask("GET", "/vms/web-1/screenshot?width=10", None).await.code(422, "value.invalid");
    // Within the second it is the same picture, which the caller has.
    let mut same = false;
    for _ in 0..50 {
        let tag = site.ask("GET", "/vms/web-1/screenshot", None).await.is(200).headers["etag"].clone();
        let known = [("if-none-match", tag.to_str().unwrap())];
        let again = site.send("GET", "/vms/web-1/screenshot", &known, Body::empty()).await;
        same |= again.status == 304 && again.bytes.is_empty();
        if same {
            break;
        }
    }
    assert!(same, "never the same twice within a second");
}

/// Content without pattern, the same each time.
fn content(len: usize) -> Vec<u8> {
    let mut seed = 7_u32;
    let bytes = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    });
    bytes.take(len).collect()
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Site {
    async fn has_share(&self) {
        let folder = self.folder.path().join("share");
        let share = json!({ "name": "images", "agent": "host-a", "folder": folder });
        let added = self.ask("POST", "/library-shares", Some(share)).await.is(202);
        self.done(&added).await;
    }

    async fn begin(&self, path: &str, bytes: &[u8]) -> Answer {
        let body = json!({ "path": path, "size_bytes": bytes.len(), "sha256": sum(bytes) });
        self.ask("POST", "/library-shares/images/uploads", Some(body)).await
    }

    async fn piece(&self, id: &str, offset: usize, bytes: &[u8]) -> Answer {
        let length = bytes.len().to_string();
        let path = format!("/uploads/{id}?offset={offset}");
        self.send("PUT", &path, &[("content-length", &length)], Body::from(bytes.to_vec())).await
    }

    /// A piece whose sender is lost after some of it.
    async fn cut_piece(&self, id: &str, offset: usize, bytes: &[u8], announced: usize) -> Answer {
        let (length, path) = (announced.to_string(), format!("/uploads/{id}?offset={offset}"));
        let lost = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the sender is lost");
        let some = bytes.chunks(10_000).map(|part| Ok(part.to_vec())).collect::<Vec<_>>();
        // What was sent arrives before the loss does.
        let body = futures_util::stream::iter(some.into_iter().chain([Err(lost)])).then(async |part| {
            tokio::time::sleep(Duration::from_millis(if part.is_err() { 300 } else { 1 })).await;
            part
        });
        self.send("PUT", &path, &[("content-length", &length)], Body::from_stream(body)).await
    }

    async fn received(&self, id: &str) -> usize {
        let seen = soon("the agent says how far it is", async {
            loop {
                // One that has just died has not been missed yet.
                let seen = self.ask("GET", &format!("/uploads/{id}"), None).await;
                match seen.status {
                    409 => tokio::time::sleep(Duration::from_millis(50)).await,
                    _ => break seen.is(200).json(),
                }
            }
        })
        .await;
        usize::try_from(seen["received_bytes"].as_u64().unwrap()).unwrap()
    }

    fn in_share(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("share/linux")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_survives_a_cut_and_restarts_of_agent_and_server_and_is_listed_in_the_end() {
    let mut site = Site::new().await;
    site.has_share().await;
    let whole = content(3_000_000);
    let begun = site.begin("linux/debian.iso", &whole).await.is(201).json();
    let id = begun["id"].as_str().unwrap().to_owned();
    let seen = site.piece(&id, 0, &whole[..1_000_000]).await.is(200).json();
    assert_eq!(seen["received_bytes"], 1_000_000);

    // The sender is lost in the middle of a piece: what came is not lost.
    let cut = site.cut_piece(&id, 1_000_000, &whole[1_000_000..1_500_000], 2_000_000).await;
    assert!(cut.status >= 400);
    let at = soon("what came is counted", async {
        let (mut at, mut since) = (0, Instant::now());
        loop {
            let now = site.received(&id).await;
            if now != at {
                (at, since) = (now, Instant::now());
            }
            // With the sender goes what had not arrived of its words: how much that is, nobody knows.
            if at > 1_000_000 && since.elapsed() > Duration::from_millis(500) {
                break at;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    site.piece(&id, 1_000_000, b"no").await.code(409, "upload.offset.wrong");

    // The agent dies, then the server: the share's computer knows how far it is.
    site.restart_agent().await;
    assert_eq!(site.received(&id).await, at);
    site.piece(&id, at, &whole[at..2_000_000]).await.is(200);
    site.restart_server().await;
    assert_eq!(site.received(&id).await, 2_000_000);
    let again = site.begin("linux/debian.iso", &whole).await.is(201).json();
    assert_eq!((again["id"].as_str().unwrap(), &again["received_bytes"]), (id.as_str(), &json!(2_000_000)));

    site.ask("POST", &format!("/uploads/{id}/finish"), None).await.code(409, "upload.incomplete");
    site.piece(&id, 2_000_000, &whole[2_000_000..]).await.is(200);
    assert_eq!(site.in_share(), [format!(".hostler-upload-{}", id.split('-').next_back().unwrap())]);
    let finished = site.ask("POST", &format!("/uploads/{id}/finish"), None).await.is(202);
    site.done(&finished).await;
    assert_eq!(std::fs::read(site.folder.path().join("share/linux/debian.iso")).unwrap(), whole);
    let items = site.ask("GET", "/library-items", None).await.is(200).json();
    assert_eq!(items["items"][0]["seen"]["path"], "linux/debian.iso", "{items}");
    // Its answer was lost: the same again.
    let again = site.ask("POST", &format!("/uploads/{id}/finish"), None).await.is(202);
    site.done(&again).await;
    assert_eq!(site.ask("GET", &format!("/uploads/{id}"), None).await.json()["finished"], true);
    site.begin("linux/debian.iso", &whole).await.code(409, "library.file.exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_not_allowed_is_refused_and_one_that_is_removed_leaves_nothing() {
    let site = Site::new().await;
    site.has_share().await;
    let cases = [
        ("../out.iso", 422, "path.forbidden"),
        ("linux/.hidden", 422, "value.invalid"),
        ("windows/x.iso", 422, "value.invalid"),
    ];
    for (path, status, code) in cases {
        site.begin(path, b"abc").await.code(status, code);
    }
    let huge = json!({ "path": "linux/x.iso", "size_bytes": 1_u64 << 60 });
    let full = site.ask("POST", "/library-shares/images/uploads", Some(huge)).await.code(409, "disk.full");
    assert!(full.json()["remedy"].as_str().unwrap().contains("Free space"));
    let strange = json!({ "path": "linux/x.iso", "size_bytes": 1, "sha256": "xyz" });
    site.ask("POST", "/library-shares/images/uploads", Some(strange)).await.code(422, "value.invalid");
    assert!(site.in_share().is_empty());

    let id = site.begin("linux/x.iso", b"hello").await.is(201).json()["id"].as_str().unwrap().to_owned();
    site.send("PUT", &format!("/uploads/{id}?offset=0"), &[], Body::from("hello"))
        .await
        .code(400, "request.malformed");
    site.piece(&id, 0, b"hello world").await.code(422, "value.invalid");
    site.piece(&id, 0, b"hallo").await.is(200);
    let wrong = site.ask("POST", &format!("/uploads/{id}/finish"), None).await.code(409, "upload.sum.wrong");
    assert!(wrong.json()["cause"].as_str().unwrap().contains("deleted"));
    site.ask("GET", &format!("/uploads/{id}"), None).await.code(404, "object.not.found");

    let id = site.begin("linux/x.iso", b"hello").await.is(201).json()["id"].as_str().unwrap().to_owned();
    site.piece(&id, 0, b"he").await.is(200);
    site.ask("DELETE", &format!("/uploads/{id}"), None).await.is(204);
    site.piece(&id, 2, b"llo").await.code(404, "object.not.found");
    assert!(site.in_share().is_empty());
    site.ask("GET", "/uploads/no-such-thing", None).await.code(404, "object.not.found");
}
