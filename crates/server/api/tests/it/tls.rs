//! The HTTPS port itself.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::face::Face;

pub fn connector(face: &Face, alpn: &str) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(face.server.authority.certificate_pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn both_http_versions_are_spoken_over_tls_and_a_feed_does_not_hold_up_the_stop() {
    let face = Face::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = face.server.certificate.https_config(&["h2", "http/1.1"]).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let api = hostler_api::Api::new(face.server.handle.clone()).unwrap();
    let serving = tokio::spawn(hostler_api::serve(listener, tls, api, async { drop(stopped.await) }));
    let name = ServerName::try_from("localhost").unwrap();
    let connect = async |alpn: &str| {
        let stream = TcpStream::connect(address).await.unwrap();
        TokioIo::new(connector(&face, alpn).connect(name.clone(), stream).await.unwrap())
    };

    let (mut one, connection) =
        hyper::client::conn::http1::handshake(connect("http/1.1").await).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/healthz").header("host", "localhost").body(Body::empty()).unwrap();
    assert_eq!(one.send_request(request).await.unwrap().status(), 200);

    let io = connect("h2").await;
    let (mut two, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str| {
        let request = http::Request::get(format!("https://localhost{path}"));
        request.header("authorization", format!("Bearer {}", face.admin)).body(Body::empty()).unwrap()
    };
    let answer = two.send_request(get("/api/v1/server")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = to_bytes(Body::new(answer.into_body()), 1 << 20).await.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["head"].is_string());

    let mut feed = two.send_request(get("/api/v1/feed")).await.unwrap().into_body();
    feed.frame().await.unwrap().unwrap();
    stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(8), serving).await;
    ended.expect("the stop waited for a feed, which has no end").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
