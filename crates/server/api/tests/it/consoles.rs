//! Consoles as browsers and scripts open them, without a host behind: tickets, rights, and why a WebSocket is closed. With
//! hosts behind them, consoles are a story of the testbed.

use futures_util::{SinkExt, StreamExt};
use hostler_api::Api;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::face::Face;
use crate::lists::inventory;
use crate::tls::connector;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// The face on a port.
struct Port {
    face: Face,
    address: std::net::SocketAddr,
}

impl Port {
    async fn new() -> Self {
        let face = Face::holding(inventory()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = face.server.certificate.https_config(&["h2", "http/1.1"]).unwrap();
        let api = Api::new(face.server.handle.clone()).unwrap();
        let router = api.router();
        tokio::spawn(hostler_api::serve(listener, tls, api, std::future::pending()));
        // Tickets and sockets of one and the same interface.
        Self { face: Face { router, ..face }, address }
    }

    /// A ticket for a machine that is on a host whose agent is not connected.
    async fn ticket(&self, token: &str, view_only: bool) -> String {
        let body = json!({ "kind": "serial", "view_only": view_only });
        let given = self.face.call("POST", "/vms/web-00/console-tickets", token, Some(body)).await.is(201);
        assert_eq!(given.header("cache-control"), "no-store");
        assert!(given.body["url"].as_str().unwrap().ends_with(given.body["ticket"].as_str().unwrap()));
        given.body["url"].as_str().unwrap().to_owned()
    }

    async fn open(&self, url: &str, headers: &[(&'static str, String)]) -> Result<Socket, u16> {
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let stream = connector(&self.face, "http/1.1").connect(name, stream).await.unwrap();
        let mut request = format!("wss://localhost{url}").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "binary".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match client_async(request, stream).await {
            Ok((socket, answer)) => {
                assert_eq!(answer.headers()["sec-websocket-protocol"], "binary");
                Ok(socket)
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// The code with which it is closed.
    async fn closed(&self, url: &str, token: &str) -> u16 {
        let mut socket = self.open(url, &[bearer(token)]).await.unwrap();
        let _ = socket.send(Message::binary("typed")).await;
        let told = async {
            loop {
                match socket.next().await.unwrap().unwrap() {
                    Message::Close(frame) => return frame.unwrap(),
                    Message::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        let frame = tokio::time::timeout(std::time::Duration::from_secs(30), told).await.unwrap();
        assert!(!frame.reason.is_empty(), "a code alone tells nobody anything");
        frame.code.into()
    }
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn a_ticket_is_good_once_and_for_its_user() {
    let port = Port::new().await;
    let admin = port.face.admin.clone();
    let reader = port.face.user("reader", "read-only").await;
    let url = port.ticket(&admin, false).await;
    assert_eq!(port.closed(&url, &reader).await, 4004, "somebody else's");
    assert_eq!(port.closed(&url, &admin).await, 4003, "good; the host is not there");
    assert_eq!(port.closed(&url, &admin).await, 4004, "used");
    assert_eq!(port.closed("/api/v1/console?ticket=guessed", &admin).await, 4004);
    let viewers = port.face.admin("GET", "/vms/web-00/console-viewers", None).await.is(200);
    assert_eq!(viewers.body, json!([]));
}

#[tokio::test]
async fn who_may_only_see_gets_a_console_to_look_at_and_loses_it_with_the_sign_in() {
    let port = Port::new().await;
    let reader = port.face.user("reader", "read-only").await;
    let body = json!({ "kind": "graphics" });
    let refused = port.face.call("POST", "/vms/web-00/console-tickets", &reader, Some(body)).await;
    refused.code(403, "access.forbidden");
    let url = port.ticket(&reader, true).await;
    assert_eq!(port.closed(&url, &reader).await, 4003);

    let late = port.ticket(&reader, true).await;
    let again = port.face.sign_in("reader", "correct horse").await;
    port.face.call("POST", "/sign-out", &reader, None).await.is(204);
    assert_eq!(port.open(&late, &[bearer(&reader)]).await.err(), Some(401));
    assert_eq!(port.closed(&late, &again).await, 4001, "the sign-in that asked for it has ended");
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_console() {
    let port = Port::new().await;
    let url = port.ticket(&port.face.admin, false).await;
    let cookie = ("cookie", format!("__Host-hostler={}", port.face.admin));
    let from = |origin: &str| [cookie.clone(), ("origin", origin.to_owned())];
    assert_eq!(port.open(&url, &from("https://evil.example")).await.err(), Some(403));
    assert_eq!(port.open(&url, std::slice::from_ref(&cookie)).await.err(), Some(403));
    assert!(port.open(&url, &from("https://localhost")).await.is_ok(), "its own page");
}

#[tokio::test]
async fn tickets_are_not_given_without_end_and_what_is_no_websocket_is_told_so() {
    let port = Port::new().await;
    let mut url = String::new();
    for _ in 0..20 {
        url = port.ticket(&port.face.admin, false).await;
    }
    let body = json!({ "kind": "serial" });
    let refused = port.face.admin("POST", "/vms/web-00/console-tickets", Some(body)).await;
    assert!(!refused.code(429, "too.many.requests").header("retry-after").is_empty());
    port.face.admin("GET", &url, None).await.code(426, "request.malformed");
    port.face.admin("POST", "/vms/web-00/console-tickets", Some(json!({ "kind": "smell" }))).await.is(422);
}
