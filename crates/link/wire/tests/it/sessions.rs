//! Who gets in, what happens to what they say, and how each side learns that the other is gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use hostler_model::channel::{FromAgent, ToAgent};
use hostler_model::host::Load;
use hostler_wire::*;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::line::Line;
use crate::world::{World, refused, soon};

fn heartbeat() -> FromAgent {
    FromAgent::Heartbeat { load: Load::default() }
}

/// Opens a session stream without this crate's client, and sends these bytes on it.
async fn by_hand(
    world: &World,
    identity: Option<&Identity>,
    body: String,
) -> http::Response<hyper::body::Incoming> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(world.authority.certificate_pem().as_bytes()).unwrap()).unwrap();
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut tls = match identity {
        Some(identity) => {
            let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key.to_pem().as_bytes()).unwrap();
            tls.with_client_auth_cert(vec![certificate], key).unwrap()
        }
        None => tls.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(world.listening.address()).await.unwrap();
    let name = ServerName::try_from(SERVER_NAME).unwrap();
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut send, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post("https://server.hostler.internal/hostler.Wire/Session")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    let response = soon("the answer", send.send_request(request)).await.unwrap();
    // The connection lives as long as somebody may still send on it.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        drop(send);
    });
    response
}

#[tokio::test]
async fn an_agent_with_a_certificate_that_the_record_names_is_let_in_and_both_hear_each_other() {
    let mut world = World::new();
    let (identity, serial) = world.agent(1);
    let mut agent = world.connect(&identity).await.unwrap();
    let mut server = world.session().await;
    assert_eq!((server.agent, &server.serial), (identity.about.agent, &serial));
    agent.outgoing.offer(heartbeat()).unwrap();
    assert_eq!(soon("up", server.incoming.next()).await, Ok(heartbeat()));
    server.outgoing.offer(ToAgent::Picture).unwrap();
    assert_eq!(soon("down", agent.incoming.next()).await, Ok(ToAgent::Picture));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let (world, other) = (World::new(), World::new());
    let (mut identity, _) = other.agent(1);
    // It trusts our server, but what it shows is the other's.
    identity.authority_pem = world.authority.certificate_pem().into();
    assert_eq!(refused(world.connect(&identity).await), Rejection::UnknownAuthority);
}

#[tokio::test]
async fn an_agent_does_not_talk_to_the_server_of_another_authority() {
    let (world, other) = (World::new(), World::new());
    let (identity, _) = other.agent(1);
    let result = world.connect(&identity).await;
    assert!(matches!(result, Err(ConnectError::ServerNotTrusted(_))), "{:?}", result.err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let world = World::new();
    let (identity, serial) = world.agent_until(1, SystemTime::now() - Duration::from_secs(60));
    world.admission.allow(identity.about.agent, &serial);
    assert_eq!(refused(world.connect(&identity).await), Rejection::Expired);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_the_record_does_not_name_is_refused_each_time_and_each_time_told_so() {
    let world = World::new();
    let (identity, _) = world.stranger(1);
    let (identity, address) = (Arc::new(identity), world.address());
    let tries: Vec<_> = (0..300)
        .map(|_| {
            let (identity, address) = (identity.clone(), address.clone());
            tokio::spawn(async move { connect(&address, &identity, &AgentConfig::default()).await })
        })
        .collect();
    for one in tries {
        // One that is told nothing takes it for a fault of the network, and knocks every second.
        assert_eq!(refused(soon("an answer", one).await.unwrap()), Rejection::Revoked);
    }
}

#[tokio::test]
async fn a_revoked_agent_is_cut_at_once_and_stays_out() {
    let mut world = World::new();
    let (identity, serial) = world.agent(1);
    let mut agent = world.connect(&identity).await.unwrap();
    let mut server = world.session().await;
    let (mut bystander, mut bystander_server) = world.both_ends(2).await;

    let began = Instant::now();
    world.admission.deny(&serial);
    let end = soon("the cut", agent.incoming.next()).await.unwrap_err();
    assert!(end.is_lost());
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
    assert_eq!(
        soon("the cut", server.incoming.next()).await,
        Err(End::Cut("its certificate was revoked".into()))
    );
    assert_eq!(server.outgoing.send(ToAgent::Heartbeat).await, Err(Cut));
    assert_eq!(refused(world.connect(&identity).await), Rejection::Revoked);

    bystander.outgoing.offer(heartbeat()).unwrap();
    soon("another agent", bystander_server.incoming.next()).await.unwrap();
    bystander_server.outgoing.offer(ToAgent::Heartbeat).unwrap();
    soon("another agent", bystander.incoming.next()).await.unwrap();
}

#[tokio::test]
async fn without_a_certificate_there_is_no_session() {
    let mut world = World::new();
    let response = by_hand(&world, None, String::new()).await;
    assert_eq!(response.headers()["grpc-status"], "16", "unauthenticated");
    let (_agent, server) = world.both_ends(1).await;
    assert_eq!(server.agent.0.as_u128(), 1, "only the one with a certificate has a session");
}

#[tokio::test]
async fn a_message_of_a_newer_kind_does_not_end_the_session_and_one_that_is_no_json_does() {
    let mut world = World::new();
    let (identity, _) = world.agent(1);
    let sent = [r#"{"say":"dance","how":{"fast":true}}"#, r#"{"say":"heartbeat"}"#, "hello?"];
    // gRPC's frame: not compressed, length, message.
    let frames = sent.map(|json| format!("\0\0\0\0{}{json}", char::from(json.len() as u8))).concat();
    let _response = by_hand(&world, Some(&identity), frames).await;
    let mut server = world.session().await;
    assert_eq!(soon("a newer kind", server.incoming.next()).await, Ok(FromAgent::Unknown));
    assert_eq!(soon("the next", server.incoming.next()).await, Ok(heartbeat()));
    match soon("garbage", server.incoming.next()).await {
        Err(End::Malformed(why)) => assert!(why.contains("not a JSON object"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_farewell_is_told_from_a_loss() {
    let mut world = World::new();
    let (agent, mut server) = world.both_ends(1).await;
    agent.outgoing.offer(FromAgent::Bye { why: "upgrade".into() }).unwrap();
    assert_eq!(soon("bye", server.incoming.next()).await, Err(End::Bye("upgrade".into())));

    let (agent, mut server) = world.both_ends(2).await;
    drop(agent);
    let end = soon("loss", server.incoming.next()).await.unwrap_err();
    assert!(end.is_lost(), "{end}");

    let (mut agent, server) = world.both_ends(3).await;
    server.outgoing.offer(ToAgent::Bye { why: "stopping".into() }).unwrap();
    world.listening.stop().await;
    // The farewell may or may not have left in time; either way the agent knows that it is over.
    assert!(soon("the end", agent.incoming.next()).await.is_err());
}

#[tokio::test]
async fn an_agent_that_says_nothing_is_lost_after_the_read_limit() {
    let limits = Limits { read_timeout: Duration::from_millis(300), ..Limits::default() };
    let mut world = World::with(limits);
    let (_agent, mut server) = world.both_ends(1).await;
    let end = soon("silence", server.incoming.next()).await.unwrap_err();
    assert_eq!(end, End::Silent(Duration::from_millis(300)));
}

#[tokio::test]
async fn a_line_that_swallows_everything_is_noticed_by_both_ends() {
    let short = Duration::from_millis(300);
    let limits = Limits { ping_interval: short, ping_timeout: short, ..Limits::default() };
    let config = AgentConfig { ping_interval: short, ping_timeout: short, ..AgentConfig::default() };
    let mut world = World::with(limits);
    let line = Line::to(world.listening.address()).await;
    let (identity, _) = world.agent(1);
    let mut agent = connect(&line.address.to_string(), &identity, &config).await.unwrap();
    let mut server = world.session().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.outgoing.offer(ToAgent::Heartbeat).unwrap();
    assert_eq!(soon("pings hold it", agent.incoming.next()).await, Ok(ToAgent::Heartbeat));

    line.swallow.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let at_server = soon("the server", server.incoming.next()).await.unwrap_err();
    let at_agent = soon("the agent", agent.incoming.next()).await.unwrap_err();
    assert!(matches!((&at_server, &at_agent), (End::Lost(_), End::Lost(_))), "{at_server}, {at_agent}");
    // The silence limit of 10 s is not what noticed it.
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_session_and_says_so() {
    let mut world = World::new();
    let (identity, _) = world.agent(1);
    let config = AgentConfig { message_bytes: 2 * MESSAGE_BYTES, ..AgentConfig::default() };
    let agent = connect(&world.address(), &identity, &config).await.unwrap();
    let mut server = world.session().await;
    let of = |bytes: usize| FromAgent::Bye { why: "x".repeat(bytes) };
    let fits = FromAgent::Answer { question: 1, answer: Ok("x".repeat(MESSAGE_BYTES - 100)) };
    agent.outgoing.send(fits.clone()).await.unwrap();
    assert_eq!(soon("what fits", server.incoming.next()).await, Ok(fits));
    agent.outgoing.send(of(MESSAGE_BYTES + 1)).await.unwrap();
    match soon("what does not", server.incoming.next()).await {
        Err(End::Malformed(why)) => assert!(why.contains("too large"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_agent_that_stops_reading_is_cut_and_does_not_hold_up_the_server() {
    let limits = Limits { outgoing_messages: 8, ..Limits::default() };
    let mut world = World::with(limits);
    let (_agent, mut server) = world.both_ends(1).await;
    let bulk = ToAgent::Bye { why: "x".repeat(100_000) };
    let began = Instant::now();
    let mut sent = 0;
    while server.outgoing.offer(bulk.clone()).is_ok() {
        sent += 1;
        assert!(sent < 1_000, "it takes everything");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    let end = soon("the cut", server.incoming.next()).await.unwrap_err();
    assert_eq!(end, End::Cut("the other side reads too slowly".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_agents_that_come_at_once_all_get_in() {
    let mut world = World::new();
    let address = world.address();
    let agents: Vec<_> = (0..200).map(|n| world.agent(n).0).collect();
    let tries: Vec<_> = agents
        .into_iter()
        .map(|identity| {
            let address = address.clone();
            tokio::spawn(async move { connect(&address, &identity, &AgentConfig::default()).await })
        })
        .collect();
    let mut open = Vec::new();
    for one in tries {
        open.push(soon("an agent", one).await.unwrap().unwrap());
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        seen.insert(world.session().await.agent);
    }
    assert_eq!((open.len(), seen.len()), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_dial_from_one_address_and_say_nothing_keep_nobody_out_who_comes_from_another() {
    // Long enough that nobody gets in because the silent ones' time is up.
    let limits = Limits { handshake_timeout: Duration::from_secs(120), ..Limits::default() };
    let places = limits.handshakes;
    let mut world = World::with(limits);
    let mut silent = Vec::new();
    for _ in 0..4 * places {
        silent.push(soon("dialling", TcpStream::connect(world.listening.address())).await.unwrap());
    }
    let elsewhere = AgentConfig { from: Some([127, 0, 0, 2].into()), ..AgentConfig::default() };
    let address = world.address();
    let tries: Vec<_> = (0..2 * places as u128)
        .map(|n| {
            let ((identity, _), address, elsewhere) = (world.agent(n), address.clone(), elsewhere.clone());
            tokio::spawn(async move { connect(&address, &identity, &elsewhere).await })
        })
        .collect();
    let mut open = Vec::new();
    for one in tries {
        open.push(soon("an agent", one).await.unwrap().unwrap());
        assert_eq!(world.session().await.remote.ip(), elsewhere.from.unwrap());
    }
    // Who was not cut for it has waited in vain, and is let go when the port is closed.
    soon("closing", world.listening.stop()).await;
    drop(silent);
}

#[tokio::test]
async fn the_server_certificate_is_kept_over_restarts_and_changed_when_its_names_do() {
    let world = World::new();
    let dir = world.dir.path().join("pki");
    let read = || std::fs::read(dir.join("server.crt")).unwrap();
    let first = read();
    let again = Authority::open(&dir).unwrap();
    assert_eq!(again.fingerprint(), world.authority.fingerprint());
    let certificate = again.server_certificate(&["127.0.0.1".into()]).unwrap();
    assert_eq!(read(), first);
    again.renew_server_certificate(&certificate, &["manager.example".into()]).unwrap();
    assert_ne!(read(), first);
}
