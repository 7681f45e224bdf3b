//! The agent over a simulated host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hostler_agent::{MemoryJournal, simulated};
use hostler_agent_core::JournalEntry;
use hostler_hypervisor::simulated::{CrashWhen, Manners, Outside, SimulatedHost, What};
use hostler_hypervisor::{Boots, Trouble};
use hostler_model::channel::{FromAgent, Query, ReportBody, ToAgent};
use hostler_model::command::{Command, Definition, Outcome};
use hostler_model::hardware::{Firmware, Hardware};
use hostler_model::host::{HostFacts, Load};
use hostler_model::seen::{self, Power};
use hostler_model::{Code, StepNo, VmId};
use hostler_wire::End;
use uuid::Uuid;

use crate::running::Running;
use crate::server::{INSTALLATION, Server, soon};

pub const VM: Uuid = Uuid::from_u128(0x0196_f0f0_0000_7000_8000_0000_0000_0001);

pub fn definition() -> Definition {
    Definition {
        identity: seen::Identity { vm: VmId(VM), domain: VM, installation: INSTALLATION },
        name: "vm-1".into(),
        title: "web-1".into(),
        hardware: Hardware {
            cpus: 1,
            memory_mib: 128,
            firmware: Firmware::Bios,
            disks: vec![],
            dvd: None,
            adapters: vec![],
        },
    }
}

/// A host and its journal, which outlive agents.
struct Computer {
    host: SimulatedHost,
    journal: MemoryJournal,
    number: u128,
}

impl Computer {
    fn new() -> Self {
        Self { host: SimulatedHost::new(1, "/vms", 1 << 40), journal: MemoryJournal::default(), number: 7 }
    }

    fn start(&self, server: &Server, events: bool) -> Running {
        let (identity, _) = server.world.agent(self.number);
        Running::start(&self.host, &self.journal, identity, events)
    }

    fn outside(&self, what: Outside) {
        self.host.outside(&what).unwrap();
    }

    fn effects(&self, wanted: What) -> u32 {
        self.host.effects().iter().filter(|(effect, _)| effect.what == wanted).map(|(_, count)| count).sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_started_machine_is_told_in_the_same_report_as_the_end_of_its_start() {
    let (mut server, computer) = (Server::new(), Computer::new());
    let agent = computer.start(&server, true);
    let mut link = server.session().await;
    assert_eq!(link.hello.host.host_name, "host-a");
    assert!(link.hello.host.libvirt_answers, "the first word tells the whole computer");

    link.done(1, Command::Define { definition: Box::new(definition()) }).await;
    let facts = link.done(2, Command::Start { domain: VM }).await;
    let seen = facts.iter().find(|fact| fact.domain == VM).and_then(|fact| fact.seen.clone());
    assert_eq!(seen.map(|seen| seen.power), Some(Power::Running));

    // The same number is the same step.
    link.send(2, Command::Start { domain: VM });
    assert!(matches!(link.ended(2).await.0, Outcome::Done { .. }));
    assert_eq!(computer.effects(What::Started), 1);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_agent_died_in_it_is_looked_up_and_never_repeated() {
    for (when, expected) in [(CrashWhen::After, true), (CrashWhen::Before, false)] {
        let (mut server, computer) = (Server::new(), Computer::new());
        let agent = computer.start(&server, true);
        let mut link = server.session().await;
        link.done(1, Command::Define { definition: Box::new(definition()) }).await;
        computer.host.crash_at(1, when);
        link.send(2, Command::Start { domain: VM });
        soon("the agent dies in the step", async {
            while !computer.host.crashed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        agent.kill().await;
        let begun = |no| {
            let entries = computer.journal.entries();
            let intent = entries.iter().any(|e| matches!(e, JournalEntry::Intent { no: n, .. } if *n == no));
            let outcome =
                entries.iter().any(|e| matches!(e, JournalEntry::Outcome { no: n, .. } if *n == no));
            (intent, outcome)
        };
        assert_eq!(begun(StepNo(2)), (true, false), "the intent was durable before the step began");
        computer.host.agent_restarted();

        let agent = computer.start(&server, true);
        let mut link = server.session().await;
        assert_eq!(link.hello.run, 2);
        link.send(2, Command::Start { domain: VM });
        let (outcome, _) = link.ended(2).await;
        match outcome {
            Outcome::Done { .. } if expected => {}
            Outcome::Failed { refusal } if !expected => assert_eq!(refusal.code, Code::AgentInterrupted),
            other => panic!("{when:?}: {other:?}"),
        }
        assert_eq!(computer.effects(What::Started), u32::from(expected));
        agent.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_events_a_change_is_found_by_listing_and_only_later() {
    let (mut server, computer) = (Server::new(), Computer::new());
    for events in [true, false] {
        let agent = computer.start(&server, events);
        let mut link = server.session().await;
        computer.outside(Outside::Define(Box::new(definition()), true));
        let begun = Instant::now();
        if !events {
            // The server asks, as it does at a refresher's interval; unasked the agent lists each 30 s.
            tokio::time::sleep(Duration::from_millis(500)).await;
            link.say(ToAgent::Picture);
        }
        link.until("the machine is told", |link| link.known.contains_key(&VM)).await;
        if !events {
            assert!(begun.elapsed() >= Duration::from_millis(500), "an event told it");
        }
        computer.outside(Outside::Undefine(VM));
        agent.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn libvirt_that_stops_answering_is_told_as_such_and_its_machines_are_not_forgotten() {
    let (mut server, computer) = (Server::new(), Computer::new());
    computer.outside(Outside::Define(Box::new(definition()), true));
    let agent = computer.start(&server, true);
    let mut link = server.session().await;
    let answers = |message: &FromAgent| match message {
        FromAgent::Report(report) => match &report.body {
            ReportBody::Host { host } => Some(host.libvirt_answers),
            _ => None,
        },
        _ => None,
    };
    for told in [false, true] {
        computer.host.set_answers(told);
        link.say(ToAgent::Picture);
        soon("the host's new facts", async { while answers(&link.hear().await.unwrap()) != Some(told) {} })
            .await;
        assert!(link.known.contains_key(&VM));
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_stopped_says_good_bye_and_leaves_machines_alone() {
    let (mut server, computer) = (Server::new(), Computer::new());
    computer.outside(Outside::Define(Box::new(definition()), true));
    computer.host.set_default_manners(Manners::DEAF);
    let agent = computer.start(&server, true);
    let mut link = server.session().await;
    link.done(1, Command::Start { domain: VM }).await;
    // One that waits for a guest does not keep the agent for long.
    link.send(2, Command::ShutDown { domain: VM, limit_ms: 300_000 });
    link.until("the guest was asked", |_| computer.effects(What::AskedToShutDown) == 1).await;
    let begun = Instant::now();
    agent.stop().await;
    // Two seconds for what is at work, half a second for the last words.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(matches!(link.end().await, End::Bye(_)));
    assert!(computer.host.truth_of(VM).unwrap().power.is_on());
}

/// A computer whose command for shutting down takes a while: systemd stops the agent meanwhile.
struct SlowBoots {
    asked: AtomicBool,
}

impl Boots for SlowBoots {
    fn boot(&self) -> String {
        "boot".into()
    }
    fn restart(&self) -> Result<(), Trouble> {
        Ok(())
    }
    fn shut_down(&self) -> Result<(), Trouble> {
        self.asked.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_stopped_by_the_shut_down_it_carries_out_says_first_how_that_ended() {
    let (mut server, computer) = (Server::new(), Computer::new());
    let boots = Arc::new(SlowBoots { asked: AtomicBool::new(false) });
    let facts = HostFacts { host_name: "host-a".into(), boot_id: "boot".into(), ..HostFacts::default() };
    let mut hands = simulated::hands(&computer.host, facts, Load::default, true);
    hands.boots = Arc::clone(&boots) as _;
    let (identity, _) = server.world.agent(computer.number);
    let agent = Running::over(hands, &computer.journal, identity);
    let mut link = server.session().await;
    link.send(1, Command::ShutDownHost { boot: "boot".into() });
    soon("the command runs", async {
        while !boots.asked.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let stopped = tokio::spawn(agent.stop());
    let (outcome, _) = link.ended(1).await;
    assert_eq!(outcome, Outcome::done());
    assert!(matches!(link.end().await, End::Bye(_)), "the good-bye is the last word");
    stopped.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_step_that_waits_for_its_guest_stops_waiting() {
    let (mut server, computer) = (Server::new(), Computer::new());
    computer.outside(Outside::Define(Box::new(definition()), true));
    computer.host.set_default_manners(Manners::DEAF);
    let agent = computer.start(&server, true);
    let mut link = server.session().await;
    link.done(1, Command::Start { domain: VM }).await;
    link.send(2, Command::ShutDown { domain: VM, limit_ms: 300_000 });
    tokio::time::sleep(Duration::from_millis(100)).await;
    link.say(ToAgent::Revoke { no: StepNo(2), floor: StepNo(0) });
    let (outcome, _) = link.ended(2).await;
    match outcome {
        Outcome::Failed { refusal } => assert_eq!(refusal.code, Code::JobCancelled),
        Outcome::Revoked => {}
        other => panic!("{other:?}"),
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again_and_a_question_is_answered_in_words() {
    let (mut server, computer) = (Server::new(), Computer::new());
    let agent = computer.start(&server, true);
    let mut link = server.session().await;
    let refused = link.ask(Query::DefinitionXml { domain: VM }).await.unwrap_err();
    assert_eq!(refused.code, Code::AgentUnsupported);
    link.session.kill.cut("the test cuts it");
    let begun = Instant::now();
    let again = server.session().await;
    assert_eq!(again.hello.run, link.hello.run, "the same run of the agent");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_of_one_machine_are_told_in_the_order_of_what_happened() {
    let (mut server, computer) = (Server::new(), Computer::new());
    computer.outside(Outside::Define(Box::new(definition()), true));
    let agent = computer.start(&server, true);
    let mut link = server.session().await;
    let host = computer.host.clone();
    let flips = tokio::task::spawn_blocking(move || {
        for _ in 0..200 {
            host.outside(&Outside::Start(VM)).unwrap();
            std::thread::sleep(Duration::from_millis(2));
            host.outside(&Outside::TurnOff(VM)).unwrap();
        }
        host.outside(&Outside::Start(VM)).unwrap();
    });
    soon("the flips", flips).await.unwrap();
    link.until("the last word is the truth", |link| link.power(VM) == Some(Power::Running)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    link.say(ToAgent::Picture);
    let pictures = link.pictures;
    link.until("a picture", |link| link.pictures > pictures).await;
    assert_eq!(link.power(VM), Some(Power::Running));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_epoch_is_behind_is_left_and_called_again_soon() {
    let (mut server, computer) = (Server::new(), Computer::new());
    let agent = computer.start(&server, true);
    let mut link = server.session().await;
    // The agent closes this one itself, and says why.
    link.say(ToAgent::Welcome { session: hostler_model::SessionId(9), epoch: 0 });
    let begun = Instant::now();
    assert!(matches!(link.end().await, End::Bye(_)));
    server.session().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    agent.stop().await;
}
