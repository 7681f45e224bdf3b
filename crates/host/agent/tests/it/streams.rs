//! Byte streams that the server asks for, over a simulated host.

use hostler_agent::MemoryJournal;
use hostler_hypervisor::simulated::SimulatedHost;
use hostler_model::channel::{StreamKind, ToAgent};
use hostler_model::command::Command;
use hostler_model::{Code, Refusal};
use hostler_wire::ByteStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use crate::running::Running;
use crate::server::{Link, Server, soon};
use crate::simulated::{VM, definition};

const SCREEN: StreamKind = StreamKind::Graphics { domain: VM };

/// What the agent answers when it is asked for a stream.
async fn asked(server: &mut Server, link: &Link, what: StreamKind) -> Result<ByteStream, Refusal> {
    let stream = Uuid::new_v4();
    server.world.want(stream);
    link.say(ToAgent::Open { stream, what });
    let opened = server.world.opened().await;
    assert_eq!(opened.stream, stream);
    opened.opened
}

async fn greets(screen: &mut ByteStream) {
    let mut greeting = [0; 12];
    soon("the greeting", screen.read_exact(&mut greeting)).await.unwrap();
    assert_eq!(&greeting, b"RFB 003.008\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_is_joined_waited_for_while_its_machine_is_off_and_ends_when_it_is_turned_off() {
    let mut server = Server::new();
    let (host, journal) = (SimulatedHost::new(1, "/vms", 1 << 40), MemoryJournal::default());
    let (identity, _) = server.world.agent(7);
    let agent = Running::start(&host, &journal, identity, true);
    let mut link = server.session().await;
    assert_eq!(asked(&mut server, &link, SCREEN).await.unwrap_err().code, Code::HypervisorNoVm);
    assert_eq!(
        asked(&mut server, &link, StreamKind::Unknown).await.unwrap_err().code,
        Code::AgentUnsupported
    );

    link.done(1, Command::Define { definition: Box::new(definition()) }).await;
    let mut early = asked(&mut server, &link, SCREEN).await.unwrap();
    link.done(2, Command::Start { domain: VM }).await;
    greets(&mut early).await;

    // Two look at once, each with its own.
    let mut screen = asked(&mut server, &link, SCREEN).await.unwrap();
    greets(&mut screen).await;
    screen.write_all(b"typed").await.unwrap();
    let mut said = [0; 5];
    soon("the answer", screen.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"typed");

    link.done(3, Command::TurnOff { domain: VM }).await;
    for mut screen in [early, screen] {
        let rest = soon("the end", screen.read_to_end(&mut Vec::new())).await;
        assert_eq!(rest.unwrap(), 0, "turned off is an end, and no loss");
    }
    agent.stop().await;
}
