//! Byte streams beside the session: what passes, what is held back, and with what they end.

use std::io::ErrorKind;
use std::time::Duration;

use hostler_model::channel::{FromAgent, ToAgent};
use hostler_model::host::Load;
use hostler_model::{AgentId, Code, Refusal};
use hostler_wire::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use crate::world::{World, soon};

/// More than all windows and buffers of a stream together.
const MUCH: usize = 1024 * 1024;

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

/// Both ends still hear each other.
async fn session_answers(agent: &mut AgentSession, server: &mut Session) {
    let heartbeat = FromAgent::Heartbeat { load: Load::default() };
    agent.outgoing.offer(heartbeat.clone()).unwrap();
    assert_eq!(soon("up", server.incoming.next()).await, Ok(heartbeat));
    server.outgoing.offer(ToAgent::Picture).unwrap();
    assert_eq!(soon("down", agent.incoming.next()).await, Ok(ToAgent::Picture));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_at_one_end_is_read_at_the_other_whole_and_to_its_end_both_ways() {
    let mut world = World::new();
    let (agent, _server) = world.both_ends(1).await;
    let (ours, theirs) = world.stream(&agent).await;
    let talk = |mut stream: ByteStream| async move {
        let (mut read, mut write) = tokio::io::split(&mut stream);
        let sent = pattern(MUCH);
        let mut got = Vec::new();
        let (write, read) = tokio::join!(
            async {
                write.write_all(&sent).await?;
                write.shutdown().await
            },
            read.read_to_end(&mut got)
        );
        write.unwrap();
        read.unwrap();
        assert!(got == sent, "{} bytes of {}", got.len(), sent.len());
    };
    let ours = tokio::spawn(talk(ours));
    soon("the server's end", talk(theirs)).await;
    soon("the agent's end", ours).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_takes_nothing_holds_back_its_own_writer_and_nobody_else_and_then_loses_the_stream() {
    let mut world = World::new();
    let (mut agent, mut server) = world.both_ends(1).await;
    let mut open = Vec::new();
    // As many as one agent may have, all stalled, in both directions.
    for _ in 0..hostler_model::channel::MOST_STREAMS {
        let (ours, theirs) = world.stream(&agent).await;
        let short = Duration::from_millis(500);
        open.push((ours.with_stall(short), theirs.with_stall(short)));
    }
    let much = pattern(MUCH);
    let mut writing = Vec::new();
    for (ours, theirs) in open {
        let (agent_read, agent_write) = tokio::io::split(ours);
        let (server_read, server_write) = tokio::io::split(theirs);
        for (mut write, unread) in [(agent_write, server_read), (server_write, agent_read)] {
            let much = much.clone();
            writing.push(tokio::spawn(async move {
                let why = write.write_all(&much).await.unwrap_err();
                drop(unread);
                why.kind()
            }));
        }
    }
    session_answers(&mut agent, &mut server).await;
    for one in writing {
        assert_eq!(soon("giving up", one).await.unwrap(), ErrorKind::TimedOut);
    }
    session_answers(&mut agent, &mut server).await;
    let (mut ours, mut theirs) = world.stream(&agent).await;
    ours.write_all(b"x").await.unwrap();
    assert_eq!(soon("a new stream", theirs.read_u8()).await.unwrap(), b'x');
}

#[tokio::test]
async fn a_reader_that_reads_slowly_gets_everything() {
    let mut world = World::new();
    let (agent, _server) = world.both_ends(1).await;
    let (ours, mut theirs) = world.stream(&agent).await;
    let mut ours = ours.with_stall(Duration::from_secs(5));
    let writing = tokio::spawn(async move {
        ours.write_all(&pattern(MUCH)).await.unwrap();
        ours.shutdown().await.unwrap();
        // Held until the reader is done.
        ours
    });
    let mut got = Vec::new();
    let mut part = vec![0; 100_000];
    loop {
        let some = soon("a part", theirs.read(&mut part)).await.unwrap();
        if some == 0 {
            break;
        }
        got.extend_from_slice(&part[..some]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(got == pattern(MUCH));
    writing.await.unwrap();
}

#[tokio::test]
async fn a_stream_that_one_end_drops_is_lost_at_the_other_and_one_that_it_ends_is_at_its_end() {
    let mut world = World::new();
    let (agent, _server) = world.both_ends(1).await;
    let mut rest = Vec::new();

    let (mut ours, mut theirs) = world.stream(&agent).await;
    ours.write_all(b"to be read").await.unwrap();
    ours.shutdown().await.unwrap();
    soon("the end", theirs.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"to be read");

    let (ours, mut theirs) = world.stream(&agent).await;
    drop(ours);
    let why = soon("the loss", theirs.read_u8()).await.unwrap_err();
    assert_eq!(why.kind(), ErrorKind::ConnectionReset, "{why}");

    let (mut ours, theirs) = world.stream(&agent).await;
    drop(theirs);
    let why = soon("the loss", ours.read_u8()).await.unwrap_err();
    assert_eq!(why.kind(), ErrorKind::ConnectionReset, "{why}");
    let why = soon("nowhere to write", async {
        loop {
            if let Err(why) = ours.write_all(b"x").await {
                return why;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(why.await.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn every_stream_dies_with_the_certificate_of_its_connection() {
    let mut world = World::new();
    let (identity, serial) = world.agent(1);
    let agent = world.connect(&identity).await.unwrap();
    let _server = world.session().await;
    let (mut ours, mut theirs) = world.stream(&agent).await;
    ours.write_all(b"x").await.unwrap();
    theirs.read_u8().await.unwrap();

    world.admission.deny(&serial);
    for stream in [&mut ours, &mut theirs] {
        let why = soon("the cut", stream.read_u8()).await.unwrap_err();
        assert_eq!(why.kind(), ErrorKind::ConnectionReset, "{why}");
    }
}

#[tokio::test]
async fn a_ticket_opens_one_stream_and_one_that_nobody_gave_opens_none() {
    let mut world = World::new();
    let (agent, _server) = world.both_ends(1).await;
    let ticket = Uuid::new_v4();
    let refused = |result: Result<ByteStream, ConnectError>| match result {
        Err(ConnectError::Unreachable { cause, .. }) => {
            assert!(cause.contains("nobody waits"), "{cause}");
        }
        other => panic!("{other:?}"),
    };
    refused(agent.streams.open(ticket).await);
    world.want(ticket);
    let _open = agent.streams.open(ticket).await.unwrap();
    assert_eq!(world.opened().await.agent, AgentId(Uuid::from_u128(1)));
    refused(agent.streams.open(ticket).await);
}

#[tokio::test]
async fn an_agent_that_does_not_open_a_stream_says_why() {
    let mut world = World::new();
    let (agent, _server) = world.both_ends(1).await;
    let ticket = Uuid::new_v4();
    world.want(ticket);
    let why =
        Refusal::new(Code::AgentUnsupported, "stream", "this agent does not know “smell”").remedy("Update");
    agent.streams.refuse(ticket, &why).await.unwrap();
    let opened = world.opened().await;
    assert_eq!((opened.stream, opened.opened.unwrap_err()), (ticket, why));
}
