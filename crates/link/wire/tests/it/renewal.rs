//! How an agent's certificate is followed by another, and what is left when that is cut short.

use std::time::{Duration, SystemTime};

use hostler_model::channel::ToAgent;
use hostler_model::{AgentId, Code, Timestamp};
use hostler_wire::*;
use uuid::Uuid;

use crate::world::{World, refused, soon};

#[tokio::test]
async fn a_renewed_certificate_is_for_a_new_key_and_kept_with_the_one_before() {
    let mut world = World::new();
    let (mut old, first) = world.agent(1);
    let dir = world.dir.path().join("identity");
    old.save(&dir).unwrap();
    let session = world.connect(&old).await.unwrap();
    world.session().await;
    let mut new = soon("the renewal", session.renewal.renew(&old)).await.unwrap();
    assert_ne!(new.key.public_point(), old.key.public_point());
    assert!(new.about.certificate_until > old.about.certificate_until);
    assert_eq!(new.folder(), Some(dir.as_path()), "it belongs where the one before is");
    new.save(&dir).unwrap();

    let kept = Identity::load(&dir).unwrap();
    world.connect(&kept).await.unwrap();
    assert_ne!(world.session().await.serial, first);
    world.connect(&kept.with_other().unwrap()).await.unwrap();
    assert_eq!(world.session().await.serial, first);
}

#[tokio::test]
async fn after_a_renewal_was_used_only_the_new_certificate_is_good() {
    let mut world = World::new();
    let (old, _) = world.agent(1);
    let mut on_old = world.connect(&old).await.unwrap();
    let before = world.session().await;
    let (new, serial) = world.agent(1);
    world.connect(&new).await.unwrap();
    world.admission.allow_only(new.about.agent, &[&serial]);
    before.outgoing.offer(ToAgent::Heartbeat).unwrap();
    assert_eq!(soon("what is open goes on", on_old.incoming.next()).await, Ok(ToAgent::Heartbeat));
    assert_eq!(refused(world.connect(&old).await), Rejection::Revoked);
    world.connect(&new).await.unwrap();
}

#[tokio::test]
async fn a_renewal_for_another_agents_name_is_refused() {
    let mut world = World::new();
    let (mut agent, _) = world.agent(1);
    let session = world.connect(&agent).await.unwrap();
    world.session().await;
    agent.about.agent = AgentId(Uuid::from_u128(2));
    match soon("the renewal", session.renewal.renew(&agent)).await {
        Err(ConnectError::Refused(why)) => assert_eq!(why.code, Code::EnrolmentRefused, "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_identity_is_written_wholly_or_not_at_all() {
    let world = tempfile::tempdir().unwrap();
    let authority = Authority::create(&world.path().join("pki")).unwrap();
    let identity = || {
        let (agent, key) = (AgentId(Uuid::from_u128(1)), AgentKey::generate().unwrap());
        let issued = authority.sign_agent(agent, key.public_point()).unwrap();
        let enrolled = Enrolled::new(agent, crate::world::INSTALLATION, issued, &authority);
        Identity::new("127.0.0.1:1", key, enrolled)
    };
    let dir = world.path().join("identity");
    let mut old = identity();
    old.save(&dir).unwrap();
    // What a power loss leaves of a file that was being written.
    std::fs::write(dir.join("agent.json.new"), "{\"agent\":").unwrap();
    assert_eq!(Identity::load(&dir).unwrap().certificate_pem, old.certificate_pem);
    // And where it cannot be written at all, the one that is there stays.
    std::fs::remove_file(dir.join("agent.json.new")).unwrap();
    std::fs::create_dir(dir.join("agent.json.new")).unwrap();
    let mut new = identity();
    assert!(new.save(&dir).is_err());
    assert_eq!(Identity::load(&dir).unwrap().certificate_pem, old.certificate_pem);
    std::fs::remove_dir(dir.join("agent.json.new")).unwrap();
    new.save(&dir).unwrap();
    assert_eq!(Identity::load(&dir).unwrap().certificate_pem, new.certificate_pem);
}

#[tokio::test]
async fn a_certificate_is_renewed_at_two_thirds_of_its_life_and_not_by_all_at_once() {
    const DAY_MS: i64 = 86_400_000;
    let world = World::new();
    let (mut identity, _) = world.agent_until(1, SystemTime::now() + Duration::from_secs(3_600));
    let about = &mut identity.about;
    (about.certificate_from, about.certificate_until) = (Timestamp(DAY_MS), Timestamp(31 * DAY_MS));
    let due: std::collections::BTreeSet<i64> = (0..100).map(|_| about.renewal_due().0).collect();
    let (first, last) = (*due.first().unwrap(), *due.last().unwrap());
    assert!(20 * DAY_MS <= first && last <= 21 * DAY_MS, "{first} {last}");
    assert!(due.len() > 80 && last - first > DAY_MS / 4, "{} times, {first} to {last}", due.len());
    // A server of before renewal did not say when it was issued.
    about.certificate_from = Timestamp(0);
    assert!((20 * DAY_MS..=21 * DAY_MS).contains(&about.renewal_due().0));
}

#[tokio::test]
async fn the_servers_own_certificate_is_replaced_before_its_end_and_open_sessions_go_on() {
    let mut world = World::new();
    let names = ["127.0.0.1".to_owned()];
    let (mut agent, server) = world.both_ends(1).await;
    let shown = |world: &World| format!("{:?}", world.certificate);
    let first = shown(&world);
    world.authority.renew_server_certificate(&world.certificate, &names).unwrap();
    assert_eq!(shown(&world), first, "it is new");
    // Some weeks later.
    let facts = world.dir.path().join("pki/server.json");
    let mut kept: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&facts).unwrap()).unwrap();
    let soon_over = SystemTime::now() + Duration::from_secs(20 * 86_400);
    let ms = soon_over.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    kept["until"] = Timestamp(i64::try_from(ms).unwrap()).to_string().into();
    std::fs::write(&facts, kept.to_string()).unwrap();
    world.authority.renew_server_certificate(&world.certificate, &names).unwrap();
    assert_ne!(shown(&world), first);

    world.both_ends(2).await;
    server.outgoing.offer(ToAgent::Heartbeat).unwrap();
    assert_eq!(soon("the open session goes on", agent.incoming.next()).await, Ok(ToAgent::Heartbeat));
}
