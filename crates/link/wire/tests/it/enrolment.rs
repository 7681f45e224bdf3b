//! How a computer without a certificate gets one, and who does not.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use hostler_model::Code;
use hostler_model::channel::ToAgent;
use hostler_wire::*;

use crate::world::{INSTALLATION, World, facts, soon};

async fn try_enrol(world: &World, token: &EnrolmentToken) -> Result<Identity, ConnectError> {
    soon("enrolling", enrol(&world.address(), token, "0.1.0", facts(), &AgentConfig::default())).await
}

#[tokio::test]
async fn a_computer_with_a_token_enrols_keeps_its_identity_on_disk_and_gets_a_session() {
    let mut world = World::new();
    let mut identity = try_enrol(&world, &world.token()).await.unwrap();
    let dir = world.dir.path().join("identity");
    assert!(matches!(Identity::load(&dir), Err(IdentityError::None(_))));
    identity.save(&dir).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("agent.json"))), (0o700, 0o600));
    let pki = world.dir.path().join("pki");
    assert_eq!((mode(&pki), mode(&pki.join("authority.key"))), (0o700, 0o600));

    let kept = Identity::load(&dir).unwrap();
    assert_eq!(kept.about.installation, INSTALLATION);
    let mut agent = world.connect(&kept).await.unwrap();
    let server = world.session().await;
    assert_eq!(server.agent, kept.about.agent);
    server.outgoing.offer(ToAgent::Picture).unwrap();
    assert_eq!(soon("a word", agent.incoming.next()).await, Ok(ToAgent::Picture));
}

#[tokio::test]
async fn a_token_is_good_once() {
    let world = World::new();
    let token = world.token();
    try_enrol(&world, &token).await.unwrap();
    match try_enrol(&world, &token).await {
        Err(ConnectError::Refused(refusal)) => assert_eq!(refusal.code, Code::EnrolmentRefused),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_not_shown_to_a_server_of_another_authority() {
    let (world, other) = (World::new(), World::new());
    let foreign = other.token();
    let result = try_enrol(&world, &foreign).await;
    assert!(matches!(result, Err(ConnectError::ServerNotTrusted(_))), "{result:?}");
    assert_eq!(world.server.asked.load(Ordering::Relaxed), 0, "the server never heard of it");
    try_enrol(&other, &foreign).await.unwrap();
}

#[tokio::test]
async fn an_address_that_tries_too_often_is_put_off() {
    let limits = Limits { enrolments_per_minute: 3, ..Limits::default() };
    let world = World::with(limits);
    let wrong = EnrolmentToken::new(world.authority.fingerprint()).unwrap();
    let mut codes = Vec::new();
    for _ in 0..5 {
        match try_enrol(&world, &wrong).await {
            Err(ConnectError::Refused(refusal)) => codes.push(refusal.code),
            other => panic!("{other:?}"),
        }
    }
    use Code::{EnrolmentRefused as Refused, TooManyRequests as TooMany};
    assert_eq!(codes, [Refused, Refused, Refused, TooMany, TooMany]);
    assert_eq!(world.server.asked.load(Ordering::Relaxed), 3);
}

#[test]
fn an_authority_is_made_once_and_a_foreign_key_beside_it_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    Authority::create(&a).unwrap();
    Authority::create(&b).unwrap();
    assert!(matches!(Authority::create(&a), Err(AuthorityError::Exists(_))));
    std::fs::copy(a.join("authority.key"), b.join("authority.key")).unwrap();
    assert!(matches!(Authority::open(&b), Err(AuthorityError::Damaged { .. })));
}
