use std::time::Duration;

use hostler_transfer::{Ended, Limits, Offers, Peer, Ticket, TransferError, Why, dial};
use tokio::time::timeout;

use crate::world::{Authority, GENEROUS, Two, agent, at, limits, ticket};

fn refused(result: Result<hostler_transfer::Link, TransferError>) -> Why {
    match result.unwrap_err() {
        TransferError::Refused { why, .. } => why,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_agent_with_the_ticket_is_let_in_and_its_good_bye_frees_the_port() {
    let two = Two::new();
    let mut listening = two.listen(Offers::default()).await;
    let link = two.dial(&listening).await.unwrap();
    assert_eq!(listening.has_ended(), None);
    link.close().await;
    assert_eq!(timeout(GENEROUS, listening.ended()).await.unwrap(), Ended::Closed);
    assert!(matches!(
        two.dial(&listening).await,
        Err(TransferError::Unreachable { .. } | TransferError::Lost(_))
    ));
}

#[tokio::test]
async fn another_agent_of_the_same_authority_is_turned_away_and_the_ticket_stays_good() {
    let two = Two::new();
    let listening = two.listen(Offers::default()).await;
    let third = two.authority.agent(agent(3), 3);
    let why = dial(at(&listening), &third, ticket("t-1", agent(1)), limits()).await.unwrap_err();
    assert!(matches!(why, TransferError::Identity(_)), "{why}");
    two.dial(&listening).await.unwrap();
}

#[tokio::test]
async fn an_agent_of_another_authority_is_turned_away_at_either_end() {
    let two = Two::new();
    let stranger = Authority::new();
    let listening = two.listen(Offers::default()).await;
    // Its own authority is not ours: it does not trust us.
    let other = stranger.agent(agent(2), 2);
    let why = dial(at(&listening), &other, ticket("t-1", agent(1)), limits()).await.unwrap_err();
    assert!(matches!(why, TransferError::Identity(_)), "{why}");
    // It trusts us, but we do not trust it.
    let mut forged = stranger.agent(agent(2), 2);
    forged.authority_pem.clone_from(&two.second.authority_pem);
    let why = dial(at(&listening), &forged, ticket("t-1", agent(1)), limits()).await.unwrap_err();
    assert!(matches!(why, TransferError::Identity(_)), "{why}");
    two.dial(&listening).await.unwrap();
}

#[tokio::test]
async fn one_who_dials_does_not_speak_with_another_agent_than_the_one_named() {
    let two = Two::new();
    let listening = two.listen(Offers::default()).await;
    let why = dial(at(&listening), &two.second, ticket("t-1", agent(9)), limits()).await.unwrap_err();
    assert!(matches!(why, TransferError::Identity(_)), "{why}");
}

#[tokio::test]
async fn a_certificate_that_was_revoked_is_turned_away_although_it_names_the_right_agent() {
    let two = Two::new();
    let peer = Peer { agent: agent(2), serials: vec!["02".into()] };
    let only = Ticket { id: "t-1".into(), peer };
    let listening = hostler_transfer::listen(
        crate::world::HERE,
        crate::world::ANY,
        &two.first,
        only,
        Offers::default(),
        limits(),
    )
    .await
    .unwrap();
    let revoked = two.authority.agent(agent(2), 7);
    let why = dial(at(&listening), &revoked, ticket("t-1", agent(1)), limits()).await.unwrap_err();
    assert!(matches!(why, TransferError::Identity(_)), "{why}");
    two.dial(&listening).await.unwrap();
}

#[tokio::test]
async fn a_wrong_ticket_is_refused_and_does_not_spoil_the_right_one() {
    let two = Two::new();
    let listening = two.listen(Offers::default()).await;
    let wrong = dial(at(&listening), &two.second, ticket("t-2", agent(1)), limits()).await;
    assert_eq!(refused(wrong), Why::Ticket);
    two.dial(&listening).await.unwrap();
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let two = Two::new();
    let mut listening = two.listen(Offers::default()).await;
    let first = two.dial(&listening).await.unwrap();
    assert_eq!(refused(two.dial(&listening).await), Why::Used);
    assert_eq!(listening.has_ended(), None, "the pair lives on");
    first.close().await;
    timeout(GENEROUS, listening.ended()).await.unwrap();
    assert!(two.dial(&listening).await.is_err());
}

#[tokio::test]
async fn a_ticket_that_nobody_claims_in_its_time_is_gone_with_its_port() {
    let two = Two::new();
    let short = Limits { claim: Duration::from_millis(50), ..limits() };
    let mut listening = two.listen_with(Offers::default(), short).await;
    assert_eq!(timeout(GENEROUS, listening.ended()).await.unwrap(), Ended::Unclaimed);
    let late = two.dial(&listening).await.unwrap_err();
    assert!(matches!(late, TransferError::Unreachable { .. } | TransferError::Lost(_)), "{late}");
}

/// Of many moves most wait for room, each behind others that may take an hour.
#[tokio::test]
async fn a_door_waits_for_its_peers_turn_and_not_for_ever() {
    let two = Two::new();
    let quick = Limits { claim: Duration::from_millis(50), ..limits() };
    let mut listening = two.listen_with(Offers::default(), quick.for_a_turn()).await;
    tokio::time::sleep(quick.claim * 4).await;
    assert_eq!(listening.has_ended(), None);
    let link = two.dial(&listening).await.unwrap();
    link.close().await;
    assert_eq!(timeout(GENEROUS, listening.ended()).await.unwrap(), Ended::Closed);

    let short = Limits { whole: Duration::from_millis(50), ..limits() };
    let mut forgotten = two.listen_with(Offers::default(), short.for_a_turn()).await;
    assert_eq!(timeout(GENEROUS, forgotten.ended()).await.unwrap(), Ended::Unclaimed);
    assert!(two.dial(&forgotten).await.is_err(), "its port is free again");
}

#[tokio::test]
async fn a_pair_does_not_last_longer_than_its_time() {
    let two = Two::new();
    let short = Limits { whole: Duration::from_millis(300), ..limits() };
    let mut listening = two.listen_with(Offers::default(), short).await;
    let link = two.dial(&listening).await.unwrap();
    let ended = timeout(GENEROUS, listening.ended()).await.unwrap();
    assert!(matches!(&ended, Ended::Lost(why) if why.contains("time")), "{ended:?}");
    timeout(GENEROUS, link.over()).await.unwrap();
}

#[tokio::test]
async fn one_who_dies_is_noticed_at_the_other_end() {
    let two = Two::new();
    let mut listening = two.listen(Offers::default()).await;
    let link = two.dial(&listening).await.unwrap();
    drop(link);
    let ended = timeout(GENEROUS, listening.ended()).await.unwrap();
    assert!(matches!(ended, Ended::Lost(_)), "{ended:?}");

    let listening = two.listen(Offers::default()).await;
    let link = two.dial(&listening).await.unwrap();
    drop(listening);
    timeout(GENEROUS, link.over()).await.unwrap();
    assert!(link.is_over());
}

/// Freezes without dying: the kernel goes on to acknowledge, so only silence tells.
#[tokio::test]
async fn one_who_falls_silent_is_given_up() {
    let two = Two::new();
    let quick = Limits { silence: Duration::from_secs(2), ..limits() };
    let listening = two.listen_with(Offers::default(), quick).await;
    // Somebody between them who at first passes everything on and then nothing more.
    let between = tokio::net::TcpListener::bind((crate::world::HERE, 0)).await.unwrap();
    let (address, to) = (between.local_addr().unwrap(), at(&listening));
    let (freeze, frozen) = tokio::sync::watch::channel(false);
    let middle = tokio::spawn(async move {
        let (mut near, _) = between.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(to).await.unwrap();
        let mut frozen = frozen;
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = frozen.wait_for(|frozen| *frozen) => {}
        }
        std::future::pending::<()>().await;
    });
    let link = dial(address, &two.second, ticket("t-1", agent(1)), quick).await.unwrap();
    freeze.send(true).unwrap();
    let why = timeout(GENEROUS, link.over()).await.unwrap();
    assert!(why.to_string().contains("said nothing"), "{why}");
    middle.abort();
}

#[tokio::test]
async fn a_range_without_a_free_port_is_said_so() {
    let two = Two::new();
    let held = std::net::TcpListener::bind((crate::world::HERE, 0)).unwrap();
    let port = held.local_addr().unwrap().port();
    let why = hostler_transfer::listen(
        crate::world::HERE,
        port..=port,
        &two.first,
        ticket("t-1", agent(2)),
        Offers::default(),
        limits(),
    )
    .await
    .unwrap_err();
    assert!(matches!(why, TransferError::NoPort { .. }), "{why}");
}
