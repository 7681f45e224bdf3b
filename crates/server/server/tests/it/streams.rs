//! Byte streams that an agent is asked for.

use hostler_model::channel::{MOST_STREAMS, StreamKind, ToAgent};
use hostler_model::{AgentId, Code, Refusal};
use hostler_server::{ByteStream, Handle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use crate::support::{Agent, code, site};

const SCREEN: StreamKind = StreamKind::Graphics { domain: Uuid::from_u128(1) };

/// The ticket that the agent is given.
async fn ticket(agent: &mut Agent) -> Uuid {
    loop {
        match agent.next().await.unwrap() {
            ToAgent::Open { stream, what } => {
                assert_eq!(what, SCREEN);
                return stream;
            }
            _ => continue,
        }
    }
}

/// Both ends of a stream: the server's, and the agent's.
async fn open(handle: &Handle, agent: &mut Agent, id: AgentId) -> (ByteStream, ByteStream) {
    let asking = handle.open_stream(id, SCREEN);
    let opening = async {
        let ticket = ticket(agent).await;
        agent.session.streams.open(ticket).await.unwrap()
    };
    let (theirs, ours) = tokio::join!(asking, opening);
    (theirs.unwrap(), ours)
}

#[tokio::test]
async fn an_agent_opens_the_stream_it_is_asked_for_or_says_why_not_and_has_so_many_at_most() {
    let site = site().await;
    let identity = site.enrolled("host-a").await;
    let id = identity.about.agent;
    assert_eq!(code(site.handle().open_stream(id, SCREEN).await), Code::HostNotResponding);

    let mut agent = site.connect(&identity).await;
    let (mut theirs, mut ours) = open(site.handle(), &mut agent, id).await;
    ours.write_all(b"RFB").await.unwrap();
    let mut said = [0; 3];
    theirs.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"RFB");

    let asking = site.handle().open_stream(id, SCREEN);
    let why = Refusal::new(Code::HypervisorNoVm, "domain 1", "there is none").remedy("Make one");
    let refusing = async {
        let ticket = ticket(&mut agent).await;
        agent.session.streams.refuse(ticket, &why).await.unwrap();
        // What was refused is not opened after all.
        assert!(agent.session.streams.open(ticket).await.is_err());
    };
    assert_eq!(tokio::join!(asking, refusing).0.unwrap_err(), why);

    let mut held = vec![(theirs, ours)];
    while held.len() < MOST_STREAMS {
        held.push(open(site.handle(), &mut agent, id).await);
    }
    assert_eq!(code(site.handle().open_stream(id, SCREEN).await), Code::TooManyRequests);
    held.pop();
    open(site.handle(), &mut agent, id).await;
}

#[tokio::test]
async fn a_stream_that_is_waited_for_ends_with_the_connection_and_is_not_opened_by_another_agent() {
    let site = site().await;
    let (a, b) = (site.enrolled("host-a").await, site.enrolled("host-b").await);
    let mut agent = site.connect(&a).await;
    let stranger = site.connect(&b).await;
    let asking = site.handle().open_stream(a.about.agent, SCREEN);
    let failing = async {
        let ticket = ticket(&mut agent).await;
        assert!(stranger.session.streams.open(ticket).await.is_err());
        agent.session.kill.cut("the test");
    };
    assert_eq!(code(tokio::join!(asking, failing).0), Code::HostNotResponding);
}
